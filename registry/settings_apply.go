package registry

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/configfile"
	"github.com/avroline/avroline/registry/internal/rest"
)

// newConfig reads the options. The settings of files, maps and the environment
// come first. The other options come second, so that they win. urls are the
// URLs from the settings.
func newConfig(opts []Option) (c *config, urls []string) {
	s := &settings{entries: map[string]configfile.Entry{}, kafka: map[string]string{}}
	c = defaults()
	for _, o := range opts {
		if o.source != nil {
			s.read(o)
		}
	}
	inProgram := defaults()
	inProgram.applyAll(opts)
	c.logUnknown = inProgram.logUnknown
	urls, err := s.apply(c)
	if c.authBy != "" && len(c.authClashes) == 0 {
		c.authBy = "" // an option for credentials replaces the settings
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

// apply changes c according to the settings and returns the URLs in the
// settings.
func (s *settings) apply(c *config) (urls []string, err error) {
	errs := s.errs
	if len(s.unknown) > 0 && !c.logUnknown {
		for _, e := range s.unknown {
			errs = append(errs, settingsError(e, "unknown setting%s", e.Hint))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.entries)) {
		e := s.entries[key]
		if header, ok := strings.CutPrefix(key, "request.header."); ok {
			WithHeader(header, e.Value).apply(c)
			continue
		}
		set, ok := setters()[key]
		if !ok {
			continue // part of a group, or without meaning here
		}
		if err := set(c, e); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.basic(c), s.bearer(c), s.proxy(c), s.security(c))
	if e, ok := s.entries["schema.registry.url"]; ok {
		for u := range strings.SplitSeq(e.Value, ",") {
			urls = append(urls, strings.TrimSpace(u))
		}
	}
	return urls, errors.Join(errs...)
}

// setters returns the settings that do not depend on other settings.
func setters() map[string]func(*config, configfile.Entry) error {
	return map[string]func(*config, configfile.Entry) error{
		"http.connect.timeout.ms": wholeSetting(0, func(c *config, ms int) { c.timeout = max(c.timeout, millisSetting(ms)) }),
		"http.read.timeout.ms":    wholeSetting(1, func(c *config, ms int) { c.timeout = millisSetting(ms) }),
		"max.retries":             wholeSetting(0, func(c *config, n int) { c.retries = n }),
		"retries.wait.ms": wholeSetting(0, func(c *config, ms int) {
			c.base, c.cap = millisSetting(ms), max(c.cap, millisSetting(ms))
		}),
		"retries.max.wait.ms": wholeSetting(0, func(c *config, ms int) {
			c.cap, c.base = millisSetting(ms), min(c.base, millisSetting(ms))
		}),
		"latest.cache.ttl.sec": wholeSetting(-1, func(c *config, seconds int) {
			c.latestTTL = time.Duration(seconds) * time.Second
			if seconds < 0 { // forever
				c.latestTTL = math.MaxInt64 / 4
			}
			if seconds == 0 {
				c.latestTTL = time.Nanosecond
			}
		}),
		"bearer.auth.logical.cluster":  headerSetting("target-sr-cluster"),
		"bearer.auth.identity.pool.id": headerSetting("Confluent-Identity-Pool-Id"),
	}
}

func millisSetting(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }

// maxSetting limits a number, so that no duration overflows.
const maxSetting = math.MaxInt32

func wholeSetting(least int, set func(*config, int)) func(*config, configfile.Entry) error {
	return func(c *config, e configfile.Entry) error {
		n, err := strconv.Atoi(e.Value)
		if err != nil || n < least || n > maxSetting {
			return settingsError(e, "%q is no whole number from %d to %d", rest.Quote(e.Value, 40), least, maxSetting)
		}
		set(c, n)
		return nil
	}
}

func headerSetting(name string) func(*config, configfile.Entry) error {
	return func(c *config, e configfile.Entry) error {
		WithHeader(name, e.Value).apply(c)
		return nil
	}
}

// basic sets the credentials of basic.auth.*.
func (s *settings) basic(c *config) error {
	source, info := s.entries["basic.auth.credentials.source"], s.entries["basic.auth.user.info"]
	switch strings.ToUpper(source.Value) {
	case "URL":
		return nil // the URL has the credentials
	case "SASL_INHERIT":
		user, password := s.kafka["sasl.username"], s.kafka["sasl.password"]
		if user == "" {
			return settingsError(source, "SASL_INHERIT needs sasl.username and sasl.password beside it")
		}
		WithBasicAuth(user, password).apply(c)
		return nil
	case "", "USER_INFO":
		if info.Key == "" {
			if source.Key != "" {
				return settingsError(source, "USER_INFO needs basic.auth.user.info")
			}
			return nil
		}
		user, password, ok := strings.Cut(info.Value, ":")
		if !ok {
			return settingsError(info, "must be user:password (the value is not shown)")
		}
		WithBasicAuth(user, password).apply(c)
		return nil
	}
	return settingsError(source, "%q is none of USER_INFO, URL and SASL_INHERIT", rest.Quote(source.Value, 40))
}

// bearer sets the credentials of bearer.auth.*.
func (s *settings) bearer(c *config) error {
	source := s.entries["bearer.auth.credentials.source"]
	token, issuer := s.entries["bearer.auth.token"], s.entries["bearer.auth.issuer.endpoint.url"]
	kind := strings.ToUpper(source.Value)
	if kind == "" && token.Key != "" {
		kind = "STATIC_TOKEN"
	}
	if kind == "" && issuer.Key != "" {
		kind = "OAUTHBEARER"
	}
	switch kind {
	case "":
		return nil
	case "STATIC_TOKEN":
		if token.Key == "" {
			return settingsError(source, "STATIC_TOKEN needs bearer.auth.token")
		}
		WithBearer(token.Value).apply(c)
		return nil
	case "OAUTHBEARER":
		id, secret := s.entries["bearer.auth.client.id"], s.entries["bearer.auth.client.secret"]
		if issuer.Value == "" || id.Value == "" || secret.Value == "" {
			return settingsError(cmp.Or(source, issuer), "OAUTHBEARER needs bearer.auth.issuer.endpoint.url, bearer.auth.client.id and bearer.auth.client.secret")
		}
		u, err := url.Parse(issuer.Value)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Host == "" {
			return settingsError(issuer, "must be the URL of a token endpoint, without user info")
		}
		s.issuer = &ClientCredentials{
			TokenURL: issuer.Value, ClientID: id.Value, ClientSecret: secret.Value,
			Scopes: strings.Fields(s.entries["bearer.auth.scope"].Value),
		}
		WithTokenSource(s.issuer).apply(c)
		return nil
	}
	return settingsError(source, "%q is not known here: use STATIC_TOKEN or OAUTHBEARER, or WithTokenSource in the program", rest.Quote(source.Value, 40))
}

// proxy sets the proxy of proxy.host and proxy.port.
func (s *settings) proxy(c *config) error {
	host, port := s.entries["proxy.host"], s.entries["proxy.port"]
	if host.Value == "" {
		return nil
	}
	if strings.Contains(host.Value, "/") {
		return settingsError(host, "must be a host name, without http:// and without a path")
	}
	u, err := url.Parse("http://" + host.Value + ":" + cmp.Or(port.Value, "80"))
	if err != nil || u.Hostname() == "" {
		return settingsError(host, "proxy.host and proxy.port make no address")
	}
	c.proxy = http.ProxyURL(u)
	return nil
}
