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

// secrets knows the secrets of a Config, and takes them out of texts of others.
type secrets struct {
	mu     sync.RWMutex
	fixed  []string // of the settings
	tokens []string // of a token source: the last few
}

// shortest is the length below which a secret is not searched for, because it
// would be found in ordinary words.
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

// AddSecret makes [Config.Redact] know a secret that came later, for example a
// token. The last few are kept.
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

// Redact returns a text of a client library or of a broker without the secrets
// of the settings, in clear and in the encodings that go over the wire. A text
// may cut a secret, so the beginning of a long secret is taken out too.
// Everything that looks like a JSON Web Token is taken out, because a library
// may have fetched a token by itself.
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

// redactOne takes a secret out of a text, and the beginning of a secret where
// the text has at least twelve characters of it.
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
