package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/registry/registrytest"
)

// avrogen runs the command with the given environment.
func avrogen(t *testing.T, environ map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: func(name string) string { return environ[name] }}
	status = run(context.Background(), a, args)
	return status, out.String(), errs.String()
}

// identity returns a certificate authority, and a certificate of 127.0.0.1 for
// servers and clients.
func identity(t *testing.T) (certificate tls.Certificate, roots *x509.CertPool, caPEM, certPEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	caPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(caPEM))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, caPEM, caPEM,
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TestCommandReachesTheRegistry checks that the command reaches every registry
// that the client can reach. The cases are a private CA, a client certificate,
// headers, OAuth and several URLs. The settings are in avrogen.yaml, the
// environment and a settings file. The control of each case is the same command
// without the tested setting.
func TestCommandReachesTheRegistry(t *testing.T) {
	t.Parallel()
	certificate, roots, caPEM, certPEM, keyPEM := identity(t)
	mutual := registrytest.Start(t, registrytest.WithTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}))
	basic := registrytest.Start(t, registrytest.WithBasicAuth("me", "pass:word"))
	bearer := registrytest.Start(t, registrytest.WithBearer(func(token string) bool { return token == "tok" }))
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := r.BasicAuth(); secret != "s3cr3t" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(`{"access_token":"tok","token_type":"bearer"}`))
	}))
	t.Cleanup(issuer.Close)
	busy := registrytest.Start(t)
	busy.Inject(registrytest.Status(http.StatusTooManyRequests, "Retry-After", "120"))
	for _, s := range []*registrytest.Server{mutual, basic, bearer} {
		if err := s.Seed("orders", `"string"`); err != nil {
			t.Fatal(err)
		}
	}
	dead := "http://127.0.0.1:1"
	// The second URL counts.
	properties := "schema.registry.url=" + dead + "\nschema.registry.url=" + basic.URL + "\nbasic.auth.credentials.source=USER_INFO\nbasic.auth.user.info=me:pass:word\nbootstrap.servers=b:9092\n"
	tlsParts := "\n  ca: ca.pem\n  certificate: cert.pem\n  key: key.pem\n"
	oauth := "\n  oauth: {token-url: \"" + issuer.URL + "\", client-id: me}\n"
	for name, test := range map[string]struct {
		yaml    string
		environ map[string]string
		args    []string
		status  int
		says    string // a part of the error text
	}{
		"mTLS from avrogen.yaml": {yaml: "registry:\n  url: " + mutual.URL + tlsParts},
		"mTLS from the environment": {environ: map[string]string{
			"AVROGEN_REGISTRY": mutual.URL, "AVROGEN_SCHEMA_REGISTRY_SSL_CA_LOCATION": "ca.pem",
			"AVROGEN_SCHEMA_REGISTRY_SSL_CERTIFICATE_LOCATION": "cert.pem", "AVROGEN_SCHEMA_REGISTRY_SSL_KEY_LOCATION": "key.pem",
		}},
		"control: no certificate":   {yaml: "registry:\n  url: " + mutual.URL + "\n  ca: ca.pem\n", status: exitWorld, says: `see "certificate" and "key" under "registry" in avrogen.yaml`},
		"control: no CA":            {yaml: "registry: " + mutual.URL, status: exitWorld, says: `give the certificate of its authority as "ca" under "registry" in avrogen.yaml`},
		"a settings file":           {args: []string{"--registry-config", "app.properties"}},
		"a settings file in yaml":   {yaml: "registry:\n  config: app.properties\n"},
		"a settings file by name":   {environ: map[string]string{"AVROGEN_REGISTRY_CONFIG": "app.properties"}},
		"user and password":         {yaml: "registry: " + basic.URL, environ: map[string]string{"AVROGEN_REGISTRY_USER": "me", "AVROGEN_REGISTRY_PASSWORD": "pass:word"}},
		"several URLs":              {args: []string{"--registry", dead + "," + basic.URL}, environ: map[string]string{"AVROGEN_REGISTRY_USER": "me", "AVROGEN_REGISTRY_PASSWORD": "pass:word"}},
		"control: no password":      {yaml: "registry: " + basic.URL, status: exitWorld, says: "see the credentials in AVROGEN_REGISTRY_USER and AVROGEN_REGISTRY_PASSWORD"},
		"a password without a user": {yaml: "registry: " + basic.URL, environ: map[string]string{"AVROGEN_REGISTRY_PASSWORD": "pass:word"}, status: exitUsage, says: "AVROGEN_REGISTRY_USER is not"},
		"a token with its scheme":   {yaml: "registry: " + bearer.URL, environ: map[string]string{"AVROGEN_REGISTRY_TOKEN": "Bearer s3cr3t"}, status: exitUsage, says: "without the word Bearer"},
		"a wrong name of the host":  {yaml: "registry:\n  url: " + strings.Replace(mutual.URL, "127.0.0.1", "localhost", 1) + tlsParts, status: exitWorld, says: "write a host name of the certificate"},
		"https for http":            {yaml: "registry: " + strings.Replace(basic.URL, "http:", "https:", 1), status: exitWorld, says: "write http://"},
		"too many requests":         {yaml: "registry: " + busy.URL, status: exitWorld, says: "try again later"},
		"no registry":               {yaml: "registry: " + dead, status: exitWorld, says: "see whether it runs"},
		"OAuth":                     {yaml: "registry:\n  url: " + bearer.URL + oauth, environ: map[string]string{"AVROGEN_REGISTRY_CLIENT_SECRET": "s3cr3t"}},
		"control: a wrong secret":   {yaml: "registry:\n  url: " + bearer.URL + oauth, environ: map[string]string{"AVROGEN_REGISTRY_CLIENT_SECRET": "other"}, status: exitWorld},
		"OAuth without secret":      {yaml: "registry:\n  url: " + bearer.URL + oauth, status: exitUsage},
		"a secret in avrogen.yaml":  {yaml: "registry: " + strings.Replace(basic.URL, "//", "//me:s3cr3t@", 1), status: exitUsage},
		"an unknown key":            {yaml: "registry: {ulr: x}", status: exitUsage},
		"a file without URL":        {args: []string{"--registry-config", "empty.properties"}, status: exitUsage},
		"a file that is not there":  {args: []string{"--registry-config", "none.properties"}, status: exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range map[string]string{
				"avrogen.yaml": test.yaml, "ca.pem": caPEM, "cert.pem": certPEM, "key.pem": keyPEM, "app.properties": properties, "empty.properties": "acks=all\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			in := func(s string) string {
				if strings.HasSuffix(s, ".pem") || strings.HasSuffix(s, ".properties") {
					return filepath.Join(dir, s)
				}
				return s
			}
			environ := map[string]string{}
			for k, v := range test.environ {
				environ[k] = in(v)
			}
			args := []string{"pull", "--config", filepath.Join(dir, "avrogen.yaml"), "-o", filepath.Join(dir, "out"), "orders"}
			for _, a := range test.args {
				args = append(args, in(a))
			}
			status, _, stderr := avrogen(t, environ, args...)
			if status != test.status {
				t.Errorf("status %d, want %d: %s", status, test.status, stderr)
			}
			if !strings.Contains(stderr, test.says) {
				t.Errorf("the text %q does not say %q", stderr, test.says)
			}
			if strings.Contains(stderr, "s3cr3t") || strings.Contains(stderr, "pass:word") {
				t.Errorf("a secret shows: %s", stderr)
			}
		})
	}
}

// TestCommandSendsHeaders checks that each call sends the headers of
// avrogen.yaml.
func TestCommandSendsHeaders(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	if err := s.Seed("orders", `"string"`); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "avrogen.yaml")
	if err := os.WriteFile(file, []byte("registry:\n  url: "+s.URL+"\n  headers: {target-sr-cluster: lsrc-1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := avrogen(t, nil, "pull", "--config", file, "-o", dir, "orders"); status != 0 {
		t.Fatal(stderr)
	}
	for _, r := range s.Log() {
		if r.Header.Get("target-sr-cluster") != "lsrc-1" {
			t.Errorf("%v without the header", r)
		}
	}
}

// TestCommandRetriesBySettings checks that max.retries of the environment and
// of a settings file counts. Without the setting, the command retries four
// times.
func TestCommandRetriesBySettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.properties")
	if err := os.WriteFile(file, []byte("max.retries=2\nretries.wait.ms=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		environ map[string]string
		args    []string
		want    int // requests
	}{
		"no setting":      {want: 5},
		"the environment": {environ: map[string]string{"AVROGEN_MAX_RETRIES": "0"}, want: 1},
		"a settings file": {args: []string{"--registry-config", file}, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.Start(t)
			s.Inject(registrytest.Status(http.StatusServiceUnavailable))
			args := append([]string{"pull", "--registry", s.URL, "-o", t.TempDir(), "orders"}, test.args...)
			if status, _, stderr := avrogen(t, test.environ, args...); status != exitWorld || s.Requests() != test.want {
				t.Errorf("status %d after %d requests, want %d: %s", status, s.Requests(), test.want, stderr)
			}
		})
	}
}
