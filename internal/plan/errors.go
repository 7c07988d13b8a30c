package plan

import (
	"errors"
	"strconv"
)

// An [Error] wraps one of these values. Package serde/avrobin has the same
// values.
var (
	ErrTruncated  = errors.New("the data ends inside a value")
	ErrTrailing   = errors.New("bytes are left after the value")
	ErrInvalid    = errors.New("invalid data")
	ErrDepth      = errors.New("nested too deep")
	ErrUnreadable = errors.New("the reader cannot take this value")
)

// These constants limit reading. Package serde/avrobin documents the limits.
const (
	MaxDepth = 1000
	MaxEmpty = 1 << 20
)

// Error says where reading failed. Every error of a [Plan] or a [Layout] is an
// *Error.
type Error struct {
	Path   string // such as lines[3].price; empty for the whole message
	Offset int    // position in the given data; -1 if not known
	Err    error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// quote quotes s for an error's text and cuts long strings.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
