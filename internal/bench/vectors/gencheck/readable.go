package gencheck

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde/avrobin"
)

// readsJSON requires encoding/json to write v as the readable form of want. It
// also requires encoding/json to read this form back to the bytes of v.
func readsJSON(s *avsc.Schema, v avrobin.Decoder, fresh func() avrobin.Decoder, want json.RawMessage) error {
	tree, err := parseJSON(want)
	if err != nil {
		return err
	}
	tree, err = readable(s, tree)
	text, failed := json.Marshal(v)
	if errors.Is(err, errYear) && failed != nil {
		return nil
	}
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if isBare(s, v) {
		tree = map[string]any{"value": tree}
	}
	expected, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	if err := sameJSON(json.RawMessage(text), expected); err != nil {
		return err
	}
	data, err := v.AppendAvro(nil)
	if err != nil {
		return err
	}
	back := fresh()
	if err := json.Unmarshal(expected, back); err != nil {
		return fmt.Errorf("%s: %w", expected, err)
	}
	again, err := back.AppendAvro(nil)
	if err != nil {
		return err
	}
	return sameBytes(s, again, data)
}

// errYear means that RFC 3339, and therefore encoding/json, cannot represent a
// time.
var errYear = errors.New("the year has not four digits")

// readable turns a value in the Avro JSON encoding into the form that generated
// types write. Bytes are in base64, and times, decimals and uuids are text. A
// branch has no name if null is the only other branch.
func readable(s *avsc.Schema, v any) (any, error) {
	switch s.Kind {
	case avsc.Union:
		return readableUnion(s, v)
	case avsc.Record:
		out := map[string]any{}
		for _, f := range s.Fields {
			x, err := readable(f.Type, v.(map[string]any)[f.Name])
			if err != nil {
				return nil, err
			}
			out[f.Name] = x
		}
		return out, nil
	case avsc.Array:
		out := []any{}
		for _, elem := range v.([]any) {
			x, err := readable(s.Elem, elem)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case avsc.Map:
		out := map[string]any{}
		for key, elem := range v.(map[string]any) {
			x, err := readable(s.Elem, elem)
			if err != nil {
				return nil, err
			}
			out[key] = x
		}
		return out, nil
	case avsc.Int, avsc.Long:
		n, err := v.(json.Number).Int64()
		if err != nil {
			return nil, err
		}
		return readableNumber(s.Logical.Name, n)
	case avsc.String:
		if s.Logical.Name == "uuid" {
			return strings.ToLower(v.(string)), nil
		}
	case avsc.Bytes, avsc.Fixed:
		return readableBytes(s, ofLatin1(v.(string)))
	}
	return v, nil
}

func readableUnion(s *avsc.Schema, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	null := false
	for _, b := range s.Branches {
		null = null || b.Kind == avsc.Null
	}
	for _, b := range s.Branches {
		x, ok := v.(map[string]any)[b.TypeName()]
		if !ok {
			continue
		}
		x, err := readable(b, x)
		if null && len(s.Branches) == 2 {
			return x, err
		}
		return map[string]any{b.TypeName(): x}, err
	}
	return nil, fmt.Errorf("%v is of no branch", v)
}

func readableNumber(logical string, n int64) (any, error) {
	var t time.Time
	switch logical {
	case "date":
		return avrobin.Date(n).String(), nil
	case "time-millis":
		return n * int64(time.Millisecond), nil
	case "time-micros":
		return n * int64(time.Microsecond), nil
	case "timestamp-millis", "local-timestamp-millis":
		t = time.UnixMilli(n)
	case "timestamp-micros", "local-timestamp-micros":
		t = time.UnixMicro(n)
	case "timestamp-nanos", "local-timestamp-nanos":
		t = time.Unix(0, n)
	default:
		return n, nil
	}
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return nil, errYear
	}
	return t.Format(time.RFC3339Nano), nil
}

func readableBytes(s *avsc.Schema, b []byte) (any, error) {
	switch s.Logical.Name {
	case "decimal":
		v := new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		return decimal.NewFromBigInt(v, -int32(s.Logical.Scale)).String(), nil
	case "uuid":
		id, err := uuid.FromBytes(b)
		return id.String(), err
	case "duration":
		d, _, err := avrobin.ReadDuration(b)
		return d, err
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

func ofLatin1(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}
