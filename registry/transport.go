package registry

import (
	"bytes"
	"context"
	"encoding/json"
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
)

// transport makes calls of the REST API: retries, failover, credentials, bounds.
type transport struct {
	client     *http.Client
	endpoints  *endpoints
	background *background
	tokens     *tokens // nil without a token source
	headers    http.Header
	secrets    []string
	timeout    time.Duration
	retries    int
	base, cap  time.Duration
	maxBody    int64
	logger     *slog.Logger
	away       atomic.Bool // no registry answered in time when it was last asked
}

// request is one call, independent of the URL that will answer it.
type request struct {
	method string
	path   string // escaped, from the base on
	query  string
	body   []byte
}

const (
	mediaType    = "application/vnd.schemaregistry.v1+json"
	maxRedirects = 5
	maxErrorBody = 64 << 10
	// maxRetryAfter is the longest pause that a registry may ask for; a longer
	// one means that it is not available.
	maxRetryAfter = time.Minute
	// minShare is the least that an attempt gets of a deadline.
	minShare = 20 * time.Millisecond
)

// newHTTPClient wraps a user's round tripper or makes the default one.
func newHTTPClient(c *config) *http.Client {
	rt := c.roundTrip
	if rt == nil {
		rt = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
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
	return &http.Client{Transport: rt, CheckRedirect: checkRedirect}
}

// checkRedirect follows few redirects, none that would turn a write into a
// read, and takes no credentials to another origin.
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
// other answer is an *Error, none an *UnavailableError.
func (t *transport) do(ctx context.Context, w *work, req request) ([]byte, error) {
	for round := 0; ; round++ {
		body, pause, err := t.round(ctx, w, req)
		if err == nil || !again(err) {
			return body, err
		}
		if ctx.Err() != nil {
			return nil, w.failure(context.Cause(ctx))
		}
		if round >= t.retries || pause > maxRetryAfter || !w.wanted() || req.method == http.MethodDelete && arrived(err) {
			return nil, w.failure(nil)
		}
		if pause == 0 {
			pause = t.jitter(round)
		}
		if d, ok := ctx.Deadline(); ok && time.Until(d) < pause {
			// The next attempt would come too late: say so now.
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

// jitter is a random pause between zero and base·2ⁿ, at most cap.
func (t *transport) jitter(round int) time.Duration {
	ceiling := t.cap
	if round < 30 && t.base<<round < t.cap {
		ceiling = t.base << round
	}
	if ceiling <= 0 {
		return 0
	}
	return rand.N(ceiling)
}

// round tries each endpoint once. The error is that of the last one; pause is
// what Retry-After asked for.
func (t *transport) round(ctx context.Context, w *work, req request) (body []byte, pause time.Duration, err error) {
	t.endpoints.goBack(t.background, t.probe)
	order := t.endpoints.order()
	for i, ep := range order {
		w.note(ep.String(), errNoAnswer)
		body, err = t.attempt(ctx, ep, req, t.share(ctx, w, len(order)-i))
		if err == nil || !again(err) {
			t.away.Store(false)
			t.endpoints.answered(ep)
			return body, 0, err
		}
		w.note(ep.String(), err)
		if ctx.Err() != nil || req.method == http.MethodDelete && arrived(err) {
			return nil, 0, err
		}
		t.logger.LogAttrs(ctx, slog.LevelWarn, "registry_attempt_failed", slog.String("url", ep.String()), slog.Any("error", err))
		var busy *busyError
		if errors.As(err, &busy) {
			pause = max(pause, busy.after)
			if busy.answer.Status == http.StatusTooManyRequests {
				return nil, pause, err // the limit holds for all of them
			}
		}
	}
	return nil, pause, err
}

// share is the time of one attempt: its timeout, or less when others wait for
// their turn before a deadline.
func (t *transport) share(ctx context.Context, w *work, left int) time.Duration {
	deadline := w.deadline
	if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
		deadline = d
	}
	if deadline.IsZero() || left < 2 {
		return t.timeout
	}
	part := time.Until(deadline) / time.Duration(left)
	if part <= 0 { // nobody with that deadline waits any more
		return t.timeout
	}
	return min(t.timeout, max(part, minShare))
}

// probe asks an endpoint for something that every registry answers.
func (t *transport) probe(ctx context.Context, ep *endpoint) error {
	_, err := t.attempt(ctx, ep, request{method: http.MethodGet, path: "/config"}, t.timeout)
	var answer *Error
	if errors.As(err, &answer) && !again(err) {
		return nil
	}
	return err
}

// attempt makes a call on one endpoint, a second time with a new token when
// the first was refused.
func (t *transport) attempt(caller context.Context, ep *endpoint, req request, timeout time.Duration) ([]byte, error) {
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

// send makes the HTTP request and reads the answer. It returns the
// Authorization header that it sent.
func (t *transport) send(ctx context.Context, ep *endpoint, req request) (body []byte, sent string, err error) {
	u := ep.base.String() + req.path
	if req.query != "" {
		u += "?" + req.query
	}
	r, err := http.NewRequestWithContext(ctx, req.method, u, bytes.NewReader(req.body))
	if err != nil {
		return nil, "", err
	}
	for name, values := range t.headers {
		r.Header[name] = values
	}
	r.Header.Set("Accept", mediaType+", application/json")
	if req.body != nil {
		r.Header.Set("Content-Type", mediaType)
	}
	if ep.auth != nil {
		if err := ep.auth(ctx, r); err != nil {
			var refused *refusedError
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
		var outer *url.Error // it repeats method and URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, sent, hideIn(&connError{err}, hide)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // so that the connection serves again
		_ = resp.Body.Close()
	}()
	ok := resp.StatusCode/100 == 2
	limit := t.maxBody
	if !ok {
		limit = maxErrorBody
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case !ok:
		e := newError(resp.StatusCode, body)
		e.Message = hide(e.Message)
		if retryStatus(e.Status) {
			return nil, sent, &busyError{answer: e, after: retryAfter(resp.Header)}
		}
		if e.lostRace() {
			return nil, sent, &busyError{answer: e}
		}
		return nil, sent, e
	case err != nil:
		return nil, sent, hideIn(&connError{fmt.Errorf("the body was cut: %w", err)}, hide)
	case int64(len(body)) > limit:
		return nil, sent, fmt.Errorf("the answer of %s is longer than %d bytes", ep, limit)
	case len(body) > 0 && !json.Valid(body):
		return nil, sent, &connError{fmt.Errorf("status %d with %d bytes that are no registry's answer: %s",
			resp.StatusCode, len(body), hide(quote(string(body), maxQuote)))}
	}
	return body, sent, nil
}

// redact takes credentials out of remote text.
func (t *transport) redact(s, authorization string) string {
	for _, secret := range t.secrets {
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

// connError is an attempt that no registry answered.
type connError struct{ err error }

func (e *connError) Error() string { return e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// busyError is an answer that may be another one the next time.
type busyError struct {
	answer *Error
	after  time.Duration
}

func (e *busyError) Error() string { return e.answer.Error() }
func (e *busyError) Unwrap() error { return e.answer }

// timeoutError ends an attempt; it is no context's error, so that nobody takes
// it for the caller's own deadline.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("no answer within %v", e.after.Round(time.Millisecond))
}

// Timeout makes it a net.Error.
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

// errNoAnswer stands for an attempt that is under way.
var errNoAnswer = errors.New("no answer yet")

// again reports whether another attempt may succeed.
func again(err error) bool {
	var conn *connError
	var busy *busyError
	return errors.As(err, &conn) || errors.As(err, &busy)
}

// arrived reports whether the registry may have carried the call out.
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

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3).
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
