package catalog

import (
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// markdownEscaper escapes the special characters of Markdown and HTML.
var markdownEscaper = strings.NewReplacer( //nolint:gochecknoglobals // a constant table
	"\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "|", "\\|", "~", "\\~",
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "$", "\\$",
)

// markdownText writes a text as one line of plain text.
func markdownText(s string) string {
	s = markdownEscaper.Replace(strings.Join(strings.Fields(clean(s)), " "))
	if s != "" && strings.IndexByte("#+-=", s[0]) >= 0 {
		return "\\" + s
	}
	digits := strings.TrimLeft(s, "0123456789")
	if digits != s && digits != "" && (digits[0] == '.' || digits[0] == ')') {
		return s[:len(s)-len(digits)] + "\\" + digits
	}
	return s
}

// markdownCode writes a text as code that may stand in a table. markdownCode
// uses an HTML element, because backticks cannot contain "|" or backticks.
func markdownCode(s string) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if s == "" {
		return ""
	}
	if strings.ContainsAny(s, "`|\\") {
		return "<code>" + markdownEscaper.Replace(s) + "</code>"
	}
	return "`" + s + "`"
}

func markdownCodes(list []string) string {
	codes := make([]string, len(list))
	for i, s := range list {
		codes[i] = markdownCode(s)
	}
	return strings.Join(codes, ", ")
}

func markdownLinks(types []*Type, dir string) string {
	links := make([]string, len(types))
	for i, t := range types {
		links[i] = "[" + markdownText(t.Name) + "](" + dir + t.Stem + ".md)"
	}
	return strings.Join(links, ", ")
}

// markdownTypeLinks writes the text of a type. Names of types become links to
// the pages in the folder of t's page.
func (c *Catalog) markdownTypeLinks(s *avsc.Schema, t *Type) string {
	var b strings.Builder
	for _, tok := range c.typeText(s) {
		switch {
		case tok.Type == nil || tok.Type == t:
			b.WriteString(markdownInline(tok.Text))
		default:
			b.WriteString("[" + markdownText(tok.Text) + "](" + tok.Type.Stem + ".md)")
		}
	}
	return b.String()
}

// markdownInline escapes a part of a line and keeps the part's spaces.
func markdownInline(s string) string { return markdownEscaper.Replace(clean(s)) }

// markdownBlock writes a block of code. The fence is longer than any fence in
// the text.
func markdownBlock(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + language + "\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}
