package gencheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// toJSON turns a generated value into the Avro JSON encoding. It uses
// reflection and the schema, and is independent of the generated code.
func toJSON(s *avsc.Schema, v avrobin.Decoder) (any, error) {
	rv := reflect.ValueOf(v).Elem()
	if isBare(s, v) {
		rv = rv.FieldByName("Value")
	}
	return anyOf(s, rv)
}

// isBare reports whether v is a struct with one field that is encoded alone.
func isBare(s *avsc.Schema, v avrobin.Decoder) bool {
	return s.Kind != avsc.Record && reflect.TypeOf(v).Elem().Kind() == reflect.Struct
}

func anyOf(s *avsc.Schema, v reflect.Value) (any, error) {
	if s.Kind == avsc.Union {
		return anyOfUnion(s, v)
	}
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case avrobin.Null:
		return nil, nil
	case time.Time:
		switch strings.TrimPrefix(s.Logical.Name, "local-") {
		case "timestamp-millis":
			return x.UnixMilli(), nil
		case "timestamp-micros":
			return x.UnixMicro(), nil
		case "timestamp-nanos":
			return x.UnixNano(), nil
		}
		return nil, fmt.Errorf("a time for %s", s.Logical.Name)
	case time.Duration:
		if s.Logical.Name == "time-millis" {
			return x.Milliseconds(), nil
		}
		return x.Microseconds(), nil
	case uuid.UUID:
		if s.Kind == avsc.String {
			return x.String(), nil
		}
		return latin1(x[:]), nil
	case avrobin.Duration:
		return latin1(avrobin.AppendDuration(nil, x)), nil
	case decimal.Decimal:
		return decimalText(s, x)
	case fmt.Stringer:
		if s.Kind == avsc.Enum {
			return x.String(), nil
		}
	}
	switch s.Kind {
	case avsc.Record:
		out := map[string]any{}
		for i, f := range s.Fields {
			if tag := v.Type().Field(i).Tag.Get("avro"); tag != f.Name {
				return nil, fmt.Errorf("field %d of %s is %q", i, v.Type(), tag)
			}
			x, err := anyOf(f.Type, v.Field(i))
			if err != nil {
				return nil, err
			}
			out[f.Name] = x
		}
		return out, nil
	case avsc.Array:
		out := []any{}
		for i := range v.Len() {
			x, err := anyOf(s.Elem, v.Index(i))
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case avsc.Map:
		out := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			x, err := anyOf(s.Elem, it.Value())
			if err != nil {
				return nil, err
			}
			out[it.Key().String()] = x
		}
		return out, nil
	case avsc.Bytes:
		return latin1(v.Bytes()), nil
	case avsc.Fixed:
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return latin1(b), nil
	}
	if v.CanInt() {
		return v.Int(), nil
	}
	return v.Interface(), nil
}

func anyOfUnion(s *avsc.Schema, v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
	}
	if v.Kind() != reflect.Interface {
		for _, b := range s.Branches {
			if b.Kind != avsc.Null {
				x, err := anyOf(b, v)
				return map[string]any{b.TypeName(): x}, err
			}
		}
	}
	v = v.Elem()
	if m, ok := v.Interface().(avrobin.Record); ok {
		for _, b := range s.Branches {
			if b.Name == m.AvroName() {
				x, err := anyOf(b, v)
				return map[string]any{b.Name: x}, err
			}
		}
		return nil, fmt.Errorf("%T is no branch", m)
	}
	// The name of a wrapper type ends in the branch's name.
	var found *avsc.Schema
	best := 0
	for _, b := range s.Branches {
		for _, name := range []string{b.ShortName(), b.Logical.Name, b.Kind.String()} {
			name = strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
			if len(name) > best && strings.HasSuffix(strings.ToLower(v.Type().Name()), name) {
				found, best = b, len(name)
			}
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s is no branch", v.Type())
	}
	x, err := anyOf(found, v.FieldByName("Value"))
	return map[string]any{found.TypeName(): x}, err
}

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func decimalText(s *avsc.Schema, d decimal.Decimal) (any, error) {
	if int(d.Exponent()) != -s.Logical.Scale {
		return nil, fmt.Errorf("exponent %d", d.Exponent())
	}
	v := d.Coefficient()
	size := s.Size
	if s.Kind == avsc.Bytes {
		for size = 1; ; size++ {
			most := new(big.Int).Lsh(big.NewInt(1), uint(8*size-1))
			if v.Cmp(most) < 0 && v.Cmp(new(big.Int).Neg(most)) >= 0 {
				break
			}
		}
	}
	if v.Sign() < 0 {
		v.Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return latin1(v.FillBytes(make([]byte, size))), nil
}

// sameJSON compares JSON by value and treats numbers as numbers.
func sameJSON(got any, want json.RawMessage) error {
	text, err := json.Marshal(got)
	if err != nil {
		return err
	}
	a, err := parseJSON(text)
	if err != nil {
		return err
	}
	b, err := parseJSON(want)
	if err != nil {
		return err
	}
	if !sameValue(a, b) {
		return fmt.Errorf("%s, want %s", text, want)
	}
	return nil
}

func parseJSON(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func sameValue(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		if a == b {
			return true
		}
		if _, err := strconv.ParseInt(string(a), 10, 64); err == nil {
			if _, err := strconv.ParseInt(string(b), 10, 64); err == nil {
				return false
			}
		}
		x, err := a.Float64()
		y, err2 := b.Float64()
		return err == nil && err2 == nil && (x == y || float32(x) == float32(y))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameValue(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if y, ok := b[k]; !ok || !sameValue(a[k], y) {
				return false
			}
		}
		return true
	}
	return a == b
}

// sameBytes compares two encodings. If the bytes differ, for example by the
// order of a map's keys, sameBytes compares the values of a generic decoder.
func sameBytes(s *avsc.Schema, got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	if !hasMap(s, map[*avsc.Schema]bool{}) {
		return fmt.Errorf("%x, want %x", got, want)
	}
	g, err := serde.NewGeneric(s.Text())
	if err != nil {
		return err
	}
	a, err := g.AppendJSON(nil, got)
	if err != nil {
		return err
	}
	b, err := g.AppendJSON(nil, want)
	if err != nil {
		return err
	}
	var x any
	if err := json.Unmarshal(a, &x); err != nil {
		return err
	}
	if err := sameJSON(json.RawMessage(a), b); err != nil {
		return errors.Join(fmt.Errorf("%x, want %x", got, want), err)
	}
	return nil
}

func hasMap(s *avsc.Schema, seen map[*avsc.Schema]bool) bool {
	if seen[s] {
		return false
	}
	seen[s] = true
	if s.Kind == avsc.Map || s.Elem != nil && hasMap(s.Elem, seen) {
		return true
	}
	for _, f := range s.Fields {
		if hasMap(f.Type, seen) {
			return true
		}
	}
	for _, b := range s.Branches {
		if hasMap(b, seen) {
			return true
		}
	}
	return false
}
