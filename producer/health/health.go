// Package health serves the health of a program's parts over HTTP: readiness
// for a load balancer, liveness for a supervisor, and JSON for people.
//
//	h := health.New(health.Producer("orders", p), health.Registry("registry", reg))
//	mux.Handle("GET /ready", h.Ready())
//	mux.Handle("GET /live", h.Live())
//
// No request to the handlers does I/O. The parts know their state from their
// own events.
package health

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/registry"
)

// State is the state of a part at one moment.
type State struct {
	// Ready says whether the part can do its work.
	Ready bool
	// Dead says that the part will never be ready again. Only a restart of the
	// program helps.
	Dead bool
	// Since is the time of the last change of Ready. The zero time means that
	// the part does not know.
	Since time.Time
	// Reason says why the part is not ready. Degraded says what is wrong with a
	// part that is ready. Both may be nil.
	Reason, Degraded error
	// Details is any value for the JSON, for example brokers. nil adds nothing.
	Details any
}

// Part is a part of a program with a name. The zero Part is ignored.
type Part struct {
	name  string
	state func() State
}

// Check makes a part of any function. f must not wait, and must be safe for
// concurrent use.
func Check(name string, f func() State) Part { return Part{name, f} }

// Producer returns a part for a [producer.Producer], a
// [producer.Transactional], a processor, a source or a relay.
//
// A part that was fenced or met a fatal error is dead. A closed part is not
// ready.
func Producer(name string, p interface{ Health() producer.Health }) Part {
	return Part{name, func() State {
		h := p.Health()
		return State{
			Ready: h.Ready, Since: h.Since, Reason: h.Reason, Degraded: h.Degraded,
			Dead:    errors.Is(h.Reason, producer.ErrFatal) || errors.Is(h.Reason, producer.ErrFenced),
			Details: detailsOf(h),
		}
	}}
}

// Registry returns a part for a registry client. A registry that is away makes
// the part degraded, and not unready, because known schemas need no registry.
func Registry(name string, c *registry.Client) Part {
	return Part{name, func() State {
		h := c.Health()
		return State{Ready: true, Since: h.Since, Degraded: h.Reason, Details: registryDetails{h.URL}}
	}}
}

// Handler serves the state of its parts. Make it with [New]. A Handler is safe
// for concurrent use.
type Handler struct {
	mu       sync.Mutex
	parts    []Part
	draining error
}

// New makes a handler for the parts, in the order of the JSON.
func New(parts ...Part) *Handler {
	h := &Handler{}
	h.Add(parts...)
	return h
}

// Add adds parts. A program may add parts while the handler serves.
func (h *Handler) Add(parts ...Part) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range parts {
		if p.state != nil {
			h.parts = append(h.parts, p)
		}
	}
}

// ErrDraining is the reason of a handler after [Handler.Drain].
var ErrDraining = errors.New("health: shutting down")

// Drain makes the handler not ready for ever. A program calls Drain first when
// it shuts down, so that a load balancer sends no new requests.
func (h *Handler) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = ErrDraining
}

// Report is the JSON of the handlers.
type Report struct {
	// Status is "ready", "degraded", "not ready" or "dead". It is the worst of
	// the parts.
	Status string       `json:"status"`
	Reason string       `json:"reason,omitempty"` // why, if all parts are well
	Parts  []PartReport `json:"parts"`
}

// PartReport is one part in a [Report].
type PartReport struct {
	Name    string     `json:"name"`
	Status  string     `json:"status"` // as in Report
	Since   *time.Time `json:"since,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Details any        `json:"details,omitempty"`
}

// The statuses, from good to bad.
const (
	statusReady    = "ready"
	statusDegraded = "degraded"
	statusNotReady = "not ready"
	statusDead     = "dead"
)

// Report asks all parts.
func (h *Handler) Report() Report {
	h.mu.Lock()
	parts, draining := h.parts[:len(h.parts):len(h.parts)], h.draining
	h.mu.Unlock()
	r := Report{Status: statusReady, Parts: make([]PartReport, len(parts))}
	for i, p := range parts {
		r.Parts[i] = p.report()
		r.Status = worse(r.Status, r.Parts[i].Status)
	}
	if draining != nil && worse(r.Status, statusNotReady) != r.Status {
		r.Status, r.Reason = statusNotReady, draining.Error()
	}
	return r
}

func worse(a, b string) string {
	rank := map[string]int{statusReady: 0, statusDegraded: 1, statusNotReady: 2, statusDead: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

func (p Part) report() PartReport {
	s := p.state()
	r := PartReport{Name: p.name, Status: statusReady, Details: s.Details}
	if !s.Since.IsZero() {
		since := s.Since.UTC()
		r.Since = &since
	}
	why := s.Reason
	switch {
	case s.Dead:
		r.Status = statusDead
	case !s.Ready:
		r.Status = statusNotReady
	case s.Degraded != nil:
		r.Status, why = statusDegraded, s.Degraded
	}
	if why != nil && r.Status != statusReady {
		r.Reason = why.Error()
	}
	return r
}

// Ready serves readiness: 200 if every part is ready or degraded, and otherwise
// 503. The body is a [Report].
func (h *Handler) Ready() http.Handler {
	return h.serve(func(status string) bool { return status == statusReady || status == statusDegraded })
}

// Live serves liveness: 503 if a part is dead, and otherwise 200. Brokers that
// are away do not make a program dead, because a restart would not help. The
// body is a [Report].
func (h *Handler) Live() http.Handler {
	return h.serve(func(status string) bool { return status != statusDead })
}

func (h *Handler) serve(ok func(status string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := h.Report()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !ok(r.Status) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(r)
	})
}
