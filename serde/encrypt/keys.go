package encrypt

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// Registry contains the methods of a registry client that this package needs.
// *registry.Client is a Registry. An error may have the methods NotFound() bool
// and Conflict() bool anywhere in its chain. NotFound means that the registry
// has no such key. Conflict means that the registry already has another key of
// the same name. If deleted is true, a method also returns deleted keys, which
// readers need.
type Registry interface {
	KEK(ctx context.Context, name string, deleted bool) (contract.KEK, error)
	CreateKEK(ctx context.Context, k contract.KEK) (contract.KEK, error)
	// DEK returns one version of a subject's DEK. It returns the newest version
	// for -1.
	DEK(ctx context.Context, kek, subject string, version int, algorithm string, deleted bool) (contract.DEK, error)
	CreateDEK(ctx context.Context, d contract.DEK) (contract.DEK, error)
}

// Option sets how [NewKeys] finds and stores keys. The zero Option does
// nothing.
type Option struct{ apply func(*Keys) error }

// WithKMS gives key management systems. For each KEK, Keys uses the first KMS
// that supports the type of the KEK. More calls add more systems. Nil is an
// error.
func WithKMS(kms ...KMS) Option {
	return Option{func(k *Keys) error {
		for _, m := range kms {
			if v := reflect.ValueOf(m); m == nil || v.Kind() == reflect.Pointer && v.IsNil() {
				return errors.New("encrypt: WithKMS: the KMS is nil")
			}
		}
		k.kms = append(k.kms, kms...)
		return nil
	}}
}

// DefaultLifetime is the default of [WithLifetime].
const DefaultLifetime = 5 * time.Minute

// WithLifetime sets how long a key is stored. Afterwards the registry and the
// KMS are asked again, so that a revoked right takes effect. The default is
// [DefaultLifetime]. A lifetime that is not positive is an error.
func WithLifetime(d time.Duration) Option {
	return Option{func(k *Keys) error {
		if d <= 0 {
			return fmt.Errorf("encrypt: WithLifetime(%s): the lifetime must be positive", d)
		}
		k.lifetime = d
		return nil
	}}
}

// Keys finds, creates and stores the keys of encryption rules. A Keys is safe
// for concurrent use. It stores at most 1,000 data keys in memory. No text of a
// Keys contains a key.
type Keys struct {
	reg      Registry
	kms      []KMS
	lifetime time.Duration
	now      func() time.Time
	life     context.Context //nolint:containedctx // ends with Close
	end      context.CancelFunc

	mu     sync.Mutex
	closed bool
	deks   map[dekID]*dekEntry
}

// NewKeys returns a Keys that asks reg. NewKeys does no I/O. reg must not be
// nil.
func NewKeys(reg Registry, opts ...Option) (*Keys, error) {
	if v := reflect.ValueOf(reg); reg == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("encrypt: NewKeys: the registry is nil")
	}
	k := &Keys{reg: askedRegistry{reg}, lifetime: DefaultLifetime, now: time.Now, deks: make(map[dekID]*dekEntry)}
	k.life, k.end = context.WithCancel(context.Background())
	for _, o := range opts {
		if o.apply == nil {
			continue
		}
		if err := o.apply(k); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Executors returns the executors of ENCRYPT and ENCRYPT_PAYLOAD rules, for
// [serde.WithRules].
func (k *Keys) Executors() []serde.RuleExecutor {
	return []serde.RuleExecutor{executor{k, "ENCRYPT"}, executor{k, "ENCRYPT_PAYLOAD"}}
}

// Close forgets all keys, and overwrites the key memory that Go allows this
// package to access. A later record that needs a key fails with [ErrClosed].
// Close cancels the requests for keys and does not wait for them.
func (k *Keys) Close() error {
	k.end()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	clear(k.deks)
	return nil
}

// ErrClosed says that the [Keys] were closed.
var ErrClosed = errors.New("encrypt: closed keys")

// Format never prints a key, for any verb.
func (k *Keys) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "encrypt.Keys") }
