package kafkacluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certs holds the certificates of a test as PEM text.
type Certs struct {
	CA []byte // signs the certificates of the brokers and of Client

	Client, ClientKey     []byte // for the mTLS listener
	Expired, ExpiredKey   []byte // signed by CA, expired yesterday
	Stranger, StrangerKey []byte // signed by a CA that the brokers do not know
	OtherCA               []byte // the CA of Stranger

	ca     *authority
	serial int64 // the serial number of the brokers' certificate
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, pem: block("CERTIFICATE", der)}, nil
}

// leaf signs a certificate for 127.0.0.1 and localhost that expires at
// notAfter.
func (a *authority) leaf(name string, serial int64, notAfter time.Time) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: notAfter.AddDate(-2, 0, 0), NotAfter: notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &k.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8), nil
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// newCerts creates the certificates of a test and writes the brokers' files
// into dir.
func newCerts(dir string) (*Certs, error) {
	ca, err := newAuthority("avroline test CA")
	if err != nil {
		return nil, fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	other, err := newAuthority("another CA")
	if err != nil {
		return nil, fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	year := time.Now().AddDate(1, 0, 0)
	c := &Certs{CA: ca.pem, OtherCA: other.pem, ca: ca, serial: 100}
	if c.Client, c.ClientKey, err = ca.leaf("client", 3, year); err != nil {
		return nil, fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	if c.Expired, c.ExpiredKey, err = ca.leaf("late", 4, time.Now().AddDate(0, 0, -1)); err != nil {
		return nil, fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	if c.Stranger, c.StrangerKey, err = other.leaf("stranger", 5, year); err != nil {
		return nil, fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	if err := c.renew(dir); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca.pem, 0o644); err != nil {
		return nil, fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	return c, nil
}

// renew writes a new key and a new certificate for the brokers. Kafka expects
// one file with the PKCS#8 key first and the chain after the key.
func (c *Certs) renew(dir string) error {
	c.serial++
	server, key, err := c.ca.leaf("localhost", c.serial, time.Now().AddDate(1, 0, 0))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "server.pem"), append(key, server...), 0o600)
	}
	if err != nil {
		return fmt.Errorf("kafkacluster: certificates: %w", err)
	}
	return nil
}
