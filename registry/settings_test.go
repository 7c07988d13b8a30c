package registry_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// writeFile writes a file for a test and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfigFile checks that the producer's settings file may also contain the
// registry's settings.
func TestConfigFile(t *testing.T) {
	t.Parallel()
	basic := startSeeded(t, registrytest.WithBasicAuth("key", "se:cret"))
	bearer := startSeeded(t, registrytest.WithBearer(func(token string) bool { return token == "tok" }))
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "me" || secret != "s3cr3t" || r.FormValue("scope") != "a b" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(`{"access_token":"tok","token_type":"bearer"}`))
	}))
	t.Cleanup(issuer.Close)
	const cloud = "# Required connection configs for Kafka producer, consumer, and admin\nbootstrap.servers=pkc.example:9092\nsecurity.protocol=SASL_SSL\n" +
		"sasl.mechanisms=PLAIN\nsasl.username=key\nsasl.password=se:cret\nsession.timeout.ms=45000\nclient.id=ccloud-1\nacks=all\n"
	for name, test := range map[string]struct {
		file, text string
		ok         bool
	}{
		"Confluent Cloud": {"client.properties", cloud + "schema.registry.url=" + basic.URL + "\nbasic.auth.credentials.source=USER_INFO\nbasic.auth.user.info=key:se:cret\n", true},
		"Java's prefix":   {"client.properties", "schema.registry.url=" + basic.URL + "\nschema.registry.basic.auth.user.info=key:se:cret\n", true},
		"Java's token":    {"client.properties", "schema.registry.url=" + bearer.URL + "\nschema.registry.bearer.auth.credentials.source=STATIC_TOKEN\nschema.registry.bearer.auth.token=tok\n", true},
		"a URL again":     {"client.properties", "schema.registry.url=" + deadURL(t) + "\nschema.registry.url=" + basic.URL + "\nbasic.auth.user.info=key:se:cret\n", true},
		"SASL_INHERIT":    {"client.properties", cloud + "schema.registry.url=" + basic.URL + "\nbasic.auth.credentials.source=SASL_INHERIT\n", true},
		"in the URL":      {"client.properties", "schema.registry.url=" + strings.Replace(basic.URL, "//", "//key:se%3Acret@", 1) + "\nbasic.auth.credentials.source=URL\n", true},
		"YAML":            {"client.yaml", "schema.registry.url: " + basic.URL + "\nbasic:\n  auth:\n    user.info: key:se:cret\n", true},
		"static token":    {"client.properties", "schema.registry.url=" + bearer.URL + "\nbearer.auth.credentials.source=STATIC_TOKEN\nbearer.auth.token=tok\n", true},
		"OAuth": {
			"client.properties", "schema.registry.url=" + bearer.URL + "\nbearer.auth.credentials.source=OAUTHBEARER\nbearer.auth.issuer.endpoint.url=" + issuer.URL +
				"\nbearer.auth.client.id=me\nbearer.auth.client.secret=s3cr3t\nbearer.auth.scope=a b\n", true,
		},
		"several URLs":            {"client.properties", "schema.registry.url=" + deadURL(t) + " , " + basic.URL + "\nbasic.auth.user.info=key:se:cret\n", true},
		"control: no credentials": {"client.properties", "schema.registry.url=" + basic.URL + "\n", false},
		"control: wrong ones":     {"client.properties", "schema.registry.url=" + basic.URL + "\nbasic.auth.user.info=key:other\n", false},
	} {
		c, err := registry.New(nil, registry.WithConfigFile(writeFile(t, test.file, test.text)), registry.WithRetries(0, 0, 0))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = c.SchemaByID(t.Context(), "", 1)
		var answer *registry.Error
		if test.ok && err != nil || !test.ok && (!errors.As(err, &answer) || answer.Status != 401) {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
}

// TestConfigTokenEndpointTLS checks that the TLS settings of the registry also
// count for the token endpoint, which often has a certificate of the same CA.
func TestConfigTokenEndpointTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	server := &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}
	s := startSeeded(t, registrytest.WithTLS(server), registrytest.WithBearer(func(token string) bool { return token == "tok" }))
	issuer := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"access_token":"tok","token_type":"bearer"}`))
	}))
	issuer.TLS = server
	issuer.StartTLS()
	t.Cleanup(issuer.Close)
	client := ca.issue(t, "client")
	const p = "schema.registry.ssl."
	c, err := registry.New([]string{s.URL}, registry.WithRetries(0, 0, 0), registry.WithConfig(map[string]string{
		"bearer.auth.issuer.endpoint.url": issuer.URL, "bearer.auth.client.id": "me", "bearer.auth.client.secret": "s3cr3t",
		p + "ca.pem":          string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})),
		p + "certificate.pem": pemOf(t, client), p + "key.pem": pemOfKey(t, client),
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
		t.Error(err)
	}
}

func TestConfigFileTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	s := startSeeded(t, registrytest.WithTLS(&tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}))
	client := ca.issue(t, "client")
	certPEM, keyPEM, caPEM := pemOf(t, client), pemOfKey(t, client), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	const p = "schema.registry.ssl."
	for name, m := range map[string]map[string]string{
		"librdkafka's files": {p + "ca.location": writeFile(t, "ca.pem", caPEM), p + "certificate.location": writeFile(t, "cert.pem", certPEM), p + "key.location": writeFile(t, "key.pem", keyPEM)},
		"Java's files":       {p + "truststore.type": "PEM", p + "truststore.location": writeFile(t, "ca.pem", caPEM), p + "keystore.type": "PEM", p + "keystore.location": writeFile(t, "both.pem", keyPEM+certPEM)},
		"Java's text":        {p + "truststore.certificates": caPEM, p + "keystore.certificate.chain": certPEM, p + "keystore.key": keyPEM},
		"text in one line":   {p + "ca.pem": strings.ReplaceAll(caPEM, "\n", `\n`), p + "certificate.pem": certPEM, p + "key.pem": keyPEM},
	} {
		m["schema.registry.url"] = s.URL
		c, err := registry.New(nil, registry.WithConfig(m), registry.WithRetries(0, 0, 0))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
	for name, m := range map[string]map[string]string{
		"JKS":              {p + "truststore.type": "JKS", p + "truststore.location": "x.jks"},
		"no file":          {p + "ca.location": filepath.Join(t.TempDir(), "none.pem")},
		"no certificate":   {p + "ca.location": writeFile(t, "ca.pem", "hello")},
		"no key":           {p + "certificate.pem": certPEM},
		"a key alone":      {p + "key.pem": keyPEM},
		"Java's secret":    {"schema.registry.bearer.auth.token": "s3cr3t\x01"},
		"Java's proxy":     {"schema.registry.proxy.host": "s3 cr3t"},
		"URL of a proxy":   {"proxy.host": "http://s3cr3t", "proxy.port": "3128"},
		"host names":       {p + "endpoint.identification.algorithm": "none"},
		"another one's":    {p + "certificate.pem": certPEM, p + "key.pem": pemOfKey(t, ca.issue(t, "other"))},
		"bad issuer":       {"bearer.auth.issuer.endpoint.url": "https://u:s3cr3t@x", "bearer.auth.client.id": "me", "bearer.auth.client.secret": "s3cr3t"},
		"a source":         {"bearer.auth.credentials.source": "CUSTOM"},
		"user info":        {"basic.auth.user.info": "s3cr3t"},
		"a token's end":    {"bearer.auth.token": "s3cr3t\x01"},
		"a number":         {"max.retries": "many"},
		"two of them":      {"basic.auth.user.info": "a:s3cr3t", "bearer.auth.token": "s3cr3t"},
		"an unknown key":   {"schema.registry.ulr": "x", "shema.registry.url": "s3cr3t"},
		"a secret's near":  {"basic.auth.userinfo": "a:s3cr3t"},
		"a bad header":     {"request.header.X Y": "s3cr3t"},
		"URLs in one word": {"schema.registry.url": "http://a:s3cr3t@b;http://c"},
	} {
		if m["schema.registry.url"] == "" {
			m["schema.registry.url"] = s.URL
		}
		_, err := registry.New(nil, registry.WithConfig(m))
		if name == "an unknown key" && err != nil && !strings.Contains(err.Error(), "schema.registry.url") {
			t.Errorf("%s: no near name: %v", name, err)
		}
		if err == nil || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), ": : ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnknownRegistryKeys checks that a key with the prefix schema.registry. is
// refused with the nearest known key, and that the keys of Java's client are
// accepted.
func TestUnknownRegistryKeys(t *testing.T) {
	t.Parallel()
	for key, near := range map[string]string{
		"schema.registry.basic.auth.user.inf":     "schema.registry.basic.auth.user.info",
		"schema.registry.ssl.ca.locaton":          "schema.registry.ssl.ca.location",
		"schema.registry.ssl.truststore.passwort": "schema.registry.ssl.truststore.password",
		"schema.registry.http.read.timeout.ms":    "http.read.timeout.ms",
		"schema.registry.auto.register.schemas":   "auto.register.schemas",
		"schema.registry.favourite.colour":        "",
	} {
		m := map[string]string{"schema.registry.url": "http://localhost:1", key: "s3cr3t"}
		c, err := registry.New(nil, registry.WithConfig(m))
		if err == nil {
			_ = c.Close()
			t.Errorf("%s: accepted", key)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, key+": unknown setting") || strings.Contains(text, "s3cr3t") || !strings.Contains(text, near) || (near == "") == strings.Contains(text, "did you mean") {
			t.Errorf("%s: %v", key, err)
		}
		c, err = registry.New(nil, registry.WithConfig(m), registry.LogUnknownKeys())
		if err != nil {
			t.Errorf("%s with LogUnknownKeys: %v", key, err)
			continue
		}
		_ = c.Close()
	}
	c, err := registry.New(nil, registry.WithConfig(map[string]string{
		"schema.registry.url": "http://localhost:1", "schema.registry.ssl.protocol": "TLSv1.3", "schema.registry.ssl.enabled.protocols": "TLSv1.3",
		"schema.registry.bearer.auth.scope.claim.name": "scope", "schema.registry.url.randomize": "true", "schema.registry.proxy.port": "80",
	}))
	if err != nil {
		t.Fatalf("keys of Java's client: %v", err)
	}
	_ = c.Close()
}

// TestConfigPrecedence checks that a later source overrides an earlier source,
// and that an option of the program overrides every source.
func TestConfigPrecedence(t *testing.T) {
	s := startSeeded(t, registrytest.WithBasicAuth("key", "right"))
	other := startSeeded(t)
	file := writeFile(t, "a.properties", "schema.registry.url="+other.URL+"\nbasic.auth.credentials.source=USER_INFO\nbasic.auth.user.info=key:wrong\n")
	t.Setenv("REG_SCHEMA_REGISTRY_URL", s.URL)
	t.Setenv("REG_BASIC_AUTH_USER_INFO_FILE", writeFile(t, "secret", "key:right\n"))
	ask := func(urls []string, opts ...registry.Option) error {
		c, err := registry.New(urls, append(opts, registry.WithRetries(0, 0, 0))...)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.SchemaByID(context.Background(), "", 1)
		return err
	}
	if err := ask(nil, registry.WithConfigFile(file), registry.WithEnviron("REG_")); err != nil || other.Requests() != 0 {
		t.Errorf("the environment after the file: %v", err)
	}
	if err := ask([]string{s.URL}, registry.WithConfigFile(file)); err == nil {
		t.Error("control: the file's credentials are wrong")
	}
	if err := ask([]string{s.URL}, registry.WithBasicAuth("key", "right"), registry.WithConfigFile(file)); err != nil {
		t.Errorf("the program over the file: %v", err)
	}
	if err := ask([]string{s.URL}, registry.WithConfigFile(file), registry.WithBearer("x")); err == nil || strings.Contains(err.Error(), "exclude") {
		t.Errorf("the program's kind of credentials over the file's: %v", err)
	}
	unknown := map[string]string{"schema.registry.url": other.URL, "nobodys.key": "x"}
	if err := ask(nil, registry.WithConfig(unknown)); err == nil || !strings.Contains(err.Error(), "nobodys.key") {
		t.Errorf("an unknown key: %v", err)
	}
	if err := ask(nil, registry.WithConfig(unknown), registry.LogUnknownKeys()); err != nil {
		t.Errorf("an unknown key that is logged: %v", err)
	}
	if err := ask(nil, registry.WithConfig(map[string]string{"linger.ms": "5"})); err == nil || !strings.Contains(err.Error(), "no URL") {
		t.Errorf("a producer's key is not an error, but there is no URL: %v", err)
	}
}
