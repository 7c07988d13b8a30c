package resolve

import "github.com/avroline/avroline/internal/avsc"

// These are the approximate sizes of values in memory on a 64-bit machine. A
// plan charges the sizes for fields that only the reader has.
const (
	pointerMemory = 8
	elementMemory = 16 // for each byte of a default beyond the first
	mapMemory     = 56 // an empty map and its pointer
	unionMemory   = 64 // an interface and its target
	maxMemory     = 1 << 30
)

// goMemory returns the number of bytes of a field of type s in a generated
// struct.
func (x *resolver) goMemory(s *avsc.Schema) int {
	switch s.Logical.Name {
	case "decimal", "uuid":
		return 16
	case "timestamp-millis", "timestamp-micros", "timestamp-nanos",
		"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos":
		return 24
	}
	switch s.Kind {
	case avsc.Null:
		return 0
	case avsc.Boolean:
		return 1
	case avsc.Int, avsc.Float, avsc.Enum:
		return 4
	case avsc.Long, avsc.Double:
		return 8
	case avsc.Bytes, avsc.Array:
		return 24
	case avsc.String:
		return 16
	case avsc.Fixed:
		return s.Size
	case avsc.Map:
		return mapMemory
	case avsc.Union:
		if len(s.Branches) == 2 && (s.Branches[0].Kind == avsc.Null || s.Branches[1].Kind == avsc.Null) {
			return pointerMemory
		}
		return unionMemory
	default:
		if n, ok := x.memory[s]; ok {
			return n
		}
		x.memory[s] = pointerMemory // a record inside itself is a pointer
		n := 0
		for _, f := range s.Fields {
			n = int(min(int64(n)+int64(x.goMemory(f.Type)), maxMemory)) // an int may have 32 bits
		}
		x.memory[s] = n
		return n
	}
}
