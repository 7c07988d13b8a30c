package avsc

import (
	"slices"
	"strings"
)

// Article puts "a" or "an" before a noun. The choice follows the sound of the
// word, as far as the spelling shows the sound. Normally the first letter
// decides. A capital without a small letter after it is spelt aloud, as in
// HTTPServer and URL.
func Article(noun string) string {
	if noun == "" {
		return "a "
	}
	lower := strings.ToLower(noun)
	var an bool
	if readOut := isUpper(noun[0]) && (len(noun) == 1 || !isLower(noun[1])); readOut {
		an = strings.IndexByte("aefhilmnorsx", lower[0]) >= 0
	} else {
		an = strings.IndexByte("aeiou", lower[0]) >= 0 &&
			!slices.ContainsFunc(consonantSounds, func(s string) bool { return strings.HasPrefix(lower, s) })
	}
	if an {
		return "an " + noun
	}
	return "a " + noun
}

// consonantSounds are beginnings of words with a vowel that sounds like a
// consonant, such as a union, a user, a URL, a euro or a one-time code.
//
//nolint:gochecknoglobals // a constant table
var consonantSounds = []string{"eu", "once", "one", "ubi", "uni", "ura", "uri", "url", "usa", "use", "usu", "util", "uuid"}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
