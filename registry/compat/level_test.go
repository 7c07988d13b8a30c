package compat_test

import (
	"strings"
	"testing"

	"github.com/avroline/avroline/registry/compat"
)

func TestLevelText(t *testing.T) {
	t.Parallel()
	for l := compat.Backward; l <= compat.None; l++ {
		text, err := l.MarshalText()
		var back compat.Level
		if err != nil || back.UnmarshalText(text) != nil || back != l || l.String() != string(text) {
			t.Errorf("%v: %q %v, back as %v", l, text, err, back)
		}
		if back, err = compat.ParseLevel(strings.ToLower(string(text))); err != nil || back != l {
			t.Errorf("%s in lower case: %v %v", text, back, err)
		}
	}
	var none compat.Level
	if _, err := none.MarshalText(); err == nil {
		t.Error("the zero level has a text")
	}
	l := compat.Full
	if err := l.UnmarshalText([]byte("SIDEWAYS")); err == nil || l != compat.Full {
		t.Errorf("%v, level %v", err, l)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func() ([]compat.Finding, error){
		"no level":        func() ([]compat.Finding, error) { return compat.Check(0, `"int"`) },
		"no new schema":   func() ([]compat.Finding, error) { return compat.Check(compat.Full, `{`) },
		"no old schema":   func() ([]compat.Finding, error) { return compat.Check(compat.Full, `"int"`, `"text"`) },
		"empty new text":  func() ([]compat.Finding, error) { return compat.Check(compat.Backward, ``) },
		"level too large": func() ([]compat.Finding, error) { return compat.Check(compat.None+1, `"int"`) },
	} {
		if found, err := check(); err == nil || !strings.HasPrefix(err.Error(), "compat: ") {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
	if found, err := compat.Check(compat.FullTransitive, `"int"`); err != nil || len(found) > 0 {
		t.Errorf("a first version: %v %v", found, err)
	}
}
