package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/avroline/avroline/registry/internal/rest"
)

// latestVersions caches the latest version of each subject for a while.
type latestVersions struct {
	known    *lru.Cache[string, *latest]
	failures *failures[string]
	flights  rest.Flights[string, *latest]
}

func newLatestVersions(size int) *latestVersions {
	return &latestVersions{known: newCache[string, *latest](size), failures: newFailures(size, absent[string])}
}

func (l *latestVersions) forget(subject string) { l.known.Remove(subject) }

// latest is the latest version of a subject when the registry was asked.
type latest struct {
	version Version
	stale   atomic.Int64 // time of the next refresh, in Unix nanoseconds
}

func newLatest(v Version, ttl time.Duration) *latest {
	l := &latest{version: v}
	l.stale.Store(time.Now().Add(ttl).UnixNano())
	return l
}

// Latest returns the newest version of a subject. [WithLatestTTL] says how old
// the answer can be. If there is no version, the error is [ErrSubjectNotFound].
// The client caches the error for a second.
func (c *Client) Latest(ctx context.Context, subject string) (Version, error) {
	if !c.hooks.answers {
		return c.askNewest(ctx, subject)
	}
	return c.hooks.answer(ctx, Answered{Operation: "latest", Subject: subject}, func(ctx context.Context) (Version, error) { return c.askNewest(ctx, subject) })
}

func (c *Client) askNewest(ctx context.Context, subject string) (Version, error) {
	if l, ok := c.latest.known.Get(subject); ok {
		// A single caller starts the refresh. No caller waits for the refresh.
		due, now := l.stale.Load(), time.Now()
		if now.UnixNano() >= due && l.stale.CompareAndSwap(due, now.Add(retryRefresh(c.latestTTL)).UnixNano()) {
			c.background.Start(func(life context.Context) { c.renewLatest(life, subject) })
		}
		return l.version, nil
	}
	if err := rest.CheckSubject(subject); err != nil {
		return Version{}, fmt.Errorf("registry: latest version: %w", err)
	}
	v, err := recall(ctx, c, latestFact(subject), func(ctx context.Context) (Version, error) {
		once, err := c.latest.failures.find(subject)
		if err != nil {
			return Version{}, err
		}
		l, err := c.askLatest(ctx, subject, once)
		if err != nil {
			return Version{}, err
		}
		return l.version, nil
	})
	if err != nil {
		return Version{}, fmt.Errorf("registry: latest version of %q: %w", subject, err)
	}
	if !c.latest.known.Contains(subject) { // from the disk, so refresh soon
		c.latest.known.Add(subject, newLatest(v, retryRefresh(c.latestTTL)))
	}
	return v, nil
}

// retryRefresh is the pause after a refresh that failed.
func retryRefresh(ttl time.Duration) time.Duration { return min(ttl, time.Second) }

// renewLatest refreshes the latest version while no caller waits. If the
// refresh fails, renewLatest logs the error and the old answer stays in use. If
// the subject is gone, renewLatest removes the old answer.
func (c *Client) renewLatest(ctx context.Context, subject string) {
	_, err := c.askLatest(ctx, subject, false)
	switch {
	case errors.Is(err, ErrSubjectNotFound):
		c.latest.forget(subject)
	case err != nil && ctx.Err() == nil:
		c.logger.LogAttrs(ctx, slog.LevelWarn, "registry_refresh_failed", slog.String("subject", subject), slog.Any("error", err))
	}
}

// askLatest asks the registry. Concurrent callers share a single call.
func (c *Client) askLatest(ctx context.Context, subject string, once bool) (*latest, error) {
	return c.latest.flights.Do(ctx, c.background, nil, subject, func(ctx context.Context, w *rest.Work) (*latest, error) {
		w.Once = once
		l, err := c.loadLatest(ctx, w, subject)
		c.latest.failures.note(subject, err)
		return l, err
	})
}

func (c *Client) loadLatest(ctx context.Context, w *rest.Work, subject string) (*latest, error) {
	before := c.writes.soFar()
	a, err := c.caller(w, c.writes.of(subject, 0)).Version(ctx, subject, 0)
	if errors.Is(err, ErrVersionNotFound) { // some registries' answer for an unknown subject
		err = &subjectError{err}
	}
	if err != nil {
		return nil, err
	}
	v, err := c.asVersion(ctx, w, subject, a)
	if err != nil {
		return nil, err
	}
	l := newLatest(v, c.latestTTL)
	// After a concurrent write of our own, the answer may be older than the
	// write.
	c.writes.unchangedSince(before, func() {
		c.latest.known.Add(subject, l)
		c.disk.save(latestFact(subject), v)
	})
	return l, nil
}

// subjectError is a missing version that means a missing subject.
type subjectError struct{ err error }

func (e *subjectError) Error() string        { return e.err.Error() }
func (e *subjectError) Unwrap() error        { return e.err }
func (e *subjectError) Is(target error) bool { return target == ErrSubjectNotFound }
