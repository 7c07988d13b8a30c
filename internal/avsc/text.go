package avsc

// Text returns the schema as compact JSON that stands on its own: its own
// words (docs, defaults, aliases, logical types, custom properties, the order
// of keys), and the definition of each type that it refers to at the first use.
func (s *Schema) Text() string {
	w := writer{seen: map[*Schema]bool{}}
	w.schema(s, s.JSON, "")
	return string(w.dst)
}

// Texts returns the texts of schemas that are kept together: a type is defined
// once in all of them, at its first use. A schema that an earlier text defines
// has the text "".
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
	seen map[*Schema]bool // named types that stand in dst
}

// schema appends s, which the source writes as v, inside the namespace ns.
func (w *writer) schema(s *Schema, v *Value, ns string) {
	switch {
	case s.Kind.Named() && w.seen[s]:
		w.dst = AppendQuoted(w.dst, nameIn(s, v, ns))
	case s.JSON == nil: // made in memory
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

// nameIn returns the name that means s inside the namespace ns: as the source
// writes it in v, where that means s here too.
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

// object appends v; replace writes a member in its own way and reports true.
func (w *writer) object(v *Value, replace func(Member) bool) {
	w.dst = append(w.dst, '{')
	for i, m := range v.Members {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		if !replace(m) {
			w.key(m.Key)
			w.dst = m.Value.AppendCompact(w.dst)
		}
	}
	w.dst = append(w.dst, '}')
}

// definition appends the definition of s at a place inside the namespace ns.
// Where the source had it may be another, so that its words would now mean
// another name: the namespace is then spelt out.
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
