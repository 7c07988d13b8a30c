package main

import (
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// visible writes control characters and direction marks as \u202e and the like,
// so that a name or a text from outside cannot steer a terminal or show
// otherwise than it is. Ends of lines and tabs stay. The result of JSON is the
// same JSON.
func visible(text string) string {
	if !strings.ContainsFunc(text, steers) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steers(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// steers reports whether a terminal does something else with r than show it.
func steers(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029')
}

// writeContent writes what a file or a message holds: as it is, except on a
// terminal.
func (a *app) writeContent(content []byte) error {
	if file, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		content = []byte(visible(string(content)))
	}
	if _, err := a.stdout.Write(content); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
