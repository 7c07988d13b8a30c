package avsc

import (
	"math"
	"strconv"
)

// logical returns the logical type that v declares for s. The result is the
// zero Logical if the type is unknown or does not fit. For these cases, section
// "Logical Types" requires the base type.
func logical(s *Schema, v *Value) Logical {
	t := v.Member("logicalType")
	if t == nil || t.Kind != JSONString {
		return Logical{}
	}
	fits := false
	switch t.Str {
	case "decimal":
		return decimal(s, v)
	case "uuid":
		fits = s.Kind == String || s.Kind == Fixed && s.Size == 16
	case "date", "time-millis":
		fits = s.Kind == Int
	case "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
		"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos":
		fits = s.Kind == Long
	case "duration":
		fits = s.Kind == Fixed && s.Size == 12
	}
	if !fits {
		return Logical{}
	}
	return Logical{Name: t.Str}
}

func decimal(s *Schema, v *Value) Logical {
	if s.Kind != Bytes && s.Kind != Fixed {
		return Logical{}
	}
	precision, ok := integer(v.Member("precision"))
	if !ok || precision < 1 {
		return Logical{}
	}
	scale := 0
	if m := v.Member("scale"); m != nil {
		if scale, ok = integer(m); !ok || scale < 0 || scale > precision {
			return Logical{}
		}
	}
	if s.Kind == Fixed && float64(precision) > math.Floor(float64(8*s.Size-1)*math.Log10(2)) {
		return Logical{}
	}
	return Logical{Name: "decimal", Precision: precision, Scale: scale}
}

func integer(v *Value) (int, bool) {
	if v == nil || v.Kind != JSONNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(v.Text, 10, 32)
	return int(n), err == nil
}
