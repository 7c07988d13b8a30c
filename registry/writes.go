package registry

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// writes remembers the ids and versions that the registry has given this
// client. A node that lags behind answers 404 for such an id or version. The
// client does not believe such a 404 for the time lagTime.
type writes struct {
	ids      *lru.Cache[idKey, time.Time]
	subjects *lru.Cache[string, lastWrite]

	mu    sync.Mutex
	count uint64 // number of changes by this client in the registry
}

// lastWrite is this client's last write to a subject.
type lastWrite struct {
	version int // 0 if the registry did not return the number
	until   time.Time
}

// lagTime is how long a node may lag behind.
const lagTime = 30 * time.Second

func newWrites(size int) *writes {
	return &writes{ids: cache.NewLRU[idKey, time.Time](size), subjects: cache.NewLRU[string, lastWrite](size)}
}

// noteID records an id from an answer of the registry.
func (w *writes) noteID(key idKey) { w.ids.Add(key, time.Now().Add(lagTime)) }

// hasID reports whether the registry recently answered with this id.
func (w *writes) hasID(key idKey) bool {
	until, ok := w.ids.Peek(key)
	return ok && time.Now().Before(until)
}

// knownOfID returns how much this client knows about a schema id.
func (w *writes) knownOfID(key idKey) rest.Written {
	if w.hasID(key) {
		return rest.AllWritten
	}
	return rest.NothingWritten
}

// noteVersion records a version that this client registered.
func (w *writes) noteVersion(subject string, version int) {
	w.subjects.Add(subject, lastWrite{version, time.Now().Add(lagTime)})
}

// knownOfVersion returns how much this client knows about a version of a
// subject. Version 0 means any version.
func (w *writes) knownOfVersion(subject string, version int) rest.Written {
	last, ok := w.subjects.Peek(subject)
	switch {
	case !ok || !time.Now().Before(last.until):
		return rest.NothingWritten
	case version <= last.version:
		return rest.AllWritten
	default:
		return rest.SubjectWritten
	}
}

// forget drops our knowledge of a subject after a deletion.
func (w *writes) forget(subject string) { w.subjects.Remove(subject) }

// countChange counts a change.
func (w *writes) countChange() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
}

// unchangedSince calls f if nothing has changed since the count was before. No
// change can happen during f.
func (w *writes) unchangedSince(before uint64, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == before {
		f()
	}
}

func (w *writes) changeCount() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
