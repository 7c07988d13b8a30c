package registry

import (
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/avroline/avroline/registry/internal/cache"
	"github.com/avroline/avroline/registry/internal/rest"
)

// latestVersions caches the latest version of each subject for a while.
type latestVersions struct {
	known    *lru.Cache[string, *latest]
	failures *cache.Failures[string]
	flights  rest.Flights[string, *latest]
}

func newLatestVersions(size int) *latestVersions {
	return &latestVersions{known: cache.NewLRU[string, *latest](size), failures: cache.NewFailures(size, isAbsent[string])}
}

func (l *latestVersions) forget(subject string) { l.known.Remove(subject) }

// latest is the latest version of a subject when the registry was asked.
type latest struct {
	version Version
	stale   atomic.Pointer[time.Time] // time of the next refresh, on the monotonic clock too
}

func newLatest(v Version, ttl time.Duration) *latest {
	l := &latest{version: v}
	l.stale.Store(new(time.Now().Add(ttl)))
	return l
}
