package hcvault

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeVault answers for the transit engine and for AppRole.
type fakeVault struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string // of the transit requests
	spaces []string // namespaces of all requests
	logins int
	uses   int // of a token, before Vault refuses the token; 0 means any number
}

func newFakeVault(t *testing.T) *fakeVault {
	t.Helper()
	f := &fakeVault{}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/auth/approle/login", f.login)
	mux.HandleFunc("PUT /v1/transit/encrypt/orders", f.transit("plaintext", "ciphertext", func(s string) string { return "vault:v1:" + s }))
	mux.HandleFunc("PUT /v1/transit/decrypt/orders", f.transit("ciphertext", "plaintext", func(s string) string { return strings.TrimPrefix(s, "vault:v1:") }))
	f.Server = httptest.NewTLSServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeVault) login(w http.ResponseWriter, r *http.Request) {
	var in map[string]string
	_ = json.NewDecoder(r.Body).Decode(&in)
	if in["role_id"] != "role" || in["secret_id"] != "MARKER" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"errors":["invalid role or secret ID"]}`)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins++
	fmt.Fprintf(w, `{"auth":{"client_token":"approle-%d","lease_duration":100}}`, f.logins)
}

func (f *fakeVault) transit(from, to string, change func(string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.tokens = append(f.tokens, r.Header.Get("X-Vault-Token"))
		f.spaces = append(f.spaces, r.Header.Get("X-Vault-Namespace"))
		used := 0
		for _, token := range f.tokens {
			if token == r.Header.Get("X-Vault-Token") {
				used++
			}
		}
		if f.uses > 0 && used > f.uses || r.Header.Get("X-Vault-Token") == "denied" || in["associated_data"] != "" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["1 error occurred: permission denied"]}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]string{to: change(in[from])}})
	}
}

func (f *fakeVault) open(t *testing.T, settings map[string]string) *KMS {
	t.Helper()
	k, err := New(f.URL, Option{}, WithConfig(settings), WithTLSConfig(f.Client().Transport.(*http.Transport).TLSClientConfig))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func roundTrip(t *testing.T, k *KMS, keyURI string) error {
	t.Helper()
	key, err := k.GetAEAD(keyURI)
	if err != nil {
		return err
	}
	wrapped, err := key.Encrypt([]byte("a key"), nil)
	if err != nil {
		return err
	}
	plain, err := key.Decrypt(wrapped, []byte{})
	if err != nil {
		return err
	}
	if string(plain) != "a key" || !strings.HasPrefix(string(wrapped), "vault:v1:") {
		t.Errorf("%q, %q", wrapped, plain)
	}
	return nil
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFakeVault(t)
	k := f.open(t, map[string]string{"token.id": "tok", "namespace": "ns1"})
	host := strings.TrimPrefix(f.URL, "https://")
	for _, id := range []string{f.URL, host} { // a missing scheme is https
		if err := roundTrip(t, k, "hcvault://"+id+"/transit/keys/orders"); err != nil {
			t.Fatal(err)
		}
	}
	if f.tokens[0] != "tok" || f.spaces[3] != "ns1" {
		t.Errorf("tokens %q, namespaces %q", f.tokens, f.spaces)
	}
	wrapped := "vault:v1:" + base64.StdEncoding.EncodeToString([]byte("of another client"))
	key, err := k.GetAEAD("hcvault://" + host + "/transit/keys/orders")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Decrypt([]byte(wrapped), nil); err != nil || string(plain) != "of another client" {
		t.Errorf("%q, %v", plain, err)
	}
}

// TestAppRoleTokenUsedUp checks that the KMS logs in again if Vault refuses a
// token, as after token_num_uses or after a revocation. The control is a fixed
// token, which cannot be replaced.
func TestAppRoleTokenUsedUp(t *testing.T) {
	t.Parallel()
	f := newFakeVault(t)
	f.uses = 2
	k := f.open(t, map[string]string{"approle.role.id": "role", "approle.secret.id": "MARKER"})
	for range 3 { // each with two requests
		if err := roundTrip(t, k, "hcvault://"+f.URL+"/transit/keys/orders"); err != nil {
			t.Error(err)
		}
	}
	if f.logins != 3 {
		t.Errorf("%d logins", f.logins)
	}
	fixed := f.open(t, map[string]string{"token.id": "tok"})
	if err := roundTrip(t, fixed, "hcvault://"+f.URL+"/transit/keys/orders"); err != nil {
		t.Error(err)
	}
	if err := roundTrip(t, fixed, "hcvault://"+f.URL+"/transit/keys/orders"); err == nil || f.logins != 3 {
		t.Errorf("control: %v after %d logins", err, f.logins)
	}
}

func TestAppRole(t *testing.T) {
	t.Parallel()
	f := newFakeVault(t)
	k := f.open(t, map[string]string{"approle.role.id": "role", "approle.secret.id": "MARKER"})
	now := time.Now()
	k.now = func() time.Time { return now }
	uri := "hcvault://" + f.URL + "/transit/keys/orders"
	for range 2 {
		if err := roundTrip(t, k, uri); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(90 * time.Second) // the lease is about to end
	if err := roundTrip(t, k, uri); err != nil {
		t.Fatal(err)
	}
	if f.logins != 2 || f.tokens[0] != "approle-1" || f.tokens[5] != "approle-2" {
		t.Errorf("%d logins, tokens %q", f.logins, f.tokens)
	}
	wrong := f.open(t, map[string]string{"approle.role.id": "other", "approle.secret.id": "MARKER"})
	err := roundTrip(t, wrong, uri)
	if err == nil || !strings.Contains(err.Error(), "AppRole") || strings.Contains(err.Error(), "MARKER") {
		t.Errorf("%v", err)
	}
	if text := shows(k); text != "" {
		t.Error(text)
	}
}

// TestRefusals checks that the token is sent only to the address of New.
func TestRefusals(t *testing.T) {
	t.Parallel()
	f, other := newFakeVault(t), newFakeVault(t)
	k := f.open(t, map[string]string{"token.id": "MARKER"})
	for _, uri := range []string{
		"", "hcvault://", "aws-kms://x", "hcvault://" + other.URL + "/transit/keys/orders",
		"hcvault://" + strings.Replace(f.URL, "https", "http", 1) + "/transit/keys/orders",
		"hcvault://" + f.URL + "/transit/orders", "hcvault://" + f.URL + "/transit/keys/orders?x=1",
		"hcvault://" + strings.Replace(f.URL, "://", "://user@", 1) + "/transit/keys/orders",
	} {
		if err := roundTrip(t, k, uri); err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%q: %v", uri, err)
		}
	}
	if len(other.tokens) != 0 || len(f.tokens) != 0 {
		t.Errorf("tokens were sent: %q, %q", other.tokens, f.tokens)
	}
	denied := f.open(t, map[string]string{"token.id": "denied"})
	if err := roundTrip(t, denied, "hcvault://"+f.URL+"/transit/keys/orders"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v", err)
	}
	for _, address := range []string{"", "ftp://x", "https://user:pw@x", "://"} {
		if _, err := New(address); err == nil {
			t.Errorf("address %q was taken", address)
		}
	}
	if _, err := New(f.URL, WithTLSConfig(nil)); err == nil {
		t.Error("a nil TLS configuration was taken")
	}
}

// TestEnvironment checks that environment variables replace missing settings,
// and that VAULT_ADDR does not change the address of the requests.
func TestEnvironment(t *testing.T) {
	f := newFakeVault(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_CACERT", ca)
	t.Setenv("VAULT_TOKEN", "from-env")
	t.Setenv("VAULT_ADDR", "https://127.0.0.1:1")
	k, err := New(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(t, k, "hcvault://"+f.URL+"/transit/keys/orders"); err != nil || f.tokens[0] != "from-env" {
		t.Errorf("%q, %v", f.tokens, err)
	}
}

// shows returns the text of the way to print v that shows "MARKER", or "".
func shows(v any) string {
	var all []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
		all = append(all, fmt.Sprintf(verb, v))
	}
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(v)
	_ = gob.NewEncoder(&b).Encode(v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
	for _, text := range append(all, b.String()) {
		for _, form := range []string{"MARKER", fmt.Sprintf("%x", "MARKER"), fmt.Sprintf("%X", "MARKER"), fmt.Sprint([]byte("MARKER"))} {
			if strings.Contains(text, form) {
				return text
			}
		}
	}
	return ""
}
