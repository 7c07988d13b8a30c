package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// Deletion is a kind of deletion.
type Deletion int

// A soft deletion hides an entry. Its ids still work, and the schema may be
// registered again. A permanent deletion makes the ids unreadable for good. An
// entry must be softly deleted before a permanent deletion.
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

func (c *Client) delete(ctx context.Context, subject, path string, how Deletion, out any) error {
	query, err := how.query()
	if err = errors.Join(err, rest.CheckSubject(subject)); err != nil {
		return err
	}
	req := rest.Call{Method: http.MethodDelete, Path: rest.SubjectPath(subject) + path, Query: query.Encode()}
	err = c.freshCaller(ctx).Call(ctx, req, nil, out)
	c.forgetAnswers(subject)
	c.writes.forget(subject)
	c.forgetSubject(subject)
	return err
}

// forgetSubject drops the cached schemas of a subject.
func (c *Client) forgetSubject(subject string) {
	for _, memo := range []*cache.Memo[schemaKey, Version]{c.registered, c.lookups} {
		for _, key := range memo.Known.Keys() {
			if key.subject == subject {
				memo.Known.Remove(key)
				c.disk.Forget(key.fact())
			}
		}
	}
	for _, key := range c.foundVersions.Known.Keys() {
		if key.subject == subject {
			c.foundVersions.Known.Remove(key)
		}
	}
	for _, key := range c.parts.Known.Keys() {
		if key.subject == subject {
			c.parts.Known.Remove(key)
		}
	}
	c.disk.Forget(latestFact(subject))
}
