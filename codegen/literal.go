package codegen

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/unscaled"
)

// internal/avsc converts a default into its exact Avro binary, including the
// union branches. A literal is made from the binary. So the constructor and a
// plan for a writer without the field use the same bytes, unless the default
// does not fit its logical type.

// fillDefaults gives every field its default literal.
func (b *builder) fillDefaults() {
	for _, t := range b.order {
		if t.record == nil {
			continue
		}
		for i, f := range t.schema.Fields {
			if f.Default == nil {
				continue
			}
			field := t.record.Fields[i]
			data, misfits, err := f.Type.FitDefault(f.Default)
			if err != nil {
				b.mistake(f.Default.Pos, "", "the default of %s cannot be used: %v", f.Name, err)
				continue
			}
			r := literalReader{data: data}
			field.Default = r.read(field.Type).orZero()
			if len(misfits) > 0 && !t.pkg.External {
				field.Doc = append(field.Doc, docLines(misfitDoc(misfits), fieldDocWidth)...)
			}
		}
	}
	b.nestedDefaults()
}

// misfitDoc returns the comment of a field whose default the Go type cannot
// hold. NewX then has zero instead. Readers take the zero UUID too, and fail
// with other misfits.
func misfitDoc(all []avsc.Misfit) string {
	text := "The schema's " + strings.TrimPrefix(all[0].What, "the ") + ", so that New leaves the zero value."
	if slices.ContainsFunc(all, func(m avsc.Misfit) bool { return m.Logical != "uuid" }) {
		text += " Data without the field cannot be read."
	}
	return text
}

// nestedDefaults handles fields of a record type that have no default. Such a
// field begins with the defaults of its record. nestedDefaults also marks the
// records that have defaults. The recursion ends, because a struct does not
// contain itself.
func (b *builder) nestedDefaults() {
	done := map[*recordDecl]bool{}
	var visit func(t *namedType)
	visit = func(t *namedType) {
		d := t.record
		if done[d] {
			return
		}
		done[d] = true
		for i, f := range d.Fields {
			if f.Default == nil && t.schema.Fields[i].Default == nil && f.Type.Kind == kindRecord && !f.Type.Pointer {
				visit(b.named[f.Type.Avro])
				if f.Type.Record.HasDefaults {
					f.Default = &literal{Type: f.Type, New: true}
				}
			}
			d.HasDefaults = d.HasDefaults || f.Default != nil
		}
	}
	for _, t := range b.order {
		if t.record != nil {
			visit(t)
		}
	}
}

// literalReader reads the binary of a default into a literal. The bytes are
// well formed, because this module made them.
type literalReader struct{ data []byte }

func (r *literalReader) long() int64 {
	n, size := binary.Varint(r.data)
	r.data = r.data[size:]
	return n
}

func (r *literalReader) take(n int) []byte {
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *literalReader) read(t *typeExpr) *literal {
	l := &literal{Type: t}
	switch t.Kind {
	case kindOwn:
		before := r.data
		l.Elems = []*literal{r.read(t.Own.Base)}
		l.Bytes = before[:len(before)-len(r.data)]
	case kindNull:
	case kindBool:
		l.Bool = r.take(1)[0] != 0
	case kindInt, kindLong, kindDate, kindTimeMillis, kindTimeMicros,
		kindTimestampMillis, kindTimestampMicros, kindTimestampNanos, kindEnum:
		l.Int = r.long()
	case kindFloat:
		l.Float = float64(math.Float32frombits(binary.LittleEndian.Uint32(r.take(4))))
	case kindDouble:
		l.Float = math.Float64frombits(binary.LittleEndian.Uint64(r.take(8)))
	case kindString:
		l.Str = string(r.take(int(r.long())))
	case kindBytes:
		l.Bytes = r.take(int(r.long()))
	case kindUUIDString:
		l.Bytes, _ = avsc.ParseUUID(string(r.take(int(r.long()))))
	case kindFixed, kindUUIDFixed, kindDuration:
		l.Bytes = r.take(t.Avro.Size)
	case kindDecimalBytes:
		l.Unscaled = unscaled.Read(r.take(int(r.long())))
	case kindDecimalFixed:
		l.Unscaled = unscaled.Read(r.take(t.Size))
	case kindRecord:
		before := r.data
		for _, f := range t.Record.Fields {
			l.Fields = append(l.Fields, r.read(f.Type).orZero())
		}
		l.Bytes = before[:len(before)-len(r.data)]
	case kindArray:
		for n := r.long(); n > 0; n-- {
			l.Elems = append(l.Elems, r.read(t.Elem))
			if n == 1 {
				r.long() // the end of the blocks
			}
		}
	case kindMap:
		r.readMap(l)
	case kindOptional:
		if r.long() != int64(t.NullIndex) {
			l.Elems = []*literal{r.read(t.Elem)}
		}
	case kindUnion:
		l.Index = int(r.long())
		if l.Index != t.Union.NullIndex {
			l.Elems = []*literal{r.read(t.Union.Branches[l.Index].Type)}
		}
	}
	return l
}

// readMap sorts by key. If a key appears twice, the last value counts, as in
// JSON.
func (r *literalReader) readMap(l *literal) {
	values := map[string]*literal{}
	for n := r.long(); n > 0; n-- {
		key := string(r.take(int(r.long())))
		if values[key] == nil {
			l.Keys = append(l.Keys, key)
		}
		values[key] = r.read(l.Type.Elem)
		if n == 1 {
			r.long() // the end of the blocks
		}
	}
	slices.Sort(l.Keys)
	for _, key := range l.Keys {
		l.Elems = append(l.Elems, values[key])
	}
}

// orZero returns nil if the literal is the Go zero value of its type, and
// otherwise the literal.
func (l *literal) orZero() *literal {
	if l.isZero() {
		return nil
	}
	return l
}

func (l *literal) isZero() bool {
	switch l.Type.Kind {
	case kindNull:
		return true
	case kindBool:
		return !l.Bool
	case kindInt, kindLong, kindDate, kindTimeMillis, kindTimeMicros, kindEnum:
		return l.Int == 0
	case kindTimestampMillis, kindTimestampMicros, kindTimestampNanos:
		return false // the zero time.Time is the year 1
	case kindFloat, kindDouble:
		return math.Float64bits(l.Float) == 0 // negative zero is not the zero value
	case kindString:
		return l.Str == ""
	case kindBytes:
		return len(l.Bytes) == 0
	case kindFixed, kindUUIDString, kindUUIDFixed, kindDuration:
		return !slices.ContainsFunc(l.Bytes, func(c byte) bool { return c != 0 })
	case kindDecimalBytes, kindDecimalFixed:
		return l.Unscaled.Sign() == 0
	case kindRecord:
		return !l.Type.Pointer && !slices.ContainsFunc(l.Fields, func(f *literal) bool { return f != nil })
	case kindOwn:
		return l.Type.Own.Form == ownConvert && l.Elems[0].isZero() && l.Type.Own.Base.Kind != kindEnum
	case kindArray, kindMap, kindOptional, kindUnion:
		return len(l.Elems) == 0
	}
	panic("codegen: unknown kind of type")
}
