package avsc

import (
	"fmt"
	"strconv"
)

// describeDifference describes the difference between two definitions of one
// name. White space, the order of keys and the form of names do not count. The
// result is "" if there is no difference. Differences in the data come first.
// Named types inside are compared by name, because they have definitions of
// their own.
func describeDifference(a, b *Schema) string {
	switch {
	case a.Kind != b.Kind || a.IsError != b.IsError:
		return fmt.Sprintf("%s there, %s here", kindWord(a), kindWord(b))
	case a.Size != b.Size:
		return fmt.Sprintf("size %d there, %d here", a.Size, b.Size)
	case len(a.Symbols) != len(b.Symbols):
		return fmt.Sprintf("%d symbols there, %d here", len(a.Symbols), len(b.Symbols))
	}
	for i := range a.Symbols {
		if a.Symbols[i].Name != b.Symbols[i].Name {
			return fmt.Sprintf("symbol %d is %s there, %s here", i+1, a.Symbols[i].Name, b.Symbols[i].Name)
		}
	}
	for i := range min(len(a.Fields), len(b.Fields)) {
		f, g := a.Fields[i], b.Fields[i]
		if f.Name != g.Name {
			return fmt.Sprintf("field %d is %s there, %s here", i+1, f.Name, g.Name)
		}
		if what := differField(f, g); what != "" {
			return fmt.Sprintf("the %s of field %s differs", what, f.Name)
		}
	}
	switch {
	case len(a.Fields) != len(b.Fields):
		return fmt.Sprintf("%d fields there, %d here", len(a.Fields), len(b.Fields))
	case a.Logical != b.Logical:
		return "its logical type differs"
	case a.EnumDefault != b.EnumDefault:
		return "its default differs"
	case !sameAliases(a.Aliases, b.Aliases):
		return "its aliases differ"
	case !sameProps(a.Props, b.Props):
		return "one of its properties differs"
	case a.Doc != b.Doc:
		return "its doc differs"
	}
	return ""
}

func kindWord(s *Schema) string {
	if s.IsError {
		return "an error"
	}
	return Article(s.Kind.String())
}

func differField(f, g *Field) string {
	switch {
	case !sameType(f.Type, g.Type):
		return "type"
	case (f.Default == nil) != (g.Default == nil) || f.Default != nil && !SameJSON(f.Default, g.Default):
		return "default"
	case f.Doc != g.Doc:
		return "doc"
	case !sameAliases(f.Aliases, g.Aliases):
		return "aliases"
	case f.Order != g.Order:
		return "order"
	case !sameProps(f.Props, g.Props):
		return "properties"
	}
	return ""
}

// sameType compares the types of two fields. A nil type has a mistake that is
// already reported.
func sameType(a, b *Schema) bool {
	if a == nil || b == nil {
		return true
	}
	if a.Kind != b.Kind || a.Name != b.Name {
		return false
	}
	if a.Kind.Named() {
		return true
	}
	if a.Logical != b.Logical || len(a.Branches) != len(b.Branches) || !sameProps(a.Props, b.Props) {
		return false
	}
	for i := range a.Branches {
		if !sameType(a.Branches[i], b.Branches[i]) {
			return false
		}
	}
	return sameType(a.Elem, b.Elem)
}

func sameAliases(a, b []Alias) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name {
			return false
		}
	}
	return true
}

func sameProps(a, b []Member) bool {
	return SameJSON(&Value{Kind: JSONObject, Members: a}, &Value{Kind: JSONObject, Members: b})
}

// SameJSON reports whether two values are equal. The order of members and the
// spelling of numbers do not count.
func SameJSON(a, b *Value) bool {
	if a.Kind != b.Kind || a.Bool != b.Bool || a.Str != b.Str || len(a.Elems) != len(b.Elems) || len(a.Members) != len(b.Members) {
		return false
	}
	if a.Kind == JSONNumber && !sameNumber(a.Text, b.Text) {
		return false
	}
	for i := range a.Elems {
		if !SameJSON(a.Elems[i], b.Elems[i]) {
			return false
		}
	}
	index := make(map[string]*Value, len(b.Members))
	for _, m := range b.Members {
		index[m.Key] = m.Value
	}
	for _, m := range a.Members {
		if other := index[m.Key]; other == nil || !SameJSON(m.Value, other) {
			return false
		}
	}
	return true
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	_, errA := strconv.ParseInt(a, 10, 64)
	_, errB := strconv.ParseInt(b, 10, 64)
	if errA == nil && errB == nil {
		return false // as floats, two different whole numbers may be equal
	}
	f, errA := strconv.ParseFloat(a, 64)
	g, errB := strconv.ParseFloat(b, 64)
	return errA == nil && errB == nil && f == g
}
