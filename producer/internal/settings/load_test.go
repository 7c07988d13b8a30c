package settings

import (
	"os"
	"strings"
	"testing"
)

func FuzzProperties(f *testing.F) {
	f.Add("a=b\\\n c\nx:\\u0041")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseProperties("f", []byte(text))
		if err == nil {
			_ = (&Config{origins: map[string]string{}, Passed: map[string]string{}}).load(entries[:min(len(entries), 100)], true)
		}
		_, _, _ = parseJAAS(text)
		_, _ = parseYAML("f", []byte(text))
	})
}

// The documentation has every key.
func TestKeysAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range settings() {
		refused := s.guard != "" && s.set(&Config{origins: map[string]string{}}, "\x01") != nil && s.set(&Config{}, "true") != nil && s.set(&Config{}, "1") != nil && s.set(&Config{}, "all") != nil
		if s.key == name && !refused && !strings.Contains(string(text), "`"+name) && !strings.Contains(string(text), name[strings.LastIndexByte(name, '.'):]) {
			t.Errorf("docs/configuration.md lacks %s", name)
		}
	}
}
