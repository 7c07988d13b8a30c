package settings

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
)

// Connection is how a set of options reaches its cluster, for a client beside
// the producer: an admin client, or a consumer of another library. No text form
// of a Connection shows the password, and encoding/gob refuses it.
type Connection struct {
	Brokers []string
	// TLS is nil for plain text. It holds the client certificate if there is
	// one.
	TLS *tls.Config
	// Mechanism is the SASL mechanism, or empty. User and Password go with
	// PLAIN and SCRAM, Token goes with OAUTHBEARER.
	Mechanism, User string
	Password        string
	// Token is nil also with [OIDC], because the client library gets those
	// tokens itself.
	Token TokenSource
}

// String shows everything but the password.
func (c Connection) String() string {
	return fmt.Sprintf("Connection{%v tls=%t sasl=%q user=%q password=%s}", c.Brokers, c.TLS != nil, c.Mechanism, c.User, redact(c.Password != ""))
}

// Format prints [Connection.String] for every verb.
func (c Connection) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// MarshalText returns [Connection.String], so that JSON, YAML and XML hide the
// password.
func (c Connection) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue returns [Connection.String] for log/slog.
func (c Connection) LogValue() slog.Value { return slog.StringValue(c.String()) }

// GobEncode refuses: a written password would be a secret in a file.
func (c Connection) GobEncode() ([]byte, error) { return nil, errNoGob }

// GobDecode refuses, as [Connection.GobEncode] does.
func (c *Connection) GobDecode([]byte) error { return errNoGob }

// ConnectionOf resolves brokers and security as [New] does, from files and the
// environment too. It reads files and makes no connection. Its errors are those
// of New.
func ConnectionOf(brokers []string, opts ...Option) (Connection, error) {
	c, err := Read(ForProducer, brokers, "", opts)
	if err != nil {
		return Connection{}, err
	}
	out := Connection{Brokers: c.Brokers}
	if c.SASL != nil {
		out.Mechanism, out.User, out.Password, out.Token = c.SASL.Mechanism, c.SASL.User, c.SASL.Password, c.SASL.Token
	}
	if c.TLS != nil {
		if out.TLS, err = NewTLSConfig(c.TLS); err != nil {
			return Connection{}, &ConfigError{c.Origin("tls"), "", err.Error()}
		}
	}
	return out, nil
}
