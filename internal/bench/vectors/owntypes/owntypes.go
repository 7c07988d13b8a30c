// Package owntypes has Go types for Avro types in generated code. The tests use
// external vectors for code with these types. Each kind of Avro type converts
// in a different way.
package owntypes

import (
	"bytes"
	"math"
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/avroline/avroline/serde/avrobin"
)

// These types convert by their underlying type.
type (
	// Flag is a boolean.
	Flag bool
	// Int is an int.
	Int int32
	// Date is a date.
	Date int32
	// Elapsed is a time of day.
	Elapsed int64
	// ID is a uuid.
	ID [16]byte
	// Symbol is the symbol of an enum.
	Symbol string
)

// Text is a string that converts by its text.
type Text struct{ text []byte }

// MarshalText returns the text.
func (t Text) MarshalText() ([]byte, error) { return t.text, nil }

// UnmarshalText sets the text.
func (t *Text) UnmarshalText(text []byte) error { t.text = bytes.Clone(text); return nil }

// Blob is bytes or a fixed and converts by its binary form.
type Blob struct{ bytes []byte }

// MarshalBinary returns the bytes.
func (b Blob) MarshalBinary() ([]byte, error) { return b.bytes, nil }

// UnmarshalBinary sets the bytes.
func (b *Blob) UnmarshalBinary(data []byte) error { b.bytes = bytes.Clone(data); return nil }

// Long is a long that writes and reads the Avro encoding.
type Long struct{ n int64 }

// AppendAvro appends the encoding.
func (l Long) AppendAvro(dst []byte) ([]byte, error) { return avrobin.AppendLong(dst, l.n), nil }

// ReadAvro reads the encoding.
func (l *Long) ReadAvro(src []byte) (rest []byte, err error) {
	l.n, rest, err = avrobin.ReadLong(src)
	return rest, err
}

// Float is the bits of a float. Two functions convert a Float.
type Float struct{ bits uint32 }

// OfFloat returns the Float of f.
func OfFloat(f float32) Float { return Float{math.Float32bits(f)} }

// ToFloat returns the float of f.
func ToFloat(f Float) float32 { return math.Float32frombits(f.bits) }

// Double is the bits of a double. Functions write and read the encoding.
type Double struct{ bits uint64 }

// AppendDouble appends the encoding of d.
func AppendDouble(dst []byte, d Double) ([]byte, error) {
	return avrobin.AppendDouble(dst, math.Float64frombits(d.bits)), nil
}

// ReadDouble reads the encoding of a Double.
func ReadDouble(src []byte) (Double, []byte, error) {
	f, rest, err := avrobin.ReadDouble(src)
	return Double{math.Float64bits(f)}, rest, err
}

// Time is a timestamp. Two functions convert a Time.
type Time struct{ t time.Time }

// OfTime returns the Time of t.
func OfTime(t time.Time) (Time, error) { return Time{t}, nil }

// ToTime returns the time.Time of t.
func ToTime(t Time) time.Time { return t.t }

// Span is a duration. Two functions convert a Span.
type Span struct{ d avrobin.Duration }

// OfDuration returns the Span of d.
func OfDuration(d avrobin.Duration) Span { return Span{d} }

// ToDuration returns the duration of s.
func ToDuration(s Span) avrobin.Duration { return s.d }

// Decimal is the decimal of package apd. A Decimal converts by its text.
type Decimal = apd.Decimal
