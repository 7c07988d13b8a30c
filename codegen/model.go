package codegen

import (
	"go/types"
	"maps"
	"math/big"
	"regexp"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
)

// goPackage is one Go package of the output. If External is set, --map placed
// the package elsewhere, and generated code only imports it.
type goPackage struct {
	Name     string // the package clause
	Path     string // import path, or "" if the path is not known; then no package imports this package
	Dir      string // slash path under the output folder, "" for the folder itself
	External bool
	Loaded   bool      // an external package that was loaded, so that Name is no guess
	Files    []*goFile // sorted by name
}

// goFile is one generated file. The function emit prints and formats the file.
// The declarations are printed in the order of Decls. Decls has the order of
// the schema, with outer types before the types inside.
type goFile struct {
	Pkg    *goPackage
	Name   string // "order_created.avro.go"
	Source string // slash path for the "// Source:" line
	Decls  []decl
	Texts  *textList  // the list of the package, in its first file, or nil
	Owns   []*ownDecl // the own types of the package, in the first file that uses them

	// importNames maps the import path of each generated package to its name in
	// this file. The map has the packages that the types of this file mention.
	// No name in the map is one of reservedImportNames. So the emitter may use
	// reserved names for its own imports, parameters and local variables.
	importNames    map[string]string
	importPackages map[string]*goPackage // the same packages by path
}

// decl is one of *recordDecl, *enumDecl, *fixedDecl, *unionDecl.
type decl interface{ declName() string }

// typeName names a declared type: GoName in the package Pkg.
type typeName struct {
	Pkg    *goPackage
	GoName string
}

// in returns the name as file f writes it. If the type is in another package,
// the name has the package's name in front.
func (n typeName) in(f *goFile) string { return f.qualify(n.Pkg, n.GoName) }

// recordDecl is a struct. If Bare is set, the struct stands for a top level
// that is no named type. A bare struct has only the field Value. Its encoding
// is the encoding of Value without a record around.
type recordDecl struct {
	typeName
	AvroName string   // full name; for a bare struct the name of its type, "array"
	Doc      []string // lines of the doc comment without the slashes
	Fields   []*fieldDecl
	Bare     bool

	FieldNames  string // "orderCreatedFields": the variable with the fields' Avro names
	SchemaText  *schemaText
	Fingerprint uint64 // of the schema; a plan for this type has the same fingerprint
	Meaning     string // "OrderCreatedMeaning": the constant with Fingerprint; "" for a bare struct
	NewFunc     string // "NewOrderCreated"
	HasDefaults bool   // NewFunc does not return the zero value

	// IsBranchOf are the sealed unions in the same package that have this
	// record as a branch. *T has the method unionDecl.SealMethod of each union.
	IsBranchOf []*unionDecl

	unions []*unionDecl // the unions in its fields, in order

	Blocks  []*blockDecl
	blockOf map[*typeExpr]*blockDecl // by the type of a field

	// NeedsEqual is set if == does not compile or does not mean equality.
	// NeedsClone is set if assignment shares memory.
	NeedsEqual, NeedsClone bool

	MinSize int // the fewest bytes of a value
}

func (d *recordDecl) declName() string { return d.GoName }

// fieldDecl is one field of a record, in schema order.
type fieldDecl struct {
	GoName   string
	AvroName string // in the tags and in the paths of errors
	Tags     []tag
	Doc      []string
	Type     *typeExpr
	Default  *literal // the value that NewFunc sets, or nil for the Go zero value
}

// blockDecl is a struct that holds the values of several optional fields. With
// a block, reading needs one allocation instead of one allocation for each
// field.
type blockDecl struct {
	GoName string // of the type
	Local  string // the variable that points to the block while a record is read
	Fields []*fieldDecl
}

// enumDecl is a type based on int32. The value of a constant is the index of
// its symbol. So the zero value is the first symbol.
type enumDecl struct {
	typeName
	AvroName string
	Doc      []string
	Symbols  []enumSymbol
	Table    string // "statusSymbols": the variable with the Avro symbols

	Fingerprint uint64
	Meaning     string // as in recordDecl

	// Message is set for the top level of a file. Such an enum gets AvroName,
	// AvroSchema, AppendAvro and the other message methods. It also gets
	// SchemaText and NewFunc, as a record does.
	Message    bool
	NewFunc    string
	SchemaText *schemaText
	Default    int // the index that NewFunc returns, which is the enum's own default or 0
}

func (d *enumDecl) declName() string { return d.GoName }

type enumSymbol struct {
	GoName string // "StatusActive"
	Avro   string // "ACTIVE"
}

// fixedDecl is a named [Size]byte type. A fixed with a logical type has no
// declaration. Its values are decimal.Decimal, uuid.UUID or avrobin.Duration.
// At the top level, such a fixed is a recordDecl with Bare set.
type fixedDecl struct {
	typeName
	AvroName string
	Doc      []string
	Size     int

	Fingerprint uint64
	Meaning     string // as in recordDecl

	Message    bool // as in enumDecl
	NewFunc    string
	SchemaText *schemaText
}

func (d *fixedDecl) declName() string { return d.GoName }

// unionDecl is a sealed interface with the wrapper types of its branches. The
// wrapper types are printed directly after the interface.
type unionDecl struct {
	typeName
	Owner      *recordDecl // the record that has the union in its fields
	Doc        []string
	SealMethod string // "isOrderCreatedPayment": unexported, on each branch
	Branches   []*unionBranch
	NullIndex  int // the index of the null branch, or -1; the value of the null branch is the nil interface

	// The functions of the union, and the type that carries it through JSON.
	AppendFunc, ReadFunc, EqualFunc, CloneFunc, Carrier string
}

func (d *unionDecl) declName() string { return d.GoName }

// onlyNull reports whether no branch has a value, as in ["null"] and [].
func (d *unionDecl) onlyNull() bool {
	return !slices.ContainsFunc(d.Branches, func(x *unionBranch) bool { return x.Type.Kind != kindNull })
}

// unionBranch is one branch. Its position in unionDecl.Branches is its index in
// the encoding. The null branch has Type null, no Wrapper and no Go type.
type unionBranch struct {
	AvroName string // as Avro JSON tags it: "string", "shop.orders.Card"
	Type     *typeExpr
	// Wrapper is the struct type that carries the branch. The struct has one
	// field Value of Type. Wrapper is "" for null and for a record of the same
	// package. The Go value of null is nil, and the Go value of such a record
	// is *T.
	Wrapper string
}

// goType returns the Go type that carries a branch other than null.
func (x *unionBranch) goType() string {
	if x.Wrapper != "" {
		return x.Wrapper
	}
	return "*" + x.Type.Record.GoName
}

// kind is the kind of a typeExpr. It determines the Go type and the encoding.
type kind uint8

const (
	kindNull            kind = iota // avrobin.Null
	kindBool                        // bool
	kindInt                         // int32
	kindLong                        // int64
	kindFloat                       // float32
	kindDouble                      // float64
	kindBytes                       // []byte
	kindString                      // string
	kindDate                        // avrobin.Date on int
	kindTimeMillis                  // time.Duration since midnight, on int
	kindTimeMicros                  // time.Duration since midnight, on long
	kindTimestampMillis             // time.Time on long, or a wall clock time if Local is set
	kindTimestampMicros             // the same
	kindTimestampNanos              // the same
	kindUUIDString                  // uuid.UUID on string
	kindUUIDFixed                   // uuid.UUID on fixed(16)
	kindDecimalBytes                // decimal.Decimal on bytes: Precision, Scale
	kindDecimalFixed                // decimal.Decimal on fixed(Size): Precision, Scale
	kindDuration                    // avrobin.Duration on fixed(12)
	kindEnum                        // Enum
	kindFixed                       // Fixed
	kindRecord                      // Record, a value; with Pointer a *T that must not be nil
	kindArray                       // []Elem
	kindMap                         // map[string]Elem
	kindOptional                    // a union of null and Elem: *Elem, or Elem itself if nil means null
	kindUnion                       // Union, a sealed interface
	kindOwn                         // Own, a type of the user
)

// typeExpr is the type of a field, an element or a branch.
type typeExpr struct {
	Kind kind
	Avro *avsc.Schema // the schema node of this type

	Local            bool // of a timestamp: local-timestamp-*
	AnyText          bool // of a string: generated code does not check UTF-8
	Precision, Scale int  // of a decimal
	Size             int  // of a decimal on fixed

	Elem *typeExpr // of an array, map or optional

	// NullIndex of an optional is the index of null in its union, 0 or 1.
	NullIndex int
	// Nilable of an optional is set if Elem is bytes, array or map. Then the
	// nil of Elem means null. Otherwise the Go type is a pointer to the Go type
	// of Elem.
	Nilable bool

	// Opt of an optional is set if the Go type is a struct with a field Valid.
	Opt *optForm

	Pointer bool // of a record: a struct must not contain itself

	Record *recordDecl
	Enum   *enumDecl
	Fixed  *fixedDecl
	Union  *unionDecl
	Own    *ownDecl
}

// goType returns the Go type as file f writes it.
func (t *typeExpr) goType(f *goFile) string {
	switch t.Kind {
	case kindNull:
		return "avrobin.Null"
	case kindBool:
		return "bool"
	case kindInt:
		return "int32"
	case kindLong:
		return "int64"
	case kindFloat:
		return "float32"
	case kindDouble:
		return "float64"
	case kindBytes:
		return "[]byte"
	case kindString:
		return "string"
	case kindDate:
		return "avrobin.Date"
	case kindTimeMillis, kindTimeMicros:
		return "time.Duration"
	case kindTimestampMillis, kindTimestampMicros, kindTimestampNanos:
		return "time.Time"
	case kindUUIDString, kindUUIDFixed:
		return "uuid.UUID"
	case kindDecimalBytes, kindDecimalFixed:
		return "decimal.Decimal"
	case kindDuration:
		return "avrobin.Duration"
	case kindEnum:
		return t.Enum.in(f)
	case kindFixed:
		return t.Fixed.in(f)
	case kindRecord:
		if t.Pointer {
			return "*" + t.Record.in(f)
		}
		return t.Record.in(f)
	case kindArray:
		return "[]" + t.Elem.goType(f)
	case kindMap:
		return "map[string]" + t.Elem.goType(f)
	case kindOptional:
		switch {
		case t.Opt != nil && t.Opt.Type != nil:
			return f.typeText(t.Opt.Type)
		case t.Opt != nil:
			return "avrobin.Opt[" + t.Elem.goType(f) + "]"
		case t.Nilable:
			return t.Elem.goType(f)
		}
		return "*" + t.Elem.goType(f)
	case kindUnion:
		return t.Union.in(f)
	case kindOwn:
		return f.typeText(t.Own.Type)
	}
	panic("codegen: unknown kind of type")
}

// literal is an exact default value as a tree. Type determines which fields are
// used:
//
//	null                      nothing
//	bool                      Bool
//	int, long, date, time-*, timestamp-*, enum
//	                          Int: the Avro value; for an enum the index
//	float, double             Float, negative zero and infinities included
//	string                    Str
//	bytes, fixed              Bytes
//	uuid, duration            Bytes: the 16 bytes, the 12 of the wire
//	decimal                   Unscaled; the scale is the type's
//	record                    Fields: one for each field in order, nil for the
//	                          Go zero value; New: call NewFunc instead
//	array                     Elems
//	map                       Elems under Keys, sorted
//	optional                  Elems[0], or none for null
//	union                     Elems[0] of the branch Index; none for null
//	own                       Elems[0] of the base type, Bytes: its encoding
//
// If a literal is the Go zero value, fieldDecl.Default and Fields hold nil
// instead. Elems never hold nil.
type literal struct {
	Type     *typeExpr
	Bool     bool
	Int      int64
	Float    float64
	Str      string
	Bytes    []byte
	Unscaled *big.Int
	New      bool
	Index    int
	Fields   []*literal
	Keys     []string
	Elems    []*literal
}

// qualify returns the name as f must write it. The name belongs to package p.
func (f *goFile) qualify(p *goPackage, name string) string {
	if p == f.Pkg {
		return name
	}
	return f.importNames[p.Path] + "." + name
}

// emitterImports has the packages that the emitter imports, with their names.
// An own type of such a package uses the same import.
//
//nolint:gochecknoglobals // a constant table
var emitterImports = map[string]string{
	"bytes": "bytes", "cmp": "cmp", "encoding/base64": "base64", "encoding/json": "json", "errors": "errors", "fmt": "fmt",
	"maps": "maps", "math": "math", "math/big": "big", "reflect": "reflect", "slices": "slices", "sort": "sort",
	"strconv": "strconv", "strings": "strings", "time": "time", "unicode/utf8": "utf8", "unsafe": "unsafe",
	"github.com/avroline/avroline/serde/avrobin": "avrobin", "github.com/google/uuid": "uuid", "github.com/shopspring/decimal": "decimal",
}

// reservedImportNames are never the name of another imported package. The list
// has the packages that the emitter imports, its parameters and local
// variables, and the predeclared names of Go. TestWordsOfGeneratedCode tries
// every identifier of the generated code.
//
//nolint:gochecknoglobals // a constant table
var reservedImportNames = slices.Concat(slices.Collect(maps.Values(emitterImports)), []string{
	// parameters and local variables
	"a", "b", "block", "branch", "buf", "c", "d", "data", "depth", "dst", "e", "elem", "err", "f", "i", "in", "j", "k",
	"key", "keys", "l", "m", "n", "o", "ok", "other", "out", "own", "p", "plain", "plan", "present", "r", "rest", "s",
	"src", "start", "t", "text", "u", "v", "val", "value", "w", "x", "y", "z",
	// special names of a package's scope
	"init", "main",
}, types.Universe.Names())

// numberedLocal matches the local variables of nested loops: i2, key3, x10.
var numberedLocal = regexp.MustCompile(`^(?:block|elem|i|key|n|u|x)[0-9]+$`)

// reservedImportName reports whether a file may not import a package as name.
func reservedImportName(name string) bool {
	return slices.Contains(reservedImportNames, name) || numberedLocal.MatchString(name)
}

// recordMethods are the names that a field must not have. They are the exported
// methods of a generated struct, and names reserved for later methods. A field
// with such a name gets an underscore at the end.
//
//nolint:gochecknoglobals // a constant table
var recordMethods = []string{
	"AvroName", "AvroSchema", "AppendAvro", "UnmarshalAvro", "UnmarshalAvroPlan", "ReadAvro", "ReadAvroAs",
	"Equal", "Clone", "MarshalJSON", "UnmarshalJSON",
}
