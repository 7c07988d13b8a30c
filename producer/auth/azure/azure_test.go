package azure

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// jwt returns a token without a signature.
func jwt(claims string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"none"}`) + "." + part(claims) + "."
}

// services is Azure in one server with a certificate of a private CA.
func services(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tenant/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "https://ns.servicebus.windows.net/.default" || r.FormValue("client_id") != "app":
			http.Error(w, `{"error":"invalid_request"}`, http.StatusBadRequest)
		case r.FormValue("client_secret") == "s3cret", r.FormValue("client_assertion") == "k8s-t0ken" && strings.HasSuffix(r.FormValue("client_assertion_type"), "jwt-bearer"):
			fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":%q}`, jwt(`{"oid":"entra"}`))
		default:
			http.Error(w, `{"error":"invalid_client","error_description":"`+r.FormValue("client_secret")+`"}`, http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("POST /moved/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/tenant/oauth2/v2.0/token", http.StatusTemporaryRedirect)
	})
	managed := func(version string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("api-version") != version || r.FormValue("resource") != "https://ns.servicebus.windows.net" || r.Header.Get("Metadata") != "true" && r.Header.Get("X-Identity-Header") != "h3ader" {
				http.Error(w, `{"error":"invalid_request"}`, http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, `{"token_type":"Bearer","expires_on":"1795730399","access_token":%q}`, jwt(`{"sub":"managed-`+r.FormValue("client_id")+`"}`))
		}
	}
	mux.HandleFunc("GET /metadata/identity/oauth2/token", managed("2018-02-01"))
	mux.HandleFunc("GET /msi/token", managed("2019-08-01"))
	mux.HandleFunc("GET /empty/metadata/identity/oauth2/token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"access_token":"t"}`) })
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestToken(t *testing.T) {
	t.Parallel()
	server := services(t)
	file := filepath.Join(t.TempDir(), "federated")
	if err := os.WriteFile(file, []byte("k8s-t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	app := func(more ...string) map[string]string {
		env := map[string]string{"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "app", "AZURE_AUTHORITY_HOST": server.URL}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		want string // the principal, or a part of the error after "error: "
	}{
		"a client secret":       {app("AZURE_CLIENT_SECRET", "s3cret"), "entra"},
		"workload identity":     {app("AZURE_FEDERATED_TOKEN_FILE", file), "entra"},
		"a wrong secret":        {app("AZURE_CLIENT_SECRET", "wr0ng"), "error: answered 401 Unauthorized: invalid_client"},
		"a missing file":        {app("AZURE_FEDERATED_TOKEN_FILE", file+"x"), "error: AZURE_FEDERATED_TOKEN_FILE"},
		"half an application":   {map[string]string{"AZURE_CLIENT_SECRET": "s3cret"}, "error: need AZURE_TENANT_ID"},
		"a tenant with a path":  {app("AZURE_CLIENT_SECRET", "s3cret", "AZURE_TENANT_ID", "x/../y"), "error: AZURE_TENANT_ID"},
		"a redirect":            {app("AZURE_CLIENT_SECRET", "s3cret", "AZURE_TENANT_ID", "moved"), "error: a redirect is not followed"},
		"clear text":            {app("AZURE_CLIENT_SECRET", "s3cret", "AZURE_AUTHORITY_HOST", "http://login.example"), "error: over https only"},
		"App Service":           {map[string]string{"IDENTITY_ENDPOINT": server.URL + "/msi/token", "IDENTITY_HEADER": "h3ader"}, "managed-"},
		"a virtual machine":     {map[string]string{"AZURE_POD_IDENTITY_AUTHORITY_HOST": server.URL, "AZURE_CLIENT_ID": "id"}, "managed-id"},
		"a token without a end": {map[string]string{"AZURE_POD_IDENTITY_AUTHORITY_HOST": server.URL + "/empty"}, "error: does not say when the token expires"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := New("https://ns.servicebus.windows.net/.default", WithHTTPClient(server.Client()))
			if err != nil {
				t.Fatal(err)
			}
			s.env = func(key string) string { return tc.env[key] }
			now := time.Unix(1795726800, 0)
			s.now = func() time.Time { return now }
			token, err := s.Token(t.Context())
			if reason, wantErr := strings.CutPrefix(tc.want, "error: "); wantErr {
				if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "wr0ng") {
					t.Errorf("%v, want %q", err, reason)
				}
				return
			}
			if err != nil || token.Principal != tc.want || !token.Expiry.Equal(now.Add(3599*time.Second)) || !strings.HasPrefix(token.Value, "ey") {
				t.Errorf("%v, %v", token, err)
			}
			s.client = nil // the control: the private CA is not trusted
			if _, err := s.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("without the CA: %v", err)
			}
		})
	}
	if _, err := New("https://ns.servicebus.windows.net/.default", WithHTTPClient(nil)); err == nil || !strings.Contains(err.Error(), "WithHTTPClient") {
		t.Errorf("nil client: %v", err)
	}
	for _, scope := range []string{"", "/.default", "https://ns.servicebus.windows.net", "a b/.default"} {
		if _, err := New(scope); err == nil {
			t.Errorf("scope %q: accepted", scope)
		}
	}
}
