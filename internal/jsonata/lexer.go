package jsonata

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError says that an expression is not valid JSONata, or uses a part of
// the language that this package lacks.
type SyntaxError struct {
	Offset int // in bytes
	Reason string
}

// Error names the place and the reason.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("JSONata: offset %d: %s", e.Offset, e.Reason)
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenOperator
	tokenName
	tokenVariable
	tokenString
	tokenNumber
	tokenValue // true, false, null
	tokenRegex
)

type token struct {
	kind tokenKind
	text string // of an operator, a name, a string
	val  any    // of a number or a value
	at   int
	// quoted is a name in backquotes, which is never an operator.
	quoted bool
}

type lexer struct {
	src string
	at  int
}

// operators are in the order of matching. The longest operator comes first.
var operators = [...]string{ //nolint:gochecknoglobals // constant
	"..", ":=", "!=", ">=", "<=", "**", "~>", "?:", "??",
	".", "[", "]", "{", "}", "(", ")", ",", "@", "#", ";", ":", "?", "+", "-", "*", "/", "%", "|", "=", "<", ">", "^", "&",
}

// next returns the next token. If operand is true, a slash begins a regular
// expression.
func (l *lexer) next(operand bool) (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	at := l.at
	if at == len(l.src) {
		return token{kind: tokenEnd, at: at}, nil
	}
	c := l.src[at]
	switch {
	case operand && c == '/':
		return l.regex()
	case c == '"' || c == '\'':
		return l.str(c)
	case c >= '0' && c <= '9':
		return l.number()
	case c == '`':
		end := strings.IndexByte(l.src[at+1:], '`')
		if end < 0 {
			return token{}, &SyntaxError{at, "the name in backquotes has no end"}
		}
		l.at += end + 2
		return token{kind: tokenName, text: l.src[at+1 : at+1+end], at: at, quoted: true}, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(l.src[at:], op) {
			l.at += len(op)
			return token{kind: tokenOperator, text: op, at: at}, nil
		}
	}
	end := at
	for end < len(l.src) && !strings.ContainsRune(" \t\n\r\v.[]{}(),@#;:?+-*/%|=<>^&!~`\"'", rune(l.src[end])) {
		_, width := utf8.DecodeRuneInString(l.src[end:])
		end += width
	}
	if end == at {
		return token{}, &SyntaxError{at, fmt.Sprintf("unexpected %q", c)}
	}
	text := l.src[at:end]
	l.at = end
	switch text {
	case "and", "or", "in":
		return token{kind: tokenOperator, text: text, at: at}, nil
	case "true", "false":
		return token{kind: tokenValue, val: text == "true", at: at}, nil
	case "null":
		return token{kind: tokenValue, val: nil, at: at}, nil
	}
	if name, ok := strings.CutPrefix(text, "$"); ok {
		return token{kind: tokenVariable, text: name, at: at}, nil
	}
	return token{kind: tokenName, text: text, at: at}, nil
}

// skip moves over white space and comments.
func (l *lexer) skip() error {
	for l.at < len(l.src) {
		switch {
		case strings.IndexByte(" \t\n\r\v", l.src[l.at]) >= 0:
			l.at++
		case strings.HasPrefix(l.src[l.at:], "/*"):
			end := strings.Index(l.src[l.at+2:], "*/")
			if end < 0 {
				return &SyntaxError{l.at, "the comment has no end"}
			}
			l.at += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) str(quote byte) (token, error) {
	at := l.at
	var b strings.Builder
	for i := at + 1; i < len(l.src); i++ {
		switch c := l.src[i]; {
		case c == quote:
			l.at = i + 1
			return token{kind: tokenString, text: b.String(), at: at}, nil
		case c != '\\':
			b.WriteByte(c)
		default:
			if i++; i == len(l.src) {
				return token{}, &SyntaxError{at, "the string has no end"}
			}
			if simple := strings.IndexByte(`"\/bfnrt'`, l.src[i]); simple >= 0 {
				b.WriteByte("\"\\/\b\f\n\r\t'"[simple])
				continue
			}
			r, width := l.escaped(i)
			if width == 0 {
				return token{}, &SyntaxError{i, "unknown escape in a string"}
			}
			b.WriteRune(r)
			i += width - 1
		}
	}
	return token{}, &SyntaxError{at, "the string has no end"}
}

// escaped reads "uXXXX" at i. For a surrogate pair, escaped also reads the
// second half.
func (l *lexer) escaped(i int) (r rune, width int) {
	unit := func(i int) (rune, bool) {
		if i+5 > len(l.src) || l.src[i] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(l.src[i+1:i+5], 16, 16)
		return rune(n), err == nil
	}
	r, ok := unit(i)
	if !ok {
		return 0, 0
	}
	if r >= 0xD800 && r < 0xDC00 && i+6 < len(l.src) && l.src[i+5] == '\\' {
		if low, ok := unit(i + 6); ok && low >= 0xDC00 && low < 0xE000 {
			return (r-0xD800)<<10 | (low - 0xDC00) + 0x10000, 11
		}
	}
	return r, 5
}

func (l *lexer) number() (token, error) {
	at, i := l.at, l.at
	digits := func() {
		for i < len(l.src) && l.src[i] >= '0' && l.src[i] <= '9' {
			i++
		}
	}
	digits()
	if i+1 < len(l.src) && l.src[i] == '.' && l.src[i+1] >= '0' && l.src[i+1] <= '9' {
		i++
		digits()
	}
	if i < len(l.src) && (l.src[i] == 'e' || l.src[i] == 'E') {
		mark := i
		if i++; i < len(l.src) && (l.src[i] == '+' || l.src[i] == '-') {
			i++
		}
		first := i
		if digits(); i == first {
			i = mark
		}
	}
	v, ok := parseNumber(l.src[at:i])
	if !ok {
		return token{}, &SyntaxError{at, "the number is out of range"}
	}
	l.at = i
	return token{kind: tokenNumber, val: v, at: at}, nil
}

// regex reads a regular expression between slashes.
func (l *lexer) regex() (token, error) {
	at, depth := l.at, 0
	for i := at + 1; i < len(l.src); i++ {
		switch c := l.src[i]; {
		case c == '\\':
			i++
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == '/' && depth == 0:
			pattern := l.src[at+1 : i]
			if pattern == "" {
				return token{}, &SyntaxError{at, "the regular expression is empty"}
			}
			for i++; i < len(l.src) && (l.src[i] == 'i' || l.src[i] == 'm'); i++ {
				pattern = "(?" + l.src[i:i+1] + ")" + pattern
			}
			l.at = i
			return token{kind: tokenRegex, text: pattern, at: at}, nil
		}
	}
	return token{}, &SyntaxError{at, "the regular expression has no end"}
}
