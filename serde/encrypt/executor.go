package encrypt

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde"
)

// executor runs the rules of one type. It implements [serde.RuleExecutor].
type executor struct {
	keys *Keys
	typ  string
}

func (e executor) Type() string { return e.typ }

// Bind sends no request. The keys are looked up when a record needs them. So if
// a look-up fails, the rule's action for a failure applies to each record.
func (e executor) Bind(_ context.Context, r serde.BoundRule) (serde.RuleFunc, error) {
	p, err := newKeyParams(&r)
	if err != nil {
		return nil, err
	}
	c := &cipher{keys: e.keys, params: p}
	if e.typ == "ENCRYPT_PAYLOAD" {
		if !r.Encoding {
			return nil, errors.New("ENCRYPT_PAYLOAD must be an encoding rule")
		}
		return c.bytes, nil
	}
	if r.Encoding {
		return nil, errors.New("ENCRYPT must be a domain rule")
	}
	schema, err := avsc.ParseStored("schema", []byte(r.Schema))
	if err != nil {
		return nil, err
	}
	tagged := func(field string) bool {
		return len(r.Rule.Tags) == 0 || slices.ContainsFunc(r.Tags[field], func(tag string) bool { return slices.Contains(r.Rule.Tags, tag) })
	}
	program := compile(schema, tagged)
	if program == nil {
		return func(_ context.Context, data []byte) ([]byte, error) { return data, nil }, nil
	}
	return func(ctx context.Context, data []byte) ([]byte, error) {
		return rewrite(ctx, program, data, c)
	}, nil
}

// newKeyParams reads the parameters of a rule.
func newKeyParams(r *serde.BoundRule) (*keyParams, error) {
	get := func(name string) string {
		v, _ := r.Param(name)
		return v
	}
	p := &keyParams{
		kek: get("encrypt.kek.name"), kmsType: get("encrypt.kms.type"), kmsKeyID: get("encrypt.kms.key.id"),
		algorithm: get("encrypt.dek.algorithm"), subject: r.Subject, reading: r.Reading,
	}
	if p.kek == "" {
		return nil, errors.New("neither the rule nor the metadata has encrypt.kek.name")
	}
	if p.algorithm == "" {
		p.algorithm = "AES256_GCM"
	}
	if _, err := template(p.algorithm); err != nil {
		return nil, err
	}
	if text := get("encrypt.dek.expiry.days"); text != "" {
		days, err := strconv.Atoi(text)
		if err != nil || days < 0 || days > math.MaxInt32 {
			return nil, fmt.Errorf("encrypt.dek.expiry.days is %q: it must be a number of days", text)
		}
		p.expiryDays = days
	}
	if list := get(alternateKeyIDs); list != "" {
		p.alternates = strings.Split(list, ",")
	}
	return p, nil
}

// cipher encrypts or decrypts the values of one rule.
type cipher struct {
	keys   *Keys
	params *keyParams
}

// versionLen is the length of the DEK's version before a ciphertext.
const versionLen = 1 + 4

// bytes encrypts a value before writing, or decrypts a value after reading.
func (c *cipher) bytes(ctx context.Context, value []byte) ([]byte, error) {
	if c.params.reading {
		return c.decrypt(ctx, value)
	}
	version := 1
	if c.params.expiryDays > 0 {
		version = latestVersion
	}
	key, err := c.keys.dek(ctx, c.params, version)
	if err != nil {
		return nil, err
	}
	out, err := key.encrypt(value)
	if err != nil || c.params.expiryDays == 0 {
		return out, err
	}
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(key.version))
	return append(prefix, out...), nil
}

func (c *cipher) decrypt(ctx context.Context, value []byte) ([]byte, error) {
	version := 1
	if c.params.expiryDays > 0 {
		if len(value) < versionLen || value[0] != 0 {
			return nil, errors.New("the ciphertext has no DEK version, which the rule's encrypt.dek.expiry.days asks for")
		}
		n := binary.BigEndian.Uint32(value[1:])
		if n == 0 || n > math.MaxInt32 {
			return nil, fmt.Errorf("the ciphertext has the DEK version %d, which cannot be", n)
		}
		version, value = int(n), value[versionLen:]
	}
	key, err := c.keys.dek(ctx, c.params, version)
	if err != nil {
		return nil, err
	}
	return key.decrypt(value)
}

// text is bytes for a string, with the ciphertext in base64.
func (c *cipher) text(ctx context.Context, value []byte) ([]byte, error) {
	if !c.params.reading {
		out, err := c.bytes(ctx, value)
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.AppendEncode(nil, out), nil
	}
	ciphertext, err := base64.StdEncoding.AppendDecode(nil, value)
	if err != nil {
		return nil, errors.New("the string is not base64, so it was not encrypted")
	}
	return c.bytes(ctx, ciphertext)
}
