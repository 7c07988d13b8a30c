package encrypt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	hkdf "github.com/tink-crypto/tink-go/v2/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// KMS opens the keys of a key management system. The KMS clients of Tink
// implement KMS. A key's URI is "TYPE://ID" with the type and the id of the
// KEK. The key may implement [tink.AEADWithContext]. Otherwise its calls cannot
// be cancelled, but a caller stops waiting when its context ends.
type KMS interface {
	// Supported reports whether the KMS has keys of this URI's type.
	Supported(keyURI string) bool
	// GetAEAD returns the key.
	GetAEAD(keyURI string) (tink.AEAD, error)
}

// localKMSPrefix is the prefix of the URIs of [LocalKMS].
const localKMSPrefix = "local-kms://"

// LocalKMS returns a KMS of type "local-kms" for tests and local runs. Every
// key id refers to the same key, an AES-128-GCM key that HKDF-SHA256 derives
// from secret. Confluent's clients derive the same key from their setting
// "secret" or the environment variable LOCAL_SECRET. An empty secret is an
// error.
func LocalKMS(secret string) (KMS, error) {
	if secret == "" {
		return nil, errors.New("encrypt: LocalKMS: the secret is empty")
	}
	key, err := hkdf.ComputeHKDF("SHA256", []byte(secret), nil, nil, 16)
	if err != nil {
		return nil, fmt.Errorf("encrypt: LocalKMS: %w", err)
	}
	gcm, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt: LocalKMS: %w", err)
	}
	clear(key)
	return localKMS{gcm}, nil
}

type localKMS struct{ key tink.AEAD }

func (localKMS) Supported(keyURI string) bool { return strings.HasPrefix(keyURI, localKMSPrefix) }

func (k localKMS) GetAEAD(keyURI string) (tink.AEAD, error) {
	if !k.Supported(keyURI) {
		return nil, errors.New("this KMS has keys of type local-kms only")
	}
	return k.key, nil
}

// kek opens a key of the KMS. Its text contains no key.
type kek struct {
	kms []KMS
	uri string // "TYPE://ID"
}

func (k kek) wrap(ctx context.Context, dek []byte) ([]byte, error) {
	return k.call(ctx, func(key tink.AEAD) ([]byte, error) {
		if key, ok := key.(tink.AEADWithContext); ok {
			return key.EncryptWithContext(ctx, dek, nil)
		}
		return key.Encrypt(dek, []byte{})
	})
}

func (k kek) unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	return k.call(ctx, func(key tink.AEAD) ([]byte, error) {
		if key, ok := key.(tink.AEADWithContext); ok {
			return key.DecryptWithContext(ctx, wrapped, nil)
		}
		return key.Decrypt(wrapped, []byte{})
	})
}

// call runs f on the key and waits at most until ctx ends.
func (k kek) call(ctx context.Context, f func(tink.AEAD) ([]byte, error)) ([]byte, error) {
	for _, kms := range k.kms {
		if !kms.Supported(k.uri) {
			continue
		}
		type result struct {
			out []byte
			err error
		}
		done := make(chan result, 1)
		go func() {
			r := result{err: errors.New("the client of the KMS has ended its goroutine")}
			defer func() {
				if v := recover(); v != nil { // nobody else could recover it
					r.err = fmt.Errorf("the client of the KMS panicked: %v", v)
				}
				done <- r
			}()
			key, err := kms.GetAEAD(k.uri)
			var out []byte
			if err == nil {
				out, err = f(key)
			}
			r = result{out, err}
		}()
		select {
		case r := <-done:
			if r.err != nil {
				return nil, fmt.Errorf("KMS key %s: %w", k.uri, ofKMS(r.err))
			}
			return r.out, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("KMS key %s: %w", k.uri, context.Cause(ctx))
		}
	}
	return nil, fmt.Errorf("no KMS of WithKMS has the key %s", k.uri)
}
