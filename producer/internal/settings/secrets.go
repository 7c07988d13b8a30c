package settings

import (
	"encoding/base64"
	"encoding/pem"
	"slices"
	"sync"

	"github.com/avroline/avroline/internal/redact"
)

// secrets holds the secrets of a Config. Redact removes the secrets from other
// texts.
type secrets struct {
	mu     sync.RWMutex
	fixed  []string // secrets of the settings
	tokens []string // the last tokens of a token source
}

// removed stands in the place of a secret.
const removed = "[redacted]"

// shortest is the minimum length of a secret for a search. Shorter secrets
// would match parts of ordinary words.
const shortest = 4

func newSecrets(c *Config) *secrets {
	s := &secrets{}
	add := func(secret string) {
		if len(secret) >= shortest {
			s.fixed = append(s.fixed, redact.Forms(secret)...)
		}
	}
	if c.SASL != nil {
		add(c.SASL.Password)
		s.fixed = append(s.fixed, base64.StdEncoding.EncodeToString([]byte("\x00"+c.SASL.User+"\x00"+c.SASL.Password)))
		if o := c.SASL.OIDC; o != nil && o.ClientSecret != "" {
			add(o.ClientSecret)
			s.fixed = append(s.fixed, base64.StdEncoding.EncodeToString([]byte(o.ClientID+":"+o.ClientSecret)))
		}
	}
	if c.TLS != nil {
		add(c.TLS.KeyPassword)
		if block, _ := pem.Decode(c.TLS.Key); block != nil {
			s.fixed = append(s.fixed, base64.StdEncoding.EncodeToString(block.Bytes))
		}
	}
	for i := range c.rows {
		if row := &c.rows[i]; row.Show == Secret {
			add(c.Passed[row.Key])
		}
	}
	slices.Sort(s.fixed)
	s.fixed = slices.Compact(s.fixed)
	return s
}

// AddSecret adds a later secret for [Config.Redact], for example a token.
// AddSecret keeps only the last few secrets.
func (c *Config) AddSecret(secret string) {
	const kept = 8
	if len(secret) < shortest {
		return
	}
	s := c.secrets
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.tokens, secret) {
		return
	}
	if s.tokens = append(s.tokens, secret); len(s.tokens) > kept {
		s.tokens = s.tokens[1:]
	}
}

// Redact removes the secrets of the settings from a text of a client library or
// of a broker. Redact also removes the secrets in the encodings of the wire. A
// text may cut a secret, so Redact also removes the beginning of a long secret.
// Redact removes every text that looks like a JSON Web Token, because a library
// may have got a token by itself.
func (c *Config) Redact(text string) string {
	if c.secrets == nil || text == "" {
		return text
	}
	text = redact.WebTokens(text, removed)
	s := c.secrets
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, secret := range s.fixed {
		text = redact.Remove(text, secret, removed)
	}
	for _, token := range s.tokens {
		text = redact.Remove(text, token, removed)
	}
	return text
}
