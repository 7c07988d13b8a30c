package main

import (
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// visible replaces control characters and direction marks by escapes like
// \u202e. So a text from outside cannot control a terminal, and cannot look
// different from its content. Line ends and tabs stay. JSON keeps its meaning.
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

// steers reports whether r may control a terminal instead of being shown.
func steers(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029')
}

// writeContent writes the content of a file or a message. On a terminal, it
// makes the content visible. Otherwise it writes the content unchanged.
func (a *app) writeContent(content []byte) error {
	if file, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		content = []byte(visible(string(content)))
	}
	if _, err := a.stdout.Write(content); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
