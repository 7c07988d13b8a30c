//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestTopicRecreated deletes a topic and creates it again, three times.
// Meanwhile a producer publishes to the recreated topic and to another topic.
// The other topic is not harmed. Errors name the missing topic. Every message
// that was accepted after the last creation is delivered once and in order.
//
// The test does not look for lost events from before, because the deletion
// removed these events. But none of them may be in the new topic twice.
func TestTopicRecreated(t *testing.T) {
	for name, transport := range map[string]producer.Option{"confluent": producer.WithTransport(producer.Confluent), "franz": producer.WithTransport(producer.Franz)} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t)
			deleted, other := topic(t, 3, nil), topic(t, 3, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			ser, err := serde.NewSerializer(&workload.Registry{})
			if err != nil {
				t.Fatal(err)
			}
			p, err := producer.New(c.Addrs(), ser, transport)
			if err != nil {
				t.Fatal(err)
			}
			var last, gone atomic.Bool // after the last creation; an error has named the missing topic
			var sent [2]atomic.Int64   // accepted after the last creation, by topic
			var journals [2]*verify.Journal
			var all sync.WaitGroup
			publishing, stop := context.WithCancel(ctx)
			for i, name := range []string{deleted, other} {
				journal := verify.NewJournal()
				journal.RequireOffsets()
				journals[i] = journal
				items := producer.NewTopic(name, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
				all.Go(func() {
					for seq := int64(0); publishing.Err() == nil; seq++ {
						exact := i == 1 || last.Load()
						id := verify.ID{Producer: fmt.Sprint("p", i, exact), Key: fmt.Sprint("k", seq%17), Seq: seq}
						in := journal.Intend(id)
						outcome := func(d producer.Delivery, err error) {
							switch {
							case err == nil && exact:
								in.Acked(d.Partition, d.Offset)
							case err == nil:
								in.Unknown() // the event may have been deleted
							case errors.Is(err, producer.ErrNotSent):
								in.NotSent()
							default:
								in.Unknown()
							}
							if errors.Is(err, producer.ErrUnknownTopic) {
								gone.Store(true)
							}
							if err != nil && exact {
								t.Errorf("topic %d: %v", i, err)
							}
						}
						if err := items.PublishAsync(publishing, p, &workload.Item{ID: id}, outcome); err != nil {
							if publishing.Err() != nil {
								exact = false // the end of the test
							}
							outcome(producer.Delivery{}, err)
						} else if exact {
							sent[i].Add(1)
						}
						if seq%20 == 0 {
							pause(ctx, 10*time.Millisecond)
						}
					}
				})
			}
			admin, err := c.Admin()
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			items := producer.NewTopic(deleted, producer.NoKey[*workload.Item]())
			for round := range 3 {
				pause(ctx, time.Second)
				gone.Store(false)
				if answers, err := admin.DeleteTopics(ctx, deleted); err != nil || answers.Error() != nil {
					t.Fatal(err, answers)
				}
				until(ctx, t, "error that names the missing topic", gone.Load)
				if err := c.CreateTopic(ctx, deleted, 3, nil); err != nil {
					t.Fatal(err)
				}
				probe := verify.ID{Producer: "probe", Key: "k", Seq: int64(round)}
				journals[0].Intend(probe).Unknown()
				until(ctx, t, "delivery to the new topic", func() bool {
					_, err := items.Publish(ctx, p, &workload.Item{ID: probe})
					return err == nil
				})
			}
			last.Store(true)
			until(ctx, t, "messages", func() bool { return sent[0].Load() > 3000 })
			stop()
			all.Wait()
			if err := p.Close(ctx); err != nil {
				if left := new(producer.UndeliveredError); !errors.As(err, &left) {
					t.Error(err)
				}
			}
			for i, name := range []string{deleted, other} {
				report, err := journals[i].Check(ctx, c.Addrs(), []string{name}, workload.Decode(""))
				if err != nil {
					t.Fatal(err)
				}
				t.Log(report)
				if err := report.Err(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
