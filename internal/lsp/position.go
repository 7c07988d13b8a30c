package lsp

import (
	"strings"
	"unicode/utf8"
)

// position is a place in a document. Both numbers start at 0, and Character
// counts UTF-16 units.
type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

type textRange struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type location struct {
	URI   string    `json:"uri"`
	Range textRange `json:"range"`
}

// document is a text with the beginnings of its lines.
type document struct {
	text  string
	lines []int // offsets of the protocol's lines, ended by LF, CR LF or CR
	feeds []int // offsets of the parser's lines, ended by LF
}

func newDocument(text string) *document {
	d := &document{text: text, lines: []int{0}, feeds: []int{0}}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			d.feeds = append(d.feeds, i+1)
			d.lines = append(d.lines, i+1)
		case '\r':
			if i+1 == len(text) || text[i+1] != '\n' {
				d.lines = append(d.lines, i+1)
			}
		}
	}
	return d
}

const bom = "\xef\xbb\xbf"

// offset converts a position of the parser into a byte offset. The parser
// counts lines and bytes from 1, and does not count a byte order mark. A
// position outside of the text becomes the nearest position inside.
func (d *document) offset(line, col int) int {
	if line < 1 {
		return 0
	}
	if line > len(d.feeds) {
		return len(d.text)
	}
	at := d.feeds[line-1] + max(col-1, 0)
	if line == 1 && strings.HasPrefix(d.text, bom) {
		at += len(bom)
	}
	return min(at, len(d.text))
}

// position converts a byte offset into a position of the protocol.
func (d *document) position(offset int) position {
	offset = min(offset, len(d.text))
	low, high := 0, len(d.lines)-1
	for low < high {
		mid := (low + high + 1) / 2
		if d.lines[mid] <= offset {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return position{Line: low, Character: units(d.text[d.lines[low]:offset])}
}

// units returns the length of a text in UTF-16 units.
func units(s string) int {
	n := 0
	for _, r := range s {
		if n++; r > 0xFFFF {
			n++
		}
	}
	return n
}

// offsetOf converts a position of the protocol into a byte offset. A position
// outside of the text becomes the nearest position inside, as the protocol
// requires.
func (d *document) offsetOf(p position) int {
	if p.Line < 0 {
		return 0
	}
	if p.Line >= len(d.lines) {
		return len(d.text)
	}
	at, end := d.lines[p.Line], len(d.text)
	if p.Line+1 < len(d.lines) {
		end = d.lines[p.Line+1]
	}
	for n := 0; at < end && n < p.Character; {
		r, size := utf8.DecodeRuneInString(d.text[at:])
		if r == '\n' || r == '\r' {
			break
		}
		if n++; r > 0xFFFF {
			n++
		}
		at += size
	}
	return at
}

// token returns the range of the word, string or mark at an offset. The offset
// is the token's beginning.
func (d *document) token(start int) textRange {
	end := start
	switch {
	case start >= len(d.text):
	case d.text[start] == '"':
		for end++; end < len(d.text) && d.text[end] != '"' && d.text[end] != '\n'; end++ {
			if d.text[end] == '\\' {
				end++
			}
		}
		end = min(end+1, len(d.text))
	case isWord(d.text[start]):
		for end < len(d.text) && isWord(d.text[end]) {
			end++
		}
	case d.text[start] != '\n' && d.text[start] != '\r':
		_, size := utf8.DecodeRuneInString(d.text[start:])
		end += size
	}
	return textRange{d.position(start), d.position(end)}
}

func isWord(b byte) bool {
	return b == '_' || b == '.' || b == '-' || b == '`' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

// word returns the name around an offset, and the name's beginning and end.
func (d *document) word(at int) (word string, start, end int) {
	start, end = at, at
	name := func(b byte) bool { return isWord(b) && b != '-' && b != '`' }
	for start > 0 && name(d.text[start-1]) {
		start--
	}
	for end < len(d.text) && name(d.text[end]) {
		end++
	}
	return d.text[start:end], start, end
}
