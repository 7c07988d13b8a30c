package codegen

import (
	"bytes"
	"fmt"
	"go/doc/comment"
	"strings"
	"unicode/utf8"
)

// printer prints Go source in the layout of gofmt. The caller gives lines
// without indentation. The printer derives the indentation from braces and
// parentheses at the ends and beginnings of lines. TestGofmtChangesNothing
// compares the result with gofmt.
type printer struct {
	out    bytes.Buffer
	scrap  bytes.Buffer // buffer of p
	indent int
	blank  bool // print an empty line before the next line
	opened bool // the last line opened a block, and an empty line after it is dropped
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

// line prints one line with its indentation.
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

// verbatim prints text without a change. The text may be a raw string over
// several lines.
func (p *printer) verbatim(text string) {
	if p.blank && !p.opened {
		p.out.WriteByte('\n')
	}
	p.blank, p.opened = false, false
	p.out.WriteString(text)
	p.out.WriteByte('\n')
}

// comment prints comment lines.
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

// note prints sentences as a comment and wraps the lines.
func (p *printer) note(format string, args ...any) {
	p.comment(wrap(fmt.Sprintf(format, args...))...)
}

// doc prints the comment of a declaration. gofmt changes the layout of such
// comments, for example of lists and headings.
func (p *printer) doc(lines []string) {
	if len(lines) == 0 {
		return
	}
	text := strings.Join(lines, "\n") + "\n"
	for range 3 { // some texts need several passes until the layout is stable
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

// columns prints rows of cells, aligned in columns. The last cell of a row is
// not padded.
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

// oneLineLimit is the length of the longest function that gofmt keeps on one
// line.
const oneLineLimit = 100

// function prints a function with at most one statement. A short function stays
// on one line.
func (p *printer) function(header, statement string) {
	p.lines(oneLine(header+" ", statement)) // gofmt counts the space of a declaration
	p.line("")
}

// oneLine returns a function with one statement. A short function stays on one
// line.
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

// emptyMethods prints methods without statements on consecutive lines.
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

// valueStruct returns the type of a struct with one field.
func valueStruct(field, typ string) string {
	const longestInLine = 29
	if len(typ) > longestInLine {
		return "struct {\n" + field + " " + typ + "\n}"
	}
	return "struct{ " + field + " " + typ + " }"
}
