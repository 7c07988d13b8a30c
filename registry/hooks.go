package registry

import (
	"context"
	"log/slog"
	"time"

	"github.com/avroline/avroline/internal/hook"
	"github.com/avroline/avroline/registry/internal/rest"
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

// Request is a request to the registry, for [Hooks]. Method and Route are the
// HTTP method and the path, with names in the place of ids and subjects, such
// as "GET" and "/schemas/ids/{id}". There are a few dozen routes. Path is the
// path itself, such as "/schemas/ids/7".
type Request = rest.Request

// Response is the end of a request to the registry, for [Hooks]. URL is the
// last URL that was tried, without credentials and path. Status is the status
// of the last answer, or 0 if there was no answer. Attempts counts the HTTP
// requests, and URLs counts the different URLs among them. Took is the time of
// the whole request, and Err its error.
type Response = rest.Response

// hooks are all given hooks.
type hooks struct {
	all     []Hooks
	answers bool // a hook for answers exists
	logger  *slog.Logger
}

func joinHooks(all []Hooks, logger *slog.Logger) hooks {
	h := hooks{all: all, logger: logger}
	for _, one := range all {
		h.answers = h.answers || one.Answered != nil
	}
	return h
}

// observers returns the hooks for requests.
func (h *hooks) observers() []rest.Observer {
	var all []rest.Observer
	for _, one := range h.all {
		if one.StartRequest != nil || one.EndRequest != nil {
			all = append(all, rest.Observer{Start: one.StartRequest, End: one.EndRequest})
		}
	}
	return all
}

// answer runs a look-up and tells the hooks. Call answer only if answers is
// true.
func (h *hooks) answer(ctx context.Context, a Answered, ask func(context.Context) (Version, error)) (Version, error) {
	inner, t := rest.NewTrail(ctx)
	begun := time.Now()
	v, err := ask(inner)
	a.Took, a.Err, a.Origin = time.Since(begun), err, originOf(t)
	if a.ID == 0 {
		a.ID = v.ID
	}
	if a.Subject == "" {
		a.Subject = v.Subject
	}
	for i := range h.all {
		if f := h.all[i].Answered; f != nil {
			func() {
				defer hook.Recover(h.logger, "registry.Hooks.Answered")
				f(ctx, a)
			}()
		}
	}
	return v, err
}

func originOf(t *rest.Trail) Origin {
	switch {
	case t.FromDisk():
		return FromDisk
	case t.AskedRegistry():
		return FromRegistry
	}
	return FromMemory
}
