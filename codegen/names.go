package codegen

import (
	"strings"
	"unicode"
)

// The rule for names has five steps:
//
//  1. The name is cut into words. A cut is at every character that is no letter
//     and no digit, and before a capital that follows a small letter or a
//     digit. In a run of capitals, a cut is before the last capital if a small
//     letter follows the run. So order_id, orderId and OrderID are "order",
//     "id", and HTTPServer is "HTTP", "Server". A name without a small letter
//     is first turned into small letters, if the name has two words or more
//     than one letter. So IN_TRANSIT is "in", "transit".
//  2. Each word begins with a capital. A word that is a usual initialism is
//     written in capitals, with or without digits at the end. The plural of an
//     initialism has a small s. Examples are ID, ID2, URL and URLs.
//  3. Underscores are removed, except between two digits. So v1_2 is V1_2, not
//     V12.
//  4. A name that does not begin with a letter that has a capital gets an X in
//     front. So _1st is X1st, and _ is X.
//  5. A name that is taken gets underscores at the end until the name is free.
//     No other name ends in an underscore. So earlier names stay the same if
//     the schema gets another name at the end. Among fields, the methods of a
//     generated record take their names first, then each field in the order of
//     the schema. In a package, the types take their names first, sorted by
//     full name. Then the derived names follow: constructors, constants, unions
//     and their branches.
//
// A property "go.name" of a type or field replaces steps 1 to 4.

// initialisms are the words of golint's list.
//
//nolint:gochecknoglobals // a constant table
var initialisms = map[string]bool{
	"ACL": true, "API": true, "ASCII": true, "CPU": true, "CSS": true, "DNS": true, "EOF": true, "GUID": true,
	"HTML": true, "HTTP": true, "HTTPS": true, "ID": true, "IP": true, "JSON": true, "LHS": true, "QPS": true,
	"RAM": true, "RHS": true, "RPC": true, "SLA": true, "SMTP": true, "SQL": true, "SSH": true, "TCP": true,
	"TLS": true, "TTL": true, "UDP": true, "UI": true, "UID": true, "UUID": true, "URI": true, "URL": true,
	"UTF8": true, "VM": true, "XML": true, "XMPP": true, "XSRF": true, "XSS": true,
}

// goName returns the exported Go name of an Avro name. It applies steps 1 to 4.
func goName(avro string) string {
	if shouts(avro) {
		avro = strings.ToLower(avro)
	}
	var name strings.Builder
	last := rune(0)
	for _, word := range words(avro) {
		first := firstRune(word)
		if unicode.IsDigit(last) && unicode.IsDigit(first) {
			name.WriteByte('_')
		}
		name.WriteString(capitalise(word))
		last = lastRune(word)
	}
	if s := name.String(); unicode.IsUpper(firstRune(s)) {
		return s
	}
	return "X" + name.String()
}

// words cuts a name into words, as in step 1.
func words(name string) []string {
	runes := []rune(name)
	var words []string
	start := 0
	cut := func(end int) {
		if end > start {
			words = append(words, string(runes[start:end]))
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case !isLetter(r) && !unicode.IsDigit(r):
			cut(i)
			start = i + 1
		case i == start || !unicode.IsUpper(r):
		case !unicode.IsUpper(runes[i-1]), i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !isPlural(runes[start:], i-start):
			cut(i)
		}
	}
	cut(len(runes))
	return words
}

// isPlural reports whether the run of capitals up to i and the following s are
// the plural of an initialism. The plural must end after the s. URLs is a
// plural, but URLset is not.
func isPlural(run []rune, i int) bool {
	if run[i+1] != 's' || (i+2 < len(run) && unicode.IsLower(run[i+2])) {
		return false
	}
	return initialisms[string(run[:i+1])]
}

// capitalise writes one word, as in step 2.
func capitalise(word string) string {
	stem := strings.TrimRightFunc(word, unicode.IsDigit)
	digits := word[len(stem):]
	upper := strings.ToUpper(stem)
	switch {
	case initialisms[upper], initialisms[strings.ToUpper(word)]:
		return upper + digits
	case digits == "" && strings.HasSuffix(stem, "s") && initialisms[strings.TrimSuffix(upper, "S")]:
		return strings.TrimSuffix(upper, "S") + "s"
	}
	first := firstRune(word)
	return string(unicode.ToUpper(first)) + word[len(string(first)):]
}

// shouts reports whether all letters of a name are capitals, as in constants.
func shouts(name string) bool {
	letters := 0
	for _, r := range name {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsUpper(r) {
			letters++
		}
	}
	return letters > 1
}

func isLetter(r rune) bool { return unicode.IsLetter(r) }

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

func lastRune(s string) rune {
	runes := []rune(s)
	return runes[len(runes)-1]
}

// lowerFirst returns the beginning of an unexported name, made from the letters
// of an exported name. The callers always add a part that begins with a
// capital. So the full name is never a keyword, an import or a local variable.
func lowerFirst(name string) string {
	first := firstRune(name)
	return string(unicode.ToLower(first)) + name[len(string(first)):]
}

// scope is a set of used names. It makes distinct names, as in step 5.
type scope map[string]bool

func newScope(taken []string) scope {
	s := scope{}
	for _, name := range taken {
		s[name] = true
	}
	return s
}

// take returns and reserves the first free name of name, name_, name__ and so
// on.
func (s scope) take(name string) string {
	for s[name] {
		name += "_"
	}
	s[name] = true
	return name
}

// PackageName makes a Go package name from the name of a folder or a namespace
// segment. It keeps the ASCII letters and digits, in small letters. It adds
// "avro" to a word that has a special meaning in Go, for example "type", "main"
// or "internal".
func PackageName(segment string) string {
	var name strings.Builder
	for _, r := range strings.ToLower(segment) {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' && name.Len() > 0 {
			name.WriteRune(r)
		}
	}
	switch s := name.String(); {
	case s == "":
		return "avro"
	case specialPackage[s], windowsDevice[s]:
		return s + "avro"
	default:
		return s
	}
}

// specialPackage are names that a package cannot have, and names that give a
// folder a special meaning for the Go tool. The Go tool ignores the files of a
// package named documentation.
//
//nolint:gochecknoglobals // a constant table
var specialPackage = map[string]bool{
	"break": true, "case": true, "chan": true, "const": true, "continue": true, "default": true, "defer": true,
	"else": true, "fallthrough": true, "for": true, "func": true, "go": true, "goto": true, "if": true,
	"import": true, "interface": true, "map": true, "package": true, "range": true, "return": true,
	"select": true, "struct": true, "switch": true, "type": true, "var": true,
	"documentation": true, "internal": true, "main": true, "testdata": true, "vendor": true,
}

// windowsDevice are names of devices on Windows. The Go tool refuses an import
// path with such a folder on every platform, and a module with such a file,
// whatever follows the first dot.
//
//nolint:gochecknoglobals // a constant table
var windowsDevice = map[string]bool{
	"aux": true, "con": true, "nul": true, "prn": true,
	"com1": true, "com2": true, "com3": true, "com4": true, "com5": true, "com6": true, "com7": true, "com8": true, "com9": true,
	"lpt1": true, "lpt2": true, "lpt3": true, "lpt4": true, "lpt5": true, "lpt6": true, "lpt7": true, "lpt8": true, "lpt9": true,
}
