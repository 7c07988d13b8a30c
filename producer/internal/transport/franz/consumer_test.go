package franz

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

func testConfig(t testing.TB, addrs []string, id string) *settings.Config {
	t.Helper()
	purpose := settings.ForProducer
	if id != "" {
		purpose = settings.ForTransactional
	}
	c, err := settings.New(purpose, addrs, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// poll returns the next n messages.
func poll(ctx context.Context, t *testing.T, in transport.Consumer, n int) []string {
	t.Helper()
	var got []string
	for len(got) < n {
		m, err := in.Poll(ctx, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d messages: %v", len(got), n, got)
		}
		if m != nil {
			got = append(got, fmt.Sprintf("%d@%d=%s", m.Partition, m.Offset, m.Value))
		}
	}
	return got
}

// TestConsumer runs one member of a group and then a second member.
func TestConsumer(t *testing.T) {
	t.Parallel()
	for _, protocol := range []transport.Protocol{transport.ConsumerProtocol, transport.ClassicProtocol} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			b := producertest.Start(t, producertest.WithTopic("in", 2))
			for i := range 6 {
				if err := b.Put("in", fmt.Append(nil, i), fmt.Append(nil, i)); err != nil {
					t.Fatal(err)
				}
			}
			var revoked []transport.TopicPartition
			group := transport.Group{ID: "group", Protocol: protocol, Topics: []string{"in"}, Revoked: func(p []transport.TopicPartition) {
				revoked = append(revoked, p...)
			}}
			c := testConfig(t, b.Addrs(), "")
			in, err := OpenConsumer(c, group, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			first := poll(ctx, t, in, 6)
			assigned, err := in.Assignment()
			if err != nil || len(assigned) != 2 {
				t.Fatalf("assigned %v, %v", assigned, err)
			}
			member, err := in.Member()
			if err != nil || member.MemberID == "" || member.Library != nil {
				t.Fatalf("member %+v, %v", member, err)
			}
			ends, err := in.EndOffsets(ctx, "in")
			if err != nil || ends[0]+ends[1] != 6 {
				t.Fatalf("ends %v, %v", ends, err)
			}

			// After a seek to the start, every message comes again.
			for i := range assigned {
				assigned[i].Offset = 0
			}
			if err := in.Seek(assigned); err != nil {
				t.Fatal(err)
			}
			again := poll(ctx, t, in, 6)
			slices.Sort(first)
			slices.Sort(again)
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("after Seek (-first +again):\n%s", diff)
			}
			if err := in.Seek([]transport.TopicPartition{{Topic: "in", Partition: 7}}); err == nil {
				t.Error("Seek to a partition that is not assigned is no error")
			}

			// A transaction commits offsets. The consumer can read the offsets
			// back.
			tx := openTransaction(t, b.Addrs())
			if err := tx.SendOffsets(ctx, []transport.GroupOffset{{Topic: "in", Partition: 0, Offset: 2, LeaderEpoch: -1}}, member); err != nil {
				t.Fatal(err)
			}
			if err := tx.CommitTransaction(ctx); err != nil {
				t.Fatal(err)
			}
			back, err := in.Committed(ctx, assigned)
			if err != nil {
				t.Fatal(err)
			}
			offsets := map[int32]int64{}
			for _, p := range back {
				offsets[p.Partition] = p.Offset
			}
			if diff := cmp.Diff(map[int32]int64{0: 2, 1: -1}, offsets); diff != "" {
				t.Errorf("committed (-want +got):\n%s", diff)
			}

			// A second member takes over a partition inside Poll.
			other, err := OpenConsumer(c, transport.Group{ID: "group", Protocol: protocol, Topics: []string{"in"}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			for len(revoked) == 0 {
				if ctx.Err() != nil {
					t.Fatal("no partition was revoked")
				}
				if _, err := in.Poll(ctx, 50*time.Millisecond); err != nil {
					t.Fatal(err)
				}
				if _, err := other.Poll(ctx, 50*time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// ignoringHandler is a handler that ignores every report.
type ignoringHandler struct{}

func (ignoringHandler) Outcomes([]transport.Outcome)            {}
func (ignoringHandler) Trouble(*transport.Error)                {}
func (ignoringHandler) Refused(string, int32, *transport.Error) {}
func (ignoringHandler) Fatal(*transport.Error)                  {}

func openTransaction(t *testing.T, addrs []string) transport.Client {
	t.Helper()
	tx, err := Open(testConfig(t, addrs, "id"), 1<<20, ignoringHandler{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Close)
	if err := tx.InitTransactions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	return tx
}

// TestReadCommitted reads the committed messages up to the end at the time of
// the call.
func TestReadCommitted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := producertest.Start(t, producertest.WithTopic("in", 3))
	c := testConfig(t, b.Addrs(), "")
	read := func() []string {
		t.Helper()
		var got []string
		err := ReadCommitted(ctx, c, "in", nil, func(m *transport.ConsumedMessage) error {
			got = append(got, string(m.Value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	if got := read(); len(got) != 0 {
		t.Fatalf("an empty topic has %q", got)
	}
	tx := openTransaction(t, b.Addrs())
	topic, err := tx.Topic("in")
	if err != nil {
		t.Fatal(err)
	}
	send := func(values ...string) {
		t.Helper()
		for i, v := range values {
			if err := topic.Produce(int32(i), &transport.Message{Value: []byte(v)}, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := func(f func(context.Context) error) {
		t.Helper()
		if err := f(ctx); err != nil {
			t.Fatal(err)
		}
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
	}
	written := func(end int64) { // waits until the end offset of partition 0 is end
		t.Helper()
		for {
			ends, err := offsets(ctx, tx.(*client).kgo, "in", latest, nil)
			if err != nil {
				t.Fatal(err)
			}
			if ends[0] >= end {
				return
			}
		}
	}
	send("a", "b")
	end(tx.CommitTransaction)
	send("x", "y")
	written(3)
	end(tx.AbortTransaction)
	if diff := cmp.Diff([]string{"a", "b"}, read()); diff != "" {
		t.Errorf("after an abort (-want +got):\n%s", diff)
	}
	send("c")
	done := make(chan []string)
	written(5)
	go func() { done <- read() }()
	select {
	case got := <-done:
		t.Fatalf("an open transaction was not waited for: %q", got)
	case <-time.After(300 * time.Millisecond):
	}
	end(tx.CommitTransaction)
	if diff := cmp.Diff([]string{"a", "b", "c"}, <-done); diff != "" {
		t.Errorf("after the commit (-want +got):\n%s", diff)
	}
}
