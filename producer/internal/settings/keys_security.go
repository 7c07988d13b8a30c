package settings

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// addSecuritySettings adds the keys of TLS and SASL. They change copies, so that an Option can be used twice.
func addSecuritySettings(add func(s setting, names ...string)) {
	plain := func(set func(*Config, string) error, names ...string) { add(setting{set: set}, names...) }
	secret := func(set func(*Config, string) error, names ...string) { add(setting{set: set, secret: true}, names...) }
	onTLS := func(f func(t *TLS, v string) error) func(*Config, string) error {
		return func(c *Config, v string) error {
			t := TLS{}
			if c.TLS != nil {
				t = *c.TLS
			}
			c.TLS = &t
			return f(&t, v)
		}
	}
	onSASL := func(f func(s *Credentials, v string) error) func(*Config, string) error {
		return func(c *Config, v string) error {
			s := Credentials{}
			if c.SASL != nil {
				s = *c.SASL
			}
			c.SASL = &s
			return f(&s, v)
		}
	}
	onOIDC := func(field func(o *OIDCConfig) *string) func(*Config, string) error {
		return onSASL(func(s *Credentials, v string) error {
			o := OIDCConfig{}
			if s.OIDC != nil {
				o = *s.OIDC
			}
			s.OIDC, s.Mechanism = &o, "OAUTHBEARER"
			*field(&o) = v
			return nil
		})
	}

	plain(func(c *Config, v string) error {
		v = strings.ToUpper(v)
		switch v {
		case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
			c.protocol = v
			return nil
		}
		return errors.New("must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL")
	}, "security.protocol")

	plain(onTLS(func(t *TLS, v string) (err error) { t.CA, err = readSmall(v); return err }), "ssl.ca.location")
	plain(onTLS(func(t *TLS, v string) error { t.CA = []byte(v); return nil }), "ssl.ca.pem", "ssl.truststore.certificates")
	plain(onTLS(func(t *TLS, v string) (err error) { t.CA, err = readPEM(v); return err }), "ssl.truststore.location")
	plain(onTLS(func(t *TLS, v string) (err error) {
		t.Cert, err = readSmall(v)
		t.certFrom = pemOrigin{"ssl.certificate.location", v}
		return err
	}), "ssl.certificate.location")
	plain(onTLS(func(t *TLS, v string) error {
		t.Cert, t.certFrom = []byte(v), pemOrigin{"ssl.certificate.pem", ""}
		return nil
	}), "ssl.certificate.pem", "ssl.keystore.certificate.chain")
	plain(onTLS(func(t *TLS, v string) (err error) {
		t.Key, err = readSmall(v)
		t.keyFrom = pemOrigin{"ssl.key.location", v}
		return err
	}), "ssl.key.location")
	secret(onTLS(func(t *TLS, v string) error {
		t.Key, t.keyFrom = []byte(v), pemOrigin{"ssl.key.pem", ""}
		return nil
	}), "ssl.key.pem", "ssl.keystore.key")
	secret(onTLS(func(t *TLS, v string) error { t.KeyPassword = v; return nil }), "ssl.key.password")
	plain(onTLS(func(t *TLS, v string) error {
		b, err := readPEM(v)
		t.Cert, t.Key = splitPEM(b)
		t.certFrom = pemOrigin{"ssl.keystore.location", v}
		t.keyFrom = t.certFrom
		return err
	}), "ssl.keystore.location")
	for _, key := range []string{"ssl.truststore.type", "ssl.keystore.type"} {
		plain(func(_ *Config, v string) error {
			if !strings.EqualFold(v, "PEM") {
				return fmt.Errorf("must be PEM: %s", toPEM)
			}
			return nil
		}, key)
	}
	for _, key := range []string{"ssl.truststore.password", "ssl.keystore.password"} {
		secret(func(*Config, string) error {
			return errors.New("PEM stores have no password; a key's own is ssl.key.password")
		}, key)
	}

	plain(onSASL(func(s *Credentials, v string) error { return s.setMechanism(v) }), "sasl.mechanism", "sasl.mechanisms")
	plain(onSASL(func(s *Credentials, v string) error { s.User = v; return nil }), "sasl.username")
	secret(onSASL(func(s *Credentials, v string) error { s.Password = v; return nil }), "sasl.password")
	secret(onSASL(func(s *Credentials, v string) error { return s.setJAAS(v) }), "sasl.jaas.config")
	plain(onSASL(func(_ *Credentials, v string) error {
		if !strings.EqualFold(v, "oidc") {
			return errors.New("must be oidc; a token source of one's own goes into WithSASL(OAuthBearer(...))")
		}
		return nil
	}), "sasl.oauthbearer.method")
	plain(onOIDC(func(o *OIDCConfig) *string { return &o.TokenURL }), "sasl.oauthbearer.token.endpoint.url")
	plain(onOIDC(func(o *OIDCConfig) *string { return &o.ClientID }), "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id")
	secret(onOIDC(func(o *OIDCConfig) *string { return &o.ClientSecret }), "sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret")
	plain(onOIDC(func(o *OIDCConfig) *string { return &o.Scope }), "sasl.oauthbearer.scope")
	plain(onOIDC(func(o *OIDCConfig) *string { return &o.Extensions }), "sasl.oauthbearer.extensions")
	// Java's way to say "get tokens by OIDC", which the token endpoint says here.
	plain(func(*Config, string) error { return nil }, "sasl.login.callback.handler.class")
}

func (s *Credentials) setMechanism(v string) error {
	v = strings.ToUpper(v)
	switch v {
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER":
		s.Mechanism = v
		return nil
	case "GSSAPI":
		return errors.New("GSSAPI (Kerberos) is not built into this client; must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER")
	}
	return errors.New("must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER")
}

// setJAAS understands the login modules of Kafka: Plain, Scram, OAuthBearer. The mechanism is sasl.mechanism's to say.
func (s *Credentials) setJAAS(v string) error {
	module, opts, err := parseJAAS(v)
	if err != nil {
		return err
	}
	switch module[strings.LastIndexByte(module, '.')+1:] {
	case "PlainLoginModule":
		if s.Mechanism == "" {
			s.Mechanism = "PLAIN"
		}
	case "ScramLoginModule":
	case "OAuthBearerLoginModule":
		o := OIDCConfig{}
		if s.OIDC != nil {
			o = *s.OIDC
		}
		o.ClientID, o.ClientSecret, o.Scope = opts["clientId"], opts["clientSecret"], opts["scope"]
		s.OIDC, s.Mechanism = &o, "OAUTHBEARER"
		return nil
	default:
		return fmt.Errorf("login module %s: must be one of PlainLoginModule, ScramLoginModule, OAuthBearerLoginModule", module)
	}
	s.User, s.Password = opts["username"], opts["password"]
	return nil
}

// parseJAAS reads `module flag key="value" …;`. It never quotes the text, which holds secrets.
func parseJAAS(s string) (module string, opts map[string]string, err error) {
	opts = map[string]string{}
	s = strings.TrimSpace(s)
	s, ok := strings.CutSuffix(s, ";")
	module, s, _ = strings.Cut(strings.TrimSpace(s), " ")
	flag, s, _ := strings.Cut(strings.TrimSpace(s), " ")
	if !ok || module == "" || !strings.Contains("required requisite sufficient optional", strings.ToLower(flag)) || flag == "" {
		return "", nil, errors.New(`must be of the form: LoginModule required username="…" password="…";`)
	}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		key, rest, ok := strings.Cut(s, "=")
		rest = strings.TrimSpace(rest)
		if !ok || rest == "" {
			return "", nil, errors.New(`options must be of the form key="value"`)
		}
		value, after, err := jaasValue(rest)
		if err != nil {
			return "", nil, fmt.Errorf("option %s: %w", strings.TrimSpace(key), err)
		}
		opts[strings.TrimSpace(key)] = value
		s = after
	}
	return module, opts, nil
}

// jaasValue reads a word, or a string in quotes with backslash escapes.
func jaasValue(s string) (value, rest string, err error) {
	quote := s[0]
	if quote != '"' && quote != '\'' {
		value, rest, _ = strings.Cut(s, " ")
		return value, rest, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errors.New("the closing quote is missing")
}

const toPEM = "make PEM of it: keytool -importkeystore -deststoretype PKCS12, then openssl pkcs12"

// readPEM reads a store that Java may have as PEM, JKS or PKCS#12; only PEM is taken.
func readPEM(path string) ([]byte, error) {
	b, err := readSmall(path)
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(b, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return nil, fmt.Errorf("is a JKS store: %s", toPEM)
	case !bytes.Contains(b, []byte("-----BEGIN")):
		return nil, fmt.Errorf("is not PEM: %s", toPEM)
	}
	return b, nil
}

// splitPEM parts a store of key and certificates.
func splitPEM(b []byte) (cert, key []byte) {
	for {
		var block *pem.Block
		block, b = pem.Decode(b)
		switch {
		case block == nil:
			return cert, key
		case block.Type == "CERTIFICATE":
			cert = append(cert, pem.EncodeToMemory(block)...)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			key = append(key, pem.EncodeToMemory(block)...)
		}
	}
}
