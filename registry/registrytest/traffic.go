package registrytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Request is a request that the server received.
type Request struct {
	Method  string
	Path    string // as sent, with the query
	Subject string // "" if the request has no subject
	ID      int    // the requested schema id, or -1 if there is none
	Body    string
	Header  http.Header
}

func (r Request) String() string { return fmt.Sprintf("%s %s", r.Method, r.Path) }

// traffic has the received requests, and the faults for the next requests.
type traffic struct {
	mu     sync.Mutex
	log    []Request
	faults []*fault
}

// add logs a request and returns its fault.
func (t *traffic) add(r Request) (Effect, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, r)
	path, _, _ := strings.Cut(r.Path, "?")
	for _, f := range t.faults {
		if f.left == 0 || f.subject != "" && f.subject != r.Subject || f.id >= 0 && f.id != r.ID || f.method != "" && f.method != r.Method ||
			!strings.HasSuffix(path, f.path) {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		return f.effect, true
	}
	return Effect{}, false
}

func (t *traffic) inject(e Effect, match []Match) (lift func()) {
	f := &fault{effect: e, id: -1, left: -1}
	for _, m := range match {
		m.apply(f)
	}
	t.mu.Lock()
	t.faults = append(t.faults, f)
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		f.left = 0
	}
}

func (t *traffic) requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

func (t *traffic) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = nil
}
