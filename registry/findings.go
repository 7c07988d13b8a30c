package registry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/avroline/avroline/registry/compat"
)

// explain turns a refusal for compatibility into an error with its reasons.
func (c *Client) explain(ctx context.Context, w *work, subject string, s Schema, err error) error {
	var answer *Error
	if !errors.As(err, &answer) || !answer.incompatible() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.transport.timeout)
	defer cancel()
	whole, wholeErr := c.resolved(ctx, w, subject, s.Text, s.References)
	if wholeErr != nil { // then the registry's own words must do
		return &IncompatibleError{Subject: subject, Findings: readFindings(answer.full), Err: answer}
	}
	said := readFindings(answer.full)
	if len(said) == 0 {
		if v, err := c.caller(w, nothingWritten).verdict(ctx, subject, latestVersion, whole); err == nil {
			said = v.findings()
		}
	}
	ours, _ := c.compare(ctx, w, subject, whole) // without them, what was said must do
	return &IncompatibleError{Subject: subject, Findings: merge(said, ours), Err: answer}
}

// TestOption chooses the versions for [Client.TestCompatibility].
type TestOption struct{ version int }

// WithVersion compares with one version of the subject only. The default is the
// choice of the subject's level, which is the latest version or all versions.
func WithVersion(version int) TestOption { return TestOption{version} }

// TestCompatibility says why registering a schema under a subject would be
// refused at the level that counts for the subject now, and registers nothing.
// No findings and no error mean that the schema would be taken. A subject
// without versions takes every schema.
//
// The registry decides; where it gives no reasons they are found by
// [compat.Check].
func (c *Client) TestCompatibility(ctx context.Context, subject string, s Schema, opts ...TestOption) ([]compat.Finding, error) {
	version := 0
	for _, o := range opts {
		version = cmp.Or(o.version, version)
	}
	s, err := c.pinned(ctx, subject, s)
	if err != nil {
		return nil, wrap("test the compatibility of a schema with", subject, err)
	}
	findings, err := c.tested(ctx, subject, s, version)
	if err != nil {
		return nil, wrap("test the compatibility of a schema with", subject, err)
	}
	return findings, nil
}

func (c *Client) tested(ctx context.Context, subject string, s Schema, version int) ([]compat.Finding, error) {
	if err := checkSubject(subject); err != nil {
		return nil, err
	}
	w := newWork(ctx)
	// References go in resolved. Some registries refuse them here.
	whole, err := c.resolved(ctx, w, subject, s.Text, s.References)
	if err != nil {
		return nil, err
	}
	v, err := c.verdictAt(ctx, w, subject, whole, version)
	switch {
	case err != nil && version == 0 && (errors.Is(err, ErrSubjectNotFound) || errors.Is(err, ErrVersionNotFound)):
		return nil, nil // no version yet; Karapace says "Version -1 not found"
	case isStatus(err, http.StatusUnprocessableEntity):
		// It may be the registry that cannot compare, such as one that does not
		// resolve the references of what it has. Text that is no schema is an
		// error here, too.
		if found, ours := c.compareWith(ctx, w, subject, whole, version); ours == nil {
			return found, nil
		}
		return nil, err
	case err != nil || v.Compatible:
		return nil, err
	}
	ours, err := c.compareWith(ctx, w, subject, whole, version)
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if found := merge(v.findings(), ours); len(found) > 0 {
		return found, nil
	}
	refusal := compat.Finding{Message: "the registry says that it is incompatible and gives no reason"}
	if len(v.Messages) > 0 {
		refusal.Message = quote(v.Messages[0], maxMessage)
	}
	return []compat.Finding{refusal}, nil
}

// verdictAt asks the registry for its verdict at the level that counts; version
// 0 is what the level asks for. Some registries compare with every version
// unless they are told which, whatever the level.
func (c *Client) verdictAt(ctx context.Context, w *work, subject, whole string, version int) (verdict, error) {
	ask := c.caller(w, nothingWritten)
	if version != 0 {
		return ask.verdict(ctx, subject, strconv.Itoa(version), whole)
	}
	level, err := c.level(ctx, w, subject)
	if err != nil {
		return verdict{}, err
	}
	if !level.Transitive() {
		return ask.verdict(ctx, subject, latestVersion, whole)
	}
	v, err := ask.verdict(ctx, subject, everyVersion, whole)
	if !noSuchCall(err) {
		return v, err
	}
	// Karapace and Redpanda have no check against all versions at once.
	c.transport.logger.LogAttrs(ctx, slog.LevelInfo, "registry_checks_version_by_version", slog.String("subject", subject))
	return c.verdictOfEach(ctx, w, subject, whole)
}

// noSuchCall reports whether the registry does not have a call: a 404 without
// one of the API's codes.
func noSuchCall(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && !answer.NotFound() &&
		(answer.Status == http.StatusNotFound || answer.Status == http.StatusMethodNotAllowed)
}

// verdictOfEach asks for a verdict against each version, newest first, several
// at a time, and returns the first that is not "compatible".
func (c *Client) verdictOfEach(ctx context.Context, w *work, subject, whole string) (verdict, error) {
	numbers, err := c.caller(w, nothingWritten).versions(ctx, subject, nil)
	if err != nil {
		return verdict{}, err
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	numbers = numbers[:min(len(numbers), maxSearched)]
	var mu sync.Mutex
	refusals := map[int]verdict{}
	s := search{end: len(numbers), match: func(ctx context.Context, i int) (Version, bool, error) {
		v, err := c.caller(w, nothingWritten).verdict(ctx, subject, strconv.Itoa(numbers[i]), whole)
		if errors.Is(err, ErrVersionNotFound) { // deleted meanwhile
			return Version{}, false, nil
		}
		mu.Lock()
		refusals[numbers[i]] = v
		mu.Unlock()
		return Version{Version: numbers[i]}, err == nil && !v.Compatible, err
	}}
	hit, found, err := s.run(ctx)
	if err != nil || !found {
		return verdict{Compatible: true}, err
	}
	return refusals[hit.Version], nil
}

// The versions to compare with, beside the number of one version.
const (
	latestVersion = "latest"
	everyVersion  = ""
)

// verdict is the registry's answer to a compatibility check.
type verdict struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages"`
}

func (c caller) verdict(ctx context.Context, subject, against, schema string) (verdict, error) {
	path := "/compatibility" + subjectPath(subject) + "/versions"
	if against != everyVersion {
		path += "/" + against
	}
	var v verdict
	req := request{method: http.MethodPost, path: path, query: "verbose=true", form: formVerdict}
	err := c.call(ctx, req, schemaBody(Schema{Text: schema}), &v)
	return v, err
}

func (v verdict) findings() []compat.Finding {
	var found []compat.Finding
	for _, m := range v.Messages {
		found = append(found, readFindings(m)...)
	}
	return found
}

// reason is one of the findings in Confluent's messages.
var reason = regexp.MustCompile(`errorType:'([A-Z_]+)'(?:, description:'(.*?)')?, additionalInfo:'(.*?)'}`)

// place is the path in a finding's description.
var place = regexp.MustCompile(`at path '([^']*)'`)

// readFindings reads the findings out of the registry's words.
func readFindings(words string) []compat.Finding {
	var found []compat.Finding
	for _, m := range reason.FindAllStringSubmatch(words, -1) {
		f := compat.Finding{Type: m[1], Message: quote(m[3], maxMessage)}
		if p := place.FindStringSubmatch(m[2]); p != nil {
			f.Path = p[1]
		}
		found = append(found, f)
	}
	return found
}

// merge takes the registry's findings, with the details of ours for the same
// ones; ours alone where it gave none.
func merge(said, ours []compat.Finding) []compat.Finding {
	if len(said) == 0 {
		return ours
	}
	for i, s := range said {
		for _, f := range ours {
			if f.Type == s.Type && (s.Path == "" || f.Path == s.Path) {
				said[i] = f
				break
			}
		}
	}
	return said
}

// maxCompared bounds how many versions are fetched to find reasons.
const maxCompared = 100

// compare finds the reasons why a schema is refused under a subject, itself.
func (c *Client) compare(ctx context.Context, w *work, subject, schema string) ([]compat.Finding, error) {
	return c.compareWith(ctx, w, subject, schema, 0)
}

// compareWith is compare with one version; 0 stands for those that the level
// asks for.
func (c *Client) compareWith(ctx context.Context, w *work, subject, schema string, version int) ([]compat.Finding, error) {
	level, err := c.level(ctx, w, subject)
	if err != nil {
		return nil, err
	}
	versions := []int{version}
	if version == 0 {
		if versions, err = c.caller(w, nothingWritten).versions(ctx, subject, nil); err != nil {
			return nil, err
		}
		switch {
		case !level.Transitive() && len(versions) > 1:
			versions = versions[len(versions)-1:]
		case len(versions) > maxCompared:
			versions = versions[len(versions)-maxCompared:]
		}
	}
	previous := make(map[int]string, len(versions))
	for _, v := range versions {
		a, err := c.part(ctx, w, partKey{subject, v})
		if err != nil {
			return nil, err
		}
		if previous[v], err = c.resolved(ctx, w, subject, a.Schema, a.References); err != nil {
			return nil, err
		}
	}
	return compat.CheckVersions(level, schema, previous)
}
