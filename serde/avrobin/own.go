package avrobin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unsafe"
)

// Opt is an optional value without a pointer. The zero Opt is null. avrogen
// generates it for optional fields if avrogen.yaml says "optionals: opt".
type Opt[T any] struct {
	Value T    // the zero value if Valid is false
	Valid bool // whether there is a value
}

// Some returns an Opt with the value v.
func Some[T any](v T) Opt[T] { return Opt[T]{Value: v, Valid: true} }

// Get returns the value, and whether there is one.
func (o Opt[T]) Get() (T, bool) { return o.Value, o.Valid }

// Or returns the value, or v for null.
func (o Opt[T]) Or(v T) T {
	if o.Valid {
		return o.Value
	}
	return v
}

// IsZero reports whether o is null. The tag omitzero of encoding/json asks this
// method.
func (o Opt[T]) IsZero() bool { return !o.Valid }

// MarshalJSON writes the value or null.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if !o.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// UnmarshalJSON reads the value or null.
func (o *Opt[T]) UnmarshalJSON(data []byte) error {
	*o = Opt[T]{}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(data, &o.Value); err != nil {
		return err
	}
	o.Valid = true
	return nil
}

// The functions below are for generated code with types of the user. Such types
// write and read themselves, so the functions check the results.

// AppendedOwn checks the result b of code that appends a value of a user's type
// to dst. The check one may be nil. It reports whether its argument is exactly
// one encoded value.
func AppendedOwn(dst, b []byte, err error, one func([]byte) bool) ([]byte, error) {
	switch {
	case err != nil:
		return dst, err
	case len(b) < len(dst) || one != nil && !one(b[len(dst):]):
		return dst, fmt.Errorf("%w: the type's own code did not append one value of the schema", ErrInvalid)
	}
	return b, nil
}

// ReadOwn checks that rest is the end of src. On an error it returns src.
func ReadOwn(src, rest []byte, err error) ([]byte, error) {
	switch {
	case err != nil:
		return src, err
	case len(rest) > len(src) || len(rest) > 0 && unsafe.SliceData(rest) != unsafe.SliceData(src[len(src)-len(rest):]):
		return src, fmt.Errorf("%w: the type's own code did not return the end of its input", ErrInvalid)
	}
	return src[len(src)-len(rest):], nil
}

// OneBytes reports whether b is one encoded string or bytes.
func OneBytes(b []byte) bool {
	_, rest, err := ReadBytes(b)
	return err == nil && len(rest) == 0
}

// OneLong reports whether b is one encoded int or long.
func OneLong(b []byte) bool {
	_, rest, err := ReadLong(b)
	return err == nil && len(rest) == 0
}

// OneFixed returns a check for values of size bytes.
func OneFixed(size int) func([]byte) bool {
	return func(b []byte) bool { return len(b) == size }
}

// SizeError returns the error for a fixed of another size.
func SizeError(size, got int) error {
	return fmt.Errorf("%w: a fixed of size %d from bytes of length %d", ErrRange, size, got)
}

// EqualOwn reports whether a and b have the same encoding.
func EqualOwn[T any](a, b T, appendTo func([]byte, T) ([]byte, error)) bool {
	x, err := appendTo(nil, a)
	if err != nil {
		return false
	}
	y, err := appendTo(nil, b)
	return err == nil && bytes.Equal(x, y)
}

// CloneOwn returns a copy of v by its encoding. A value that cannot be written
// is returned as it is.
func CloneOwn[T any](v T, appendTo func([]byte, T) ([]byte, error), read func([]byte) (T, []byte, error)) T {
	b, err := appendTo(nil, v)
	if err != nil {
		return v
	}
	c, _, err := read(b)
	if err != nil {
		return v
	}
	return c
}

// DefaultOwn reads a default of the schema. If the user's type does not take
// the default, DefaultOwn panics.
func DefaultOwn[T any](encoded string, read func([]byte) (T, []byte, error)) T {
	v, _, err := read([]byte(encoded))
	if err != nil {
		panic(fmt.Sprintf("avro: %T does not take the schema's default: %v", v, err))
	}
	return v
}
