// Package avsc is the Avro schema model. The package parses schemas with
// positions, resolves names and references between files, and computes the
// canonical form and the fingerprint (Avro 1.12, "Schema Declaration", "Names",
// "Parsing Canonical Form for Schemas").
//
// All code of avroline reads schemas through this package. The package has no
// global state. A [Set] holds all names of one parse. A parsed schema is
// immutable and safe for concurrent use.
package avsc

import "fmt"

// Kind is the Avro type of a schema node.
type Kind uint8

// These are the kinds, with the primitive kinds first.
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

// String returns the type's name in the specification.
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

// Named reports whether types of this kind have a name. Records, enums and
// fixed types have names.
func (k Kind) Named() bool { return k == Record || k == Enum || k == Fixed }

// Primitive reports whether k is one of the eight primitive types.
func (k Kind) Primitive() bool { return k <= String }

// Pos is a place in a source. Line and Col start at 1, and Col counts bytes. A
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
// the type's definition. A recursive schema is therefore a cycle of pointers,
// so a walk needs a set of seen nodes.
type Schema struct {
	Kind Kind
	Pos  Pos

	// Name is the full name of a record, enum or fixed, such as
	// "shop.orders.Order". Other kinds have an empty Name. Aliases are full
	// names too.
	Name    string
	NamePos Pos
	Aliases []Alias
	Doc     string

	IsError bool     // a record declared as "error"
	Fields  []*Field // fields of a record

	Symbols []Symbol // symbols of an enum
	// EnumDefault is the enum's own default symbol, or "" if there is none.
	EnumDefault    string
	EnumDefaultPos Pos

	Size int // size of a fixed, in bytes

	Elem    *Schema // items of an array or values of a map
	ElemPos Pos     // where the definition or the name of Elem is written

	Branches  []*Schema // branches of a union
	BranchPos []Pos     // where each branch is written

	// Logical is the logical type. Without a logical type, or with an unknown
	// or invalid one, Logical is zero and the base type applies (section
	// "Logical Types").
	Logical Logical

	// Props are the attributes that the specification does not reserve, in the
	// order of the text. An ignored logicalType is one of Props.
	Props []Member

	// JSON is the parsed text of the node. JSON is nil for a schema made in
	// memory.
	JSON *Value

	source int // index of the source that defines a named type
}

// Field is one field of a record.
type Field struct {
	Name    string
	Pos     Pos // position of the field's object
	NamePos Pos
	Aliases []Alias
	Doc     string
	Type    *Schema
	TypePos Pos
	// Default is the default value as written, or nil if there is none. The
	// JSON value null is a Value of kind JSONNull.
	Default *Value
	Order   string // "ascending" (the default), "descending" or "ignore"
	Props   []Member
}

// Alias is one alternative name. For types, an alias is a full name.
type Alias struct {
	Name string
	Pos  Pos
}

// Symbol is one enum symbol.
type Symbol struct {
	Name string
	Pos  Pos
}

// Logical is a valid logical type. Only a decimal has Precision and Scale.
type Logical struct {
	Name             string // "decimal", "uuid", "date", …; "" for none
	Precision, Scale int
}
