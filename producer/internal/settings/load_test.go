package settings

import "testing"

// TestIdempotenceOfFiles checks that enable.idempotence takes the booleans of
// librdkafka and Java.
func TestIdempotenceOfFiles(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"true", "TRUE", "tRue", "1", "t"} {
		if _, err := New(ForProducer, []string{"b:1"}, "", []Option{fromText(t, "enable.idempotence="+on)}); err != nil {
			t.Errorf("%s: %v", on, err)
		}
	}
	for _, off := range []string{"false", "FALSE", "0", "f"} {
		c, err := New(ForProducer, []string{"b:1"}, "", []Option{fromText(t, "avroline.weak.acks=1\nenable.idempotence="+off)})
		if err != nil || !c.WeakAcks {
			t.Errorf("%s: %v", off, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("linger.ms", "5")
	f.Add("sasl.jaas.config", `x.PlainLoginModule required username="u" password="p";`)
	f.Fuzz(func(t *testing.T, key, value string) {
		for _, purpose := range []Purpose{ForProducer, ForProcessor} {
			c := newDefaults(purpose)
			if s := c.names[key]; s != nil && s.readsFiles {
				return
			}
			_ = c.load(key, value, "f", map[string]string{}, false)
			_ = c.check()
		}
		_, _, _ = parseJAAS(value)
	})
}
