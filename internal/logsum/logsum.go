// Package logsum sums up log records that repeat.
//
// Trouble repeats: a client that cannot reach a broker logs the same warning
// again and again, and a hundred thousand lost messages are as many lines. The
// first record of a kind passes at once. Further records of the kind are
// counted, and after a pause one record with the count follows.
package logsum

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Repeated is the attribute with the number of records that a record sums up.
const Repeated = "repeated"

// Every is the pause between two records of a kind.
const Every = time.Minute

// mostKinds bounds the memory. Records of further kinds pass.
const mostKinds = 1000

// details are attributes in which records of a kind may differ. The other
// attributes, the level and the message are the kind.
//
//nolint:gochecknoglobals // a table, never changed
var details = []string{"err", "error", "text", "line", "messages", "again_in", "panic", "stack", "token"}

// Handler is a handler that sums up. Make it with [New]. A Handler is safe for
// concurrent use.
type Handler struct {
	next  slog.Handler
	scope string // the attributes and groups of the logger
	sums  *sums
}

// New returns a handler that passes records to next. Records below
// [slog.LevelInfo], and records with a message in never, are not summed up.
func New(next slog.Handler, never ...string) *Handler {
	return &Handler{next: next, sums: &sums{never: never, kinds: map[string]*kind{}, every: Every}}
}

// sums are shared by a handler and the handlers made from it.
type sums struct {
	never []string
	every time.Duration

	mu     sync.Mutex
	closed bool
	kinds  map[string]*kind
	due    sync.WaitGroup // sums that are being logged
}

// kind is a kind of records that was logged less than a pause ago.
type kind struct {
	timer    *time.Timer
	next     slog.Handler
	last     slog.Record
	repeated int64
}

var _ slog.Handler = (*Handler)(nil)

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo && !slices.Contains(h.sums.never, r.Message) && h.sums.repeats(h, r) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var scope strings.Builder
	scope.WriteString(h.scope)
	for _, a := range attrs {
		writeAttr(&scope, a)
	}
	return &Handler{h.next.WithAttrs(attrs), scope.String(), h.sums}
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(name), h.scope + "\x00" + name, h.sums}
}

// Close logs the open sums. Later records pass. The owner of the logger calls
// Close when its own work has ended, so that no record comes after the end.
func (h *Handler) Close() {
	s := h.sums
	s.mu.Lock()
	s.closed = true
	kinds := s.kinds
	s.kinds = nil
	s.mu.Unlock()
	for _, k := range kinds {
		k.timer.Stop()
		k.log()
	}
	s.due.Wait()
}

// repeats reports whether the record was counted, and must not pass.
func (s *sums) repeats(h *Handler, r slog.Record) bool {
	name := kindOf(h.scope, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.kinds[name]; k != nil {
		k.repeated++
		k.last = r.Clone()
		return true
	}
	if !s.closed && len(s.kinds) < mostKinds {
		k := &kind{next: h.next}
		k.timer = time.AfterFunc(s.every, func() { s.pauseOver(name, k) })
		s.kinds[name] = k
	}
	return false
}

// pauseOver logs the sum of a kind after a pause. A kind without a repetition
// is forgotten.
func (s *sums) pauseOver(name string, k *kind) {
	s.mu.Lock()
	if s.kinds[name] != k { // Close has logged the sum
		s.mu.Unlock()
		return
	}
	sum := *k
	if k.repeated == 0 {
		delete(s.kinds, name)
	} else {
		k.repeated = 0
		k.timer.Reset(s.every)
	}
	s.due.Add(1)
	defer s.due.Done()
	s.mu.Unlock()
	sum.log()
}

// log logs the last record with the count.
func (k *kind) log() {
	if k.repeated == 0 {
		return
	}
	k.last.AddAttrs(slog.Int64(Repeated, k.repeated))
	_ = k.next.Handle(context.Background(), k.last)
}

// kindOf returns the name of a record's kind.
func kindOf(scope string, r slog.Record) string {
	var name strings.Builder
	name.WriteString(scope)
	name.WriteByte(0)
	name.WriteString(r.Level.String())
	name.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if !slices.Contains(details, a.Key) {
			writeAttr(&name, a)
		}
		return true
	})
	return name.String()
}

func writeAttr(to *strings.Builder, a slog.Attr) {
	to.WriteByte(0)
	to.WriteString(a.Key)
	to.WriteByte('=')
	to.WriteString(a.Value.String())
}
