// Package avscfmt formats schema files (.avsc, .avpr) in a single layout, like
// gofmt for Go. Keys have the conventional order. Each level is indented by two
// spaces. A short object or array stands on one line. Comments stay at their
// element. Formatting never changes the meaning of a file. A second formatting
// changes nothing.
package avscfmt

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/avsc"
)

// width is the maximum length of a line that contains a whole object or array.
const width = 100

// Format returns text in the layout of this package. The text must be JSON,
// with or without comments. The text need not be a valid schema. The error has
// the type [avsc.Errors], and contains places in the file called name.
func Format(name string, text []byte) ([]byte, error) {
	root, comments, err := avsc.ReadJSON(name, text)
	if err != nil {
		return nil, err
	}
	p := commentAssigner{src: string(text), comments: comments}
	file, footer := p.file(root)
	orderFile(&file)
	w := printer{}
	w.comments(file.leading, true)
	if len(file.leading) > 0 && file.blank {
		w.out.WriteByte('\n')
	}
	w.value(&file, 0)
	w.trailing(&file)
	w.out.WriteByte('\n')
	w.comments(footer, false)
	return w.out.Bytes(), nil
}

type printer struct {
	out    bytes.Buffer
	indent int
}

// comments prints comments on their own lines. If first is true, the comments
// begin a container, and no empty line comes before them.
func (w *printer) comments(cs []comment, first bool) {
	for i, c := range cs {
		if c.blank && !(first && i == 0) {
			w.out.WriteByte('\n')
		}
		w.tab()
		w.comment(c)
		w.out.WriteByte('\n')
	}
}

// comment prints a comment. Lines of a block comment that begin with a star are
// aligned with the star of the first line.
func (w *printer) comment(c comment) {
	for i, line := range strings.Split(strings.ReplaceAll(c.text, "\r\n", "\n"), "\n") {
		line = strings.TrimRight(line, " \t\r")
		if i > 0 {
			w.out.WriteByte('\n')
			if star := strings.TrimLeft(line, " \t"); strings.HasPrefix(star, "*") {
				w.tab()
				line = " " + star
			}
		}
		w.out.WriteString(line)
	}
}

func (w *printer) trailing(it *item) {
	for _, c := range it.trailing {
		w.out.WriteByte(' ')
		w.comment(c)
	}
}

func (w *printer) tab() {
	for range w.indent {
		w.out.WriteString("  ")
	}
}

// value prints the value of an item on the current line, starting at column
// col.
func (w *printer) value(it *item, col int) {
	v := it.value
	if v.Kind != avsc.JSONArray && v.Kind != avsc.JSONObject {
		w.out.WriteString(v.Text)
		return
	}
	if line, ok := oneLine(it, width-col); ok {
		w.out.WriteString(line)
		return
	}
	open, shut := byte('['), byte(']')
	if v.Kind == avsc.JSONObject {
		open, shut = '{', '}'
	}
	w.out.WriteByte(open)
	w.out.WriteByte('\n')
	w.indent++
	for i := range it.children {
		w.child(&it.children[i], i == 0, i == len(it.children)-1, v.Kind == avsc.JSONArray)
	}
	w.comments(it.dangling, len(it.children) == 0)
	w.indent--
	w.tab()
	w.out.WriteByte(shut)
}

// child prints an item of a container with several lines. Empty lines between
// the elements of an array stay, because they group the elements.
func (w *printer) child(c *item, first, last, element bool) {
	blank := c.blank && (element || len(c.leading) > 0)
	w.comments(c.leading, first)
	if blank && !(first && len(c.leading) == 0) {
		w.out.WriteByte('\n')
	}
	w.tab()
	col := 2 * w.indent
	if c.hasKey {
		key := string(avsc.AppendQuoted(nil, c.key)) + ": "
		w.out.WriteString(key)
		col += utf8.RuneCountInString(key)
	}
	if !last {
		col++ // the comma
	}
	w.value(c, col)
	if !last {
		w.out.WriteByte(',')
	}
	w.trailing(c)
	w.out.WriteByte('\n')
}

// oneLine returns the container on one line, if the container may have one line
// and the line fits. Records, the fields of records, and containers with
// comments always have several lines.
func oneLine(it *item, room int) (string, bool) {
	if it.commented || it.key == "fields" && len(it.children) > 0 {
		return "", false
	}
	var b strings.Builder
	if !appendLine(&b, it, room) || utf8.RuneCountInString(b.String()) > room {
		return "", false
	}
	return b.String(), true
}

// appendLine appends an item as one line. The result is false if the line is
// too long, or if the item is a record.
func appendLine(b *strings.Builder, it *item, room int) bool {
	if it.child("fields") != nil || b.Len() > 4*room {
		return false
	}
	switch it.value.Kind {
	case avsc.JSONArray, avsc.JSONObject:
		open, shut := byte('['), byte(']')
		if it.value.Kind == avsc.JSONObject {
			open, shut = '{', '}'
		}
		b.WriteByte(open)
		for i := range it.children {
			c := &it.children[i]
			if i > 0 {
				b.WriteString(", ")
			}
			if c.hasKey {
				b.Write(avsc.AppendQuoted(nil, c.key))
				b.WriteString(": ")
			}
			if !appendLine(b, c, room) {
				return false
			}
		}
		b.WriteByte(shut)
	default:
		b.WriteString(it.value.Text)
	}
	return true
}
