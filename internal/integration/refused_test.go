//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestRefusedRecords changes a setting of the topic while a producer runs. The
// producer still has the old settings, so only the brokers refuse the bad
// records. Only the bad records are not sent. The other records of their
// batches are delivered in order. No outcome is unknown.
func TestRefusedRecords(t *testing.T) {
	const events, every = 5_000, 100
	for _, c := range []struct {
		name, setting, value string
		bad                  func(m *producer.Message[*workload.Item])
		none                 bool // no record is bad under the new setting
	}{
		{
			name: "a timestamp ahead of now", setting: "message.timestamp.after.max.ms", value: "60000",
			bad: func(m *producer.Message[*workload.Item]) { m.Timestamp = time.Now().Add(2 * time.Hour) },
		},
		{
			name: "no key on a compacted topic", setting: "cleanup.policy", value: "compact",
			bad: func(m *producer.Message[*workload.Item]) { m.Key = producer.BytesKey(nil) },
		},
		{
			name: "records above a lower max.message.bytes", setting: "max.message.bytes", value: "20000",
			bad: func(m *producer.Message[*workload.Item]) { m.Value.Pad = strings.Repeat("x", 30_000) },
		},
		{
			name: "batches above a lower max.message.bytes", setting: "max.message.bytes", value: "20000",
			bad: func(*producer.Message[*workload.Item]) {}, none: true,
		},
	} {
		for name, transport := range map[string]producer.Option{"confluent": producer.WithTransport(producer.Confluent), "franz": producer.WithTransport(producer.Franz)} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				cluster := cluster(t)
				to := topic(t, 3, map[string]string{"message.timestamp.after.max.ms": "9223372036854775807"})
				ser, err := serde.NewSerializer(&workload.Registry{})
				if err != nil {
					t.Fatal(err)
				}
				p, err := producer.New(cluster.Addrs(), ser, transport, producer.WithLinger(50*time.Millisecond))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				items := producer.NewTopic(to, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
				journal := verify.NewJournal()
				journal.RequireOffsets()
				var (
					mu               sync.Mutex
					refused, unknown int
					wrong            error
				)
				send := func(seq int64, bad bool) {
					id := verify.ID{Producer: "p", Key: fmt.Sprint("k", seq%17), Seq: seq}
					m := producer.Message[*workload.Item]{Value: &workload.Item{ID: id}}
					if bad {
						c.bad(&m)
					}
					in := journal.Intend(id)
					outcome := func(d producer.Delivery, err error) {
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err == nil:
							in.Acked(d.Partition, d.Offset)
							return
						case errors.Is(err, producer.ErrNotSent):
							in.NotSent()
							refused++
						default:
							in.Unknown()
							unknown++
						}
						if !bad || errors.Is(err, producer.ErrOutcomeUnknown) {
							wrong = errors.Join(wrong, err)
						}
					}
					if err := items.SendAsync(ctx, p, m, outcome); err != nil {
						outcome(producer.Delivery{}, err)
					}
				}
				send(0, false)
				if err := p.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				admin, err := cluster.Admin()
				if err != nil {
					t.Fatal(err)
				}
				defer admin.Close()
				if _, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: c.setting, Value: &c.value}}, to); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				for seq := int64(1); seq <= events; seq++ {
					send(seq, seq%every == 0)
				}
				var left *producer.UndeliveredError
				if err := p.Close(ctx); err != nil && !errors.As(err, &left) {
					t.Error(err)
				}
				t.Logf("%d events in %v", events, time.Since(begun).Round(time.Millisecond))
				want := events / every
				if c.none {
					want = 0
				}
				// A broker may accept bad records until it gets the new
				// setting.
				if refused > want || refused < want/3 || unknown != 0 || wrong != nil {
					t.Errorf("%d not sent and %d unknown, want %d and 0: %.300v", refused, unknown, want, wrong)
				}
				report, err := journal.Check(ctx, cluster.Addrs(), []string{to}, workload.Decode(""))
				if err != nil {
					t.Fatal(err)
				}
				t.Log(report)
				if err := report.Err(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
