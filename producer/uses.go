package producer

import "sync"

// uses keeps a client of librdkafka from being destroyed while calls into it are under way. The zero one is ready.
type uses struct {
	mu     sync.Mutex
	over   bool
	inside sync.WaitGroup
}

// hold keeps it until release; false: it is too late.
func (u *uses) hold() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return false
	}
	u.inside.Add(1)
	return true
}

func (u *uses) release() { u.inside.Done() }

// lastUse lets nobody in any more, and waits for those inside.
func (u *uses) lastUse() {
	u.mu.Lock()
	u.over = true
	u.mu.Unlock()
	u.inside.Wait()
}
