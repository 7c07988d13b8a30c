package resolve

import (
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
)

// conversion returns the conversion of a value from w's logical type to r's
// logical type, if the base types can be read. The result is nil if the value
// needs no conversion, because the logical types are equal or one side has
// none. In the latter case the value is the plain value. The second result is
// false if no conversion is right, for example from an instant to a time of
// day.
func conversion(w, r *avsc.Schema) (*plan.Conversion, bool) {
	from, to := w.Logical, r.Logical
	if from.Name == "" || to.Name == "" || from == to {
		return nil, true
	}
	c := plan.Conversion{From: from.String(), To: to.String(), Multiply: 1, Divide: 1, Int: w.Kind == avsc.Int}
	if from.Name == "decimal" && to.Name == "decimal" {
		c.Shift, c.Precision, c.Size = to.Scale-from.Scale, to.Precision, w.Size
		if c.Shift == 0 && to.Precision >= from.Precision {
			return nil, true
		}
		return &c, true
	}
	a, b := unitOf(from.Name), unitOf(to.Name)
	if a.of == "" || a.of != b.of {
		return nil, false
	}
	if a.size >= b.size {
		c.Multiply = a.size / b.size
	} else {
		c.Divide = b.size / a.size
	}
	return &c, true
}

// unit is the unit that the number of a logical type counts.
type unit struct {
	of   string // the measured quantity; units of the same quantity can be converted
	size int64  // in nanoseconds
}

// unitOf returns the zero unit for a logical type that is no number. A date is
// midnight of the wall clock. An instant and a wall clock time are different
// quantities, because only a time zone converts between the two.
func unitOf(logical string) unit {
	const (
		nano  = 1
		micro = 1000 * nano
		milli = 1000 * micro
		day   = 24 * 60 * 60 * 1000 * milli
	)
	switch logical {
	case "timestamp-millis":
		return unit{"instant", milli}
	case "timestamp-micros":
		return unit{"instant", micro}
	case "timestamp-nanos":
		return unit{"instant", nano}
	case "date":
		return unit{"wall clock", day}
	case "local-timestamp-millis":
		return unit{"wall clock", milli}
	case "local-timestamp-micros":
		return unit{"wall clock", micro}
	case "local-timestamp-nanos":
		return unit{"wall clock", nano}
	case "time-millis":
		return unit{"time of day", milli}
	case "time-micros":
		return unit{"time of day", micro}
	}
	return unit{}
}
