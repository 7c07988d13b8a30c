package evolve

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
)

// LogicalTypeChanged is the type of a finding that a registry does not have.
// The reader takes a value for another value, because writer and reader give
// the same bytes a different logical type, precision, scale or unit.
const LogicalTypeChanged = "LOGICAL_TYPE_CHANGED"

// DefaultMisfit is the type of a finding that a registry does not have. The
// reader has a field that the writer does not write, and cannot convert the
// default of the field to the logical type.
const DefaultMisfit = "DEFAULT_MISFIT"

// logical finds the places where values of w are read with another logical
// type. The search follows the path of a value. Places where no value can be
// read are left out, because such a place already has a finding. Each pair of
// records is visited once.
func (c *checker) logical(w, r schemaPos, seen map[pair]bool) (found []incompatible) {
	key := pair{w.s, r.s}
	if w.s.Kind.Named() {
		if seen[key] {
			return nil
		}
		seen[key] = true
	}
	inside := func(h hop, w, r schemaPos, path ...string) {
		if c.checkedSeparately(w.s, r.s) {
			return
		}
		c.path = append(c.path, path...)
		c.route = append(c.route, h)
		found = append(found, c.logical(w, r, seen)...)
		c.route = c.route[:len(c.route)-1]
		c.path = c.path[:len(c.path)-len(path)]
	}
	switch {
	case w.s.Kind == avsc.Union:
		for i, b := range w.s.Branches {
			inside(hop{w.s, i}, schemaPos{b, w.s.BranchPos[i]}, r)
		}
		return found
	case r.s.Kind == avsc.Union:
		i := c.matcher.Branch(w.s, r.s)
		if i < 0 || c.checkedSeparately(w.s, r.s.Branches[i]) {
			return nil
		}
		c.path = append(c.path, strconv.Itoa(i))
		found = c.logical(w, schemaPos{r.s.Branches[i], r.s.BranchPos[i]}, seen)
		c.path = c.path[:len(c.path)-1]
		return found
	case w.s.Kind != r.s.Kind && !resolve.Promotes(w.s.Kind, r.s.Kind):
		return nil
	case w.s.Kind == avsc.Fixed && w.s.Size != r.s.Size:
		return nil
	}
	if w.s.Logical != r.s.Logical {
		found = append(found, c.report(LogicalTypeChanged, w, r,
			fmt.Sprintf("reader logical type: %s, writer logical type: %s", logicalName(r.s.Logical), logicalName(w.s.Logical))))
	}
	switch w.s.Kind {
	case avsc.Array:
		inside(hop{w.s, 0}, schemaPos{w.s.Elem, w.s.ElemPos}, schemaPos{r.s.Elem, r.s.ElemPos}, "items")
	case avsc.Map:
		inside(hop{w.s, 0}, schemaPos{w.s.Elem, w.s.ElemPos}, schemaPos{r.s.Elem, r.s.ElemPos}, "values")
	case avsc.Record:
		for k, f := range r.s.Fields {
			from := c.matcher.Fields(w.s, f)
			if len(from) == 0 && f.Default != nil {
				found = append(found, c.misfits(w, r, k)...)
			}
			if len(from) != 1 {
				continue
			}
			wf := w.s.Fields[from[0]]
			inside(hop{w.s, from[0]}, schemaPos{wf.Type, wf.TypePos}, schemaPos{f.Type, f.TypePos}, "fields", strconv.Itoa(k), "type")
		}
	default: // has nothing inside
	}
	return found
}

// misfits reports the default of field k of the reader r, if the default does
// not fit a logical type.
func (c *checker) misfits(w, r schemaPos, k int) []incompatible {
	f := r.s.Fields[k]
	all := f.Type.Misfits(f.Default)
	if len(all) == 0 {
		return nil
	}
	x := c.report(DefaultMisfit, w, schemaPos{r.s, all[0].Pos}, all[0].What, "fields", strconv.Itoa(k), "default")
	x.field, x.misfit = f, all[0]
	return []incompatible{x}
}

func logicalName(l avsc.Logical) string {
	if l.Name == "" {
		return "none"
	}
	return l.String()
}

// example returns a value of w, which may have a logical type. The text written
// shows the value by w's logical type, and the text read by r's logical type.
func example(w, r *avsc.Schema) (v value, written, read string) {
	switch w.Kind {
	case avsc.Int, avsc.Long:
		n := exampleNumber(w.Logical.Name, r.Logical.Name, w.Kind)
		v = value{binary.AppendVarint(nil, n), strconv.FormatInt(n, 10)}
		return v, showNumber(w.Logical.Name, n), showNumber(r.Logical.Name, n)
	case avsc.Bytes, avsc.Fixed:
		digits := max(1, min(4, w.Logical.Precision))
		if w.Logical.Name == "decimal" && r.Logical.Name == "decimal" && w.Logical.Precision > r.Logical.Precision {
			digits = min(w.Logical.Precision, 40) // more than the reader has
		}
		n, _ := new(big.Int).SetString("1234567890123456789012345678901234567890"[:digits], 10)
		text := n.Bytes()
		if text[0] >= 0x80 {
			text = append([]byte{0}, text...)
		}
		if w.Kind == avsc.Fixed {
			text = append(make([]byte, max(0, w.Size-len(text))), text...)[:w.Size]
		} else {
			v.data = binary.AppendVarint(nil, int64(len(text)))
		}
		v.data = append(v.data, text...)
		v.json = bytesJSON(text)
		return v, showBytes(w.Logical, text), showBytes(r.Logical, text)
	default: // a string
		text := "order-1"
		if w.Logical.Name == "uuid" {
			text = "123e4567-e89b-12d3-a456-426614174000"
		}
		v = value{append(binary.AppendVarint(nil, int64(len(text))), text...), strconv.Quote(text)}
		read = strconv.Quote(text)
		if r.Logical.Name == "uuid" {
			read = "no UUID"
		}
		return v, strconv.Quote(text), read
	}
}

// exampleNumber returns a number of a logical type for noon on a certain day,
// or for noon alone.
func exampleNumber(logical, other string, k avsc.Kind) int64 {
	instant := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	if logical == "" {
		logical = other
	}
	switch strings.TrimPrefix(logical, "local-") {
	case "timestamp-millis":
		if k == avsc.Long {
			return instant.UnixMilli()
		}
	case "timestamp-micros":
		if k == avsc.Long {
			return instant.UnixMicro()
		}
	case "timestamp-nanos":
		if k == avsc.Long {
			return instant.UnixNano()
		}
	case "date":
		return instant.Unix() / (24 * 60 * 60)
	case "time-millis":
		return (12 * time.Hour).Milliseconds()
	case "time-micros":
		if k == avsc.Long {
			return (12 * time.Hour).Microseconds()
		}
	}
	return 20_000
}

func showNumber(logical string, n int64) string {
	const wall = "2006-01-02T15:04:05.999999999"
	show := func(t time.Time, local string) string {
		if strings.HasPrefix(logical, "local-") {
			return t.UTC().Format(local)
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	switch strings.TrimPrefix(logical, "local-") {
	case "timestamp-millis":
		return show(time.UnixMilli(n), wall)
	case "timestamp-micros":
		return show(time.UnixMicro(n), wall)
	case "timestamp-nanos":
		return show(time.Unix(0, n), wall)
	case "date":
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(n)).Format(time.DateOnly)
	case "time-millis", "time-micros":
		unit := time.Millisecond
		if logical == "time-micros" {
			unit = time.Microsecond
		}
		if n < 0 || n >= int64(24*time.Hour/unit) {
			return "no time of day"
		}
		return time.Unix(0, 0).UTC().Add(time.Duration(n) * unit).Format("15:04:05.999999")
	}
	return strconv.FormatInt(n, 10)
}

func showBytes(l avsc.Logical, text []byte) string {
	if l.Name != "decimal" {
		return fmt.Sprintf("the bytes %x", text)
	}
	digits := new(big.Int).SetBytes(text).String()
	if len(digits) > l.Precision {
		return "a number of too many digits"
	}
	if l.Scale == 0 {
		return digits
	}
	if l.Scale > 64 {
		return digits + "e-" + strconv.Itoa(l.Scale)
	}
	if len(digits) <= l.Scale {
		digits = strings.Repeat("0", l.Scale+1-len(digits)) + digits
	}
	return digits[:len(digits)-l.Scale] + "." + digits[len(digits)-l.Scale:]
}

func bytesJSON(text []byte) string {
	var b strings.Builder
	for _, c := range text {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return `"` + b.String() + `"`
}
