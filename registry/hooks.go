package registry

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/internal/hook"
)

// Hooks see every look-up of a client and every request to the registry. Each
// function may be nil. The functions must not block and must be safe for
// concurrent use. A panic in a function is logged, and the call goes on.
// Without hooks there is no allocation and no delay.
type Hooks struct {
	// Answered is called at the end of each call of the client that returns a
	// [Version], also if the answer came from memory.
	Answered func(ctx context.Context, a Answered)
	// StartRequest is called before a request to the registry. A request may
	// need several attempts on several URLs. The attempts and EndRequest get
	// the returned context. The returned context must be ctx or a child of ctx.
	//
	// Concurrent callers share one request. Then ctx has the values of the
	// first caller's context, and not its end. A refresh in the background has
	// no values.
	StartRequest func(ctx context.Context, r Request) context.Context
	// EndRequest is called after the last attempt.
	EndRequest func(ctx context.Context, r Request, e Response)
}

// Answered describes a look-up, for [Hooks].
type Answered struct {
	// Operation is the method of the client in snake case, such as
	// "schema_by_id".
	Operation string
	Subject   string // empty if there is none
	ID        int    // the schema's id; 0 if there is none
	Origin    Origin
	Took      time.Duration
	Err       error
}

// Origin is where an answer came from.
type Origin uint8

// The values of [Origin].
const (
	// FromMemory is also the origin of an error that the client remembers.
	FromMemory Origin = iota + 1
	FromDisk
	// FromRegistry is also the origin of an answer that another caller has
	// asked for, and of an error of the request.
	FromRegistry
)

func (o Origin) String() string {
	if int(o) < len(originNames) {
		return originNames[o]
	}
	return ""
}

var originNames = [...]string{"", "memory", "disk", "registry"} //nolint:gochecknoglobals // a table, never changed

// Request is a request to the registry, for [Hooks].
type Request struct {
	// Method and Route are the HTTP method and the path, with names in the
	// place of ids and subjects: "GET" and "/schemas/ids/{id}". There are a few
	// dozen routes.
	Method, Route string
	// Path is the path of the request, such as "/schemas/ids/7".
	Path string
}

// Response is the end of a request to the registry, for [Hooks].
type Response struct {
	// URL is the last URL that was tried, without credentials and path.
	URL string
	// Status is the status of the last answer, or 0 if there was no answer.
	Status int
	// Attempts counts the HTTP requests. URLs counts the different URLs among
	// them.
	Attempts, URLs int
	Took           time.Duration
	Err            error
}

// WithHooks adds hooks for metrics and traces. If WithHooks is given several
// times, all hooks are called in their order, and each StartRequest gets the
// context of the one before.
func WithHooks(h Hooks) Option {
	return Option{apply: func(c *config) { c.hooks = append(c.hooks, h) }}
}

// hooks are all given hooks.
type hooks struct {
	all      []Hooks
	answers  bool // a hook for answers exists
	requests bool // a hook for requests exists
	logger   *slog.Logger
}

func joinHooks(all []Hooks, logger *slog.Logger) hooks {
	h := hooks{all: all, logger: logger}
	for _, one := range all {
		h.answers = h.answers || one.Answered != nil
		h.requests = h.requests || one.StartRequest != nil || one.EndRequest != nil
	}
	return h
}

// answer runs a look-up and tells the hooks. Call answer only if answers is
// true.
func (h *hooks) answer(ctx context.Context, a Answered, ask func(context.Context) (Version, error)) (Version, error) {
	t := new(trail)
	begun := time.Now()
	v, err := ask(context.WithValue(ctx, trailKey{}, t))
	a.Took, a.Err, a.Origin = time.Since(begun), err, t.origin()
	if a.ID == 0 {
		a.ID = v.ID
	}
	if a.Subject == "" {
		a.Subject = v.Subject
	}
	for i := range h.all {
		if f := h.all[i].Answered; f != nil {
			func() {
				defer hook.Caught(h.logger, "registry.Hooks.Answered")
				f(ctx, a)
			}()
		}
	}
	return v, err
}

// trail is how far a look-up went.
type trail struct{ disk, asked atomic.Bool }

type trailKey struct{}

func (t *trail) origin() Origin {
	switch {
	case t.disk.Load():
		return FromDisk
	case t.asked.Load():
		return FromRegistry
	}
	return FromMemory
}

// noteAsked notes that memory has no answer for the caller of ctx.
func noteAsked(ctx context.Context) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.asked.Store(true)
	}
}

// noteDisk notes that the caller of ctx gets an answer from the disk.
func noteDisk(ctx context.Context) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.disk.Store(true)
	}
}

// request makes a request between StartRequest and EndRequest. Call request
// only if requests is true.
func (h *hooks) request(ctx context.Context, req request, do func(context.Context, request) ([]byte, error)) ([]byte, error) {
	r := Request{Method: req.method, Route: route(req.path), Path: req.path}
	for i := range h.all {
		if f := h.all[i].StartRequest; f != nil {
			ctx = h.start(ctx, r, f)
		}
	}
	req.tally = new(tally)
	begun := time.Now()
	body, err := do(ctx, req)
	e := req.tally.response(err)
	e.Took = time.Since(begun)
	for i := range h.all {
		if f := h.all[i].EndRequest; f != nil {
			func() {
				defer hook.Caught(h.logger, "registry.Hooks.EndRequest")
				f(ctx, r, e)
			}()
		}
	}
	return body, err
}

// start returns ctx if the hook panics or returns nil.
func (h *hooks) start(ctx context.Context, r Request, f func(context.Context, Request) context.Context) (out context.Context) {
	out = ctx
	defer hook.Caught(h.logger, "registry.Hooks.StartRequest")
	if child := f(ctx, r); child != nil {
		out = child
	}
	return out
}

// tally counts the attempts of a request. A nil tally counts nothing.
type tally struct {
	attempts int
	urls     []string
	status   int
}

func (t *tally) note(url string, err error) {
	if t == nil {
		return
	}
	t.attempts++
	for i, u := range t.urls {
		if u == url {
			t.urls = append(t.urls[:i], t.urls[i+1:]...)
			break
		}
	}
	t.urls = append(t.urls, url)
	var answer *Error
	switch {
	case err == nil:
		t.status = 200
	case errors.As(err, &answer):
		t.status = answer.Status
	default:
		t.status = 0
	}
}

func (t *tally) response(err error) Response {
	e := Response{Status: t.status, Attempts: t.attempts, URLs: len(t.urls), Err: err}
	if len(t.urls) > 0 {
		e.URL = t.urls[len(t.urls)-1]
	}
	return e
}

// route returns a path with names in the place of its variable parts.
func route(path string) string {
	var out strings.Builder
	last := ""
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch name := variables[last]; {
		case name != "":
			segment, last = name, ""
		case !fixed[segment]:
			segment, last = "{other}", ""
		default:
			last = segment
		}
		out.WriteString("/" + segment)
	}
	return out.String()
}

// variables has the name of the part that follows a fixed part of a path.
//
//nolint:gochecknoglobals // a table, never changed
var variables = map[string]string{
	"ids": "{id}", "guids": "{guid}", "subjects": "{subject}", "versions": "{version}", "config": "{subject}", "mode": "{subject}",
	"keks": "{kek}", "deks": "{subject}", "resources": "{resource}",
}

// fixed are the fixed parts of the paths of the registry's API.
//
//nolint:gochecknoglobals // a table, never changed
var fixed = map[string]bool{
	"schemas": true, "ids": true, "guids": true, "subjects": true, "versions": true, "config": true, "mode": true, "schema": true,
	"metadata": true, "referencedby": true, "compatibility": true, "contexts": true, "associations": true, "resources": true,
	"dek-registry": true, "v1": true, "keks": true, "deks": true, "types": true,
}
