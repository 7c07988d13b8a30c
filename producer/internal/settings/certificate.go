package settings

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// pemOrigin is the origin of PEM text. key is the setting that gave the text.
// path is the file of the setting, or empty for [WithTLS].
type pemOrigin struct{ key, path string }

// pemError returns the error of PEM text.
func (c *Config) pemError(from pemOrigin, format string, args ...any) *ConfigError {
	return &ConfigError{c.Origin(cmp.Or(from.key, "tls")), from.path, fmt.Sprintf(format, args...)}
}

// checkCertificate finds mistakes in the client certificate. Without the check,
// a broker refuses the connection without a reason, or with an error text of
// OpenSSL.
func (c *Config) checkCertificate(t *TLS) error {
	bad := func(format string, args ...any) error { return c.pemError(t.certFrom, format, args...) }
	leaf, err := t.leaf()
	if err != nil {
		return bad("Cert: %v", err)
	}
	if why := outOfDate(leaf, time.Now()); why != "" {
		return bad("the client certificate %s", why)
	}
	_, err = keyPair(t)
	if errors.Is(err, errEncryption) && c.Transport == Confluent {
		return nil // OpenSSL in librdkafka supports more encryption methods
	}
	if errors.Is(err, errNoPassword) {
		return c.pemError(t.keyFrom, "%v", err)
	}
	if err != nil && t.ownIsNotFirst() {
		return bad("Cert: the certificate of the key must be the first certificate of the file, before the certificates of the CAs")
	}
	if err != nil {
		key := "Key"
		if t.keyFrom.path != "" {
			key += fmt.Sprintf(" (%s)", t.keyFrom.path)
		}
		return bad("Cert and %s do not go together: %v", key, err)
	}
	return nil
}

// leaf returns the client's own certificate. The own certificate is the first
// in Cert.
func (t *TLS) leaf() (*x509.Certificate, error) {
	for rest := t.Cert; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil:
			return nil, fmt.Errorf("holds no PEM certificate%s", notPEM(t.Cert))
		case block.Type == "CERTIFICATE":
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

// notPEM says how to make PEM of a store or a certificate in another form, or
// returns "".
func notPEM(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte{0xfe, 0xed, 0xfe, 0xed}): // JKS
		return ", but a store of Java: make PEM of it: keytool -importkeystore -deststoretype PKCS12, then openssl pkcs12"
	case bytes.HasPrefix(text, []byte{0x30, 0x82}): // DER
		return ", but DER: make PEM of it: openssl pkcs12 for a PKCS#12 store, openssl x509 -inform der for a certificate"
	}
	return ""
}

// ownIsNotFirst reports whether a later certificate of Cert belongs to the key.
func (t *TLS) ownIsNotFirst() bool {
	one := *t
	for block, rest := pem.Decode(t.Cert); block != nil; block, rest = pem.Decode(rest) {
		one.Cert = pem.EncodeToMemory(block)
		if _, err := keyPair(&one); err == nil {
			return true
		}
	}
	return false
}

// outOfDate returns the reason if a certificate is not valid at a time, or "".
func outOfDate(cert *x509.Certificate, now time.Time) string {
	switch {
	case now.After(cert.NotAfter):
		return fmt.Sprintf("(%s) expired on %s", cert.Subject, cert.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		return fmt.Sprintf("(%s) is not valid before %s", cert.Subject, cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return ""
}

// ClientCertificateFix suggests a check if a broker may have ended the
// connection because of the client certificate.
func ClientCertificateFix(t *TLS) string {
	leaf, err := t.leaf()
	if err != nil {
		return "does it want a client certificate (TLS.Cert, TLS.Key) of a CA that it trusts?"
	}
	if why := outOfDate(leaf, time.Now()); why != "" { // the certificate may expire while the program runs
		return "the client certificate " + why
	}
	return fmt.Sprintf("does it trust the CA (%s) of our client certificate (%s)?", leaf.Issuer, leaf.Subject)
}
