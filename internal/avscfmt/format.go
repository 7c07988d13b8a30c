// Package avscfmt lays schema files (.avsc, .avpr) out in one way, as gofmt
// does Go: keys in the order of convention, two spaces a level, what fits on a
// line on one line. Comments stay where they belong. What a file means is never
// changed, and formatting twice changes nothing more.
package avscfmt

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/avsc"
)

// width is the length of a line up to which an object or array stands on one.
const width = 100

// Format returns text in the layout of this package. The text must be JSON,
// with comments or without; it need not be a valid schema. The error is of type
// [avsc.Errors], with places in the file called name.
func Format(name string, text []byte) ([]byte, error) {
	root, comments, err := avsc.ReadJSON(name, text)
	if err != nil {
		return nil, err
	}
	p := planter{src: string(text), comments: comments}
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

// comments prints comments on lines of their own. The first of a container has
// no empty line before it.
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

// comment prints a comment; the lines of a block that begin with a star are
// lined up below its first.
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

// value prints the value of it on the current line, from column col on.
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

// child prints one item of a container that stands on several lines. Empty
// lines between the elements of arrays group them, and stay.
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

// oneLine returns the container on one line, if it may and fits: records and
// their fields never do, nor what has comments.
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

// appendLine appends it as one line; false when it is too long or a record.
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
