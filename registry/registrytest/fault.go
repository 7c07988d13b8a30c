package registrytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Effect is what a fault does to a request.
type Effect struct {
	before func(s *Server, w http.ResponseWriter, r *http.Request) (done bool)
	after  func(body []byte) []byte // changes the answer's body
	cut    bool
}

// Latency answers after d.
func Latency(d time.Duration) Effect {
	return Effect{before: func(s *Server, _ http.ResponseWriter, r *http.Request) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return false
		case <-s.closed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // to return would be an answer
	}}
}

// Status answers with an HTTP status and the registry's JSON for it. headers
// are names and values in turn, such as "Retry-After", "1".
func Status(status int, headers ...string) Effect {
	return Effect{before: func(_ *Server, w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		answerProblem(w, &problem{status, status * 100, "a fault of the test: " + http.StatusText(status)})
		return true
	}}
}

// Answer answers with a status, a content type and a body as they are given: an
// empty error, a proxy's page, another service.
func Answer(status int, contentType, body string) Effect {
	return Effect{before: func(_ *Server, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}}
}

// HTML answers 200 with a page, as a proxy's login form does.
func HTML() Effect {
	return Answer(http.StatusOK, "text/html; charset=utf-8", "<!DOCTYPE html><html><body>Please log in</body></html>")
}

// Hang accepts the request and never answers.
func Hang() Effect {
	return Effect{before: func(s *Server, _ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-s.closed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // to return would be an answer
	}}
}

// Reset breaks the connection before an answer.
func Reset() Effect {
	return Effect{before: func(_ *Server, w http.ResponseWriter, _ *http.Request) bool {
		if h, ok := w.(http.Hijacker); ok {
			if conn, _, err := h.Hijack(); err == nil {
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // RST instead of FIN
				}
				_ = conn.Close()
				return true
			}
		}
		panic(http.ErrAbortHandler) // HTTP/2: the stream is reset
	}}
}

// CutBody carries the request out and breaks the connection in the middle of
// the answer.
func CutBody() Effect { return Effect{cut: true} }

// WrongID carries the request out and answers with an id that is off by n. The
// answer holds no schema, as that of older registries does not. Nothing else in
// it shows that the id is wrong.
func WrongID(n int) Effect {
	return Effect{after: func(body []byte) []byte {
		var m map[string]json.RawMessage
		if json.Unmarshal(body, &m) != nil || m["id"] == nil {
			return body
		}
		id, err := strconv.Atoi(string(m["id"]))
		if err != nil {
			return body
		}
		m["id"] = json.RawMessage(strconv.Itoa(id + n))
		delete(m, "schema")
		if wrong, err := json.Marshal(m); err == nil {
			return wrong
		}
		return body
	}}
}

// Redirect answers 307 to url, with the request's path.
func Redirect(url string) Effect {
	return Effect{before: func(_ *Server, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Location", url+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}}
}

// RedirectLoop answers 307 to the same place, for ever.
func RedirectLoop() Effect {
	return Effect{before: func(s *Server, w http.ResponseWriter, r *http.Request) bool {
		return Redirect(s.URL).before(s, w, r)
	}}
}

// Match narrows a fault down.
type Match struct{ apply func(*fault) }

// OnSubject hits requests about one subject only.
func OnSubject(name string) Match { return Match{func(f *fault) { f.subject = name }} }

// OnID hits requests for one schema id only.
func OnID(id int) Match { return Match{func(f *fault) { f.id = id }} }

// OnPath hits requests whose path ends so, such as "/versions/2".
func OnPath(suffix string) Match { return Match{func(f *fault) { f.path = suffix }} }

// OnMethod hits requests of one HTTP method only.
func OnMethod(method string) Match { return Match{func(f *fault) { f.method = method }} }

// Times ends the fault after n requests. Without, it lasts until it is lifted.
func Times(n int) Match { return Match{func(f *fault) { f.left = n }} }

type fault struct {
	effect  Effect
	subject string
	id      int
	method  string
	path    string
	left    int // negative: for ever
}

// Inject makes requests fail from now on, all of them or those that match. A
// request meets the first fault that hits it. lift ends it.
func (s *Server) Inject(e Effect, match ...Match) (lift func()) {
	f := &fault{effect: e, id: -1, left: -1}
	for _, m := range match {
		m.apply(f)
	}
	s.mu.Lock()
	s.faults = append(s.faults, f)
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.left = 0
	}
}

// Fail answers the next n requests with an HTTP status.
func (s *Server) Fail(n, status int) { s.Inject(Status(status), Times(n)) }

// hit returns the fault that a request meets.
func (s *Server) hit(r Request) (Effect, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, _, _ := strings.Cut(r.Path, "?")
	for _, f := range s.faults {
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

// Request is one request that the server got.
type Request struct {
	Method  string
	Path    string // as it was sent, with the query
	Subject string // "" where it is about none
	ID      int    // the schema id asked for, -1 where it is about none
	Body    string
	Header  http.Header
}

func (r Request) String() string { return fmt.Sprintf("%s %s", r.Method, r.Path) }

// Requests returns how many requests came, answered or not.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

// Log returns the requests in the order in which they came.
func (s *Server) Log() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.log...)
}

// ResetLog forgets the requests so far.
func (s *Server) ResetLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// recorder keeps an answer that a fault will change.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// discardLog silences the server's complaints about broken connections.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
