package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/configfile"
)

// Option is an option of [New]. If an option is given twice, the last one
// counts.
type Option struct {
	apply    func(*config)
	settings func(*settings) // of WithConfig and its like
}

type config struct {
	auth        authorizer
	authBy      string // the option that set auth, "" for none
	source      TokenSource
	secrets     []string
	headers     http.Header
	tls         *tls.Config
	tlsBy       string // what set tls
	proxy       func(*http.Request) (*url.URL, error)
	roundTrip   http.RoundTripper
	timeout     time.Duration
	retries     int
	base, cap   time.Duration
	wayBack     time.Duration
	schemas     int
	latestTTL   time.Duration
	disk        string
	logger      *slog.Logger
	maxBody     int64
	authClashes []string
	mistakes    []error // of options whose value is needed and missing
	logUnknown  bool    // unknown settings are logged
	unknown     []string
}

func defaults() *config {
	return &config{
		headers:   make(http.Header),
		proxy:     http.ProxyFromEnvironment,
		timeout:   5 * time.Second,
		retries:   12,
		base:      100 * time.Millisecond,
		cap:       2 * time.Second,
		wayBack:   30 * time.Second,
		schemas:   10_000,
		latestTTL: time.Minute,
		logger:    slog.New(slog.DiscardHandler),
		maxBody:   16 << 20,
	}
}

// setAuth keeps which options gave credentials: two different ones are a
// mistake.
func (c *config) setAuth(by string, a authorizer, source TokenSource, secrets ...string) {
	if c.authBy != "" && c.authBy != by {
		c.authClashes = append(c.authClashes, c.authBy+" and "+by)
	}
	c.auth, c.source, c.authBy = a, source, by
	c.secrets = append(c.secrets, secrets...)
}

// newConfig reads the options: first the settings of files, maps and the
// environment, then what the program itself says, which wins. urls are those of
// the settings.
func newConfig(opts []Option) (c *config, urls []string) {
	s := &settings{entries: map[string]configfile.Entry{}, kafka: map[string]string{}}
	c = defaults()
	for _, o := range opts {
		if o.settings != nil {
			o.settings(s)
		}
	}
	inProgram := defaults()
	inProgram.applyAll(opts)
	c.logUnknown = inProgram.logUnknown
	urls, err := s.apply(c)
	if c.authBy != "" && len(c.authClashes) == 0 {
		c.authBy = "" // an option for credentials replaces them
	}
	c.applyAll(opts)
	if err != nil {
		c.mistakes = append(c.mistakes, err)
	}
	for _, e := range s.unknown {
		c.unknown = append(c.unknown, e.Origin)
	}
	return c, urls
}

func (c *config) applyAll(opts []Option) {
	for _, o := range opts {
		if o.apply != nil {
			o.apply(c)
		}
	}
}

// mistake notes an option with a wrong value.
func (c *config) mistake(format string, args ...any) {
	c.mistakes = append(c.mistakes, fmt.Errorf(format, args...))
}

// WithBasicAuth sends user and password with each call. User info in a URL
// counts for that URL instead. An empty password is sent too; the user must not
// be empty or hold a colon. It excludes [WithBearer] and [WithTokenSource].
func WithBasicAuth(user, password string) Option {
	return Option{apply: func(c *config) {
		if user == "" || strings.Contains(user, ":") {
			c.mistake("WithBasicAuth: the user is empty or holds a colon")
		}
		c.setAuth("WithBasicAuth", basicAuth(user, password), nil, password)
	}}
}

// WithBearer sends a fixed token with each call. The token must not be empty,
// and a header must be able to carry the token. A line break at its end is
// refused. It excludes [WithBasicAuth] and [WithTokenSource].
func WithBearer(token string) Option {
	return Option{apply: func(c *config) {
		if err := checkToken(token); err != nil {
			c.mistake("WithBearer: %w", err)
		}
		c.setAuth("WithBearer", bearer(token), nil, token)
	}}
}

// WithTokenSource sends tokens of ts, kept until shortly before they expire and
// renewed once at a time, in the background while the old one is valid. A token
// that the registry refuses with 401 is renewed once. It excludes
// [WithBasicAuth] and [WithBearer].
func WithTokenSource(ts TokenSource) Option {
	return Option{apply: func(c *config) {
		if ts == nil {
			c.mistake("WithTokenSource: the source is nil")
		}
		c.setAuth("WithTokenSource", nil, ts)
	}}
}

// WithHeader sends a header with each call, such as the ones by which a hosted
// registry names a cluster. Its value is never printed.
func WithHeader(name, value string) Option {
	return Option{apply: func(c *config) {
		switch {
		case strings.EqualFold(name, "Authorization"):
			c.mistake("WithHeader: use WithBasicAuth, WithBearer or WithTokenSource for %s", name)
		case !headerName(name):
			c.mistake("WithHeader: %q is no name of a header", quote(name, 40))
		case !headerValue(value):
			c.mistake("WithHeader(%q): the value holds a line break or another control character", name)
		}
		c.headers.Set(name, value)
		c.secrets = append(c.secrets, value)
	}}
}

// WithTLS uses a copy of t for https: client certificates (mTLS) in
// Certificates, an own CA in RootCAs. It excludes [WithTransport].
func WithTLS(t *tls.Config) Option {
	return Option{apply: func(c *config) {
		if t == nil {
			c.mistake("WithTLS: the configuration is nil")
		}
		c.tls, c.tlsBy = t.Clone(), "WithTLS"
	}}
}

// WithTransport makes the HTTP calls through rt. The default is a transport of
// the client's own that takes proxies from the environment (HTTP_PROXY,
// HTTPS_PROXY, NO_PROXY). It excludes [WithTLS].
func WithTransport(rt http.RoundTripper) Option {
	return Option{apply: func(c *config) {
		if rt == nil {
			c.mistake("WithTransport: the round tripper is nil")
		}
		c.roundTrip = rt
	}}
}

// WithTimeout bounds one attempt on one URL, from the connection to the last
// byte of the body. The default is 5 s. The caller's context bounds all
// attempts together; where it has a deadline and there are several URLs, an
// attempt takes only its share of the time, so that the next URL gets its turn.
func WithTimeout(d time.Duration) Option { return Option{apply: func(c *config) { c.timeout = d }} }

// WithRetries says how often a call that failed on every URL (connection
// errors, 408, 429, 5xx, answers that are not a registry's) is made again,
// after a random pause between zero and base·2ⁿ, at most cap, or what
// Retry-After asks for. The defaults are 12, 100 ms and 2 s, about nine seconds
// in all; max 0 turns it off. The caller's context bounds it. Deletions are not
// made again once they may have arrived.
func WithRetries(max int, base, cap time.Duration) Option {
	return Option{apply: func(c *config) { c.retries, c.base, c.cap = max, base, cap }}
}

// WithWayBack says how long after a failover the client looks, in the
// background, whether an earlier URL answers again. The default is 30 s.
func WithWayBack(d time.Duration) Option { return Option{apply: func(c *config) { c.wayBack = d }} }

// WithCacheSize bounds each of the caches in memory: schemas by id, ids by
// schema, latest versions. The default is 10,000 entries each.
func WithCacheSize(schemas int) Option { return Option{apply: func(c *config) { c.schemas = schemas }} }

// WithLatestTTL says for how long the latest version of a subject is taken from
// memory. After that the old answer still serves at once while one call in the
// background brings the new one, and goes on serving while the registry fails.
// The default is a minute.
func WithLatestTTL(d time.Duration) Option { return Option{apply: func(c *config) { c.latestTTL = d }} }

// WithDiskCache keeps answers of the registry in files under dir: schemas by
// id, ids by schema, the latest versions. A service that restarts while the
// registry is away goes on reading and writing with them. Schemas by id come
// from there without a call. For the others the registry is asked first, and
// the files answer when the registry does not within a second or before the
// context ends.
//
// The files decide the meaning of bytes, so [New] refuses a dir that other
// users may write, or that another user owns: make it with mode 0700 or 0755. A
// file that others may write, or that another user owns, is ignored. A dir that
// this process cannot write is used for reading only, and one log line says so.
//
// Files are checksummed and replaced atomically: several processes of one user
// may share dir, and a torn file is noticed, ignored and written again. The
// facts are kept apart by the list of URLs. Remove dir when a registry is set
// up anew under the same URL, because its ids then mean other schemas.
func WithDiskCache(dir string) Option {
	return Option{apply: func(c *config) {
		if dir == "" {
			c.mistake("WithDiskCache: the folder is empty")
		}
		c.disk = dir
	}}
}

// WithLogger logs events that no caller sees: failovers, failed refreshes in
// the background, files of the disk cache that could not be read or written.
// The default is silence. Credentials and schemas are never logged.
func WithLogger(l *slog.Logger) Option { return Option{apply: func(c *config) { c.logger = l }} }

// check finds every mistake in the options.
func (c *config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	errs = append(errs, c.mistakes...)
	for _, clash := range c.authClashes {
		bad("%s exclude each other", clash)
	}
	if c.tls != nil && c.roundTrip != nil {
		bad("%s and WithTransport exclude each other: set TLS in the transport", c.tlsBy)
	}
	if c.timeout <= 0 {
		bad("WithTimeout: %v is not a positive time", c.timeout)
	}
	if c.retries < 0 || c.base < 0 || c.cap < c.base {
		bad("WithRetries(%d, %v, %v): max and base must not be negative, nor cap less than base", c.retries, c.base, c.cap)
	}
	if c.wayBack <= 0 {
		bad("WithWayBack: %v is not a positive time", c.wayBack)
	}
	if c.schemas < 1 {
		bad("WithCacheSize: %d: at least 1 is needed", c.schemas)
	}
	if c.latestTTL <= 0 {
		bad("WithLatestTTL: %v is not a positive time", c.latestTTL)
	}
	if c.logger == nil {
		bad("WithLogger: the logger is nil")
	}
	return errors.Join(errs...)
}

// checkToken refuses a token that no Authorization header can carry. The error
// does not quote the token.
func checkToken(token string) error {
	switch {
	case token == "":
		return errors.New("the token is empty")
	case strings.TrimSpace(token) != token:
		return errors.New("the token begins or ends with white space: was it read from a file together with its line break?")
	case !headerValue(token):
		return errors.New("the token holds a control character")
	}
	return nil
}

// headerName reports whether name is a token of RFC 9110, section 5.6.2.
func headerName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// headerValue reports whether a header can carry value: no control characters
// but the tab.
func headerValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
