package rest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// endpoint is a URL of the registry, without credentials.
type endpoint struct {
	base *url.URL // without user info, trailing slash and query
	auth Authorizer
	user string // the user of auth; "" if not known
}

func (e *endpoint) String() string { return e.base.String() }

// parseEndpoint reads a URL that a user gave. Its errors never quote a URL that
// contains @, because the URL may hold a password.
func parseEndpoint(s string) (*endpoint, *url.Userinfo, error) {
	s = strings.TrimSpace(s)
	secret := strings.Contains(s, "@")
	if n := strings.Count(s, "://"); n > 1 || strings.Contains(s, ",") && !secret {
		return nil, nil, errors.New("the text holds several URLs: give each URL as an element of its own")
	}
	u, err := url.Parse(s)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err
		}
		// An error such as `invalid port ":pass@host"` quotes parts of the URL.
		if secret {
			err = errors.New("it does not parse; the text is not shown, because it may hold a password. In a user or a password write %40 for @, %2F for /, %3A for :, %3F for ? and %23 for #")
		}
		if !secret && !strings.Contains(s, "://") {
			return nil, nil, fmt.Errorf("the URL %q lacks a scheme: write http://… or https://…", s)
		}
		return nil, nil, fmt.Errorf("the URL is wrong: %w", err)
	}
	user := u.User
	u.User = nil
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		if secret {
			return nil, nil, errors.New("the URL lacks a scheme: write http://… or https://…")
		}
		if strings.Contains(s, "://") {
			return nil, nil, fmt.Errorf("the URL %q has the scheme %s: write http://… or https://…", s, u.Scheme)
		}
		return nil, nil, fmt.Errorf("the URL %q lacks a scheme: write http://… or https://…", s)
	case strings.Count(s, "@") > 1 || secret && user == nil:
		// "http://me:p@ss/word@host" parses as the host "ss".
		return nil, nil, errors.New("the URL holds an @ that does not end its user info; the text is not shown, because it may hold a password. In a user or a password write %40 for @ and %2F for /")
	case u.Hostname() == "":
		return nil, nil, fmt.Errorf("the URL %q lacks a host", u)
	case strings.ContainsAny(u.Host, ", "):
		return nil, nil, errors.New("the text holds several URLs: give each URL as an element of its own")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, nil, fmt.Errorf("the URL of %s has a query or a fragment: leave it out", u.Host)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return &endpoint{base: u}, user, nil
}

// endpoints is the failover list. Calls go to the current endpoint until the
// endpoint fails. Then the next endpoint that answers becomes current. Once an
// earlier endpoint answers again, the calls go back to the earlier endpoint.
type endpoints struct {
	list    []*endpoint
	current atomic.Int32
	probed  atomic.Pointer[time.Time] // last probe of an earlier endpoint
	wayBack time.Duration
}

// urls returns the base URLs, without credentials.
func (e *endpoints) urls() []string {
	urls := make([]string, len(e.list))
	for i, ep := range e.list {
		urls[i] = ep.String()
	}
	return urls
}

// order returns the endpoints in the order in which a call tries the endpoints.
func (e *endpoints) order() []*endpoint {
	i := int(e.current.Load())
	order := make([]*endpoint, 0, len(e.list))
	return append(append(order, e.list[i:]...), e.list[:i]...)
}

// setCurrent makes ep the current endpoint.
func (e *endpoints) setCurrent(ep *endpoint) {
	if cur := e.current.Load(); e.list[cur] != ep {
		for i, other := range e.list {
			if other == ep {
				e.probed.Store(new(time.Now()))
				e.current.Store(int32(i))
			}
		}
	}
}

// failBack probes the endpoints before the current endpoint, in the background
// and at most once per wayBack. The first endpoint that answers becomes
// current. No call waits for the probe.
func (e *endpoints) failBack(b *Background, probe func(context.Context, *endpoint) error) {
	cur := e.current.Load()
	if cur == 0 {
		return
	}
	last, now := e.probed.Load(), time.Now()
	if last != nil && now.Sub(*last) < e.wayBack || !e.probed.CompareAndSwap(last, &now) {
		return
	}
	b.Start(func(ctx context.Context) {
		for i := range cur {
			if probe(ctx, e.list[i]) == nil {
				e.current.CompareAndSwap(cur, i)
				return
			}
		}
	})
}
