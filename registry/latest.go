package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// latestVersions remembers the latest version of each subject for a while.
type latestVersions struct {
	known    *lru.Cache[string, *latest]
	failures *failures[string]
	flights  flights[string, *latest]
}

func newLatestVersions(size int) *latestVersions {
	return &latestVersions{known: newCache[string, *latest](size), failures: newFailures(size, absent[string])}
}

func (l *latestVersions) forget(subject string) { l.known.Remove(subject) }

// latest is the latest version of a subject at the time of the call.
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
// new that is. The error is [ErrSubjectNotFound] when there is none; this
// answer is believed for a second.
func (c *Client) Latest(ctx context.Context, subject string) (Version, error) {
	if l, ok := c.latest.known.Get(subject); ok {
		// One caller starts the refresh, none waits for it.
		due, now := l.stale.Load(), time.Now()
		if now.UnixNano() >= due && l.stale.CompareAndSwap(due, now.Add(retryRefresh(c.latestTTL)).UnixNano()) {
			c.background.start(func(life context.Context) { c.renewLatest(life, subject) })
		}
		return l.version, nil
	}
	if err := checkSubject(subject); err != nil {
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
	if !c.latest.known.Contains(subject) { // it came from the disk: ask again soon
		c.latest.known.Add(subject, newLatest(v, retryRefresh(c.latestTTL)))
	}
	return v, nil
}

// retryRefresh is the pause after a refresh that failed.
func retryRefresh(ttl time.Duration) time.Duration { return min(ttl, time.Second) }

// renewLatest is a refresh without a waiting caller. A failure is logged, and
// the old answer goes on serving. An answer that the subject is gone is
// believed.
func (c *Client) renewLatest(ctx context.Context, subject string) {
	_, err := c.askLatest(ctx, subject, false)
	switch {
	case errors.Is(err, ErrSubjectNotFound):
		c.latest.forget(subject)
	case err != nil && ctx.Err() == nil:
		c.transport.logger.LogAttrs(ctx, slog.LevelWarn, "registry_refresh_failed", slog.String("subject", subject), slog.Any("error", err))
	}
}

// askLatest asks the registry, once for all callers at the same time.
func (c *Client) askLatest(ctx context.Context, subject string, once bool) (*latest, error) {
	return c.latest.flights.do(ctx, c.background, nil, subject, func(ctx context.Context, w *work) (*latest, error) {
		w.once = once
		l, err := c.loadLatest(ctx, w, subject)
		c.latest.failures.note(subject, err)
		return l, err
	})
}

func (c *Client) loadLatest(ctx context.Context, w *work, subject string) (*latest, error) {
	before := c.writes.soFar()
	a, err := c.caller(w, c.writes.of(subject, 0)).version(ctx, subject, 0)
	if errors.Is(err, ErrVersionNotFound) { // some registries' words for an unknown subject
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
	// Otherwise it may be older than a version of our own.
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
