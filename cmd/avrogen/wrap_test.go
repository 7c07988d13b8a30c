package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHelpFitsIn80Columns asks every command for its help. Each line of the
// help must fit into 80 columns.
func TestHelpFitsIn80Columns(t *testing.T) {
	t.Parallel()
	for _, cmd := range append(newRoot(&app{}).Commands(), newRoot(&app{})) {
		t.Run(cmd.Name(), func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
			var out bytes.Buffer
			if code := run(t.Context(), &app{stdout: &out, stderr: &out}, args); code != exitOK || out.Len() == 0 {
				t.Fatalf("status %d: %s", code, &out)
			}
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(line) - 1; n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"fits", "a b\nc\n", "a b\nc\n"},
		{"breaks at a space", "one two three four five six\n", "one two three\n    four five\n    six\n"},
		{"a word that is wider", "a-word-of-twenty-runes and\n", "a-word-of-twenty-runes\n    and\n"},
		{"runes, not bytes", "äöü äöü äöü ä\n", "äöü äöü äöü ä\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := wrap(tt.in, 14); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
