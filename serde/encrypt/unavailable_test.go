package encrypt

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"testing"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/avroline/avroline/serde"
)

type httpStatus int

func (s httpStatus) Error() string       { return fmt.Sprintf("status %d", int(s)) }
func (s httpStatus) HTTPStatusCode() int { return int(s) }

type failingKMS struct {
	KMS
	err error
}

func (k failingKMS) GetAEAD(string) (tink.AEAD, error) { return nil, k.err }

// TestOutages reads and writes while the registry or the KMS does not answer.
// The error is ErrRegistry, because the record may be good. An answer that
// lasts is not ErrRegistry.
func TestOutages(t *testing.T) {
	t.Parallel()
	local, err := LocalKMS("mysecret")
	if err != nil {
		t.Fatal(err)
	}
	connection := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for name, c := range map[string]struct {
		registry, kms error
		want          bool
	}{
		"registry away":      {registry: connection, want: true},
		"registry denies":    {registry: errors.New("403 forbidden"), want: true},
		"no key":             {registry: statusError("not found")},
		"KMS away":           {kms: &url.Error{Op: "Post", URL: "https://kms", Err: connection}, want: true},
		"KMS fails":          {kms: httpStatus(503), want: true},
		"KMS has no time":    {kms: httpStatus(429), want: true},
		"KMS denies":         {kms: httpStatus(403)},
		"KMS knows no key":   {kms: errors.New("key not found")},
		"no KMS for the key": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newFake(ruleSetOf("ENCRYPT", nil))
			data, err := write(t.Context(), reg, newKeys(t, reg))
			if err != nil {
				t.Fatal(err)
			}
			var opts []Option
			if c.registry != nil || c.kms != nil {
				opts = append(opts, WithKMS(failingKMS{local, c.kms}))
			}
			k, err := NewKeys(reg, opts...)
			if err != nil {
				t.Fatal(err)
			}
			reg.fail = c.registry
			for what, f := range map[string]func() error{
				"write": func() error { _, err := write(t.Context(), reg, k); return err },
				"read":  func() error { _, err := read(t.Context(), reg, data, rules(k)); return err },
			} {
				if err := f(); !errors.As(err, new(*serde.RuleError)) || errors.Is(err, serde.ErrRegistry) != c.want {
					t.Errorf("%s: registry failure: %v, want %v: %v", what, !c.want, c.want, err)
				}
			}
		})
	}
}
