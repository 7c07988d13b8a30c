package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/riferrei/srclient"
)

// answer is what the REST API says about a schema; each call fills a part.
type answer struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         *int        `json:"id"`
	GUID       string      `json:"guid"`
	Type       string      `json:"schemaType"`
	Schema     string      `json:"schema"`
	References []Reference `json:"references"`
	Metadata   *Metadata   `json:"metadata"`
	RuleSet    *RuleSet    `json:"ruleSet"`
}

// maxID is the largest id that the wire format holds.
const maxID = 1<<31 - 1

// id returns the schema's id, or an error when the answer has none that can be
// written before a message.
func (a *answer) id() (int, error) {
	if a.ID == nil {
		return 0, errors.New("the registry's answer has no id")
	}
	if *a.ID < 0 || *a.ID > maxID {
		return 0, fmt.Errorf("the registry's answer has the id %d, which no message can carry", *a.ID)
	}
	return *a.ID, nil
}

// guid returns the schema's GUID, zero where the registry does not know it.
func (a *answer) guid() uuid.UUID {
	g, err := uuid.Parse(a.GUID)
	if err != nil {
		return uuid.Nil
	}
	return g
}

// avro refuses schemas of other types.
func (a *answer) avro() error {
	if a.Type != "" && a.Type != "AVRO" {
		return fmt.Errorf("%w: %s", ErrNotAvro, quote(a.Type, 40))
	}
	return nil
}

// exchange is the round tripper of one call that srclient makes: it carries the
// call to the transport and keeps its answer, of which srclient drops the status
// and the newer members.
type exchange struct {
	transport *transport
	work      *work
	query     url.Values // added to srclient's
	body      []byte
	err       error
	calls     int
}

// RoundTrip carries out the first request. After registering, srclient asks for
// the schema of the id as well: that one is answered here, the client checks
// ids itself (see Client.confirm).
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	x.calls++
	body := []byte("{}")
	if x.calls == 1 {
		req := request{method: r.Method, path: r.URL.EscapedPath()}
		query := r.URL.Query()
		for k, v := range x.query {
			query[k] = v
		}
		req.query = query.Encode()
		if r.Body != nil {
			if req.body, x.err = io.ReadAll(r.Body); x.err != nil {
				return nil, x.err
			}
		}
		if x.body, x.err = x.transport.do(r.Context(), x.work, req); x.err != nil {
			return nil, x.err
		}
		if body = x.body; string(bytes.TrimSpace(body)) == "null" {
			x.err = unexpected(errors.New("null")) // srclient would panic
			return nil, x.err
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// through makes one call through a throwaway srclient: it has no contexts, and
// its own caches, semaphore and errors would be in the way. f's result is not
// looked at where the body of the answer, which is returned, says more.
func (t *transport) through(ctx context.Context, w *work, query url.Values, f func(*srclient.SchemaRegistryClient) error) ([]byte, error) {
	x := &exchange{transport: t, work: w, query: query}
	c := srclient.NewSchemaRegistryClient("http://registry",
		srclient.WithClient(&http.Client{Transport: x}),
		srclient.WithPreReqFn(func(r *http.Request) error {
			*r = *r.WithContext(ctx)
			return nil
		}))
	c.CachingEnabled(false)
	err := f(c)
	if x.err != nil {
		return nil, x.err
	}
	if err != nil {
		return nil, unexpected(err)
	}
	return x.body, nil
}

// unexpected is the error for an answer of another shape than the API's.
func unexpected(err error) error {
	return fmt.Errorf("the registry's answer has an unexpected form: %w", err)
}

// call makes a call that srclient lacks. A nil in sends no body, a nil out
// drops the answer.
func (t *transport) call(ctx context.Context, w *work, method, path string, query url.Values, in, out any) error {
	req := request{method: method, path: path, query: query.Encode()}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		req.body = body
	}
	body, err := t.do(ctx, w, req)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return unexpected(err)
	}
	return nil
}

// asAnswer reads the body of a call through srclient.
func asAnswer(body []byte, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	a := new(answer)
	if err := json.Unmarshal(body, a); err != nil {
		return nil, unexpected(err)
	}
	return a, a.avro()
}

// schemaByID makes the call; subject only names the context that the id counts in.
func (t *transport) schemaByID(ctx context.Context, w *work, subject string, id int) (*answer, error) {
	var query url.Values
	if contextOf(subject) != "" {
		query = url.Values{"subject": {subject}}
	}
	a, err := asAnswer(t.through(ctx, w, query, func(c *srclient.SchemaRegistryClient) error {
		_, err := c.GetSchema(id)
		return err
	}))
	if err == nil && a.ID != nil && *a.ID != id {
		return nil, fmt.Errorf("asked for id %d, the registry answered with id %d", id, *a.ID)
	}
	if err == nil && a.Schema == "" {
		return nil, unexpected(errors.New("no schema"))
	}
	return a, err
}

func (t *transport) schemaByGUID(ctx context.Context, w *work, guid uuid.UUID) (*answer, error) {
	a := new(answer)
	if err := t.call(ctx, w, http.MethodGet, "/schemas/guids/"+guid.String(), nil, nil, a); err != nil {
		return nil, err
	}
	if g := a.guid(); g != uuid.Nil && g != guid {
		return nil, fmt.Errorf("asked for GUID %s, the registry answered with %s", guid, g)
	}
	if a.Schema == "" {
		return nil, unexpected(errors.New("no schema"))
	}
	return a, a.avro()
}

// version makes the call; version 0 is the latest.
func (t *transport) version(ctx context.Context, w *work, subject string, version int, query url.Values) (*answer, error) {
	a, err := asAnswer(t.through(ctx, w, query, func(c *srclient.SchemaRegistryClient) error {
		if version == 0 {
			_, err := c.GetLatestSchema(subject)
			return err
		}
		_, err := c.GetSchemaByVersion(subject, version)
		return err
	}))
	if err == nil && version != 0 && a.Version != version {
		return nil, fmt.Errorf("asked for version %d, the registry answered with version %d", version, a.Version)
	}
	return a, err
}

// register makes the call. srclient knows neither metadata nor rules, and it
// would turn line breaks into spaces, but what is registered is the text as it
// was written.
func (t *transport) register(ctx context.Context, w *work, subject string, s Schema) (*answer, error) {
	query := schemaQuery(s)
	if plain(s) {
		return asAnswer(t.through(ctx, w, query, func(c *srclient.SchemaRegistryClient) error {
			_, err := c.CreateSchema(subject, s.Text, srclient.Avro, references(s)...)
			return err
		}))
	}
	a := new(answer)
	return a, t.call(ctx, w, http.MethodPost, subjectPath(subject)+"/versions", query, schemaBody(s), a)
}

// lookup makes the call.
func (t *transport) lookup(ctx context.Context, w *work, subject string, s Schema) (*answer, error) {
	query := schemaQuery(s)
	if plain(s) {
		return asAnswer(t.through(ctx, w, query, func(c *srclient.SchemaRegistryClient) error {
			_, err := c.LookupSchema(subject, s.Text, srclient.Avro, references(s)...)
			return err
		}))
	}
	a := new(answer)
	return a, t.call(ctx, w, http.MethodPost, subjectPath(subject), query, schemaBody(s), a)
}

func subjectPath(subject string) string { return "/subjects/" + url.PathEscape(subject) }

// plain reports whether srclient can send s: it knows neither metadata nor
// rules, and it turns line breaks into spaces.
func plain(s Schema) bool {
	return s.Metadata == nil && s.RuleSet == nil && !strings.ContainsAny(s.Text, "\n")
}

func schemaQuery(s Schema) url.Values {
	if !s.Normalize {
		return nil
	}
	return url.Values{"normalize": {"true"}}
}

func references(s Schema) []srclient.Reference {
	refs := make([]srclient.Reference, len(s.References))
	for i, r := range s.References {
		refs[i] = srclient.Reference(r)
	}
	return refs
}

// schemaBody is the JSON form of s in a request.
func schemaBody(s Schema) any {
	return struct {
		Schema     string      `json:"schema"`
		References []Reference `json:"references,omitempty"`
		Metadata   *Metadata   `json:"metadata,omitempty"`
		RuleSet    *RuleSet    `json:"ruleSet,omitempty"`
	}{s.Text, s.References, s.Metadata, s.RuleSet}
}

// checkSubject refuses names that no registry can be asked for.
func checkSubject(subject string) error {
	switch subject {
	case "":
		return errors.New("the subject is empty")
	case ".", "..":
		return fmt.Errorf("%q is no subject: it cannot stand in a URL", subject)
	}
	return nil
}

// contextOf returns the context that a subject's name begins with, such as
// ":.test:", and "" for the default one.
func contextOf(subject string) string {
	if !strings.HasPrefix(subject, ":.") {
		return ""
	}
	end := strings.IndexByte(subject[1:], ':')
	if end < 0 || subject[:end+2] == ":.:" {
		return ""
	}
	return subject[:end+2]
}
