package rest

import (
	"sync"
	"time"
)

// Health is the state of a client's connection to its registry.
type Health struct {
	// Ready says whether a registry answered the last request. Ready is true
	// before the first request.
	Ready bool
	// Since is the time of the last change of Ready. At first Since is the time
	// of [NewTransport].
	Since time.Time
	// Reason is an *[UnavailableError] with the last error of each URL. Reason
	// is nil if Ready is true.
	Reason error
	// URL is the current URL, without credentials. The client tries this URL
	// first.
	URL string
}

// contact remembers whether the registry answers.
type contact struct {
	mu     sync.Mutex
	since  time.Time
	reason error // nil: the registry answers

	// asked is the time of the last probe. A probe of a registry that hangs
	// takes as long as the timeout, and probing says that it runs.
	asked   time.Time
	probing bool
}

// probeEvery is the minimum time between two probes of a registry that is away.
const probeEvery = 2 * time.Second

// state returns the health without the URL. probe says that it is time to
// probe.
func (k *contact) state(now time.Time) (h Health, probe bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reason != nil && !k.probing && now.Sub(k.asked) >= probeEvery {
		k.asked, k.probing, probe = now, true, true
	}
	return Health{Ready: k.reason == nil, Since: k.since, Reason: k.reason}, probe
}

// noteAnswer notes that a registry has answered.
func (k *contact) noteAnswer() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reason != nil {
		k.since, k.reason = time.Now(), nil
	}
}

// noteFailure notes that no registry has answered.
func (k *contact) noteFailure(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reason == nil {
		k.since, k.asked = time.Now(), time.Now()
	}
	k.reason = err
}

// noteProbe notes the end of a probe.
func (k *contact) noteProbe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.probing = false
}
