// Package oauth has the bearer token of packages registry and producer, and
// fetches a token by the client credentials grant.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Token is a bearer token. No text form of a Token shows its Value. Text forms
// are the verbs of package fmt, encoding/json, YAML, XML and log/slog. A Token
// cannot be written with encoding/gob. The zero Token holds no token.
type Token struct {
	// Value is the text after "Bearer " in an Authorization header.
	Value string
	// Expiry is the time at which the token becomes invalid. The zero time
	// means never.
	Expiry time.Time
	// Principal is the name that Kafka's OAUTHBEARER mechanism logs for the
	// client. A schema registry does not use the Principal.
	Principal string
}

// TokenSource gives bearer tokens. A TokenSource must be safe for concurrent
// use. Token must return when ctx ends. Token must not return a Token without a
// Value together with a nil error.
type TokenSource interface {
	Token(ctx context.Context) (Token, error)
}

// SourceFunc is a function as a TokenSource.
type SourceFunc func(ctx context.Context) (Token, error)

// Token calls f.
func (f SourceFunc) Token(ctx context.Context) (Token, error) { return f(ctx) }

// String says whether there is a token, and names its principal and its expiry.
func (t Token) String() string {
	text := "Token{no value"
	if t.Value != "" {
		text = "Token{value hidden"
	}
	if t.Principal != "" {
		text += ", principal " + t.Principal
	}
	if !t.Expiry.IsZero() {
		text += ", expires " + t.Expiry.Format(time.RFC3339)
	}
	return text + "}"
}

// Format prints [Token.String] for every verb.
func (t Token) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// MarshalText returns [Token.String], so that JSON, YAML and XML hide the
// value.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue returns [Token.String] for log/slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// GobEncode always fails, because gob would write the secret into a file.
func (t Token) GobEncode() ([]byte, error) {
	return nil, errors.New("oauth: a token cannot be written with encoding/gob")
}

// GobDecode always fails, as [Token.GobEncode] does.
func (t *Token) GobDecode([]byte) error {
	return errors.New("oauth: a token cannot be read with encoding/gob")
}
