package settings

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// pemOrigin is the setting that gave PEM text, and the file that the setting
// names. It is empty for [WithTLS].
type pemOrigin struct{ key, path string }

// checkCertificate finds mistakes in the client certificate. A broker would
// refuse the connection with no reason, or with one in OpenSSL's words.
func (c *Config) checkCertificate(t *TLS) error {
	bad := func(format string, args ...any) error {
		name := c.Origin("tls")
		if t.certFrom.key != "" {
			name = c.Origin(t.certFrom.key)
		}
		return &ConfigError{name, t.certFrom.path, fmt.Sprintf(format, args...)}
	}
	leaf, err := t.leaf()
	if err != nil {
		return bad("Cert: %v", err)
	}
	if why := outOfDate(leaf, time.Now()); why != "" {
		return bad("the client certificate %s", why)
	}
	_, err = keyPair(t)
	if errors.Is(err, errEncryption) && c.Transport == Confluent {
		return nil // OpenSSL in librdkafka knows more ways
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

// leaf is the client's own certificate, the first in Cert.
func (t *TLS) leaf() (*x509.Certificate, error) {
	for rest := t.Cert; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil:
			return nil, errors.New("holds no PEM certificate")
		case block.Type == "CERTIFICATE":
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

// outOfDate says why a certificate is not valid at a time, or returns "".
func outOfDate(cert *x509.Certificate, now time.Time) string {
	switch {
	case now.After(cert.NotAfter):
		return fmt.Sprintf("(%s) expired on %s", cert.Subject, cert.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		return fmt.Sprintf("(%s) is not valid before %s", cert.Subject, cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return ""
}

// ClientCertificateFix says what to look at if a broker may have ended the
// connection because of our certificate.
func ClientCertificateFix(t *TLS) string {
	leaf, err := t.leaf()
	if err != nil {
		return "does it want a client certificate (TLS.Cert, TLS.Key) of a CA that it trusts?"
	}
	if why := outOfDate(leaf, time.Now()); why != "" { // it may expire while the program runs
		return "the client certificate " + why
	}
	return fmt.Sprintf("does it trust the CA (%s) of our client certificate (%s)?", leaf.Issuer, leaf.Subject)
}
