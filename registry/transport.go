package registry

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
)

// transport makes calls of the REST API: retries, failover, credentials,
// bounds.
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
	// form says whether the body of a 2xx is an answer of the API. Everything
	// else is a proxy's, and is treated like a 503. nil takes every JSON.
	form form
	// written says how much of the answer this client has just written itself.
	written written
	// secret says that the answer holds a secret, which no error may quote.
	secret bool
	// noContent is the error for a 204; nil means success.
	noContent error
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
// other answer is an *Error. Without an answer the error is an
// *UnavailableError.
func (t *transport) do(ctx context.Context, w *work, req request) ([]byte, error) {
	for round := 0; ; round++ {
		body, next, err := t.round(ctx, w, req, round)
		if err == nil || next.rounds == 0 && answered(err) {
			return body, err
		}
		if ctx.Err() != nil {
			return nil, w.failure(context.Cause(ctx))
		}
		if round >= next.rounds || next.pause > maxRetryAfter || w.once || !w.wanted() || req.method == http.MethodDelete && arrived(err) {
			return nil, giveUp(w, err)
		}
		pause := next.pause
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

// giveUp is the error of a call after its last attempt.
func giveUp(w *work, err error) error {
	var lag *lagError
	if errors.As(err, &lag) {
		return lag.answer
	}
	return w.failure(nil)
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

// lagPause is the pause before a node that lags is asked again. It does not
// depend on [WithRetries]: the entry exists, and only the time until
// this node sees it is unknown.
func lagPause(round int) time.Duration {
	ceiling := min(lagBase<<min(round, 10), lagCap)
	return ceiling/2 + rand.N(ceiling/2)
}

const (
	lagRounds = 14
	lagBase   = 20 * time.Millisecond
	lagCap    = time.Second
	// hostRounds is how often an unknown host is looked up again. A name may
	// come up together with this process, but it does not for nine seconds.
	hostRounds = 2
)

// again says how a call goes on after a round: how many rounds may follow the
// first one, and the pause that is asked for before the next one.
type again struct {
	rounds int
	pause  time.Duration
}

// round tries each endpoint once. The error is that of the last one.
func (t *transport) round(ctx context.Context, w *work, req request, number int) (body []byte, next again, err error) {
	t.endpoints.goBack(t.background, t.probe)
	order := t.endpoints.order()
	for i, ep := range order {
		w.note(ep.String(), errNoAnswer)
		body, err = t.attempt(ctx, ep, req, t.share(ctx, w, len(order)-i))
		if err == nil || answered(err) {
			t.away.Store(false)
			t.endpoints.answered(ep)
			return body, again{}, err
		}
		w.note(ep.String(), err)
		if ctx.Err() != nil || req.method == http.MethodDelete && arrived(err) {
			return nil, again{}, err
		}
		level := slog.LevelWarn
		if number > 0 || w.once {
			level = slog.LevelDebug // the first round has told it
		}
		t.logger.LogAttrs(ctx, level, "registry_attempt_failed", slog.String("url", ep.String()), slog.Any("error", err))
		next.rounds = max(next.rounds, t.roundsAfter(err))
		var busy *busyError
		if errors.As(err, &busy) {
			next.pause = max(next.pause, busy.after)
			if busy.answer.Status == http.StatusTooManyRequests {
				return nil, next, err // the limit holds for all of them
			}
		}
		var lag *lagError
		if errors.As(err, &lag) {
			next.pause = max(next.pause, lagPause(number))
		}
	}
	return nil, next, err
}

// roundsAfter says how many rounds may follow an attempt that failed.
func (t *transport) roundsAfter(err error) int {
	var lag *lagError
	var dns *net.DNSError
	var remote *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &lag):
		return lagRounds
	case errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch):
		return 0 // nothing changes until somebody changes the settings
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert of TLS
		return 0
	case errors.As(err, &dns) && dns.IsNotFound:
		return min(t.retries, hostRounds)
	}
	return t.retries
}

// share is the time of one attempt, which is its timeout, or less when others
// wait for their turn before a deadline.
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
	if errors.As(err, &answer) && answered(err) {
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
		return nil, sent, t.refusal(ep, req, resp, body, hide)
	case err != nil:
		return nil, sent, hideIn(&connError{fmt.Errorf("the body was cut: %w", err)}, hide)
	case int64(len(body)) > limit:
		return nil, sent, fmt.Errorf("the answer of %s is longer than %d bytes", ep, limit)
	case resp.StatusCode == http.StatusNoContent:
		return nil, sent, req.noContent
	}
	if err := req.form.check(body); err != nil {
		text := hide(quote(string(body), maxQuote))
		if req.secret {
			text = "the body is not shown"
		}
		return nil, sent, &connError{fmt.Errorf("status %d with %d bytes that are no registry's answer (%w): %s",
			resp.StatusCode, len(body), err, text)}
	}
	return body, sent, nil
}

// refusal is the error of an answer that is none of 2xx.
func (t *transport) refusal(ep *endpoint, req request, resp *http.Response, body []byte, hide func(string) string) error {
	e := newError(ep.String(), resp.StatusCode, resp.Header.Get("Content-Type"), body)
	e.Message = hide(e.Message)
	if req.secret {
		e.Message, e.full = http.StatusText(e.Status), ""
	}
	switch {
	case retryStatus(e.Status):
		return &busyError{answer: e, after: retryAfter(resp.Header)}
	case e.lostRace():
		return &busyError{answer: e}
	case e.page && e.Status != http.StatusUnauthorized && e.Status != http.StatusProxyAuthRequired:
		return &busyError{answer: e} // a proxy wrote it, as it does for a 503
	case req.written.contradicts(e):
		return &lagError{e}
	}
	return e
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

// lagError is the answer of a node that has not seen our write yet.
type lagError struct{ answer *Error }

func (e *lagError) Error() string { return e.answer.Error() }
func (e *lagError) Unwrap() error { return e.answer }

// answered reports whether a registry answered, so that another attempt would
// give the same.
func answered(err error) bool {
	var conn *connError
	var busy *busyError
	var lag *lagError
	return !errors.As(err, &conn) && !errors.As(err, &busy) && !errors.As(err, &lag)
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
