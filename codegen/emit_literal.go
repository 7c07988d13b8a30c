package codegen

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// literal returns an expression of l's type.
func (e *emitter) literal(l *literal) string {
	t := l.Type
	switch t.Kind {
	case kindOwn:
		return e.ownLiteral(l)
	case kindNull, kindDuration:
		if t.Kind == kindNull {
			return e.typ(t) + "{}"
		}
		return fmt.Sprintf("%s{Months: %d, Days: %d, Millis: %d}", e.typ(t), binary.LittleEndian.Uint32(l.Bytes),
			binary.LittleEndian.Uint32(l.Bytes[4:]), binary.LittleEndian.Uint32(l.Bytes[8:]))
	case kindBool:
		return strconv.FormatBool(l.Bool)
	case kindInt, kindLong, kindDate:
		return strconv.FormatInt(l.Int, 10)
	case kindTimeMillis:
		return fmt.Sprintf("%d * %s", l.Int, e.std("time.Millisecond"))
	case kindTimeMicros:
		return fmt.Sprintf("%d * %s", l.Int, e.std("time.Microsecond"))
	case kindTimestampMillis:
		return fmt.Sprintf("%s(%d).UTC()", e.std("time.UnixMilli"), l.Int)
	case kindTimestampMicros:
		return fmt.Sprintf("%s(%d).UTC()", e.std("time.UnixMicro"), l.Int)
	case kindTimestampNanos:
		return fmt.Sprintf("%s(0, %d).UTC()", e.std("time.Unix"), l.Int)
	case kindFloat, kindDouble:
		return e.floatLiteral(l)
	case kindString:
		return strconv.Quote(l.Str)
	case kindBytes:
		return fmt.Sprintf("[]byte(%q)", l.Bytes)
	case kindFixed:
		return e.named(t.Fixed.typeName) + byteList(l.Bytes)
	case kindUUIDString, kindUUIDFixed:
		return fmt.Sprintf("%s(\"%x-%x-%x-%x-%x\")", e.uuid("MustParse"), l.Bytes[:4], l.Bytes[4:6], l.Bytes[6:8], l.Bytes[8:10], l.Bytes[10:])
	case kindDecimalBytes, kindDecimalFixed:
		return e.decimalLiteral(l.Unscaled, t.Scale)
	case kindEnum:
		e.importOf(t.Enum.Pkg)
		return e.file.qualify(t.Enum.Pkg, t.Enum.Symbols[l.Int].GoName)
	case kindRecord:
		return e.recordLiteral(l)
	case kindArray:
		var elems []string
		for _, x := range l.Elems {
			elems = append(elems, e.elem(x))
		}
		return e.typ(t) + "{" + strings.Join(elems, ", ") + "}"
	case kindMap:
		out := e.typ(t) + "{"
		for i, x := range l.Elems {
			out += fmt.Sprintf("%q: %s, ", l.Keys[i], e.elem(x))
		}
		return strings.TrimSuffix(out, ", ") + "}"
	case kindOptional:
		switch {
		case t.Opt != nil && len(l.Elems) == 0:
			return e.typ(t) + "{}"
		case t.Opt != nil:
			return fmt.Sprintf("%s{%s: %s, Valid: true}", e.typ(t), t.Opt.Value, e.literal(l.Elems[0]))
		case len(l.Elems) == 0:
			return "nil"
		case t.Nilable:
			return e.literal(l.Elems[0])
		case t.Elem.Kind == kindRecord && !l.Elems[0].New && t.Elem.Record.Pkg == e.file.Pkg:
			return "&" + e.literal(l.Elems[0])
		}
		return "new(" + e.typed(l.Elems[0]) + ")"
	case kindUnion:
		return e.unionLiteral(l)
	}
	panic("codegen: no literal of this kind of type")
}

// elem is l as an element without a type. The array or map gives the type.
func (e *emitter) elem(l *literal) string {
	out, typ := e.literal(l), e.typ(l.Type)
	if l.Type.Kind == kindOptional && !l.Type.Nilable && l.Type.Opt == nil {
		typ = "&" + e.typ(l.Type.Elem)
	}
	if rest, ok := strings.CutPrefix(out, typ); ok && strings.HasPrefix(rest, "{") {
		return rest
	}
	return out
}

// typed is l as an expression that has its own type in every context.
func (e *emitter) typed(l *literal) string {
	switch l.Type.Kind {
	case kindInt, kindLong, kindDate, kindFloat, kindDouble, kindTimeMillis, kindTimeMicros:
		return fmt.Sprintf("%s(%s)", e.typ(l.Type), e.literal(l))
	default:
		return e.literal(l)
	}
}

func (e *emitter) floatLiteral(l *literal) string {
	var out string
	switch f := l.Float; {
	case math.IsInf(f, 1):
		out = e.std("math.Inf") + "(1)"
	case math.IsInf(f, -1):
		out = e.std("math.Inf") + "(-1)"
	case f == 0 && math.Signbit(f):
		out = e.std("math.Copysign") + "(0, -1)"
	case l.Type.Kind == kindFloat:
		return strconv.FormatFloat(f, 'g', -1, 32)
	default:
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	if l.Type.Kind == kindFloat {
		return "float32(" + out + ")"
	}
	return out
}

func (e *emitter) decimalLiteral(v *big.Int, scale int) string {
	if v.IsInt64() {
		return fmt.Sprintf("%s(%d, %d)", e.decimal("New"), v.Int64(), -scale)
	}
	return fmt.Sprintf("%s(\"%de%d\")", e.decimal("RequireFromString"), v, -scale)
}

func (e *emitter) recordLiteral(l *literal) string {
	d := l.Type.Record
	var out string
	if l.New {
		e.importOf(d.Pkg)
		out = e.file.qualify(d.Pkg, d.NewFunc) + "()"
		if l.Type.Pointer {
			return "new(" + out + ")"
		}
		return out
	}
	// Only the package of a record knows the Go types of the fields, and has
	// the unexported functions of its own types.
	if d.Pkg != e.file.Pkg {
		out = fmt.Sprintf("%s(%q, func(src []byte) (v %s, rest []byte, err error) {\nrest, err = v.ReadAvro(src)\nreturn v, rest, err\n})", e.avrobin("DefaultOwn"), l.Bytes, e.named(d.typeName))
		if l.Type.Pointer {
			return "new(" + out + ")"
		}
		return out
	}
	for i, x := range l.Fields {
		if x != nil {
			out += fmt.Sprintf("%s: %s, ", d.Fields[i].GoName, e.literal(x))
		}
	}
	out = e.named(d.typeName) + "{" + strings.TrimSuffix(out, ", ") + "}"
	if l.Type.Pointer {
		return "&" + out
	}
	return out
}

func (e *emitter) unionLiteral(l *literal) string {
	if len(l.Elems) == 0 {
		return "nil"
	}
	x := l.Type.Union.Branches[l.Index]
	if x.Wrapper == "" {
		if l.Elems[0].New {
			return "new(" + e.literal(l.Elems[0]) + ")"
		}
		return "&" + e.literal(l.Elems[0])
	}
	return fmt.Sprintf("%s{Value: %s}", x.Wrapper, e.literal(l.Elems[0]))
}

func byteList(b []byte) string {
	out := make([]string, len(b))
	for i, c := range b {
		out[i] = fmt.Sprintf("%#02x", c)
	}
	return "{" + strings.Join(out, ", ") + "}"
}
