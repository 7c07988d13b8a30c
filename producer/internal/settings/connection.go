package settings

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Connection is how a set of options reaches its cluster, for a client beside the producer: an admin client, a reader of
// another make. It prints without its secrets.
type Connection struct {
	Brokers []string
	TLS     *tls.Config // nil: plain text
	// Mechanism is the SASL mechanism, "" for none. User and Password go with PLAIN and SCRAM, Token with OAUTHBEARER.
	Mechanism, User string
	Password        string
	Token           TokenSource // nil also with [OIDC], whose tokens librdkafka gets itself
}

// String tells no secret.
func (c Connection) String() string {
	return fmt.Sprintf("Connection{%v tls=%t sasl=%q user=%q password=%s}", c.Brokers, c.TLS != nil, c.Mechanism, c.User, redact(c.Password != ""))
}

// GoString is [Connection.String].
func (c Connection) GoString() string { return c.String() }

// ConnectionOf resolves brokers and security as [New] would, from files and the environment too. It does no I/O beyond
// reading those; its errors are those of New.
func ConnectionOf(brokers []string, opts ...Option) (Connection, error) {
	c, err := New(ForProducer, brokers, "", opts)
	if err != nil {
		return Connection{}, err
	}
	out := Connection{Brokers: c.Brokers}
	if c.SASL != nil {
		out.Mechanism, out.User, out.Password, out.Token = c.SASL.Mechanism, c.SASL.User, c.SASL.Password, c.SASL.Token
	}
	if c.TLS == nil {
		return out, nil
	}
	out.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.TLS.CA) > 0 {
		out.TLS.RootCAs = x509.NewCertPool()
		if !out.TLS.RootCAs.AppendCertsFromPEM(c.TLS.CA) {
			return Connection{}, &ConfigError{c.Origin("ssl.ca.pem"), "", "holds no certificate in PEM"}
		}
	}
	if len(c.TLS.Cert) > 0 {
		if c.TLS.KeyPassword != "" {
			return Connection{}, &ConfigError{c.Origin("ssl.key.password"), "", "an encrypted key is for the producer alone: give the other client a plain one"}
		}
		pair, err := tls.X509KeyPair(c.TLS.Cert, c.TLS.Key)
		if err != nil {
			return Connection{}, errors.Join(&ConfigError{c.Origin("ssl.certificate.pem"), "", "certificate and key do not go together"}, err)
		}
		out.TLS.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
