package processor

import (
	"strings"
	"testing"
)

func TestShorten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"short":                      "short",
		strings.Repeat("x", 12):      "xxxxxxxxxx… (12 bytes)",
		"x" + strings.Repeat("ä", 6): "xääää… (13 bytes)",
		strings.Repeat("€", 4):       "€€€… (12 bytes)",
		strings.Repeat("\x80", 12):   "\x80\x80\x80\x80\x80\x80… (12 bytes)", // no text
	} {
		got := shorten(text, 10)
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
