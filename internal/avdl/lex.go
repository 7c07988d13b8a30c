package avdl

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/avsc"
)

type tokenKind uint8

const (
	end tokenKind = iota
	word
	text
	number
	punct
)

type token struct {
	kind   tokenKind
	pos    avsc.Pos
	s      string // a word without backticks, a decoded string, otherwise the source text
	quoted bool   // the word has backticks, so it is never a keyword
	bad    bool   // a mistake in the token is already reported
	doc    string // of the documentation comment directly before the token
}

// is reports whether t is the mark or keyword s.
func (t token) is(s string) bool {
	return t.s == s && (t.kind == punct || t.kind == word && !t.quoted)
}

// describe names t for an error text.
func (t token) describe() string {
	switch {
	case t.kind == end:
		return "the end of the file"
	case t.kind == text:
		return "a string"
	case len(t.s) > 40:
		return strconv.Quote(strings.ToValidUTF8(t.s[:40], "")) + "…"
	}
	return strconv.Quote(t.s)
}

type lexer struct {
	file      string
	src       string
	off       int
	line      int
	lineStart int
	doc       string
	errs      avsc.Errors
}

func (l *lexer) pos() avsc.Pos {
	return avsc.Pos{File: l.file, Line: l.line, Col: l.off - l.lineStart + 1}
}

func (l *lexer) mistake(pos avsc.Pos, what, fix string) {
	l.errs = append(l.errs, &avsc.Error{Pos: pos, What: what, Fix: fix})
}

// tokens returns the tokens of the whole text. The last token is the end.
func (l *lexer) tokens() []token {
	var out []token
	for {
		l.space()
		t := l.next()
		t.doc, l.doc = l.doc, ""
		out = append(out, t)
		if t.kind == end {
			return out
		}
	}
}

// advance moves forward by n bytes and counts the lines.
func (l *lexer) advance(n int) {
	for range n {
		if l.src[l.off] == '\n' {
			l.line++
			l.lineStart = l.off + 1
		}
		l.off++
	}
}

// space skips white space and comments. It keeps the last documentation
// comment.
func (l *lexer) space() {
	for l.off < len(l.src) {
		rest := l.src[l.off:]
		switch {
		case strings.ContainsRune(" \t\n\r\f", rune(rest[0])):
			l.advance(1)
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.comment(rest[:n])
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				l.mistake(l.pos(), "a comment is not closed", "end it with */")
				l.off = len(l.src)
				return
			}
			comment := rest[:n+4]
			if strings.HasPrefix(comment, "/**") && len(comment) > len("/**/") {
				l.doc = docText(comment[3 : len(comment)-2])
			}
			l.comment(comment)
		default:
			return
		}
	}
}

// comment skips a comment. Docs become part of the schema, so a comment in
// another encoding than UTF-8 is a mistake.
func (l *lexer) comment(text string) {
	if !utf8.ValidString(text) {
		l.mistake(l.pos(), "the comment is not UTF-8", "save the file as UTF-8")
	}
	l.advance(len(text))
}

// docText removes the frame of a documentation comment. The frame is the stars
// at the beginning of the lines. Without stars, the frame is the common indent
// of the lines.
func docText(s string) string {
	lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(s), "\r\n", "\n"), "\n")
	for _, stars := range []string{"**", "*"} {
		if everyLine(lines, func(i int, line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), stars) }) {
			for i, line := range lines {
				line = strings.TrimPrefix(strings.TrimLeft(line, " \t"), stars)
				lines[i] = strings.TrimPrefix(strings.TrimPrefix(line, " "), "\t")
			}
			return strings.Join(lines, "\n")
		}
	}
	// The first line stands after the opening mark, so it has no indent.
	if tail := lines[1:]; len(tail) > 0 {
		stars := everyLine(tail, func(_ int, line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "*") })
		indent := tail[0][:len(tail[0])-len(strings.TrimLeft(tail[0], " \t"))]
		for i, line := range tail {
			switch {
			case stars:
				line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimLeft(line, " \t"), "*"), " ")
			default:
				line = strings.TrimPrefix(line, indent)
			}
			tail[i] = line
		}
	}
	return strings.Join(lines, "\n")
}

func everyLine(lines []string, ok func(int, string) bool) bool {
	for i, line := range lines {
		if !ok(i, line) {
			return false
		}
	}
	return true
}

func (l *lexer) next() token {
	t := token{pos: l.pos()}
	if l.off >= len(l.src) || l.src[l.off] == 0x1a { // an old end-of-file mark
		return t
	}
	c, size := utf8.DecodeRuneInString(l.src[l.off:])
	rest := l.src[l.off:]
	switch {
	case c == '"':
		t.kind = text
		t.s, t.bad = l.text(t.pos)
	case c == '`' || c == '_' || unicode.IsLetter(c):
		l.word(&t)
	case '0' <= c && c <= '9', c == '.', c == '-', c == '+':
		t.kind = number
		n := 1
		for n < len(rest) && (isNumberByte(rest[n]) || (rest[n] == '+' || rest[n] == '-') && strings.IndexByte("eEpP", rest[n-1]) >= 0) {
			n++
		}
		t.s = rest[:n]
		l.advance(n)
	case strings.ContainsRune("(){}[]:;,@=?<>", c):
		t.kind, t.s = punct, rest[:1]
		l.advance(1)
	case c == utf8.RuneError && size == 1:
		l.mistake(t.pos, fmt.Sprintf("byte %#02x is not UTF-8", rest[0]), "save the file as UTF-8")
		l.advance(1)
		return l.skipInvalid()
	default:
		l.mistake(t.pos, "unexpected "+strconv.QuoteRune(c), "remove it")
		l.advance(size)
		return l.skipInvalid()
	}
	return t
}

// skipInvalid skips the rest of a reported mistake and returns the next token.
func (l *lexer) skipInvalid() token {
	for l.off < len(l.src) && l.src[l.off] > ' ' && !strings.ContainsRune("(){}[]:;,@=?<>\"`", rune(l.src[l.off])) {
		l.advance(1)
	}
	if len(l.errs) > maxErrors { // the text is not IDL
		l.off = len(l.src)
	}
	return token{kind: punct, s: "", pos: l.pos(), bad: true}
}

const maxErrors = 100

func isNumberByte(c byte) bool {
	return c == '.' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// word reads an identifier. The parts are joined by dots and dashes. Each part
// may have backticks.
func (l *lexer) word(t *token) {
	t.kind = word
	var b strings.Builder
	for {
		if l.src[l.off] == '`' {
			t.quoted = true
			n := strings.IndexAny(l.src[l.off+1:], "`\n")
			if n < 0 || l.src[l.off+1+n] == '\n' {
				l.mistake(l.pos(), "a name in backticks is not closed", "end it with `")
				t.bad = true
				l.off = len(l.src)
				break
			}
			b.WriteString(l.src[l.off+1 : l.off+1+n])
			l.advance(n + 2)
		} else {
			for l.off < len(l.src) {
				c, size := utf8.DecodeRuneInString(l.src[l.off:])
				if c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.Is(unicode.Mn, c) {
					break
				}
				b.WriteString(l.src[l.off : l.off+size])
				l.advance(size)
			}
		}
		if l.off+1 >= len(l.src) || l.src[l.off] != '.' && l.src[l.off] != '-' {
			break
		}
		if c, _ := utf8.DecodeRuneInString(l.src[l.off+1:]); c != '_' && c != '`' && !unicode.IsLetter(c) {
			break
		}
		b.WriteByte(l.src[l.off])
		l.advance(1)
	}
	t.s = b.String()
}

// text reads a string with the escapes of Java.
func (l *lexer) text(open avsc.Pos) (string, bool) {
	l.advance(1)
	bad := false
	var b []byte
	for l.off < len(l.src) {
		c := l.src[l.off]
		switch {
		case c == '"':
			l.advance(1)
			return string(b), bad
		case c == '\n':
			l.mistake(open, "the string does not end on its line", "end it with \", or write a line break as \\n")
			return "", true
		case c == '\\':
			at := l.pos()
			n, out := unescape(b, l.src[l.off:])
			if n == 0 {
				if !bad {
					l.mistake(at, "unknown escape or half of a character", "write \\\\ for a backslash, \\u and four hexadecimal digits for a character")
				}
				n, out, bad = min(2, len(l.src)-l.off), b, true
				if n == 2 && l.src[l.off+1] == '\n' {
					n = 1
				}
			}
			b = out
			l.advance(n)
		case c < utf8.RuneSelf:
			b = append(b, c)
			l.advance(1)
		default:
			r, size := utf8.DecodeRuneInString(l.src[l.off:])
			if r == utf8.RuneError && size == 1 && !bad {
				l.mistake(l.pos(), fmt.Sprintf("byte %#02x is not UTF-8", c), "save the file as UTF-8")
				bad = true
			}
			b = append(b, l.src[l.off:l.off+size]...)
			l.advance(size)
		}
	}
	l.mistake(open, "the string is not closed", "end it with \"")
	return "", true
}

// unescape appends the meaning of the escape at the beginning of s, and returns
// the length of the escape. The length is 0 if s begins with no escape.
func unescape(b []byte, s string) (int, []byte) {
	if len(s) < 2 {
		return 0, b
	}
	if i := strings.IndexByte(`nrbft\'"/`, s[1]); i >= 0 {
		return 2, append(b, "\n\r\b\f\t\\'\"/"[i])
	}
	if '0' <= s[1] && s[1] <= '7' { // up to \377
		n := 2
		for n < len(s) && n < 4 && '0' <= s[n] && s[n] <= '7' && (n < 3 || s[1] <= '3') {
			n++
		}
		u, _ := strconv.ParseUint(s[1:n], 8, 16) // at most three octal digits
		return n, utf8.AppendRune(b, rune(u))
	}
	u, ok := hex4(s)
	if !ok {
		return 0, b
	}
	if !utf16.IsSurrogate(u) {
		return 6, utf8.AppendRune(b, u)
	}
	low, ok := hex4(s[6:])
	full := utf16.DecodeRune(u, low)
	if !ok || full == utf8.RuneError {
		return 0, b
	}
	return 12, utf8.AppendRune(b, full)
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	u, err := strconv.ParseUint(s[2:6], 16, 32)
	return rune(u), err == nil
}
