package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/riferrei/srclient"
)

// latest is what was the latest version of a subject when it was asked for.
type latest struct {
	version Version
	stale   atomic.Int64 // when to ask again, in Unix nanoseconds
}

func newLatest(v Version, ttl time.Duration) *latest {
	l := &latest{version: v}
	l.stale.Store(time.Now().Add(ttl).UnixNano())
	return l
}

// Latest returns the newest version of a subject. See [WithLatestTTL] for how
// new that is. The error is [ErrSubjectNotFound] when there is none.
func (c *Client) Latest(ctx context.Context, subject string) (Version, error) {
	if l, ok := c.latest.Get(subject); ok {
		// One caller starts the refresh, none waits for it.
		due, now := l.stale.Load(), time.Now()
		if now.UnixNano() >= due && l.stale.CompareAndSwap(due, now.Add(retryRefresh(c.latestTTL)).UnixNano()) {
			c.background.start(func(life context.Context) { c.renew(life, subject) })
		}
		return l.version, nil
	}
	if err := checkSubject(subject); err != nil {
		return Version{}, fmt.Errorf("registry: latest version: %w", err)
	}
	fact := latestFact(subject)
	v, err := recall(ctx, c, fact, func(ctx context.Context) (Version, error) {
		l, err := c.refresh.do(ctx, c.background, nil, subject, func(ctx context.Context, w *work) (*latest, error) {
			return c.loadLatest(ctx, w, subject)
		})
		if err != nil {
			return Version{}, err
		}
		return l.version, nil
	})
	if err != nil {
		return Version{}, fmt.Errorf("registry: latest version of %q: %w", subject, err)
	}
	if !c.latest.Contains(subject) { // it came from the disk: ask again soon
		c.latest.Add(subject, newLatest(v, retryRefresh(c.latestTTL)))
	}
	return v, nil
}

// retryRefresh is the pause after a refresh that failed.
func retryRefresh(ttl time.Duration) time.Duration { return min(ttl, time.Second) }

// renew is a refresh that nobody waits for: what fails is logged, and the old
// answer goes on serving. An answer that the subject is gone is believed.
func (c *Client) renew(ctx context.Context, subject string) {
	_, err := c.refresh.do(ctx, c.background, nil, subject, func(ctx context.Context, w *work) (*latest, error) {
		return c.loadLatest(ctx, w, subject)
	})
	switch {
	case errors.Is(err, ErrSubjectNotFound):
		c.latest.Remove(subject)
	case err != nil && ctx.Err() == nil:
		c.transport.logger.LogAttrs(ctx, slog.LevelWarn, "registry_refresh_failed", slog.String("subject", subject), slog.Any("error", err))
	}
}

func (c *Client) loadLatest(ctx context.Context, w *work, subject string) (*latest, error) {
	before := c.writesSoFar()
	v, err := c.version(ctx, w, subject, 0, nil)
	if errors.Is(err, ErrVersionNotFound) { // some registries' words for an unknown subject
		err = &subjectError{err}
	}
	if err != nil {
		return nil, err
	}
	l := newLatest(v, c.latestTTL)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes == before { // else it may be older than a version of our own
		c.latest.Add(subject, l)
		c.disk.save(latestFact(subject), v)
	}
	return l, nil
}

func (c *Client) writesSoFar() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// subjectError is a missing version that means a missing subject.
type subjectError struct{ err error }

func (e *subjectError) Error() string        { return e.err.Error() }
func (e *subjectError) Unwrap() error        { return e.err }
func (e *subjectError) Is(target error) bool { return target == ErrSubjectNotFound }

// Version returns one version of a subject. Versions never change: what was
// asked for once comes from memory. The error is [ErrSubjectNotFound] or
// [ErrVersionNotFound] where there is none.
func (c *Client) Version(ctx context.Context, subject string, version int) (Version, error) {
	w := newWork(ctx)
	a, err := c.part(ctx, w, partKey{subject, version})
	var v Version
	if err == nil {
		v, err = c.asVersion(ctx, w, subject, a)
	}
	if err != nil {
		return Version{}, fmt.Errorf("registry: version %d of %q: %w", version, subject, err)
	}
	return v, nil
}

func (c *Client) version(ctx context.Context, w *work, subject string, version int, query url.Values) (Version, error) {
	a, err := c.transport.version(ctx, w, subject, version, query)
	if err != nil {
		return Version{}, err
	}
	return c.asVersion(ctx, w, subject, a)
}

// asVersion reads an answer about one version.
func (c *Client) asVersion(ctx context.Context, w *work, subject string, a *answer) (Version, error) {
	id, err := a.id()
	if err != nil {
		return Version{}, err
	}
	v, err := c.asSchema(ctx, w, subject, a)
	v.Subject, v.Version, v.ID = subject, a.Version, id
	return v, err
}

// asSchema reads an answer about one schema.
func (c *Client) asSchema(ctx context.Context, w *work, subject string, a *answer) (Version, error) {
	if a.Schema == "" {
		return Version{}, unexpected(errors.New("no schema"))
	}
	whole, err := c.resolved(ctx, w, subject, a.Schema, a.References)
	if err != nil {
		return Version{}, err
	}
	return Version{
		GUID: a.guid(), Schema: whole, Registered: a.Schema,
		References: a.References, Metadata: a.Metadata, RuleSet: a.RuleSet,
	}, nil
}

// versions lists the versions of a subject.
func (t *transport) versions(ctx context.Context, w *work, subject string, query url.Values) (versions []int, err error) {
	_, err = t.through(ctx, w, query, func(c *srclient.SchemaRegistryClient) (err error) {
		versions, err = c.GetSchemaVersions(subject)
		return err
	})
	return versions, err
}
