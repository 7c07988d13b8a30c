package settings

import "testing"

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
