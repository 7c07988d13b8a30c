// Package logsum combines log records that repeat.
//
// A fault often causes many equal records. For example, a client logs the same
// warning at each failed connection, or a hundred thousand lost messages have a
// line each. Package logsum logs the first record of a kind at once, and counts
// further records of the kind. After a pause, the package logs a record with
// the count.
package logsum

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Repeated is the attribute with the number of combined records.
const Repeated = "repeated"

// Every is the pause between two records of the same kind.
const Every = time.Minute

// mostKinds limits the memory. Records of further kinds are logged without a
// count.
const mostKinds = 1000

// details are the attributes that may differ between records of a kind. A kind
// has one level, one message, and the same values of the other attributes.
//
//nolint:gochecknoglobals // a table, never changed
var details = []string{"err", "error", "text", "line", "messages", "again_in", "panic", "stack", "token"}

// Handler is a handler that combines records. [New] makes a Handler. A Handler
// is safe for concurrent use.
type Handler struct {
	next  slog.Handler
	scope string // the attributes and groups of the logger
	sums  *sums
}

// New returns a handler that passes records to next. The handler does not
// combine records below [slog.LevelInfo] and records with a message in never.
func New(next slog.Handler, never ...string) *Handler {
	return &Handler{next: next, sums: &sums{never: never, kinds: map[string]*kind{}, every: Every}}
}

// sums is the state of a handler. The handlers that WithAttrs and WithGroup
// return share the sums.
type sums struct {
	never []string
	every time.Duration

	mu     sync.Mutex
	closed bool
	kinds  map[string]*kind
	due    sync.WaitGroup // sums that are being logged now
}

// kind is a kind of records. The last record was logged less than a pause ago.
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

// Close logs the open sums. Later records are logged at once. The owner of the
// logger calls Close at the end, so that no record comes later.
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

// repeats reports whether the record was counted and must not be logged now.
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
		k.timer = time.AfterFunc(s.every, func() { s.logCount(name, k) })
		s.kinds[name] = k
	}
	return false
}

// logCount logs the sum of a kind after a pause. If the kind had no
// repetition, logCount removes the kind.
func (s *sums) logCount(name string, k *kind) {
	s.mu.Lock()
	if s.kinds[name] != k { // Close has already logged the sum
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
