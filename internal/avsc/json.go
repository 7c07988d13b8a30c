package avsc

import (
	"strconv"
	"unicode/utf8"
)

// JSONKind is the kind of a JSON value.
type JSONKind uint8

// The kinds of JSON values.
const (
	JSONNull JSONKind = iota
	JSONBool
	JSONNumber
	JSONString
	JSONArray
	JSONObject
)

func (k JSONKind) String() string {
	switch k {
	case JSONNull:
		return "null"
	case JSONBool:
		return "a boolean"
	case JSONNumber:
		return "a number"
	case JSONString:
		return "a string"
	case JSONArray:
		return "an array"
	case JSONObject:
		return "an object"
	}
	return "JSONKind(" + strconv.Itoa(int(k)) + ")"
}

// Value is a JSON value with its place and its exact text. Numbers are never
// rounded, and members keep their order.
type Value struct {
	Kind    JSONKind
	Pos     Pos
	Off     int    // offset of Text, in bytes from the beginning of the source
	Text    string // the exact source text; for a number, its literal
	Str     string // the decoded string
	Bool    bool
	Elems   []*Value
	Members []Member

	bad bool // the text is no JSON, and the mistake is already reported
}

// Member is one member of an object.
type Member struct {
	Key    string
	KeyPos Pos
	KeyOff int // offset in bytes from the beginning of the source
	Value  *Value
}

// Member returns the value of the member named key. The result is nil if v is
// no object or has no such member.
func (v *Value) Member(key string) *Value {
	if m := v.member(key); m != nil {
		return m.Value
	}
	return nil
}

func (v *Value) member(key string) *Member {
	if v == nil || v.Kind != JSONObject {
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Key == key {
			return &v.Members[i]
		}
	}
	return nil
}

// StringValue makes the value of a string at pos.
func StringValue(pos Pos, s string) *Value {
	return &Value{Kind: JSONString, Pos: pos, Str: s, Text: string(AppendQuoted(nil, s))}
}

// ArrayValue makes an array that starts at pos.
func ArrayValue(pos Pos, elems ...*Value) *Value {
	v := &Value{Kind: JSONArray, Pos: pos, Elems: elems}
	v.Text = string(v.AppendCompact(nil))
	return v
}

// ObjectValue makes an object that starts at pos.
func ObjectValue(pos Pos, members ...Member) *Value {
	v := &Value{Kind: JSONObject, Pos: pos, Members: members}
	v.Text = string(v.AppendCompact(nil))
	return v
}

// AppendCompact appends v without white space and comments. Strings and numbers
// keep their source text.
func (v *Value) AppendCompact(dst []byte) []byte {
	switch v.Kind {
	case JSONArray:
		dst = append(dst, '[')
		for i, e := range v.Elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.AppendCompact(dst)
		}
		return append(dst, ']')
	case JSONObject:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendQuoted(dst, m.Key)
			dst = append(dst, ':')
			dst = m.Value.AppendCompact(dst)
		}
		return append(dst, '}')
	default:
		return append(dst, v.Text...)
	}
}

// AppendQuoted appends s as a JSON string. Only characters that JSON requires
// to be escaped are escaped.
func AppendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			_, n := utf8.DecodeRuneInString(s[i:])
			dst = append(dst, s[i:i+n]...)
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}
