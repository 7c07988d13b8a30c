package gcpkms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

const keyName = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/orders"

// fakeGCP answers for Cloud KMS. Its ciphertext is the key's name and the text.
type fakeGCP struct {
	*httptest.Server
	mu      sync.Mutex
	auth    []string
	corrupt bool
	deny    bool
}

func newFakeGCP(t *testing.T) *fakeGCP {
	t.Helper()
	f := &fakeGCP{}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeGCP) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.auth = append(f.auth, r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/json")
	if f.deny {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":{"code":403,"message":"no right to the key","status":"PERMISSION_DENIED"}}`)
		return
	}
	var in struct{ Plaintext, Ciphertext string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	name, verb, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), ":")
	sum := func(b []byte) int64 {
		if f.corrupt {
			return 1
		}
		return int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	}
	switch verb {
	case "encrypt":
		plain, _ := base64.URLEncoding.DecodeString(in.Plaintext)
		out := append([]byte(name+"|"), plain...)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"name": name, "ciphertext": base64.StdEncoding.EncodeToString(out), "ciphertextCrc32c": fmt.Sprint(sum(out)),
			"verifiedPlaintextCrc32c": true, "verifiedAdditionalAuthenticatedDataCrc32c": true,
		})
	case "decrypt":
		out, _ := base64.URLEncoding.DecodeString(in.Ciphertext)
		plain, _ := bytes.CutPrefix(out, []byte(name+"|"))
		_ = json.NewEncoder(w).Encode(map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain), "plaintextCrc32c": fmt.Sprint(sum(plain))})
	}
}

func roundTrip(k *KMS) (string, error) {
	key, err := k.GetAEAD(prefix + keyName)
	if err != nil {
		return "", err
	}
	wrapped, err := key.Encrypt([]byte("a key"), nil)
	if err != nil {
		return "", err
	}
	plain, err := key.Decrypt(wrapped, []byte{})
	return string(plain), err
}

// serviceAccount returns settings whose tokens are signed locally, as Google
// accepts them for its APIs.
func serviceAccount(t *testing.T) map[string]string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"client.id": "1", "client.email": "svc@p.iam.gserviceaccount.com", "private.key.id": "k1",
		"private.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token.id": "of another system",
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFakeGCP(t)
	k, err := New(Option{}, WithEndpoint(f.URL), WithClientOptions(option.WithHTTPClient(f.Client())))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := roundTrip(k); err != nil || plain != "a key" {
		t.Errorf("%q, %v", plain, err)
	}
}

// TestServiceAccount checks that the settings of a service account are used for
// the requests.
func TestServiceAccount(t *testing.T) {
	t.Parallel()
	settings := serviceAccount(t)
	f := newFakeGCP(t)
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"from the account","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	account := map[string]string{
		"type": "service_account", "client_email": settings["client.email"], "private_key": settings["private.key"],
		"private_key_id": "k1", "token_uri": tokens.URL,
	}
	text, err := json.Marshal(account)
	if err != nil {
		t.Fatal(err)
	}
	k, err := New(WithEndpoint(f.URL), WithClientOptions(option.WithAuthCredentialsJSON(option.ServiceAccount, text)))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := roundTrip(k); err != nil || plain != "a key" || f.auth[0] != "Bearer from the account" {
		t.Errorf("%q, %q, %v", plain, f.auth, err)
	}
	k, err = New(WithConfig(settings), WithEndpoint(f.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.GetAEAD(prefix + keyName); err != nil { // the PEM text is read
		t.Errorf("settings: %v", err)
	}
	settings["private.key"] = "MARKER"
	if k, err = New(WithConfig(settings), WithEndpoint(f.URL)); err != nil {
		t.Fatal(err)
	}
	if _, err := roundTrip(k); err == nil || strings.Contains(err.Error(), "MARKER") {
		t.Errorf("a broken key: %v", err)
	}
	if text := shows(k); text != "" {
		t.Error(text)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := newFakeGCP(t)
	k, err := New(WithEndpoint(f.URL), WithClientOptions(option.WithHTTPClient(f.Client())))
	if err != nil {
		t.Fatal(err)
	}
	f.corrupt = true
	if _, err := roundTrip(k); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a changed answer: %v", err)
	}
	f.deny = true
	var denied *googleapi.Error
	if _, err := roundTrip(k); !errors.As(err, &denied) || denied.Code != http.StatusForbidden {
		t.Errorf("denied: %v", err)
	}
	for _, uri := range []string{"", "aws-kms://x", "gcp-kms://", "gcp-kms://projects/p", prefix + keyName + "/cryptoKeyVersions/1", prefix + keyName + "/../x"} {
		if _, err := k.GetAEAD(uri); err == nil {
			t.Errorf("%q was taken", uri)
		}
	}
	for _, settings := range []map[string]string{
		{"private.key": "x"}, {"private.key": "x", "client.id": "1", "client.email": "e", "private.key.id": "i", "account.type": "user"},
	} {
		if _, err := New(WithConfig(settings)); err == nil {
			t.Errorf("%v was taken", settings)
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
