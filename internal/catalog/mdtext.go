package catalog

import (
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// mdEscaper escapes the special characters of Markdown and HTML.
var mdEscaper = strings.NewReplacer( //nolint:gochecknoglobals // a constant table
	"\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "|", "\\|", "~", "\\~",
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "$", "\\$",
)

// md writes a text as one line of plain text.
func md(s string) string {
	s = mdEscaper.Replace(strings.Join(strings.Fields(clean(s)), " "))
	if s != "" && strings.IndexByte("#+-=", s[0]) >= 0 {
		return "\\" + s
	}
	digits := strings.TrimLeft(s, "0123456789")
	if digits != s && digits != "" && (digits[0] == '.' || digits[0] == ')') {
		return s[:len(s)-len(digits)] + "\\" + digits
	}
	return s
}

// mdCode writes a text as code that may stand in a table. mdCode uses an HTML
// element, because backticks cannot contain "|" or backticks.
func mdCode(s string) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if s == "" {
		return ""
	}
	if strings.ContainsAny(s, "`|\\") {
		return "<code>" + mdEscaper.Replace(s) + "</code>"
	}
	return "`" + s + "`"
}

func mdCodes(list []string) string {
	codes := make([]string, len(list))
	for i, s := range list {
		codes[i] = mdCode(s)
	}
	return strings.Join(codes, ", ")
}

func mdLinks(types []*Type, dir string) string {
	links := make([]string, len(types))
	for i, t := range types {
		links[i] = "[" + md(t.Name) + "](" + dir + t.Stem + ".md)"
	}
	return strings.Join(links, ", ")
}

// mdType writes the text of a type. Names of types become links to the pages in
// the folder of t's page.
func (c *Catalog) mdType(s *avsc.Schema, t *Type) string {
	var b strings.Builder
	for _, tok := range c.typeText(s) {
		switch {
		case tok.Type == nil || tok.Type == t:
			b.WriteString(mdPart(tok.Text))
		default:
			b.WriteString("[" + md(tok.Text) + "](" + tok.Type.Stem + ".md)")
		}
	}
	return b.String()
}

// mdPart escapes a part of a line and keeps the part's spaces.
func mdPart(s string) string { return mdEscaper.Replace(clean(s)) }

// mdBlock writes a block of code. The fence is longer than any fence in the
// text.
func mdBlock(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + language + "\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}
