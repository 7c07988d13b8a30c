package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/avroline/avroline/registry/compat"
)

func (s *store) getConfig(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := subjectParam(r)
	l := s.global
	if n != "" {
		sub := s.namespace(s.dialect.contextOf(n)).subjects[plainName(n)]
		none := sub == nil || sub.level == nil && len(sub.versions) == 0
		if none && !s.dialect.levelOfNone {
			return nil, noSubject(n)
		}
		if (sub == nil || sub.level == nil) && !boolParam(r, "defaultToGlobal") {
			return nil, &problem{http.StatusNotFound, 40408, fmt.Sprintf("Subject '%s' does not have subject-level compatibility configured", n)}
		}
		l = s.effectiveLevel(n)
	}
	answer := map[string]any{"compatibilityLevel": l}
	if group := s.group(n); group != "" {
		answer["compatibilityGroup"] = group
	}
	return answer, nil
}

// putConfig sets the members of the body and leaves the other members. A null
// group removes the group.
func (s *store) putConfig(r *http.Request) (any, error) {
	l, group, err := readConfig(r)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{}
	if l != nil {
		s.setLevel(subjectParam(r), l)
		answer["compatibility"] = *l
	}
	if group != nil && s.dialect.contracts {
		s.setGroup(subjectParam(r), *group)
		answer["compatibilityGroup"] = *group
	}
	return answer, nil
}

func (s *store) deleteConfig(r *http.Request) (any, error) {
	n := subjectParam(r)
	s.mu.Lock()
	old := s.global
	if n != "" {
		sub := s.namespace(s.dialect.contextOf(n)).subjects[plainName(n)]
		if sub == nil || sub.level == nil {
			s.mu.Unlock()
			return nil, noSubject(n)
		}
		old = *sub.level
	}
	s.mu.Unlock()
	s.setLevel(n, nil)
	s.setGroup(n, "")
	return map[string]compat.Level{"compatibilityLevel": old}, nil
}

func (s *store) getMode(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := subjectParam(r)
	mode := s.mode
	if n != "" {
		sub := s.namespace(s.dialect.contextOf(n)).subjects[plainName(n)]
		if (sub == nil || sub.mode == "") && !boolParam(r, "defaultToGlobal") {
			return nil, &problem{http.StatusNotFound, 40409, fmt.Sprintf("Subject '%s' does not have subject-level mode configured", n)}
		}
		mode = s.effectiveMode(n)
	}
	return map[string]string{"mode": mode}, nil
}

func (s *store) putMode(r *http.Request) (any, error) {
	var body struct {
		Mode string `json:"mode"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil ||
		!slices.Contains([]string{modeReadWrite, modeReadOnly, modeOverride, modeImport}, body.Mode) {
		return nil, &problem{http.StatusUnprocessableEntity, 42204, "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := subjectParam(r)
	if body.Mode == modeImport && !boolParam(r, "force") && s.subject(n) != nil {
		return nil, &problem{http.StatusUnprocessableEntity, 42205, "Cannot import since found existing subjects"}
	}
	if n == "" {
		s.mode = body.Mode
	} else {
		s.makeSubject(n).mode = body.Mode
	}
	return map[string]string{"mode": body.Mode}, nil
}

func (s *store) deleteMode(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := subjectParam(r)
	if n == "" {
		old := s.mode
		s.mode = modeReadWrite
		return map[string]string{"mode": old}, nil
	}
	sub := s.namespace(s.dialect.contextOf(n)).subjects[plainName(n)]
	if sub == nil || sub.mode == "" {
		return nil, noSubject(n)
	}
	old := sub.mode
	sub.mode = ""
	return map[string]string{"mode": old}, nil
}

// deleteSubject deletes a subject softly. If the subject is softly deleted
// already, deleteSubject can delete the subject permanently.
func (s *store) deleteSubject(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := subjectParam(r)
	sub := s.subject(n)
	if sub == nil {
		return nil, noSubject(n)
	}
	live := sub.versionsFor(false)
	permanent := boolParam(r, "permanent")
	switch {
	case permanent && len(live) > 0:
		return nil, &problem{http.StatusNotFound, 40405, fmt.Sprintf("Subject '%s' was not deleted first before being permanently deleted", n)}
	case !permanent && len(live) == 0:
		return nil, &problem{http.StatusNotFound, 40404, fmt.Sprintf("Subject '%s' was soft deleted. Set permanent=true to delete permanently", n)}
	}
	numbers := []int{}
	for _, v := range sub.versions {
		if p := s.referenced(n, v); p != nil {
			return nil, p
		}
		if permanent || !v.deleted {
			numbers = append(numbers, v.number)
		}
	}
	for _, v := range sub.versions {
		v.deleted = true
	}
	if permanent {
		sub.versions = nil
		s.dropUnused(s.dialect.contextOf(n))
	}
	sub.level, sub.mode, sub.group = nil, "", ""
	return numbers, nil
}

// deleteVersion does the same as deleteSubject for a single version.
func (s *store) deleteVersion(r *http.Request) (any, error) {
	number, err := versionParam(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := subjectParam(r)
	sub := s.subject(n)
	if sub == nil {
		return nil, noSubject(n)
	}
	v, p := s.version(n, number, number != -1)
	if p != nil {
		return nil, p
	}
	permanent := boolParam(r, "permanent")
	switch {
	case permanent && !v.deleted:
		return nil, &problem{http.StatusNotFound, 40407, fmt.Sprintf("Subject '%s' Version %d was not deleted first before being permanently deleted", n, v.number)}
	case !permanent && v.deleted:
		return nil, &problem{http.StatusNotFound, 40406, fmt.Sprintf("Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently", n, v.number)}
	}
	if p := s.referenced(n, v); p != nil {
		return nil, p
	}
	v.deleted = true
	if permanent {
		sub.versions = slices.DeleteFunc(sub.versions, func(w *version) bool { return w == v })
		s.dropUnused(s.dialect.contextOf(n))
	}
	return v.number, nil
}

// referencing calls f with the schema of every live version that refers to v.
func (s *store) referencing(name string, v *version, f func(*schema)) {
	for context, n := range s.contexts {
		for _, sub := range n.subjects {
			for _, user := range sub.versionsFor(false) {
				for _, ref := range user.schema.refs {
					of := ref.Subject
					if s.dialect.contextOf(of) == "" {
						of = context + plainName(of)
					}
					if plainName(of) == plainName(name) && ref.Version == v.number {
						f(user.schema)
					}
				}
			}
		}
	}
}

func (s *store) referenced(name string, v *version) (p *problem) {
	s.referencing(name, v, func(*schema) {
		p = &problem{http.StatusUnprocessableEntity, 42206, fmt.Sprintf("One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s,version=%d}.", name, v.number)}
	})
	return p
}

func (s *store) getReferencedBy(r *http.Request) (any, error) {
	number, err := versionParam(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, p := s.version(subjectParam(r), number, false)
	if p != nil {
		return nil, p
	}
	ids := []int{}
	s.referencing(subjectParam(r), v, func(sc *schema) {
		if !slices.Contains(ids, sc.id) {
			ids = append(ids, sc.id)
		}
	})
	slices.Sort(ids)
	return ids, nil
}

// dropUnused drops the schemas of a context that no version uses any more.
func (s *store) dropUnused(context string) {
	if s.dialect.keepsIDs {
		return
	}
	n := s.namespace(context)
	for id, sc := range n.schemas {
		used := false
		for _, sub := range n.subjects {
			used = used || slices.ContainsFunc(sub.versions, func(v *version) bool { return v.schema == sc })
		}
		if !used {
			delete(n.schemas, id)
		}
	}
}
