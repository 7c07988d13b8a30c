package franz

import (
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestIdleMemory sends a large batch on a partition, and later a small message.
// The small message must not have the memory of a large batch, because a client
// may have thousands of such partitions.
func TestIdleMemory(t *testing.T) {
	t.Parallel()
	c := testClient(new(settings.Config), new(collector))
	c.ids.set(1, 0)
	p := queuedPartition(t, c, "events", 1, 0, make([]byte, 1<<20))
	r, _ := c.senders.at(1).request([]*partition{p}, mostBytes)
	produce := func() {
		t.Helper()
		if err := p.topic.Produce(0, &transport.Message{Value: []byte("v")}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if produce(); cap(p.back.raw.data) < 1<<20 {
		t.Errorf("a busy partition has %d bytes for the next batch", cap(p.back.raw.data))
	}
	var to report
	a := answerWith(nil)
	a.BaseOffset = 1
	p.answered(r, r.batches[0], &a, &to)
	p.mu.Lock()
	p.end(&to, errAborted)
	p.mu.Unlock()
	to.put(c.outbox)
	if p.active != &idle {
		t.Fatal("the partition is not idle")
	}
	if produce(); cap(p.back.raw.data) > 1<<idleBuffer {
		t.Errorf("an idle partition has %d bytes for a message of one byte", cap(p.back.raw.data))
	}
}
