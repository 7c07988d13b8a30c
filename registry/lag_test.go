package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avroline/avroline/registry"
)

// laggingNodes is a registry with two nodes. The leader takes the writes. The
// follower answers all reads and sees a write after the time lag.
type laggingNodes struct {
	lag     time.Duration
	answers string // content of the answer to a POST: "id" or "all"

	mu       sync.Mutex
	written  time.Time
	requests []string
}

func (n *laggingNodes) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests = append(n.requests, r.Method+" "+r.URL.Path)
	lags := n.written.IsZero() || time.Since(n.written) < n.lag
	missing := func(code int) (*http.Response, error) {
		return reply(r, 404, fmt.Sprintf(`{"error_code":%d,"message":"not found"}`, code)), nil
	}
	const version = `{"subject":"s","version":1,"id":1,"schema":"\"string\""}`
	switch r.Method + " " + r.URL.Path {
	case "POST /subjects/s/versions":
		if n.written.IsZero() {
			n.written = time.Now()
		}
		if n.answers == "all" {
			return reply(r, 200, version), nil
		}
		return reply(r, 200, `{"id":1}`), nil
	case "POST /subjects/s":
		if lags {
			return missing(40401)
		}
		return reply(r, 200, version), nil
	case "GET /schemas/ids/1":
		if lags {
			return missing(40403)
		}
		return reply(r, 200, `{"schema":"\"string\""}`), nil
	case "GET /subjects/s/versions/latest", "GET /subjects/s/versions/1":
		if lags {
			return missing(40401)
		}
		return reply(r, 200, version), nil
	}
	return missing(40403)
}

func (n *laggingNodes) client(t *testing.T, opts ...registry.Option) *registry.Client {
	t.Helper()
	c, err := registry.New([]string{"http://registry"}, append(opts, registry.WithTransport(n))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestNodeThatLags checks that the client believes the registry's last answer,
// even if a lagging node contradicts the answer.
func TestNodeThatLags(t *testing.T) {
	t.Parallel()
	for _, answers := range []string{"id", "all"} {
		for _, retries := range []int{0, 12} { // the lag does not depend on WithRetries
			t.Run(fmt.Sprintf("%s, %d retries", answers, retries), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := &laggingNodes{lag: 2 * time.Second, answers: answers}
					c := n.client(t, registry.WithRetries(retries, 100*time.Millisecond, time.Second))
					schema := registry.Schema{Text: `"string"`}
					var wg sync.WaitGroup
					for range 100 { // concurrent events of the same type
						wg.Go(func() {
							if v, err := c.Register(t.Context(), "s", schema); err != nil || v.ID != 1 {
								t.Errorf("Register = %+v, %v", v, err)
							}
						})
					}
					wg.Wait()
					if answers == "all" && len(n.requests) != 1 {
						t.Errorf("the POST said it all, but these calls were made: %v", n.requests)
					}
					for what, ask := range map[string]func(context.Context) (registry.Version, error){
						"SchemaByID": func(ctx context.Context) (registry.Version, error) { return c.SchemaByID(ctx, "", 1) },
						"Latest":     func(ctx context.Context) (registry.Version, error) { return c.Latest(ctx, "s") },
						"Version":    func(ctx context.Context) (registry.Version, error) { return c.Version(ctx, "s", 1) },
						"Lookup":     func(ctx context.Context) (registry.Version, error) { return c.Lookup(ctx, "s", schema) },
					} {
						wg.Go(func() {
							if v, err := ask(t.Context()); err != nil || v.Schema != `"string"` || what != "SchemaByID" && v.Version != 1 {
								t.Errorf("%s = %+v, %v", what, v, err)
							}
						})
					}
					wg.Wait()
					// The control. A client that did not write believes the 404
					// at once.
					n.written = time.Now()
					other, start := n.client(t), time.Now()
					if _, err := other.SchemaByID(t.Context(), "", 1); !errors.Is(err, registry.ErrSchemaNotFound) || time.Since(start) != 0 {
						t.Errorf("control: %v after %v", err, time.Since(start))
					}
				})
			})
		}
	}
}

// TestLagEndsWithTheContext checks that if the lag does not end, the call ends
// with the context. The next call asks for the id again.
func TestLagEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &laggingNodes{lag: time.Minute, answers: "id"}
		c := n.client(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Register(ctx, "s", registry.Schema{Text: `"string"`})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
			t.Errorf("Register = %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Minute)
		if _, err := c.Register(t.Context(), "s", registry.Schema{Text: `"string"`}); err != nil {
			t.Errorf("after the lag: %v", err)
		}
	})
}

// TestBrokenID checks that an id for which the registry always answers 500
// costs its retries once. Later the id costs a call per second. Other ids cost
// nothing more.
func TestBrokenID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mended bool
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/7") && !mended {
				return reply(r, 500, `{"error_code":50001,"message":"broken"}`), nil
			}
			return stringSchema(r), nil
		}}
		c := f.client(t)
		if _, err := c.SchemaByID(t.Context(), "", 7); !errors.Is(err, registry.ErrUnavailable) {
			t.Fatal(err)
		}
		if f.count() != 13 {
			t.Errorf("%d calls for the first message, want the 13 of WithRetries", f.count())
		}
		before, start := f.count(), time.Now()
		for range 1000 {
			if _, err := c.SchemaByID(t.Context(), "", 7); !errors.Is(err, registry.ErrUnavailable) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // the rest of the consumer's work
		}
		if n, took := f.count()-before, time.Since(start); n > 11 || took > 11*time.Second {
			t.Errorf("1000 messages in ten seconds took %v and %d calls", took, n)
		}
		if _, err := c.SchemaByID(t.Context(), "", 8); err != nil {
			t.Errorf("another id: %v", err)
		}
		mended = true
		time.Sleep(time.Second)
		if _, err := c.SchemaByID(t.Context(), "", 7); err != nil {
			t.Errorf("once it is mended: %v", err)
		}
	})
}

// TestAbsenceIsRemembered checks that a missing schema, version or subject
// costs a call per second, and not a call per event.
func TestAbsenceIsRemembered(t *testing.T) {
	t.Parallel()
	for what, ask := range map[string]func(context.Context, *registry.Client) error{
		"SchemaByID": func(ctx context.Context, c *registry.Client) error { _, err := c.SchemaByID(ctx, "", 1); return err },
		"Latest":     func(ctx context.Context, c *registry.Client) error { _, err := c.Latest(ctx, "s"); return err },
		"Lookup": func(ctx context.Context, c *registry.Client) error {
			_, err := c.Lookup(ctx, "s", registry.Schema{Text: `"string"`})
			return err
		},
		"FindVersion": func(ctx context.Context, c *registry.Client) error {
			_, err := c.FindVersion(ctx, "s", `"string"`)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
					if strings.Contains(r.URL.Path, "ids") {
						return unknownVersion(r), nil
					}
					return reply(r, 404, `{"error_code":40401,"message":"no subject"}`), nil
				}}
				c := f.client(t)
				for range 1000 {
					if err := ask(t.Context(), c); !errors.Is(err, registry.ErrSubjectNotFound) && !errors.Is(err, registry.ErrSchemaNotFound) {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Millisecond)
				}
				if n := f.count(); n != 2 {
					t.Errorf("%d calls for 1000 events in two seconds, want 2", n)
				}
			})
		})
	}
}
