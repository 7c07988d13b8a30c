package avsc

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth limits the nesting of JSON. The JSON reader of Avro's Java
// implementation has the same limit.
const maxDepth = 1000

// bom is the byte order mark. Some editors put a byte order mark before UTF-8.
const bom = "\xef\xbb\xbf"

// Comment is one comment of a JSON text with its marks, // … or /* … */.
type Comment struct {
	Pos  Pos
	Off  int
	Text string
}

// ReadJSON reads one JSON text by RFC 8259. The comments // … and /* … */ are
// accepted, as in Avro's Java implementation. If the meaning is clear despite a
// mistake, such as a missing comma or a word without quotes, ReadJSON
// continues. The error, of type [Errors], may therefore hold several mistakes.
func ReadJSON(file string, text []byte) (*Value, []Comment, error) {
	r := newReader(file, text)
	root := r.document()
	if err := r.errs.err(); err != nil {
		return nil, nil, err
	}
	return root, r.comments, nil
}

// ReadData is ReadJSON for a value of a schema instead of a schema.
func ReadData(text []byte) (*Value, error) {
	r := newReader("", text)
	r.data = true
	root := r.document()
	return root, r.errs.err()
}

type reader struct {
	file     string
	src      string
	off      int
	comments []Comment
	errs     Errors
	stopped  bool // set by a mistake that leaves the structure in doubt

	// These fields hold the last requested place, because requests come in
	// nearly ascending order.
	markOff, markLine, markStart int

	data     bool // the text is a value, not a schema
	lastWins bool // if true, the last value of a repeated key counts; if false, a repeated key is a mistake
}

func newReader(file string, text []byte) *reader {
	return &reader{file: file, src: string(text), markLine: 1}
}

// maxDepth returns the levels of arrays and objects that the text may have, and
// the advice for a deeper text. A level of a value has up to two levels of
// JSON, because JSON names the branch of a union.
func (r *reader) maxDepth() (limit int, fix string) {
	if r.data {
		return 2*maxDepth + 2, "no reader of Avro follows a value that is so deep"
	}
	return maxDepth, "name inner types and refer to them by name"
}

// document reads the whole text. The result is nil after a mistake in the
// structure.
func (r *reader) document() *Value {
	switch {
	case strings.HasPrefix(r.src, bom):
		r.off, r.markOff, r.markStart = len(bom), len(bom), len(bom)
	case strings.HasPrefix(r.src, "\xff\xfe"), strings.HasPrefix(r.src, "\xfe\xff"):
		r.stop(0, "the file is UTF-16", "save it as UTF-8")
		return nil
	}
	r.space()
	if r.off == len(r.src) && !r.stopped {
		if r.data {
			r.stop(r.off, "there is no value", "")
		} else {
			r.stop(r.off, "the file is empty", "write a schema, for instance \"string\" or {\"type\": \"record\", …}")
		}
	}
	v := r.value(0)
	r.space()
	if r.stopped {
		return nil
	}
	if r.off < len(r.src) {
		what, fix := "there is more text after the end of the schema", "remove it"
		switch c := r.src[r.off]; {
		case r.data:
			what, fix = "there is more text after the end of the value", "give one value"
		case c == '{' || c == ',':
			fix = "put several types of one file into a JSON array, [ … , … ]"
		}
		r.report(r.off, what, fix)
	}
	return v
}

func (r *reader) pos(off int) Pos {
	if off < r.markStart { // go back over line ends
		r.markLine -= strings.Count(r.src[off:r.markStart], "\n")
		r.markStart = strings.LastIndexByte(r.src[:off], '\n') + 1
		if r.markStart == 0 {
			r.markStart = len(r.src) - len(strings.TrimPrefix(r.src, bom))
		}
	}
	r.markOff = min(r.markOff, off)
	for {
		i := strings.IndexByte(r.src[r.markOff:off], '\n')
		if i < 0 {
			break
		}
		r.markOff += i + 1
		r.markStart = r.markOff
		r.markLine++
	}
	r.markOff = off
	return Pos{File: r.file, Line: r.markLine, Col: off - r.markStart + 1}
}

func (r *reader) report(off int, what, fix string) {
	if !r.stopped {
		r.errs = append(r.errs, &Error{Pos: r.pos(off), What: what, Fix: fix})
	}
}

// stop reports a mistake and ends the reading, because the rest has no clear
// meaning.
func (r *reader) stop(off int, what, fix string) {
	r.report(off, what, fix)
	r.stopped = true
	r.off = len(r.src)
}

// space skips white space and comments.
func (r *reader) space() {
	for r.off < len(r.src) {
		switch c := r.src[r.off]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			r.off++
		case strings.HasPrefix(r.src[r.off:], "//"):
			end := len(r.src)
			if i := strings.IndexByte(r.src[r.off:], '\n'); i >= 0 {
				end = r.off + i
			}
			r.comment(end, len(strings.TrimRight(r.src[r.off:end], "\r")))
		case strings.HasPrefix(r.src[r.off:], "/*"):
			i := strings.Index(r.src[r.off+2:], "*/")
			if i < 0 {
				r.stop(r.off, "a comment is not closed", "end it with */")
				return
			}
			r.comment(r.off+2+i+2, 2+i+2)
		default:
			return
		}
	}
}

func (r *reader) comment(end, length int) {
	text := r.src[r.off : r.off+length]
	if !utf8.ValidString(text) {
		r.report(r.off, "the comment is not UTF-8", "save the file as UTF-8")
	}
	r.comments = append(r.comments, Comment{Pos: r.pos(r.off), Off: r.off, Text: text})
	r.off = end
}

func (r *reader) value(depth int) *Value {
	r.space()
	v := &Value{Off: r.off, Pos: r.pos(r.off)}
	switch c := r.peek(); {
	case r.stopped:
	case c == '{' || c == '[':
		if limit, fix := r.maxDepth(); depth == limit {
			r.stop(r.off, fmt.Sprintf("JSON nests deeper than %d levels", limit), fix)
			break
		}
		if c == '{' {
			r.object(v, depth)
		} else {
			r.array(v, depth)
		}
	case c == '"':
		v.Kind = JSONString
		v.Str, v.bad = r.str()
	case c == '\'':
		r.report(r.off, "JSON strings stand in double quotes", "write \" in place of '")
		v.Kind, v.bad = JSONString, true
		r.off++
		end := strings.IndexAny(r.src[r.off:], "'\n")
		if end < 0 || r.src[r.off+end] == '\n' {
			r.stopped, r.off = true, len(r.src)
			break
		}
		v.Str = r.src[r.off : r.off+end]
		r.off += end + 1
	case c == '-' || c == '+' || c == '.' || '0' <= c && c <= '9':
		r.number(v)
	case isWordByte(c):
		r.word(v)
	case c == 0:
		r.unexpected("a value is missing")
	default:
		r.unexpected("a value was expected")
	}
	v.Text = r.src[v.Off:max(v.Off, r.off)]
	return v
}

// peek returns the next byte, or 0 at the end.
func (r *reader) peek() byte {
	if r.off < len(r.src) {
		return r.src[r.off]
	}
	return 0
}

// unexpected reports the text at the current offset and ends the reading.
func (r *reader) unexpected(what string) {
	if r.off >= len(r.src) {
		r.stop(r.off, "the file ends too early: "+what, "complete it")
		return
	}
	c, n := utf8.DecodeRuneInString(r.src[r.off:])
	if c == utf8.RuneError && n <= 1 {
		r.stop(r.off, fmt.Sprintf("byte %#02x is not UTF-8", r.src[r.off]), "save the file as UTF-8")
		return
	}
	r.stop(r.off, what+", found "+strconv.QuoteRune(c), "look at what stands before it too")
}

func (r *reader) object(v *Value, depth int) {
	v.Kind = JSONObject
	open := r.off
	r.off++
	var seen map[string]int // used once there are many members
	for first := true; ; first = false {
		if r.next(open, '}', first) {
			return
		}
		if r.stopped {
			return
		}
		m := Member{KeyPos: r.pos(r.off), KeyOff: r.off}
		keyOff := r.off
		switch c := r.peek(); {
		case c == '"':
			m.Key, _ = r.str()
		case isWordByte(c):
			for isWordByte(r.peek()) {
				r.off++
			}
			m.Key = r.src[keyOff:r.off]
			r.report(keyOff, fmt.Sprintf("the name %s has no quotes", m.Key), "put it in double quotes")
		default:
			r.unexpected("the name of a member was expected")
			return
		}
		r.space()
		switch c := r.peek(); {
		case c == ':':
			r.off++
		case c == '=':
			r.report(r.off, "'=' between a name and its value", "write ':'")
			r.off++
		case c == ',' || c == '}' || c == ']' || c == 0:
			r.unexpected(fmt.Sprintf("member %s has no value: ':' was expected", quote(m.Key)))
			return
		default:
			r.report(r.off, fmt.Sprintf("':' is missing after %s", quote(m.Key)), "add it")
		}
		m.Value = r.value(depth + 1)
		if r.stopped {
			return
		}
		if prev := find(v.Members, m.Key, &seen); prev != nil && r.lastWins {
			*prev = m
			continue
		} else if prev != nil {
			r.errs = append(r.errs, &Error{
				Pos:  m.KeyPos,
				What: fmt.Sprintf("%s stands twice in this object, first at %d:%d", quote(m.Key), prev.KeyPos.Line, prev.KeyPos.Col),
				Fix:  "remove one",
			})
			continue
		}
		v.Members = append(v.Members, m)
		if seen != nil {
			seen[m.Key] = len(v.Members) - 1
		}
	}
}

// find looks for a member by a scan. For many members, find uses an index.
func find(ms []Member, key string, index *map[string]int) *Member {
	if len(ms) > 16 && *index == nil {
		*index = make(map[string]int, 2*len(ms))
		for i := range ms {
			(*index)[ms[i].Key] = i
		}
	}
	if *index != nil {
		if i, ok := (*index)[key]; ok {
			return &ms[i]
		}
		return nil
	}
	for i := range ms {
		if ms[i].Key == key {
			return &ms[i]
		}
	}
	return nil
}

func (r *reader) array(v *Value, depth int) {
	v.Kind = JSONArray
	open := r.off
	r.off++
	for first := true; ; first = false {
		if r.next(open, ']', first) || r.stopped {
			return
		}
		e := r.value(depth + 1)
		if r.stopped {
			return
		}
		v.Elems = append(v.Elems, e)
	}
}

// next goes to the next element of the object or array that opened at open. It
// takes the comma between two elements, and returns true after the closing
// mark.
func (r *reader) next(open int, closing byte, first bool) bool {
	end := r.off
	r.space()
	c := r.peek()
	if c == closing {
		r.off++
		return true
	}
	comma := -1
	if c == ',' {
		comma = r.off
		r.off++
		r.space()
		c = r.peek()
		if first {
			r.report(comma, "a comma with nothing before it", "remove it")
			comma = -1
		}
		if c == ',' {
			r.report(r.off, "two commas in a row", "remove one")
			for c == ',' {
				r.off++
				r.space()
				c = r.peek()
			}
		}
	} else if !first && (c == '"' || c == '{' || c == '[' || c == '-' || isWordByte(c)) {
		r.report(end, "a comma is missing here", "add it")
	}
	switch {
	case r.stopped:
	case c == closing:
		if comma >= 0 {
			r.report(comma, "a comma with nothing after it", "remove it")
		}
		r.off++
		return true
	case c == '}' || c == ']' || r.off >= len(r.src):
		at := r.pos(open)
		what := fmt.Sprintf("'%c' is missing for the '%c' at %d:%d", closing, r.src[open], at.Line, at.Col)
		if r.off >= len(r.src) {
			what = "the file ends too early: " + what
		}
		r.stop(r.off, what, "close it")
	case !first && comma < 0 && c != '"' && c != '{' && c != '[' && c != '-' && !isWordByte(c):
		r.unexpected(fmt.Sprintf("',' or '%c' was expected", closing))
	}
	return false
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= utf8.RuneSelf
}

// quote quotes a text from the input for a message and cuts long texts.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}
