package serde

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/unscaled"
	"github.com/avroline/avroline/serde/avrobin"
)

// AppendPlainJSON reads the Avro encoding of one value and appends the value to
// dst in JSON as people write it, on one line. It differs from
// [Generic.AppendJSON] in these points:
//
//   - A union has no {"branch": value} around it, if
//     [Generic.AppendFromPlainJSON] finds the branch without the name.
//     Otherwise the branch is named.
//   - A decimal is text: "12.50". A date is "2026-11-26". A time is
//     "10:00:00.5". A timestamp is "2026-11-26T10:00:00Z", and a local
//     timestamp has no Z. A uuid on a fixed is text. A duration is
//     "P1M2DT3.004S". A number without such a form stays a number. An example
//     is a date after the year 9999.
//   - Other bytes and fixed are base64.
//   - A float has as few digits as tell it apart from other floats.
//
// If a union's value could be read as two branches even with a name, the error
// has the path. After an error the result is dst without changes.
func (g *Generic) AppendPlainJSON(dst, data []byte) ([]byte, error) {
	return g.appendPlainJSONOf(context.Background(), dst, data)
}

func (g *Generic) appendPlainJSONOf(ctx context.Context, dst, data []byte) ([]byte, error) {
	v, err := g.goavroValue(ctx, g.check, data)
	if err != nil {
		return dst, err
	}
	out, err := g.appendPlain(dst, g.schema, v)
	if err != nil {
		return dst, fmt.Errorf("serde: JSON: %w", err)
	}
	return out, nil
}

// AppendFromPlainJSON reads a value in the form of [Generic.AppendPlainJSON]
// and appends the Avro encoding to dst. Numbers are allowed for dates, times,
// timestamps and decimals too. If a union's value fits several branches, the
// error names the branches, with the path, the line and the column. A missing
// field gets the schema's default. A member that is not a field is an error.
// After an error the result is dst without changes.
func (g *Generic) AppendFromPlainJSON(dst, json []byte) ([]byte, error) {
	text, err := avsc.ReadData(json)
	if err != nil {
		return dst, fmt.Errorf("serde: JSON: %w", err)
	}
	native, err := g.plainReader().read(g.schema, text)
	if err != nil {
		return dst, fmt.Errorf("serde: JSON: %w", err)
	}
	out, err := g.codec.BinaryFromNative(dst, native)
	if err != nil {
		return dst, fmt.Errorf("serde: %w", err)
	}
	return out, nil
}

// plainReader reads plain JSON. A value may be tried for several branches at
// each level, so the reader remembers the result for each value and schema.
type plainReader struct {
	g    *Generic
	done map[plainTry]plainResult
}

type plainTry struct {
	s *avsc.Schema
	v *avsc.Value
}

type plainResult struct {
	value any
	err   error
}

func (g *Generic) plainReader() *plainReader {
	return &plainReader{g, map[plainTry]plainResult{}}
}

// read returns goavro's value of a JSON value.
func (r *plainReader) read(s *avsc.Schema, v *avsc.Value) (any, error) {
	switch s.Kind {
	case avsc.Array:
		if v.Kind != avsc.JSONArray {
			break
		}
		return r.memoize(s, v, func() (any, error) {
			out := make([]any, len(v.Elems))
			for i, e := range v.Elems {
				var err error
				if out[i], err = r.read(s.Elem, e); err != nil {
					return nil, inside(err, fmt.Sprintf("[%d]", i))
				}
			}
			return out, nil
		})
	case avsc.Map:
		if v.Kind != avsc.JSONObject {
			break
		}
		return r.memoize(s, v, func() (any, error) {
			out := make(map[string]any, len(v.Members))
			for _, m := range v.Members {
				var err error
				if out[m.Key], err = r.read(s.Elem, m.Value); err != nil {
					return nil, inside(err, fmt.Sprintf("[%q]", m.Key))
				}
			}
			return out, nil
		})
	case avsc.Record:
		if v.Kind != avsc.JSONObject {
			break
		}
		return r.memoize(s, v, func() (any, error) { return r.record(s, v) })
	case avsc.Union:
		return r.memoize(s, v, func() (any, error) { return r.union(s, v) })
	case avsc.Bytes, avsc.Fixed:
		return r.bytes(s, v)
	default:
		if v.Kind == avsc.JSONString {
			if n, ok, err := numberFromText(s, v.Str); ok {
				if err != nil {
					return nil, mistake(v, err.Error(), "")
				}
				if s.Kind == avsc.Int {
					return int32(n), nil
				}
				return n, nil
			}
		}
	}
	return r.g.fromJSON(s, v, tagged)
}

func (r *plainReader) memoize(s *avsc.Schema, v *avsc.Value, read func() (any, error)) (any, error) {
	key := plainTry{s, v}
	got, ok := r.done[key]
	if !ok {
		got.value, got.err = read()
		r.done[key] = got
	}
	return got.value, got.err
}

func (r *plainReader) record(s *avsc.Schema, v *avsc.Value) (any, error) {
	out := make(map[string]any, len(s.Fields))
	given := 0
	for _, f := range s.Fields {
		var err error
		switch value := v.Member(f.Name); {
		case value != nil:
			given++
			out[r.g.goavroName(f.Name)], err = r.read(f.Type, value)
		case f.Default != nil:
			out[r.g.goavroName(f.Name)], err = r.g.fromJSON(f.Type, f.Default, untagged)
		default:
			return nil, mistake(v, fmt.Sprintf("field %s of %s is not there", f.Name, s.Name), "it has no default: give it a value")
		}
		if err != nil {
			return nil, inside(err, "."+f.Name)
		}
	}
	if given < len(v.Members) {
		for _, m := range v.Members {
			if !r.g.isField(out, m.Key) {
				return nil, &avsc.Error{Pos: m.KeyPos, What: fmt.Sprintf("%s has no field %q", s.Name, m.Key)}
			}
		}
	}
	return out, nil
}

// union finds the only branch that takes v, with or without the branch's name.
func (r *plainReader) union(s *avsc.Schema, v *avsc.Value) (any, error) {
	var fits []string
	var native any
	var tried []*avsc.Schema
	var last error
	for _, b := range s.Branches {
		value, err := r.read(b, v)
		if err == nil {
			fits = append(fits, b.TypeName())
			native = r.branch(b, value)
			continue
		}
		if sameShape(b, v) {
			tried, last = append(tried, b), err
		}
	}
	if v.Kind == avsc.JSONObject && len(v.Members) == 1 {
		for _, b := range s.Branches {
			if m := v.Members[0]; b.TypeName() == m.Key && b.Kind != avsc.Null {
				value, err := r.read(b, m.Value)
				if err == nil {
					fits = append(fits, fmt.Sprintf("{%q: …}", m.Key))
					native = r.branch(b, value)
					continue
				}
				tried, last = []*avsc.Schema{b}, err
			}
		}
	}
	switch {
	case len(fits) == 1:
		return native, nil
	case len(fits) > 1:
		fix := "name the branch"
		if len(fits) == 2 || fits[0][0] != '{' {
			fix = fmt.Sprintf("name the branch, such as {%q: %s}", fits[0], shortJSON(v))
		}
		return nil, mistake(v, "the union's branch is not clear: the value fits "+strings.Join(fits, " and "), fix)
	case len(tried) == 1:
		return nil, last // the cause inside the only branch that is meant
	}
	return nil, mistake(v, "no branch of the union of "+strings.Join(branchNames(s), ", "), "")
}

func (r *plainReader) branch(b *avsc.Schema, value any) any {
	if b.Kind == avsc.Null {
		return nil
	}
	return map[string]any{r.g.branch(b): value}
}

func shortJSON(v *avsc.Value) string {
	if text := string(v.AppendCompact(nil)); len(text) <= 40 {
		return text
	}
	return "…"
}

// sameShape reports whether v is of the JSON type of b's values.
func sameShape(b *avsc.Schema, v *avsc.Value) bool {
	for _, c := range plainClasses(b) {
		if c == classOf(v) {
			return true
		}
	}
	return false
}

// plainClass is a JSON type.
type plainClass uint8

const (
	plainNull plainClass = iota
	plainBool
	plainNumber
	plainString
	plainArray
	plainObject
)

func classOf(v *avsc.Value) plainClass {
	switch v.Kind {
	case avsc.JSONNull:
		return plainNull
	case avsc.JSONBool:
		return plainBool
	case avsc.JSONNumber:
		return plainNumber
	case avsc.JSONString:
		return plainString
	case avsc.JSONArray:
		return plainArray
	default:
		return plainObject
	}
}

// plainClasses returns the JSON types that read accepts for s.
func plainClasses(s *avsc.Schema) []plainClass {
	switch s.Kind {
	case avsc.Null:
		return []plainClass{plainNull}
	case avsc.Boolean:
		return []plainClass{plainBool}
	case avsc.Int, avsc.Long:
		if s.Logical.Name != "" {
			return []plainClass{plainNumber, plainString}
		}
		return []plainClass{plainNumber}
	case avsc.Float, avsc.Double:
		return []plainClass{plainNumber, plainString}
	case avsc.Bytes, avsc.Fixed:
		if s.Logical.Name == "decimal" {
			return []plainClass{plainNumber, plainString}
		}
		return []plainClass{plainString}
	case avsc.String, avsc.Enum:
		return []plainClass{plainString}
	case avsc.Array:
		return []plainClass{plainArray}
	case avsc.Map, avsc.Record:
		return []plainClass{plainObject}
	default:
		return nil
	}
}

func (r *plainReader) bytes(s *avsc.Schema, v *avsc.Value) (any, error) {
	if s.Logical.Name == "decimal" && (v.Kind == avsc.JSONString || v.Kind == avsc.JSONNumber) {
		text := v.Str
		if v.Kind == avsc.JSONNumber {
			text = v.Text
		}
		return decimalFromText(s, v, text)
	}
	if v.Kind != avsc.JSONString {
		return nil, mistake(v, fmt.Sprintf("%s where the schema has %s", v.Kind, s.TypeName()), "")
	}
	if s.Kind == avsc.Fixed {
		switch s.Logical.Name {
		case "uuid":
			if u, err := uuid.Parse(v.Str); err == nil && len(v.Str) == 36 {
				return u[:], nil
			}
			return nil, mistake(v, fmt.Sprintf("%q is no uuid", v.Str), "")
		case "duration":
			d, ok := durationFromText(v.Str)
			if !ok {
				return nil, mistake(v, fmt.Sprintf("%q is no duration", v.Str), `write "P1M2DT3.004S"`)
			}
			return avrobin.AppendDuration(nil, d), nil
		}
	}
	out, err := base64.StdEncoding.Strict().DecodeString(v.Str)
	if err != nil {
		return nil, mistake(v, fmt.Sprintf("%q is no base64", v.Str), "")
	}
	if s.Kind == avsc.Fixed && len(out) != s.Size {
		return nil, mistake(v, fmt.Sprintf("%d bytes for %s", len(out), s.Name), fmt.Sprintf("it has %d", s.Size))
	}
	if isEmptyFixed(s) {
		return map[string]any{}, nil
	}
	return out, nil
}

// longestDecimal is the largest number of characters of a decimal in JSON.
const longestDecimal = 1 << 16

func decimalFromText(s *avsc.Schema, v *avsc.Value, text string) (any, error) {
	no := func(why string) (any, error) {
		return nil, mistake(v, fmt.Sprintf("%.60q is no decimal of precision %d and scale %d: %s", text, s.Logical.Precision, s.Logical.Scale, why), "")
	}
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, point := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole, "+-")
	if len(text) > longestDecimal || len(whole)-len(digits) > 1 || digits == "" || point && fraction == "" ||
		strings.Trim(digits, "0123456789") != "" || strings.Trim(fraction, "0123456789") != "" {
		return no("it is no number")
	}
	shift := int64(s.Logical.Scale) - int64(len(fraction)) // an int may have 32 bits
	if scientific {
		n, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil {
			return no("its exponent is out of range")
		}
		shift += n
	}
	n, _ := new(big.Int).SetString(whole+fraction, 10)
	if n.Sign() != 0 && (shift > longestDecimal || shift < -longestDecimal) {
		return no("its exponent is out of range")
	}
	if n.Sign() != 0 && shift > 0 {
		if shift > int64(s.Logical.Precision) {
			return no("it has too many digits")
		}
		n.Mul(n, unscaled.Power10(int(shift)))
	} else if n.Sign() != 0 && shift < 0 {
		rest := new(big.Int)
		if n.QuoRem(n, unscaled.Power10(int(-shift)), rest); rest.Sign() != 0 {
			return no("it would be rounded")
		}
	}
	if len(new(big.Int).Abs(n).String()) > s.Logical.Precision {
		return no("it has too many digits")
	}
	size := unscaled.Size(n)
	if s.Kind == avsc.Fixed {
		if size > s.Size {
			return no("it does not fit the fixed")
		}
		size = s.Size
	}
	return unscaled.Append(nil, n, size), nil
}

// The layouts of dates and times.
const (
	plainDate  = "2006-01-02"
	plainTime  = "15:04:05.999999999"
	plainLocal = "2006-01-02T15:04:05.999999999"
)

// unitOf returns the unit of a logical type on an int or long.
func unitOf(logical string) time.Duration {
	switch {
	case strings.HasSuffix(logical, "-millis"):
		return time.Millisecond
	case strings.HasSuffix(logical, "-micros"):
		return time.Microsecond
	}
	return time.Nanosecond
}

// numberFromText returns the number of a date, a time or a timestamp. The
// result ok is false for types without such a text.
func numberFromText(s *avsc.Schema, text string) (n int64, ok bool, err error) {
	if s.Kind != avsc.Int && s.Kind != avsc.Long {
		return 0, false, nil
	}
	unit := unitOf(s.Logical.Name)
	var t time.Time
	switch s.Logical.Name {
	case "":
		return 0, false, nil
	case "date":
		t, err = time.Parse(plainDate, text)
		return t.Unix() / 86400, true, wrongTime(err, "date", text)
	case "time-millis", "time-micros":
		if t, err = time.Parse(plainTime, text); err == nil {
			n := t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))
			return int64(n / unit), true, requireExact(int64(n%unit), text, unit)
		}
		return 0, true, wrongTime(err, "time", text)
	case "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos":
		if t, err = time.Parse(plainLocal, text); err != nil {
			return 0, true, wrongTime(err, "local timestamp, such as 2006-01-02T15:04:05", text)
		}
	default:
		if t, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return 0, true, wrongTime(err, "timestamp, such as 2006-01-02T15:04:05Z", text)
		}
	}
	if err := requireExact(int64(t.Nanosecond())%int64(unit), text, unit); err != nil {
		return 0, true, err
	}
	switch unit {
	case time.Millisecond:
		return t.UnixMilli(), true, nil
	case time.Microsecond:
		return t.UnixMicro(), true, nil
	}
	if n := t.UnixNano(); time.Unix(0, n).Equal(t) {
		return n, true, nil
	}
	return 0, true, fmt.Errorf("%q is out of range for nanoseconds", text)
}

func wrongTime(err error, what, text string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%q is no %s", text, what)
}

func requireExact(rest int64, text string, unit time.Duration) error {
	if rest == 0 {
		return nil
	}
	return fmt.Errorf("%q is finer than the unit of %s", text, unit)
}

// textOfNumber returns the text of a date, a time or a timestamp. The text is
// "" for other types, and for numbers without text.
func textOfNumber(s *avsc.Schema, n int64) string {
	unit := unitOf(s.Logical.Name)
	var t time.Time
	switch s.Logical.Name {
	case "":
		return ""
	case "date":
		t = time.Unix(n*86400, 0).UTC()
		if t.Year() < 0 || t.Year() > 9999 {
			return ""
		}
		return t.Format(plainDate)
	case "time-millis", "time-micros":
		if n < 0 || n >= int64(24*time.Hour/unit) {
			return ""
		}
		return time.Unix(0, n*int64(unit)).UTC().Format(plainTime)
	}
	switch unit {
	case time.Millisecond:
		t = time.UnixMilli(n).UTC()
	case time.Microsecond:
		t = time.UnixMicro(n).UTC()
	default:
		t = time.Unix(0, n).UTC()
	}
	if t.Year() < 0 || t.Year() > 9999 {
		return ""
	}
	if strings.HasPrefix(s.Logical.Name, "local-") {
		return t.Format(plainLocal)
	}
	return t.Format(time.RFC3339Nano)
}

// durationFromText reads "P1M2DT3.004S". All three parts are there.
func durationFromText(text string) (d avrobin.Duration, ok bool) {
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return d, false
	}
	months, rest, ok1 := strings.Cut(rest, "M")
	days, rest, ok2 := strings.Cut(rest, "DT")
	seconds, end, ok3 := strings.Cut(rest, "S")
	whole, fraction, point := strings.Cut(seconds, ".")
	if !ok1 || !ok2 || !ok3 || end != "" || len(fraction) > 3 || point && fraction == "" {
		return d, false
	}
	parse := func(text string) uint64 {
		n, err := strconv.ParseUint(text, 10, 32)
		ok = ok && err == nil
		return n
	}
	ok = true
	millis := parse(whole)*1000 + parse((fraction + "000")[:3])
	d = avrobin.Duration{Months: uint32(parse(months)), Days: uint32(parse(days)), Millis: uint32(millis)}
	return d, ok && uint64(d.Millis) == millis
}

func appendDuration(dst, b []byte) []byte {
	millis := binary.LittleEndian.Uint32(b[8:])
	dst = fmt.Appendf(dst, `"P%dM%dDT%d`, binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), millis/1000)
	if millis %= 1000; millis > 0 {
		dst = append(dst, strings.TrimRight(fmt.Sprintf(".%03d", millis), "0")...)
	}
	return append(dst, `S"`...)
}

// longestFraction is the largest scale of a decimal that is written without an
// exponent. The zeros of a larger scale could take gigabytes.
const longestFraction = 64

func appendDecimal(dst, b []byte, scale int) []byte {
	n := unscaled.Read(b)
	digits := new(big.Int).Abs(n).String()
	dst = append(dst, '"')
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	if scale > longestFraction {
		dst = append(append(dst, digits...), "e-"...)
		return append(strconv.AppendInt(dst, int64(scale), 10), '"')
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
	}
	return append(dst, '"')
}

// appendPlain appends goavro's value v of the schema s.
func (g *Generic) appendPlain(dst []byte, s *avsc.Schema, v any) ([]byte, error) {
	switch v := v.(type) {
	case int32:
		return appendPlainNumber(dst, s, int64(v)), nil
	case int64:
		return appendPlainNumber(dst, s, v), nil
	case float32:
		if f := float64(v); f-f == 0 { // finite
			return appendFinite(dst, f, 32), nil
		}
	case []byte:
		return appendPlainBytes(dst, s, v), nil
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			var err error
			if dst, err = g.appendPlain(appendComma(dst, i), s.Elem, e); err != nil {
				return dst, inside(err, fmt.Sprintf("[%d]", i))
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		return g.appendPlainObject(dst, s, v)
	}
	return g.appendJSON(dst, s, v), nil
}

func appendPlainNumber(dst []byte, s *avsc.Schema, n int64) []byte {
	if text := textOfNumber(s, n); text != "" {
		return append(append(append(dst, '"'), text...), '"')
	}
	return strconv.AppendInt(dst, n, 10)
}

func appendPlainBytes(dst []byte, s *avsc.Schema, b []byte) []byte {
	switch s.Logical.Name {
	case "decimal":
		return appendDecimal(dst, b, s.Logical.Scale)
	case "uuid":
		u, _ := uuid.FromBytes(b)
		return append(append(append(dst, '"'), u.String()...), '"')
	case "duration":
		return appendDuration(dst, b)
	}
	dst = append(dst, '"')
	return append(base64.StdEncoding.AppendEncode(dst, b), '"')
}

func (g *Generic) appendPlainObject(dst []byte, s *avsc.Schema, v map[string]any) ([]byte, error) {
	var err error
	switch s.Kind {
	case avsc.Record:
		dst = append(dst, '{')
		for i, f := range s.Fields {
			dst = append(appendString(appendComma(dst, i), f.Name), ':')
			if dst, err = g.appendPlain(dst, f.Type, v[g.goavroName(f.Name)]); err != nil {
				return dst, inside(err, "."+f.Name)
			}
		}
	case avsc.Map:
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			dst = append(appendString(appendComma(dst, i), key), ':')
			if dst, err = g.appendPlain(dst, s.Elem, v[key]); err != nil {
				return dst, inside(err, fmt.Sprintf("[%q]", key))
			}
		}
	case avsc.Union:
		return g.appendPlainUnion(dst, s, v)
	default: // a fixed of size 0
		return append(dst, `""`...), nil
	}
	return append(dst, '}'), nil
}

// appendPlainUnion appends a value of a union. The branch is named only if the
// value fits another branch too.
func (g *Generic) appendPlainUnion(dst []byte, s *avsc.Schema, v map[string]any) ([]byte, error) {
	b, value := g.branchOf(s, v)
	start := len(dst)
	dst, err := g.appendPlain(dst, b, value)
	if err != nil {
		return dst, err
	}
	if g.plainIsClear(s, b, dst[start:]) {
		return dst, nil
	}
	text := slices.Clone(dst[start:])
	dst = append(appendString(append(dst[:start], '{'), b.TypeName()), ':')
	dst = append(append(dst, text...), '}')
	if g.plainBranch(s, dst[start:]) != b {
		return dst, &avsc.Error{What: fmt.Sprintf("the value of branch %s is not clear in plain JSON, even with the branch's name", b.TypeName()), Fix: "use Avro's JSON"}
	}
	return dst, nil
}

// plainIsClear reports whether text is read as branch b of s without a name.
func (g *Generic) plainIsClear(s, b *avsc.Schema, text []byte) bool {
	named := text[0] == '{' // it may look like a named branch
	for _, other := range s.Branches {
		if other != b && slices.ContainsFunc(plainClasses(other), func(c plainClass) bool { return slices.Contains(plainClasses(b), c) }) {
			named = true
		}
	}
	return !named || g.plainBranch(s, text) == b
}

// plainBranch returns the branch as which a reader takes text, or nil.
func (g *Generic) plainBranch(s *avsc.Schema, text []byte) *avsc.Schema {
	v, err := avsc.ReadData(text)
	if err != nil {
		return nil
	}
	native, err := g.plainReader().read(s, v)
	m, ok := native.(map[string]any)
	if err != nil || !ok {
		return nil
	}
	b, _ := g.branchOf(s, m)
	return b
}
