package avsc

import "strconv"

// Canonical returns the parsing canonical form (section "Parsing Canonical Form
// for Schemas"). Two schemas with equal forms write values of the same
// structure. The values may have different meanings, because the form has no
// logical types.
func (s *Schema) Canonical() string {
	c := canonical{seen: map[*Schema]bool{}}
	return string(c.append(nil, s))
}

// canonical appends a canonical form.
type canonical struct {
	seen map[*Schema]bool // named types that are already in the form
	// logical adds the logical types, which the parsing canonical form lacks.
	logical bool
	// inside appends a schema inside another schema; nil means append.
	inside func(dst []byte, s *Schema) []byte
}

// appendLogical appends the members of a logical type.
func appendLogical(dst []byte, l Logical) []byte {
	dst = append(dst, `,"logicalType":`...)
	dst = AppendQuoted(dst, l.Name)
	if l.Name == "decimal" {
		dst = append(dst, `,"precision":`...)
		dst = strconv.AppendInt(dst, int64(l.Precision), 10)
		dst = append(dst, `,"scale":`...)
		dst = strconv.AppendInt(dst, int64(l.Scale), 10)
	}
	return dst
}

func (c *canonical) append(dst []byte, s *Schema) []byte {
	inside := c.inside
	if inside == nil {
		inside = c.append
	}
	quoted := func(key, text string) {
		dst = append(dst, key...)
		dst = AppendQuoted(dst, text)
	}
	if s.Kind.Named() {
		if c.seen[s] {
			return AppendQuoted(dst, s.Name)
		}
		c.seen[s] = true
		quoted(`{"name":`, s.Name)
	}
	switch s.Kind {
	case Record:
		dst = append(dst, `,"type":"record","fields":[`...)
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			quoted(`{"name":`, f.Name)
			dst = append(dst, `,"type":`...)
			dst = inside(dst, f.Type)
			dst = append(dst, '}')
		}
		return append(dst, "]}"...)
	case Enum:
		dst = append(dst, `,"type":"enum","symbols":[`...)
		for i, sym := range s.Symbols {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendQuoted(dst, sym.Name)
		}
		return append(dst, "]}"...)
	case Fixed:
		dst = append(dst, `,"type":"fixed","size":`...)
		dst = strconv.AppendInt(dst, int64(s.Size), 10)
		if c.logical && s.Logical.Name != "" {
			dst = appendLogical(dst, s.Logical)
		}
		return append(dst, '}')
	case Array:
		dst = append(dst, `{"type":"array","items":`...)
		dst = inside(dst, s.Elem)
		return append(dst, '}')
	case Map:
		dst = append(dst, `{"type":"map","values":`...)
		dst = inside(dst, s.Elem)
		return append(dst, '}')
	case Union:
		dst = append(dst, '[')
		for i, b := range s.Branches {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = inside(dst, b)
		}
		return append(dst, ']')
	default:
		if c.logical && s.Logical.Name != "" {
			quoted(`{"type":`, s.Kind.String())
			return append(appendLogical(dst, s.Logical), '}')
		}
		return AppendQuoted(dst, s.Kind.String())
	}
}
