package avsc

import (
	"fmt"
	"strconv"
)

// Difference is the first place where two schemas give the same bytes a
// different meaning.
type Difference struct {
	// Path leads to the place by the names of both schemas, such as
	// "items[].price". The text "[]" is an element of an array or a map. Path
	// is empty for the schemas themselves.
	Path string
	// A and B describe the two schemas at the place, such as "decimal(12,2)",
	// "field total" or "symbol OPEN". The text "nothing" means that one side
	// ends before the other.
	A, B string
}

// String returns the difference in one line, such as "items[].price:
// decimal(12,2) against decimal(12,4)".
func (d *Difference) String() string {
	s := d.A + " against " + d.B
	if d.Path != "" {
		s = d.Path + ": " + s
	}
	return s
}

// SameMeaning reports whether a and b give the same bytes the same meaning, by
// [Compare].
func SameMeaning(a, b *Schema) bool { return Compare(a, b) == nil }

// Compare returns the first difference between the meanings of a and b, in the
// order of a's text. The result is nil if there is no difference. Compare
// checks the structure, as in [Schema.Canonical], and every valid logical type
// with its parameters. Docs, aliases, defaults, the order attribute and all
// other attributes do not count. An invalid or unknown logical type counts as
// none.
func Compare(a, b *Schema) *Difference {
	c := comparison{equal: map[[2]*Schema]bool{}}
	return c.compare(a, b)
}

// comparison is the state of one [Compare].
type comparison struct {
	path []string
	// equal holds the pairs of named types that were compared or are in
	// comparison. A recursive type adds no difference.
	equal map[[2]*Schema]bool
}

func (c *comparison) found(a, b string) *Difference {
	path := ""
	for _, p := range c.path {
		if path != "" && p[0] != '[' {
			path += "."
		}
		path += p
	}
	return &Difference{Path: path, A: a, B: b}
}

// inside compares a and b at the place name below the current place.
func (c *comparison) inside(name string, a, b *Schema) *Difference {
	c.path = append(c.path, name)
	d := c.compare(a, b)
	c.path = c.path[:len(c.path)-1]
	return d
}

func (c *comparison) compare(a, b *Schema) *Difference {
	if a == b {
		return nil
	}
	if a.Kind != b.Kind || a.Name != b.Name || a.Logical != b.Logical || a.Size != b.Size {
		return c.found(a.describe(b), b.describe(a))
	}
	if a.Kind.Named() {
		key := [2]*Schema{a, b}
		if c.equal[key] {
			return nil
		}
		c.equal[key] = true
	}
	switch a.Kind {
	case Record:
		return c.fields(a, b)
	case Enum:
		for i := range max(len(a.Symbols), len(b.Symbols)) {
			if x, y := symbolAt(a, i), symbolAt(b, i); x != y {
				return c.found(x, y)
			}
		}
	case Array, Map:
		return c.inside("[]", a.Elem, b.Elem)
	case Union:
		return c.branches(a, b)
	default: // compared above
	}
	return nil
}

func (c *comparison) fields(a, b *Schema) *Difference {
	for i := range max(len(a.Fields), len(b.Fields)) {
		if x, y := fieldAt(a, i), fieldAt(b, i); x != y {
			return c.found(x, y)
		}
		if d := c.inside(a.Fields[i].Name, a.Fields[i].Type, b.Fields[i].Type); d != nil {
			return d
		}
	}
	return nil
}

func (c *comparison) branches(a, b *Schema) *Difference {
	for i := range max(len(a.Branches), len(b.Branches)) {
		if i >= len(a.Branches) || i >= len(b.Branches) {
			return c.found(branchAt(a, i), branchAt(b, i))
		}
		if d := c.compare(a.Branches[i], b.Branches[i]); d != nil {
			return d
		}
	}
	return nil
}

func fieldAt(s *Schema, i int) string {
	if i >= len(s.Fields) {
		return "nothing"
	}
	return "field " + s.Fields[i].Name
}

func symbolAt(s *Schema, i int) string {
	if i >= len(s.Symbols) {
		return "nothing"
	}
	return "symbol " + s.Symbols[i].Name
}

func branchAt(s *Schema, i int) string {
	if i >= len(s.Branches) {
		return "nothing"
	}
	return "branch " + s.Branches[i].Describe()
}

// Describe returns the usual name of the type, such as "record shop.Order",
// "decimal(12,2)", "timestamp-millis" or "long".
func (s *Schema) Describe() string {
	switch {
	case s.Name != "":
		return s.Kind.String() + " " + s.Name
	case s.Logical.Name != "":
		return s.Logical.String()
	}
	return s.Kind.String()
}

// describe describes s in a comparison with other. The text has only the
// details in which the two schemas differ.
func (s *Schema) describe(other *Schema) string {
	switch {
	case s.Kind != other.Kind || s.Name != other.Name:
		text := s.Describe()
		if s.Name == "" && s.Logical.Name != "" && other.Logical == s.Logical {
			text = s.Kind.String() + " as " + text
		}
		return text
	case s.Size != other.Size:
		return fmt.Sprintf("fixed of size %d", s.Size)
	case s.Logical.Name == "":
		return s.Kind.String() + " without a logical type"
	}
	return s.Logical.String()
}

// String returns the logical type with its parameters, as in "decimal(12,2)".
// The result is "" for no logical type.
func (l Logical) String() string {
	if l.Name != "decimal" {
		return l.Name
	}
	return "decimal(" + strconv.Itoa(l.Precision) + "," + strconv.Itoa(l.Scale) + ")"
}
