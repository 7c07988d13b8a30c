package registrytest

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxBody limits a request, in bytes.
const maxBody = 16 << 20

// api is the registry's REST API.
type api struct {
	store  *store
	keys   *keyStore
	topics *topics
	check  func(*http.Request) bool // checks credentials; nil accepts every request

	traffic *traffic
	handle  serverHandle
}

// handler logs the request, checks the credentials, applies faults and answers.
func (a *api) handler() http.Handler {
	mux := a.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asSent := r.URL.RequestURI()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		path, context := r.URL.EscapedPath(), ""
		if base := a.store.dialect.base; base != "" {
			inside, ok := strings.CutPrefix(path, base)
			if !ok {
				http.NotFound(w, r)
				return
			}
			path = inside
			if r.URL, err = url.Parse(path + "?" + r.URL.RawQuery); err != nil {
				http.NotFound(w, r)
				return
			}
		}
		if a.store.dialect.contexts {
			path, context = splitContext(path)
		}
		req := Request{
			Method: r.Method, Path: asSent, Body: string(body), Header: r.Header.Clone(),
			Subject: subjectOf(path, context), ID: idOf(path),
		}
		effect, faulty := a.traffic.add(req)
		if faulty && effect.before != nil && effect.before(a.handle, w, r) {
			return
		}
		if a.check != nil && !a.check(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="registrytest"`)
			answerProblem(w, &problem{http.StatusUnauthorized, http.StatusUnauthorized, "Unauthorized"})
			return
		}
		if context != "" {
			if r.URL, err = url.Parse(path + "?" + r.URL.RawQuery); err != nil {
				answerProblem(w, &problem{http.StatusBadRequest, http.StatusBadRequest, "bad path"})
				return
			}
			r.Header.Set(contextHeader, context)
		} else {
			r.Header.Del(contextHeader)
		}
		if !faulty || effect.after == nil && !effect.cut {
			mux.ServeHTTP(w, r)
			return
		}
		rec := &recorder{header: w.Header(), status: http.StatusOK}
		mux.ServeHTTP(rec, r)
		answer := rec.body.Bytes()
		if effect.after != nil {
			answer = effect.after(answer)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.WriteHeader(rec.status)
		if effect.cut {
			_, _ = w.Write(answer[:len(answer)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(answer)
	})
}

// routes adds the routes of the REST API.
func (a *api) routes() *http.ServeMux {
	mux := http.NewServeMux()
	route := func(pattern string, f func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			if err == nil {
				answerJSON(w, http.StatusOK, v)
				return
			}
			var p *problem
			if !errors.As(err, &p) {
				p = &problem{http.StatusInternalServerError, 50001, err.Error()}
			}
			answerProblem(w, p)
		})
	}
	st := a.store
	route("GET /{$}", func(*http.Request) (any, error) { return map[string]any{}, nil })
	route("/", func(*http.Request) (any, error) { return nil, noRoute(st.dialect) })
	route("GET /schemas/types", func(*http.Request) (any, error) { return []string{"AVRO"}, nil })
	if st.dialect.contexts {
		route("GET /contexts", st.getContexts)
	}
	if st.dialect.guids {
		route("GET /schemas/guids/{guid}", st.getGUID)
	}
	if st.dialect.noMetadata != 0 {
		route("GET /subjects/{subject}/metadata", st.getByMetadata)
	}
	if st.dialect.checksAll {
		route("POST /compatibility/subjects/{subject}/versions", st.postCompatibility)
	}
	if st.dialect.lists != listsNone {
		route("GET /schemas", st.getSchemas)
	}
	route("GET /schemas/ids/{id}", st.getID)
	route("GET /schemas/ids/{id}/schema", st.getIDText)
	route("GET /schemas/ids/{id}/versions", st.getIDVersions)
	route("GET /schemas/ids/{id}/subjects", st.getIDSubjects)
	route("GET /subjects", st.getSubjects)
	route("POST /subjects/{subject}", st.postLookup)
	route("DELETE /subjects/{subject}", st.deleteSubject)
	route("GET /subjects/{subject}/versions", st.getVersions)
	route("POST /subjects/{subject}/versions", st.postVersion)
	route("GET /subjects/{subject}/versions/{version}", st.getVersion)
	route("GET /subjects/{subject}/versions/{version}/schema", st.getVersionText)
	route("GET /subjects/{subject}/versions/{version}/referencedby", st.getReferencedBy)
	route("DELETE /subjects/{subject}/versions/{version}", st.deleteVersion)
	route("POST /compatibility/subjects/{subject}/versions/{version}", st.postCompatibility)
	if st.dialect.keys {
		a.keys.routes(route)
	}
	if st.dialect.associations {
		route("GET /associations/resources/{cluster}/{topic}", a.topics.getAssociations)
	}
	for _, kind := range []string{"config", "mode"} {
		get, put, remove := st.getConfig, st.putConfig, st.deleteConfig
		if kind == "mode" {
			get, put, remove = st.getMode, st.putMode, st.deleteMode
		}
		for _, path := range []string{"/" + kind, "/" + kind + "/{subject}"} {
			route("GET "+path, get)
			if kind == "mode" && st.dialect.modes == modesFixed {
				continue
			}
			route("PUT "+path, put)
			route("DELETE "+path, remove)
		}
	}
	return mux
}
