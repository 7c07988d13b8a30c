package registry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// endpoint is one URL of the registry, without credentials.
type endpoint struct {
	base *url.URL // no user info, no trailing slash, no query
	auth authorizer
}

func (e *endpoint) String() string { return e.base.String() }

// parseEndpoint reads one URL that a user gave. Its errors never quote the URL
// as a whole: it may hold a password.
func parseEndpoint(s string) (*endpoint, *url.Userinfo, error) {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err
		}
		// A reason such as `invalid port ":pass@host"` quotes parts of the URL.
		if strings.Contains(s, "@") {
			err = errors.New("it does not parse (the text is not shown, as it may hold a password)")
		}
		return nil, nil, fmt.Errorf("the URL is wrong: %w", err)
	}
	user := u.User
	u.User = nil
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		if strings.Contains(s, "@") {
			return nil, nil, errors.New("the URL lacks a scheme: write http://… or https://…")
		}
		return nil, nil, fmt.Errorf("the URL %q lacks a scheme: write http://… or https://…", s)
	case u.Hostname() == "":
		return nil, nil, fmt.Errorf("the URL %q lacks a host", u)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, nil, fmt.Errorf("the URL of %s has a query or a fragment: leave it out", u.Host)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return &endpoint{base: u}, user, nil
}

// endpoints is the failover: calls go to one endpoint until it fails, then to
// the next that answers, and back to an earlier one once it answers again.
type endpoints struct {
	list    []*endpoint
	current atomic.Int32
	probed  atomic.Int64 // when an earlier endpoint was last tried, in Unix nanoseconds
	wayBack time.Duration
}

// order is the order in which one call tries the endpoints.
func (e *endpoints) order() []*endpoint {
	i := int(e.current.Load())
	order := make([]*endpoint, 0, len(e.list))
	return append(append(order, e.list[i:]...), e.list[:i]...)
}

// answered makes ep the one that the next calls begin with.
func (e *endpoints) answered(ep *endpoint) {
	if cur := e.current.Load(); e.list[cur] != ep {
		for i, other := range e.list {
			if other == ep {
				e.probed.Store(time.Now().UnixNano())
				e.current.Store(int32(i))
			}
		}
	}
}

// goBack looks in the background, at most once in wayBack, whether an endpoint
// that stands before the current one answers again. No call waits for it.
func (e *endpoints) goBack(b *background, probe func(context.Context, *endpoint) error) {
	cur := e.current.Load()
	if cur == 0 {
		return
	}
	last, now := e.probed.Load(), time.Now().UnixNano()
	if now-last < int64(e.wayBack) || !e.probed.CompareAndSwap(last, now) {
		return
	}
	b.start(func(ctx context.Context) {
		for i := range cur {
			if probe(ctx, e.list[i]) == nil {
				e.current.CompareAndSwap(cur, i)
				return
			}
		}
	})
}
