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

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestPasswordRotated changes the password of a user while a producer
// publishes. The brokers require a new login every three seconds, so the
// brokers soon refuse the producer. A producer with the new password works. In
// the first round the old password becomes valid again, and the first producer
// delivers every message. In the second round the test closes the first
// producer. No outcome is unknown.
func TestPasswordRotated(t *testing.T) {
	c := kafkacluster.Start(t, kafkacluster.Nodes(1), kafkacluster.Setting("connections.max.reauth.ms", "3000"))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	admin, err := c.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for name, transport := range map[string]producer.Option{"confluent": producer.WithTransport(producer.Confluent), "franz": producer.WithTransport(producer.Franz)} {
		t.Run(name, func(t *testing.T) {
			for _, back := range []bool{true, false} {
				user, topic := fmt.Sprintf("%s-%t", name, back), fmt.Sprintf("password-%s-%t", name, back)
				setPassword(ctx, t, admin, user, "old-secret")
				if err := c.CreateTopic(ctx, topic, 3, nil); err != nil {
					t.Fatal(err)
				}
				open := func(password string) *producer.Producer {
					ser, err := serde.NewSerializer(&workload.Registry{})
					if err != nil {
						t.Fatal(err)
					}
					p, err := producer.New(c.SASLAddrs(), ser, transport, producer.WithTLS(producer.TLS{CA: c.Certs.CA}),
						producer.WithSASL(producer.ScramSHA512(user, password)), producer.WithMaxInFlight(5000, 1<<24))
					if err != nil {
						t.Fatal(err)
					}
					return p
				}
				items := producer.NewTopic(topic, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
				journal := verify.NewJournal()
				journal.RequireOffsets()
				var unknown, notSent, delivered atomic.Int64
				p := open("old-secret")
				publishing, stop := context.WithCancel(ctx)
				var done sync.WaitGroup
				done.Go(func() {
					for seq := int64(0); publishing.Err() == nil; seq++ {
						id := verify.ID{Producer: "old", Key: fmt.Sprint("k", seq%17), Seq: seq}
						in := journal.Intend(id)
						outcome := func(d producer.Delivery, err error) {
							switch {
							case err == nil:
								delivered.Add(1)
								in.Acked(d.Partition, d.Offset)
							case errors.Is(err, producer.ErrNotSent):
								notSent.Add(1)
								in.NotSent()
							default:
								if unknown.Add(1) == 1 {
									t.Logf("unknown: %v", err)
								}
								in.Unknown()
							}
						}
						if err := items.PublishAsync(publishing, p, &workload.Item{ID: id}, outcome); err != nil {
							outcome(producer.Delivery{}, err)
						}
						if seq%20 == 0 {
							pause(ctx, 10*time.Millisecond)
						}
					}
				})
				until(ctx, t, "deliveries", func() bool { return delivered.Load() > 1000 })
				setPassword(ctx, t, admin, user, "new-secret")
				fresh := open("new-secret")
				if _, err := items.Publish(ctx, fresh, &workload.Item{ID: verify.ID{Producer: "new", Key: "k"}}); err != nil {
					t.Errorf("the new password: %v", err)
				}
				in := journal.Intend(verify.ID{Producer: "new", Key: "k"})
				in.Unknown()
				until(ctx, t, "the refused login", func() bool { return errors.Is(p.Health().Reason, producer.ErrAuthentication) })
				most := time.Minute
				if back {
					setPassword(ctx, t, admin, user, "old-secret")
					before := delivered.Load()
					until(ctx, t, "deliveries again", func() bool { return delivered.Load() > before+1000 })
				} else {
					most = 3 * time.Second
				}
				stop()
				done.Wait()
				closing, cancel := context.WithTimeout(ctx, most)
				err := p.Close(closing)
				cancel()
				if err := fresh.Close(ctx); err != nil {
					t.Error(err)
				}
				t.Logf("back %t: %d delivered, %d not sent, %d unknown: %v", back, delivered.Load(), notSent.Load(), unknown.Load(), err)
				if unknown.Load() != 0 || back && err != nil {
					t.Errorf("%d unknown: %v", unknown.Load(), err)
				}
				if !back && !errors.Is(err, producer.ErrAuthentication) {
					t.Errorf("close does not say why: %v", err)
				}
				report, err := journal.Check(ctx, c.Addrs(), []string{topic}, workload.Decode(""))
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

// setPassword sets the SCRAM-SHA-512 password of a user.
func setPassword(ctx context.Context, t *testing.T, admin *kadm.Client, user, password string) {
	t.Helper()
	altered, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}})
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition.
func until(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		if ctx.Err() != nil {
			t.Fatalf("no %s", what)
		}
		pause(ctx, 20*time.Millisecond)
	}
}
