package main

import "testing"

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
