package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/internal/hook"
	"github.com/avroline/avroline/internal/oauth"
)

// Transport makes calls of the REST API with retries, failover, credentials and
// limits.
type Transport struct {
	sender

	background  *Background
	endpoints   *endpoints
	timeout     time.Duration // of an attempt
	retries     int
	base, cap   time.Duration // of the pause before a retry
	logger      *slog.Logger
	observers   []Observer
	unreachable atomic.Bool // no registry answered the last call in time
	contact     contact
}

// Config has the settings of a [Transport]. Every field but Auth, User,
// Source and Observers is required.
type Config struct {
	Background *Background
	URLs       []string
	Auth       Authorizer        // nil for no credentials
	User       string            // the user of Auth or Source; "" if not known
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
	t := &Transport{
		sender: sender{
			client:  &http.Client{Transport: cfg.RoundTrip, CheckRedirect: checkRedirect},
			headers: cfg.Headers, secrets: cfg.Secrets, maxBody: cfg.MaxBody,
		},
		background: cfg.Background,
		endpoints:  &endpoints{wayBack: cfg.WayBack},
		timeout:    cfg.Timeout, retries: cfg.Retries, base: cfg.Base, cap: cfg.Cap,
		logger: cfg.Logger, observers: cfg.Observers, contact: contact{since: time.Now()},
	}
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
		ep.auth, ep.user = auth, cfg.User
		if user != nil {
			password, _ := user.Password()
			ep.auth, ep.user = BasicAuth(user.Username(), password), user.Username()
			t.secrets = append(t.secrets, password)
		}
		t.endpoints.list = append(t.endpoints.list, ep)
	}
	return t, errors.Join(errs...)
}

// BaseURLs returns the base URLs, without credentials.
func (t *Transport) BaseURLs() []string { return t.endpoints.urls() }

// hasContext reports whether a base URL names a context of the registry, as in
// https://registry/contexts/.name.
func (t *Transport) hasContext() bool {
	return slices.ContainsFunc(t.endpoints.list, func(ep *endpoint) bool {
		return strings.Contains(ep.base.Path, "/contexts/")
	})
}

// Tenant returns a text that differs if the URLs, the users or the headers
// differ. A hosted registry with one URL may have other schemas for another
// user, or for another value of a header.
func (t *Transport) Tenant() string {
	var parts []string
	for _, ep := range t.endpoints.list {
		part := ep.String()
		if ep.user != "" {
			part += " as " + strconv.Quote(ep.user)
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	for _, name := range slices.Sorted(maps.Keys(t.headers)) {
		parts = append(parts, fmt.Sprintf("%s: %q", name, t.headers[name]))
	}
	return strings.Join(parts, " ")
}

// IsUnreachable reports whether no registry answered the last call in time.
func (t *Transport) IsUnreachable() bool { return t.unreachable.Load() }

// SetUnreachable notes that no registry answered a call in time.
func (t *Transport) SetUnreachable() { t.unreachable.Store(true) }

// Close closes idle connections.
func (t *Transport) Close() { t.client.CloseIdleConnections() }

const (
	// maxRetryAfter is the longest pause that a registry may ask for. A longer
	// pause means that the registry is not available.
	maxRetryAfter = time.Minute
	// minShare is the shortest time that an attempt gets before a deadline.
	minShare = 20 * time.Millisecond
)

// do makes a call until a registry answers, and returns the body of a 2xx. Any
// other answer is an *Error. If no registry answers, the error is an
// *UnavailableError.
func (t *Transport) do(ctx context.Context, w *Work, req Call) ([]byte, error) {
	NoteAsked(ctx)
	if len(t.observers) == 0 {
		return t.runRounds(ctx, w, req)
	}
	return t.observed(ctx, w, req)
}

func (t *Transport) runRounds(ctx context.Context, w *Work, req Call) ([]byte, error) {
	for round := 0; ; round++ {
		body, next, err := t.round(ctx, w, req, round)
		if err == nil || next.rounds == 0 && isAnswer(err) {
			return body, err
		}
		if ctx.Err() != nil {
			return nil, w.failure(context.Cause(ctx))
		}
		if round >= next.rounds || next.pause > maxRetryAfter || w.Once || !w.hasWaiter() || req.Method == http.MethodDelete && mayHaveArrived(err) {
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
	ceiling := t.cap
	if round < 30 && t.base<<round < t.cap {
		ceiling = t.base << round
	}
	if ceiling <= 0 {
		return 0
	}
	return rand.N(ceiling)
}

// lagPause returns the pause before the client asks a lagging node again. The
// pause does not depend on the retries, because the entry exists. Only the time
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

// retryPlan says how a call goes on after a round. rounds is how many rounds
// may follow the first round. pause is the requested pause before the next
// round.
type retryPlan struct {
	rounds int
	pause  time.Duration
}

// round tries each endpoint once. The error is the last endpoint's error.
func (t *Transport) round(ctx context.Context, w *Work, req Call, number int) (body []byte, next retryPlan, err error) {
	t.endpoints.failBack(t.background, t.probe)
	order := t.endpoints.order()
	for i, ep := range order {
		w.note(ep.String(), errAttemptInFlight)
		body, err = t.attempt(ctx, ep, req, t.share(ctx, w, len(order)-i))
		req.attempts.note(ep.String(), err)
		if err == nil || isAnswer(err) {
			t.unreachable.Store(false)
			t.contact.noteAnswer()
			t.endpoints.setCurrent(ep)
			return body, retryPlan{}, err
		}
		w.note(ep.String(), err)
		if ctx.Err() != nil || req.Method == http.MethodDelete && mayHaveArrived(err) {
			return nil, retryPlan{}, err
		}
		level := slog.LevelWarn
		if number > 0 || w.Once {
			level = slog.LevelDebug // the first round has logged the failure
		}
		t.logger.LogAttrs(ctx, level, "registry_attempt_failed", slog.String("url", ep.String()), slog.Any("error", err))
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
		t.contact.noteFailure(w.failure(nil))
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
		return min(t.retries, hostRounds)
	}
	return t.retries
}

// share returns the time limit of an attempt. The limit is the timeout, or less
// if other endpoints must also have a turn before the deadline.
func (t *Transport) share(ctx context.Context, w *Work, left int) time.Duration {
	deadline := w.deadline
	if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
		deadline = d
	}
	if deadline.IsZero() || left < 2 {
		return t.timeout
	}
	part := time.Until(deadline) / time.Duration(left)
	if part <= 0 { // no caller with this deadline waits any more
		return t.timeout
	}
	return min(t.timeout, max(part, minShare))
}

// probe makes a call that every registry answers.
func (t *Transport) probe(ctx context.Context, ep *endpoint) error {
	_, err := t.attempt(ctx, ep, Call{Method: http.MethodGet, Path: "/config"}, t.timeout)
	var answer *Error
	if errors.As(err, &answer) && isAnswer(err) {
		return nil
	}
	return err
}

// observed makes a call between the functions of the observers.
func (t *Transport) observed(ctx context.Context, w *Work, req Call) ([]byte, error) {
	r := Request{Method: req.Method, Route: route(req.Path), Path: req.Path}
	for _, o := range t.observers {
		ctx = t.startOf(ctx, r, o)
	}
	req.attempts = new(attemptCount)
	begun := time.Now()
	body, err := t.runRounds(ctx, w, req)
	e := req.attempts.response(err)
	e.Took = time.Since(begun)
	for _, o := range t.observers {
		t.endOf(ctx, r, e, o)
	}
	return body, err
}

// startOf returns ctx if the observer panics or returns nil.
func (t *Transport) startOf(ctx context.Context, r Request, o Observer) (out context.Context) {
	out = ctx
	if o.Start == nil {
		return out
	}
	defer hook.Recover(t.logger, "registry.Hooks.StartRequest")
	if child := o.Start(ctx, r); child != nil {
		out = child
	}
	return out
}

func (t *Transport) endOf(ctx context.Context, r Request, e Response, o Observer) {
	if o.End == nil {
		return
	}
	defer hook.Recover(t.logger, "registry.Hooks.EndRequest")
	o.End(ctx, r, e)
}

// Health returns the health and starts a probe if it is time for a probe.
func (t *Transport) Health() Health {
	h, probe := t.contact.state(time.Now())
	h.URL = t.endpoints.order()[0].String()
	if probe {
		t.background.Start(t.probeAll)
	}
	return h
}

// probeAll asks the endpoints in their order until one answers.
func (t *Transport) probeAll(ctx context.Context) {
	defer t.contact.noteProbe()
	for _, ep := range t.endpoints.order() {
		if t.probe(ctx, ep) == nil {
			t.unreachable.Store(false)
			t.endpoints.setCurrent(ep)
			t.contact.noteAnswer()
			return
		}
	}
}
