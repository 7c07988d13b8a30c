// Package compat decides compatibility as the registry does, without I/O.
package compat

// The error types of findings, as the registry writes them.
const (
	NameMismatch        = "NAME_MISMATCH"
	FixedSizeMismatch   = "FIXED_SIZE_MISMATCH"
	MissingEnumSymbols  = "MISSING_ENUM_SYMBOLS"
	MissingDefault      = "READER_FIELD_MISSING_DEFAULT_VALUE"
	TypeMismatch        = "TYPE_MISMATCH"
	MissingUnionBranch  = "MISSING_UNION_BRANCH"
	AmbiguousFieldAlias = "AMBIGUOUS_FIELD_ALIAS"
)

// Finding is one reason why two versions do not go together.
type Finding struct {
	Type        string // the registry's errorType, one of the constants of this package
	Path        string // the registry's path into the reader's schema, such as /fields/1
	Message     string // the registry's additionalInfo
	Advice      string // a sentence: what to do
	Who         string // a sentence: who breaks
	Line, Col   int    // in the new schema's text, from 1, 0 when not known
	Against     int    // the index in previous, oldest first
	NewIsReader bool   // the new schema cannot read the old data; else old readers cannot read the new data

	// Witness is a small value that the reader cannot take, nil where there is
	// none.
	Witness *Witness
}

// Witness is a value of the writer's schema that the reader fails on. It was
// tried: Reason is what the reader's plan said.
type Witness struct {
	JSON   string // the value in Avro JSON
	Data   []byte // the value in Avro binary, under the writer's schema
	Reason string // the reader's error
}

// Check compares new with the previous versions, which are in version order,
// oldest first. No findings and a nil error mean compatible. The error is for
// text that is not a schema.
func Check(level Level, new string, previous ...string) ([]Finding, error) { panic("stub") }
