package settings

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// NewTLSConfig returns a crypto/tls configuration. NewTLSConfig decrypts the
// key.
func NewTLSConfig(t *TLS) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(t.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, errors.New("CA holds no PEM certificate")
		}
	}
	if len(t.Cert) > 0 {
		certificate, err := keyPair(t)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	switch {
	case t.InsecureSkipVerify:
		config.InsecureSkipVerify = true
	case t.InsecureSkipHostname:
		config.InsecureSkipVerify = true // crypto/tls cannot skip only the host name
		roots := config.RootCAs
		config.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	}
	return config, nil
}

// keyPair returns the client certificate with its decrypted key.
func keyPair(t *TLS) (tls.Certificate, error) {
	key, err := decryptKey(t.Key, t.KeyPassword)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("Key: %w", err) //nolint:staticcheck // the name of a field
	}
	certificate, err := tls.X509KeyPair(t.Cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("Cert and Key: %w", err) //nolint:staticcheck // the names of fields
	}
	return certificate, nil
}

// verifyChain checks the broker's certificate without its host name.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the broker sent no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates})
	return err
}

// errNoPassword says that a key needs a password and has none.
var errNoPassword = errors.New("is encrypted: give the password with TLS.KeyPassword or ssl.key.password")

// decryptKey returns a PEM key without its password.
func decryptKey(key []byte, password string) ([]byte, error) {
	for rest := key; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return key, nil // no block is encrypted
		}
		switch {
		case block.Type != "ENCRYPTED PRIVATE KEY" && !x509.IsEncryptedPEMBlock(block): //nolint:staticcheck // OpenSSL wrote such keys for years
		case password == "":
			return nil, errNoPassword
		case block.Type == "ENCRYPTED PRIVATE KEY":
			plain, err := decryptPKCS8(block.Bytes, []byte(password))
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: plain}), nil
		default:
			plain, err := x509.DecryptPEMBlock(block, []byte(password)) //nolint:staticcheck // the same
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: plain}), nil
		}
	}
}
