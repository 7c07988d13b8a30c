package google

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// services is Google Cloud in one server with a certificate of a private CA. It
// knows the public key of one service account.
func services(t *testing.T, account *rsa.PublicKey) *httptest.Server {
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(mux)
	answer := func(w http.ResponseWriter, token string) {
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600,"token_type":"Bearer"}`, token)
	}
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("grant_type") {
		case "urn:ietf:params:oauth:grant-type:jwt-bearer":
			parts := strings.Split(r.FormValue("assertion"), ".")
			digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
			signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
			text, _ := base64.RawURLEncoding.DecodeString(parts[1])
			var claims struct{ Iss, Aud, Scope string }
			_ = json.Unmarshal(text, &claims)
			if rsa.VerifyPKCS1v15(account, crypto.SHA256, digest[:], signature) == nil && claims.Aud == server.URL+"/token" && claims.Iss == "svc@p.iam.gserviceaccount.com" && claims.Scope == scope {
				answer(w, "ya29.account")
				return
			}
		case "refresh_token":
			if r.FormValue("refresh_token") == "r3fresh" && r.FormValue("client_secret") == "s3cret" {
				answer(w, "ya29.user")
				return
			}
		case "urn:ietf:params:oauth:grant-type:token-exchange":
			if r.FormValue("subject_token") == "k8s-t0ken" && r.FormValue("audience") == "//iam.googleapis.com/pool" {
				answer(w, "ya29.federated")
				return
			}
		}
		http.Error(w, `{"error":"invalid_grant","error_description":"`+r.FormValue("refresh_token")+`"}`, http.StatusBadRequest)
	})
	mux.HandleFunc("POST /v1/projects/-/serviceAccounts/imp@p.iam.gserviceaccount.com:generateAccessToken", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer ya29.federated" {
			http.Error(w, `{"error":{"status":"PERMISSION_DENIED"}}`, http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"accessToken":"ya29.impersonated","expireTime":%q}`, time.Unix(1795730400, 0).UTC().Format(time.RFC3339))
	})
	mux.HandleFunc("GET /subject", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"value":%q}`, r.Header.Get("X-Subject"))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
	})
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestToken(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	server := services(t, &key.PublicKey)
	dir := t.TempDir()
	file := func(name string, content any) string {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := content.(string); ok {
			text = []byte(s)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	type m = map[string]any
	federated := func(source m, more m) m {
		c := m{"type": "external_account", "audience": "//iam.googleapis.com/pool", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": server.URL + "/token", "credential_source": source}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	subject := file("subject", "k8s-t0ken\n")
	for name, tc := range map[string]struct {
		content   any
		principal string // WithPrincipal
		token     string // the access token, or a part of the error after "error: "
		sub       string
	}{
		"a service account":      {m{"type": "service_account", "client_email": "svc@p.iam.gserviceaccount.com", "private_key": private, "token_uri": server.URL + "/token"}, "", "ya29.account", "svc@p.iam.gserviceaccount.com"},
		"a user":                 {m{"type": "authorized_user", "client_id": "c", "client_secret": "s3cret", "refresh_token": "r3fresh", "token_uri": server.URL + "/token"}, "me@x", "ya29.user", "me@x"},
		"a user without a name":  {m{"type": "authorized_user", "client_id": "c", "client_secret": "s3cret", "refresh_token": "r3fresh", "token_uri": server.URL + "/token"}, "", "error: use WithPrincipal", ""},
		"a user who was removed": {m{"type": "authorized_user", "client_id": "c", "client_secret": "s3cret", "refresh_token": "wr0ng", "token_uri": server.URL + "/token"}, "me@x", "error: answered 400 Bad Request: invalid_grant", ""},
		"federated by a file":    {federated(m{"file": subject}, nil), "me@x", "ya29.federated", "me@x"},
		"federated by a URL": {federated(m{"url": server.URL + "/subject", "headers": m{"X-Subject": "k8s-t0ken"}, "format": m{"type": "json", "subject_token_field_name": "value"}},
			m{"service_account_impersonation_url": server.URL + "/v1/projects/-/serviceAccounts/imp@p.iam.gserviceaccount.com:generateAccessToken"}), "", "ya29.impersonated", "imp@p.iam.gserviceaccount.com"},
		"federated by a program": {federated(m{"executable": m{"command": "/bin/sh"}}, nil), "me@x", "error: must name a file or a url", ""},
		"a redirect":             {m{"type": "authorized_user", "refresh_token": "r3fresh", "token_uri": server.URL + "/moved"}, "me@x", "error: a redirect is not followed", ""},
		"clear text":             {m{"type": "authorized_user", "refresh_token": "r3fresh", "token_uri": "http://oauth.example/token"}, "me@x", "error: over https only", ""},
		"another type":           {m{"type": "impersonated_service_account"}, "", `error: credentials of the type "impersonated_service_account"`, ""},
		"no JSON":                {"hunter2", "", "error: is not JSON", ""},
		"no key":                 {m{"type": "service_account", "client_email": "a", "private_key": "hunter2"}, "", "error: private_key: is not PEM", ""},
	} {
		path := file(strings.ReplaceAll(name, " ", "-"), tc.content)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := []Option{{}, WithHTTPClient(server.Client())}
			if tc.principal != "" {
				opts = append(opts, WithPrincipal(tc.principal))
			}
			s, err := New(opts...)
			if err != nil {
				t.Fatal(err)
			}
			s.env = func(key string) string { return map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": path}[key] }
			now := time.Unix(1795726800, 0)
			s.now = func() time.Time { return now }
			token, err := s.Token(t.Context())
			if reason, wantErr := strings.CutPrefix(tc.token, "error: "); wantErr {
				if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v, want %q", err, reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(token.Value, ".")
			claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
			inner, _ := base64.RawURLEncoding.DecodeString(parts[2])
			want := fmt.Sprintf(`{"exp":1795730400,"iat":1795726800,"iss":"Google","scope":"kafka","sub":%q}`, tc.sub)
			if string(claims) != want || string(inner) != tc.token || token.Principal != tc.sub || !token.Expiry.Equal(now.Add(time.Hour)) {
				t.Errorf("claims %s, want %s; token %s; %v", claims, want, inner, token)
			}
			s.client = nil // the control: the private CA is not trusted
			if _, err := s.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("without the CA: %v", err)
			}
		})
	}
}

// TestMetadataService uses the metadata service of a machine, which speaks HTTP
// on a link-local address.
func TestMetadataService(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const base = "/computeMetadata/v1/instance/service-accounts/default/"
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google":
			http.Error(w, "", http.StatusForbidden)
		case r.URL.Path == base+"email":
			fmt.Fprintln(w, "vm@p.iam.gserviceaccount.com")
		case r.URL.Path == base+"token" && r.FormValue("scopes") == scope:
			fmt.Fprint(w, `{"access_token":"ya29.vm","expires_in":1800}`)
		}
	}))
	t.Cleanup(server.Close)
	if _, err := New(WithHTTPClient(nil)); err == nil || !strings.Contains(err.Error(), "WithHTTPClient") {
		t.Errorf("nil client: %v", err)
	}
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	s.env = func(key string) string {
		return map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(server.URL, "http://"), "CLOUDSDK_CONFIG": t.TempDir()}[key]
	}
	token, err := s.Token(t.Context())
	if err != nil || token.Principal != "vm@p.iam.gserviceaccount.com" {
		t.Errorf("%v, %v", token, err)
	}
}
