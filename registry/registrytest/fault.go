package registrytest

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// serverHandle is the part of a server that an effect needs.
type serverHandle struct {
	url    string
	closed <-chan struct{}
}

// Effect is the change that a fault makes to a request.
type Effect struct {
	before func(p serverHandle, w http.ResponseWriter, r *http.Request) (done bool)
	after  func(body []byte) []byte // changes the answer's body
	cut    bool
}

// Latency answers after d.
func Latency(d time.Duration) Effect {
	return Effect{before: func(p serverHandle, _ http.ResponseWriter, r *http.Request) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return false
		case <-p.closed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // a return would send an answer
	}}
}

// Status answers with an HTTP status and the registry's JSON for the status.
// headers is a list of alternating names and values, such as "Retry-After",
// "1".
func Status(status int, headers ...string) Effect {
	return Effect{before: func(_ serverHandle, w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		answerProblem(w, &problem{status, status * 100, "a fault of the test: " + http.StatusText(status)})
		return true
	}}
}

// Answer answers with the given status, content type and body, for example an
// empty error, a proxy's page, or the answer of another service.
func Answer(status int, contentType, body string) Effect {
	return Effect{before: func(_ serverHandle, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}}
}

// HTML answers 200 with an HTML page, as a proxy's login form does.
func HTML() Effect {
	return Answer(http.StatusOK, "text/html; charset=utf-8", "<!DOCTYPE html><html><body>Please log in</body></html>")
}

// Hang accepts the request and never answers.
func Hang() Effect {
	return Effect{before: func(p serverHandle, _ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-p.closed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // a return would send an answer
	}}
}

// Reset breaks the connection before an answer.
func Reset() Effect {
	return Effect{before: func(_ serverHandle, w http.ResponseWriter, _ *http.Request) bool {
		if h, ok := w.(http.Hijacker); ok {
			if conn, _, err := h.Hijack(); err == nil {
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // RST instead of FIN
				}
				_ = conn.Close()
				return true
			}
		}
		panic(http.ErrAbortHandler) // for HTTP/2, this resets the stream
	}}
}

// CutBody executes the request and breaks the connection in the middle of the
// answer.
func CutBody() Effect { return Effect{cut: true} }

// WrongID executes the request and adds n to the id in the answer. The answer
// holds no schema, as with older registries. So the answer gives no other sign
// that the id is wrong.
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
	return Effect{before: func(_ serverHandle, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Location", url+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}}
}

// RedirectLoop always answers 307 to the same URL.
func RedirectLoop() Effect {
	return Effect{before: func(p serverHandle, w http.ResponseWriter, r *http.Request) bool {
		return Redirect(p.url).before(p, w, r)
	}}
}

// Match limits a fault to some requests.
type Match struct{ apply func(*fault) }

// OnSubject matches only requests about a subject.
func OnSubject(name string) Match { return Match{func(f *fault) { f.subject = name }} }

// OnID matches only requests for a schema id.
func OnID(id int) Match { return Match{func(f *fault) { f.id = id }} }

// OnPath matches only requests whose path has a suffix, such as "/versions/2".
func OnPath(suffix string) Match { return Match{func(f *fault) { f.path = suffix }} }

// OnMethod matches only requests with an HTTP method.
func OnMethod(method string) Match { return Match{func(f *fault) { f.method = method }} }

// Times ends the fault after n requests. Without Times, the fault lasts until
// lift is called.
func Times(n int) Match { return Match{func(f *fault) { f.left = n }} }

type fault struct {
	effect  Effect
	subject string
	id      int
	method  string
	path    string
	left    int // negative means forever
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
