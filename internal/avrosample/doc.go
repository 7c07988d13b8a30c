package avrosample

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// hint is the information about the values of a field. It contains the words of
// the field's name, and the field's doc.
type hint struct {
	words []string
	doc   string
}

func fieldHint(f *avsc.Field) hint {
	doc := f.Doc
	if len(doc) > 1000 { // the rest of a long doc does not describe the value
		doc = doc[:1000]
	}
	return hint{words: split(f.Name), doc: doc}
}

// element returns the hint for an element of a list.
func (h hint) element() hint { return hint{words: singular(h.words), doc: h.doc} }

// docExamples matches the examples in a doc after words like "such as" (as in
// "such as EUR, USD or GBP"), and the list after "one of".
var docExamples = regexp.MustCompile(
	`(?i)(?:\be\.g\.|\bfor example|\bfor instance|\bsuch as|\b(one of))[:,]?\s+((?:["'` + "`" + `]?[\w@%+#/:.-]*\w["'` + "`" + `]?(?:\s*,\s*(?:or\s+)?|\s+or\s+)?)+)`)

// docSeparator matches the text between two examples of a list.
var docSeparator = regexp.MustCompile(`\s*,\s*(?:or\s+)?|\s+or\s+`)

// docRange matches the bounds of a number in a doc, as in "between 1 and 5",
// "from 0 to 100" or "1-5". docLeast and docMost match a single bound.
var (
	docRange = regexp.MustCompile(
		`(?i)(?:\bbetween\s+(-?\d{1,9}(?:\.\d{1,6})?)\s+and|\bfrom\s+(-?\d{1,9}(?:\.\d{1,6})?)\s+to|(?:^|\s)(\d{1,9}(?:\.\d{1,6})?)\s*(?:\.\.+|–|-|to))\s*(-?\d{1,9}(?:\.\d{1,6})?)(?:[^\w.]|\.\W|\.?$)`)
	docLeast = regexp.MustCompile(`(?i)\b(?:at least|not less than|no less than|minimum|greater than or equal to)\s+(-?\d{1,9}(?:\.\d{1,6})?)(?:[^\w.]|\.\W|\.?$)`)
	docMost  = regexp.MustCompile(`(?i)\b(?:at most|not more than|no more than|maximum|up to|less than or equal to)\s+(-?\d{1,9}(?:\.\d{1,6})?)(?:[^\w.]|\.\W|\.?$)`)
)

// example returns one of the examples in the doc. Ordinary words do not count
// as examples, as in "such as the name of".
func (m *maker) example(h hint) (string, bool) {
	for _, found := range docExamples.FindAllStringSubmatch(h.doc, -1) {
		var list []string
		parts := docSeparator.Split(found[2], -1)
		all := found[1] != "" && len(parts) > 1 // a list of all values may contain ordinary words
		for _, part := range parts {
			text := strings.Trim(part, "\"'` ")
			quoted := text != strings.TrimSpace(part)
			if text != "" && !strings.ContainsAny(text, " ") && (all || quoted || isCode(text)) {
				list = append(list, text)
			}
		}
		if len(list) > 0 {
			return list[m.IntN(len(list))], true
		}
	}
	return "", false
}

// isCode reports whether a text is a code, and not an ordinary word. A code has
// a digit, a special character, or a capital after the first letter.
func isCode(s string) bool {
	for i, r := range s {
		if r >= '0' && r <= '9' || strings.ContainsRune("@%+#/:.-_", r) || i > 0 && r >= 'A' && r <= 'Z' {
			return true
		}
	}
	return false
}

// bounds returns the bounds in the doc. If the doc names only one bound, the
// other bound is zero if possible, and otherwise 1,000 away.
func (h hint) bounds() (low, high float64, ok bool) {
	number := func(text string) float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0 // cannot happen: the expressions match only numbers
		}
		return f
	}
	least, most := docLeast.FindStringSubmatch(h.doc), docMost.FindStringSubmatch(h.doc)
	switch found := docRange.FindStringSubmatch(h.doc); {
	case found != nil:
		low, high = number(found[1]+found[2]+found[3]), number(found[4])
	case least != nil && most != nil:
		low, high = number(least[1]), number(most[1])
	case least != nil:
		low = number(least[1])
		high = low + 1_000
	case most != nil:
		high = number(most[1])
		if low = 0; high <= 0 {
			low = high - 1_000
		}
	}
	return low, high, low < high
}

// between returns a whole number within the bounds in the doc.
func (m *maker) between(h hint, s *avsc.Schema) (int64, bool) {
	low, high, ok := h.bounds()
	low, high = math.Ceil(low), math.Floor(high)
	if !ok || low > high || s.Logical.Name != "" || s.Kind == avsc.Int && (low < math.MinInt32 || high > math.MaxInt32) {
		return 0, false
	}
	return int64(low) + m.Int64N(int64(high-low)+1), true
}

// docWords returns the words of the doc that may name the kind of a text.
func (h hint) docWords() []string {
	words := strings.FieldsFunc(strings.ToLower(h.doc), func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' })
	return words[:min(len(words), 30)]
}
