package avrobin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// These are the text and JSON forms of generated types. People can read the
// forms, and a program can read them back to an equal value. The forms are not
// the Avro JSON encoding.

// EnumString returns the symbol of v, or "Type(7)" if v has no symbol.
func EnumString[E ~int32](typeName string, v E, symbols []string) string {
	if uint(v) < uint(len(symbols)) {
		return symbols[v]
	}
	return typeName + "(" + strconv.Itoa(int(v)) + ")"
}

// MarshalEnum returns the symbol of v. If v has no symbol, the error is
// [ErrRange].
func MarshalEnum[E ~int32](typeName string, v E, symbols []string) ([]byte, error) {
	if uint(v) < uint(len(symbols)) {
		return []byte(symbols[v]), nil
	}
	return nil, fmt.Errorf("avro: %w: %s has no symbol for %d", ErrRange, typeName, int32(v))
}

// UnmarshalEnum sets v to the index of the symbol text.
func UnmarshalEnum[E ~int32](typeName string, v *E, text []byte, symbols []string) error {
	i := slices.Index(symbols, string(text))
	if i < 0 {
		return fmt.Errorf("avro: %w: %s has no symbol %s", ErrRange, typeName, quote(string(text)))
	}
	*v = E(i)
	return nil
}

// MarshalFixed returns v in base64.
func MarshalFixed(v []byte) ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, v), nil
}

// UnmarshalFixed fills v from base64. The decoded size must be the size of v.
func UnmarshalFixed(v, text []byte) error {
	decoded, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("avro: fixed: %w", err)
	}
	if len(decoded) != len(v) {
		return fmt.Errorf("avro: %w: a fixed of size %d from bytes of length %d", ErrRange, len(v), len(decoded))
	}
	copy(v, decoded)
	return nil
}

// MarshalBranch writes a union's value as {"branch": value}.
func MarshalBranch(branch string, value any) ([]byte, error) {
	return json.Marshal(map[string]any{branch: value})
}

// UnmarshalBranch reads the output of [MarshalBranch]. For null the branch is
// "".
func UnmarshalBranch(data []byte) (branch string, value json.RawMessage, err error) {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return "", nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return "", nil, fmt.Errorf("avro: a union is null or an object named after its branch: %w", err)
	}
	for branch, value := range object {
		if len(object) == 1 {
			return branch, value, nil
		}
	}
	return "", nil, fmt.Errorf("avro: %w: a union is an object of one member, this has %d", ErrBranch, len(object))
}

// UnknownBranch returns the error for a branch name that the union does not
// have.
func UnknownBranch(branch string) error {
	return fmt.Errorf("avro: %w: %s is none", ErrBranch, quote(branch))
}
