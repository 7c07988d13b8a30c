package serde

import (
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// maxDifferences bounds how many differences an error lists.
const maxDifferences = 5

// differences lists the places where two schemas give the same bytes a
// different meaning. Each entry begins with the path, for example "total:
// decimal(12,4) here, decimal(12,2) registered". The list is only for error
// texts. It matches fields by name, and [avsc.SameMeaning] makes the decision.
func differences(own, registered *avsc.Schema) []string {
	d := differ{seen: map[[2]*avsc.Schema]bool{}}
	d.compare("", own, registered)
	if len(d.out) == 0 {
		if first := avsc.Compare(own, registered); first != nil {
			d.add(first.Path, "%s here, %s registered", first.A, first.B)
		}
	}
	if len(d.out) > maxDifferences {
		d.out = append(d.out[:maxDifferences], fmt.Sprintf("and %d more", len(d.out)-maxDifferences))
	}
	return d.out
}

type differ struct {
	seen map[[2]*avsc.Schema]bool
	out  []string
}

func (d *differ) add(path, format string, args ...any) {
	if path == "" {
		path = "the schema"
	}
	d.out = append(d.out, path+": "+fmt.Sprintf(format, args...))
}

func (d *differ) compare(path string, own, reg *avsc.Schema) {
	pair := [2]*avsc.Schema{own, reg}
	if d.seen[pair] {
		return
	}
	d.seen[pair] = true
	switch {
	case own.Name != reg.Name || own.Kind != reg.Kind:
		d.add(path, "%s here, %s registered", own.Describe(), reg.Describe())
		return
	case own.Size != reg.Size:
		d.add(path, "fixed of %d bytes here, of %d bytes registered", own.Size, reg.Size)
	case own.Logical != reg.Logical:
		d.add(path, "%s here, %s registered", meaning(own), meaning(reg))
	}
	switch own.Kind {
	case avsc.Record:
		d.fields(path, own, reg)
	case avsc.Enum:
		if !slices.Equal(symbols(own), symbols(reg)) {
			d.add(path, "symbols %s here, %s registered", list(symbols(own)), list(symbols(reg)))
		}
	case avsc.Array, avsc.Map:
		d.compare(path+"[]", own.Elem, reg.Elem)
	case avsc.Union:
		d.branches(path, own, reg)
	default: // cases that were compared above
	}
}

func (d *differ) branches(path string, own, reg *avsc.Schema) {
	if len(own.Branches) != len(reg.Branches) {
		d.add(path, "union of %s here, of %s registered", list(branchNames(own)), list(branchNames(reg)))
		return
	}
	for i := range own.Branches {
		d.compare(path, own.Branches[i], reg.Branches[i])
	}
}

func (d *differ) fields(path string, own, reg *avsc.Schema) {
	if path != "" {
		path += "."
	}
	registered := make(map[string]*avsc.Field, len(reg.Fields))
	for _, f := range reg.Fields {
		registered[f.Name] = f
	}
	sameFields := len(own.Fields) == len(reg.Fields)
	for _, f := range own.Fields {
		other := registered[f.Name]
		if other == nil {
			d.add(path+f.Name, "only here")
			sameFields = false
			continue
		}
		d.compare(path+f.Name, f.Type, other.Type)
		delete(registered, f.Name)
	}
	for _, f := range reg.Fields {
		if registered[f.Name] != nil {
			d.add(path+f.Name, "only registered")
			sameFields = false
		}
	}
	if !sameFields {
		return
	}
	for i, f := range own.Fields {
		if other := reg.Fields[i].Name; f.Name != other {
			d.add(path+f.Name, "in place %d here, %s is in place %d in the registered schema", i+1, other, i+1)
			return
		}
	}
}

// meaning returns the logical type of s, or the type if s has no logical type.
func meaning(s *avsc.Schema) string {
	if s.Logical.Name == "" {
		return s.Kind.String() + " without a logical type"
	}
	return s.Logical.String()
}

// maxListed bounds the number of symbols or branches that an error lists.
const maxListed = 20

func list(names []string) string {
	if len(names) > maxListed {
		names = append(slices.Clone(names[:maxListed]), fmt.Sprintf("and %d more", len(names)-maxListed))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func symbols(s *avsc.Schema) []string {
	out := make([]string, len(s.Symbols))
	for i, sym := range s.Symbols {
		out[i] = sym.Name
	}
	return out
}

func branchNames(s *avsc.Schema) []string {
	out := make([]string, len(s.Branches))
	for i, b := range s.Branches {
		out[i] = b.TypeName()
	}
	return out
}
