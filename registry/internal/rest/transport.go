package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/internal/oauth"
)

// Transport makes calls of the REST API with retries, failover, credentials and
// limits.
type Transport struct {
	Config

	client    *http.Client
	endpoints *endpoints
	tokens    *tokens     // nil if there is no token source
	away      atomic.Bool // no registry answered the last call in time
	contact   contact
}

// Config has the settings of a transport. Every field but auth, source
// and observers is required.
type Config struct {
	Background *Background
	URLs       []string
	Auth       Authorizer        // nil for no credentials
	Source     oauth.TokenSource // in place of auth
	Secrets    []string          // values that no error may show
	Headers    http.Header
	RoundTrip  http.RoundTripper
	Timeout    time.Duration // of an attempt
	Retries    int
	Base, Cap  time.Duration // of the pause before a retry
	WayBack    time.Duration
	MaxBody    int64
	Logger     *slog.Logger
	Observers  []Observer
}

// NewTransport checks the URLs. The user info of a URL holds the credentials of
// this URL.
func NewTransport(cfg Config) (*Transport, error) {
	t := &Transport{Config: cfg, endpoints: &endpoints{wayBack: cfg.WayBack}, contact: contact{since: time.Now()}}
	auth := cfg.Auth
	if cfg.Source != nil {
		t.tokens = &tokens{source: cfg.Source, background: cfg.Background}
		auth = t.tokens.authorize
	}
	var errs []error
	for i, s := range cfg.URLs {
		ep, user, err := parseEndpoint(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("URL %d of %d: %w", i+1, len(cfg.URLs), err))
			continue
		}
		ep.auth = auth
		if user != nil {
			password, _ := user.Password()
			ep.auth = BasicAuth(user.Username(), password)
			t.Secrets = append(t.Secrets, password)
		}
		t.endpoints.list = append(t.endpoints.list, ep)
	}
	t.client = &http.Client{Transport: cfg.RoundTrip, CheckRedirect: checkRedirect}
	return t, errors.Join(errs...)
}

// BaseURLs returns the base URLs, without credentials.
func (t *Transport) BaseURLs() []string { return t.endpoints.urls() }

// IsAway reports whether no registry answered the last call in time.
func (t *Transport) IsAway() bool { return t.away.Load() }

// NoAnswer notes that no registry answered a call in time.
func (t *Transport) NoAnswer() { t.away.Store(true) }

// Close closes idle connections.
func (t *Transport) Close() { t.client.CloseIdleConnections() }

// Call is a single call, independent of the URL that will answer.
type Call struct {
	Method string
	Path   string // escaped, relative to the base URL
	Query  string
	body   []byte
	// form checks whether the body of a 2xx is an answer of the API. If the
	// form is wrong, a proxy wrote the body, and the client handles the answer
	// like a 503. The zero form accepts any JSON.
	Form form
	// written says how much of the answer this client has just written.
	written Written
	// secret says that the answer holds a secret. No error may quote the
	// answer.
	Secret bool
	// noContent is the error for a 204. Nil means that a 204 is a success.
	NoContent error
	tally     *tally // counts the attempts for the hooks; nil without hooks
}

const (
	mediaType    = "application/vnd.schemaregistry.v1+json"
	maxRedirects = 5
	maxErrorBody = 64 << 10
	// maxRetryAfter is the longest pause that a registry may ask for. A longer
	// pause means that the registry is not available.
	maxRetryAfter = time.Minute
	// minShare is the shortest time that an attempt gets before a deadline.
	minShare = 20 * time.Millisecond
)

// checkRedirect allows only a few redirects. checkRedirect refuses a redirect
// that would turn a write into a read, or send credentials to another origin.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, next.URL.Host)
	}
	if next.Method != first.Method {
		return fmt.Errorf("%s was redirected to %s in a way that drops its body: use that URL", first.Method, next.URL.Host)
	}
	if next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		for name := range next.Header {
			if name != "Accept" && name != "Content-Type" {
				next.Header.Del(name)
			}
		}
	}
	return nil
}

// do makes a call until a registry answers, and returns the body of a 2xx. Any
// other answer is an *Error. If no registry answers, the error is an
// *UnavailableError.
func (t *Transport) do(ctx context.Context, w *Work, req Call) ([]byte, error) {
	NoteAsked(ctx)
	if len(t.Observers) == 0 {
		return t.exchange(ctx, w, req)
	}
	return t.observed(ctx, w, req)
}

func (t *Transport) exchange(ctx context.Context, w *Work, req Call) ([]byte, error) {
	for round := 0; ; round++ {
		body, next, err := t.round(ctx, w, req, round)
		if err == nil || next.rounds == 0 && answered(err) {
			return body, err
		}
		if ctx.Err() != nil {
			return nil, w.failure(context.Cause(ctx))
		}
		if round >= next.rounds || next.pause > maxRetryAfter || w.Once || !w.wanted() || req.Method == http.MethodDelete && arrived(err) {
			return nil, giveUp(w, err)
		}
		pause := next.pause
		if pause == 0 {
			pause = t.jitter(round)
		}
		if d, ok := ctx.Deadline(); ok && time.Until(d) < pause {
			// The next attempt would come after the deadline, so fail now.
			return nil, w.failure(context.DeadlineExceeded)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// giveUp returns the error of a call after its last attempt.
func giveUp(w *Work, err error) error {
	var lag *lagError
	if errors.As(err, &lag) {
		return lag.answer
	}
	return w.failure(nil)
}

// jitter returns a random pause between zero and base·2ⁿ, at most cap.
func (t *Transport) jitter(round int) time.Duration {
	ceiling := t.Cap
	if round < 30 && t.Base<<round < t.Cap {
		ceiling = t.Base << round
	}
	if ceiling <= 0 {
		return 0
	}
	return rand.N(ceiling)
}

// lagPause is the pause before the client asks a lagging node again. The pause
// does not depend on [WithRetries], because the entry exists. Only the time
// until the node sees the entry is unknown.
func lagPause(round int) time.Duration {
	ceiling := min(lagBase<<min(round, 10), lagCap)
	return ceiling/2 + rand.N(ceiling/2)
}

const (
	lagRounds = 14
	lagBase   = 20 * time.Millisecond
	lagCap    = time.Second
	// hostRounds is how often the client looks up an unknown host again. A host
	// name may appear shortly after this process starts, but never as late as
	// after nine seconds.
	hostRounds = 2
)

// again says how a call goes on after a round. rounds is how many rounds may
// follow the first round. pause is the requested pause before the next round.
type again struct {
	rounds int
	pause  time.Duration
}

// round tries each endpoint once. The error is the last endpoint's error.
func (t *Transport) round(ctx context.Context, w *Work, req Call, number int) (body []byte, next again, err error) {
	t.endpoints.goBack(t.Background, t.probe)
	order := t.endpoints.order()
	for i, ep := range order {
		w.note(ep.String(), errNoAnswer)
		body, err = t.attempt(ctx, ep, req, t.share(ctx, w, len(order)-i))
		req.tally.note(ep.String(), err)
		if err == nil || answered(err) {
			t.away.Store(false)
			t.contact.answered()
			t.endpoints.answered(ep)
			return body, again{}, err
		}
		w.note(ep.String(), err)
		if ctx.Err() != nil || req.Method == http.MethodDelete && arrived(err) {
			return nil, again{}, err
		}
		level := slog.LevelWarn
		if number > 0 || w.Once {
			level = slog.LevelDebug // the first round has logged the failure
		}
		t.Logger.LogAttrs(ctx, level, "registry_attempt_failed", slog.String("url", ep.String()), slog.Any("error", err))
		next.rounds = max(next.rounds, t.roundsAfter(err))
		var busy *busyError
		if errors.As(err, &busy) {
			next.pause = max(next.pause, busy.after)
			if busy.answer.Status == http.StatusTooManyRequests {
				return nil, next, err // the limit holds for all endpoints
			}
		}
		var lag *lagError
		if errors.As(err, &lag) {
			next.pause = max(next.pause, lagPause(number))
		}
	}
	var lag *lagError
	if !errors.As(err, &lag) {
		t.contact.lost(w.failure(nil))
	}
	return nil, next, err
}

// roundsAfter returns how many rounds may follow a failed attempt.
func (t *Transport) roundsAfter(err error) int {
	var lag *lagError
	var dns *net.DNSError
	var remote *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &lag):
		return lagRounds
	case errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch):
		return 0 // only other settings can help
	case errors.As(err, &remote) && remote.Op == "remote error": // a TLS alert
		return 0
	case errors.As(err, &dns) && dns.IsNotFound:
		return min(t.Retries, hostRounds)
	}
	return t.Retries
}

// share returns the time limit of an attempt. The limit is the timeout, or less
// if other endpoints must also have a turn before the deadline.
func (t *Transport) share(ctx context.Context, w *Work, left int) time.Duration {
	deadline := w.deadline
	if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
		deadline = d
	}
	if deadline.IsZero() || left < 2 {
		return t.Timeout
	}
	part := time.Until(deadline) / time.Duration(left)
	if part <= 0 { // no caller with this deadline waits any more
		return t.Timeout
	}
	return min(t.Timeout, max(part, minShare))
}

// probe makes a call that every registry answers.
func (t *Transport) probe(ctx context.Context, ep *endpoint) error {
	_, err := t.attempt(ctx, ep, Call{Method: http.MethodGet, Path: "/config"}, t.Timeout)
	var answer *Error
	if errors.As(err, &answer) && answered(err) {
		return nil
	}
	return err
}

// attempt makes a call on an endpoint. If the endpoint refuses the token,
// attempt repeats the call once with a new token.
func (t *Transport) attempt(caller context.Context, ep *endpoint, req Call, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(caller, timeout)
	defer cancel()
	body, sent, err := t.send(ctx, ep, req)
	var answer *Error
	if t.tokens != nil && errors.As(err, &answer) && answer.Status == http.StatusUnauthorized {
		t.tokens.drop(strings.TrimPrefix(sent, "Bearer "))
		body, _, err = t.send(ctx, ep, req)
	}
	switch {
	case err == nil || errors.As(err, &answer) || ctx.Err() == nil:
	case caller.Err() != nil:
		err = &connError{context.Cause(caller)}
	default:
		err = &connError{&timeoutError{timeout}}
	}
	return body, err
}

// send makes the HTTP request and reads the answer. send also returns the
// Authorization header that was sent.
func (t *Transport) send(ctx context.Context, ep *endpoint, req Call) (body []byte, sent string, err error) {
	u := ep.base.String() + req.Path
	if req.Query != "" {
		u += "?" + req.Query
	}
	r, err := http.NewRequestWithContext(ctx, req.Method, u, bytes.NewReader(req.body))
	if err != nil {
		return nil, "", err
	}
	for name, values := range t.Headers {
		r.Header[name] = values
	}
	r.Header.Set("Accept", mediaType+", application/json")
	if req.body != nil {
		r.Header.Set("Content-Type", mediaType)
	}
	if ep.auth != nil {
		if err := ep.auth(ctx, r); err != nil {
			var refused *oauth.RefusedError
			if errors.As(err, &refused) {
				return nil, "", err
			}
			return nil, "", &connError{err}
		}
	}
	sent = r.Header.Get("Authorization")
	hide := func(s string) string { return t.redact(s, sent) }
	resp, err := t.client.Do(r)
	if err != nil {
		var outer *url.Error // its text repeats the method and the URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, sent, hideIn(&connError{err}, hide)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // so that the connection can be used again
		_ = resp.Body.Close()
	}()
	ok := resp.StatusCode/100 == 2
	limit := t.MaxBody
	if !ok {
		limit = maxErrorBody
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case !ok:
		return nil, sent, t.refusal(ep, req, resp, body, hide)
	case err != nil:
		return nil, sent, hideIn(&connError{fmt.Errorf("the body was cut: %w", err)}, hide)
	case int64(len(body)) > limit:
		return nil, sent, fmt.Errorf("the answer of %s is longer than %d bytes", ep, limit)
	case resp.StatusCode == http.StatusNoContent:
		return nil, sent, req.NoContent
	}
	if err := req.Form.check(body); err != nil {
		text := hide(Quote(string(body), MaxQuote))
		if req.Secret {
			text = "the body is not shown"
		}
		return nil, sent, &connError{fmt.Errorf("status %d with %d bytes that are no registry's answer (%w): %s",
			resp.StatusCode, len(body), err, text)}
	}
	return body, sent, nil
}

// refusal returns the error for an answer that is not a 2xx.
func (t *Transport) refusal(ep *endpoint, req Call, resp *http.Response, body []byte, hide func(string) string) error {
	e := newError(ep.String(), resp.StatusCode, resp.Header.Get("Content-Type"), body)
	e.Message = hide(e.Message)
	if req.Secret {
		e.Message, e.full = http.StatusText(e.Status), ""
	}
	switch {
	case retryStatus(e.Status):
		return &busyError{answer: e, after: retryAfter(resp.Header)}
	case e.lostRace():
		return &busyError{answer: e}
	case e.page && e.Status != http.StatusUnauthorized && e.Status != http.StatusProxyAuthRequired:
		return &busyError{answer: e} // a proxy wrote the answer, like a 503
	case req.written.contradicts(e):
		return &lagError{e}
	}
	return e
}

// redact removes credentials from remote text.
func (t *Transport) redact(s, authorization string) string {
	for _, secret := range t.Secrets {
		if len(secret) > 2 {
			s = strings.ReplaceAll(s, secret, "xxxxx")
		}
	}
	if _, sent, ok := strings.Cut(authorization, " "); ok && sent != "" {
		s = strings.ReplaceAll(s, sent, "xxxxx")
	}
	return s
}

// hideIn replaces the text of an error that shows a credential.
func hideIn(err *connError, hide func(string) string) error {
	if text := err.err.Error(); hide(text) != text {
		return &connError{errors.New(hide(text))}
	}
	return err
}

// connError is a failed attempt without an answer.
type connError struct{ err error }

func (e *connError) Error() string { return e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// busyError is an answer that may be different at the next attempt.
type busyError struct {
	answer *Error
	after  time.Duration
}

func (e *busyError) Error() string { return e.answer.Error() }
func (e *busyError) Unwrap() error { return e.answer }

// timeoutError ends an attempt. timeoutError is not a context error, so that no
// caller mistakes the error for the caller's own deadline.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("no answer within %v", e.after.Round(time.Millisecond))
}

// Timeout makes timeoutError a net.Error.
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

// errNoAnswer stands for an attempt that is still in flight.
var errNoAnswer = errors.New("no answer yet")

// lagError is the answer of a node that has not seen our write yet.
type lagError struct{ answer *Error }

func (e *lagError) Error() string { return e.answer.Error() }
func (e *lagError) Unwrap() error { return e.answer }

// answered reports whether a registry answered. Another attempt would then give
// the same answer.
func answered(err error) bool {
	var conn *connError
	var busy *busyError
	var lag *lagError
	return !errors.As(err, &conn) && !errors.As(err, &busy) && !errors.As(err, &lag)
}

// arrived reports whether the registry may have executed the call.
func arrived(err error) bool {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return false
	}
	var busy *busyError
	return !errors.As(err, &busy) || busy.answer.Status != http.StatusTooManyRequests && busy.answer.Status != http.StatusServiceUnavailable
}

func retryStatus(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// retryAfter reads both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s >= 0 {
		return time.Duration(min(s, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
