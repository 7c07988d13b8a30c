package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/compat"
)

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

// subjectParam returns the subject of a request, including its context.
func subjectParam(r *http.Request) string {
	n := r.PathValue("subject")
	if contextOf(n) == "" && n != "" {
		return r.Header.Get(contextHeader) + n
	}
	return n
}

// boolParam reads a boolean parameter.
func boolParam(r *http.Request, param string) bool { return r.URL.Query().Get(param) == "true" }

func readPosted(r *http.Request) (posted, error) {
	var p posted
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		return p, &problem{http.StatusBadRequest, http.StatusBadRequest, "Unable to process JSON: " + err.Error()}
	}
	return p, nil
}

// versionParam reads the version in a path. -1 means the latest version, and 0
// means no version.
func versionParam(r *http.Request) (int, error) {
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
