package serde

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/linkedin/goavro/v2"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// Generic reads and writes data of a schema that is known only at run time. A
// Generic is immutable and safe for concurrent use.
//
// Its values have the Go types of github.com/linkedin/goavro/v2:
//
//	null                   nil
//	boolean                bool
//	int, long              int32, int64
//	float, double          float32, float64
//	bytes, fixed           []byte
//	string, enum           string
//	array                  []any
//	map, record            map[string]any
//	union                  nil, or map[string]any{branch: value}
//
// A branch is named as in Avro's JSON encoding. A named type has its full name,
// and another type has the name of the type ("string", "array"). Logical types
// are not interpreted, so a timestamp-millis is an int64.
type Generic struct {
	schema *avsc.Schema
	text   string
	codec  *goavro.Codec
	// check walks over the data before goavro, because goavro trusts the counts
	// in the data.
	check *avrobin.Plan
	// alias has the type names for goavro. alias is nil if goavro gets the
	// schema's own names.
	alias map[*avsc.Schema]string
	// renamed maps the names of fields and symbols that goavro refuses to names
	// that goavro accepts. original maps back.
	renamed, original map[string]string
}

// NewGeneric returns a Generic for one self-contained schema. Old data may have
// been written with an imperfect schema, so NewGeneric is tolerant. It accepts
// names that the specification refuses. If a JSON key appears twice, the last
// value counts. Defaults that do not fit their type are left out.
func NewGeneric(schema string) (*Generic, error) {
	s, err := avsc.ParseStored("schema", []byte(schema))
	if err != nil {
		return nil, fmt.Errorf("serde: %w", err)
	}
	return newGeneric(s)
}

func newGeneric(s *avsc.Schema) (*Generic, error) {
	g := &Generic{schema: s, text: s.Text(), alias: aliases(s)}
	g.renameInvalid()
	normal := s.Canonical()
	if g.alias != nil {
		normal = string(g.appendSchema(nil, s, map[*avsc.Schema]bool{}))
	}
	// The walk uses the normal text, because two fields with the same alias are
	// an error in the original text.
	same, err := avsc.ParseStored("schema", []byte(normal))
	if err != nil {
		return nil, fmt.Errorf("serde: %w", err)
	}
	if g.check, err = resolve.Resolve(same, same); err != nil {
		return nil, fmt.Errorf("serde: %w", err)
	}
	if g.codec, err = goavro.NewCodec(normal); err != nil {
		return nil, fmt.Errorf("serde: goavro cannot take the schema: %w", err)
	}
	return g, nil
}

// Name returns the full name of the schema's type. The name is empty for a type
// without a name.
func (g *Generic) Name() string { return g.schema.Name }

// Schema returns the schema's text in the compact form that is registered.
func (g *Generic) Schema() string { return g.text }

// Record returns v as a record for a [Binding] or a producer. A missing field
// gets the schema's default. A missing field without a default is an error, and
// a key that is not a field is an error. In a union of null and one type, the
// branch may be omitted. Record copies nothing, so v must not change before the
// record is written. A nil v gives a nil record.
func (g *Generic) Record(v map[string]any) avrobin.Record {
	if v == nil {
		return nil
	}
	return &genericRecord{g, v}
}

// Value is like [Generic.Record], but for a schema of any type. v has the Go
// types that [Generic] lists.
func (g *Generic) Value(v any) avrobin.Record { return &genericRecord{g, v} }

type genericRecord struct {
	g *Generic
	v any
}

func (r *genericRecord) AvroName() string   { return r.g.schema.Name }
func (r *genericRecord) AvroSchema() string { return r.g.text }

func (r *genericRecord) AppendAvro(dst []byte) ([]byte, error) { return r.g.Append(dst, r.v) }

// Append appends the Avro encoding of v to dst. After an error the result is
// dst without changes. The entries of a map have no defined order.
func (g *Generic) Append(dst []byte, v any) ([]byte, error) {
	native, err := g.toGoavro(g.schema, v, 0)
	if err != nil {
		return dst, err
	}
	out, err := g.codec.BinaryFromNative(dst, native)
	if err != nil {
		return dst, fmt.Errorf("serde: %w", err)
	}
	return out, nil
}

// Decode returns the value of data, which is the Avro encoding of one value of
// the schema.
func (g *Generic) Decode(data []byte) (any, error) { return g.DecodePlan(g.check, data) }

// DecodePlan is Decode for data of another schema. p is a plan of [Resolve]
// from the writer schema to this schema.
func (g *Generic) DecodePlan(p *avrobin.Plan, data []byte) (any, error) {
	return g.decodePlan(context.Background(), p, data)
}

func (g *Generic) decodePlan(ctx context.Context, p *avrobin.Plan, data []byte) (any, error) {
	v, err := g.goavroValue(ctx, p, data)
	if err != nil || g.alias == nil {
		return v, err
	}
	return g.fromGoavro(g.schema, v), nil
}

// AppendJSON reads the Avro encoding of one value and appends the value to dst
// in Avro's JSON encoding (Avro 1.12, "JSON Encoding"), on one line. Fields
// have the schema's order, and the keys of a map are sorted. Bytes become
// characters up to U+00FF, and a float has its exact value. NaN and the
// infinities become strings. Invalid UTF-8 in a string becomes U+FFFD. After an
// error the result is dst without changes.
func (g *Generic) AppendJSON(dst, data []byte) ([]byte, error) {
	return g.appendJSONOf(context.Background(), dst, data)
}

func (g *Generic) appendJSONOf(ctx context.Context, dst, data []byte) ([]byte, error) {
	v, err := g.goavroValue(ctx, g.check, data)
	if err != nil {
		return dst, err
	}
	return g.appendJSON(dst, g.schema, v), nil
}

// AppendFromJSON reads a value in Avro's JSON encoding and appends the Avro
// encoding to dst. A missing field gets the schema's default. A member that is
// not a field is an error. An error contains the line and the column. After an
// error the result is dst without changes.
func (g *Generic) AppendFromJSON(dst, json []byte) ([]byte, error) {
	text, err := avsc.ReadData(json)
	if err != nil {
		return dst, fmt.Errorf("serde: JSON: %w", err)
	}
	native, err := g.fromJSON(g.schema, text, tagged)
	if err != nil {
		return dst, fmt.Errorf("serde: JSON: %w", err)
	}
	out, err := g.codec.BinaryFromNative(dst, native)
	if err != nil {
		return dst, fmt.Errorf("serde: %w", err)
	}
	return out, nil
}

// goavroValue returns goavro's value of data, after our own walk has accepted
// data.
func (g *Generic) goavroValue(ctx context.Context, p *avrobin.Plan, data []byte) (any, error) {
	// goavro returns bytes that share memory with the input, so goavro gets the
	// copy that the walk makes.
	stopping := (*avrobin.Plan)((*plan.Plan)(p).WithContext(ctx, len(data)))
	data, err := stopping.Append(nil, data)
	if err == nil && stopping != p { // a long message
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	v, rest, err := g.codec.NativeFromBinary(data)
	if err == nil && len(rest) > 0 {
		err = avrobin.ErrTrailing
	}
	if err != nil {
		return nil, fmt.Errorf("serde: %w", err)
	}
	return v, nil
}

// aliases returns type names for goavro, or nil if goavro accepts the schema's
// own names. goavro moves a type without a namespace into the enclosing
// namespace. goavro also refuses a keyword as the last part of a name, a name
// that the specification refuses, and a fixed of size 0.
func aliases(s *avsc.Schema) map[*avsc.Schema]string {
	keywords := []string{"array", "enum", "fixed", "map", "record", "union", "error"}
	var types []*avsc.Schema
	with, without, odd := false, false, false
	s.Walk(func(s *avsc.Schema) {
		if !s.Kind.Named() {
			return
		}
		types = append(types, s)
		if s.Namespace() == "" {
			without = true
		} else {
			with = true
		}
		for _, f := range s.Fields {
			odd = odd || !avsc.ValidName(f.Name)
		}
		for _, sym := range s.Symbols {
			odd = odd || !avsc.ValidName(sym.Name)
		}
		odd = odd || slices.Contains(keywords, s.ShortName()) || isEmptyFixed(s) || !avsc.ValidFullName(s.Name)
	})
	if !odd && (!with || !without) {
		return nil
	}
	names := make(map[*avsc.Schema]string, len(types))
	for i, t := range types {
		names[t] = "T" + strconv.Itoa(i)
	}
	return names
}

// renameInvalid gives valid names to fields and symbols with other names, for
// example with letters outside of ASCII, which Java accepts.
func (g *Generic) renameInvalid() {
	used := map[string]bool{}
	var odd []string
	note := func(name string) {
		if !avsc.ValidName(name) && !used[name] {
			odd = append(odd, name)
		}
		used[name] = true
	}
	g.schema.Walk(func(s *avsc.Schema) {
		for _, f := range s.Fields {
			note(f.Name)
		}
		for _, sym := range s.Symbols {
			note(sym.Name)
		}
	})
	if len(odd) == 0 {
		return
	}
	g.renamed, g.original = map[string]string{}, map[string]string{}
	for _, name := range odd {
		valid := strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf && avsc.ValidName("_"+string(r)) {
				return r
			}
			return '_'
		}, "_"+name)
		for used[valid] {
			valid += "_"
		}
		used[valid] = true
		g.renamed[name], g.original[valid] = valid, name
	}
}

// goavroName returns goavro's name of a field or symbol.
func (g *Generic) goavroName(name string) string {
	if other, ok := g.renamed[name]; ok {
		return other
	}
	return name
}

// symbol returns the symbol of goavro's name.
func (g *Generic) symbol(name string) string {
	if other, ok := g.original[name]; ok {
		return other
	}
	return name
}

// isEmptyFixed reports whether s is a fixed of size 0. goavro gets a record
// without fields instead.
func isEmptyFixed(s *avsc.Schema) bool { return s.Kind == avsc.Fixed && s.Size == 0 }

// branch returns goavro's name for the branch s of a union.
func (g *Generic) branch(s *avsc.Schema) string {
	if name, ok := g.alias[s]; ok {
		return name
	}
	return s.TypeName()
}

// appendSchema appends the text of s for goavro, with the aliases as names.
func (g *Generic) appendSchema(dst []byte, s *avsc.Schema, seen map[*avsc.Schema]bool) []byte {
	name := g.branch(s)
	if seen[s] || s.Kind.Primitive() {
		return strconv.AppendQuote(dst, name)
	}
	seen[s] = s.Kind.Named()
	switch s.Kind {
	case avsc.Record:
		dst = fmt.Appendf(dst, `{"name":%q,"type":"record","fields":[`, name)
		for i, f := range s.Fields {
			dst = fmt.Appendf(appendComma(dst, i), `{"name":%q,"type":`, g.goavroName(f.Name))
			dst = append(g.appendSchema(dst, f.Type, seen), '}')
		}
		return append(dst, "]}"...)
	case avsc.Enum:
		dst = fmt.Appendf(dst, `{"name":%q,"type":"enum","symbols":[`, name)
		for i, sym := range s.Symbols {
			dst = strconv.AppendQuote(appendComma(dst, i), g.goavroName(sym.Name))
		}
		return append(dst, "]}"...)
	case avsc.Fixed:
		if isEmptyFixed(s) {
			return fmt.Appendf(dst, `{"name":%q,"type":"record","fields":[]}`, name)
		}
		return fmt.Appendf(dst, `{"name":%q,"type":"fixed","size":%d}`, name, s.Size)
	case avsc.Array:
		return append(g.appendSchema(append(dst, `{"type":"array","items":`...), s.Elem, seen), '}')
	case avsc.Map:
		return append(g.appendSchema(append(dst, `{"type":"map","values":`...), s.Elem, seen), '}')
	default: // a union
		dst = append(dst, '[')
		for i, b := range s.Branches {
			dst = g.appendSchema(appendComma(dst, i), b, seen)
		}
		return append(dst, ']')
	}
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}
