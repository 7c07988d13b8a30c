package registry

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// writes remembers the ids and versions that the registry has given this
// client. A node that lags behind answers 404 to a question about it; such a
// 404 is not believed for lagFor.
type writes struct {
	ids      *lru.Cache[idKey, time.Time]
	subjects *lru.Cache[string, lastWrite]

	mu    sync.Mutex
	count uint64 // how often this client changed something in the registry
}

// lastWrite is this client's last write to a subject.
type lastWrite struct {
	version int // 0 where the registry did not tell it
	until   time.Time
}

// written says how much of a call's answer this client has just written itself.
// A 404 that contradicts it comes from a node that lags behind, and the call is
// made again.
type written int

const (
	nothingWritten written = iota
	subjectWritten         // the subject is there; the version may not be
	allWritten
)

// contradicts reports whether an answer denies our own write.
func (w written) contradicts(e *Error) bool {
	return w == allWritten && e.NotFound() || w == subjectWritten && e.Is(ErrSubjectNotFound)
}

// lagFor is how long a node may lag behind.
const lagFor = 30 * time.Second

func newWrites(size int) *writes {
	return &writes{ids: newCache[idKey, time.Time](size), subjects: newCache[string, lastWrite](size)}
}

// give notes an id that the registry answered.
func (w *writes) give(key idKey) { w.ids.Add(key, time.Now().Add(lagFor)) }

// gave reports whether the registry answered this id a short time ago.
func (w *writes) gave(key idKey) bool {
	until, ok := w.ids.Peek(key)
	return ok && time.Now().Before(until)
}

// ofID returns our knowledge of a schema id.
func (w *writes) ofID(key idKey) written {
	if w.gave(key) {
		return allWritten
	}
	return nothingWritten
}

// wrote notes a version that this client registered.
func (w *writes) wrote(subject string, version int) {
	w.subjects.Add(subject, lastWrite{version, time.Now().Add(lagFor)})
}

// of returns our knowledge of one version of a subject; version 0 is any
// version.
func (w *writes) of(subject string, version int) written {
	last, ok := w.subjects.Peek(subject)
	switch {
	case !ok || !time.Now().Before(last.until):
		return nothingWritten
	case version <= last.version:
		return allWritten
	default:
		return subjectWritten
	}
}

// forget drops our knowledge of a subject, because something was deleted there.
func (w *writes) forget(subject string) { w.subjects.Remove(subject) }

// add counts a change.
func (w *writes) add() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
}

// unchangedSince calls f while nothing can be changed, if nothing was changed
// since the count was before.
func (w *writes) unchangedSince(before uint64, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == before {
		f()
	}
}

func (w *writes) soFar() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
