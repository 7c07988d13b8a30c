//go:build cgo

package confluent

import (
	"strconv"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// groupTest is an open client whose partition has got a first message.
type groupTest struct {
	client    *client
	outcomes  *outcomeCollector
	partition *partition
	next      transport.Token
}

func newGroupTest(t *testing.T, linger time.Duration) *groupTest {
	t.Helper()
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	g := new(groupTest)
	g.client, g.outcomes = openForTest(t, b, linger)
	if !g.client.plugin {
		t.Skip("the program cannot open itself as a plugin, and only the plugin has groups")
	}
	events, err := g.client.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	g.partition = events.(*topic).partition(0)
	if err := g.send(); err != nil {
		t.Fatal(err)
	}
	g.outcomes.wait(1)
	return g
}

func (g *groupTest) send() error {
	err := g.partition.topic.Produce(0, &transport.Message{Value: []byte(strconv.Itoa(int(g.next)))}, g.next)
	if err == nil {
		g.next++
	}
	return err
}

// sendUntilGrouped sends until some messages wait in the partition's group, and
// returns with the partition's lock held.
func (g *groupTest) sendUntilGrouped(t *testing.T) {
	t.Helper()
	for {
		for range groupAfter + groupMost/2 {
			if err := g.send(); err != nil {
				t.Fatal(err)
			}
		}
		g.partition.mu.Lock()
		if g.partition.group != nil {
			return
		}
		g.partition.mu.Unlock()
	}
}

// TestGroup checks that a busy partition has groups, and that the end of the
// millisecond empties them.
func TestGroup(t *testing.T) {
	t.Parallel()
	g := newGroupTest(t, groupEvery)
	for range 100 {
		g.sendUntilGrouped(t)
		g.partition.mu.Unlock()
		g.outcomes.wait(int(g.next))
	}
	for token, o := range g.outcomes.outcomes {
		if o.Persistence != transport.Persisted || o.Offset != int64(token) {
			t.Fatalf("message %d: offset %d, persistence %d, %v", token, o.Offset, o.Persistence, o.Err)
		}
	}
}

// TestGroupOfEndedClient ends the library's client while messages wait in a
// group. The library refuses the group, or the client gives it up before. In
// both cases the messages are certainly not in the log, and the next client can
// send them.
func TestGroupOfEndedClient(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(g *groupTest){
		"the library refuses the group": func(g *groupTest) {
			g.client.TestFatalError("the test ends the client")
			g.partition.giveGroup()
		},
		"Purge": func(g *groupTest) { go g.client.Purge() },
		"Close": func(g *groupTest) { go g.client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGroupTest(t, groupEvery)
			g.sendUntilGrouped(t)
			waiting := len(g.partition.group.entries)
			end(g)
			g.partition.mu.Unlock()
			g.outcomes.wait(int(g.next))
			g.outcomes.mu.Lock()
			defer g.outcomes.mu.Unlock()
			for token := g.next - transport.Token(waiting); token < g.next; token++ {
				o := g.outcomes.outcomes[token]
				if o.Persistence != transport.NotPersisted || o.Guilty || o.Message == nil || string(o.Message.Value) != strconv.Itoa(int(token)) {
					t.Errorf("message %d: persistence %d, guilty %t, copy %v: %v", token, o.Persistence, o.Guilty, o.Message, o.Err)
				}
			}
		})
	}
}

// TestNoGroups checks that no message waits without a linger.
func TestNoGroups(t *testing.T) {
	t.Parallel()
	g := newGroupTest(t, 0)
	for range 100 {
		for range groupAfter + groupMost {
			if err := g.send(); err != nil {
				t.Fatal(err)
			}
			if g.partition.group != nil {
				t.Fatal("a message waits")
			}
		}
	}
	g.outcomes.wait(int(g.next))
}

// TestRefusedMessageOfGroup lets the library refuse one message of a group. The
// others are delivered.
func TestRefusedMessageOfGroup(t *testing.T) {
	t.Parallel()
	g := newGroupTest(t, groupEvery)
	g.sendUntilGrouped(t)
	b := g.partition.group
	large := make([]byte, 2<<20) // above message.max.bytes, so Produce would refuse it
	b.entries = append(b.entries, newGroupEntry(&transport.Message{Value: large}, g.next))
	b.data = append(b.data, large...)
	g.partition.mu.Unlock()
	g.next++
	g.outcomes.wait(int(g.next))
	for token, o := range g.outcomes.outcomes {
		if token != g.next-1 && o.Persistence != transport.Persisted {
			t.Errorf("message %d: persistence %d: %v", token, o.Persistence, o.Err)
		}
	}
	if o := g.outcomes.outcomes[g.next-1]; o.Persistence != transport.NotPersisted || !o.Guilty || convert(o.Err).Code != 10 {
		t.Errorf("the large message: persistence %d, guilty %t: %v", o.Persistence, o.Guilty, o.Err)
	}
}
