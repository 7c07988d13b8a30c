//go:build cgo

package confluent

import (
	"sync/atomic"
	"time"
)

// flush ends linger.ms. The library sends at once as long as a call of
// rd_kafka_flush waits, so a goroutine calls this function again and again.
//
// Without the plugin, messages wait for linger.ms in a flush too. The Go
// client's Flush is no way out, because it takes events from the same queue as
// the client's own goroutine, and outcomes would lose their order.
type flush struct {
	open atomic.Int64  // BeginFlush without EndFlush
	wake chan struct{} // capacity 1
}

// A call of rd_kafka_flush first takes flushCall, so that linger.ms soon holds
// again after EndFlush. Each next call takes twice as long, up to flushMost,
// because each call wakes the threads of all brokers. Between two calls is
// flushPause if nothing is in the library.
const (
	flushCall  = 5 * time.Millisecond
	flushMost  = 160 * time.Millisecond
	flushPause = time.Millisecond
)

// BeginFlush implements [transport.Client].
func (c *client) BeginFlush() {
	if c.flush.open.Add(1) > 1 {
		return
	}
	if c.grouped {
		c.endMillisecond()
	}
	select {
	case c.flush.wake <- struct{}{}:
	default:
	}
}

// EndFlush implements [transport.Client].
func (c *client) EndFlush() { c.flush.open.Add(-1) }

// runFlushes serves the flushes until the client closes.
func (c *client) runFlushes() {
	for {
		select {
		case <-c.flush.wake:
		case <-c.alive.Done():
			return
		}
		for call := flushCall; c.flush.open.Load() > 0 && c.calls.hold(); {
			empty := c.hub.flush(call)
			c.calls.release()
			if !empty {
				call = min(2*call, flushMost)
				continue
			}
			select {
			case <-time.After(flushPause):
			case <-c.alive.Done():
				return
			}
		}
	}
}
