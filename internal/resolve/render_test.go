package resolve_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// render reads Avro binary without the code under test, and returns the value
// as text. The keys of maps are sorted.
func render(s *avsc.Schema, data []byte) (string, error) {
	d := renderer{data: data}
	text := d.value(s)
	if d.err == nil && len(d.data) > 0 {
		d.err = fmt.Errorf("%d bytes left over", len(d.data))
	}
	return text, d.err
}

type renderer struct {
	data []byte
	err  error
}

func (d *renderer) long() int64 {
	v, n := binary.Varint(d.data)
	if n <= 0 {
		d.err = errors.New("no varint")
		d.data = nil
		return 0
	}
	d.data = d.data[n:]
	return v
}

func (d *renderer) bytes(n int) []byte {
	if n < 0 || n > len(d.data) {
		d.err = errors.New("short")
		d.data = nil
		return nil
	}
	b := d.data[:n]
	d.data = d.data[n:]
	return b
}

func (d *renderer) value(s *avsc.Schema) string {
	if d.err != nil {
		return ""
	}
	switch s.Kind {
	case avsc.Null:
		return "null"
	case avsc.Boolean:
		return fmt.Sprint(d.bytes(1))
	case avsc.Int, avsc.Long:
		return fmt.Sprint(d.long())
	case avsc.Float:
		return fmt.Sprintf("%x", d.bytes(4))
	case avsc.Double:
		return fmt.Sprintf("%x", d.bytes(8))
	case avsc.Bytes, avsc.String:
		return fmt.Sprintf("%q", d.bytes(int(d.long())))
	case avsc.Fixed:
		return fmt.Sprintf("%x", d.bytes(s.Size))
	case avsc.Enum:
		i := d.long()
		if i < 0 || i >= int64(len(s.Symbols)) {
			d.err = errors.New("no symbol")
			return ""
		}
		return s.Symbols[i].Name
	case avsc.Union:
		i := d.long()
		if i < 0 || i >= int64(len(s.Branches)) {
			d.err = errors.New("no branch")
			return ""
		}
		return fmt.Sprintf("<%d %s>", i, d.value(s.Branches[i]))
	case avsc.Record:
		var b []string
		for _, f := range s.Fields {
			b = append(b, f.Name+":"+d.value(f.Type))
		}
		return "{" + strings.Join(b, " ") + "}"
	default:
		return d.elements(s)
	}
}

func (d *renderer) elements(s *avsc.Schema) string {
	var elems []string
	for d.err == nil {
		n := d.long()
		if n < 0 {
			n = -n
			d.long()
		}
		if n == 0 {
			break
		}
		for range n {
			if d.err != nil {
				break
			}
			key := ""
			if s.Kind == avsc.Map {
				key = fmt.Sprintf("%q:", d.bytes(int(d.long())))
			}
			elems = append(elems, key+d.value(s.Elem))
		}
	}
	if s.Kind == avsc.Map {
		slices.Sort(elems)
	}
	return "[" + strings.Join(elems, " ") + "]"
}
