package codegen

import (
	"bytes"
	"fmt"
	"go/doc/comment"
	"strings"
	"unicode/utf8"
)

// printer prints Go source as gofmt lays it out. The caller gives lines without
// indentation; the printer indents by the braces and parentheses at the ends
// and beginnings of lines. TestGofmtChangesNothing holds it against gofmt.
type printer struct {
	out    bytes.Buffer
	scrap  bytes.Buffer // of p
	indent int
	blank  bool // an empty line is due before the next one
	opened bool // the last line opened a block, where an empty line is dropped
}

// p prints lines. An empty line at its end separates declarations.
func (p *printer) p(format string, args ...any) {
	if len(args) == 0 {
		p.lines(format)
		return
	}
	p.scrap.Reset()
	fmt.Fprintf(&p.scrap, format, args...)
	p.lines(p.scrap.String())
}

func (p *printer) lines(text string) {
	for {
		line, rest, more := strings.Cut(text, "\n")
		p.line(line)
		if !more {
			return
		}
		text = rest
	}
}

// line prints one line at the indentation where it belongs.
func (p *printer) line(line string) {
	if line == "" {
		p.blank = true
		return
	}
	closes := line[0] == '}' || line[0] == ')'
	if closes {
		p.indent--
	}
	if p.blank && !closes && !p.opened {
		p.out.WriteByte('\n')
	}
	p.blank = false
	tabs := p.indent
	if strings.HasPrefix(line, "case ") || strings.HasPrefix(line, "default:") {
		tabs--
	}
	for range tabs {
		p.out.WriteByte('\t')
	}
	p.out.WriteString(line)
	p.out.WriteByte('\n')
	last := line[len(line)-1]
	p.opened = (last == '{' || last == '(') && !isComment(line)
	if p.opened {
		p.indent++
	}
}

func isComment(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, "\t"), "//") }

// verbatim prints text as it is, which may be a raw string over several lines.
func (p *printer) verbatim(text string) {
	if p.blank && !p.opened {
		p.out.WriteByte('\n')
	}
	p.blank, p.opened = false, false
	p.out.WriteString(text)
	p.out.WriteByte('\n')
}

// comment prints lines of a comment.
func (p *printer) comment(lines ...string) {
	for _, line := range lines {
		switch {
		case line == "":
			p.line("//")
		case line[0] == '\t':
			p.line("//" + line)
		default:
			p.line("// " + line)
		}
	}
}

// note prints sentences as a comment, in lines that fit.
func (p *printer) note(format string, args ...any) {
	p.comment(wrap(fmt.Sprintf(format, args...))...)
}

// doc prints the comment of a declaration. gofmt lays such comments out anew,
// lists and headings among them.
func (p *printer) doc(lines []string) {
	if len(lines) == 0 {
		return
	}
	text := strings.Join(lines, "\n") + "\n"
	for range 3 { // the layout of odd texts is found in steps
		var parser comment.Parser
		var out comment.Printer
		laidOut := string(out.Comment(parser.Parse(text)))
		if laidOut == text {
			break
		}
		text = laidOut
	}
	if text = strings.TrimSuffix(text, "\n"); text != "" {
		p.comment(strings.Split(text, "\n")...)
	}
}

// columns prints rows of cells below each other. The last cell of a row is not
// padded.
func (p *printer) columns(rows [][]string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+1))
			}
		}
		p.line(line.String())
	}
}

// oneLineLimit is the longest function that gofmt leaves on one line.
const oneLineLimit = 100

// function prints a function of one statement, or of none, on one line if it is
// short enough.
func (p *printer) function(header, statement string) {
	p.lines(oneLine(header+" ", statement)) // gofmt counts the space of a declaration
	p.line("")
}

// oneLine is a function of one statement, on one line if it is short enough.
func oneLine(header, statement string) string {
	tooLong := len(header)+len(statement) > oneLineLimit
	header = strings.TrimSuffix(header, " ")
	switch {
	case strings.Contains(statement, "\n") || tooLong:
		return header + " {\n" + statement + "\n}"
	case statement == "":
		return header + " {}"
	}
	return header + " { " + statement + " }"
}

// emptyMethods prints methods without statements below each other.
func (p *printer) emptyMethods(headers []string) {
	var rows [][]string
	flush := func() {
		p.columns(rows)
		rows = nil
	}
	for _, h := range headers {
		if len(h)+1 > oneLineLimit {
			flush()
			p.p("%s {\n}", h)
			continue
		}
		rows = append(rows, []string{h, "{}"})
	}
	flush()
}

// valueStruct is the type of a struct with one field.
func valueStruct(field, typ string) string {
	const longestInLine = 29
	if len(typ) > longestInLine {
		return "struct {\n" + field + " " + typ + "\n}"
	}
	return "struct{ " + field + " " + typ + " }"
}
