package registry_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/registrytest"
)

// TestDEKOfAnotherKey checks that a key of another version or algorithm is
// refused. A cache that ignores the query of a URL gives such an answer, and
// records of the key would be unreadable. The control is the right key.
func TestDEKOfAnotherKey(t *testing.T) {
	t.Parallel()
	c := newClient(t, []string{"http://registry.invalid"}, registry.WithTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		return reply(r, 200, `{"kekName":"k","subject":"s","version":2,"algorithm":"AES128_GCM","encryptedKeyMaterial":"d3JhcHBlZA=="}`), nil
	})))
	for _, test := range []struct {
		version   int
		algorithm string
		ok        bool
	}{{2, "AES128_GCM", true}, {-1, "", true}, {1, "AES128_GCM", false}, {2, "AES256_GCM", false}} {
		if _, err := c.DEK(t.Context(), "k", "s", test.version, test.algorithm, false); test.ok != (err == nil) {
			t.Errorf("DEK of version %d, %s: %v", test.version, test.algorithm, err)
		}
		made := contract.DEK{KEKName: "k", Subject: "s", Version: test.version, Algorithm: test.algorithm}
		if _, err := c.CreateDEK(t.Context(), made); test.ok != (err == nil) {
			t.Errorf("CreateDEK of version %d, %s: %v", test.version, test.algorithm, err)
		}
	}
}

func TestDEKRegistry(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := registrytest.Start(t)
	c := newClient(t, []string{s.URL})
	if _, err := c.KEK(ctx, "a/b", false); !errors.Is(err, registry.ErrKeyNotFound) {
		t.Fatalf("no KEK: %v", err)
	}
	kek := contract.KEK{Name: "a/b", KMSType: "local-kms", KMSKeyID: "id", KMSProps: map[string]string{"x": "y"}}
	made, err := c.CreateKEK(ctx, kek)
	if err != nil || fmt.Sprint(made) != fmt.Sprint(kek) {
		t.Fatalf("CreateKEK = %v, %v", made, err)
	}
	var answer *registry.Error
	if _, err := c.CreateKEK(ctx, kek); !errors.As(err, &answer) || !answer.Conflict() {
		t.Errorf("a lost race: %v", err)
	}
	if got, err := c.KEK(ctx, "a/b", false); err != nil || fmt.Sprint(got) != fmt.Sprint(kek) {
		t.Errorf("KEK = %v, %v", got, err)
	}
	if _, err := c.DEK(ctx, "a/b", "s/t", -1, "AES256_GCM", false); !errors.Is(err, registry.ErrKeyNotFound) {
		t.Errorf("no DEK: %v", err)
	}
	for version := 1; version <= 2; version++ {
		dek, err := c.CreateDEK(ctx, contract.DEK{
			KEKName: "a/b", Subject: "s/t", Version: version, Algorithm: "AES256_GCM",
			EncryptedKeyMaterial: fmt.Sprint("wrapped", version), KeyMaterial: "c2VjcmV0",
		})
		if err != nil || dek.Version != version || dek.Timestamp == 0 || dek.KEKName != "a/b" {
			t.Errorf("CreateDEK = %+v, %v", dek, err)
		}
	}
	for at, want := range map[int]string{1: "wrapped1", 2: "wrapped2", -1: "wrapped2"} {
		if dek, err := c.DEK(ctx, "a/b", "s/t", at, "AES256_GCM", false); err != nil || dek.EncryptedKeyMaterial != want || dek.KeyMaterial != "" {
			t.Errorf("DEK %d = %+v, %v", at, dek, err)
		}
	}
	if _, err := c.DEK(ctx, "a/b", "s/t", 1, "AES128_GCM", false); !errors.Is(err, registry.ErrKeyNotFound) {
		t.Errorf("another algorithm: %v", err)
	}
	for _, r := range s.Log() {
		if strings.Contains(r.Body, "c2VjcmV0") || strings.Contains(r.Body, "hidden") {
			t.Errorf("the key in clear was sent: %s", r.Body)
		}
	}
	// For a shared KEK the registry makes the key.
	if _, err := c.CreateKEK(ctx, contract.KEK{Name: "shared", KMSType: "local-kms", KMSKeyID: "id", Shared: true}); err != nil {
		t.Fatal(err)
	}
	for algorithm, size := range map[string]int{"AES128_GCM": 24, "AES256_GCM": 48, "AES256_SIV": 88} { // sizes in base64, with two leading bytes
		dek, err := c.CreateDEK(ctx, contract.DEK{KEKName: "shared", Subject: "s", Algorithm: algorithm})
		if err != nil || len(dek.KeyMaterial) != size {
			t.Errorf("%s: %d characters, want %d: %v", algorithm, len(dek.KeyMaterial), size, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", dek, dek, dek), string(dek.KeyMaterial)) {
			t.Errorf("%s: a print shows the key", algorithm)
		}
	}
	// No error quotes an answer.
	for name, effect := range map[string]registrytest.Effect{
		"a page":     registrytest.Answer(200, "text/html", "s3cr3tkey"),
		"other JSON": registrytest.Answer(200, "application/json", `{"keyMaterial":"s3cr3tkey"}`),
		"bad type":   registrytest.Answer(200, "application/json", `{"algorithm":"a","version":"s3cr3tkey"}`),
		"an error":   registrytest.Answer(422, "application/json", `{"error_code":42271,"message":"s3cr3tkey"}`),
	} {
		lift := s.Inject(effect)
		_, err := c.DEK(ctx, "a/b", "s/t", 1, "", false)
		lift()
		if err == nil || strings.Contains(err.Error(), "s3cr3tkey") {
			t.Errorf("%s: %v", name, err)
		}
	}
	karapace := registrytest.Start(t, registrytest.WithDialect(registrytest.Karapace))
	if _, err := newClient(t, []string{karapace.URL}).KEK(ctx, "k", false); err == nil || errors.Is(err, registry.ErrKeyNotFound) {
		t.Errorf("a registry without keys has not answered that there is none: %v", err)
	}
}

func TestAssociatedSubjects(t *testing.T) {
	t.Parallel()
	for _, dialect := range registrytest.Dialects() {
		s := registrytest.Start(t, registrytest.WithDialect(dialect))
		s.Associate("orders/1", "value", "shop.Order")
		s.Associate("orders/1", "key", "shop.Key")
		c := newClient(t, []string{s.URL})
		got, err := c.AssociatedSubjects(t.Context(), "orders/1", "", "value")
		want := "[]"
		if dialect == registrytest.Confluent8 {
			want = "[shop.Order]"
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v: %v, %v; want %s", dialect, got, err, want)
		}
		if got, err := c.AssociatedSubjects(t.Context(), "payments", "lkc-1", "value"); err != nil || len(got) != 0 {
			t.Errorf("%v: no association: %v, %v", dialect, got, err)
		}
	}
}
