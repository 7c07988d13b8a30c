package codegen

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/avroline/avroline/internal/avsc"
)

// Optionals is the Go form of a union of null and one other type.
type Optionals uint8

const (
	// OptionalPointers gives optional fields the type *T.
	OptionalPointers Optionals = iota
	// OptionalStructs gives optional fields the type avrobin.Opt[T]. Reading
	// such a field needs no allocation. Records stay pointers. Bytes, arrays
	// and maps stay types whose nil is null.
	OptionalStructs
)

// Tag is a struct tag for every field.
type Tag struct {
	Key string // "yaml", "db"; "json" replaces the tag of JSON

	// Style makes the value from the Avro name. The default is [TagAvro].
	Style TagStyle

	Options string // the text after the name, such as "omitempty"
}

// TagStyle is a way to write names.
type TagStyle string

// These are the styles. The example is the Avro name orderID.
const (
	TagAvro   TagStyle = "avro"   // orderID, as in the schema
	TagSnake  TagStyle = "snake"  // order_id
	TagCamel  TagStyle = "camel"  // orderId
	TagPascal TagStyle = "pascal" // OrderId
	TagKebab  TagStyle = "kebab"  // order-id
)

// TagStyles returns all styles.
func TagStyles() []TagStyle { return []TagStyle{TagAvro, TagSnake, TagCamel, TagPascal, TagKebab} }

func (s TagStyle) name(avro string) string {
	if s == TagAvro || s == "" {
		return avro
	}
	if shouts(avro) {
		avro = strings.ToLower(avro)
	}
	parts := words(avro)
	for i, word := range parts {
		parts[i] = strings.ToLower(word)
		if s == TagPascal || s == TagCamel && i > 0 {
			first := firstRune(parts[i])
			parts[i] = string(unicode.ToUpper(first)) + parts[i][len(string(first)):]
		}
	}
	if len(parts) == 0 {
		return avro
	}
	switch s {
	case TagSnake:
		return strings.Join(parts, "_")
	case TagKebab:
		return strings.Join(parts, "-")
	default:
		return strings.Join(parts, "")
	}
}

// tagsProperty is the property of a field that gives more struct tags. The
// value is an object of strings.
const tagsProperty = "go.tags"

// tag is one struct tag of a field.
type tag struct{ key, value string }

// tagsOf returns the tags of a field: avro and json, then the others.
func (b *builder) tagsOf(f *avsc.Field, t *typeExpr) []tag {
	tags := []tag{{"avro", f.Name}, {"json", f.Name}}
	set := func(key, value string) {
		i := slices.IndexFunc(tags, func(t tag) bool { return t.key == key })
		if i < 0 {
			tags = append(tags, tag{key, value})
			return
		}
		tags[i].value = value
	}
	for _, t := range b.opts.Tags {
		value := t.Style.name(f.Name)
		if t.Options != "" {
			value += "," + t.Options
		}
		set(t.Key, value)
	}
	if omit := t.omitNull(); b.opts.OmitNull && omit != "" {
		if !slices.ContainsFunc(strings.Split(tags[1].value, ",")[1:], func(o string) bool { return o == "omitempty" || o == "omitzero" }) {
			tags[1].value += "," + omit
		}
	}
	for _, p := range f.Props {
		if p.Key != tagsProperty {
			continue
		}
		const fix = `write {"KEY": "value"}, such as {"validate": "required"}`
		if p.Value.Kind != avsc.JSONObject {
			b.mistake(p.Value.Pos, fix, "%s is %s", tagsProperty, p.Value.Kind)
			continue
		}
		for _, m := range p.Value.Members {
			switch {
			case !IsTagKey(m.Key):
				b.mistake(m.KeyPos, fix, "%s: %q is no key of a struct tag", tagsProperty, m.Key)
			case m.Value.Kind != avsc.JSONString:
				b.mistake(m.Value.Pos, fix, "%s: the value of %s is %s", tagsProperty, m.Key, m.Value.Kind)
			default:
				set(m.Key, m.Value.Str)
			}
		}
	}
	return tags
}

// IsTagKey reports whether key can be the key of a struct tag. The key "avro"
// belongs to avrogen.
func IsTagKey(key string) bool {
	return key != "" && key != "avro" && !strings.ContainsFunc(key, func(r rune) bool {
		return r <= ' ' || r == '"' || r == ':' || r == '`' || r >= 0x7f
	})
}

// omitNull returns the option of encoding/json that leaves out a null of t and
// nothing else. The result is "" for types without null.
func (t *typeExpr) omitNull() string {
	switch {
	case t.Kind == kindUnion && t.Union.NullIndex >= 0:
		return "omitzero"
	case t.Kind != kindOptional:
		return ""
	case t.Nilable || t.Opt != nil || t.needsCarrier():
		return "omitzero" // omitempty also leaves out empty values
	}
	return "omitempty"
}

// sameTags reports an error if two fields have the same name in JSON.
func (b *builder) sameTags(s *avsc.Schema, fields []*fieldDecl) {
	seen := map[string]string{}
	for i, f := range fields {
		name, _, _ := strings.Cut(f.tag("json"), ",")
		if name == "-" && f.tag("json") == "-" {
			continue
		}
		if name == "" {
			name = f.GoName
		}
		if first, ok := seen[name]; ok {
			b.mistake(s.Fields[i].NamePos, `give one of them a name by "go.tags": {"json": "NAME"}`,
				"the fields %s and %s of %s have the same name in JSON: %q", first, f.AvroName, s.Name, name)
		}
		seen[name] = f.AvroName
	}
}

// tag returns the value of a tag.
func (f *fieldDecl) tag(key string) string {
	for _, t := range f.Tags {
		if t.key == key {
			return t.value
		}
	}
	return f.AvroName
}

// tagLiteral returns the Go literal of tags.
func tagLiteral(tags []tag) string {
	parts := make([]string, len(tags))
	for i, t := range tags {
		parts[i] = t.key + ":" + strconv.Quote(t.value)
	}
	return rawString(strings.Join(parts, " "))
}
