package franz

import (
	"slices"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestRecordList compares a list with a slice.
func TestRecordList(t *testing.T) {
	t.Parallel()
	records := make([]record, 6)
	var l, other recordList
	for i := range records {
		records[i].size = i
	}
	for i := 4; i < 6; i++ {
		l.push(&records[i])
	}
	for i := range 4 {
		other.push(&records[i])
	}
	l.prepend(&other)
	l.prepend(&other) // empty
	if l.count != 6 || l.bytes != 15 || !other.empty() || other.count != 0 {
		t.Errorf("%d messages, %d bytes; the other list %+v", l.count, l.bytes, other)
	}
	var got []int
	for !l.empty() {
		got = append(got, l.pop().size)
	}
	if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) || l != (recordList{}) {
		t.Errorf("%v, and %+v", got, l)
	}
	other.push(&records[1])
	l.prepend(&other)
	if l.push(&records[2]); l.pop() != &records[1] || l.pop() != &records[2] {
		t.Error("a message behind prepended ones")
	}
}

// TestLingerTimes takes partitions whose time has come.
func TestLingerTimes(t *testing.T) {
	t.Parallel()
	l := linger{after: time.Hour, wake: make(chan struct{}, 1)}
	first, second := new(partition), new(partition)
	begun := time.Now()
	l.add(first)
	l.add(second)
	if due := l.take(nil, begun.Add(time.Hour/2)); len(due) > 0 {
		t.Errorf("%d partitions after half of the time", len(due))
	}
	l.due[1].at = l.due[1].at.Add(time.Minute)
	if due := l.take(nil, l.due[0].at); len(due) != 1 || due[0].partition != first {
		t.Errorf("first %+v", due)
	}
	if due := l.take(nil, begun.Add(time.Hour+time.Minute)); len(due) != 1 || due[0].partition != second || len(l.due) > 0 {
		t.Errorf("second %+v, left %d", due, len(l.due))
	}
	if len(l.wake) != 1 {
		t.Error("the first partition wakes nobody")
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
	h := &collector{all: make(chan struct{}), want: 10}
	c, events := openTopic(t, config, 10*size, h, "events")
	events.loading.Store(int32(topicLoaded)) // otherwise the first message does not linger
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
	send(0, 10)
	<-h.all
	h.Lock()
	h.want, h.all = 10+9, make(chan struct{})
	h.Unlock()
	c.Purge()
	<-h.all
	for _, o := range h.outcomes {
		if lingers := o.Token < 9; lingers != (o.Persistence == transport.NotPersisted) || lingers != (o.Partition == 1) {
			t.Errorf("message %d: %+v", o.Token, o)
		}
	}
}
