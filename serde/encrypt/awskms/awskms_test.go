package awskms

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const keyID = "arn:aws:kms:eu-west-1:111122223333:key/1234"

// fakeAWS answers for KMS and STS. Its ciphertext is the key id and the
// reversed plain text.
type fakeAWS struct {
	*httptest.Server
	mu     sync.Mutex
	access []string // the access key ids of the KMS requests, with their scope
	role   url.Values
	deny   bool
}

func newFakeAWS(t *testing.T) *fakeAWS {
	t.Helper()
	f := &fakeAWS{}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAWS) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	target := r.Header.Get("X-Amz-Target")
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	credential, _, _ = strings.Cut(credential, ",")
	if target == "" { // STS
		_ = r.ParseForm()
		f.role = r.Form
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
			<AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
			<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
		return
	}
	f.access = append(f.access, credential)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var in struct {
		KeyID                     string `json:"KeyId"`
		Plaintext, CiphertextBlob []byte
		EncryptionContext         map[string]string
	}
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &in); err != nil || f.deny || in.EncryptionContext != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"no right to the key"}`)
		return
	}
	switch target {
	case "TrentService.Encrypt":
		_ = json.NewEncoder(w).Encode(map[string]any{"CiphertextBlob": append([]byte(in.KeyID+"|"), reverse(in.Plaintext)...)})
	case "TrentService.Decrypt":
		id, text, _ := bytes.Cut(in.CiphertextBlob, []byte("|"))
		if string(id) != in.KeyID {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"IncorrectKeyException"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"Plaintext": reverse(text)})
	}
}

func reverse(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[len(b)-1-i] = b[i]
	}
	return out
}

func open(t *testing.T, opts ...Option) tink.AEAD {
	t.Helper()
	k, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	a, err := k.GetAEAD(prefix + keyID)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRoundTrip(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
	t.Setenv("AWS_ACCESS_KEY_ID", "FROM-ENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	static := map[string]string{"access.key.id": "STATIC", "secret.access.key": "s"}
	role := map[string]string{"role.arn": "arn:aws:iam::1:role/r", "role.external.id": "ext", "client.id": "of another system"}
	for name, c := range map[string]struct {
		settings map[string]string
		access   string
	}{"static": {static, "STATIC"}, "environment": {nil, "FROM-ENV"}, "role": {role, "ASSUMED"}} {
		f := newFakeAWS(t)
		a := open(t, WithConfig(c.settings), WithEndpoint(f.URL))
		wrapped, err := a.Encrypt([]byte("a key"), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plain, err := a.Decrypt(wrapped, []byte{})
		if err != nil || string(plain) != "a key" || bytes.Contains(wrapped, []byte("a key")) {
			t.Errorf("%s: %q, %q, %v", name, wrapped, plain, err)
		}
		if len(f.access) != 2 || !strings.HasPrefix(f.access[0], c.access+"/") || !strings.Contains(f.access[0], "/eu-west-1/kms/") {
			t.Errorf("%s: credentials %q", name, f.access)
		}
		if name == "role" && (f.role.Get("RoleArn") != role["role.arn"] || f.role.Get("ExternalId") != "ext" || f.role.Get("RoleSessionName") != "confluent-encrypt") {
			t.Errorf("role: %v", f.role)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := newFakeAWS(t)
	f.deny = true
	settings := map[string]string{"access.key.id": "A", "secret.access.key": "MARKER"}
	a := open(t, WithConfig(settings), WithEndpoint(f.URL))
	_, err := a.Encrypt([]byte("PLAIN"), nil)
	var denied smithy.APIError
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDeniedException" || strings.Contains(err.Error(), "PLAIN") || strings.Contains(err.Error(), "MARKER") {
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
	if _, err := New(WithConfig(map[string]string{"access.key.id": "A"})); err == nil {
		t.Error("half an access key was taken")
	}
	k, err := New(Option{}, WithConfig(settings))
	if err != nil {
		t.Fatal(err)
	}
	if text := shows(k); text != "" {
		t.Error(text)
	}
	for _, uri := range []string{"", "gcp-kms://x", "aws-kms://", "aws-kms://alias/x", "aws-kms://arn:aws:s3:r:a:b", "aws-kms://arn:aws:kms::1:key/x"} {
		if a, err := k.GetAEAD(uri); err == nil {
			t.Errorf("%q: %v", uri, a)
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
