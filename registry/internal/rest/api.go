package rest

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

	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
)

// Answer is the REST API's JSON about a schema. Each call fills some fields.
type Answer struct {
	Subject    string               `json:"subject"`
	Version    int                  `json:"version"`
	ID         *int                 `json:"id"`
	GUID       string               `json:"guid"`
	Type       string               `json:"schemaType"`
	Schema     string               `json:"schema"`
	References []contract.Reference `json:"references"`
	Metadata   *contract.Metadata   `json:"metadata"`
	RuleSet    *contract.RuleSet    `json:"ruleSet"`
}

// MaxID is the largest id that the wire format holds.
const MaxID = 1<<31 - 1

// SchemaID returns the schema's id. The result is an error if the answer has no
// id, or if the wire format cannot hold the id.
func (a *Answer) SchemaID() (int, error) {
	if a.ID == nil {
		return 0, errors.New("the registry's answer has no id")
	}
	if *a.ID < 0 || *a.ID > MaxID {
		return 0, fmt.Errorf("the registry's answer has the id %d, which no message can carry", *a.ID)
	}
	return *a.ID, nil
}

// SchemaGUID returns the schema's GUID, or zero if the registry does not know
// GUIDs.
func (a *Answer) SchemaGUID() uuid.UUID {
	g, err := uuid.Parse(a.GUID)
	if err != nil {
		return uuid.Nil
	}
	return g
}

// CheckAvro refuses schemas of other types.
func (a *Answer) CheckAvro() error {
	if a.Type != "" && a.Type != "AVRO" {
		return fmt.Errorf("%w: %s", ErrNotAvro, Quote(a.Type, 40))
	}
	return nil
}

// Caller makes the calls of one piece of work. For each call Caller decides the
// URL path, the client (srclient or our own), and the form of a valid answer.
//
// srclient makes every call that srclient has. A srclient client takes no
// context, and its caches, its semaphore and its errors would get in the way.
// Therefore Caller makes a new srclient client for each call.
//
// Our own requests use the same transport. We make the calls that srclient
// lacks: metadata, rules, GUIDs, modes, contexts, global levels and checks
// against all versions. We also send schema texts with line breaks, because
// srclient would change the line breaks.
type Caller struct {
	Transport *Transport
	Work      *Work
	Written   Written // see request
}

// exchange is the round tripper of a single srclient call. exchange passes the
// call to the transport and keeps the body of the answer. srclient does not
// return the status, nor members that it does not know.
type exchange struct {
	Caller
	query url.Values // added to the query of srclient
	form  form
	body  []byte
	err   error
	calls int
}

// RoundTrip carries out the first request. After a registration, srclient also
// asks for the schema of the id. RoundTrip answers the second request itself,
// because the registry client checks each id itself.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	x.calls++
	body := []byte("{}")
	if x.calls == 1 {
		query := r.URL.Query()
		for k, v := range x.query {
			query[k] = v
		}
		req := Call{
			Method: r.Method, Path: r.URL.EscapedPath(), Query: query.Encode(), Form: x.form, written: x.Written,
		}
		if r.Body != nil {
			if req.body, x.err = io.ReadAll(r.Body); x.err != nil {
				return nil, x.err
			}
		}
		if x.body, x.err = x.Transport.do(r.Context(), x.Work, req); x.err != nil {
			return nil, x.err
		}
		body = x.body
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// callSrclient makes one call through srclient and returns the body of the
// answer. The body holds more than the result of f.
func (c Caller) callSrclient(ctx context.Context, form form, query url.Values, f func(*srclient.SchemaRegistryClient) error) ([]byte, error) {
	x := &exchange{Caller: c, query: query, form: form}
	client := srclient.NewSchemaRegistryClient("http://registry",
		srclient.WithClient(&http.Client{Transport: x}),
		srclient.WithPreReqFn(func(r *http.Request) error {
			*r = *r.WithContext(ctx)
			return nil
		}))
	client.CachingEnabled(false)
	err := f(client)
	if x.err != nil {
		return nil, x.err
	}
	if err != nil {
		return nil, UnexpectedForm(err)
	}
	return x.body, nil
}

// Call makes a call that srclient lacks. If in is nil, Call sends no body. If
// out is nil, Call drops the answer.
func (c Caller) Call(ctx context.Context, req Call, in, out any) error {
	req.written = c.Written
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		req.body = body
	}
	body, err := c.Transport.do(ctx, c.Work, req)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return UnexpectedForm(err)
	}
	return nil
}

// UnexpectedForm returns the error for an answer whose members have values of
// another type than the API defines.
func UnexpectedForm(err error) error {
	return fmt.Errorf("the registry's answer has an unexpected form: %w", err)
}

// asAnswer reads the body of a call through srclient.
func asAnswer(body []byte, err error) (*Answer, error) {
	if err != nil {
		return nil, err
	}
	a := new(Answer)
	if err := json.Unmarshal(body, a); err != nil {
		return nil, UnexpectedForm(err)
	}
	return a, a.CheckAvro()
}

// SchemaByID asks for the schema of an id. SchemaByID uses subject only for the
// context, because each context has ids of its own.
func (c Caller) SchemaByID(ctx context.Context, subject string, id int) (*Answer, error) {
	var query url.Values
	if ContextOf(subject) != "" {
		query = url.Values{"subject": {subject}}
	}
	a, err := asAnswer(c.callSrclient(ctx, FormSchema, query, func(c *srclient.SchemaRegistryClient) error {
		_, err := c.GetSchema(id)
		return err
	}))
	if err == nil && a.ID != nil && *a.ID != id {
		return nil, fmt.Errorf("asked for id %d, the registry answered with id %d", id, *a.ID)
	}
	return a, err
}

// SchemaByGUID asks for the schema of a GUID.
func (c Caller) SchemaByGUID(ctx context.Context, guid uuid.UUID) (*Answer, error) {
	a := new(Answer)
	req := Call{Method: http.MethodGet, Path: "/schemas/guids/" + guid.String(), Form: FormSchema}
	if err := c.Call(ctx, req, nil, a); err != nil {
		return nil, err
	}
	if g := a.SchemaGUID(); g != uuid.Nil && g != guid {
		return nil, fmt.Errorf("asked for GUID %s, the registry answered with %s", guid, g)
	}
	return a, a.CheckAvro()
}

// Version asks for one version. Version 0 is the latest.
func (c Caller) Version(ctx context.Context, subject string, version int) (*Answer, error) {
	a, err := asAnswer(c.callSrclient(ctx, FormSchema, nil, func(c *srclient.SchemaRegistryClient) error {
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

// Versions lists the versions of a subject.
func (c Caller) Versions(ctx context.Context, subject string, query url.Values) (versions []int, err error) {
	_, err = c.callSrclient(ctx, FormList, query, func(c *srclient.SchemaRegistryClient) (err error) {
		versions, err = c.GetSchemaVersions(subject)
		return err
	})
	return versions, err
}

// Subjects lists the subjects.
func (c Caller) Subjects(ctx context.Context, query url.Values) (names []string, err error) {
	_, err = c.callSrclient(ctx, FormList, query, func(c *srclient.SchemaRegistryClient) (err error) {
		names, err = c.GetSubjects()
		return err
	})
	return names, err
}

// Register stores a schema under a subject.
func (c Caller) Register(ctx context.Context, subject string, s contract.Schema) (*Answer, error) {
	return c.postSchema(ctx, SubjectPath(subject)+"/versions", s, func(c *srclient.SchemaRegistryClient) error {
		_, err := c.CreateSchema(subject, s.Text, srclient.Avro, references(s)...)
		return err
	})
}

// Lookup finds a schema under a subject.
func (c Caller) Lookup(ctx context.Context, subject string, s contract.Schema) (*Answer, error) {
	a, err := c.postSchema(ctx, SubjectPath(subject), s, func(c *srclient.SchemaRegistryClient) error {
		_, err := c.LookupSchema(subject, s.Text, srclient.Avro, references(s)...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, c.CheckContext(subject, a, ErrSchemaNotFound)
}

// postSchema posts a schema. If srclient can send the whole schema, send calls
// post, which uses srclient. Otherwise send makes a request of our own.
func (c Caller) postSchema(ctx context.Context, path string, s contract.Schema, post func(*srclient.SchemaRegistryClient) error) (*Answer, error) {
	if fitsSrclient(s) {
		return asAnswer(c.callSrclient(ctx, formID, schemaQuery(s), post))
	}
	a := new(Answer)
	req := Call{Method: http.MethodPost, Path: path, Query: schemaQuery(s).Encode(), Form: formID}
	if err := c.Call(ctx, req, schemaBody(s), a); err != nil {
		return nil, err
	}
	return a, a.CheckAvro()
}

// Level asks for the level of a subject. An empty subject asks for the global
// level.
func (c Caller) Level(ctx context.Context, subject string) (compat.Level, error) {
	var l *srclient.CompatibilityLevel
	_, err := c.callSrclient(ctx, FormLevel, nil, func(c *srclient.SchemaRegistryClient) (err error) {
		if subject == "" {
			l, err = c.GetGlobalCompatibilityLevel()
		} else {
			l, err = c.GetCompatibilityLevel(subject, true)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return compat.ParseLevel(string(*l))
}

// DeletedVersion asks for a version, also if it is softly deleted.
func (c Caller) DeletedVersion(ctx context.Context, subject string, version int) (*Answer, error) {
	a := new(Answer)
	req := Call{
		Method: "GET", Path: fmt.Sprintf("/subjects/%s/versions/%d", url.PathEscape(subject), version),
		Query: "deleted=true", Form: FormSchema,
	}
	if err := c.Call(ctx, req, nil, a); err != nil {
		return nil, err
	}
	return a, a.CheckAvro()
}

// The versions to compare with. The number of a version is possible as well.
const (
	LatestVersion = "latest"
	EveryVersion  = ""
)

// Verdict is the registry's answer to a compatibility check.
type Verdict struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages"`
}

// Verdict asks whether a schema is compatible with a version of a subject.
// against is a number, [LatestVersion] or [EveryVersion].
func (c Caller) Verdict(ctx context.Context, subject, against string, schema contract.Schema) (Verdict, error) {
	path := "/compatibility" + SubjectPath(subject) + "/versions"
	if against != EveryVersion {
		path += "/" + against
	}
	var v Verdict
	req := Call{Method: http.MethodPost, Path: path, Query: "verbose=true", Form: formVerdict}
	err := c.Call(ctx, req, schemaBody(schema), &v)
	return v, err
}

// SubjectPath returns the path of a subject.
func SubjectPath(subject string) string { return "/subjects/" + url.PathEscape(subject) }

// fitsSrclient reports whether srclient can send s. srclient does not send
// metadata and rules, and srclient turns line breaks into spaces.
func fitsSrclient(s contract.Schema) bool {
	return s.Metadata == nil && s.RuleSet == nil && !strings.ContainsAny(s.Text, "\n")
}

func schemaQuery(s contract.Schema) url.Values {
	if !s.Normalize {
		return nil
	}
	return url.Values{"normalize": {"true"}}
}

func references(s contract.Schema) []srclient.Reference {
	refs := make([]srclient.Reference, len(s.References))
	for i, r := range s.References {
		refs[i] = srclient.Reference(r)
	}
	return refs
}

// schemaBody returns the JSON form of s in a request.
func schemaBody(s contract.Schema) any {
	return struct {
		Schema     string               `json:"schema"`
		References []contract.Reference `json:"references,omitempty"`
		Metadata   *contract.Metadata   `json:"metadata,omitempty"`
		RuleSet    *contract.RuleSet    `json:"ruleSet,omitempty"`
	}{s.Text, s.References, s.Metadata, s.RuleSet}
}

// CheckSubject refuses names that cannot be a subject in a request.
func CheckSubject(subject string) error {
	switch subject {
	case "":
		return errors.New("the subject is empty")
	case ".", "..":
		return fmt.Errorf("%q is no subject: it cannot stand in a URL", subject)
	}
	return nil
}

// ContextOf returns the context at the start of a subject's name, such as
// ":.test:". The default context is "".
func ContextOf(subject string) string {
	if !strings.HasPrefix(subject, ":.") {
		return ""
	}
	end := strings.IndexByte(subject[1:], ':')
	if end < 0 || subject[:end+2] == ":.:" {
		return ""
	}
	return subject[:end+2]
}

// CheckContext refuses an answer about a subject of another context, because
// each context has ids of its own. If the default context does not have the
// subject or the schema, Confluent's registry answers from another context with
// a subject of the same name. missing is the error that the answer means. A URL
// may name a context, and the answers then have this context.
func (c Caller) CheckContext(subject string, a *Answer, missing error) error {
	other := ContextOf(a.Subject)
	if other == "" || other == ContextOf(subject) || ContextOf(subject) == "" && c.Transport.hasContext() {
		return nil
	}
	return &otherContextError{a.Subject, missing}
}

// InContext returns the full subject of a reference. If the subject has no
// context of its own, the context of the referring schema counts.
func InContext(context, subject string) string {
	if ContextOf(subject) != "" {
		return subject
	}
	return context + subject
}
