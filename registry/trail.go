package registry

import (
	"context"
	"sync/atomic"
)

// trail is how far a look-up went. A trail travels in a context.
type trail struct{ disk, asked atomic.Bool }

type trailKey struct{}

// newTrail returns a context with a trail.
func newTrail(ctx context.Context) (context.Context, *trail) {
	t := new(trail)
	return context.WithValue(ctx, trailKey{}, t), t
}

// fromDisk reports whether the answer came from the disk.
func (t *trail) fromDisk() bool { return t.disk.Load() }

// askedRegistry reports whether memory had no answer.
func (t *trail) askedRegistry() bool { return t.asked.Load() }

// noteAsked notes that memory has no answer for the caller of ctx.
func noteAsked(ctx context.Context) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.asked.Store(true)
	}
}

// noteDisk notes that the caller of ctx gets an answer from the disk.
func noteDisk(ctx context.Context) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.disk.Store(true)
	}
}
