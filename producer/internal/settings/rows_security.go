package settings

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/avroline/avroline/internal/configfile"
)

// securityRows returns the settings of TLS and SASL.
func securityRows() []Setting {
	return slices.Concat(tlsRows(), saslRows(), oauthRows())
}

// setTLS reads a value into a copy of the current TLS settings. The copy makes
// it safe to use an Option twice.
func setTLS(set func(t *TLS, v string) error) kind {
	return kind{set: func(c *Config, v string) error {
		t := TLS{}
		if c.TLS != nil {
			t = *c.TLS
		}
		c.TLS = &t
		return set(&t, v)
	}}
}

// setSASL is like setTLS, but for the credentials.
func setSASL(set func(s *Credentials, v string) error) kind {
	return kind{set: func(c *Config, v string) error {
		s := Credentials{}
		if c.SASL != nil {
			s = *c.SASL
		}
		c.SASL = &s
		return set(&s, v)
	}}
}

// setOIDC is like setTLS, but for a text of the OIDC settings.
func setOIDC(at func(o *OIDCConfig) *string) kind {
	return setSASL(func(s *Credentials, v string) error {
		*at(s.changeOIDC()) = v
		return nil
	})
}

// changeOIDC returns a copy of the OIDC settings that the caller may change.
// Tokens of a provider need the mechanism OAUTHBEARER, unless a login module or
// the user names another mechanism.
func (s *Credentials) changeOIDC() *OIDCConfig {
	o := OIDCConfig{}
	if s.OIDC != nil {
		o = *s.OIDC
	}
	s.OIDC, s.implied = &o, cmp.Or(s.implied, "OAUTHBEARER")
	return &o
}

// setFile reads the file that a key names.
func setFile(read func(path string) ([]byte, error), use func(t *TLS, path string, content []byte)) kind {
	k := setTLS(func(t *TLS, path string) error {
		content, err := read(path)
		use(t, path, content)
		return err
	})
	k.readsFiles = true
	return k
}

func tlsRows() []Setting {
	onlyPEM := parsed(func(_ *Config, v string) error {
		if !strings.EqualFold(v, "PEM") {
			return fmt.Errorf("must be PEM: %s", toPEM)
		}
		return nil
	}, "`PEM`")
	noStorePassword := parsed(func(*Config, string) error {
		return errors.New("PEM stores have no password; a key's own is ssl.key.password")
	}, "")
	passed := func(key string) Setting {
		return Setting{Key: key, Show: Harmless, Transports: Confluent, kind: passedText(toClient)}
	}
	return []Setting{
		{Key: "security.protocol", Option: "WithTLS, WithSASL", About: "`PLAINTEXT`", Show: Harmless, kind: parsed(setProtocol, "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT`, `SASL_SSL`")},
		{
			Key: "ssl.ca.location", Option: "TLS.CA", About: "a PEM file; the default is the system's root certificates", Show: Harmless,
			kind: covering(setFile(configfile.ReadSmall, func(t *TLS, path string, b []byte) {
				t.CA, t.caFrom = b, pemOrigin{"ssl.ca.location", path}
			}), "ssl.ca.pem"),
		},
		{
			Key: "ssl.ca.pem", Java: "ssl.truststore.certificates", Option: "TLS.CA", About: "PEM text",
			kind: setTLS(func(t *TLS, v string) error {
				t.CA, t.caFrom = []byte(v), pemOrigin{"ssl.ca.pem", ""}
				return nil
			}),
		},
		{
			Key: "ssl.truststore.location", Option: "TLS.CA", About: "Java's name of `ssl.ca.location`", Show: Harmless,
			kind: covering(setFile(readPEM, func(t *TLS, path string, b []byte) {
				t.CA, t.caFrom = b, pemOrigin{"ssl.truststore.location", path}
			}), "ssl.ca.pem"),
		},
		{
			Key: "ssl.certificate.location", Option: "TLS.Cert", About: "a PEM file with the client's certificate", Show: Harmless,
			kind: covering(setFile(configfile.ReadSmall, func(t *TLS, path string, b []byte) {
				t.Cert, t.certFrom = b, pemOrigin{"ssl.certificate.location", path}
			}), "ssl.certificate.pem"),
		},
		{
			Key: "ssl.certificate.pem", Java: "ssl.keystore.certificate.chain", Option: "TLS.Cert", About: "PEM text",
			kind: setTLS(func(t *TLS, v string) error {
				t.Cert, t.certFrom = []byte(v), pemOrigin{"ssl.certificate.pem", ""}
				return nil
			}),
		},
		{
			Key: "ssl.key.location", Option: "TLS.Key", About: "a PEM file with the key of the certificate", Show: Harmless,
			kind: covering(setFile(configfile.ReadSmall, func(t *TLS, path string, b []byte) {
				t.Key, t.keyFrom = b, pemOrigin{"ssl.key.location", path}
			}), "ssl.key.pem"),
		},
		{
			Key: "ssl.key.pem", Java: "ssl.keystore.key", Option: "TLS.Key", About: "PEM text", Show: Secret,
			kind: setTLS(func(t *TLS, v string) error {
				t.Key, t.keyFrom = []byte(v), pemOrigin{"ssl.key.pem", ""}
				return nil
			}),
		},
		{
			Key: "ssl.key.password", Option: "TLS.KeyPassword", About: "the password of an encrypted key", Show: Secret,
			kind: setTLS(func(t *TLS, v string) error { t.KeyPassword = v; return nil }),
		},
		{
			Key: "ssl.keystore.location", Option: "TLS.Cert, TLS.Key", About: "Java's name for certificate and key in one PEM file", Show: Harmless,
			kind: covering(setFile(readPEM, func(t *TLS, path string, b []byte) {
				t.Cert, t.Key = splitPEM(b)
				t.certFrom = pemOrigin{"ssl.keystore.location", path}
				t.keyFrom = t.certFrom
			}), "ssl.certificate.pem", "ssl.key.pem"),
		},
		{Key: "ssl.truststore.type", Show: Harmless, kind: onlyPEM},
		{Key: "ssl.keystore.type", Show: Harmless, kind: onlyPEM},
		{Key: "ssl.truststore.password", About: "refused, because PEM stores have no password", Show: Secret, kind: noStorePassword},
		{Key: "ssl.keystore.password", About: "refused, because PEM stores have no password", Show: Secret, kind: noStorePassword},
		{Key: "ssl.protocol", About: "Java's name; the client uses the highest version", Show: Harmless, kind: javaTLSVersions()},
		{Key: "ssl.enabled.protocols", About: "Java's name; the client always allows both versions", Show: Harmless, kind: javaTLSVersions()},
		passed("ssl.ca.certificate.stores"),
		passed("ssl.cipher.suites"),
		passed("ssl.crl.location"),
		passed("ssl.curves.list"),
		passed("ssl.sigalgs.list"),
		{
			Key: "enable.ssl.certificate.verification", Default: "true", About: "`false` only with `avroline.tls.insecure.skip.verify=true`", Show: Harmless,
			kind: boolean(func(c *Config) *bool { return &c.verifyOn }),
		},
		{
			Key: "ssl.endpoint.identification.algorithm", Default: "https", About: "`none` and empty only with `avroline.tls.insecure.skip.hostname=true`", Show: Harmless,
			kind: parsed(setHostnameCheck, "`https`, `none`, empty"),
		},
		{
			Key: "avroline.tls.insecure.skip.verify", Option: "TLS.InsecureSkipVerify", Default: "false", About: "`true` accepts every certificate; for tests only", Show: Harmless,
			kind: boolean(func(c *Config) *bool { return &c.skipVerify }),
		},
		{
			Key: "avroline.tls.insecure.skip.hostname", Option: "TLS.InsecureSkipHostname", Default: "false", About: "`true` accepts a certificate for another host name", Show: Harmless,
			kind: boolean(func(c *Config) *bool { return &c.skipHostname }),
		},
	}
}

// javaTLSVersions accepts the TLS versions that the client supports by default.
func javaTLSVersions() kind {
	return parsed(func(_ *Config, v string) error {
		for version := range strings.SplitSeq(v, ",") {
			switch strings.TrimSpace(version) {
			case "TLS", "TLSv1.2", "TLSv1.3":
			default:
				return errors.New("must be a list, with commas, of TLSv1.2, TLSv1.3")
			}
		}
		return nil
	}, "`TLSv1.2`, `TLSv1.3`")
}

// setHostnameCheck treats librdkafka's none and Java's empty value as off.
func setHostnameCheck(c *Config, v string) error {
	switch strings.ToLower(v) {
	case "https":
		c.hostnameOff = false
	case "none", "":
		c.hostnameOff = true
	default:
		return errors.New("must be https, none or empty")
	}
	return nil
}

func setProtocol(c *Config, v string) error {
	switch v = strings.ToUpper(v); v {
	case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
		c.protocol = v
		return nil
	}
	return errors.New("must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL")
}

func saslRows() []Setting {
	return []Setting{
		{
			Key: "sasl.mechanism", Aliases: []string{"sasl.mechanisms"}, Option: "WithSASL", Show: Harmless,
			kind: described("`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER`", setSASL((*Credentials).setMechanism)),
		},
		{Key: "sasl.username", Option: "Plain, ScramSHA256, ScramSHA512", kind: setSASL(func(s *Credentials, v string) error { s.User = v; return nil })},
		{Key: "sasl.password", Option: "Plain, ScramSHA256, ScramSHA512", Show: Secret, kind: setSASL(func(s *Credentials, v string) error { s.Password = v; return nil })},
		{
			Key: "avroline.allow.clear.text.password", Option: "AllowClearTextPassword", Default: "false", About: "`true` logs no warning about a password or a token without TLS", Show: Harmless,
			kind: boolean(func(c *Config) *bool { return &c.clearTextAllowed }),
		},
		{Key: "sasl.jaas.config", About: "Java's form, with the Plain, Scram and OAuthBearer login modules", Show: Secret, kind: jaas()},
	}
}

// jaas sets the credentials by the options of a login module.
func jaas() kind {
	k := setSASL((*Credentials).setJAAS)
	k.covers = func(text string) []string {
		module, opts, err := parseJAAS(text)
		if err != nil {
			return nil // set reports the error
		}
		var keys []string
		for _, option := range slices.Sorted(maps.Keys(opts)) {
			if key := jaasKey(className(module), option); key != "" {
				keys = append(keys, key)
			}
		}
		return keys
	}
	return k
}

// jaasKey returns the key of the setting that an option of a login module sets,
// or "".
func jaasKey(module, option string) string {
	switch module {
	case "PlainLoginModule", "ScramLoginModule":
		return map[string]string{"username": "sasl.username", "password": "sasl.password"}[option]
	case "OAuthBearerLoginModule":
		if strings.HasPrefix(option, "extension_") {
			return "sasl.oauthbearer.extensions"
		}
		return map[string]string{
			"clientId": "sasl.oauthbearer.client.id", "clientSecret": "sasl.oauthbearer.client.secret", "scope": "sasl.oauthbearer.scope",
		}[option]
	}
	return ""
}

// className returns the name of a Java class without its package.
func className(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }

func described(bounds string, k kind) kind {
	k.bounds = bounds
	return k
}

// passedOAuth returns a setting of the library's own OpenID client.
func passedOAuth(key string, show Visibility, k kind) Setting {
	return Setting{Key: key, Show: show, Transports: Confluent, kind: k}
}

// metadataAuthentication does not accept aws_iam, because librdkafka lists
// aws_iam but does not implement it.
func metadataAuthentication() kind {
	k := passedOneOf(toClient, "none", "azure_imds")
	set := k.set
	k.set = func(c *Config, v string) error {
		if strings.EqualFold(v, "aws_iam") {
			return errors.New("librdkafka does not implement aws_iam: give a token source to WithSASL(OAuthBearer(...))")
		}
		return set(c, v)
	}
	return k
}

// oauthRows returns the settings of SASL OAUTHBEARER with an OpenID provider.
func oauthRows() []Setting {
	onlyOIDC := func(_ *Credentials, v string) error {
		if !strings.EqualFold(v, "oidc") {
			return errors.New("must be oidc; a token source of one's own goes into WithSASL(OAuthBearer(...))")
		}
		return nil
	}
	return []Setting{
		{Key: "sasl.oauthbearer.method", Option: "OIDC", Show: Harmless, kind: described("`oidc`", setSASL(onlyOIDC))},
		{Key: "sasl.oauthbearer.token.endpoint.url", Option: "OIDCConfig.TokenURL", kind: setOIDC(func(o *OIDCConfig) *string { return &o.TokenURL })},
		{
			Key: "sasl.oauthbearer.client.id", Aliases: []string{"sasl.oauthbearer.client.credentials.client.id"}, Option: "OIDCConfig.ClientID",
			kind: setOIDC(func(o *OIDCConfig) *string { return &o.ClientID }),
		},
		{
			Key: "sasl.oauthbearer.client.secret", Aliases: []string{"sasl.oauthbearer.client.credentials.client.secret"}, Option: "OIDCConfig.ClientSecret", Show: Secret,
			kind: setOIDC(func(o *OIDCConfig) *string { return &o.ClientSecret }),
		},
		{Key: "sasl.oauthbearer.scope", Option: "OIDCConfig.Scope", Show: Harmless, kind: setOIDC(func(o *OIDCConfig) *string { return &o.Scope })},
		{Key: "sasl.oauthbearer.extensions", Option: "OIDCConfig.Extensions", kind: setOIDC(func(o *OIDCConfig) *string { return &o.Extensions })},
		passedOAuth("sasl.oauthbearer.grant.type", Harmless, passedOneOf(toClient, "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer")),
		passedOAuth("sasl.oauthbearer.metadata.authentication.type", Harmless, metadataAuthentication()),
		passedOAuth("sasl.oauthbearer.config", Hidden, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.sub.claim.name", Harmless, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.algorithm", Harmless, passedOneOf(toClient, "RS256", "ES256")),
		passedOAuth("sasl.oauthbearer.assertion.private.key.file", Harmless, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.private.key.passphrase", Secret, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.private.key.pem", Secret, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.file", Harmless, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.claim.aud", Harmless, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.claim.exp.seconds", Harmless, passedWhole(toClient, 1, math.MaxInt32)),
		passedOAuth("sasl.oauthbearer.assertion.claim.iss", Harmless, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.claim.jti.include", Harmless, passedBoolean(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.claim.nbf.seconds", Harmless, passedWhole(toClient, 0, math.MaxInt32)),
		passedOAuth("sasl.oauthbearer.assertion.claim.sub", Harmless, passedText(toClient)),
		passedOAuth("sasl.oauthbearer.assertion.jwt.template.file", Harmless, passedText(toClient)),
		passedOAuth("https.ca.location", Harmless, passedText(toClient)),
		{Key: "https.ca.pem", Option: "OIDCConfig.CA", kind: setSASL(func(s *Credentials, v string) error {
			s.changeOIDC().CA = []byte(v)
			return nil
		})},
	}
}

func (s *Credentials) setMechanism(v string) error {
	v = strings.ToUpper(v)
	switch v {
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", mskIAM: // checkSASL refuses mskIAM, unless WithSASL replaces it
		s.Mechanism = v
		return nil
	case "GSSAPI":
		return errors.New("GSSAPI (Kerberos) is not built into this client; must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER")
	}
	return errors.New("must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER")
}

// setJAAS reads the login modules PlainLoginModule, ScramLoginModule and
// OAuthBearerLoginModule. sasl.mechanism chooses the SCRAM mechanism.
func (s *Credentials) setJAAS(v string) error {
	module, opts, err := parseJAAS(v)
	if err != nil {
		return err
	}
	switch className(module) {
	case "PlainLoginModule":
		s.implied = "PLAIN"
	case "ScramLoginModule":
	case "IAMLoginModule": // a module of Amazon's plug-in
		s.implied = mskIAM
		return nil
	case "OAuthBearerLoginModule":
		s.implied = "OAUTHBEARER"
		o := s.changeOIDC()
		setGiven(&o.ClientID, opts, "clientId")
		setGiven(&o.ClientSecret, opts, "clientSecret")
		setGiven(&o.Scope, opts, "scope")
		var extensions []string
		for _, key := range slices.Sorted(maps.Keys(opts)) {
			if name, ok := strings.CutPrefix(key, "extension_"); ok {
				extensions = append(extensions, name+"="+opts[key])
			}
		}
		o.Extensions = cmp.Or(strings.Join(extensions, ","), o.Extensions)
		return nil
	default:
		return fmt.Errorf("login module %s: must be one of PlainLoginModule, ScramLoginModule, OAuthBearerLoginModule", module)
	}
	setGiven(&s.User, opts, "username")
	setGiven(&s.Password, opts, "password")
	return nil
}

// setGiven sets a text to the value of an option, if the option is given.
func setGiven(text *string, opts map[string]string, option string) {
	if v, given := opts[option]; given {
		*text = v
	}
}

// parseJAAS reads `module flag key="value" …;`. As in Java, the parts may be on
// several lines. The errors contain no part of the text, because the text holds
// secrets.
func parseJAAS(s string) (module string, opts map[string]string, err error) {
	opts = map[string]string{}
	s = strings.TrimSpace(s)
	s, ok := strings.CutSuffix(s, ";")
	module, s = cutSpace(strings.TrimSpace(s))
	flag, s := cutSpace(strings.TrimSpace(s))
	if !ok || module == "" || !slices.Contains([]string{"required", "requisite", "sufficient", "optional"}, strings.ToLower(flag)) {
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
		value, rest = cutSpace(s)
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

// cutSpace cuts a text at its first white space.
func cutSpace(s string) (word, rest string) {
	if i := strings.IndexFunc(s, unicode.IsSpace); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

const toPEM = "make PEM of it: keytool -importkeystore -deststoretype PKCS12, then openssl pkcs12"

// readPEM reads a PEM file. A Java store in JKS or PKCS#12 is an error.
func readPEM(path string) ([]byte, error) {
	b, err := configfile.ReadSmall(path)
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

// splitPEM separates the certificates of a store from its key.
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
