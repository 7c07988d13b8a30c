package codegen

import (
	"math"

	"github.com/avroline/avroline/internal/avsc"
)

// maxStructs is the largest number of structs that a struct may contain by
// value, at all depths. A larger record contains them through pointers. The
// compiler's time and the size of a value grow with the number of structs, and
// each level of records may double the number.
const maxStructs = 256

// largeStructs adds fields to pointers if their struct would make the enclosing
// struct too large. The structs that contain themselves are in pointers
// already.
func largeStructs(types []*namedType, pointers map[*avsc.Field]bool) {
	structs := map[*avsc.Schema]int{}
	var count func(s *avsc.Schema) int
	count = func(s *avsc.Schema) int {
		if n, ok := structs[s]; ok {
			return n
		}
		n := 1
		for _, f := range s.Fields {
			if f.Type.Kind != avsc.Record || pointers[f] {
				continue
			}
			inner := count(f.Type)
			if n+inner > maxStructs {
				pointers[f] = true
				continue
			}
			n += inner
		}
		structs[s] = n
		return n
	}
	for _, t := range types {
		if t.schema.Kind == avsc.Record {
			count(t.schema)
		}
	}
}

// minSizes sets the minimum size of every record.
func (b *builder) minSizes() {
	done := map[*recordDecl]bool{}
	var visit func(d *recordDecl)
	visit = func(d *recordDecl) {
		if done[d] {
			return
		}
		done[d] = true
		d.MinSize = 1 // a record that always contains itself has no value
		sum := 0
		for _, f := range d.Fields {
			if f.Type.Kind == kindRecord {
				visit(f.Type.Record)
			}
			if f.Type.Kind == kindOwn && f.Type.Own.Base.Kind == kindRecord {
				visit(f.Type.Own.Base.Record)
			}
			sum = int(min(int64(sum)+int64(f.Type.minSize()), math.MaxInt32)) // an int may have 32 bits
		}
		d.MinSize = sum
	}
	for _, t := range b.order {
		if t.record != nil {
			visit(t.record)
		}
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			visit(bare.record)
		}
	}
}

// minSize returns the smallest number of bytes of a value of t. If the result
// is 0, no bytes are written or read.
func (t *typeExpr) minSize() int {
	switch t.Kind {
	case kindNull:
		return 0
	case kindFloat:
		return 4
	case kindDouble:
		return 8
	case kindUUIDString:
		return 37
	case kindUUIDFixed:
		return 16
	case kindDuration:
		return 12
	case kindDecimalFixed:
		return t.Size
	case kindFixed:
		return t.Fixed.Size
	case kindRecord:
		return t.Record.MinSize
	case kindOwn:
		return t.Own.Base.minSize()
	default:
		return 1
	}
}
