package avrobin

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/avroline/avroline/internal/plan"
)

// What a *[Error] wraps, for errors.Is.
var (
	// ErrTruncated: the data ends inside a value.
	ErrTruncated = plan.ErrTruncated
	// ErrTrailing: bytes are left after the value.
	ErrTrailing = plan.ErrTrailing
	// ErrInvalid: the data is not an Avro encoding of its schema.
	ErrInvalid = plan.ErrInvalid
	// ErrRange: the value does not fit the other side's type: on encoding the
	// Avro type, on decoding the Go type.
	ErrRange = errors.New("value out of range")
	// ErrText: a string to be written is not valid UTF-8.
	ErrText = errors.New("string is not valid UTF-8")
	// ErrBranch: a union holds no value that is one of its branches.
	ErrBranch = errors.New("no branch of the union")
	// ErrDepth: values nest deeper than [MaxDepth], or a Go value contains itself.
	ErrDepth = plan.ErrDepth
	// ErrNil: a record that must be there is a nil pointer.
	ErrNil = errors.New("nil record")
	// ErrUnreadable: the data is sound, but the reader's schema has no place for
	// one of its values, as for an enum's symbol or a union's branch that the
	// reader lacks (Avro 1.12, "Schema Resolution").
	ErrUnreadable = plan.ErrUnreadable
	// ErrPlan: the plan was not made for this type.
	ErrPlan = errors.New("plan is for another reader schema")
)

// Error says where encoding or decoding failed.
type Error struct {
	// Path leads to the value, by the schema's names: `lines[3].price`,
	// `labels["color"]`. It is empty when the message as a whole is meant.
	Path string
	// Offset is where the value begins in the data that was read; -1 when
	// encoding, or when ReadAvro was called directly.
	Offset int
	// Err is the reason; it wraps one of the sentinels of this package.
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

// ErrorAt adds where err happened to its path: in field name, and within that at
// the elements in, outermost first: an int is an index, a string a map's key.
// An empty name adds the elements alone. Generated code calls it on its way out.
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

// quote is s for an error's text, bounded.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
