// Package avsc is the Avro schema model: parsing with positions, names,
// references between files, canonical form and fingerprint (Avro 1.12,
// "Schema Declaration", "Names", "Parsing Canonical Form for Schemas").
//
// All schema reading in avroline goes through it. It holds no global state: a
// [Set] is the whole world of names of one parse. A parsed schema is immutable
// and safe for concurrent use.
package avsc

import "fmt"

// Kind is the Avro type of a schema node.
type Kind uint8

// The kinds, primitives first.
const (
	Null Kind = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Record
	Enum
	Fixed
	Array
	Map
	Union
)

// String returns the name that the specification gives the type.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Boolean:
		return "boolean"
	case Int:
		return "int"
	case Long:
		return "long"
	case Float:
		return "float"
	case Double:
		return "double"
	case Bytes:
		return "bytes"
	case String:
		return "string"
	case Record:
		return "record"
	case Enum:
		return "enum"
	case Fixed:
		return "fixed"
	case Array:
		return "array"
	case Map:
		return "map"
	case Union:
		return "union"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Named reports whether types of this kind have a name: record, enum, fixed.
func (k Kind) Named() bool { return k == Record || k == Enum || k == Fixed }

// Primitive reports whether k is one of the eight primitive types.
func (k Kind) Primitive() bool { return k <= String }

// Pos is a place in a source. Line and Col start at 1 and Col counts bytes; a
// zero Line means that the place is not known.
type Pos struct {
	File      string
	Line, Col int
}

func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Schema is one node. Every reference to a named type is the same *Schema as
// its definition, so a recursive schema is a cycle of pointers: walk with a
// set of seen nodes.
type Schema struct {
	Kind Kind
	Pos  Pos

	// Name is the full name of a record, enum or fixed ("shop.orders.Order"),
	// empty otherwise. Aliases are full names too.
	Name    string
	NamePos Pos
	Aliases []Alias
	Doc     string

	IsError bool     // a record declared as "error"
	Fields  []*Field // of a record

	Symbols []Symbol // of an enum
	// EnumDefault is the enum's own default symbol, "" when it has none.
	EnumDefault    string
	EnumDefaultPos Pos

	Size int // of a fixed

	Elem    *Schema // items of an array, values of a map
	ElemPos Pos     // where Elem is written, be it a definition or a name

	Branches  []*Schema // of a union
	BranchPos []Pos     // where each branch is written

	// Logical is the logical type, the zero Logical where there is none, or an
	// unknown or invalid one: those mean the base type (section "Logical Types").
	Logical Logical

	// Props are the attributes that the specification does not reserve, in
	// the order of the text. An ignored logicalType stays here.
	Props []Member

	// JSON is the node's text as parsed, nil for a schema made in memory.
	JSON *Value

	source int // index of the source, of a named type
}

// Field is one field of a record.
type Field struct {
	Name    string
	Pos     Pos // of the field's object
	NamePos Pos
	Aliases []Alias
	Doc     string
	Type    *Schema
	TypePos Pos
	// Default is the default value as written, nil when there is none; the
	// JSON value null is a Value of kind JSONNull.
	Default *Value
	Order   string // "ascending" (the default), "descending" or "ignore"
	Props   []Member
}

// Alias is one alternative name, a full name for types.
type Alias struct {
	Name string
	Pos  Pos
}

// Symbol is one enum symbol.
type Symbol struct {
	Name string
	Pos  Pos
}

// Logical is a valid logical type. Precision and Scale are a decimal's.
type Logical struct {
	Name             string // "decimal", "uuid", "date", …; "" for none
	Precision, Scale int
}
