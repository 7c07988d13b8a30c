package plan

import (
	"encoding/binary"
	"fmt"
	"math"
)

// These methods read values that the writer may have encoded in another way.
// The methods do not copy the data.

// ReadDouble reads a double. The writer may have written the value as a float,
// a long or an int (Avro 1.12, "Schema Resolution").
func (s *LayoutStep) ReadDouble(src []byte) (v float64, rest []byte, err error) {
	switch s.kind {
	case layoutFloat:
		f, rest, err := readFloat(src)
		return float64(f), rest, err
	case layoutInt, layoutLong:
		n, rest, err := s.readWhole(src)
		return float64(n), rest, err
	default:
		if len(src) < 8 {
			return 0, src, ErrTruncated
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(src)), src[8:], nil
	}
}

// ReadFloat reads a float. The writer may have written the value as a long or
// an int.
func (s *LayoutStep) ReadFloat(src []byte) (v float32, rest []byte, err error) {
	switch s.kind {
	case layoutInt, layoutLong:
		n, rest, err := s.readWhole(src)
		return float32(n), rest, err
	default:
		return readFloat(src)
	}
}

func readFloat(src []byte) (v float32, rest []byte, err error) {
	if len(src) < 4 {
		return 0, src, ErrTruncated
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(src)), src[4:], nil
}

func (s *LayoutStep) readWhole(src []byte) (int64, []byte, error) {
	v, rest, err := readLong(src)
	if err == nil && s.kind == layoutInt && int64(int32(v)) != v {
		return 0, src, fmt.Errorf("%w: an int of %d", ErrInvalid, v)
	}
	return v, rest, err
}

// MapsSymbols reports whether the symbols of the writer's enum differ from the
// reader's symbols. In this case, [LayoutStep.ReadSymbol] reads the enum.
func (s *LayoutStep) MapsSymbols() bool { return s.symbols != nil }

// ReadSymbol reads the writer's index of an enum symbol and returns the
// reader's index of the same symbol.
func (s *LayoutStep) ReadSymbol(src []byte) (int32, []byte, error) {
	v, rest, err := readLong(src)
	switch {
	case err != nil:
		return 0, src, err
	case uint64(v) >= uint64(len(s.symbols)):
		return 0, src, fmt.Errorf("%w: symbol %d of %d", ErrInvalid, v, len(s.symbols))
	case s.symbols[v] < 0:
		return 0, src, fmt.Errorf("%w: %s", ErrUnreadable, s.reasons[-1-s.symbols[v]])
	}
	return s.symbols[v], rest, nil
}
