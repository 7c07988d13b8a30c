package encrypt

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/daead"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/avroline/avroline/registry/contract"
)

const (
	// maxDEKs is the number of data keys that a Keys stores.
	maxDEKs = 1000
	// failureLife is how long a failure to get a key is repeated without a new
	// request.
	failureLife = time.Second
	// loadTimeout limits a load of a data key. A load goes on when its callers
	// have left.
	loadTimeout = 30 * time.Second
	// latestVersion asks the registry for the newest version of a DEK.
	latestVersion = -1
)

var errLoadTimeout = &unavailableError{fmt.Errorf("no answer within %v", loadTimeout)}

// keyParams are the parameters of a rule.
type keyParams struct {
	kek        string
	kmsType    string
	kmsKeyID   string
	algorithm  string
	expiryDays int
	alternates []string // other key ids of the same KEK, such as in other regions
	subject    string
	reading    bool
}

// dekID identifies a data key in a Keys.
type dekID struct {
	kek, subject, algorithm string
	version                 int // latestVersion for a writer with expiry
	reading                 bool
}

// dekEntry is a data key, or the failure to get the key.
type dekEntry struct {
	mu     sync.Mutex
	flight *dekFlight // the load in flight, or nil
	key    *dek
	err    error
	until  time.Time // the time when key or err expires
}

// dekFlight is a load of a data key. key and err are set when done is closed.
type dekFlight struct {
	done chan struct{}
	key  *dek
	err  error
}

// dek is a data key that is ready for use.
type dek struct {
	version int
	aead    tink.AEAD              // AES128_GCM, AES256_GCM
	daead   tink.DeterministicAEAD // AES256_SIV
}

func (d *dek) encrypt(plain []byte) ([]byte, error) {
	if d.daead != nil {
		return d.daead.EncryptDeterministically(plain, nil)
	}
	return d.aead.Encrypt(plain, nil)
}

// errCiphertext contains nothing of the data.
var errCiphertext = errors.New("the ciphertext does not fit the key: it was changed, or encrypted with another key")

func (d *dek) decrypt(ciphertext []byte) (plain []byte, err error) {
	if d.daead != nil {
		plain, err = d.daead.DecryptDeterministically(ciphertext, nil)
	} else {
		plain, err = d.aead.Decrypt(ciphertext, nil)
	}
	if err != nil {
		return nil, errCiphertext
	}
	return plain, nil
}

// template returns Tink's key template of an algorithm.
func template(algorithm string) (*tinkpb.KeyTemplate, error) {
	switch algorithm {
	case "AES128_GCM":
		return aead.AES128GCMKeyTemplate(), nil
	case "AES256_GCM":
		return aead.AES256GCMKeyTemplate(), nil
	case "AES256_SIV":
		return daead.AESSIVKeyTemplate(), nil
	}
	return nil, fmt.Errorf("encrypt.dek.algorithm is %q: use AES256_GCM, AES128_GCM or AES256_SIV", algorithm)
}

// dek returns the data key of a rule. To write, version is latestVersion. To
// read, version is the version in the ciphertext.
func (k *Keys) dek(ctx context.Context, p *keyParams, version int) (*dek, error) {
	id := dekID{kek: p.kek, subject: p.subject, algorithm: p.algorithm, version: version, reading: p.reading}
	e, err := k.entry(id)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	if (e.key != nil || e.err != nil) && k.now().Before(e.until) {
		defer e.mu.Unlock()
		return e.key, e.err
	}
	f := e.flight
	if f == nil {
		f = &dekFlight{done: make(chan struct{})}
		e.flight = f
		go k.fly(ctx, e, f, p, version)
	}
	e.mu.Unlock()
	select {
	case <-f.done:
		return f.key, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the registry or the KMS has not yet given the key of KEK %s for subject %s: %w", p.kek, p.subject, context.Cause(ctx))
	}
}

// fly loads the data key for all callers. The context of the first caller does
// not end the load, because callers with short deadlines would otherwise never
// get a key from a slow KMS.
func (k *Keys) fly(ctx context.Context, e *dekEntry, f *dekFlight, p *keyParams, version int) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), loadTimeout, errLoadTimeout)
	defer cancel()
	defer context.AfterFunc(k.life, cancel)()
	f.key, f.err = k.load(ctx, p, version)
	e.mu.Lock()
	e.flight, e.key, e.err, e.until = nil, f.key, f.err, k.now().Add(failureLife)
	if f.err == nil {
		e.until = k.now().Add(k.lifetime)
	}
	e.mu.Unlock()
	close(f.done)
}

func (k *Keys) entry(id dekID) (*dekEntry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	e := k.deks[id]
	if e == nil {
		for other := range k.deks { // any entry, because the key can be loaded again
			if len(k.deks) < maxDEKs {
				break
			}
			delete(k.deks, other)
		}
		e = &dekEntry{}
		k.deks[id] = e
	}
	return e, nil
}

// load gets the data key from the registry. If a writer needs a new data key,
// load creates the data key.
func (k *Keys) load(ctx context.Context, p *keyParams, version int) (*dek, error) {
	keyEncryption, err := k.kek(ctx, p)
	if err != nil {
		return nil, err
	}
	d, err := k.reg.DEK(ctx, p.kek, p.subject, version, p.algorithm, p.reading)
	missing := isNotFound(err)
	switch {
	case missing && p.reading:
		return nil, fmt.Errorf("the registry has no DEK of KEK %s for subject %s: %w", p.kek, p.subject, err)
	case err != nil && !missing:
		return nil, fmt.Errorf("DEK of KEK %s for subject %s: %w", p.kek, p.subject, err)
	case missing:
		d, err = k.create(ctx, p, keyEncryption, 1, version)
	case !p.reading && k.expired(p, d):
		newer, failed := k.create(ctx, p, keyEncryption, d.Version+1, version)
		if failed == nil {
			d = newer
		} // otherwise use the old key, because refusing the record is worse
	}
	if err != nil {
		return nil, err
	}
	return k.open(ctx, p, keyEncryption, d)
}

func (k *Keys) expired(p *keyParams, d contract.DEK) bool {
	age := k.now().Sub(time.UnixMilli(d.Timestamp))
	// The days of the rule may be too many for a Duration.
	return p.expiryDays > 0 && age/(24*time.Hour) >= time.Duration(p.expiryDays)
}

// kek returns the registry's entry of the KEK. If a writer needs a new entry,
// kek creates the entry.
func (k *Keys) kek(ctx context.Context, p *keyParams) (contract.KEK, error) {
	found, err := k.reg.KEK(ctx, p.kek, p.reading)
	if isNotFound(err) {
		switch {
		case p.reading:
			return found, fmt.Errorf("the registry has no KEK %s: %w", p.kek, err)
		case p.kmsType == "" || p.kmsKeyID == "":
			return found, fmt.Errorf("the registry has no KEK %s, and the rule lacks encrypt.kms.type or encrypt.kms.key.id to make one: %w", p.kek, err)
		}
		found, err = k.reg.CreateKEK(ctx, contract.KEK{Name: p.kek, KMSType: p.kmsType, KMSKeyID: p.kmsKeyID})
		if isConflict(err) {
			found, err = readWinner(ctx, func() (contract.KEK, error) { return k.reg.KEK(ctx, p.kek, false) })
		}
	}
	switch {
	case err != nil:
		return found, fmt.Errorf("KEK %s: %w", p.kek, err)
	case p.kmsType != "" && p.kmsType != found.KMSType:
		return found, fmt.Errorf("KEK %s is of KMS type %s in the registry, and of %s in the rule", p.kek, found.KMSType, p.kmsType)
	case p.kmsKeyID != "" && p.kmsKeyID != found.KMSKeyID:
		return found, fmt.Errorf("KEK %s has the KMS key id %s in the registry, and %s in the rule", p.kek, found.KMSKeyID, p.kmsKeyID)
	}
	return found, nil
}

// The waits of readWinner double from winnerWait, so that they are 1.5 s
// together.
const (
	winnerWait  = 50 * time.Millisecond
	winnerReads = 6
)

// readWinner reads the key of the writer that was faster. A node of the
// registry may know from the leader that the key exists, and may not have read
// the key yet. So readWinner reads again if the registry does not find the key.
func readWinner[K any](ctx context.Context, read func() (K, error)) (K, error) {
	wait := winnerWait
	for reads := 1; ; reads++ {
		key, err := read()
		if !isNotFound(err) {
			return key, err
		}
		if reads == winnerReads {
			return key, fmt.Errorf("the registry has the key and does not show it, so it is probably deleted: undelete the key in the registry: %w", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait *= 2
		case <-ctx.Done():
			timer.Stop()
			return key, context.Cause(ctx)
		}
	}
}

// create creates a version of the data key.
func (k *Keys) create(ctx context.Context, p *keyParams, by contract.KEK, version, asked int) (contract.DEK, error) {
	d := contract.DEK{KEKName: p.kek, Subject: p.subject, Version: version, Algorithm: p.algorithm}
	if !by.Shared {
		t, err := template(p.algorithm)
		if err != nil {
			return d, err
		}
		fresh, err := registry.NewKeyData(t)
		if err != nil {
			return d, fmt.Errorf("make a DEK: %w", err)
		}
		defer clear(fresh.Value)
		wrapped, err := k.eachKey(p, by, func(key kek) ([]byte, error) { return key.wrap(ctx, fresh.Value) })
		if err != nil {
			return d, fmt.Errorf("wrap the DEK: %w", err)
		}
		d.EncryptedKeyMaterial = base64.StdEncoding.EncodeToString(wrapped)
	}
	made, err := k.reg.CreateDEK(ctx, d)
	if isConflict(err) {
		made, err = readWinner(ctx, func() (contract.DEK, error) { return k.reg.DEK(ctx, p.kek, p.subject, asked, p.algorithm, false) })
	}
	if err != nil {
		return d, fmt.Errorf("DEK of KEK %s for subject %s: %w", p.kek, p.subject, err)
	}
	return made, nil
}

// open prepares a data key for use.
func (k *Keys) open(ctx context.Context, p *keyParams, by contract.KEK, d contract.DEK) (*dek, error) {
	raw, err := base64.StdEncoding.DecodeString(string(d.KeyMaterial))
	if err == nil && len(raw) == 0 {
		var wrapped []byte
		if wrapped, err = base64.StdEncoding.DecodeString(d.EncryptedKeyMaterial); err == nil {
			if len(wrapped) == 0 {
				return nil, fmt.Errorf("the registry gives no key material of KEK %s for subject %s", p.kek, p.subject)
			}
			raw, err = k.eachKey(p, by, func(key kek) ([]byte, error) { return key.unwrap(ctx, wrapped) })
		}
	}
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		return nil, fmt.Errorf("DEK of KEK %s for subject %s: the key material is not base64", p.kek, p.subject)
	}
	if err != nil {
		return nil, fmt.Errorf("unwrap the DEK of subject %s: %w", p.subject, err)
	}
	defer clear(raw)
	t, err := template(p.algorithm)
	if err != nil {
		return nil, err
	}
	primitive, err := registry.Primitive(t.TypeUrl, raw)
	if err != nil { // the text of the error may contain the key
		return nil, fmt.Errorf("DEK of KEK %s for subject %s is not a key for %s", p.kek, p.subject, p.algorithm)
	}
	out := &dek{version: d.Version}
	switch primitive := primitive.(type) {
	case tink.DeterministicAEAD:
		out.daead = primitive
	case tink.AEAD:
		out.aead = primitive
	}
	return out, nil
}

// alternateKeyIDs is the name of the property with other key ids of a KEK.
const alternateKeyIDs = "encrypt.alternate.kms.key.ids"

// eachKey calls f with the key of the KEK and then with its alternates, until a
// call succeeds.
func (k *Keys) eachKey(p *keyParams, by contract.KEK, f func(kek) ([]byte, error)) (out []byte, err error) {
	ids := []string{by.KMSKeyID}
	alternates := p.alternates
	if list, ok := by.KMSProps[alternateKeyIDs]; ok {
		alternates = strings.Split(list, ",")
	}
	for _, id := range alternates {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	var all []error
	for _, id := range ids {
		if out, err = f(kek{k.kms, by.KMSType + "://" + id}); err == nil {
			return out, nil
		}
		all = append(all, err)
	}
	return nil, errors.Join(all...)
}
