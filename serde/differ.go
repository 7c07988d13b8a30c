package serde

import (
	"fmt"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// maxDiffers bounds what an error tells: enough to see what happened.
const maxDiffers = 5

// differences tells in words where the bytes of two schemas differ, path first:
// "total_cents: long here, int registered". It looks only at what the canonical
// form keeps.
func differences(own, registered *avsc.Schema) []string {
	d := differ{seen: map[[2]*avsc.Schema]bool{}}
	d.compare("", own, registered)
	if len(d.out) == 0 {
		d.add("", "its canonical form differs")
	}
	if len(d.out) > maxDiffers {
		d.out = append(d.out[:maxDiffers], fmt.Sprintf("and %d more", len(d.out)-maxDiffers))
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
	if pair := [2]*avsc.Schema{own, reg}; d.seen[pair] {
		return
	} else {
		d.seen[pair] = true
	}
	if own.Name != reg.Name {
		d.add(path, "%s here, %s registered", typeName(own), typeName(reg))
		return
	}
	if own.Kind != reg.Kind {
		d.add(path, "%s here, %s registered", own.Kind, reg.Kind)
		return
	}
	switch own.Kind {
	case avsc.Record:
		d.fields(path, own, reg)
	case avsc.Enum:
		if !slices.Equal(symbols(own), symbols(reg)) {
			d.add(path, "symbols %v here, %v registered", symbols(own), symbols(reg))
		}
	case avsc.Fixed:
		if own.Size != reg.Size {
			d.add(path, "fixed of %d bytes here, of %d registered", own.Size, reg.Size)
		}
	case avsc.Array, avsc.Map:
		d.compare(path+"[]", own.Elem, reg.Elem)
	case avsc.Union:
		if len(own.Branches) != len(reg.Branches) {
			d.add(path, "union %s here, %s registered", branchNames(own), branchNames(reg))
			return
		}
		for i := range own.Branches {
			d.compare(path, own.Branches[i], reg.Branches[i])
		}
	default: // a primitive type
	}
}

func (d *differ) fields(path string, own, reg *avsc.Schema) {
	if path != "" {
		path += "."
	}
	theirs := make(map[string]int, len(reg.Fields))
	for i, f := range reg.Fields {
		theirs[f.Name] = i
	}
	same := len(own.Fields) == len(reg.Fields)
	for _, f := range own.Fields {
		i, ok := theirs[f.Name]
		if !ok {
			d.add(path+f.Name, "only here")
			same = false
			continue
		}
		d.compare(path+f.Name, f.Type, reg.Fields[i].Type)
		delete(theirs, f.Name)
	}
	for _, f := range reg.Fields {
		if _, left := theirs[f.Name]; left {
			d.add(path+f.Name, "only registered")
			same = false
		}
	}
	if !same {
		return
	}
	for i, f := range own.Fields {
		if other := reg.Fields[i].Name; f.Name != other {
			d.add(path+f.Name, "in place %d, where %s is registered", i+1, other)
			return
		}
	}
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
		out[i] = typeName(b)
	}
	return out
}

// typeName names a type as unions do: a named type by its full name, the others
// by their kind.
func typeName(s *avsc.Schema) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Kind.String()
}
