package franz

import (
	"sync/atomic"
	"time"
)

// clock gives the timestamps of a partition's messages. A message that follows
// another one closely has the other's timestamp, because reading the system's
// clock takes a fifth of the time of a publish: the processor must first finish
// every load that is under way.
//
// A timestamp is used again for at most a millisecond (tickEvery), until the
// timer of ticks fires. If the machine is so busy that the timer is late, it is
// used for at most clockRun messages. So a clock is wrong by about a
// millisecond, which is the unit of the timestamps.
type clock struct {
	millis int64 // Unix milliseconds
	tick   uint32
	left   uint32 // how many messages may still use millis
}

const (
	clockRun  = 64
	tickEvery = time.Millisecond
)

// read returns the time in Unix milliseconds. The caller holds the partition's
// lock.
func (c *clock) read(t *ticks) int64 {
	if tick := t.count.Load(); c.left == 0 || c.tick != tick {
		c.millis, c.tick, c.left = time.Now().UnixMilli(), tick, clockRun
		t.start()
	}
	c.left--
	return c.millis
}

// ticks counts the milliseconds while messages are produced. The zero value is
// ready.
type ticks struct {
	count   atomic.Uint32
	running atomic.Bool
}

// start makes sure that a tick follows.
func (t *ticks) start() {
	if t.running.Load() || !t.running.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(tickEvery, func() {
		t.running.Store(false) // first, so that a clock that is read now gets another tick
		t.count.Add(1)
	})
}
