package registry

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/configfile"
	"github.com/avroline/avroline/registry/internal/rest"
)

// tlsPrefix is the prefix of the TLS settings.
const tlsPrefix = "schema.registry.ssl."

// security makes the TLS configuration from schema.registry.ssl.*. The values
// are PEM text, or the names of files with PEM text.
func (s *settings) security(c *config) error {
	var errs []error
	text := func(keys ...string) (e configfile.Entry, pem []byte) {
		for _, key := range keys {
			e, ok := s.entries[tlsPrefix+key]
			if !ok {
				continue
			}
			if !strings.HasSuffix(key, ".location") {
				return e, []byte(strings.ReplaceAll(e.Value, `\n`, "\n"))
			}
			b, err := configfile.ReadSmall(e.Value)
			if err != nil {
				errs = append(errs, settingsError(e, "%v", err))
			}
			return e, b
		}
		return configfile.Entry{}, nil
	}
	for _, store := range []string{"truststore", "keystore"} {
		if kind, ok := s.entries[tlsPrefix+store+".type"]; ok && !strings.EqualFold(kind.Value, "PEM") {
			errs = append(errs, settingsError(kind, "%s is a format of Java: convert the store to PEM (keytool -importkeystore, then openssl pkcs12) and set PEM", rest.Quote(kind.Value, 20)))
			return errors.Join(errs...)
		}
	}
	if check, ok := s.entries[tlsPrefix+"endpoint.identification.algorithm"]; ok && !strings.EqualFold(check.Value, "https") {
		errs = append(errs, settingsError(check, "host names are always checked; a program that must not check them gives a tls.Config by WithTLS"))
	}
	caEntry, ca := text("ca.pem", "ca.location", "truststore.certificates", "truststore.location")
	certEntry, cert := text("certificate.pem", "certificate.location", "keystore.certificate.chain", "keystore.location")
	keyEntry, key := text("key.pem", "key.location", "keystore.key", "keystore.location")
	if len(errs) > 0 || len(ca)+len(cert)+len(key) == 0 {
		return errors.Join(errs...)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(ca) {
			return settingsError(caEntry, "there is no PEM certificate in it")
		}
	}
	if len(cert)+len(key) > 0 {
		certEntry = cmp.Or(certEntry, keyEntry) // for a key without a certificate
		password := cmp.Or(s.entries[tlsPrefix+"key.password"], s.entries[tlsPrefix+"keystore.password"])
		plain, err := decryptKey(key, password.Value)
		if err != nil {
			return settingsError(certEntry, "the client's key: %v", err)
		}
		pair, err := tls.X509KeyPair(cert, plain)
		if err != nil {
			return settingsError(certEntry, "the client's certificate and key: %v", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	c.tls, c.tlsBy = t, tlsPrefix+"*"
	if s.issuer != nil {
		s.issuer.HTTPClient = tokenClient(t, ca)
	}
	return nil
}

// tokenClient returns the HTTP client for the token endpoint of bearer.auth.*.
// As in Java, the endpoint may have a certificate of the CA in the settings,
// and may ask for the client certificate. The CAs of the system count too,
// because the endpoint may be a public service.
func tokenClient(t *tls.Config, ca []byte) *http.Client {
	t = t.Clone()
	if len(ca) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pool.AppendCertsFromPEM(ca)
		t.RootCAs = pool
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: t, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second,
	}}
}

// decryptKey returns the PEM text with a decrypted key.
func decryptKey(text []byte, password string) ([]byte, error) {
	var out []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("it is encrypted (PKCS #8), which is not read here: give it without a password, or a tls.Config by WithTLS")
		case x509.IsEncryptedPEMBlock(block): //nolint:staticcheck // old files are encrypted so
			der, err := x509.DecryptPEMBlock(block, []byte(password)) //nolint:staticcheck // the same
			if err != nil && password == "" {
				return nil, errors.New("it is encrypted, and schema.registry.ssl.key.password is not set")
			}
			if err != nil {
				return nil, errors.New("its password is wrong")
			}
			block = &pem.Block{Type: block.Type, Bytes: der}
		}
		out = append(out, pem.EncodeToMemory(block)...)
	}
	return out, nil
}
