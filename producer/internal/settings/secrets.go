package settings

import (
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// secrets holds the secrets of a Config. Redact removes the secrets from other
// texts.
type secrets struct {
	mu     sync.RWMutex
	fixed  []string // secrets of the settings
	tokens []string // the last tokens of a token source
}

// shortest is the minimum length of a secret for a search. Shorter secrets
// would match parts of ordinary words.
const shortest = 4

func newSecrets(c *Config) *secrets {
	s := &secrets{}
	add := func(secret string) {
		if len(secret) >= shortest {
			s.fixed = append(s.fixed, secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)))
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
	text = jsonWebToken.ReplaceAllString(text, "[redacted]")
	s := c.secrets
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, secret := range s.fixed {
		text = redactOne(text, secret)
	}
	for _, token := range s.tokens {
		text = redactOne(text, token)
	}
	return text
}

var jsonWebToken = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,4}`)

// redactOne removes a secret from a text. redactOne also removes the beginning
// of a secret if the text has at least twelve characters of the secret.
func redactOne(text, secret string) string {
	const enough = 12
	begin := secret[:min(len(secret), enough)]
	if !strings.Contains(text, begin) {
		return text
	}
	var b strings.Builder
	for {
		i := strings.Index(text, begin)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		n := len(begin)
		for n < len(secret) && i+n < len(text) && text[i+n] == secret[n] {
			n++
		}
		b.WriteString(text[:i])
		b.WriteString("[redacted]")
		text = text[i+n:]
	}
}
