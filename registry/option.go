package registry

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/configfile"
	"github.com/avroline/avroline/registry/internal/rest"
)

// Option is an option of [New]. If an option is given twice, the last value
// counts. The zero Option does nothing.
type Option struct {
	apply func(*config)
	// source reads settings by name. It is set by WithConfig, WithConfigFile
	// and WithEnviron.
	source func() (configfile.File, error)
	name   string // of the option with a source
}

// WithBasicAuth sends user and password with each call. If a URL has user info,
// the user info counts for the URL instead. The client also sends an empty
// password. The user must not be empty or contain a colon. WithBasicAuth
// excludes [WithBearer] and [WithTokenSource].
func WithBasicAuth(user, password string) Option {
	return Option{apply: func(c *config) {
		if user == "" || strings.Contains(user, ":") {
			c.mistake("WithBasicAuth: the user is empty or holds a colon")
		}
		c.setAuth("WithBasicAuth", user, rest.BasicAuth(user, password), nil, password)
	}}
}

// WithBearer sends a fixed token with each call. The token must not be empty
// and must be valid in a header. In particular, a line break at the end is an
// error. WithBearer excludes [WithBasicAuth] and [WithTokenSource].
func WithBearer(token string) Option {
	return Option{apply: func(c *config) {
		if err := rest.CheckToken(token); err != nil {
			c.mistake("WithBearer: %w", err)
		}
		c.setAuth("WithBearer", "", rest.Bearer(token), nil, token)
	}}
}

// WithTokenSource sends tokens of ts. Shortly before a token expires, the
// client fetches the next token in the background. The client never fetches two
// tokens at the same time. If the registry refuses a token with 401, the client
// fetches a new token once. WithTokenSource excludes [WithBasicAuth] and
// [WithBearer].
func WithTokenSource(ts TokenSource) Option {
	return Option{apply: func(c *config) {
		if ts == nil {
			c.mistake("WithTokenSource: the source is nil")
		}
		user := ""
		if by, ok := ts.(*ClientCredentials); ok && by != nil {
			user = by.ClientID
		}
		c.setAuth("WithTokenSource", user, nil, ts)
	}}
}

// WithHeader sends a header with each call. For example, some hosted registries
// need a header that names a cluster. The client never prints the value.
func WithHeader(name, value string) Option {
	return Option{apply: func(c *config) {
		switch {
		case strings.EqualFold(name, "Authorization"):
			c.mistake("WithHeader: use WithBasicAuth, WithBearer or WithTokenSource for %s", name)
		case !headerName(name):
			c.mistake("WithHeader: %q is no name of a header", rest.Quote(name, 40))
		case !rest.HeaderValue(value):
			c.mistake("WithHeader(%q): the value holds a line break or another control character", name)
		}
		c.headers.Set(name, value)
		c.secrets = append(c.secrets, value)
	}}
}

// WithTLS uses a copy of t for https. Set Certificates for client certificates
// (mTLS), and RootCAs for your own CA. WithTLS excludes [WithTransport].
func WithTLS(t *tls.Config) Option {
	return Option{apply: func(c *config) {
		if t == nil {
			c.mistake("WithTLS: the configuration is nil")
		}
		c.tls, c.tlsBy = t.Clone(), "WithTLS"
	}}
}

// WithTransport makes the HTTP calls through rt. The default is the client's
// own transport, with proxies from the environment (HTTP_PROXY, HTTPS_PROXY,
// NO_PROXY). WithTransport excludes [WithTLS].
func WithTransport(rt http.RoundTripper) Option {
	return Option{apply: func(c *config) {
		if rt == nil {
			c.mistake("WithTransport: the round tripper is nil")
		}
		c.roundTrip = rt
	}}
}

// WithTimeout limits a single attempt on a URL, from the connection to the last
// byte of the body. The default is 5 s. The caller's context limits all
// attempts together. If the context has a deadline and there are several URLs,
// an attempt gets only a share of the time, so that each URL can be tried.
func WithTimeout(d time.Duration) Option { return Option{apply: func(c *config) { c.timeout = d }} }

// WithRetries says how often the client repeats a call that failed on every
// URL. The client repeats a call after a connection error, 408, 429, 5xx, or an
// answer that a registry did not write. The pause before a repetition is a
// random time between zero and base·2ⁿ, at most cap. If the registry sends
// Retry-After, the client waits for the requested time instead.
//
// The defaults are 12, 100 ms and 2 s, together about nine seconds. A max of 0
// turns repetitions off. The caller's context can end the repetitions earlier.
// The client does not repeat a deletion that may have reached the registry.
func WithRetries(max int, base, cap time.Duration) Option {
	return Option{apply: func(c *config) { c.retries, c.base, c.cap = max, base, cap }}
}

// WithWayBack sets the interval of the probes after a failover. In each
// interval the client probes the earlier URLs once, in the background. If an
// earlier URL answers, the client returns to this URL. The default is 30 s.
func WithWayBack(d time.Duration) Option { return Option{apply: func(c *config) { c.wayBack = d }} }

// WithCacheSize limits each cache in memory: schemas by id, ids by schema,
// latest versions. The default is 10,000 entries for each cache.
func WithCacheSize(schemas int) Option { return Option{apply: func(c *config) { c.schemas = schemas }} }

// WithLatestTTL says how long the latest version of a subject stays fresh in
// memory. Later calls still return the old answer at once, while a call in the
// background fetches the new answer. While the registry fails, the old answer
// stays in use. The default is a minute.
func WithLatestTTL(d time.Duration) Option { return Option{apply: func(c *config) { c.latestTTL = d }} }

// WithDiskCache stores answers of the registry in files under dir: schemas by
// id, ids by schema, and the latest versions. With the files a service can
// restart, read and write while the registry is away. Schemas by id come from
// the files without a call. For ids and latest versions the client asks the
// registry first. If the registry does not answer within a second or before the
// context ends, the files answer.
//
// The files decide the meaning of bytes. Therefore [New] refuses a dir that
// other users may write, or that another user owns. Make dir with mode 0700 or
// 0755. The client ignores a file that other users may write, or that another
// user owns. If this process cannot write dir, the client only reads the files
// and logs a single line.
//
// The files have checksums and are replaced atomically, so several processes of
// the same user may share dir. The client ignores a torn file and writes the
// file again. If you set up a new registry under the same URL, remove dir,
// because the ids then mean other schemas.
//
// Each combination of URLs, user and headers ([WithHeader]) has its own files,
// because a hosted registry may have other schemas for another user or header.
// The user is the user of [WithBasicAuth], the user in a URL, or the ClientID
// of [ClientCredentials]. So for a registry with several tenants, [WithBearer]
// and other token sources need a dir for each tenant.
func WithDiskCache(dir string) Option {
	return Option{apply: func(c *config) {
		if dir == "" {
			c.mistake("WithDiskCache: the folder is empty")
		}
		c.disk = dir
	}}
}

// WithLogger logs events that no caller sees: failovers, failed refreshes in
// the background, and files of the disk cache that cannot be read or written.
// The default is no log. The client never logs credentials or schemas.
func WithLogger(l *slog.Logger) Option { return Option{apply: func(c *config) { c.logger = l }} }

// WithHooks adds hooks for metrics and traces. If WithHooks is given several
// times, all hooks are called in their order, and each StartRequest gets the
// context of the one before.
func WithHooks(h Hooks) Option {
	return Option{apply: func(c *config) { c.hooks = append(c.hooks, h) }}
}

// WithConfig sets settings under the names of Java's and Confluent's clients,
// such as schema.registry.url or basic.auth.user.info. docs/registry.md has the
// table. WithConfig ignores the keys of a producer, a consumer or a serializer.
// An unknown key is an error that names the most similar key.
//
// If the list of URLs in [New] is empty, New uses schema.registry.url. An
// option for the same thing, such as [WithBearer], wins over a setting in any
// order. If two settings have the same key, the later option wins. So a file,
// the environment and the program can each give a part of the settings.
func WithConfig(m map[string]string) Option {
	return Option{name: "WithConfig", source: func() (configfile.File, error) { return configfile.Map(m), nil }}
}

// WithConfigFile reads the settings of [WithConfig] from a file. A file with
// the extension .yaml, .yml or .json is YAML or JSON; any other file is
// properties. Package producer can read the same file, because each package
// reads only its own keys. For a secret, use KEY.file with the name of a file
// that holds the value.
func WithConfigFile(path string) Option {
	return Option{name: "WithConfigFile", source: func() (configfile.File, error) { return configfile.Read(path) }}
}

// WithEnviron reads the settings of [WithConfig] from environment variables. A
// variable's name is the prefix and the key in capitals, with _ for each dot.
// An empty prefix means AVROLINE_, so AVROLINE_BASIC_AUTH_USER_INFO sets
// basic.auth.user.info. A variable with the prefix that is not a setting is an
// error. The exceptions are AVROLINE_REGISTRY, AVROLINE_SHARED and names that
// begin with AVROLINE_TEST_, because programs and tests use these names.
func WithEnviron(prefix string) Option {
	return Option{name: "WithEnviron", source: func() (configfile.File, error) {
		return configfile.Environ(cmp.Or(prefix, "AVROLINE_"), os.Environ()), nil
	}}
}

// LogUnknownKeys accepts unknown keys. A single log line,
// "registry_unknown_settings" at level WARN, names the keys. By default an
// unknown key is an error.
func LogUnknownKeys() Option { return Option{apply: func(c *config) { c.logUnknown = true }} }

// headerName reports whether name is a token of RFC 9110, section 5.6.2.
func headerName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
