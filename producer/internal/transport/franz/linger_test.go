package franz

import (
	"slices"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestLingerTimes takes partitions whose time has come.
func TestLingerTimes(t *testing.T) {
	t.Parallel()
	l := linger{after: time.Hour}
	l.wake = make(chan struct{}, 1)
	first, second := &partition{active: new(active)}, &partition{active: new(active)}
	begun := time.Now()
	l.add(first)
	l.add(second)
	if len(l.wake) != 1 {
		t.Error("the first partition wakes nobody")
	}
	take := func(at time.Time, want time.Duration, partitions ...*partition) {
		t.Helper()
		now, due, pause := l.take(nil, nil, at)
		if got := slices.Concat(now, due); !slices.Equal(got, partitions) || pause != want {
			t.Errorf("%d partitions now, %d due, want %d; pause %v, want %v", len(now), len(due), len(partitions), pause, want)
		}
	}
	at := l.due[0].at
	l.due[1].at = at.Add(time.Minute)
	take(begun.Add(time.Hour/2), at.Sub(begun.Add(time.Hour/2)))
	take(at, time.Hour/lingerPart, first)
	take(at.Add(2*time.Minute), time.Hour/lingerPart-2*time.Minute) // second waits for the next pass
	l.add(second)
	l.hurry(second)
	l.hurry(second)
	take(at.Add(2*time.Minute), time.Hour/lingerPart-2*time.Minute, second)
	take(at.Add(time.Hour/lingerPart), time.Hour, second)
	if len(l.due)+len(l.now) > 0 {
		t.Errorf("left: %d and %d", len(l.due), len(l.now))
	}
}

// TestLingerFlush adds partitions during a flush and before it.
func TestLingerFlush(t *testing.T) {
	t.Parallel()
	c := client{config: new(settings.Config)}
	c.linger.after = time.Hour
	c.linger.wake = make(chan struct{}, 1)
	before, during := &partition{active: new(active)}, &partition{active: new(active)}
	c.linger.add(before)
	c.BeginFlush()
	c.linger.add(during)
	now, due, _ := c.linger.take(nil, nil, time.Now())
	if !slices.Equal(now, []*partition{during}) || !slices.Equal(due, []*partition{before}) {
		t.Errorf("now %v, due %v", now, due)
	}
	c.EndFlush()
	c.linger.add(&partition{active: new(active)})
	if now, due, _ := c.linger.take(nil, nil, time.Now()); len(now)+len(due) > 0 {
		t.Error("a partition does not wait after the flush")
	}
}

// TestLinger lets messages wait for an hour. A full batch does not wait, and
// the end of the client gives the others an outcome.
func TestLinger(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 2))
	config := testConfig(t, b.Addrs(), "")
	config.Linger = time.Hour
	const size = 1000
	h := &collector{all: make(chan struct{}), want: 9}
	c, events := openTopic(t, config, 10*size, h, "events")
	token := transport.Token(0)
	send := func(partition int32, n int) {
		t.Helper()
		for range n {
			if err := events.Produce(partition, &transport.Message{Value: make([]byte, size)}, token); err != nil {
				t.Fatal(err)
			}
			token++
		}
	}
	send(1, 9)
	send(0, 10) // the last one needs another batch
	<-h.all
	h.Lock()
	h.want, h.all = 9+10, make(chan struct{})
	h.Unlock()
	c.Purge()
	<-h.all
	for _, o := range h.outcomes {
		if lingers := o.Token < 9 || o.Token == 18; lingers != (o.Persistence == transport.NotPersisted) {
			t.Errorf("message %d: %+v", o.Token, o)
		}
	}
}
