package avrosample

import (
	"slices"
	"strings"
	"unicode"
)

// split returns the words of a field's name in lower case.
func split(name string) []string {
	var words []string
	start := 0
	cut := func(end int) {
		if end > start {
			words = append(words, strings.ToLower(name[start:end]))
		}
	}
	for i, r := range name {
		switch {
		case r == '_':
			cut(i)
			start = i + 1
		case unicode.IsUpper(r) && i > start && !unicode.IsUpper(rune(name[i-1])):
			cut(i)
			start = i
		}
	}
	cut(len(name))
	return words
}

// singular replaces the last word by its singular.
func singular(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	words = slices.Clone(words)
	last := &words[len(words)-1]
	if strings.HasSuffix(*last, "s") && len(*last) > 3 {
		*last = strings.TrimSuffix(*last, "s")
	}
	return words
}

// endsWithOneOf reports whether the last word is one of the given words.
func endsWithOneOf(words []string, some ...string) bool {
	return len(words) > 0 && slices.Contains(some, words[len(words)-1])
}
