package avrobin

import "fmt"

// What a writer may have in another way, and the reader takes without a copy.

// ReadDouble reads a double, which the writer may have as a float, a long or an
// int (Avro 1.12, "Schema Resolution").
func (s *LayoutStep) ReadDouble(src []byte) (v float64, rest []byte, err error) {
	switch s.kind {
	case layoutFloat:
		f, rest, err := ReadFloat(src)
		return float64(f), rest, err
	case layoutInt, layoutLong:
		n, rest, err := s.readWhole(src)
		return float64(n), rest, err
	default:
		return ReadDouble(src)
	}
}

// ReadFloat reads a float, which the writer may have as a long or an int.
func (s *LayoutStep) ReadFloat(src []byte) (v float32, rest []byte, err error) {
	switch s.kind {
	case layoutInt, layoutLong:
		n, rest, err := s.readWhole(src)
		return float32(n), rest, err
	default:
		return ReadFloat(src)
	}
}

func (s *LayoutStep) readWhole(src []byte) (int64, []byte, error) {
	v, rest, err := ReadLong(src)
	if err == nil && s.kind == layoutInt && int64(int32(v)) != v {
		return 0, src, fmt.Errorf("%w: an int of %d", ErrInvalid, v)
	}
	return v, rest, err
}

// ReadEnumAs reads the index of an enum's symbol, of which there are symbols, as
// s has it.
func ReadEnumAs[E ~int32](s *LayoutStep, src []byte, symbols int) (E, []byte, error) {
	if s.symbols == nil {
		return ReadEnum[E](src, symbols)
	}
	v, rest, err := s.readSymbol(src)
	return E(v), rest, err
}

func (s *LayoutStep) readSymbol(src []byte) (int32, []byte, error) {
	v, rest, err := ReadLong(src)
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
