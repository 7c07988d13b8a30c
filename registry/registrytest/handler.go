package registrytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/compat"
)

const contentType = "application/vnd.schemaregistry.v1+json"

// maxBody limits a request, in bytes.
const maxBody = 16 << 20

// handler logs the request, checks the credentials, applies faults and answers.
func (s *Server) handler() http.Handler {
	mux := s.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asSent := r.URL.RequestURI()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		path, context := r.URL.EscapedPath(), ""
		if base := s.store.dialect.base; base != "" {
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
		if s.store.dialect.contexts {
			path, context = splitContext(path)
		}
		req := Request{
			Method: r.Method, Path: asSent, Body: string(body), Header: r.Header.Clone(),
			Subject: subjectOf(path, context), ID: idOf(path),
		}
		s.mu.Lock()
		s.log = append(s.log, req)
		s.mu.Unlock()

		effect, faulty := s.hit(req)
		if faulty && effect.before != nil && effect.before(s, w, r) {
			return
		}
		if s.check != nil && !s.check(r) {
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

// contextHeader carries the context in a path to the handlers.
const contextHeader = "X-Registrytest-Context"

// splitContext splits a path such as /contexts/.name/… into context and rest.
func splitContext(path string) (rest, context string) {
	tail, ok := strings.CutPrefix(path, "/contexts/")
	if !ok {
		return path, ""
	}
	name, rest, ok := strings.Cut(tail, "/")
	if name, err := url.PathUnescape(strings.Trim(name, ":")); ok && err == nil {
		if name == "." {
			return "/" + rest, ""
		}
		return "/" + rest, ":" + name + ":"
	}
	return path, ""
}

// subjectOf returns the subject in a path.
func subjectOf(path, context string) string {
	path = strings.TrimPrefix(path, "/compatibility")
	for _, prefix := range []string{"/subjects/", "/config/", "/mode/"} {
		if tail, ok := strings.CutPrefix(path, prefix); ok {
			name, _, _ := strings.Cut(tail, "/")
			if name, err := url.PathUnescape(name); err == nil {
				return context + name
			}
		}
	}
	return ""
}

// idOf returns the schema id in a path, or -1 if there is none.
func idOf(path string) int {
	if tail, ok := strings.CutPrefix(path, "/schemas/ids/"); ok {
		name, _, _ := strings.Cut(tail, "/")
		if id, err := strconv.Atoi(name); err == nil {
			return id
		}
	}
	return -1
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func answerProblem(w http.ResponseWriter, p *problem) {
	switch {
	case p.status == http.StatusNoContent:
		w.WriteHeader(p.status)
		return
	case p.code == 0: // not an answer of the API
		http.Error(w, strconv.Itoa(p.status)+": "+http.StatusText(p.status), p.status)
		return
	}
	answerJSON(w, p.status, map[string]any{"error_code": p.code, "message": p.message})
}

// routes adds the routes of the REST API.
func (s *Server) routes() *http.ServeMux {
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
	st := s.store
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
		s.keys.routes(route)
	}
	if st.dialect.associations {
		route("GET /associations/resources/{cluster}/{topic}", s.getAssociations)
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

// name returns the subject of a request, including its context.
func name(r *http.Request) string {
	n := r.PathValue("subject")
	if contextOf(n) == "" && n != "" {
		return r.Header.Get(contextHeader) + n
	}
	return n
}

// is reads a boolean parameter.
func is(r *http.Request, param string) bool { return r.URL.Query().Get(param) == "true" }

func readPosted(r *http.Request) (posted, error) {
	var p posted
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		return p, &problem{http.StatusBadRequest, http.StatusBadRequest, "Unable to process JSON: " + err.Error()}
	}
	return p, nil
}

// number reads the version in a path. -1 means the latest version, and 0 means
// no version.
func number(r *http.Request) (int, error) {
	v := r.PathValue("version")
	if v == "" {
		return 0, nil
	}
	if v == "latest" || v == "-1" {
		return -1, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, &problem{http.StatusUnprocessableEntity, 42202, fmt.Sprintf("The specified version '%s' is not a valid version id. "+
			"Allowed values are between [1, 2^31-1] and the string \"latest\"", v)}
	}
	return n, nil
}

// described is a version in the form of the API.
type described struct {
	Subject    string          `json:"subject,omitempty"`
	Version    int             `json:"version,omitempty"`
	ID         int             `json:"id,omitempty"`
	GUID       string          `json:"guid,omitempty"`
	References []reference     `json:"references,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	RuleSet    json.RawMessage `json:"ruleSet,omitempty"`
	Schema     string          `json:"schema,omitempty"`
}

func describe(subject string, v *version) described {
	sc := v.schema
	return described{subject, v.number, sc.id, guidText(sc.guid), sc.refs, sc.metadata, sc.rules, sc.text}
}

// guidText returns the text of a GUID, or "" if the dialect has no GUIDs.
func guidText(g uuid.UUID) string {
	if g == uuid.Nil {
		return ""
	}
	return g.String()
}

func (s *store) postVersion(r *http.Request) (any, error) {
	p, err := readPosted(r)
	if err != nil {
		return nil, err
	}
	v, sc, err := s.register(name(r), p, true)
	if err != nil {
		return nil, err
	}
	if !s.dialect.tellsAll {
		return map[string]int{"id": sc.id}, nil
	}
	return described{Version: v.number, ID: sc.id, GUID: sc.guid.String(), Schema: sc.text, References: sc.refs, Metadata: sc.metadata, RuleSet: sc.rules}, nil
}

func (s *store) postLookup(r *http.Request) (any, error) {
	p, err := readPosted(r)
	if err != nil {
		return nil, err
	}
	v, err := s.lookup(name(r), p, is(r, "deleted"))
	if err != nil {
		return nil, err
	}
	return describe(plain(name(r)), v), nil
}

func (s *store) postCompatibility(r *http.Request) (any, error) {
	p, err := readPosted(r)
	if err != nil {
		return nil, err
	}
	n, err := number(r)
	if err != nil {
		return nil, err
	}
	msgs, err := s.compatible(name(r), n, p)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"is_compatible": len(msgs) == 0}
	if is(r, "verbose") && s.dialect.findings {
		answer["messages"] = append([]string{}, msgs...)
	}
	return answer, nil
}

// idContext returns the context for the id in a request.
func (s *store) idContext(r *http.Request) string {
	if c := s.dialect.contextOf(r.URL.Query().Get("subject")); c != "" {
		return c
	}
	return r.Header.Get(contextHeader)
}

// byID finds the schema of the id in a request.
func (s *store) byID(r *http.Request) (*schema, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil, &problem{http.StatusNotFound, http.StatusNotFound, "HTTP 404 Not Found"}
	}
	sc := s.namespace(s.idContext(r)).schemas[id]
	if sc == nil {
		return nil, &problem{http.StatusNotFound, 40403, fmt.Sprintf("Schema %d not found", id)}
	}
	return sc, nil
}

// usesOf finds every live version whose schema has the id in a request.
func (s *store) usesOf(r *http.Request) ([]described, error) {
	sc, err := s.byID(r)
	if err != nil {
		return nil, err
	}
	n := s.namespace(s.idContext(r))
	var uses []described
	for _, name := range slices.Sorted(maps.Keys(n.subjects)) {
		for _, v := range n.subjects[name].live(false) {
			if v.schema == sc {
				uses = append(uses, describe(name, v))
			}
		}
	}
	return uses, nil
}

func (s *store) getID(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc, err := s.byID(r)
	if err != nil {
		return nil, err
	}
	return described{GUID: guidText(sc.guid), References: sc.refs, Metadata: sc.metadata, RuleSet: sc.rules, Schema: sc.text}, nil
}

func (s *store) getIDText(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc, err := s.byID(r)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(sc.text), nil
}

func (s *store) getIDVersions(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uses, err := s.usesOf(r)
	pairs := make([]map[string]any, len(uses))
	for i, u := range uses {
		pairs[i] = map[string]any{"subject": u.Subject, "version": u.Version}
	}
	return pairs, err
}

func (s *store) getIDSubjects(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uses, err := s.usesOf(r)
	names := []string{}
	for _, u := range uses {
		if !slices.Contains(names, u.Subject) {
			names = append(names, u.Subject)
		}
	}
	return names, err
}

func (s *store) getGUID(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, context := range slices.Sorted(maps.Keys(s.contexts)) {
		for _, sc := range s.contexts[context].schemas {
			if sc.guid.String() == r.PathValue("guid") {
				return described{GUID: sc.guid.String(), References: sc.refs, Metadata: sc.metadata, RuleSet: sc.rules, Schema: sc.text}, nil
			}
		}
	}
	return nil, noSchema()
}

func (s *store) getSubjects(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subjectNames(r), nil
}

// getSchemas lists the versions of all subjects.
func (s *store) getSchemas(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []described{}
	for _, name := range s.subjectNames(r) {
		versions := s.subject(name).live(is(r, "deleted") || is(r, "deletedOnly"))
		if is(r, "latestOnly") && len(versions) > 1 && s.dialect.lists != listsNameless {
			versions = versions[len(versions)-1:]
		}
		for _, v := range versions {
			if is(r, "deletedOnly") && !v.deleted {
				continue
			}
			d := describe(name, v)
			if s.dialect.lists == listsNameless {
				d = described{References: d.References, Schema: d.Schema}
			}
			all = append(all, d)
		}
	}
	if s.dialect.lists == listsWhole {
		return all, nil
	}
	const maxPage = 1000
	offset, limit := 0, maxPage
	if n, err := strconv.Atoi(r.URL.Query().Get("offset")); err == nil && n > 0 {
		offset = min(n, len(all))
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && n >= 0 {
		limit = min(n, maxPage)
	}
	return all[offset:min(offset+limit, len(all))], nil
}

// subjectNames lists the subjects that a request asks for.
func (s *store) subjectNames(r *http.Request) []string {
	prefix := r.URL.Query().Get("subjectPrefix")
	if !s.dialect.prefixes {
		prefix = ""
	}
	every := strings.HasPrefix(prefix, ":*:")
	prefix = strings.TrimPrefix(prefix, ":*:")
	names := []string{}
	for context, n := range s.contexts {
		if !every && context != r.Header.Get(contextHeader) && (context == "" || !strings.HasPrefix(prefix, context)) {
			continue
		}
		for name, sub := range n.subjects {
			gone := len(sub.live(false)) == 0
			if len(sub.versions) == 0 || gone && !is(r, "deleted") && !is(r, "deletedOnly") || !gone && is(r, "deletedOnly") {
				continue
			}
			if strings.HasPrefix(name, prefix) || every && strings.HasPrefix(strings.TrimPrefix(name, context), prefix) {
				names = append(names, name)
			}
		}
	}
	sort.Strings(names)
	return names
}

func (s *store) getContexts(*http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{"."}
	for context := range s.contexts {
		if context != "" {
			names = append(names, strings.Trim(context, ":"))
		}
	}
	sort.Strings(names)
	return names, nil
}

func (s *store) getVersions(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers := []int{}
	for _, v := range s.subject(name(r)).live(is(r, "deleted") || is(r, "deletedOnly")) {
		if v.deleted || !is(r, "deletedOnly") {
			numbers = append(numbers, v.number)
		}
	}
	if len(numbers) == 0 {
		return nil, noSubject(name(r))
	}
	return numbers, nil
}

func (s *store) getVersion(r *http.Request) (any, error) {
	n, err := number(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, p := s.version(name(r), n, is(r, "deleted"))
	if p != nil {
		return nil, p
	}
	return describe(plain(name(r)), v), nil
}

func (s *store) getVersionText(r *http.Request) (any, error) {
	v, err := s.getVersion(r)
	if err != nil {
		return nil, err
	}
	d, _ := v.(described)
	return json.RawMessage(d.Schema), nil
}

func (s *store) getByMetadata(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	vs := s.subject(name(r)).live(is(r, "deleted"))
	if len(vs) == 0 {
		return nil, noSubject(name(r))
	}
	query := r.URL.Query()
	for _, v := range slices.Backward(vs) {
		var m struct{ Properties map[string]string }
		if v.schema.metadata != nil {
			_ = json.Unmarshal(v.schema.metadata, &m) // stored metadata is valid JSON
		}
		match := true
		for i, key := range query["key"] {
			match = match && i < len(query["value"]) && m.Properties[key] == query["value"][i]
		}
		if match && s.dialect.contracts {
			return describe(plain(name(r)), v), nil
		}
	}
	if s.dialect.noMetadata == http.StatusNoContent {
		return nil, &problem{status: http.StatusNoContent}
	}
	return nil, noSchema()
}

// readConfig reads a body such as {"compatibility":"FULL"}. The level is nil if
// the body sets a group only. The group is nil if the body sets no group, and
// empty if the body removes the group.
func readConfig(r *http.Request) (level *compat.Level, group *string, err error) {
	var body map[string]*string
	if err = json.NewDecoder(r.Body).Decode(&body); err == nil {
		name, has := body["compatibilityGroup"]
		if group = name; has && name == nil {
			group = new(string)
		}
		text := body["compatibility"]
		if text == nil && has {
			return nil, group, nil
		}
		var l compat.Level
		if text != nil {
			l, err = compat.ParseLevel(*text)
		}
		if err == nil && text != nil {
			return &l, group, nil
		}
	}
	return nil, nil, &problem{http.StatusUnprocessableEntity, 42203, "Invalid compatibility level. Valid values are none, backward, " +
		"forward, full, backward_transitive, forward_transitive, and full_transitive"}
}
