package avrobin

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/avroline/avroline/internal/plan"
)

// The reasons in an *[Error], for errors.Is.
var (
	// ErrTruncated says that the data ends inside a value.
	ErrTruncated = plan.ErrTruncated
	// ErrTrailing says that bytes are left after the value.
	ErrTrailing = plan.ErrTrailing
	// ErrInvalid says that the data is not an Avro encoding of its schema.
	ErrInvalid = plan.ErrInvalid
	// ErrRange says that the value does not fit the target type. On encoding
	// the target is the Avro type, on decoding the Go type.
	ErrRange = errors.New("value out of range")
	// ErrText says that a string to be written is not valid UTF-8.
	ErrText = errors.New("string is not valid UTF-8")
	// ErrBranch says that the value of a union matches no branch.
	ErrBranch = errors.New("no branch of the union")
	// ErrDepth says that values nest deeper than [MaxDepth], or that a Go value
	// contains itself.
	ErrDepth = plan.ErrDepth
	// ErrNil says that a required value is a nil pointer.
	ErrNil = errors.New("nil pointer")
	// ErrUnreadable says that the data is valid, but the reader's schema has no
	// place for a value. For example, the reader lacks the enum's symbol or the
	// union's branch (Avro 1.12, "Schema Resolution").
	ErrUnreadable = plan.ErrUnreadable
	// ErrPlan says that the plan was made for another type.
	ErrPlan = errors.New("plan is for another reader schema")
)

// Error says where encoding or decoding failed.
type Error struct {
	// Path leads to the value with the schema's names, for example
	// `lines[3].price` or `labels["color"]`. Path is empty if the error is
	// about the whole message.
	Path string
	// Offset is the start of the value in the data. Offset is -1 for encoding
	// errors, and after a direct call of ReadAvro.
	Offset int
	// Err is the reason. It wraps a sentinel of this package.
	Err error
}

func (e *Error) Error() string {
	s := "avro: "
	if e.Path != "" {
		s += e.Path + ": "
	}
	s += e.Err.Error()
	if e.Offset >= 0 {
		s += " (offset " + strconv.Itoa(e.Offset) + ")"
	}
	return s
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// ErrorAt adds the place of err to its path. The place is field name, and then
// the elements in, outermost first. An int is an index, and a string is a map's
// key. If name is empty, ErrorAt adds the elements only. Generated code calls
// ErrorAt when it returns an error.
func ErrorAt(err error, name string, in ...any) error {
	e, ok := err.(*Error) //nolint:errorlint // ours, never wrapped on the way out
	if !ok {
		e = &Error{Offset: -1, Err: err}
	}
	for _, k := range in {
		switch k := k.(type) {
		case int:
			name += "[" + strconv.Itoa(k) + "]"
		case string:
			name += "[" + quote(k) + "]"
		}
	}
	if e.Path != "" && e.Path[0] != '[' && name != "" {
		name += "."
	}
	const most = 1 << 10 // values may nest deep
	if len(e.Path) > most {
		e.Path = e.Path[:most] + "…"
	}
	e.Path = name + e.Path
	return e
}

func notDone(data, rest []byte, err error) *Error {
	if err == nil {
		err = fmt.Errorf("%w: %d of them", ErrTrailing, len(rest))
	}
	e, ok := err.(*Error) //nolint:errorlint // ours, never wrapped on the way out
	if !ok {
		e = &Error{Err: err}
	}
	e.Offset = len(data) - len(rest)
	return e
}

// quote quotes s for an error's text and bounds the length.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
