package avrobin

import (
	"strings"
	"sync"
)

// InnerSchema is the schema of a type that other schemas define inside. The
// text is made when it is first asked for, so that generated code holds the
// text of each type once. The zero value is ready to use. It is safe for
// concurrent use.
type InnerSchema struct {
	once sync.Once
	text string
}

// Of returns the self-contained schema of the type called fullName. The texts
// are valid compact schemas; among them they define the type and all that it
// refers to. Every call must name the same type and texts.
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

// cutter cuts one definition out of schemas and puts those that it refers to in
// the places of their first use.
type cutter struct {
	definitions map[string]definition // by full name

	out     []byte
	defined map[string]bool // types whose definition is in out
}

// definition is the text of a record, enum or fixed.
type definition struct {
	text   string
	around string // the namespace of the place where it stands
	inside string // the type's own namespace
	spelt  bool   // the text says the namespace itself
}

// member is one member of a JSON object: value is text[from:to].
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
				if depth < 0 { // the end of what holds a number or a word
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

// members are those of the object that begins at text[i].
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

// elements calls visit with the place of each element of the array that begins
// at text[i].
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

// value is the text of a string among the members, "" where there is none.
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

// named works out the full name of a definition and what its text says of it.
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

// index notes every definition in the schema at text[i], inside a namespace.
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

// eachSchema calls visit with the place of each schema among the members of a
// schema: of its fields, items, values and a type that is no name.
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

// appendType writes a type at a place inside a namespace: its definition, or
// the reference if it is defined above.
func (c *cutter) appendType(name, reference, namespace string) {
	d, ok := c.definitions[name]
	if !ok || c.defined[name] {
		c.out = append(c.out, reference...)
		return
	}
	c.defined[name] = true
	all := members(d.text, 0)
	insertAt := -1
	if d.around != namespace && !d.spelt { // its name would mean another type here
		for _, m := range all {
			if m.key == "name" {
				insertAt = m.to
			}
		}
	}
	c.appendObject(d.text, all, d.inside, insertAt)
}

// appendObject writes the object of which the members are given, with types in
// the places of references. At insertAt, unless that is negative, the namespace
// is put in.
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
		c.appendType(fullName(namespace, name), text, namespace)
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

// reference is how a type is called inside a namespace.
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
