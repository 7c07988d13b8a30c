package avsc

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/avroline/avroline/internal/unscaled"
)

// Misfit is a value in a default that fits the type, but not the logical type.
// Avro allows such a default. A reader that converts the value fails.
type Misfit struct {
	Error
	Logical string // the name of the logical type
}

// Misfits returns the misfits in the default v under s. If a union or a type
// does not fit, Misfits returns nil.
func (s *Schema) Misfits(v *Value) []Misfit {
	e := encoder{budget: newBudget(0)}
	if e.value(s, v); e.errs != nil {
		return nil
	}
	return e.misfits
}

// FitDefault is [Schema.AppendDefault], except that zero takes the place of
// each misfit. A Go type with the logical type can then hold the value.
func (s *Schema) FitDefault(v *Value) ([]byte, []Misfit, error) {
	e := encoder{budget: newBudget(0), fitting: true}
	e.value(s, v)
	if err := e.errs.err(); err != nil {
		return nil, nil, err
	}
	return e.dst, e.misfits, nil
}

func (e *encoder) misfit(s *Schema, v *Value, what, fix string) {
	e.misfits = append(e.misfits, Misfit{Error{v.Pos, "the default " + shorten(v.Text) + " " + what, fix}, s.Logical.Name})
}

const zeroUUID = "00000000-0000-0000-0000-000000000000"

// uuid returns the text of the default v. If the text is no UUID, uuid returns
// the zero UUID.
func (e *encoder) uuid(s *Schema, v *Value) string {
	if _, ok := ParseUUID(v.Str); !ok {
		e.misfit(s, v, "is no UUID", "write a UUID, or make the type a union of null and the uuid with the default null")
		return zeroUUID
	}
	return v.Str
}

// ParseUUID reads the text of RFC 9562: 8-4-4-4-12 hexadecimal digits.
func ParseUUID(s string) ([]byte, bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return nil, false
	}
	n, ok := new(big.Int).SetString(strings.ReplaceAll(s, "-", ""), 16)
	if !ok || n.Sign() < 0 || strings.Count(s, "-") != 4 || strings.ContainsAny(s, "_+") {
		return nil, false
	}
	return n.FillBytes(make([]byte, 16)), true
}

// checkTime reports whether n is a time of day, if s is one.
func (e *encoder) checkTime(s *Schema, v *Value, n int64) bool {
	most, unit := int64(24*60*60*1000-1), "milliseconds"
	switch s.Logical.Name {
	case "time-millis":
	case "time-micros":
		most, unit = 24*60*60*1_000_000-1, "microseconds"
	default:
		return true
	}
	if n >= 0 && n <= most {
		return true
	}
	e.misfit(s, v, "is no time of day", fmt.Sprintf("write the %s since midnight, from 0 to %d", unit, most))
	return false
}

// checkDecimal reports whether the number in b has no more digits than the
// precision, if s is a decimal.
func (e *encoder) checkDecimal(s *Schema, v *Value, b []byte) bool {
	if s.Logical.Name != "decimal" {
		return true
	}
	const bitsPerDigit = 3.3219280948873626 // log2(10)
	n := unscaled.Read(b)
	limit := float64(s.Logical.Precision) * bitsPerDigit
	switch size := float64(n.BitLen()); {
	case size < limit-1:
		return true
	case size <= limit+1 && n.CmpAbs(unscaled.Power10(s.Logical.Precision)) < 0:
		return true
	}
	e.misfit(s, v, fmt.Sprintf("has more digits than the precision %d", s.Logical.Precision), "write a number of fewer digits")
	return false
}
