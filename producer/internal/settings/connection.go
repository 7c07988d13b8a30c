package settings

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
)

// Connection describes the connection to the cluster of some options. Other
// clients use a Connection, for example an admin client or a consumer of
// another library. No text form of a Connection shows the password, and
// encoding/gob refuses a Connection.
type Connection struct {
	Brokers []string
	// TLS is nil for plain text. TLS holds the client certificate if there is a
	// client certificate.
	TLS *tls.Config
	// Mechanism is the SASL mechanism, or empty. PLAIN and SCRAM use User and
	// Password. OAUTHBEARER uses Token.
	Mechanism, User string
	Password        string
	// Token is also nil with [OIDC], because the client library gets these
	// tokens.
	Token TokenSource
}

// String shows every field except the password.
func (c Connection) String() string {
	return fmt.Sprintf("Connection{%v tls=%t sasl=%q user=%q password=%s}", c.Brokers, c.TLS != nil, c.Mechanism, c.User, masked(c.Password != ""))
}

// Format prints [Connection.String] for every verb.
func (c Connection) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// MarshalText returns [Connection.String], so that JSON, YAML and XML hide the
// password.
func (c Connection) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue returns [Connection.String] for log/slog.
func (c Connection) LogValue() slog.Value { return slog.StringValue(c.String()) }

// GobEncode always fails, because gob would write the password to a file.
func (c Connection) GobEncode() ([]byte, error) { return nil, errNoGob }

// GobDecode always fails, like [Connection.GobEncode].
func (c *Connection) GobDecode([]byte) error { return errNoGob }

// ConnectionOf resolves brokers and security like [New], including files and
// the environment. ConnectionOf reads files but makes no connection. The file
// may be for any constructor, so ConnectionOf takes the settings of all.
func ConnectionOf(brokers []string, opts ...Option) (Connection, error) {
	c, err := Read(ForConnection, brokers, "", opts)
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
