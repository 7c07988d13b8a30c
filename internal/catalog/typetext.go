package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/avroline/avroline/internal/avsc"
)

// token is a part of the text of a type. Type is nil, unless the part is a
// reference to a type.
type token struct {
	Text string
	Type *Type
}

// maxTokens limits the text of one type, such as a union of many types.
const maxTokens = 60

// typeText writes a schema as one short text, such as "null | array<Order>".
func (c *Catalog) typeText(s *avsc.Schema) []token {
	w := typeWriter{c: c}
	w.schema(s)
	if w.left > 0 {
		w.tokens = append(w.tokens, token{Text: fmt.Sprintf(" and %d more", w.left)})
	}
	return w.tokens
}

type typeWriter struct {
	c      *Catalog
	tokens []token
	left   int // the number of parts beyond maxTokens
}

func (w *typeWriter) text(s string) {
	if n := len(w.tokens); n > 0 && w.tokens[n-1].Type == nil {
		w.tokens[n-1].Text += s
		return
	}
	w.tokens = append(w.tokens, token{Text: s})
}

func (w *typeWriter) schema(s *avsc.Schema) {
	switch {
	case s.Kind.Named():
		if t := w.c.byType[s]; t != nil {
			w.tokens = append(w.tokens, token{t.Short(), t})
			return
		}
		w.text(clean(s.Name))
	case s.Kind == avsc.Array, s.Kind == avsc.Map:
		w.text(s.Kind.String() + "<")
		w.schema(s.Elem)
		w.text(">")
	case s.Kind == avsc.Union:
		if len(s.Branches) == 0 {
			w.text("a union without branches")
		}
		for i, b := range s.Branches {
			if len(w.tokens) > maxTokens {
				w.left += len(s.Branches) - i
				return
			}
			if i > 0 {
				w.text(" | ")
			}
			w.schema(b)
		}
	case s.Logical.Name != "":
		w.text(s.Logical.String())
	default:
		w.text(s.Kind.String())
	}
}

// logical describes the logical types in a schema and their base types, for
// example "date is stored as int".
func (c *Catalog) logical(s *avsc.Schema) []string {
	var notes []string
	seen := map[string]bool{}
	stack := []*avsc.Schema{s}
	for len(stack) > 0 && len(notes) < 10 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n.Logical.Name != "" {
			note := fmt.Sprintf("%s is stored as %s", n.Logical, n.Kind)
			if n.Kind == avsc.Fixed {
				note += fmt.Sprintf(" of %d bytes", n.Size)
			}
			if !seen[note] {
				seen[note] = true
				notes = append(notes, note)
			}
		}
		if !n.Kind.Named() {
			stack = parts(stack, n)
		}
	}
	return notes
}

func indentJSON(text []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, text, "", "  ") != nil {
		return string(text)
	}
	return out.String()
}
