package codegen

import (
	"errors"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// Error is one mistake in a schema.
type Error struct {
	// File is the name of the source. Line and Column begin at 1, and Column
	// counts bytes. Line and Column are 0 if the place is not known.
	File         string
	Line, Column int

	Problem string // the mistake
	Fix     string // the correction, or "" if there is no advice
}

// Error returns "file:line:column: problem: fix".
func (e *Error) Error() string { return e.internal().Error() }

func (e *Error) internal() *avsc.Error {
	return &avsc.Error{Pos: avsc.Pos{File: e.File, Line: e.Line, Col: e.Column}, What: e.Problem, Fix: e.Fix}
}

// Errors are all mistakes that [Generate] found, sorted by source and place. A
// returned Errors value is never empty. errors.As finds the first *Error.
type Errors []*Error

// Error returns one line for each mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// publicErrors turns the mistakes of the parser and the model into Errors.
func publicErrors(err error) error {
	var mistakes avsc.Errors
	if !errors.As(err, &mistakes) {
		return err
	}
	out := make(Errors, len(mistakes))
	for i, m := range mistakes {
		out[i] = &Error{File: m.Pos.File, Line: m.Pos.Line, Column: m.Pos.Col, Problem: m.What, Fix: m.Fix}
	}
	return out
}
