package avrosample

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// hint is the help that a field gives for its values. It has the words of the
// name, and the doc.
type hint struct {
	words []string
	doc   string
}

func fieldHint(f *avsc.Field) hint {
	doc := f.Doc
	if len(doc) > 1000 { // the rest tells nothing more about the value
		doc = doc[:1000]
	}
	return hint{words: split(f.Name), doc: doc}
}

// element is the hint for an element of a list.
func (h hint) element() hint { return hint{words: singular(h.words), doc: h.doc} }

// docExamples finds examples in a doc, as in "such as EUR, USD or GBP".
var docExamples = regexp.MustCompile(
	`(?i)(?:\be\.g\.|\bfor example|\bfor instance|\bsuch as)[:,]?\s+((?:["'` + "`" + `]?[\w@%+#/:.-]*\w["'` + "`" + `]?(?:\s*,\s*(?:or\s+)?|\s+or\s+)?)+)`)

// docRange finds the bounds of a number in a doc, as in "between 1 and 5",
// "from 0 to 100" or "1-5".
var docRange = regexp.MustCompile(
	`(?i)(?:\bbetween\s+(-?\d{1,9})\s+and|\bfrom\s+(-?\d{1,9})\s+to|(?:^|\s)(\d{1,9})\s*(?:\.\.+|–|-|to))\s*(-?\d{1,9})\b`)

// example returns one of the examples in the doc. Ordinary words, as in "such
// as the name of", are no examples.
func (m *maker) example(h hint) (string, bool) {
	found := docExamples.FindStringSubmatch(h.doc)
	if found == nil {
		return "", false
	}
	var list []string
	for _, part := range regexp.MustCompile(`\s*,\s*(?:or\s+)?|\s+or\s+`).Split(found[1], -1) {
		text := strings.Trim(part, "\"'` ")
		quoted := text != strings.TrimSpace(part)
		if text != "" && !strings.ContainsAny(text, " ") && (quoted || isCode(text)) {
			list = append(list, text)
		}
	}
	if len(list) == 0 {
		return "", false
	}
	return list[m.IntN(len(list))], true
}

// isCode reports whether a text is no ordinary word: it has a digit, a mark, or
// a capital after the first letter.
func isCode(s string) bool {
	for i, r := range s {
		if r >= '0' && r <= '9' || strings.ContainsRune("@%+#/:.-_", r) || i > 0 && r >= 'A' && r <= 'Z' {
			return true
		}
	}
	return false
}

// between returns a number within the bounds that the doc names.
func (m *maker) between(h hint, s *avsc.Schema) (int64, bool) {
	found := docRange.FindStringSubmatch(h.doc)
	if found == nil {
		return 0, false
	}
	low, err1 := strconv.ParseInt(found[1]+found[2]+found[3], 10, 32)
	high, err2 := strconv.ParseInt(found[4], 10, 32)
	if err1 != nil || err2 != nil || low >= high || s.Logical.Name != "" {
		return 0, false
	}
	return low + m.Int64N(high-low+1), true
}

// docWords are the words of a doc that may name the kind of a text.
func (h hint) docWords() []string {
	words := strings.FieldsFunc(strings.ToLower(h.doc), func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' })
	return words[:min(len(words), 30)]
}
