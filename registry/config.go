package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/avroline/avroline/registry/internal/rest"
)

// config holds the values of all options.
type config struct {
	auth        rest.Authorizer
	authBy      string // the option that set auth, or ""
	user        string // the user of auth or source; "" if not known
	source      TokenSource
	secrets     []string
	headers     http.Header
	tls         *tls.Config
	tlsBy       string // the option or setting that set tls
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
	mistakes    []error // errors of options with a wrong or missing value
	hooks       []Hooks
	logUnknown  bool // log unknown settings
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

// setAuth stores the credentials, their user, and the name of their option. Two
// different options for credentials are an error.
func (c *config) setAuth(by, user string, a rest.Authorizer, source TokenSource, secrets ...string) {
	if c.authBy != "" && c.authBy != by {
		c.authClashes = append(c.authClashes, c.authBy+" and "+by)
	}
	c.auth, c.source, c.authBy, c.user = a, source, by, user
	c.secrets = append(c.secrets, secrets...)
}

// roundTripper returns the user's round tripper or makes the default transport.
func (c *config) roundTripper() http.RoundTripper {
	if c.roundTrip != nil {
		return c.roundTrip
	}
	return &http.Transport{
		Proxy:                 c.proxy,
		DialContext:           (&net.Dialer{Timeout: c.timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       c.tls,
		TLSHandshakeTimeout:   c.timeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   32,
		MaxConnsPerHost:       128,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// mistake records an option with a wrong value.
func (c *config) mistake(format string, args ...any) {
	c.mistakes = append(c.mistakes, fmt.Errorf(format, args...))
}

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
