package rest

import (
	"context"
	"sync/atomic"
)

// Trail is how far a look-up went. A trail travels in a context.
type Trail struct{ disk, asked atomic.Bool }

type trailKey struct{}

// NewTrail returns a context with a trail.
func NewTrail(ctx context.Context) (context.Context, *Trail) {
	t := new(Trail)
	return context.WithValue(ctx, trailKey{}, t), t
}

// FromDisk reports whether the answer came from the disk.
func (t *Trail) FromDisk() bool { return t.disk.Load() }

// AskedRegistry reports whether memory had no answer.
func (t *Trail) AskedRegistry() bool { return t.asked.Load() }

// NoteAsked notes that memory has no answer for the caller of ctx.
func NoteAsked(ctx context.Context) {
	if t, ok := ctx.Value(trailKey{}).(*Trail); ok {
		t.asked.Store(true)
	}
}

// NoteDisk notes that the caller of ctx gets an answer from the disk.
func NoteDisk(ctx context.Context) {
	if t, ok := ctx.Value(trailKey{}).(*Trail); ok {
		t.disk.Store(true)
	}
}
