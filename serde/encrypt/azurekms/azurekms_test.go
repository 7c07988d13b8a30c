package azurekms

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// fakeVault answers for a Key Vault with one RSA key.
type fakeVault struct {
	*httptest.Server
	key   *rsa.PrivateKey
	mu    sync.Mutex
	paths []string
	deny  bool
}

func newFakeVault(t *testing.T) *fakeVault {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeVault{key: key}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeVault) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer token" { // the first request asks for the scope
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.example.com/t", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if f.deny {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":{"code":"Forbidden","message":"MARKER"}}`)
		return
	}
	f.paths = append(f.paths, r.URL.Path)
	var in struct{ Alg, Value string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	value, err := base64.RawURLEncoding.DecodeString(in.Value)
	if err == nil && in.Alg != "RSA-OAEP-256" {
		err = errors.New(in.Alg)
	}
	if strings.HasSuffix(r.URL.Path, "/encrypt") && err == nil {
		value, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &f.key.PublicKey, value, nil)
	} else if err == nil {
		value, err = rsa.DecryptOAEP(sha256.New(), nil, f.key, value, nil)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"code":"BadParameter"}}`)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"kid": "k", "value": base64.RawURLEncoding.EncodeToString(value)})
}

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (f *fakeVault) open(t *testing.T, path string) tink.AEAD {
	t.Helper()
	k, err := New(Option{}, WithCredential(token{}), WithClientOptions(azkeys.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: f.Client()}, DisableChallengeResourceVerification: true,
	}))
	if err != nil {
		t.Fatal(err)
	}
	a, err := k.GetAEAD(prefix + f.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFakeVault(t)
	for _, path := range []string{"/keys/orders", "/keys/orders/v7"} {
		a := f.open(t, path)
		wrapped, err := a.Encrypt([]byte("a key"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := a.Decrypt(wrapped, []byte{}); err != nil || string(plain) != "a key" {
			t.Errorf("%s: %q, %v", path, plain, err)
		}
		if _, err := a.Decrypt([]byte("junk"), nil); err == nil {
			t.Error("junk was decrypted")
		}
	}
	if f.paths[len(f.paths)-1] != "/keys/orders/v7/decrypt" {
		t.Errorf("%q", f.paths)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := newFakeVault(t)
	a := f.open(t, "/keys/orders")
	f.deny = true
	_, err := a.Encrypt([]byte("x"), nil)
	var refused *Error
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden || refused.Code != "Forbidden" || strings.Contains(err.Error(), "MARKER") {
		t.Errorf("%v", err)
	}
	if _, err := a.Encrypt(nil, []byte("data")); !errors.Is(err, errData) {
		t.Errorf("associated data: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.(tink.AEADWithContext).EncryptWithContext(ctx, []byte("x"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	k, err := New(WithConfig(map[string]string{"tenant.id": "t", "client.id": "c", "client.secret": "MARKER", "token.id": "x"}))
	if err != nil {
		t.Fatal(err)
	}
	if text := shows(k); text != "" {
		t.Error(text)
	}
	for _, uri := range []string{
		"", "aws-kms://x", "azure-kms://", "azure-kms://https://v/keys", "azure-kms://https://v/secrets/x", "azure-kms://https://v/keys/",
		"azure-kms://http://v.vault.azure.net/keys/x", "azure-kms://https://u:p@v/keys/x", "azure-kms://https://v/keys/x/y/z",
	} {
		if _, err := k.GetAEAD(uri); err == nil {
			t.Errorf("%q was taken", uri)
		}
	}
	for name, o := range map[string]Option{
		"secret alone": WithConfig(map[string]string{"client.secret": "s"}), "nil": WithCredential(nil),
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
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
