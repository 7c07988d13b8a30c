package registry

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// writes remembers what the registry has told this client that it holds. A node
// that lags behind answers 404 to a question about it; such a 404 is not
// believed for lagFor.
type writes struct {
	ids      *lru.Cache[idKey, time.Time]
	subjects *lru.Cache[string, written]

	mu    sync.Mutex
	count uint64 // how often this client changed something in the registry
}

// written is what this client last wrote to a subject.
type written struct {
	version int // 0 where the registry did not tell it
	until   time.Time
}

// lagFor is how long a node may lag behind.
const lagFor = 30 * time.Second

func newWrites(size int) *writes {
	return &writes{ids: newCache[idKey, time.Time](size), subjects: newCache[string, written](size)}
}

// give notes an id that the registry answered.
func (w *writes) give(key idKey) { w.ids.Add(key, time.Now().Add(lagFor)) }

// gave reports whether the registry answered this id a short time ago.
func (w *writes) gave(key idKey) bool {
	until, ok := w.ids.Peek(key)
	return ok && time.Now().Before(until)
}

// wrote notes a version that this client registered.
func (w *writes) wrote(subject string, version int) {
	w.subjects.Add(subject, written{version, time.Now().Add(lagFor)})
}

// has reports whether this client knows from its own writes that a subject has a
// version; 0 is any version.
func (w *writes) has(subject string, version int) bool {
	last, ok := w.subjects.Peek(subject)
	return ok && time.Now().Before(last.until) && (last.version == 0 || version <= last.version)
}

// forget drops what is known of a subject, because something was deleted there.
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
