package registrytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestTable holds the table of dialects in docs/registry.md against the
// dialects. Each row has a probe. The probe makes requests and returns the text
// of the cell.
func TestTable(t *testing.T) {
	t.Parallel()
	header, rows := tableOf(t, "../../docs/registry.md", "## Where registries differ")
	for _, row := range rows {
		name := row[0]
		ask := probes[name]
		if ask == nil {
			t.Errorf("the row %q has no probe", name)
			continue
		}
		for i, d := range Dialects() {
			if header[i+1] != d.String() {
				t.Fatalf("column %d is %q, want %q", i+1, header[i+1], d)
			}
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				t.Parallel()
				if got := ask(&client{t, Start(t, WithDialect(d)).URL}); got != row[i+1] {
					t.Errorf("the dialect says %q, the table %q", got, row[i+1])
				}
			})
		}
	}
	if len(rows) != len(probes) {
		t.Errorf("%d rows and %d probes", len(rows), len(probes))
	}
}

// tableOf returns the cells of the first table after a heading.
func tableOf(t *testing.T, file, heading string) (header []string, rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := bytes.Cut(text, []byte(heading+"\n"))
	if !ok {
		t.Fatalf("%s has no %q", file, heading)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			if header != nil {
				return header, rows
			}
		case header == nil:
			header = cells
		case !strings.HasPrefix(line, "|-"):
			rows = append(rows, cells)
		}
	}
	return header, rows
}

// client makes requests to one server.
type client struct {
	t   *testing.T
	url string
}

// reply is an answer. The fields of an error or of a version are read from the
// body, if the body is JSON.
type reply struct {
	status int
	text   string
	json   bool

	Code       int      `json:"error_code"`
	Message    string   `json:"message"`
	Messages   []string `json:"messages"`
	Compatible bool     `json:"is_compatible"`
	Level      string   `json:"compatibilityLevel"`
	Mode       string   `json:"mode"`
	ID         int      `json:"id"`
	Version    int      `json:"version"`
	GUID       string   `json:"guid"`
	Schema     string   `json:"schema"`
	Metadata   any      `json:"metadata"`
	RuleSet    any      `json:"ruleSet"`
}

func (a *client) request(method, path, body string) reply {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	out := reply{status: resp.StatusCode, text: strings.TrimSpace(string(data)), json: json.Valid(data)}
	_ = json.Unmarshal(data, &out) // a list is no object
	return out
}

func (a *client) get(path string) reply { return a.request(http.MethodGet, path, "") }

// schema is the body of a request. more are members beside the schema.
func schemaBody(text string, more ...string) string {
	return `{"schema":` + strconv.Quote(text) + strings.Join(more, "") + `}`
}

func (a *client) register(subject, text string, more ...string) reply {
	a.t.Helper()
	return a.request(http.MethodPost, "/subjects/"+subject+"/versions", schemaBody(text, more...))
}

// check checks a schema against "/latest", or against "" for all versions.
func (a *client) check(subject, against, text string, more ...string) reply {
	a.t.Helper()
	return a.request(http.MethodPost, "/compatibility/subjects/"+subject+"/versions"+against+"?verbose=true", schemaBody(text, more...))
}

func (a *client) level(level string) {
	a.t.Helper()
	if r := a.request(http.MethodPut, "/config", `{"compatibility":"`+level+`"}`); r.status != http.StatusOK {
		a.t.Fatal(r)
	}
}

// errorText returns the text of an error: its status and the registry's code.
func (r reply) errorText() string {
	switch {
	case r.status == http.StatusNoContent:
		return "204"
	case r.Code == 0:
		return fmt.Sprintf("plain %d", r.status)
	case r.Code == r.status:
		return strconv.Itoa(r.status)
	}
	return fmt.Sprintf("%d, %d", r.status, r.Code)
}

// orFailure returns yes after a success, and the failure otherwise.
func (r reply) orFailure(yes string) string {
	if r.status == http.StatusOK {
		return yes
	}
	return r.errorText()
}

func choose(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

const (
	none     = "none"
	empty    = `{"type":"record","name":"R","fields":[]}`
	required = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	optional = `{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}`
	withDoc  = `{"type":"record","name":"R","doc":"d","fields":[]}`
	whole    = `{"type":"record","name":"O","fields":[{"name":"r","type":{"type":"record","name":"R","fields":[]}}]}`
	inParts  = `{"type":"record","name":"O","fields":[{"name":"r","type":"R"}]}`
	toR      = `,"references":[{"name":"R","subject":"r","version":1}]`
	owned    = `,"metadata":{"properties":{"owner":"me"}},"ruleSet":{"domainRules":[{"name":"x","kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"true"}]}`
)

// probes has the probe of each row.
var probes = map[string]func(*client) string{
	"base URL": func(a *client) string {
		_, path, ok := strings.Cut(strings.TrimPrefix(a.url, "http://"), "/")
		return choose(ok, "…/"+path, "the host")
	},
	"default level": func(a *client) string { return a.get("/config").Level },
	"registering answers": func(a *client) string {
		return choose(a.register("r", empty).Schema != "", "everything", "the id")
	},
	"incompatible": func(a *client) string {
		a.level("BACKWARD")
		a.register("r", empty)
		return a.register("r", required).errorText()
	},
	"findings": func(a *client) string {
		a.level("BACKWARD")
		a.register("r", empty)
		refused, checked := a.register("r", required), a.check("r", "/latest", required)
		if strings.Contains(refused.Message, "READER_FIELD_MISSING") && len(checked.Messages) > 0 {
			return "in the refusal and with `verbose=true`"
		}
		return choose(!strings.Contains(refused.Message, "READER_FIELD_MISSING") && len(checked.Messages) == 0, none, "somewhere")
	},
	"check of a subject without versions": func(a *client) string {
		return a.check("new", "/latest", empty).orFailure("compatible")
	},
	"check against all versions at once": func(a *client) string {
		a.register("r", empty)
		return a.check("r", "", empty).orFailure("yes")
	},
	"check against the latest version": func(a *client) string {
		a.level("BACKWARD")
		a.register("r", empty)
		a.register("r", optional)
		a.level("BACKWARD_TRANSITIVE")
		// The field lacks a default. Only the first version lacks the field.
		return choose(a.check("r", "/latest", required).Compatible, "looks at the latest version", "looks at all versions at a transitive level")
	},
	"check with references": func(a *client) string {
		a.register("r", empty)
		a.register("o", inParts, toR)
		return strings.TrimSuffix(a.check("o", "/latest", inParts, toR).orFailure("yes"), ", 42201")
	},
	"level of an unknown subject": func(a *client) string {
		return a.get("/config/new?defaultToGlobal=true").orFailure("the global one")
	},
	"look-up of an invalid schema": func(a *client) string {
		a.register("r", empty)
		return a.request(http.MethodPost, "/subjects/r", schemaBody(`{"type":"nonsense"}`)).errorText()
	},
	"look-up on a deleted subject": func(a *client) string {
		a.register("r", empty)
		a.request(http.MethodDelete, "/subjects/r", "")
		return a.request(http.MethodPost, "/subjects/r", schemaBody(empty)).errorText()
	},
	"whole text on a subject registered with references": func(a *client) string {
		a.register("r", empty)
		parts := a.register("o", inParts, toR)
		again := a.register("o", whole)
		return choose(again.ID == parts.ID, "the same id", "another version")
	},
	"only doc, aliases or an enum's default changed": func(a *client) string {
		first := a.register("r", empty)
		return choose(a.register("r", withDoc).ID == first.ID, "the old id, no new version", "a new version")
	},
	"ids after a permanent deletion": func(a *client) string {
		id := a.register("r", empty).ID
		a.request(http.MethodDelete, "/subjects/r", "")
		a.request(http.MethodDelete, "/subjects/r?permanent=true", "")
		return a.get("/schemas/ids/" + strconv.Itoa(id)).orFailure("still readable")
	},
	"GUIDs": func(a *client) string {
		a.register("r", empty)
		guid := a.get("/subjects/r/versions/1").GUID
		return choose(guid != "" && a.get("/schemas/guids/"+guid).status == http.StatusOK, "yes", none)
	},
	"contexts": func(a *client) string {
		a.register("r", required)
		a.register(":.c:r", empty)
		return choose(a.get("/contexts").status == http.StatusOK && a.get("/contexts/.c/subjects/r/versions/1").Schema != "", "yes", none)
	},
	"a subject of another context only": func(a *client) string {
		a.register(":.c:r", empty)
		version, lookup := a.get("/subjects/r/versions/1"), a.request(http.MethodPost, "/subjects/r", schemaBody(empty))
		if version.status != http.StatusOK && lookup.status != http.StatusOK {
			return "not found"
		}
		return choose(strings.Contains(version.text, ":.c:r") && strings.Contains(lookup.text, ":.c:r"), "found without its context", "other")
	},
	"metadata, rules": func(a *client) string {
		a.register("r", empty, owned)
		first := a.get("/subjects/r/versions/1")
		a.register("r", optional)
		second := a.get("/subjects/r/versions/2")
		kept := func(r reply) bool { return r.Metadata != nil && r.RuleSet != nil }
		return choose(kept(first) && kept(second), "kept, and carried to the next version", choose(kept(first), "kept", "dropped silently"))
	},
	"no version with the metadata": func(a *client) string {
		a.register("r", empty)
		return a.get("/subjects/r/metadata?key=owner&value=me").orFailure("a version")
	},
	"modes": func(a *client) string {
		if a.request(http.MethodPut, "/mode", `{"mode":"READONLY"}`).status != http.StatusOK {
			return a.get("/mode").Mode + ", cannot be set"
		}
		return choose(a.register("r", empty).status == http.StatusOK, "stored only", "enforced")
	},
	"subject prefix in lists": func(a *client) string {
		a.register("r", empty)
		return choose(a.get("/subjects?subjectPrefix=x").text == "[]", "yes", "ignored")
	},
	"list of all latest versions": func(a *client) string {
		a.register("r", empty)
		a.register("s", empty)
		list := a.get("/schemas?latestOnly=true&limit=1")
		switch {
		case list.status != http.StatusOK:
			return choose(list.Code == 0 || list.Code == list.status, "none", list.errorText())
		case !strings.Contains(list.text, `"subject"`):
			return "does not name the subjects"
		}
		return choose(strings.Count(list.text, `"subject"`) == 1, "in pages of at most 1,000", "as a whole")
	},
	"reference to version 0": func(a *client) string {
		a.register("r", empty)
		return strconv.Itoa(a.register("o", inParts, strings.Replace(toR, `1}`, `0}`, 1)).status)
	},
	"DEK registry": func(a *client) string {
		return choose(a.get("/dek-registry/v1/keks").status == http.StatusOK, "yes", none)
	},
	"associations": func(a *client) string {
		return choose(a.get("/associations/resources/-/t?resourceType=topic&associationType=value").status == http.StatusOK, "yes", none)
	},
	"plain 404 of an unknown path": func(a *client) string {
		return choose(a.get("/nowhere").json, "JSON", "text")
	},
}
