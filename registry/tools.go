package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/riferrei/srclient"
)

// ListOption narrows or widens a list.
type ListOption struct{ key, value string }

// IncludeDeleted lists what was deleted softly as well.
func IncludeDeleted() ListOption { return ListOption{"deleted", "true"} }

// WithPrefix lists subjects whose names begin so; ":*:" before it means in
// every context. Apicurio ignores it.
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

// Subjects lists the subjects, always from the registry.
func (c *Client) Subjects(ctx context.Context, opts ...ListOption) ([]string, error) {
	var names []string
	_, err := c.transport.through(ctx, newWork(ctx), listQuery(opts), func(c *srclient.SchemaRegistryClient) (err error) {
		names, err = c.GetSubjects()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("registry: subjects: %w", err)
	}
	return names, nil
}

// Versions lists the versions of a subject, oldest first, always from the
// registry. The error is [ErrSubjectNotFound] where there is none.
func (c *Client) Versions(ctx context.Context, subject string, opts ...ListOption) ([]int, error) {
	err := checkSubject(subject)
	var versions []int
	if err == nil {
		versions, err = c.transport.versions(ctx, newWork(ctx), subject, listQuery(opts))
	}
	if err != nil {
		return nil, fmt.Errorf("registry: versions of %q: %w", subject, err)
	}
	return versions, nil
}

// LatestWithMetadata returns the newest version of a subject whose metadata has
// all the given properties, always from the registry. The error is
// [ErrSchemaNotFound] where none has; registries that keep no metadata answer
// with another 404.
func (c *Client) LatestWithMetadata(ctx context.Context, subject string, metadata map[string]string) (Version, error) {
	v, err := c.withMetadata(ctx, subject, metadata)
	if err != nil {
		return Version{}, fmt.Errorf("registry: latest version of %q with metadata: %w", subject, err)
	}
	return v, nil
}

func (c *Client) withMetadata(ctx context.Context, subject string, metadata map[string]string) (Version, error) {
	if err := checkSubject(subject); err != nil {
		return Version{}, err
	}
	query := url.Values{}
	for k, v := range metadata {
		query.Add("key", k)
		query.Add("value", v)
	}
	a, w := new(answer), newWork(ctx)
	if err := c.transport.call(ctx, w, http.MethodGet, subjectPath(subject)+"/metadata", query, nil, a); err != nil {
		return Version{}, err
	}
	if err := a.avro(); err != nil {
		return Version{}, err
	}
	return c.asVersion(ctx, w, subject, a)
}

// SubjectVersion names one version of a subject.
type SubjectVersion struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// VersionsOf lists the versions of all subjects that have a schema id. The
// error is [ErrSchemaNotFound] where the id is unknown.
func (c *Client) VersionsOf(ctx context.Context, id int) ([]SubjectVersion, error) {
	var pairs []SubjectVersion
	err := c.transport.call(ctx, newWork(ctx), http.MethodGet, "/schemas/ids/"+strconv.Itoa(id)+"/versions", nil, nil, &pairs)
	if err != nil {
		return nil, fmt.Errorf("registry: versions of schema %d: %w", id, err)
	}
	return pairs, nil
}

// ReferencedBy lists the ids of the schemas that refer to a version.
func (c *Client) ReferencedBy(ctx context.Context, subject string, version int) ([]int, error) {
	err := checkSubject(subject)
	var ids []int
	if err == nil {
		path := subjectPath(subject) + "/versions/" + strconv.Itoa(version) + "/referencedby"
		err = c.transport.call(ctx, newWork(ctx), http.MethodGet, path, nil, nil, &ids)
	}
	if err != nil {
		return nil, fmt.Errorf("registry: references to version %d of %q: %w", version, subject, err)
	}
	return ids, nil
}

// Contexts lists the registry's contexts, "." for the default one. Registries
// other than Confluent's have none.
func (c *Client) Contexts(ctx context.Context) ([]string, error) {
	var names []string
	if err := c.transport.call(ctx, newWork(ctx), http.MethodGet, "/contexts", nil, nil, &names); err != nil {
		return nil, fmt.Errorf("registry: contexts: %w", err)
	}
	return names, nil
}

// Deletion says how to delete.
type Deletion int

// The ways to delete. A soft deletion hides: ids go on working, and the schema
// may be registered again. A permanent one, which only what was deleted softly
// before can get, makes the ids unreadable for good.
const (
	Soft Deletion = iota + 1
	Permanent
)

func (d Deletion) query() (url.Values, error) {
	switch d {
	case Soft:
		return nil, nil
	case Permanent:
		return url.Values{"permanent": {"true"}}, nil
	}
	return nil, fmt.Errorf("%d is no way to delete: use Soft or Permanent", int(d))
}

// DeleteSubject deletes all versions of a subject and returns their numbers.
func (c *Client) DeleteSubject(ctx context.Context, subject string, how Deletion) ([]int, error) {
	var versions []int
	err := c.delete(ctx, subject, "", how, &versions)
	if err != nil {
		return nil, fmt.Errorf("registry: delete subject %q: %w", subject, err)
	}
	return versions, nil
}

// DeleteVersion deletes one version of a subject.
func (c *Client) DeleteVersion(ctx context.Context, subject string, version int, how Deletion) error {
	if err := c.delete(ctx, subject, "/versions/"+strconv.Itoa(version), how, nil); err != nil {
		return fmt.Errorf("registry: delete version %d of %q: %w", version, subject, err)
	}
	return nil
}

func (c *Client) delete(ctx context.Context, subject, rest string, how Deletion, out any) error {
	query, err := how.query()
	if err = errors.Join(err, checkSubject(subject)); err != nil {
		return err
	}
	err = c.transport.call(ctx, newWork(ctx), http.MethodDelete, subjectPath(subject)+rest, query, nil, out)
	c.changed(subject)
	c.forgetSubject(subject)
	return err
}

// forgetSubject drops what is known of a subject's schemas.
func (c *Client) forgetSubject(subject string) {
	for _, key := range c.registered.known.Keys() {
		if key.subject == subject {
			c.registered.known.Remove(key)
			c.disk.forget(key.fact())
		}
	}
	for _, key := range c.found.known.Keys() {
		if key.subject == subject {
			c.found.known.Remove(key)
		}
	}
	for _, key := range c.parts.known.Keys() {
		if key.subject == subject {
			c.parts.known.Remove(key)
		}
	}
	c.disk.forget(latestFact(subject))
}
