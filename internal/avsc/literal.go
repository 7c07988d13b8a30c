package avsc

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// word reads true, false and null, and reports every other word.
func (r *reader) word(v *Value) {
	start := r.off
	for isWordByte(r.peek()) || r.peek() == '.' || r.peek() == '-' {
		r.off++
	}
	switch w := r.src[start:r.off]; w {
	case "true", "false":
		v.Kind, v.Bool = JSONBool, w == "true"
	case "null":
		v.Kind = JSONNull
	default:
		v.bad = true
		if !utf8.ValidString(w) {
			r.report(start, "the text is not UTF-8", "save the file as UTF-8")
			return
		}
		r.report(start, w+" is not JSON", r.wordFix(w))
	}
}

func (r *reader) wordFix(w string) string {
	switch strings.ToLower(w) {
	case "true", "false", "null":
		return "write " + strings.ToLower(w)
	case "none", "nil", "undefined":
		return "write null"
	case "nan", "infinity", "inf":
		if r.data {
			return `write "NaN", "Infinity" or "-Infinity" in double quotes`
		}
		return "JSON has finite numbers only; use another default, or a union with null"
	}
	return "put it in double quotes"
}

func (r *reader) number(v *Value) {
	v.Kind = JSONNumber
	start := r.off
	for c := r.peek(); isWordByte(c) || c == '.' || c == '-' || c == '+'; c = r.peek() {
		r.off++
	}
	lit := r.src[start:r.off]
	if validNumber(lit) {
		return
	}
	v.bad = true
	if strings.EqualFold(strings.TrimLeft(lit, "+-"), "infinity") || strings.EqualFold(strings.TrimLeft(lit, "+-"), "nan") {
		r.report(start, lit+" is not JSON", r.wordFix("nan"))
		return
	}
	r.report(start, fmt.Sprintf("%s is not a JSON number", quote(lit)), "write digits, then a fraction and an exponent if need be, without leading zeros or '+'; text stands in double quotes")
}

// validNumber reports whether s is a valid number by RFC 8259.
func validNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() int {
		n := 0
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n
	}
	zero := strings.HasPrefix(s, "0")
	if n := digits(); n == 0 || zero && n > 1 {
		return false
	}
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if digits() == 0 {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return s == ""
}

// str reads the string at the current offset. It reports mistakes, and returns
// true for bad if there were any.
func (r *reader) str() (s string, bad bool) {
	open := r.off
	r.off++
	start := r.off
	var buf []byte // used after the first escape
	mistake := func(off int, what, fix string) {
		if !bad {
			r.report(off, what, fix)
		}
		bad = true
	}
	for {
		if r.off >= len(r.src) {
			r.stop(open, "the string is not closed", "end it with \"")
			return "", true
		}
		switch c := r.src[r.off]; {
		case c == '"':
			end := r.off
			r.off++
			if buf == nil {
				return r.src[start:end], bad
			}
			return string(append(buf, r.src[start:end]...)), bad
		case c == '\\':
			if buf == nil {
				buf = make([]byte, 0, 64)
			}
			buf = append(buf, r.src[start:r.off]...)
			buf = r.escape(buf, mistake)
			start = r.off
		case c == '\n':
			// The closing quote is probably missing. The rest of the file would
			// be read with text inside and outside of strings exchanged.
			r.stop(open, "the string does not end on its line", "end it with \", or write a line break as \\n")
			return "", true
		case c < 0x20:
			mistake(r.off, fmt.Sprintf("control character %#02x in a string", c), fmt.Sprintf("write it as \\u%04x", c))
			r.off++
		case c < utf8.RuneSelf:
			r.off++
		default:
			ru, n := utf8.DecodeRuneInString(r.src[r.off:])
			if ru == utf8.RuneError && n == 1 {
				mistake(r.off, fmt.Sprintf("byte %#02x is not UTF-8", c), "save the file as UTF-8")
			}
			r.off += n
		}
	}
}

// escape appends the meaning of the escape at the current offset.
func (r *reader) escape(buf []byte, mistake func(int, string, string)) []byte {
	at := r.off
	r.off++
	c := r.peek()
	r.off = min(r.off+1, len(r.src))
	switch c {
	case '"', '\\', '/':
		return append(buf, c)
	case 'b':
		return append(buf, '\b')
	case 'f':
		return append(buf, '\f')
	case 'n':
		return append(buf, '\n')
	case 'r':
		return append(buf, '\r')
	case 't':
		return append(buf, '\t')
	case 'u':
		u, ok := r.hex4()
		if !ok {
			mistake(at, "\\u without four hexadecimal digits", "write for instance \\u00e9")
			return buf
		}
		if !utf16.IsSurrogate(u) {
			return utf8.AppendRune(buf, u)
		}
		if strings.HasPrefix(r.src[r.off:], "\\u") {
			back := r.off
			r.off += 2
			low, ok := r.hex4()
			if full := utf16.DecodeRune(u, low); ok && full != utf8.RuneError {
				return utf8.AppendRune(buf, full)
			}
			r.off = back
		}
		mistake(at, fmt.Sprintf("\\u%04x is half of a character", u), "write both halves of the surrogate pair, or the character itself")
		return buf
	case '\n', 0:
		r.off = at + 1
		return buf
	}
	mistake(at, fmt.Sprintf("unknown escape %s", quote(r.src[at:r.off])), "write \\\\ for a backslash")
	return buf
}

func (r *reader) hex4() (rune, bool) {
	if r.off+4 > len(r.src) {
		return 0, false
	}
	u, err := strconv.ParseUint(r.src[r.off:r.off+4], 16, 32)
	if err != nil {
		return 0, false
	}
	r.off += 4
	return rune(u), true
}
