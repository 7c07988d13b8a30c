package contract

import "fmt"

// Finding is a problem that a check found in a new schema. A check compares the
// new schema with an earlier version, or looks at the new schema alone. Each
// check fills in the fields that it knows.
type Finding struct {
	Type    string // the rule, such as the registry's errorType "TYPE_MISMATCH"
	Schema  string // the full name of the new schema; "" without a name
	Path    string // the registry's path into the reader's schema, such as "/fields/1"
	Place   string // the same place by the schemas' names, such as "shop.Order.lines[].price"
	Message string // the registry's additionalInfo
	What    string // the problem, such as "field total is new and has no default"
	Frame   string // the effect on the union around the change; "" without Causes
	Advice  string // a sentence with the advice
	Who     string // the clients that break, such as "consumers on version 3 reading what you will write"

	// Pos is the place in the new schema's text.
	Pos Position
	// Against is the index of the earlier version, oldest first.
	Against int
	// NewIsReader is true if the new schema cannot read old data. The value is
	// false if old readers cannot read new data.
	NewIsReader bool

	// Causes are the changes inside a union that make every branch refuse a
	// value. Only a missing union branch has Causes, and only if the branch
	// exists but cannot read some value. What, Advice and Pos come from the
	// first cause. There are at most 20 Causes.
	Causes []Cause

	// Witness is a small value that the reader cannot read. If a comparison
	// finds no Witness, NoWitness gives the reason.
	Witness   *Witness
	NoWitness string
}

// Cause is a change inside a union. The fields have the meaning of the same
// fields of a [Finding].
type Cause struct {
	Type, What, Advice string
	Pos                Position
}

// Position is a place in the text of a schema. Line and Col start at 1, and Col
// counts bytes. A zero Line means that the place is not known.
type Position struct {
	File      string // the name that the check got for the text
	Line, Col int
}

// String returns "file:line:col", or the file alone if the line is not known.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Witness is a small value of the writer's schema that the reader cannot read.
// If only the logical type changed, the reader reads another value than the
// writer wrote. Each Witness was tried.
type Witness struct {
	JSON   string // the value in Avro JSON
	Data   []byte // the value in Avro binary, under the writer's schema
	Reason string // the error of the read; for a changed logical type, both values
}
