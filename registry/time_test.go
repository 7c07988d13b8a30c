package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avroline/avroline/registry"
)

// fakeRegistry is a registry without a network, for tests with a fake clock.
type fakeRegistry struct {
	mu     sync.Mutex
	calls  []time.Time
	answer func(n int, r *http.Request) (*http.Response, error) // n counts from 1
}

func (f *fakeRegistry) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.calls = append(f.calls, time.Now())
	n := len(f.calls)
	f.mu.Unlock()
	return f.answer(n, r)
}

func (f *fakeRegistry) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// client makes a client of f inside a synctest bubble, with the default
// retries.
func (f *fakeRegistry) client(t *testing.T, opts ...registry.Option) *registry.Client {
	t.Helper()
	c, err := registry.New([]string{"http://registry"}, append(opts, registry.WithTransport(f))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func stringSchema(r *http.Request) *http.Response { return reply(r, 200, `{"schema":"\"string\""}`) }

func version(r *http.Request, n int) *http.Response {
	return reply(r, 200, fmt.Sprintf(`{"subject":"s","version":%d,"id":%d,"schema":"\"string\""}`, n, n))
}

func unknownVersion(r *http.Request) *http.Response {
	return reply(r, 404, `{"error_code":40403,"message":"Schema not found"}`)
}

// TestOutageOfSeconds checks that the client waits until an outage of three
// seconds ends.
func TestOutageOfSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			if time.Since(start) < 3*time.Second {
				return reply(r, 500, `{"error_code":50001,"message":"store"}`), nil
			}
			return stringSchema(r), nil
		}}
		// The default of twelve retries takes nine seconds on average. Thirty
		// retries are certainly enough.
		c := f.client(t, registry.WithRetries(30, 100*time.Millisecond, 2*time.Second))
		if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
			t.Error(err)
		}
		_, err := f.client(t, registry.WithRetries(0, 0, 0)).SchemaByID(t.Context(), "", 1)
		if err != nil {
			t.Errorf("control, after the outage: %v", err)
		}
		start = time.Now()
		_, err = f.client(t, registry.WithRetries(0, 0, 0)).SchemaByID(t.Context(), "", 1)
		var answer *registry.Error
		if !errors.Is(err, registry.ErrUnavailable) || !errors.As(err, &answer) || answer.Status != 500 || answer.Code != 50001 {
			t.Errorf("control, without retries: %v", err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]func() string{
		"seconds": func() string { return "7" },
		"date":    func() string { return time.Now().Add(7 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeRegistry{answer: func(n int, r *http.Request) (*http.Response, error) {
					if n == 1 {
						return reply(r, 429, "", "Retry-After", header()), nil
					}
					return stringSchema(r), nil
				}}
				if _, err := f.client(t).SchemaByID(t.Context(), "", 1); err != nil {
					t.Fatal(err)
				}
				if pause := f.calls[1].Sub(f.calls[0]); pause < 6*time.Second || pause > 7*time.Second {
					t.Errorf("the pause was %v, Retry-After asked for 7s", pause)
				}
			})
		})
	}
	t.Run("longer than the deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
				return reply(r, 503, "", "Retry-After", "3600"), nil
			}}
			start := time.Now()
			_, err := f.client(t).SchemaByID(t.Context(), "", 1)
			if !errors.Is(err, registry.ErrUnavailable) || time.Since(start) != 0 || f.count() != 1 {
				t.Errorf("after %v and %d calls: %v", time.Since(start), f.count(), err)
			}
		})
	})
}

// TestRetriesAreBoundedAndJittered checks that retries end with the context of
// the last waiter, and their pauses are random.
func TestRetriesAreBoundedAndJittered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) { return reply(r, 500, ""), nil }}
		c := f.client(t, registry.WithRetries(1000, 100*time.Millisecond, 200*time.Millisecond))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.SchemaByID(ctx, "", 1)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("SchemaByID = %v", err)
		}
		synctest.Wait()
		n := f.count()
		time.Sleep(time.Minute)
		if f.count() > n+1 {
			t.Errorf("%d calls after the context had ended", f.count()-n)
		}
		var sum time.Duration
		pauses := map[time.Duration]bool{}
		for i := 1; i < n; i++ {
			p := f.calls[i].Sub(f.calls[i-1])
			if p > 200*time.Millisecond {
				t.Errorf("pause %d is %v, more than the cap", i, p)
			}
			pauses[p] = true
			sum += p
		}
		if len(pauses) < n/2 {
			t.Errorf("%d different pauses of %d: no jitter", len(pauses), n)
		}
	})
}

// TestUnknownIDStorm checks that many messages with an unknown id cause a
// single call per second.
func TestUnknownIDStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) { return unknownVersion(r), nil }}
		c := f.client(t)
		for range 10 * 100 {
			if _, err := c.SchemaByID(t.Context(), "", 666); !errors.Is(err, registry.ErrSchemaNotFound) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := f.count(); n != 10 {
			t.Errorf("%d calls in ten seconds, want 10", n)
		}
		// The control. A network failure is not cached.
		f.answer = func(_ int, _ *http.Request) (*http.Response, error) { return nil, errors.New("no route") }
		c = f.client(t, registry.WithRetries(0, 0, 0))
		before := f.count()
		for range 10 {
			if _, err := c.SchemaByID(t.Context(), "", 1); !errors.Is(err, registry.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if n := f.count() - before; n != 10 {
			t.Errorf("%d calls of 10: a failure was remembered", n)
		}
	})
}

// TestCancelledLeader cancels the caller that started a call. The other callers
// must get the answer, and a second call must join the first call.
func TestCancelledLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			select {
			case <-gate:
				return stringSchema(r), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}}
		c := f.client(t)
		leader, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.SchemaByID(leader, "", 1); !errors.Is(err, context.Canceled) {
				t.Errorf("the leader got %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
					t.Errorf("a waiter got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		wg.Wait()
		if n := f.count(); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

// TestAbandonedCallFillsTheCache checks that when all callers have left, the
// call in flight still fills the cache.
func TestAbandonedCallFillsTheCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return stringSchema(r), r.Context().Err()
		}}
		c := f.client(t)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := c.SchemaByID(ctx, "", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient one got %v", err)
		}
		time.Sleep(time.Second)
		if _, err := c.SchemaByID(ctx, "", 1); err != nil || f.count() != 1 {
			t.Errorf("afterwards: %v, %d calls", err, f.count())
		}
	})
}

func TestLatestTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var newest atomic.Int32
		newest.Store(1)
		var down atomic.Bool
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			if down.Load() {
				return nil, errors.New("no route")
			}
			return version(r, int(newest.Load())), nil
		}}
		c := f.client(t, registry.WithLatestTTL(time.Minute))
		is := func(want int) {
			t.Helper()
			start := time.Now()
			if v, err := c.Latest(t.Context(), "s"); err != nil || v.ID != want || time.Since(start) != 0 {
				t.Errorf("Latest = %d, %v after %v; want %d at once", v.ID, err, time.Since(start), want)
			}
			synctest.Wait() // wait for a refresh
		}
		is(1)
		newest.Store(2)
		time.Sleep(59 * time.Second)
		is(1)
		if f.count() != 1 {
			t.Errorf("%d calls within the TTL", f.count())
		}
		time.Sleep(time.Second)
		is(1) // stale but immediate; starts the refresh
		is(2)
		down.Store(true)
		newest.Store(3)
		time.Sleep(time.Hour)
		is(2) // stale while the registry is away
		is(2)
		down.Store(false)
		time.Sleep(time.Minute)
		_, _ = c.Latest(t.Context(), "s") // a retry of the refresh may have brought the new version
		synctest.Wait()
		is(3)
		// The client believes that a deleted subject is gone.
		f.answer = func(_ int, r *http.Request) (*http.Response, error) {
			return reply(r, 404, `{"error_code":40401,"message":"no subject"}`), nil
		}
		time.Sleep(time.Minute)
		is(3)
		if _, err := c.Latest(t.Context(), "s"); !errors.Is(err, registry.ErrSubjectNotFound) {
			t.Errorf("a deleted subject: %v", err)
		}
	})
}

// TestMetadataRequestsAreShared checks that many callers at once cause a single
// search for a version by its metadata, and that an answer of no version is
// repeated for a second. The control is a later search, which asks again.
func TestMetadataRequestsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		found := false
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if !found {
				return reply(r, 404, `{"error_code":40403,"message":"no"}`), nil
			}
			return reply(r, 200, `{"subject":"s","version":1,"id":1,"schema":"\"string\""}`), nil
		}}
		c := f.client(t)
		ask := func(want int) {
			t.Helper()
			before := f.count()
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					_, err := c.LatestWithMetadata(t.Context(), "s", map[string]string{"major": "2", "a": "b"})
					if found && err != nil || !found && !errors.Is(err, registry.ErrSchemaNotFound) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := f.count() - before; n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
		}
		ask(1)
		ask(0)
		time.Sleep(time.Second)
		found = true
		ask(1)
		ask(1)
	})
}

// TestDenialIsRemembered checks that a client without the right to a subject,
// or with a wrong URL, asks once per second and not once per event.
func TestDenialIsRemembered(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 404, 405, 409} {
		code := status
		if status == 409 {
			code = 40999 // 409 means an incompatible schema
		}
		for name, ask := range map[string]func(*registry.Client) error{
			"Register": func(c *registry.Client) error {
				_, err := c.Register(context.Background(), "s", registry.Schema{Text: `"string"`})
				return err
			},
			"Lookup": func(c *registry.Client) error {
				_, err := c.Lookup(context.Background(), "s", registry.Schema{Text: `"string"`})
				return err
			},
			"Latest":     func(c *registry.Client) error { _, err := c.Latest(context.Background(), "s"); return err },
			"SchemaByID": func(c *registry.Client) error { _, err := c.SchemaByID(context.Background(), "s", 1); return err },
		} {
			t.Run(fmt.Sprintf("%s %d", name, status), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
						return reply(r, status, fmt.Sprintf(`{"error_code":%d,"message":"no"}`, code)), nil
					}}
					c := f.client(t)
					for range 100 {
						var answer *registry.Error
						if err := ask(c); !errors.As(err, &answer) || answer.Status != status {
							t.Fatalf("%v", err)
						}
					}
					if f.count() != 1 {
						t.Errorf("%d calls for 100 events", f.count())
					}
					time.Sleep(time.Second)
					if _ = ask(c); f.count() != 2 {
						t.Errorf("%d calls after a second", f.count())
					}
				})
			})
		}
	}
}

// TestReturnToTheFirstURL checks that after a failover the client returns to
// the first URL once the first URL answers.
func TestReturnToTheFirstURL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		var mu sync.Mutex
		hosts := map[string]int{}
		rt := roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			hosts[r.URL.Host]++
			mu.Unlock()
			if r.URL.Host == "first" && down.Load() {
				return nil, errors.New("no route")
			}
			if r.URL.Path == "/config" {
				return reply(r, 200, `{"compatibilityLevel":"NONE"}`), nil
			}
			return stringSchema(r), nil
		})
		c, err := registry.New([]string{"http://first", "http://second"}, registry.WithTransport(rt), registry.WithWayBack(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		id := 0
		ask := func() {
			t.Helper()
			id++
			if _, err := c.SchemaByID(t.Context(), "", id); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for range 10 {
			ask()
		}
		if hosts["first"] != 1 || hosts["second"] != 10 {
			t.Errorf("before: %v", hosts)
		}
		time.Sleep(time.Minute)
		ask() // probes the first URL, without success
		ask()
		if hosts["first"] != 2 {
			t.Errorf("one look a minute: %v", hosts)
		}
		down.Store(false)
		time.Sleep(time.Minute)
		ask() // probes the first URL
		ask()
		if hosts["first"] != 4 || hosts["second"] != 13 {
			t.Errorf("after: %v", hosts)
		}
	})
}

func TestRefusalStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			return reply(r, 422, `{"error_code":42201,"message":"Invalid schema"}`), nil
		}}
		c := f.client(t)
		for range 100 {
			var answer *registry.Error
			if _, err := c.Register(t.Context(), "s", registry.Schema{Text: `"strin"`}); !errors.As(err, &answer) || answer.Code != 42201 {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if n := f.count(); n != 2 {
			t.Errorf("%d calls in two seconds, want 2", n)
		}
	})
}

// TestRetriesOfAPartEndWithTheWhole checks that when all callers of the whole
// schema have left, the retries of a part end. The callers' errors name the
// attempts for the part.
func TestRetriesOfAPartEndWithTheWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{answer: func(n int, r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/schemas/ids/1" {
				return reply(r, 200, `{"schema":"{\"type\":\"array\",\"items\":\"F\"}","references":[{"name":"F","subject":"s","version":1}]}`), nil
			}
			return reply(r, 500, ""), nil
		}}
		c := f.client(t, registry.WithRetries(1000, 100*time.Millisecond, 200*time.Millisecond))
		for name, ask := range map[string]func(context.Context) error{
			"in a flight": func(ctx context.Context) error { _, err := c.SchemaByID(ctx, "", 1); return err },
			"directly":    func(ctx context.Context) error { _, err := c.Version(ctx, "other", 1); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := ask(ctx)
			cancel()
			if !errors.Is(err, registry.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			n := f.count()
			time.Sleep(time.Minute)
			if f.count() > n+1 {
				t.Errorf("%s: %d calls after everybody had left", name, f.count()-n)
			}
		}
	})
}

// TestPartsAreSharedInFlight checks that callers of different schemas share the
// call for a part.
func TestPartsAreSharedInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if r.URL.Path == "/subjects/s/versions/1" {
				return reply(r, 200, `{"version":1,"id":1,"schema":"{\"type\":\"fixed\",\"name\":\"F\",\"size\":1}"}`), nil
			}
			return reply(r, 200, `{"schema":"{\"type\":\"array\",\"items\":\"F\"}","references":[{"name":"F","subject":"s","version":1}]}`), nil
		}}
		c := f.client(t)
		var wg sync.WaitGroup
		for id := range 50 {
			wg.Go(func() {
				if _, err := c.SchemaByID(t.Context(), "", id); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := f.count(); n != 51 {
			t.Errorf("%d calls for 50 schemas with one part, want 51", n)
		}
	})
}
