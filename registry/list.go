package registry

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// ListOption changes which entries a list has. The zero ListOption does
// nothing.
type ListOption struct{ key, value string }

// IncludeDeleted adds the softly deleted entries to the list.
func IncludeDeleted() ListOption { return ListOption{"deleted", "true"} }

// WithPrefix lists only the subjects whose names begin with prefix. The prefix
// ":*:" before a name means every context. Apicurio ignores WithPrefix.
func WithPrefix(prefix string) ListOption { return ListOption{"subjectPrefix", prefix} }

func listQuery(opts []ListOption) url.Values {
	query := url.Values{}
	for _, o := range opts {
		if o.key != "" {
			query.Set(o.key, o.value)
		}
	}
	return query
}

// Subjects lists the subjects. Each call asks the registry.
func (c *Client) Subjects(ctx context.Context, opts ...ListOption) ([]string, error) {
	names, err := c.freshCaller(ctx).Subjects(ctx, listQuery(opts))
	if err != nil {
		return nil, fmt.Errorf("registry: subjects: %w", err)
	}
	return names, nil
}

// pageSize is how many versions LatestVersions asks for in a request.
// Confluent's registry returns at most 1,000.
const pageSize = 1000

// LatestVersions lists the newest version of each subject that holds an Avro
// schema, with a request for every 1,000 subjects. The client does not fetch
// the types of references. Therefore Schema is empty, and Registered is the
// text as the registry stores it.
//
// Each call asks the registry. Redpanda and Apicurio do not have this list.
// Then the error is [ErrUnsupported].
func (c *Client) LatestVersions(ctx context.Context, opts ...ListOption) ([]Version, error) {
	query := listQuery(opts)
	query.Set("latestOnly", "true")
	query.Set("limit", strconv.Itoa(pageSize))
	all := []Version{}
	seen := map[string]bool{}
	for {
		query.Set("offset", strconv.Itoa(len(seen)))
		var page []rest.Answer
		req := rest.Call{Method: http.MethodGet, Path: "/schemas", Query: query.Encode(), Form: rest.FormList}
		err := c.freshCaller(ctx).Call(ctx, req, nil, &page)
		switch {
		case rest.NoSuchCall(err):
			err = fmt.Errorf("%w: %w", ErrUnsupported, err)
		case err == nil && len(page) > 0 && page[0].Subject == "": // Apicurio
			err = fmt.Errorf("%w: the list of schemas does not name their subjects", ErrUnsupported)
		}
		if err != nil {
			return nil, fmt.Errorf("registry: latest versions: %w", err)
		}
		before := len(seen)
		for _, a := range page {
			if seen[a.Subject] {
				continue
			}
			seen[a.Subject] = true
			if a.CheckAvro() != nil {
				continue
			}
			id, err := a.SchemaID()
			if err != nil {
				return nil, fmt.Errorf("registry: latest version of %q: %w", a.Subject, err)
			}
			all = append(all, Version{
				Subject: a.Subject, Version: a.Version, ID: id, GUID: a.SchemaGUID(), Registered: a.Schema,
				References: a.References, Metadata: a.Metadata, RuleSet: a.RuleSet,
			})
		}
		// Karapace has no pages and always returns the whole list. So a page
		// without a new subject is also the end.
		if len(seen) == before || len(page) > pageSize {
			return all, nil
		}
	}
}

// Versions lists the versions of a subject, oldest first. Each call asks the
// registry. If the subject does not exist, the error is [ErrSubjectNotFound].
func (c *Client) Versions(ctx context.Context, subject string, opts ...ListOption) ([]int, error) {
	err := rest.CheckSubject(subject)
	var versions []int
	if err == nil {
		versions, err = c.freshCaller(ctx).Versions(ctx, subject, listQuery(opts))
	}
	if err != nil {
		return nil, fmt.Errorf("registry: versions of %q: %w", subject, err)
	}
	return versions, nil
}

// LatestWithMetadata returns the newest version of a subject whose metadata has
// all the given properties. Each call asks the registry, and concurrent calls
// share a request. If no version matches, the error is [ErrSchemaNotFound]. The
// client caches the error for a second. Registries without metadata answer with
// another 404.
func (c *Client) LatestWithMetadata(ctx context.Context, subject string, metadata map[string]string) (Version, error) {
	if !c.hooks.answers {
		return c.askWithMetadata(ctx, subject, metadata)
	}
	return c.hooks.answer(ctx, Answered{Operation: "latest_with_metadata", Subject: subject}, func(ctx context.Context) (Version, error) { return c.askWithMetadata(ctx, subject, metadata) })
}

func (c *Client) askWithMetadata(ctx context.Context, subject string, metadata map[string]string) (Version, error) {
	query := url.Values{}
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		query.Add("key", k)
		query.Add("value", metadata[k])
	}
	key := metadataKey{subject, query.Encode()}
	err := rest.CheckSubject(subject)
	once := false
	if err == nil {
		once, err = c.withMetadata.failures.Find(key)
	}
	var v Version
	if err == nil {
		v, err = c.withMetadata.flights.Do(ctx, c.background, nil, key, func(ctx context.Context, w *rest.Work) (Version, error) {
			w.Once = once
			v, err := c.loadWithMetadata(ctx, w, key)
			c.withMetadata.failures.Note(key, err)
			return v, err
		})
	}
	if err != nil {
		return Version{}, fmt.Errorf("registry: latest version of %q with metadata: %w", subject, err)
	}
	return v, nil
}

// metadataLookups shares the requests of LatestWithMetadata.
type metadataLookups struct {
	failures *cache.Failures[metadataKey]
	flights  rest.Flights[metadataKey, Version]
}

func (c *Client) loadWithMetadata(ctx context.Context, w *rest.Work, key metadataKey) (Version, error) {
	a := new(rest.Answer)
	req := rest.Call{
		Method: http.MethodGet, Path: rest.SubjectPath(key.subject) + "/metadata", Query: key.query, Form: rest.FormSchema,
		NoContent: fmt.Errorf("%w: no version has this metadata", ErrSchemaNotFound), // Apicurio's answer
	}
	if err := c.caller(w, rest.NothingWritten).Call(ctx, req, nil, a); err != nil {
		return Version{}, err
	}
	if err := a.CheckAvro(); err != nil {
		return Version{}, err
	}
	return c.asVersion(ctx, w, key.subject, a)
}

// SubjectVersion names a version of a subject.
type SubjectVersion struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// VersionsOf lists the versions of all subjects that have a schema id. If the
// id is unknown, the error is [ErrSchemaNotFound].
func (c *Client) VersionsOf(ctx context.Context, id int) ([]SubjectVersion, error) {
	var pairs []SubjectVersion
	req := rest.Call{Method: http.MethodGet, Path: "/schemas/ids/" + strconv.Itoa(id) + "/versions", Form: rest.FormList}
	err := c.freshCaller(ctx).Call(ctx, req, nil, &pairs)
	if err != nil {
		return nil, fmt.Errorf("registry: versions of schema %d: %w", id, err)
	}
	return pairs, nil
}

// ReferencedBy lists the ids of the schemas that refer to a version.
func (c *Client) ReferencedBy(ctx context.Context, subject string, version int) ([]int, error) {
	err := rest.CheckSubject(subject)
	var ids []int
	if err == nil {
		path := rest.SubjectPath(subject) + "/versions/" + strconv.Itoa(version) + "/referencedby"
		err = c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodGet, Path: path, Form: rest.FormList}, nil, &ids)
	}
	if err != nil {
		return nil, fmt.Errorf("registry: references to version %d of %q: %w", version, subject, err)
	}
	return ids, nil
}

// Contexts lists the registry's contexts. The default context is ".". Only
// Confluent's registry has contexts.
func (c *Client) Contexts(ctx context.Context) ([]string, error) {
	var names []string
	if err := c.freshCaller(ctx).Call(ctx, rest.Call{Method: http.MethodGet, Path: "/contexts", Form: rest.FormList}, nil, &names); err != nil {
		return nil, fmt.Errorf("registry: contexts: %w", err)
	}
	return names, nil
}
