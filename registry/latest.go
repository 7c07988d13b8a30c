package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/avroline/avroline/registry/internal/rest"
)

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
		if due, now := l.stale.Load(), time.Now(); !now.Before(*due) && l.stale.CompareAndSwap(due, new(now.Add(retryRefresh(c.latestTTL)))) {
			c.background.Start(func(life context.Context) { c.renewLatest(life, subject) })
		}
		return l.version, nil
	}
	if err := rest.CheckSubject(subject); err != nil {
		return Version{}, fmt.Errorf("registry: latest version: %w", err)
	}
	v, err := askOrFromDisk(ctx, c, latestFact(subject), func(ctx context.Context) (Version, error) {
		once, err := c.latest.failures.Find(subject)
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

// pinReferences replaces references to version 0 by references to the latest
// version.
func (c *Client) pinReferences(ctx context.Context, subject string, s Schema) (Schema, error) {
	for i, r := range s.References {
		if r.Version != 0 {
			continue
		}
		name := rest.InContext(rest.ContextOf(subject), r.Subject)
		v, err := c.Latest(ctx, name)
		if err != nil {
			return s, fmt.Errorf("reference to %s, the latest version of %q: %w", rest.Quote(r.Name, rest.MaxQuote), name, err)
		}
		s.References = append([]Reference(nil), s.References...)
		s.References[i].Version = v.Version
	}
	return s, nil
}

// retryRefresh returns the pause after a refresh that failed.
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
		c.latest.failures.Note(subject, err)
		return l, err
	})
}

func (c *Client) loadLatest(ctx context.Context, w *rest.Work, subject string) (*latest, error) {
	before := c.writes.changeCount()
	a, err := c.caller(w, c.writes.knownOfVersion(subject, 0)).Version(ctx, subject, 0)
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
		c.disk.Save(latestFact(subject), v)
	})
	return l, nil
}

// subjectError is a missing version that means a missing subject.
type subjectError struct{ err error }

func (e *subjectError) Error() string        { return e.err.Error() }
func (e *subjectError) Unwrap() error        { return e.err }
func (e *subjectError) Is(target error) bool { return target == ErrSubjectNotFound }
