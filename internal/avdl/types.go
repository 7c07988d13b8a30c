package avdl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// idlType is a type as in the source. If the type is optional ("?"), the
// position of null depends on the default, which comes later.
type idlType struct {
	pos      avsc.Pos
	schema   *avsc.Value
	optional bool
}

// value returns the schema for a field with the default def. If the field has
// no default, def is nil.
func (t idlType) value(def *avsc.Value) *avsc.Value {
	if !t.optional {
		return t.schema
	}
	branches := []*avsc.Value{avsc.StringValue(t.pos, "null"), t.schema}
	if def != nil && def.Kind != avsc.JSONNull {
		slices.Reverse(branches)
	}
	return avsc.ArrayValue(t.pos, branches...)
}

func (p *parser) fullType() idlType { return p.plainType(p.properties()) }

func (p *parser) plainType(props []property) (t idlType) {
	p.nested(func() { t = p.typeHere(props) })
	return t
}

func (p *parser) typeHere(props []property) idlType {
	t := p.peek()
	annotated := func(m ...avsc.Member) *avsc.Value {
		for _, x := range props {
			m = append(m, member(x.key.s, x.key.pos, x.value))
		}
		return p.object(t.pos, m)
	}
	typeMember := func(name string) avsc.Member { return member("type", t.pos, avsc.StringValue(t.pos, name)) }
	switch {
	case t.is("array"), t.is("map"):
		p.next()
		p.expect("<", "after "+t.s)
		elem := p.fullType().value(nil)
		p.expect(">", "after the type inside "+t.s)
		key := "items"
		if t.s == "map" {
			key = "values"
		}
		return idlType{pos: t.pos, schema: annotated(typeMember(t.s), member(key, elem.Pos, elem))}
	case t.is("union"):
		p.next()
		for _, x := range props { // Java ignores these annotations too
			p.dropped = append(p.dropped, avsc.Dropped{Key: x.key.s, Pos: x.key.pos})
		}
		p.expect("{", "after union")
		var branches []*avsc.Value
		for {
			branches = append(branches, p.fullType().value(nil))
			if !p.accept(",") {
				break
			}
		}
		p.expect("}", "after the branches of the union")
		return idlType{pos: t.pos, schema: avsc.ArrayValue(t.pos, branches...)}
	}
	name := p.identifier("a type")
	base, attributes := keyword(name)
	out := idlType{pos: t.pos}
	switch {
	case name.is("decimal"):
		attributes = p.decimal(name)
		fallthrough
	case base != "" && len(attributes)+len(props) > 0:
		out.schema = annotated(append([]avsc.Member{typeMember(base)}, attributes...)...)
	case base != "":
		out.schema = avsc.StringValue(t.pos, base)
	default:
		if len(props) > 0 {
			p.mistake(props[0].key.pos, fmt.Sprintf("a reference to %s takes no annotations", name.s), "put them where the type is declared, or before the name of the field")
		}
		if base, logical := primitive(name.s); base != "" && logical == "" && p.ns != "" {
			name.s = p.ns + "." + name.s // in backticks, so it is a declared type with this name
		}
		out.schema = str(name)
	}
	out.optional = p.accept("?")
	return out
}

// primitive returns the type of a keyword, and the logical type if the keyword
// has a logical type. For other words, both results are "".
func primitive(name string) (base, logical string) {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return name, ""
	case "decimal":
		return "bytes", "decimal"
	case "date":
		return "int", "date"
	case "time_ms":
		return "int", "time-millis"
	case "timestamp_ms":
		return "long", "timestamp-millis"
	case "local_timestamp_ms":
		return "long", "local-timestamp-millis"
	case "uuid":
		return "string", "uuid"
	}
	return "", ""
}

// keyword returns the type of the keyword t and its attributes. If t is the
// name of a declared type, the result is "".
func keyword(t token) (string, []avsc.Member) {
	base, logical := primitive(t.s)
	switch {
	case t.quoted:
		return "", nil
	case logical == "":
		return base, nil
	}
	return base, []avsc.Member{member("logicalType", t.pos, avsc.StringValue(t.pos, logical))}
}

// decimal reads the precision and scale after the keyword.
func (p *parser) decimal(t token) []avsc.Member {
	m := []avsc.Member{member("logicalType", t.pos, avsc.StringValue(t.pos, "decimal"))}
	p.expect("(", "after decimal")
	precision, m := p.digits(m, "precision")
	scale := int64(0)
	if p.accept(",") {
		scale, m = p.digits(m, "scale")
	}
	p.expect(")", "after the precision and scale")
	if precision < 1 || scale < 0 || scale > precision {
		p.mistake(t.pos, fmt.Sprintf("decimal(%d, %d) does not exist", precision, scale), "write a precision of at least 1 and a scale from 0 to the precision")
	}
	return m
}

func (p *parser) digits(m []avsc.Member, key string) (int64, []avsc.Member) {
	t := p.next()
	n, err := integer(t)
	if err != nil {
		p.fail(t, fmt.Sprintf("the %s was expected, found %s", key, t.describe()), "write a whole number")
	}
	return n, append(m, member(key, t.pos, numberValue(t.pos, n)))
}

// json reads a JSON value. IDL also allows literals of Java.
func (p *parser) json() (v *avsc.Value) {
	p.nested(func() { v = p.jsonHere() })
	return v
}

func (p *parser) jsonHere() *avsc.Value {
	t := p.next()
	switch {
	case t.is("{"):
		var members []avsc.Member
		for !p.peek().is("}") {
			key := p.next()
			if key.kind != text {
				p.fail(key, "the name of a member was expected, found "+key.describe(), "write it in double quotes")
			}
			p.expect(":", "after the name of a member")
			members = append(members, member(key.s, key.pos, p.json()))
			if !p.accept(",") {
				break
			}
		}
		p.expect("}", "at the end of the object")
		return p.object(t.pos, members)
	case t.is("["):
		var elems []*avsc.Value
		for !p.peek().is("]") {
			elems = append(elems, p.json())
			if !p.accept(",") {
				break
			}
		}
		p.expect("]", "at the end of the array")
		return avsc.ArrayValue(t.pos, elems...)
	case t.kind == text && !t.bad:
		return str(t)
	case t.kind == number:
		return p.number(t)
	case t.is("null"):
		return &avsc.Value{Kind: avsc.JSONNull, Pos: t.pos, Text: t.s}
	case t.is("true"), t.is("false"):
		return &avsc.Value{Kind: avsc.JSONBool, Pos: t.pos, Text: t.s, Bool: t.s == "true"}
	case t.kind == word && !t.quoted && isNotFinite(t.s):
		p.fail(t, t.s+" is no value", notFinite)
	}
	p.fail(t, "a value was expected, found "+t.describe(), "write JSON; text stands in double quotes")
	return nil
}

const notFinite = "a default is JSON, which has finite numbers only; leave the default out and set the value in code, " +
	"use another number, or a union with null; if it is a text, write it in double quotes"

// isNotFinite reports whether a word is a number that JSON does not have.
func isNotFinite(word string) bool {
	switch strings.ToLower(strings.TrimLeft(word, "+-")) {
	case "nan", "inf", "infinity":
		return true
	}
	return false
}

// number converts a literal of Java into a literal of JSON.
func (p *parser) number(t token) *avsc.Value {
	if n, err := integer(t); err == nil {
		return numberValue(t.pos, n)
	}
	s := strings.TrimPrefix(t.s, "+")
	if isNotFinite(t.s) {
		p.fail(t, t.s+" is no value", notFinite)
	}
	hex := strings.HasPrefix(strings.ToLower(strings.TrimPrefix(s, "-")), "0x")
	if !hex || strings.ContainsAny(s, "pP") {
		s = strings.TrimRight(s, "fFdD")
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.ContainsAny(s, "_") || !hex && strings.ContainsAny(s, "pPiInN") {
		p.fail(t, t.describe()+" is not a number that can be written here", "write digits, with a fraction and an exponent if need be")
	}
	return &avsc.Value{Kind: avsc.JSONNumber, Pos: t.pos, Text: decimalText(s, f, hex)}
}

// decimalText writes a number as JSON does. It keeps the digits of the source,
// unless the digits are hexadecimal.
func decimalText(s string, f float64, hex bool) string {
	if hex {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	exponent := ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		s, exponent = s[:i], s[i:]
	}
	whole, fraction, dot := strings.Cut(s, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if dot && fraction == "" {
		fraction = "0"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction + exponent
}
