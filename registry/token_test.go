package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

// tokenIssuer is a token source with the tokens t1, t2, …
type tokenIssuer struct {
	life    time.Duration // 0 means that tokens never expire
	slow    time.Duration
	down    atomic.Bool
	issued  atomic.Int32
	at      atomic.Int32 // calls in flight
	clashes atomic.Int32
}

func (i *tokenIssuer) Token(context.Context) (registry.Token, error) {
	if i.at.Add(1) > 1 {
		i.clashes.Add(1)
	}
	defer i.at.Add(-1)
	time.Sleep(i.slow)
	if i.down.Load() {
		return registry.Token{}, errors.New("issuer is down")
	}
	var expiry time.Time
	if i.life > 0 {
		expiry = time.Now().Add(i.life)
	}
	return registry.Token{Value: fmt.Sprintf("t%d", i.issued.Add(1)), Expiry: expiry}, nil
}

func TestTokenIsRenewedBeforeItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &tokenIssuer{life: 10 * time.Minute, slow: time.Second}
		var mu sync.Mutex
		var last string
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			last = r.Header.Get("Authorization")
			return stringSchema(r), nil
		}}
		c := f.client(t, registry.WithTokenSource(source), registry.WithRetries(0, 0, 0))
		id := 0
		ask := func(want string, wait time.Duration) {
			t.Helper()
			id++
			start := time.Now()
			if _, err := c.SchemaByID(t.Context(), "", id); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if last != want || time.Since(start) != wait {
				t.Errorf("sent %q after %v, want %q after %v", last, time.Since(start), want, wait)
			}
		}
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() { _, _ = c.SchemaByID(t.Context(), "", 1000+n) })
		}
		wg.Wait()
		if source.issued.Load() != 1 {
			t.Errorf("%d tokens for 50 callers at once", source.issued.Load())
		}
		ask("Bearer t1", 0)
		time.Sleep(9*time.Minute + time.Second) // a minute before the token expires
		for range 10 {
			ask("Bearer t1", 0) // renewed in the background
		}
		time.Sleep(2 * time.Second)
		ask("Bearer t2", 0)
		if source.issued.Load() != 2 || source.clashes.Load() != 0 {
			t.Errorf("%d tokens, %d at one time", source.issued.Load(), source.clashes.Load())
		}
		source.down.Store(true)
		time.Sleep(9*time.Minute + 30*time.Second)
		ask("Bearer t2", 0) // the old token is still valid
		time.Sleep(time.Minute)
		if _, err := c.SchemaByID(t.Context(), "", 5000); !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("control, expired and no new one: %v", err)
		}
		source.down.Store(false)
		ask("Bearer t3", time.Second) // the control: without a valid token the caller waits
	})
}

// TestBrokenTokenSource asks sources that break their contract. None of them
// ends the process or blocks the client for ever, and no error shows a token.
func TestBrokenTokenSource(t *testing.T) {
	t.Parallel()
	const first, secret, web = "first-token-0123456789", "hunter2-hunter2", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."
	for name, broken := range map[string]func() (registry.Token, error){
		"panics":               func() (registry.Token, error) { panic("no " + "file") },
		"ends its goroutine":   func() (registry.Token, error) { runtime.Goexit(); return registry.Token{}, nil },
		"is deaf to ctx":       func() (registry.Token, error) { time.Sleep(time.Hour); return registry.Token{Value: secret}, nil },
		"shows its token":      func() (registry.Token, error) { return registry.Token{Value: secret}, errors.New("bad " + secret) },
		"shows the last token": func() (registry.Token, error) { return registry.Token{}, errors.New("cannot renew " + first) },
		"shows another token":  func() (registry.Token, error) { return registry.Token{}, errors.New("cannot renew " + web) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				var trouble atomic.Bool
				trouble.Store(true)
				source := oauth.SourceFunc(func(context.Context) (registry.Token, error) {
					if asked.Add(1) > 1 && trouble.Load() {
						return broken()
					}
					return registry.Token{Value: first, Expiry: time.Now().Add(time.Minute)}, nil
				})
				f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) { return stringSchema(r), nil }}
				c := f.client(t, registry.WithTokenSource(source), registry.WithRetries(2, time.Millisecond, time.Second))
				if _, err := c.SchemaByID(t.Context(), "", 1); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				_, err := c.SchemaByID(t.Context(), "", 2)
				if !errors.Is(err, registry.ErrUnavailable) {
					t.Errorf("error %v, want %v", err, registry.ErrUnavailable)
				}
				for _, token := range []string{first, secret, web} {
					if strings.Contains(fmt.Sprint(err), token) {
						t.Errorf("the error shows a token: %v", err)
					}
				}
				trouble.Store(false)
				time.Sleep(time.Minute)
				if _, err := c.SchemaByID(t.Context(), "", 3); err != nil {
					t.Errorf("after the trouble: %v", err)
				}
				time.Sleep(time.Hour) // the end of every call of the source
			})
		})
	}
}

// TestTokenRefused checks that if the registry refuses a token, the client
// renews the token once.
func TestTokenRefused(t *testing.T) {
	t.Parallel()
	var valid atomic.Value
	valid.Store("t1")
	s := startSeeded(t, registrytest.WithBearer(func(tok string) bool { return tok == valid.Load() }))
	source := new(tokenIssuer)
	c := newClient(t, []string{s.URL}, registry.WithTokenSource(source))
	if _, err := c.SchemaByID(context.Background(), "", 1); err != nil {
		t.Fatal(err)
	}
	valid.Store("t2")
	if _, err := c.SchemaByID(context.Background(), "", 2); err != nil || s.Requests() != 3 {
		t.Errorf("after a revocation: %v, %d requests", err, s.Requests())
	}
	valid.Store("never")
	_, err := c.SchemaByID(context.Background(), "", 3)
	var answer *registry.Error
	if !errors.As(err, &answer) || answer.Status != 401 || s.Requests() != 5 {
		t.Errorf("control, refused for good: %v, %d requests", err, s.Requests())
	}
}

// TestTokenCredentialsRefused checks that wrong credentials are sent once in
// ten seconds, and not for each event, because the issuer would lock the
// account. The control is an issuer that is down, which is asked each time.
func TestTokenCredentialsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, status := 0, 401
		f := &fakeRegistry{answer: func(_ int, r *http.Request) (*http.Response, error) { return stringSchema(r), nil }}
		c := f.client(t, registry.WithRetries(0, 0, 0), registry.WithTokenSource(&registry.ClientCredentials{
			TokenURL: "http://issuer.invalid", ClientID: "me", ClientSecret: "s3cr3t",
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked++
				return reply(r, status, `{"access_token":"tok"}`), nil
			})},
		}))
		ask := func(want int, text string) {
			t.Helper()
			asked = 0
			for id := range 100 {
				if _, err := c.SchemaByID(t.Context(), "", id); err == nil && text != "" || err != nil && (text == "" || !strings.Contains(err.Error(), text)) {
					t.Fatal(err)
				}
			}
			if asked != want {
				t.Errorf("%d requests for a token, want %d", asked, want)
			}
		}
		ask(1, "answered 401")
		time.Sleep(10 * time.Second)
		status = 503
		ask(100, "answered 503")
		status = 200
		ask(1, "")
	})
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	answer, status := `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`, 200
	var got *http.Request
	var form url.Values
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r
		form, _ = url.ParseQuery(string(body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	cc := &registry.ClientCredentials{
		TokenURL: srv.URL + "/token", ClientID: "me:x", ClientSecret: "p&ss word", Scopes: []string{"a", "b"}, Params: url.Values{"audience": {"registry"}},
	}
	tok, err := cc.Token(ctx)
	if err != nil || tok.Value != "abc" || time.Until(tok.Expiry) < 59*time.Minute || time.Until(tok.Expiry) > time.Hour {
		t.Errorf("Token = %v, %v", tok, err)
	}
	user, pass, _ := got.BasicAuth()
	if user != "me%3Ax" || pass != "p%26ss+word" || got.Method != http.MethodPost {
		t.Errorf("sent as %s %s by %s", user, pass, got.Method)
	}
	if form.Encode() != "audience=registry&grant_type=client_credentials&scope=a+b" {
		t.Errorf("sent %v", form)
	}
	for _, bad := range []struct {
		status int
		answer string
	}{
		{200, "<html>"}, {200, "{}"}, {200, `{"access_token":"x","token_type":"mac"}`}, {401, `{"error":"invalid_client"}`}, {500, ""}, {302, ""},
	} {
		status, answer = bad.status, bad.answer
		if tok, err := cc.Token(ctx); err == nil {
			t.Errorf("%d %s gave %q", bad.status, bad.answer, tok)
		}
	}
	// If the token endpoint refuses the secret, the client does not try again.
	status, answer = 401, `{"error":"invalid_client"}`
	s := startSeeded(t)
	var tries atomic.Int32
	cc.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		tries.Add(1)
		return http.DefaultTransport.RoundTrip(r)
	})}
	_, err = newClient(t, []string{s.URL}, registry.WithTokenSource(cc)).SchemaByID(ctx, "", 1)
	if err == nil || errors.Is(err, registry.ErrUnavailable) || tries.Load() != 1 {
		t.Errorf("%d tries: %v", tries.Load(), err)
	}
	status = 503
	tries.Store(0)
	_, err = newClient(t, []string{s.URL}, registry.WithTokenSource(cc)).SchemaByID(ctx, "", 1)
	if !errors.Is(err, registry.ErrUnavailable) || tries.Load() != 4 {
		t.Errorf("control, an endpoint that is away, %d tries: %v", tries.Load(), err)
	}
}

// TestTokenEndpointFollowsNoRedirect checks that the client does not follow
// redirects of the token endpoint, because the next host would get the client
// secret. The control is Go's own client, which follows the redirects.
func TestTokenEndpointFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		var elsewhere atomic.Int32
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			elsewhere.Add(1)
			_, _ = io.WriteString(w, `{"access_token":"stolen"}`)
		}))
		defer other.Close()
		endpoint := httptest.NewServer(http.RedirectHandler(other.URL, status))
		defer endpoint.Close()
		for name, client := range map[string]*http.Client{"default client": nil, "a client that follows": {}} {
			source := &registry.ClientCredentials{TokenURL: endpoint.URL, ClientID: "me", ClientSecret: "s3cr3t", HTTPClient: client}
			token, err := source.Token(t.Context())
			if err == nil || elsewhere.Load() != 0 {
				t.Errorf("%d, %s: token %v, error %v, %d requests elsewhere", status, name, token, err, elsewhere.Load())
			}
			s := startSeeded(t)
			_, err = newClient(t, []string{s.URL}, registry.WithTokenSource(source)).SchemaByID(t.Context(), "", 1)
			if err == nil || errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%d, %s: a redirect is no outage: %v", status, name, err)
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(r); err != nil || resp.Body.Close() != nil || elsewhere.Load() != 1 {
			t.Errorf("control %d: %v, %d requests elsewhere", status, err, elsewhere.Load())
		}
	}
}
