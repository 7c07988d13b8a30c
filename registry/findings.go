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
	"github.com/avroline/avroline/registry/internal/rest"
)

// explain turns a refusal of an incompatible schema into an error with reasons.
func (c *Client) explain(ctx context.Context, w *rest.Work, subject string, s Schema, err error) error {
	var answer *Error
	if !errors.As(err, &answer) || !rest.RefusesIncompatible(answer) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	whole, wholeErr := c.resolved(ctx, w, subject, s.Text, s.References)
	if wholeErr != nil { // only the registry's text is left
		return &IncompatibleError{Subject: subject, Findings: readFindings(rest.FullText(answer)), Err: answer}
	}
	said := readFindings(rest.FullText(answer))
	if len(said) == 0 {
		if v, err := c.caller(w, rest.NothingWritten).Verdict(ctx, subject, rest.LatestVersion, Schema{Text: whole, Metadata: s.Metadata}); err == nil {
			said = findingsOf(v)
		}
	}
	ours, _ := c.compare(ctx, w, subject, whole) // after an error, the registry's findings are enough
	return &IncompatibleError{Subject: subject, Findings: mergeFindings(said, ours), Err: answer}
}

// TestOption chooses the versions for [Client.TestCompatibility]. The zero
// TestOption does nothing.
type TestOption struct{ version int }

// WithVersion compares the schema only with this version of the subject. By
// default the subject's level decides between the latest version and all
// versions.
func WithVersion(version int) TestOption { return TestOption{version} }

// TestCompatibility returns the reasons why the registry would refuse a schema
// under a subject at the subject's current level. TestCompatibility registers
// nothing. No findings and no error mean that the registry would accept the
// schema. A subject without versions accepts every schema.
//
// The registry decides. If the registry gives no reasons, [compat.Check] finds
// them.
func (c *Client) TestCompatibility(ctx context.Context, subject string, s Schema, opts ...TestOption) ([]compat.Finding, error) {
	version := 0
	for _, o := range opts {
		version = cmp.Or(o.version, version)
	}
	s, err := c.pinReferences(ctx, subject, s)
	if err != nil {
		return nil, wrapError("test the compatibility of a schema with", subject, err)
	}
	findings, err := c.testVersion(ctx, subject, s, version)
	if err != nil {
		return nil, wrapError("test the compatibility of a schema with", subject, err)
	}
	return findings, nil
}

func (c *Client) testVersion(ctx context.Context, subject string, s Schema, version int) ([]compat.Finding, error) {
	if err := rest.CheckSubject(subject); err != nil {
		return nil, err
	}
	w := rest.NewWork(ctx)
	// Send the schema with its references resolved, because some registries
	// refuse references in this call.
	whole, err := c.resolved(ctx, w, subject, s.Text, s.References)
	if err != nil {
		return nil, err
	}
	v, err := c.verdictAt(ctx, w, subject, Schema{Text: whole, Metadata: s.Metadata}, version)
	switch {
	case err != nil && version == 0 && (errors.Is(err, ErrSubjectNotFound) || errors.Is(err, ErrVersionNotFound)):
		return nil, nil // the subject has no version; Karapace says "Version -1 not found"
	case rest.IsStatus(err, http.StatusUnprocessableEntity):
		// Perhaps the registry cannot compare, for example because the registry
		// does not resolve the references of its own versions. A text that is
		// not a schema is also an error here.
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
	if found := mergeFindings(findingsOf(v), ours); len(found) > 0 {
		return found, nil
	}
	refusal := compat.Finding{Message: "the registry says that it is incompatible and gives no reason"}
	if len(v.Messages) > 0 {
		refusal.Message = rest.Quote(v.Messages[0], rest.MaxMessage)
	}
	return []compat.Finding{refusal}, nil
}

// verdictAt asks the registry for its verdict at the level that counts. Version
// 0 means the versions that the level requires. Some registries ignore the
// level and compare with every version unless the request names a version.
//
// If the subject has compatibility groups, the registry is asked about every
// version, because it leaves out the versions of other groups. As for a
// registration, a schema without metadata has the metadata of the latest
// version.
func (c *Client) verdictAt(ctx context.Context, w *rest.Work, subject string, whole Schema, version int) (rest.Verdict, error) {
	ask := c.caller(w, rest.NothingWritten)
	if version != 0 {
		return ask.Verdict(ctx, subject, strconv.Itoa(version), whole)
	}
	level, err := c.level(ctx, w, subject)
	if err != nil {
		return rest.Verdict{}, err
	}
	group, err := c.CompatibilityGroup(ctx, subject)
	if err != nil {
		return rest.Verdict{}, err
	}
	if group != "" {
		if whole.Metadata == nil {
			latest, err := ask.Version(ctx, subject, 0)
			if err != nil {
				return rest.Verdict{}, err
			}
			whole.Metadata = latest.Metadata
		}
		return ask.Verdict(ctx, subject, rest.EveryVersion, whole)
	}
	if !level.Transitive() {
		return ask.Verdict(ctx, subject, rest.LatestVersion, whole)
	}
	v, err := ask.Verdict(ctx, subject, rest.EveryVersion, whole)
	if !rest.NoSuchCall(err) {
		return v, err
	}
	// Karapace and Redpanda have no check against all versions at once.
	c.logger.LogAttrs(ctx, slog.LevelInfo, "registry_checks_version_by_version", slog.String("subject", subject))
	return c.verdictOfEach(ctx, w, subject, whole)
}

// verdictOfEach asks for a verdict against each version, newest first and
// several at a time. The result is the first verdict that is not "compatible".
func (c *Client) verdictOfEach(ctx context.Context, w *rest.Work, subject string, whole Schema) (rest.Verdict, error) {
	numbers, err := c.caller(w, rest.NothingWritten).Versions(ctx, subject, nil)
	if err != nil {
		return rest.Verdict{}, err
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	numbers = numbers[:min(len(numbers), maxSearched)]
	var mu sync.Mutex
	refusals := map[int]rest.Verdict{}
	s := search{end: len(numbers), match: func(ctx context.Context, i int) (Version, bool, error) {
		v, err := c.caller(w, rest.NothingWritten).Verdict(ctx, subject, strconv.Itoa(numbers[i]), whole)
		if errors.Is(err, ErrVersionNotFound) { // deleted since the list was read
			return Version{}, false, nil
		}
		mu.Lock()
		refusals[numbers[i]] = v
		mu.Unlock()
		return Version{Version: numbers[i]}, err == nil && !v.Compatible, err
	}}
	hit, found, err := s.run(ctx)
	if err != nil || !found {
		return rest.Verdict{Compatible: true}, err
	}
	return refusals[hit.Version], nil
}

// findingsOf reads the findings of a verdict.
func findingsOf(v rest.Verdict) []compat.Finding {
	var found []compat.Finding
	for _, m := range v.Messages {
		found = append(found, readFindings(m)...)
	}
	return found
}

// findingPattern matches a single finding in Confluent's messages.
var findingPattern = regexp.MustCompile(`errorType:'([A-Z_]+)'(?:, description:'(.*?)')?, additionalInfo:'(.*?)'}`)

// pathPattern matches the path in a finding's description.
var pathPattern = regexp.MustCompile(`at path '([^']*)'`)

// readFindings reads the findings from the registry's text.
func readFindings(words string) []compat.Finding {
	var found []compat.Finding
	for _, m := range findingPattern.FindAllStringSubmatch(words, -1) {
		f := compat.Finding{Type: m[1], Message: rest.Quote(m[3], rest.MaxMessage)}
		if p := pathPattern.FindStringSubmatch(m[2]); p != nil {
			f.Path = p[1]
		}
		found = append(found, f)
	}
	return found
}

// mergeFindings returns the registry's findings, with the details of our
// findings where they are the same. If the registry gave no findings,
// mergeFindings returns ours.
func mergeFindings(said, ours []compat.Finding) []compat.Finding {
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

// maxCompared limits how many versions the client fetches to find reasons.
const maxCompared = 100

// compare finds the reasons why a schema is incompatible with a subject,
// without the registry's verdict.
func (c *Client) compare(ctx context.Context, w *rest.Work, subject, schema string) ([]compat.Finding, error) {
	return c.compareWith(ctx, w, subject, schema, 0)
}

// compareWith is compare with a single version. Version 0 means the versions
// that the level requires.
func (c *Client) compareWith(ctx context.Context, w *rest.Work, subject, schema string, version int) ([]compat.Finding, error) {
	level, err := c.level(ctx, w, subject)
	if err != nil {
		return nil, err
	}
	versions := []int{version}
	if version == 0 {
		if versions, err = c.caller(w, rest.NothingWritten).Versions(ctx, subject, nil); err != nil {
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
