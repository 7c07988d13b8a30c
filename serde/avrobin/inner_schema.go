package avrobin

import (
	"strings"
	"sync"
)

// InnerSchema is the schema of a type that is defined inside other schemas. The
// first call of Of makes the text, so generated code holds the text of each
// type once. The zero value is ready to use. InnerSchema is safe for concurrent
// use.
type InnerSchema struct {
	once sync.Once
	text string
}

// Of returns the self-contained schema of the type fullName. The texts are
// valid compact schemas. Together they define the type and all types that it
// refers to. Every call must have the same arguments.
func (s *InnerSchema) Of(fullName string, texts ...string) string {
	s.once.Do(func() {
		c := cutter{definitions: map[string]definition{}}
		for _, text := range texts {
			c.index(text, 0, "")
		}
		c.defined = map[string]bool{}
		c.appendType(fullName, `"`+fullName+`"`, "")
		s.text = string(c.out)
	})
	return s.text
}

// cutter cuts a definition out of schemas. It replaces the first reference to
// another type with the definition of the other type.
type cutter struct {
	definitions map[string]definition // by full name

	out     []byte
	defined map[string]bool // types whose definition is in out
}

// definition is the text of a record, enum or fixed.
type definition struct {
	text   string
	around string // the namespace around the definition
	inside string // the type's own namespace
	spelt  bool   // the text names its own namespace
}

// member is a member of a JSON object. The value is text[from:to].
type member struct {
	key      string
	from, to int
}

// skipValue returns the end of the JSON value that begins at text[i].
func skipValue(text string, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				if depth < 0 { // the end of the object around a number or a word
					return i
				}
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// members returns the members of the object that begins at text[i].
func members(text string, i int) []member {
	var out []member
	for i++; text[i] != '}'; {
		if text[i] == ',' {
			i++
		}
		end := skipValue(text, i)
		m := member{key: text[i+1 : end-1], from: end + 1}
		m.to = skipValue(text, m.from)
		out = append(out, m)
		i = m.to
	}
	return out
}

// elements calls visit with the place of each element of the array at text[i].
func elements(text string, i int, visit func(from, to int)) {
	for i++; text[i] != ']'; {
		if text[i] == ',' {
			i++
		}
		end := skipValue(text, i)
		visit(i, end)
		i = end
	}
}

// value returns the string value of a member, or "" if there is none.
func value(text string, all []member, key string) string {
	for _, m := range all {
		if m.key == key && text[m.from] == '"' {
			return text[m.from+1 : m.to-1]
		}
	}
	return ""
}

// isDefinition reports whether an object with this "type" defines a named type.
func isDefinition(typ string) bool {
	switch typ {
	case "record", "error", "enum", "fixed":
		return true
	}
	return false
}

// named returns the full name of a definition, and the definition without its
// text.
func named(text string, all []member, around string) (string, definition) {
	d := definition{around: around, inside: around}
	for _, m := range all {
		if m.key == "namespace" && text[m.from] == '"' {
			d.inside, d.spelt = text[m.from+1:m.to-1], true
		}
	}
	name := value(text, all, "name")
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		d.inside, d.spelt = name[:i], true
		return name, d
	}
	return fullName(d.inside, name), d
}

func fullName(namespace, name string) string {
	if namespace == "" || strings.IndexByte(name, '.') >= 0 {
		return name
	}
	return namespace + "." + name
}

// index records every definition in the schema at text[i]. namespace is the
// namespace around the schema.
func (c *cutter) index(text string, i int, namespace string) {
	switch text[i] {
	case '[':
		elements(text, i, func(from, _ int) { c.index(text, from, namespace) })
	case '{':
		all := members(text, i)
		if typ := value(text, all, "type"); isDefinition(typ) {
			name, d := named(text, all, namespace)
			d.text = text[i:skipValue(text, i)]
			if _, ok := c.definitions[name]; !ok {
				c.definitions[name] = d
			}
			namespace = d.inside
		}
		eachSchema(text, all, func(from, _ int) { c.index(text, from, namespace) })
	}
}

// eachSchema calls visit with the place of each schema inside a schema. These
// are the types of the fields, the items, the values, and a nested type.
func eachSchema(text string, all []member, visit func(from, to int)) {
	typ := value(text, all, "type")
	definition := isDefinition(typ)
	for _, m := range all {
		switch {
		case m.key == "type" && (typ == "array" || typ == "map"): // the keyword
		case m.key == "fields" && definition && text[m.from] == '[':
			elements(text, m.from, func(from, _ int) {
				for _, f := range members(text, from) {
					if f.key == "type" {
						visit(f.from, f.to)
					}
				}
			})
		case (m.key == "items" || m.key == "values" || m.key == "type") && !definition:
			visit(m.from, m.to)
		}
	}
}

// appendType writes the definition of a type, or the reference if the type is
// already defined. namespace is the namespace around the type.
func (c *cutter) appendType(name, reference, namespace string) {
	d, ok := c.definitions[name]
	if !ok || c.defined[name] {
		c.out = append(c.out, reference...)
		return
	}
	c.defined[name] = true
	all := members(d.text, 0)
	insertAt := -1
	if d.around != namespace && !d.spelt { // here the name would mean another type
		for _, m := range all {
			if m.key == "name" {
				insertAt = m.to
			}
		}
	}
	c.appendObject(d.text, all, d.inside, insertAt)
}

// appendObject writes an object with the given members, and replaces references
// with types. If insertAt is not negative, appendObject inserts the namespace
// there.
func (c *cutter) appendObject(text string, all []member, namespace string, insertAt int) {
	copied := 0
	copyTo := func(to int) {
		if copied <= insertAt && insertAt <= to {
			c.out = append(c.out, text[copied:insertAt]...)
			c.out = append(c.out, `,"namespace":"`+namespace+`"`...)
			copied, insertAt = insertAt, -1
		}
		c.out = append(c.out, text[copied:to]...)
	}
	eachSchema(text, all, func(from, to int) {
		copyTo(from)
		c.appendSchema(text[from:to], namespace)
		copied = to
	})
	copyTo(len(text))
}

func (c *cutter) appendSchema(text, namespace string) {
	switch text[0] {
	case '"':
		name := text[1 : len(text)-1]
		if isPrimitive(name) {
			c.out = append(c.out, text...)
			return
		}
		full := fullName(namespace, name)
		if _, ok := c.definitions[full]; !ok {
			full = name // a type without namespace
		}
		c.appendType(full, text, namespace)
	case '[':
		copied := 0
		elements(text, 0, func(from, to int) {
			c.out = append(c.out, text[copied:from]...)
			c.appendSchema(text[from:to], namespace)
			copied = to
		})
		c.out = append(c.out, text[copied:]...)
	case '{':
		all := members(text, 0)
		if isDefinition(value(text, all, "type")) {
			name, d := named(text, all, namespace)
			c.appendType(name, c.reference(name, d.inside, namespace), namespace)
			return
		}
		c.appendObject(text, all, namespace, -1)
	default:
		c.out = append(c.out, text...)
	}
}

// reference returns the reference to a type inside a namespace.
func (c *cutter) reference(name, own, namespace string) string {
	short := name[strings.LastIndexByte(name, '.')+1:]
	if own != namespace || isPrimitive(short) {
		return `"` + name + `"`
	}
	return `"` + short + `"`
}

func isPrimitive(name string) bool {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return true
	}
	return false
}
