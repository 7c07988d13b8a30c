package codegen

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/avsc"
)

// typeDoc returns the doc comment of a type. The first sentence names the Avro
// type, and the schema's doc follows. If the schema's doc already begins like a
// Go comment, typeDoc leaves out the first sentence.
func typeDoc(name typeName, what string, s *avsc.Schema) []string {
	doc := docLines(s.Doc, docWidth)
	if len(doc) > 0 && strings.HasPrefix(doc[0], name.GoName+" ") {
		return doc
	}
	first := wrap(fmt.Sprintf("%s is the Avro %s %s.", name.GoName, what, s.Name))
	if len(doc) == 0 {
		return first
	}
	return append(append(first, ""), doc...)
}

// fieldDoc returns the schema's doc, with facts that the Go type cannot
// express.
func fieldDoc(doc string, t *typeExpr) []string {
	lines := docLines(doc, fieldDocWidth)
	if t.Kind == kindOptional {
		t = t.Elem
	}
	if t.Local {
		lines = append(lines, wrapAt("The time of a wall clock, of no time zone. It is written as its own location shows it and read in UTC.", fieldDocWidth)...)
	}
	return lines
}

// unionDoc lists the branches.
func unionDoc(u *unionDecl) []string {
	var branches []string
	for _, x := range u.Branches {
		switch {
		case x.Wrapper != "":
			branches = append(branches, x.Wrapper)
		case x.Type.Kind == kindRecord:
			branches = append(branches, "*"+x.Type.Record.GoName)
		default:
			branches = append(branches, "nil")
		}
	}
	var list string
	switch n := len(branches); n {
	case 0:
		return wrap(u.GoName + " is a union without branches: it has no value.")
	case 1:
		list = branches[0]
	default:
		list = strings.Join(branches[:n-1], ", ") + " or " + branches[n-1]
	}
	return wrap(u.GoName + " is a union: " + list + ".")
}

// count is "1 byte" or "2 bytes".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// docLines turns a doc into comment lines. docLines removes trailing space,
// control characters, and empty lines at the start and the end. Long lines are
// wrapped.
func docLines(doc string, width int) []string {
	doc = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(doc)
	doc = strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r != '\n' && unprintable(r) {
			return -1
		}
		return r
	}, doc)
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(doc), "\n") {
		lines = append(lines, wrapAt(strings.TrimSpace(line), width)...)
	}
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	for i, line := range lines {
		lines[i] = inert(line)
	}
	return lines
}

// inert changes a comment line that has a meaning for Go tools. For example,
// gofmt turns a line "+build" anywhere in a file into a build constraint.
func inert(line string) string {
	if strings.HasPrefix(line, "+build") {
		return `\` + line
	}
	return line
}

// unprintable reports whether a comment leaves r out. A comment leaves out
// control characters, characters that a Go file cannot hold, and marks that
// change the text direction.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\ufeff' || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
}

// Comments are wrapped at these widths, so that no line is wider than 80
// columns. docWidth is for declarations. fieldDocWidth is for fields, which
// stand behind a tab.
const (
	docWidth      = 80 - len("// ")
	fieldDocWidth = docWidth - 4
)

// wrap breaks a long line at spaces.
func wrap(line string) []string { return wrapAt(line, docWidth) }

func wrapAt(line string, width int) []string {
	var lines []string
	for len(line) > width {
		cut := strings.LastIndexByte(line[:width+1], ' ')
		if cut <= 0 {
			cut = strings.IndexByte(line, ' ')
		}
		if cut <= 0 {
			break
		}
		lines = append(lines, strings.TrimRight(line[:cut], " "))
		line = strings.TrimLeft(line[cut:], " ")
	}
	return append(lines, line)
}
