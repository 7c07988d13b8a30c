package encrypt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// fakeRegistry is a registry in memory with one subject.
type fakeRegistry struct {
	mu      sync.Mutex
	version contract.Version
	keks    map[string]contract.KEK
	deks    []contract.DEK
	calls   map[string]int
	fail    error
	// failCreate is the error of each creation.
	failCreate error
	now        func() time.Time
	// race is called before a key is created.
	race func()
	// late is the number of reads that do not find a key that exists.
	late int
}

type statusError string

func (s statusError) Error() string  { return string(s) }
func (s statusError) NotFound() bool { return s == "not found" }
func (s statusError) Conflict() bool { return s == "conflict" }

func (f *fakeRegistry) enter(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[call]++
	return f.fail
}

// lags reports whether a read does not find a key yet.
func (f *fakeRegistry) lags() bool {
	f.late--
	return f.late >= 0
}

func (f *fakeRegistry) Register(context.Context, string, contract.Schema) (contract.Version, error) {
	return f.version, nil
}

func (f *fakeRegistry) Lookup(context.Context, string, contract.Schema) (contract.Version, error) {
	return f.version, nil
}

func (f *fakeRegistry) Latest(context.Context, string) (contract.Version, error) {
	return f.version, nil
}

func (f *fakeRegistry) SchemaByID(context.Context, string, int) (contract.Version, error) {
	return f.version, nil
}

func (f *fakeRegistry) SchemaByGUID(context.Context, uuid.UUID) (contract.Version, error) {
	return f.version, nil
}

func (f *fakeRegistry) KEK(_ context.Context, name string, deleted bool) (contract.KEK, error) {
	if err := f.enter("kek"); err != nil {
		return contract.KEK{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.keks[name]
	if !ok || k.Deleted && !deleted || f.lags() {
		return contract.KEK{}, statusError("not found")
	}
	return k, nil
}

func (f *fakeRegistry) CreateKEK(_ context.Context, k contract.KEK) (contract.KEK, error) {
	if err := f.enter("create kek"); err != nil {
		return k, err
	}
	if f.race != nil {
		f.race()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.keks[k.Name]; ok {
		return k, statusError("conflict")
	}
	f.keks[k.Name] = k
	return k, nil
}

func (f *fakeRegistry) DEK(_ context.Context, kek, subject string, version int, algorithm string, deleted bool) (contract.DEK, error) {
	if err := f.enter("dek"); err != nil {
		return contract.DEK{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.deks) - 1; i >= 0; i-- {
		d := f.deks[i]
		if d.KEKName == kek && d.Subject == subject && d.Algorithm == algorithm && (d.Version == version || version == -1) && (deleted || !d.Deleted) && !f.lags() {
			return d, nil
		}
	}
	return contract.DEK{}, statusError("not found")
}

func (f *fakeRegistry) CreateDEK(_ context.Context, d contract.DEK) (contract.DEK, error) {
	if err := f.enter("create dek"); err != nil {
		return d, err
	}
	if f.failCreate != nil {
		return d, f.failCreate
	}
	if f.race != nil {
		f.race()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.deks {
		if other.Subject == d.Subject && other.Version == d.Version && other.Algorithm == d.Algorithm {
			return d, statusError("conflict")
		}
	}
	if f.keks[d.KEKName].Shared {
		t, err := template(d.Algorithm)
		if err != nil {
			return d, err
		}
		key, err := registry.NewKeyData(t)
		if err != nil {
			return d, err
		}
		d.KeyMaterial = contract.Secret(base64.StdEncoding.EncodeToString(key.Value))
	}
	d.Timestamp = f.now().UnixMilli()
	f.deks = append(f.deks, d)
	return d, nil
}

const personSchema = `{"type":"record","name":"shop.Person","fields":[
	{"name":"id","type":"long"},
	{"name":"email","type":"string","confluent:tags":["PII"]},
	{"name":"photo","type":["null","bytes"],"confluent:tags":["PII"]},
	{"name":"phones","type":{"type":"array","items":["null","string"]},"confluent:tags":["PRIVATE","PII"]},
	{"name":"notes","type":{"type":"map","values":{"type":"record","name":"shop.Note","fields":[{"name":"text","type":"string"},{"name":"by","type":"string"}]}}},
	{"name":"level","type":{"type":"enum","name":"shop.Level","symbols":["A","B"]}},
	{"name":"hash","type":{"type":"fixed","name":"shop.Hash","size":3}},
	{"name":"rest","type":["null","boolean","float","double","int"]}]}`

func person() map[string]any {
	return map[string]any{
		"id": int64(7), "email": "ada@example.com", "photo": map[string]any{"bytes": []byte("secret photo")},
		"phones": []any{map[string]any{"string": "+44 secret"}, nil},
		"notes":  map[string]any{"n": map[string]any{"text": "secret note", "by": "bob"}},
		"level":  "B", "hash": []byte("abc"), "rest": map[string]any{"double": 1.5},
	}
}

// ruleSetOf returns a rule set with one rule.
func ruleSetOf(typ string, params map[string]string) *contract.RuleSet {
	r := []contract.Rule{{Name: "protect", Kind: contract.Transform, Mode: contract.ModeWriteRead, Type: typ, Params: params}}
	if typ == "ENCRYPT_PAYLOAD" {
		return &contract.RuleSet{EncodingRules: r}
	}
	r[0].Tags = []string{"PII"}
	return &contract.RuleSet{DomainRules: r}
}

func newFake(rules *contract.RuleSet) *fakeRegistry {
	return &fakeRegistry{
		version: contract.Version{
			ID: 1, Schema: personSchema, RuleSet: rules,
			Metadata: &contract.Metadata{
				Tags:       map[string][]string{"**.text": {"PII"}},
				Properties: map[string]string{"encrypt.kek.name": "kek1", "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "key1"},
			},
		},
		keks: map[string]contract.KEK{}, calls: map[string]int{}, now: time.Now,
	}
}

func newKeys(tb testing.TB, reg Registry, opts ...Option) *Keys {
	tb.Helper()
	kms, err := LocalKMS("mysecret")
	if err != nil {
		tb.Fatal(err)
	}
	k, err := NewKeys(reg, append([]Option{WithKMS(kms)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func write(ctx context.Context, reg *fakeRegistry, k *Keys) ([]byte, error) {
	g, err := serde.NewGeneric(personSchema)
	if err != nil {
		return nil, err
	}
	s, err := serde.NewSerializer(reg, serde.WithRules(k.Executors()...))
	if err != nil {
		return nil, err
	}
	return s.For("people", serde.Value).Append(ctx, nil, g.Record(person()))
}

func read(ctx context.Context, reg *fakeRegistry, data []byte, opt serde.DeserializerOption) (any, error) {
	d, err := serde.NewGenericDeserializer(reg, opt)
	if err != nil {
		return nil, err
	}
	return d.Decode(ctx, serde.Input{Topic: "people", Data: data})
}

func rules(k *Keys) serde.CommonOption { return serde.WithRules(k.Executors()...) }

// TestRoundTrip checks each algorithm, rule type and form of key. The written
// data contains no plain text of the tagged values. Reading restores the
// original record.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"ENCRYPT", "ENCRYPT_PAYLOAD"} {
		for _, algorithm := range []string{"", "AES128_GCM", "AES256_GCM", "AES256_SIV"} {
			for _, form := range []string{"wrapped", "shared", "expiry"} {
				t.Run(typ+" "+algorithm+" "+form, func(t *testing.T) {
					t.Parallel()
					params := map[string]string{}
					if algorithm != "" {
						params["encrypt.dek.algorithm"] = algorithm
					}
					if form == "expiry" {
						params["encrypt.dek.expiry.days"] = "1"
					}
					reg := newFake(ruleSetOf(typ, params))
					if form == "shared" {
						reg.keks["kek1"] = contract.KEK{Name: "kek1", KMSType: "local-kms", KMSKeyID: "key1", Shared: true}
					}
					data, err := write(t.Context(), reg, newKeys(t, reg))
					if err != nil {
						t.Fatal(err)
					}
					for _, plain := range []string{"ada@", "secret photo", "secret note", "+44"} {
						if bytes.Contains(data, []byte(plain)) {
							t.Errorf("%q is in clear", plain)
						}
					}
					if clear := bytes.Contains(data, []byte("bob")); clear != (typ == "ENCRYPT") {
						t.Errorf("the field without a tag: clear=%v", clear)
					}
					got, err := read(t.Context(), reg, data, rules(newKeys(t, reg)))
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(any(person()), got); diff != "" {
						t.Error(diff)
					}
					if got, err := read(t.Context(), reg, data, serde.IgnoreRules()); err == nil && cmp.Equal(any(person()), got) {
						t.Error("control: it reads as plain text without keys")
					}
				})
			}
		}
	}
}

func TestKeysAreMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := newFake(ruleSetOf("ENCRYPT", nil))
		k := newKeys(t, reg, WithLifetime(time.Minute))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := write(t.Context(), reg, k); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(map[string]int{"kek": 1, "create kek": 1, "dek": 1, "create dek": 1}, reg.calls); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Minute)
		if _, err := write(t.Context(), reg, k); err != nil || reg.calls["dek"] != 2 {
			t.Errorf("after the lifetime: %v, %v", reg.calls, err)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		if _, err := write(t.Context(), reg, k); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// slowKMS takes as long as delay to open a key.
type slowKMS struct {
	KMS
	delay time.Duration
}

func (k slowKMS) GetAEAD(uri string) (tink.AEAD, error) {
	time.Sleep(k.delay)
	return k.KMS.GetAEAD(uri)
}

// TestShortDeadlines checks that callers whose deadlines are shorter than the
// answer of the KMS get the key in the end. The first caller leaves, and its
// request goes on. A KMS that hangs does not block the callers for ever.
func TestShortDeadlines(t *testing.T) {
	t.Parallel()
	local, err := LocalKMS("mysecret")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		delay time.Duration
		works bool
	}{"slow": {300 * time.Millisecond, true}, "hangs": {time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg := newFake(ruleSetOf("ENCRYPT", nil))
				k, err := NewKeys(reg, WithKMS(slowKMS{local, c.delay}))
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				for range 10 {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					_, err = write(ctx, reg, k)
					cancel()
				}
				if c.works != (err == nil) || err != nil && (!errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "kek1")) {
					t.Errorf("after %v: %v", time.Since(begun), err)
				}
				if _, err := write(t.Context(), reg, k); c.works != (err == nil) || time.Since(begun) > time.Minute {
					t.Errorf("without a deadline: %v after %v", err, time.Since(begun))
				}
				if err := k.Close(); err != nil {
					t.Error(err)
				}
				time.Sleep(2 * time.Hour) // until the KMS has answered
			})
		})
	}
}

type brokenKMS struct {
	KMS
	fail func()
}

func (k brokenKMS) GetAEAD(uri string) (tink.AEAD, error) {
	k.fail()
	return k.KMS.GetAEAD(uri)
}

// TestBrokenKMS checks that a client of a KMS that panics or ends its goroutine
// makes an error. No caller could recover the panic.
func TestBrokenKMS(t *testing.T) {
	t.Parallel()
	local, err := LocalKMS("mysecret")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fail func()
		want string
	}{
		"works":  {func() {}, ""},
		"panics": {func() { panic("no " + "region") }, "panicked: no region"},
		"Goexit": {runtime.Goexit, "has ended its goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newFake(ruleSetOf("ENCRYPT", nil))
			k, err := NewKeys(reg, WithKMS(brokenKMS{local, c.fail}))
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			if _, err := write(t.Context(), reg, k); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestRotation checks that an expired key is replaced, and records of the old
// key stay readable.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := newFake(ruleSetOf("ENCRYPT", map[string]string{"encrypt.dek.expiry.days": "1"}))
		k := newKeys(t, reg)
		old, err := write(t.Context(), reg, k)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		fresh, err := write(t.Context(), reg, k)
		if err != nil || len(reg.deks) != 2 || reg.deks[1].Version != 2 {
			t.Fatalf("%+v, %v", reg.deks, err)
		}
		for name, data := range map[string][]byte{"old": old, "new": fresh} {
			if got, err := read(t.Context(), reg, data, rules(newKeys(t, reg))); err != nil || !cmp.Equal(any(person()), got) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		reg.deks[0].Deleted = true // a reader also asks for deleted keys
		if _, err := read(t.Context(), reg, old, rules(newKeys(t, reg))); err != nil {
			t.Error(err)
		}
	})
}

// TestDeletedDEK checks that a writer does not write with a deleted key, and
// that the error says what to do.
func TestDeletedDEK(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := newFake(ruleSetOf("ENCRYPT", nil))
		if _, err := write(t.Context(), reg, newKeys(t, reg)); err != nil {
			t.Fatal(err)
		}
		reg.deks[0].Deleted = true
		_, err := write(t.Context(), reg, newKeys(t, reg))
		if err == nil || !strings.Contains(err.Error(), "probably deleted: undelete the key in the registry") {
			t.Error(err)
		}
	})
}

// TestDistantExpiry checks that a key of centuries is not replaced.
func TestDistantExpiry(t *testing.T) {
	t.Parallel()
	for _, days := range []int{1000, 150_000, 365_000, math.MaxInt32} {
		synctest.Test(t, func(t *testing.T) {
			reg := newFake(ruleSetOf("ENCRYPT", map[string]string{"encrypt.dek.expiry.days": strconv.Itoa(days)}))
			for range 2 {
				if _, err := write(t.Context(), reg, newKeys(t, reg)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(25 * time.Hour)
			}
			if len(reg.deks) != 1 {
				t.Errorf("%d days: %d keys after a day", days, len(reg.deks))
			}
		})
	}
}

// TestLostRace checks that a writer that loses the race for a key uses the key
// of the faster writer.
func TestLostRace(t *testing.T) {
	t.Parallel()
	reg := newFake(ruleSetOf("ENCRYPT", nil))
	var winner []byte
	reg.race = func() {
		reg.race = nil
		var err error
		if winner, err = write(t.Context(), reg, newKeys(t, reg)); err != nil {
			t.Error(err)
		}
	}
	loser, err := write(t.Context(), reg, newKeys(t, reg))
	if err != nil || len(reg.deks) != 1 {
		t.Fatalf("%d keys, %v", len(reg.deks), err)
	}
	for _, data := range [][]byte{winner, loser} {
		if got, err := read(t.Context(), reg, data, rules(newKeys(t, reg))); err != nil || !cmp.Equal(any(person()), got) {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// TestLostRaceWithLag uses a node of the registry that refuses the second key,
// but finds the first key only later. If the node never finds the key, the
// writer gets an error.
func TestLostRaceWithLag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		late  int
		fails bool
	}{{1, false}, {5, false}, {1000, true}} {
		for _, what := range []string{"KEK", "DEK"} {
			t.Run(fmt.Sprintf("%s %d", what, c.late), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					reg := newFake(ruleSetOf("ENCRYPT", nil))
					kek := contract.KEK{Name: "kek1", KMSType: "local-kms", KMSKeyID: "key1"}
					if what == "DEK" {
						reg.keks["kek1"] = kek
					}
					reg.race = func() { // the other writer
						reg.race = nil
						if what == "KEK" {
							reg.keks["kek1"] = kek
						} else if _, err := write(t.Context(), reg, newKeys(t, reg)); err != nil {
							t.Error(err)
						}
						reg.late = c.late
					}
					data, err := write(t.Context(), reg, newKeys(t, reg))
					var rule *serde.RuleError
					if c.fails {
						if len(data) > 0 || !errors.As(err, &rule) || !isNotFound(err) {
							t.Errorf("%q, %v", data, err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					reg.late = 0
					if got, err := read(t.Context(), reg, data, rules(newKeys(t, reg))); err != nil || !cmp.Equal(any(person()), got) {
						t.Errorf("%v, %v", got, err)
					}
				})
			})
		}
	}
}

// TestRotationRace lets two writers make a new key at the same time. Both must
// continue with the same key.
func TestRotationRace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := newFake(ruleSetOf("ENCRYPT", map[string]string{"encrypt.dek.expiry.days": "1"}))
		first, second := newKeys(t, reg), newKeys(t, reg)
		if _, err := write(t.Context(), reg, first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		var winner []byte
		reg.race = func() {
			reg.race = nil
			var err error
			if winner, err = write(t.Context(), reg, second); err != nil {
				t.Error(err)
			}
		}
		loser, err := write(t.Context(), reg, first)
		if err != nil || len(reg.deks) != 2 {
			t.Fatalf("%d keys, %v", len(reg.deks), err)
		}
		for _, data := range [][]byte{winner, loser} {
			if got, err := read(t.Context(), reg, data, rules(newKeys(t, reg))); err != nil || !cmp.Equal(any(person()), got) {
				t.Errorf("%v, %v", got, err)
			}
		}
	})
}

// TestRotationWithoutTheRight checks that a writer that may not create a new
// key goes on with the expired key.
func TestRotationWithoutTheRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := newFake(ruleSetOf("ENCRYPT", map[string]string{"encrypt.dek.expiry.days": "1"}))
		if _, err := write(t.Context(), reg, newKeys(t, reg)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		reg.failCreate = errors.New("403 forbidden")
		data, err := write(t.Context(), reg, newKeys(t, reg))
		if err != nil || len(reg.deks) != 1 {
			t.Fatalf("%d keys, %v", len(reg.deks), err)
		}
		if got, err := read(t.Context(), reg, data, rules(newKeys(t, reg))); err != nil || !cmp.Equal(any(person()), got) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// TestStoreIsBounded checks that the number of stored keys is bounded. A key
// that was dropped is loaded again.
func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	reg := newFake(nil)
	k := newKeys(t, reg)
	params := func(i int) *keyParams {
		return &keyParams{kek: "kek1", kmsType: "local-kms", kmsKeyID: "key1", algorithm: "AES128_GCM", subject: fmt.Sprint("s", i)}
	}
	for i := range maxDEKs + 50 {
		if _, err := k.dek(t.Context(), params(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.deks) != maxDEKs || reg.calls["create dek"] != maxDEKs+50 {
		t.Errorf("%d stored keys, %v", len(k.deks), reg.calls)
	}
	before := reg.calls["dek"]
	for i := range maxDEKs + 50 {
		if _, err := k.dek(t.Context(), params(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if again := reg.calls["dek"] - before; again < 50 || reg.calls["create dek"] != maxDEKs+50 {
		t.Errorf("%d keys were read again, %v", again, reg.calls)
	}
}

// TestFailuresAndRevocation checks that a failure is repeated for a second
// without a request, and that a revoked right takes effect after the lifetime
// of a key in the cache.
func TestFailuresAndRevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := newFake(ruleSetOf("ENCRYPT", nil))
		k := newKeys(t, reg, WithLifetime(time.Minute))
		reg.fail = errors.New("connection refused")
		for range 10 {
			if _, err := write(t.Context(), reg, k); err == nil {
				t.Fatal("no error")
			}
		}
		if reg.calls["kek"] != 1 {
			t.Errorf("requests: %v", reg.calls)
		}
		reg.fail = nil
		time.Sleep(failureLife)
		if _, err := write(t.Context(), reg, k); err != nil {
			t.Fatal(err)
		}
		reg.fail = errors.New("403 forbidden")
		time.Sleep(59 * time.Second)
		if _, err := write(t.Context(), reg, k); err != nil {
			t.Errorf("within the lifetime: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := write(t.Context(), reg, k); err == nil {
			t.Error("after the lifetime: the record was written")
		}
	})
}

// recordKeeper is an action that keeps the records of failed rules.
type recordKeeper struct{ outcomes []serde.RuleOutcome }

func (*recordKeeper) Name() string { return "DLQ" }

func (k *recordKeeper) Run(_ context.Context, r serde.RuleOutcome) error {
	r.Data = bytes.Clone(r.Data)
	k.outcomes = append(k.outcomes, r)
	return nil
}

// TestActionsWithoutTheKey checks the actions of a rule without the key. The
// reader's action gets the ciphertext. The writer marks its record as secret.
func TestActionsWithoutTheKey(t *testing.T) {
	t.Parallel()
	reg := newFake(ruleSetOf("ENCRYPT", nil))
	data, err := write(t.Context(), reg, newKeys(t, reg))
	if err != nil {
		t.Fatal(err)
	}
	reg.version.RuleSet.DomainRules[0].OnFailure = "DLQ"
	other, err := LocalKMS("another secret")
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeys(reg, WithKMS(other))
	if err != nil {
		t.Fatal(err)
	}
	kept := &recordKeeper{}
	d, err := serde.NewGenericDeserializer(reg, rules(k), serde.WithActions(kept))
	if err != nil {
		t.Fatal(err)
	}
	var rule *serde.RuleError
	if _, err := d.Decode(t.Context(), serde.Input{Topic: "people", Data: data}); !errors.As(err, &rule) || !rule.Handled {
		t.Errorf("read: %v", err)
	}
	g, err := serde.NewGeneric(personSchema)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(reg, rules(k), serde.WithActions(kept))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.For("people", serde.Value).Append(t.Context(), nil, g.Record(person())); len(out) > 0 || !errors.As(err, &rule) || !rule.Handled {
		t.Errorf("write: %q, %v", out, err)
	}
	if len(kept.outcomes) != 2 {
		t.Fatalf("%d outcomes", len(kept.outcomes))
	}
	if r := kept.outcomes[0]; r.Secret || !bytes.Equal(r.Data, data) || !r.Reading {
		t.Errorf("read: secret=%v reading=%v, %d of %d bytes", r.Secret, r.Reading, len(r.Data), len(data))
	}
	if r := kept.outcomes[1]; !r.Secret || r.Reading {
		t.Errorf("write: secret=%v reading=%v", r.Secret, r.Reading)
	}
}

// TestErrorsHideSecrets checks that no error contains a value, a key or the
// secret of the KMS, whatever the registry answers.
func TestErrorsHideSecrets(t *testing.T) {
	t.Parallel()
	const marker = "MARKERMARKERMARKERMARKER"
	encoded := base64.StdEncoding.EncodeToString([]byte(marker))
	for name, change := range map[string]func(*fakeRegistry){
		"a key that is no base64":   func(f *fakeRegistry) { f.deks[0].KeyMaterial = "*" + marker },
		"a key that is no Tink key": func(f *fakeRegistry) { f.deks[0].KeyMaterial = contract.Secret(encoded) },
		"a key that is too short": func(f *fakeRegistry) {
			f.deks[0].KeyMaterial = contract.Secret(base64.StdEncoding.EncodeToString([]byte("\x1a\x04MARK")))
		},
		"a wrapped key that is none": func(f *fakeRegistry) { f.deks[0].EncryptedKeyMaterial = encoded },
		"a wrapped key, no base64":   func(f *fakeRegistry) { f.deks[0].EncryptedKeyMaterial = "*" + marker },
		"no key":                     func(f *fakeRegistry) { f.deks[0].EncryptedKeyMaterial = "" },
		"another algorithm": func(f *fakeRegistry) {
			f.version.RuleSet.DomainRules[0].Params["encrypt.dek.algorithm"] = "AES256_SIV"
			f.deks[0].Algorithm = "AES256_SIV"
		},
		"a tag on another type": func(f *fakeRegistry) { f.version.Metadata.Tags["**.level"] = []string{"PII"} },
		"a rule for another KMS": func(f *fakeRegistry) {
			f.keks["kek1"] = contract.KEK{Name: "kek1", KMSType: "aws-kms", KMSKeyID: "key1"}
		},
		"a registry that does not answer": func(f *fakeRegistry) { f.fail = errors.New("timeout") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newFake(ruleSetOf("ENCRYPT", map[string]string{"encrypt.dek.algorithm": "AES128_GCM"}))
			kms, err := LocalKMS(marker)
			if err != nil {
				t.Fatal(err)
			}
			keys := func() *Keys {
				k, err := NewKeys(reg, WithKMS(kms))
				if err != nil {
					t.Fatal(err)
				}
				return k
			}
			data, err := write(t.Context(), reg, keys())
			if err != nil {
				t.Fatal(err)
			}
			change(reg)
			_, writing := write(t.Context(), reg, keys())
			_, reading := read(t.Context(), reg, data, rules(keys()))
			if writing == nil {
				t.Error("the record was written")
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "writing", writing, "reading", reading)
			text := fmt.Sprintf("%v %+v %#v %v %+v %#v %s", writing, writing, writing, reading, reading, reading, log.String())
			for _, secret := range []string{"MARK", encoded, fmt.Sprintf("%x", "MARK"), "ada@", "secret"} {
				if strings.Contains(strings.ReplaceAll(text, "LOCAL_SECRET", ""), secret) {
					t.Errorf("%s is in %s", secret, text)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	withRule := func(change func(*contract.Rule)) func(*fakeRegistry) {
		return func(f *fakeRegistry) { change(&f.version.RuleSet.DomainRules[0]) }
	}
	for name, c := range map[string]struct {
		change func(*fakeRegistry)
		words  string
	}{
		"no KEK name": {func(f *fakeRegistry) { f.version.Metadata = nil }, "encrypt.kek.name"},
		"no KMS type": {func(f *fakeRegistry) { delete(f.version.Metadata.Properties, "encrypt.kms.type") }, "encrypt.kms.type"},
		"another KMS": {func(f *fakeRegistry) { f.version.Metadata.Properties["encrypt.kms.type"] = "aws-kms" }, "WithKMS"},
		"another key in the registry": {func(f *fakeRegistry) {
			f.keks["kek1"] = contract.KEK{Name: "kek1", KMSType: "local-kms", KMSKeyID: "other"}
		}, "other"},
		"algorithm":        {withRule(func(r *contract.Rule) { r.Params = map[string]string{"encrypt.dek.algorithm": "ROT13"} }), "ROT13"},
		"expiry":           {withRule(func(r *contract.Rule) { r.Params = map[string]string{"encrypt.dek.expiry.days": "soon"} }), "soon"},
		"registry away":    {func(f *fakeRegistry) { f.fail = errors.New("connection refused") }, "connection refused"},
		"type":             {func(f *fakeRegistry) { f.version.Metadata.Tags["shop.Person.level"] = []string{"PII"} }, "level: a value of type enum cannot be encrypted"},
		"record":           {func(f *fakeRegistry) { f.version.Metadata.Tags["shop.Person.notes"] = []string{"PII"} }, "notes[0]: a record cannot be encrypted as a whole: give the tag to its field by too"},
		"payload as field": {withRule(func(r *contract.Rule) { r.Type = "ENCRYPT_PAYLOAD" }), "encoding rule"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := newFake(ruleSetOf("ENCRYPT", nil))
			c.change(reg)
			data, err := write(t.Context(), reg, newKeys(t, reg))
			var rule *serde.RuleError
			if len(data) > 0 || !errors.As(err, &rule) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%q, %v", data, err)
			}
		})
	}
	for name, opt := range map[string]Option{"no KMS": WithKMS(nil), "lifetime": WithLifetime(0)} {
		if _, err := NewKeys(newFake(nil), opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewKeys(nil); err == nil {
		t.Error("a nil registry was taken")
	}
	if _, err := LocalKMS(""); err == nil {
		t.Error("an empty secret was taken")
	}
}

// TestSameTags checks that the first of two rules for the same tags applies, as
// in Confluent's clients, and that a disabled rule replaces no other rule.
func TestSameTags(t *testing.T) {
	t.Parallel()
	second := contract.Rule{Name: "second", Kind: contract.Transform, Mode: contract.ModeWriteRead, Type: "ENCRYPT", Tags: []string{"PII"}, Params: map[string]string{"encrypt.kek.name": "kek2"}}
	for _, disabled := range []bool{false, true} {
		rs := ruleSetOf("ENCRYPT", nil)
		rs.DomainRules[0].Disabled = disabled
		rs.DomainRules = append(rs.DomainRules, second)
		reg := newFake(rs)
		k := newKeys(t, reg)
		data, err := write(t.Context(), reg, k)
		if err != nil || bytes.Contains(data, []byte("ada@")) {
			t.Fatalf("disabled=%v: %q, %v", disabled, data, err)
		}
		if _, used := reg.keks["kek2"]; used != disabled || len(reg.keks) != 1 {
			t.Errorf("disabled=%v: the keys are %v", disabled, reg.keks)
		}
		if got, err := read(t.Context(), reg, data, rules(k)); err != nil || !cmp.Equal(any(person()), got) {
			t.Errorf("disabled=%v: %v, %v", disabled, got, err)
		}
	}
}

// TestTagAsText checks confluent:tags with a text instead of a list, and a
// record with a tag whose fields all have the tag.
func TestTagAsText(t *testing.T) {
	t.Parallel()
	reg := newFake(ruleSetOf("ENCRYPT", nil))
	reg.version.Schema = `{"type":"record","name":"shop.Person","fields":[
		{"name":"email","type":"string","confluent:tags":"PII"},
		{"name":"home","confluent:tags":["PII"],"type":{"type":"record","name":"shop.Home","fields":[{"name":"street","type":"string","confluent:tags":["PII"]}]}}]}`
	k := newKeys(t, reg)
	g, err := serde.NewGeneric(reg.version.Schema)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(reg, rules(k))
	if err != nil {
		t.Fatal(err)
	}
	v := map[string]any{"email": "ada@example.com", "home": map[string]any{"street": "Baker Street"}}
	data, err := s.For("people", serde.Value).Append(t.Context(), nil, g.Record(v))
	if err != nil || bytes.Contains(data, []byte("ada@")) || bytes.Contains(data, []byte("Baker")) {
		t.Fatalf("%q, %v", data, err)
	}
	if got, err := read(t.Context(), reg, data, rules(k)); err != nil || !cmp.Equal(any(v), got) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestReaderWithoutTheKey checks that a reader without the key gets an error.
// If the rule allows it, the reader gets the ciphertext instead.
func TestReaderWithoutTheKey(t *testing.T) {
	t.Parallel()
	for action, passes := range map[string]bool{"": false, "ERROR": false, "DLQ": false, "ERROR,NONE": true, "NONE": true} {
		reg := newFake(ruleSetOf("ENCRYPT", nil))
		data, err := write(t.Context(), reg, newKeys(t, reg))
		if err != nil {
			t.Fatal(err)
		}
		reg.version.RuleSet.DomainRules[0].OnFailure = action
		other, err := LocalKMS("another secret")
		if err != nil {
			t.Fatal(err)
		}
		k, err := NewKeys(reg, WithKMS(other))
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(t.Context(), reg, data, rules(k))
		var rule *serde.RuleError
		switch {
		case passes && (err != nil || strings.Contains(fmt.Sprint(got), "ada@")):
			t.Errorf("%q: %v, %v", action, got, err)
		case !passes && !errors.As(err, &rule):
			t.Errorf("%q: %v, %v", action, got, err)
		}
	}
}

// TestSecretsAreHidden checks that no text contains a secret.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	kms, err := LocalKMS("MARKER-SECRET")
	if err != nil {
		t.Fatal(err)
	}
	reg := newFake(ruleSetOf("ENCRYPT", nil))
	k, err := NewKeys(reg, WithKMS(kms))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write(t.Context(), reg, k); err != nil {
		t.Fatal(err)
	}
	d := contract.DEK{KeyMaterial: "MARKER-SECRET"}
	var out bytes.Buffer
	for _, v := range []any{k, kms, d, &d, d.KeyMaterial} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	if err := json.NewEncoder(&out).Encode(d); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"MARKER", fmt.Sprintf("%x", "MARKER")} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s is in %s", secret, out.String())
		}
	}
	if err := json.Unmarshal([]byte(`{"keyMaterial":"abc"}`), &d); err != nil || d.KeyMaterial != "abc" {
		t.Errorf("%v", err)
	}
}

// FuzzDecrypt checks that the walk never panics, always ends, and changes no
// other byte.
func FuzzDecrypt(f *testing.F) {
	reg := newFake(ruleSetOf("ENCRYPT", map[string]string{"encrypt.dek.expiry.days": "1"}))
	k := newKeys(f, reg)
	data, err := write(context.Background(), reg, k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("\x00\x00\x00\x00\x01\x00\x00"))
	d, err := serde.NewGenericDeserializer(reg, rules(k))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = d.Decode(t.Context(), serde.Input{Topic: "people", Data: data})
	})
}

// TestValuesWithoutBytes checks that the walk over values without bytes must
// end.
func TestValuesWithoutBytes(t *testing.T) {
	t.Parallel()
	deep := `{"type":"record","name":"Z","fields":[{"name":"s","type":"string","confluent:tags":["PII"]},{"name":"a","type":{"type":"array","items":"null"}}]}`
	reg := newFake(ruleSetOf("ENCRYPT", nil))
	k := newKeys(t, reg)
	run, err := executor{k, "ENCRYPT"}.Bind(t.Context(), serde.BoundRule{
		Rule: reg.version.RuleSet.DomainRules[0], Version: reg.version, Schema: deep, Tags: map[string][]string{"Z.s": {"PII"}}, Subject: "z",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(t.Context(), []byte("\x00\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x00"))
	if !errors.Is(err, errBudget) {
		t.Errorf("%v", err)
	}
	if _, err := run(t.Context(), []byte("\x00\x08\x00")); err != nil {
		t.Errorf("control: %v", err)
	}
}
