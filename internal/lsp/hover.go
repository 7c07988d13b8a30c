package lsp

import (
	"fmt"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// maxHover limits the fields or symbols in the text of a hover.
const maxHover = 25

// hoverText returns the description of a type or a field in Markdown.
func hoverText(m mention) string {
	var b strings.Builder
	if m.field != nil {
		fmt.Fprintf(&b, "%s\n", code(fmt.Sprintf("%s.%s: %s%s", m.schema.ShortName(), m.field.Name, typeText(m.field.Type), defaultText(m.field))))
		doc(&b, m.field.Doc)
		if m.field.Type.Kind.Named() {
			doc(&b, m.field.Type.Doc)
		}
		return b.String()
	}
	s := m.schema
	kind := s.Kind.String()
	if s.IsError {
		kind = "error"
	}
	var lines []string
	head := kind + " " + s.Name
	switch s.Kind {
	case avsc.Fixed:
		head += fmt.Sprintf("(%d)", s.Size)
		if s.Logical.Name != "" {
			head += " " + s.Logical.String()
		}
	case avsc.Enum:
		for _, symbol := range s.Symbols {
			line := "  " + symbol.Name
			if symbol.Name == s.EnumDefault {
				line += " (default)"
			}
			lines = append(lines, line)
		}
	default:
		for _, f := range s.Fields {
			lines = append(lines, fmt.Sprintf("  %s: %s%s", f.Name, typeText(f.Type), defaultText(f)))
		}
	}
	if len(lines) > maxHover {
		lines = append(lines[:maxHover], fmt.Sprintf("  … %d more", len(lines)-maxHover))
	}
	fmt.Fprintf(&b, "%s\n", code(strings.Join(append([]string{head}, lines...), "\n")))
	doc(&b, s.Doc)
	return b.String()
}

// code returns a block of code. The fence is longer than any fence in the text.
func code(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "\n" + text + "\n" + fence
}

// doc writes a schema's doc as plain text. Markdown and HTML in a doc have no
// effect.
func doc(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	text = cut(text, 4000)
	b.WriteString("\n" + strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]",
		"#", "\\#", "<", "&lt;", ">", "&gt;", "&", "&amp;", "!", "\\!", "|", "\\|", "~", "\\~").Replace(text) + "\n")
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func defaultText(f *avsc.Field) string {
	if f.Default == nil {
		return ""
	}
	return " = " + cut(string(f.Default.AppendCompact(nil)), 80)
}

// typeText writes a schema in one line.
func typeText(s *avsc.Schema) string {
	switch s.Kind {
	case avsc.Array, avsc.Map:
		return s.Kind.String() + "<" + typeText(s.Elem) + ">"
	case avsc.Union:
		var parts []string
		for i, b := range s.Branches {
			if i == maxHover {
				parts = append(parts, fmt.Sprintf("… %d more", len(s.Branches)-i))
				break
			}
			parts = append(parts, typeText(b))
		}
		return strings.Join(parts, " | ")
	}
	switch {
	case s.Kind.Named():
		return s.ShortName()
	case s.Logical.Name != "":
		return s.Logical.String() + " (" + s.Kind.String() + ")"
	}
	return s.Kind.String()
}
