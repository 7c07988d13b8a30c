package producer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue makes a leaf certificate. host is an IP address or a name. life may be
// negative.
func (a *authority) issue(host string, life time.Duration) (cert, key []byte) {
	return a.issueFrom(host, time.Now().Add(-48*time.Hour), life)
}

func (a *authority) issueFrom(host string, from time.Time, life time.Duration) (cert, key []byte) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: from, NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		tpl.IPAddresses = []net.IP{ip}
	} else {
		tpl.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
}

// security is the settings of a broker and of a client, with the expected error
// texts. A nil kind means that the connection works.
type security struct {
	broker  []kfake.Opt
	client  []Option
	address string // used instead of a kfake
	kind    error
	want    []string
}

func securityCases(t *testing.T) map[string]security {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	server := func(host string, life time.Duration, clients bool) []kfake.Opt {
		pair, err := tls.X509KeyPair(ca.issue(host, life))
		if err != nil {
			t.Fatal(err)
		}
		c := &tls.Config{Certificates: []tls.Certificate{pair}}
		if clients {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			c.ClientCAs.AppendCertsFromPEM(ca.pem)
		}
		return []kfake.Opt{kfake.TLS(c)}
	}
	client := func(by *authority, life time.Duration) TLS {
		cert, key := by.issue("client", life)
		return TLS{CA: ca.pem, Cert: cert, Key: key}
	}
	good := server("127.0.0.1", time.Hour, false)
	mutual := server("127.0.0.1", time.Hour, true)
	sasl := []kfake.Opt{
		kfake.EnableSASL(), kfake.Superuser("PLAIN", "bob", "bobs"), kfake.Superuser("SCRAM-SHA-256", "ada", "adas"), kfake.Superuser("SCRAM-SHA-512", "ada", "adas"),
	}
	token := oauth.SourceFunc(func(context.Context) (Token, error) {
		return Token{Value: "token", Expiry: time.Now().Add(time.Hour), Principal: "ada"}, nil
	})
	httpd := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(httpd.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	return map[string]security{
		"tls":               {broker: good, client: []Option{WithTLS(TLS{CA: ca.pem})}},
		"mtls":              {broker: mutual, client: []Option{WithTLS(client(ca, time.Hour))}},
		"plain":             {broker: sasl, client: []Option{WithSASL(Plain("bob", "bobs"))}},
		"scram 256":         {broker: sasl, client: []Option{WithSASL(ScramSHA256("ada", "adas"))}},
		"scram 512":         {broker: sasl, client: []Option{WithSASL(ScramSHA512("ada", "adas"))}},
		"scram 512 and tls": {broker: append(sasl, good...), client: []Option{WithTLS(TLS{CA: ca.pem}), WithSASL(ScramSHA512("ada", "adas"))}},

		"expired":           {broker: server("127.0.0.1", -time.Hour, false), client: []Option{WithTLS(TLS{CA: ca.pem})}, kind: ErrTLS, want: []string{"expired", "valid from"}},
		"another host":      {broker: server("kafka.example", time.Hour, false), client: []Option{WithTLS(TLS{CA: ca.pem})}, kind: ErrTLS, want: []string{"another host name"}},
		"unknown authority": {broker: good, client: []Option{WithTLS(TLS{CA: other.pem})}, kind: ErrTLS, want: []string{"TLS.CA"}},
		"system roots":      {broker: good, client: []Option{WithTLS(TLS{})}, kind: ErrTLS, want: []string{"TLS.CA"}},
		"no client cert":    {broker: mutual, client: []Option{WithTLS(TLS{CA: ca.pem})}, kind: ErrTLS, want: []string{"client certificate"}},
		"client of another": {broker: mutual, client: []Option{WithTLS(client(other, time.Hour))}, kind: ErrTLS, want: []string{"client certificate", "CN=other"}},
		"clear to tls port": {broker: good, kind: ErrUnreachable, want: []string{"WithTLS"}},
		"tls to clear port": {client: []Option{WithTLS(TLS{CA: ca.pem})}, kind: ErrTLS, want: []string{"TLS"}},
		"wrong password":    {broker: sasl, client: []Option{WithSASL(Plain("bob", "nope"))}, kind: ErrAuthentication, want: []string{"PLAIN", `"bob"`}},
		"wrong scram":       {broker: sasl, client: []Option{WithSASL(ScramSHA512("ada", "nope"))}, kind: ErrAuthentication, want: []string{"SCRAM-SHA-512", `"ada"`}},
		"no such mechanism": {broker: sasl, client: []Option{WithSASL(OAuthBearer(token))}, kind: ErrAuthentication, want: []string{"does not offer OAUTHBEARER", "SCRAM-SHA-256"}},
		"no authentication": {broker: sasl, kind: ErrAuthentication, want: []string{"WithSASL"}},
		"an HTTP server":    {address: httpd.Listener.Addr().String(), kind: ErrUnreachable, want: []string{"HTTP"}},
		"nobody there":      {address: nobody, kind: ErrUnreachable, want: []string{"refused", nobody}},
		"no such host":      {address: "no-such-host.invalid:9092", kind: ErrUnreachable, want: []string{"no-such-host.invalid"}},
	}
}

func startSecurity(t *testing.T, s security) (brokers []string) {
	t.Helper()
	if s.address != "" {
		return []string{s.address}
	}
	k, err := kfake.NewCluster(append(s.broker, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k.ListenAddrs()
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for name, s := range securityCases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := settings.New(settings.ForProducer, startSecurity(t, s), "", s.client)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err = diagnose.Probe(ctx, c, c.Brokers[0])
			if s.kind == nil || name == "wrong scram" { // the client's own events report the error
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			checkConnectionError(t, err, s)
		})
	}
}

// TestClientCertificate checks that the producer checks the client certificate
// before the first connection. If a broker refuses the certificate, the
// producer checks it again, because the certificate may have expired since
// then.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca")
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := ca.issue("client", time.Hour)
	late, lateKey := ca.issue("client", -time.Hour)
	early, earlyKey := ca.issueFrom("client", time.Now().Add(time.Hour), 2*time.Hour)
	der, _ := pem.Decode(cert)
	block, _ := pem.Decode(key)
	block, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", block.Bytes, []byte("secret"), x509.PEMCipherAES256) //nolint:staticcheck // OpenSSL wrote such keys for years
	if err != nil {
		t.Fatal(err)
	}
	locked := pem.EncodeToMemory(block)
	expired := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T")
	properties := func(cert, key string) Option {
		return WithProperties(file(filepath.Base(cert)+".properties", []byte("security.protocol=SSL\nssl.certificate.location="+cert+"\nssl.key.location="+key+"\n")))
	}
	for name, test := range map[string]struct {
		option Option
		want   []string
	}{
		"as it should be":        {WithTLS(TLS{Cert: cert, Key: key}), nil},
		"files as they should":   {properties(file("good.pem", cert), file("good.key", key)), nil},
		"expired":                {WithTLS(TLS{Cert: late, Key: lateKey}), []string{"WithTLS", "CN=leaf", "expired on " + expired}},
		"expired, key encrypted": {WithTLS(TLS{Cert: late, Key: lateKey, KeyPassword: "secret"}), []string{"WithTLS", "expired on " + expired}},
		"expired file":           {properties(file("late.pem", late), file("late.key", lateKey)), []string{"late.pem.properties:2", filepath.Join(dir, "late.pem"), "expired on " + expired}},
		"not yet valid":          {WithTLS(TLS{Cert: early, Key: earlyKey}), []string{"WithTLS", "is not valid before "}},
		"key of another":         {WithTLS(TLS{Cert: cert, Key: lateKey}), []string{"WithTLS", "Cert and Key do not go together"}},
		"key file of another":    {properties(file("mixed.pem", cert), file("mixed.key", lateKey)), []string{"mixed.pem", filepath.Join(dir, "mixed.key"), "do not go together"}},
		"DER":                    {WithTLS(TLS{Cert: der.Bytes, Key: key}), []string{"WithTLS", "holds no PEM certificate, but DER: make PEM of it"}},
		"chain in wrong order":   {WithTLS(TLS{Cert: slices.Concat(ca.pem, cert), Key: key}), []string{"WithTLS", "must be the first certificate"}},
		"no password":            {WithTLS(TLS{Cert: cert, Key: locked}), []string{"WithTLS", "is encrypted: give the password with TLS.KeyPassword"}},
		"file without password":  {properties(file("locked.pem", cert), file("locked.key", locked)), []string{"locked.pem.properties:3: ssl.key.location", "is encrypted"}},
		"no certificate":         {WithTLS(TLS{Cert: key, Key: key}), []string{"WithTLS", "holds no PEM certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings.New(settings.ForProducer, []string{"127.0.0.1:1"}, "", []Option{test.option})
			if test.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var bad *ConfigError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want a *ConfigError", err)
			}
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("one mistake has several errors: %v", err)
			}
			if strings.Contains(err.Error(), "PRIVATE") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q holds a secret", err)
			}
		})
	}
	t.Run("expired since the start", func(t *testing.T) {
		cases := securityCases(t)["mtls"]
		c, err := settings.New(settings.ForProducer, startSecurity(t, cases), "", cases.client)
		if err != nil {
			t.Fatal(err)
		}
		c.TLS.Cert, c.TLS.Key = late, lateKey
		s := security{kind: ErrTLS, want: []string{"client certificate (CN=leaf) expired on " + expired}}
		checkConnectionError(t, diagnose.Probe(t.Context(), c, c.Brokers[0]), s)
		event := &transport.Error{Code: transport.Certificate, Text: "ssl://127.0.0.1:1/bootstrap: SSL handshake failed: bad certificate"}
		checkConnectionError(t, diagnose.ExplainConnection(c, event), s)
	})
}

func checkConnectionError(t *testing.T, err error, s security) {
	t.Helper()
	var ce *ConnectionError
	if !errors.As(err, &ce) || !errors.Is(err, s.kind) {
		t.Fatalf("got %v, want %v", err, s.kind)
	}
	for _, w := range append(s.want, "producer: ") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
	for _, secret := range []string{"bobs", "nope", "adas", "PRIVATE"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q holds a secret", err)
		}
	}
}
