package registrytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
)

func (s *store) postVersion(r *http.Request) (any, error) {
	p, err := readPosted(r)
	if err != nil {
		return nil, err
	}
	v, sc, err := s.register(subjectParam(r), p, true)
	if err != nil {
		return nil, err
	}
	if !s.dialect.returnsVersion {
		return map[string]int{"id": sc.id}, nil
	}
	return described{Version: v.number, ID: sc.id, GUID: sc.guid.String(), Schema: sc.text, References: sc.refs, Metadata: sc.metadata, RuleSet: sc.rules}, nil
}

func (s *store) postLookup(r *http.Request) (any, error) {
	p, err := readPosted(r)
	if err != nil {
		return nil, err
	}
	name, v, err := s.lookup(subjectParam(r), p, boolParam(r, "deleted"))
	if err != nil {
		return nil, err
	}
	return describe(plainName(name), v), nil
}

func (s *store) postCompatibility(r *http.Request) (any, error) {
	p, err := readPosted(r)
	if err != nil {
		return nil, err
	}
	n, err := versionParam(r)
	if err != nil {
		return nil, err
	}
	msgs, err := s.compatible(subjectParam(r), n, p)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"is_compatible": len(msgs) == 0}
	if boolParam(r, "verbose") && s.dialect.findings {
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
		for _, v := range n.subjects[name].versionsFor(false) {
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
		versions := s.subject(name).versionsFor(boolParam(r, "deleted") || boolParam(r, "deletedOnly"))
		if boolParam(r, "latestOnly") && len(versions) > 1 && s.dialect.lists != listsNameless {
			versions = versions[len(versions)-1:]
		}
		for _, v := range versions {
			if boolParam(r, "deletedOnly") && !v.deleted {
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
			gone := len(sub.versionsFor(false)) == 0
			if len(sub.versions) == 0 || gone && !boolParam(r, "deleted") && !boolParam(r, "deletedOnly") || !gone && boolParam(r, "deletedOnly") {
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
	for _, v := range s.subject(subjectParam(r)).versionsFor(boolParam(r, "deleted") || boolParam(r, "deletedOnly")) {
		if v.deleted || !boolParam(r, "deletedOnly") {
			numbers = append(numbers, v.number)
		}
	}
	if len(numbers) == 0 {
		return nil, noSubject(subjectParam(r))
	}
	return numbers, nil
}

func (s *store) getVersion(r *http.Request) (any, error) {
	n, err := versionParam(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, p := s.version(subjectParam(r), n, boolParam(r, "deleted"))
	if p == nil {
		return describe(plainName(subjectParam(r)), v), nil
	}
	for _, name := range s.everywhere(subjectParam(r))[1:] {
		if v, p := s.version(name, n, boolParam(r, "deleted")); p == nil {
			return describe(name, v), nil
		}
	}
	return nil, p
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
	vs := s.subject(subjectParam(r)).versionsFor(boolParam(r, "deleted"))
	if len(vs) == 0 {
		return nil, noSubject(subjectParam(r))
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
			return describe(plainName(subjectParam(r)), v), nil
		}
	}
	if s.dialect.noMetadata == http.StatusNoContent {
		return nil, &problem{status: http.StatusNoContent}
	}
	return nil, noSchema()
}
