package settings

import (
	"testing"
)

func FuzzProperties(f *testing.F) {
	f.Add("a=b\\\n c\nx:\\u0041")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseProperties("f", []byte(text))
		if err == nil {
			_ = newDefaults(ForProducer).load(entries[:min(len(entries), 100)], true)
		}
		_, _, _ = parseJAAS(text)
		_, _ = parseYAML("f", []byte(text))
	})
}
