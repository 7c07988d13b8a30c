package avsc

// Text returns the schema as compact JSON that is complete on its own. The text
// keeps the schema's docs, defaults, aliases, logical types, custom properties
// and order of keys. It defines each referenced type at the first use.
func (s *Schema) Text() string {
	w := writer{seen: map[*Schema]bool{}}
	w.schema(s, s.JSON, "")
	return string(w.dst)
}

// Texts returns the texts of schemas that are stored together. All texts
// together define each type once, at its first use. If an earlier text defines
// a schema, the schema's own text is "".
func Texts(schemas ...*Schema) []string {
	w := writer{seen: map[*Schema]bool{}}
	out := make([]string, len(schemas))
	for i, s := range schemas {
		if s.Kind.Named() && w.seen[s] {
			continue
		}
		w.dst = nil
		w.schema(s, s.JSON, "")
		out[i] = string(w.dst)
	}
	return out
}

type writer struct {
	dst  []byte
	seen map[*Schema]bool // named types that dst already defines
}

// schema appends s inside the namespace ns. The value v is the source text of
// s.
func (w *writer) schema(s *Schema, v *Value, ns string) {
	switch {
	case s.Kind.Named() && w.seen[s]:
		w.dst = AppendQuoted(w.dst, nameIn(s, v, ns))
	case s.JSON == nil: // the schema was made in memory
		c := canonical{seen: w.seen}
		w.dst = c.append(w.dst, s)
	case s.Kind.Named():
		w.seen[s] = true
		w.definition(s, ns)
	case s.Kind == Union:
		w.dst = append(w.dst, '[')
		for i, b := range s.Branches {
			if i > 0 {
				w.dst = append(w.dst, ',')
			}
			w.schema(b, v.Elems[i], ns)
		}
		w.dst = append(w.dst, ']')
	case s.Kind == Array, s.Kind == Map:
		key := "items"
		if s.Kind == Map {
			key = "values"
		}
		w.object(v, func(m Member) bool {
			if m.Key != key {
				return false
			}
			w.key(m.Key)
			w.schema(s.Elem, m.Value, ns)
			return true
		})
	default:
		w.dst = v.AppendCompact(w.dst)
	}
}

// nameIn returns a name that means s inside the namespace ns. If the name in v
// also means s here, nameIn returns this name.
func nameIn(s *Schema, v *Value, ns string) string {
	if t := v.Member("type"); t != nil {
		v = t
	}
	if v != nil && v.Kind == JSONString && JoinName(ns, v.Str) == s.Name {
		return v.Str
	}
	short := s.ShortName()
	if _, ok := primitive(short); ok || s.Namespace() != ns {
		return s.Name
	}
	return short
}

func (w *writer) key(k string) {
	w.dst = AppendQuoted(w.dst, k)
	w.dst = append(w.dst, ':')
}

// object appends v. The function replace may write a member in its own way and
// then returns true. Names and keywords lose their JSON escapes, because
// avrobin.InnerSchema compares their text.
func (w *writer) object(v *Value, replace func(Member) bool) {
	w.dst = append(w.dst, '{')
	for i, m := range v.Members {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		if replace(m) {
			continue
		}
		w.key(m.Key)
		if isWord := m.Key == "type" || m.Key == "name" || m.Key == "namespace"; isWord && m.Value.Kind == JSONString {
			w.dst = AppendQuoted(w.dst, m.Value.Str)
		} else {
			w.dst = m.Value.AppendCompact(w.dst)
		}
	}
	w.dst = append(w.dst, '}')
}

// definition appends the definition of s inside the namespace ns. The source
// may have the definition in another namespace, so its name would now mean
// another type. In this case, definition writes the namespace explicitly.
func (w *writer) definition(s *Schema, ns string) {
	v := s.JSON
	inside := s.Namespace()
	space := v.Member("namespace")
	meant := ns
	if space != nil && space.Kind == JSONString {
		meant = space.Str
	}
	respell := JoinName(meant, v.Member("name").Str) != s.Name
	w.object(v, func(m Member) bool {
		switch {
		case m.Key == "name" && respell && space == nil:
			w.key("name")
			w.dst = AppendQuoted(w.dst, s.ShortName())
			w.dst = append(w.dst, ',')
			w.key("namespace")
			w.dst = AppendQuoted(w.dst, inside)
		case m.Key == "namespace" && respell:
			w.key("namespace")
			w.dst = AppendQuoted(w.dst, inside)
		case m.Key == "fields" && s.Kind == Record:
			w.key("fields")
			w.fields(s, m.Value, inside)
		default:
			return false
		}
		return true
	})
}

func (w *writer) fields(s *Schema, list *Value, ns string) {
	w.dst = append(w.dst, '[')
	for i, f := range s.Fields {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.object(list.Elems[i], func(m Member) bool {
			if m.Key != "type" {
				return false
			}
			w.key("type")
			w.schema(f.Type, m.Value, ns)
			return true
		})
	}
	w.dst = append(w.dst, ']')
}
