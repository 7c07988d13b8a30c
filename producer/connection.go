package producer

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
	c, err := newConfig(forProducer, brokers, "", opts)
	if err != nil {
		return Connection{}, err
	}
	out := Connection{Brokers: c.brokers}
	if c.sasl != nil {
		out.Mechanism, out.User, out.Password, out.Token = c.sasl.mechanism, c.sasl.user, c.sasl.password, c.sasl.token
	}
	if c.tls == nil {
		return out, nil
	}
	out.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.tls.CA) > 0 {
		out.TLS.RootCAs = x509.NewCertPool()
		if !out.TLS.RootCAs.AppendCertsFromPEM(c.tls.CA) {
			return Connection{}, &ConfigError{c.name("ssl.ca.pem"), "", "holds no certificate in PEM"}
		}
	}
	if len(c.tls.Cert) > 0 {
		if c.tls.KeyPassword != "" {
			return Connection{}, &ConfigError{c.name("ssl.key.password"), "", "an encrypted key is for the producer alone: give the other client a plain one"}
		}
		pair, err := tls.X509KeyPair(c.tls.Cert, c.tls.Key)
		if err != nil {
			return Connection{}, errors.Join(&ConfigError{c.name("ssl.certificate.pem"), "", "certificate and key do not go together"}, err)
		}
		out.TLS.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
