package codegen

// maxBlock is the largest number of optional fields in a block. If one field of
// a block is present, then memory for the whole block is allocated.
const maxBlock = 16

// blocks groups the optional fields of each record into blocks of two or more.
// Only fields that are pointers to small values go into a block.
func (b *builder) blocks() {
	for _, t := range b.order {
		d := t.record
		if d == nil {
			continue
		}
		var fields []*fieldDecl
		for _, f := range d.Fields {
			if f.Type.Kind == kindOptional && !f.Type.Nilable && f.Type.Opt == nil && f.Type.Elem.small() {
				fields = append(fields, f)
			}
		}
		for len(fields) > 1 {
			n := min(len(fields), maxBlock)
			block := &blockDecl{
				GoName: b.scope(d.Pkg).take(lowerFirst(d.GoName) + "Optionals"),
				Local:  numbered("block", len(d.Blocks)),
				Fields: fields[:n],
			}
			d.Blocks = append(d.Blocks, block)
			if d.blockOf == nil {
				d.blockOf = map[*typeExpr]*blockDecl{}
			}
			for _, f := range block.Fields {
				d.blockOf[f.Type] = block
			}
			fields = fields[n:]
		}
	}
}

// small reports whether a value of t takes few bytes and holds no other values.
func (t *typeExpr) small() bool {
	switch t.Kind {
	case kindBool, kindInt, kindLong, kindFloat, kindDouble, kindString, kindEnum,
		kindDate, kindTimeMillis, kindTimeMicros, kindTimestampMillis, kindTimestampMicros, kindTimestampNanos,
		kindUUIDString, kindUUIDFixed, kindDecimalBytes, kindDecimalFixed, kindDuration:
		return true
	case kindFixed:
		return t.Fixed.Size <= 32
	default:
		return false
	}
}
