//go:build integration

package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ckg "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

var (
	leaders = flag.Duration("leaders", 10*time.Second, "how long the leaders move in TestStartWhileLeadersMove")
	short   = flag.Int("short", 10, "the least number of producers that start meanwhile")
)

// moveLeaders moves the leaders of a topic every 200 ms, until the test calls
// stop.
func moveLeaders(t *testing.T, topic string) (stop func()) {
	t.Helper()
	c := cluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	moves := 0
	done.Go(func() {
		for ctx.Err() == nil {
			if err := c.MoveLeaders(ctx, topic); err == nil {
				moves++
			}
			pause(ctx, 200*time.Millisecond)
		}
	})
	return func() {
		cancel()
		done.Wait()
		t.Logf("%d moves", moves)
		if err := c.WaitInSync(t.Context(), topic); err != nil {
			t.Error(err)
		}
	}
}

// TestStartWhileLeadersMove starts short producers while leaders move and two
// long producers run, one of which publishes in bursts. No event is lost or
// written twice. Issue 921 of
// confluent-kafka-go describes the fault. The control below shows the damage.
func TestStartWhileLeadersMove(t *testing.T) {
	for _, transport := range []producer.Transport{producer.Confluent, producer.Franz} {
		t.Run(transport.String(), func(t *testing.T) { startWhileLeadersMove(t, transport) })
	}
}

func startWhileLeadersMove(t *testing.T, transport producer.Transport) {
	t.Helper()
	c := cluster(t)
	topic := fmt.Sprintf("leaders-%d", time.Now().UnixNano())
	if err := c.CreateTopic(t.Context(), topic, 6, nil); err != nil {
		t.Fatal(err)
	}
	journal := verify.NewJournal()
	journal.RequireOffsets()
	var refused atomic.Int64
	var replaced replacements
	run := func(name string, until context.Context, every time.Duration, count int, most int64) {
		ser, err := serde.NewSerializer(&workload.Registry{})
		if err != nil {
			t.Error(err)
			return
		}
		own := replaced.of(name)
		p, err := producer.New(c.Addrs(), ser, producer.WithTransport(transport), producer.WithLogger(slog.New(own)))
		if err != nil {
			t.Error(err)
			return
		}
		items := producer.NewTopic(topic, producer.KeyBy(func(i *workload.Item) string { return i.Key }))
		tick := time.NewTicker(every)
		defer tick.Stop()
		seq := int64(0)
		for until.Err() == nil && seq < most {
			for range count {
				seq++
				id := verify.ID{Producer: name, Key: fmt.Sprintf("%s-%d", name, seq%7), Seq: seq}
				in := journal.Intend(id)
				err := items.PublishAsync(context.Background(), p, &workload.Item{ID: id}, func(d producer.Delivery, err error) {
					switch {
					case err == nil:
						in.Acked(d.Partition, d.Offset)
					case errors.Is(err, producer.ErrNotSent):
						in.NotSent()
						refused.Add(1)
					default:
						in.Unknown()
						own.unknown.Add(1)
					}
				})
				if err != nil {
					in.NotSent()
					refused.Add(1)
					t.Errorf("%s: %v", name, err)
					return
				}
			}
			<-tick.C
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var left *producer.UndeliveredError
		if err := p.Close(ctx); err != nil && !errors.As(err, &left) {
			t.Errorf("close %s: %v", name, err)
		}
		if err := p.Err(); err != nil && !errors.Is(err, producer.ErrClosed) {
			t.Errorf("%s ended: %v", name, err)
		}
	}
	stop := moveLeaders(t, topic)
	ctx, cancel := context.WithTimeout(t.Context(), *leaders)
	var all sync.WaitGroup
	all.Go(func() { run("long", ctx, 10*time.Millisecond, 50, 1<<40) })
	all.Go(func() { run("bursts", ctx, 100*time.Millisecond, 500, 1<<40) })
	var started atomic.Int64
	for range 4 {
		all.Go(func() {
			for n := started.Add(1); ctx.Err() == nil || n <= int64(*short); n = started.Add(1) {
				run(fmt.Sprintf("short-%d", n), t.Context(), 10*time.Millisecond, 20, 2000)
			}
		})
	}
	all.Wait()
	cancel()
	stop()
	check, done := context.WithTimeout(t.Context(), 5*time.Minute+*leaders)
	report, err := journal.Check(check, c.Addrs(), []string{topic}, workload.Decode(""))
	done()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d short producers, %d not sent: %v", started.Load(), refused.Load(), report)
	t.Log(&replaced)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
}

// replacements counts the replaced clients and the unknown outcomes of each
// producer.
type replacements struct {
	mu  sync.Mutex
	all []*replacementCount
}

// replacementCount is a log handler that counts replaced clients.
type replacementCount struct {
	slog.Handler
	name              string
	replaced, unknown atomic.Int64
}

func (r *replacements) of(producer string) *replacementCount {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &replacementCount{Handler: slog.DiscardHandler, name: producer}
	r.all = append(r.all, c)
	return c
}

func (*replacementCount) Enabled(context.Context, slog.Level) bool { return true }

func (c *replacementCount) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "client_failed" {
		c.replaced.Add(1)
	}
	return nil
}

// WithAttrs and WithGroup keep the counter.
func (c *replacementCount) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c *replacementCount) WithGroup(string) slog.Handler      { return c }

func (r *replacements) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var replaced, unknown int64
	var each strings.Builder
	for _, c := range r.all {
		n, u := c.replaced.Load(), c.unknown.Load()
		replaced, unknown = replaced+n, unknown+u
		if n > 0 || u > 0 {
			fmt.Fprintf(&each, "; %s %d clients, %d unknown", c.name, n, u)
		}
	}
	return fmt.Sprintf("%d clients replaced, %d outcomes unknown%s", replaced, unknown, &each)
}

// TestControlStartWhileLeadersMove uses confluent-kafka-go without avroline.
// While leaders move, confluent-kafka-go loses messages but reports their
// delivery, or the client ends with a fatal error. The test ends at the first
// damage. The damage may take minutes, so only the whole matrix has this test.
func TestControlStartWhileLeadersMove(t *testing.T) {
	if !*whole {
		t.Skip("part of the whole matrix: -whole")
	}
	c := cluster(t)
	topic := fmt.Sprintf("leaders-control-%d", time.Now().UnixNano())
	if err := c.CreateTopic(t.Context(), topic, 6, nil); err != nil {
		t.Fatal(err)
	}
	stop := moveLeaders(t, topic)
	ctx, cancel := context.WithTimeout(t.Context(), 10**leaders)
	defer cancel()
	var all sync.WaitGroup
	var nowhere, fatal atomic.Int64 // delivered without an offset; fatal errors
	begun := time.Now()
	for range 6 {
		all.Go(func() {
			for ctx.Err() == nil {
				p, err := ckg.NewProducer(&ckg.ConfigMap{
					"bootstrap.servers": strings.Join(c.Addrs(), ","), "enable.idempotence": true, "acks": "all",
					"enable.metrics.push": false, "go.logs.channel.enable": true, "linger.ms": 5,
				})
				if err != nil {
					t.Error(err)
					return
				}
				sent, reported := 0, 0
				for range 100 {
					for range 20 {
						if p.Produce(&ckg.Message{TopicPartition: ckg.TopicPartition{Topic: &topic, Partition: int32(sent % 6)}, Value: []byte("v")}, nil) == nil {
							sent++
						}
					}
					pause(ctx, 10*time.Millisecond)
				}
				for over := time.After(20 * time.Second); reported < sent; {
					select {
					case event := <-p.Events():
						switch event := event.(type) {
						case *ckg.Message:
							reported++
							if event.TopicPartition.Error == nil && event.TopicPartition.Offset < 0 {
								nowhere.Add(1)
								cancel()
							}
						case ckg.Error:
							if event.IsFatal() {
								fatal.Add(1)
								cancel()
							}
						}
					case <-over:
						reported = sent
					}
				}
				p.Close()
			}
		})
	}
	all.Wait()
	stop()
	t.Logf("%d delivered without an offset, %d fatal errors in %v", nowhere.Load(), fatal.Load(), time.Since(begun).Round(time.Second))
	if nowhere.Load() == 0 && fatal.Load() == 0 {
		t.Error("the control passed clean: the fault does not bite")
	}
}
