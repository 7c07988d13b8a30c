//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
)

// fault is one row of the fault matrix.
type fault struct {
	name  string
	short bool // CI runs this row
	// disturb causes the damage and repairs it. An error of disturb fails the
	// test.
	disturb  func(ctx context.Context, w *stage) error
	topic    map[string]string
	replicas int // of the topic; 0 means a replica on each node
	options  []producer.Option
	proxied  bool // the producer connects through a proxy that drops answers, or makes the network bad
	mtls     bool // the producer connects through the listener that requires a client certificate
	guarded  bool // a gap in the sequence numbers may end the client, and leave outcomes unknown (docs/faults.md)
	// control returns an error if the fault did no visible damage. control is
	// nil for a row without damage.
	control func(r *workload.Result) error
}

// stage is the environment of a fault.
type stage struct {
	t     *testing.T
	c     *kafkacluster.Cluster
	topic string
	proxy *kafkacluster.Proxy
}

// damage waits and calls do. After the time hold, damage calls undo, and waits
// until all brokers and partitions are healthy.
func damage(hold time.Duration, do, undo func(ctx context.Context, s *stage) error) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		pause(ctx, time.Second)
		if err := do(ctx, s); err != nil {
			return err
		}
		pause(ctx, hold)
		if err := undo(ctx, s); err != nil {
			return err
		}
		if err := s.c.WaitInSync(ctx, s.topic); err != nil {
			return err
		}
		pause(ctx, time.Second)
		return nil
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// kills ends nodes with SIGKILL and starts them again.
func kills(hold time.Duration, which func(ctx context.Context, s *stage) ([]int, error)) func(context.Context, *stage) error {
	var killed []int
	return damage(hold, func(ctx context.Context, s *stage) error {
		ids, err := which(ctx, s)
		if err != nil {
			return err
		}
		killed = ids
		for _, id := range ids {
			if err := s.c.Kill(id); err != nil {
				return err
			}
		}
		return nil
	}, func(ctx context.Context, s *stage) error { return restart(ctx, s.c, killed) })
}

// restart starts nodes at the same time, because no node becomes ready without
// a majority of the quorum.
func restart(ctx context.Context, c *kafkacluster.Cluster, ids []int) error {
	errs := make(chan error, len(ids))
	for _, id := range ids {
		go func() { errs <- c.Restart(ctx, id) }()
	}
	var first error
	for range ids {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func leaderOf(n int) func(ctx context.Context, s *stage) ([]int, error) {
	return func(ctx context.Context, s *stage) ([]int, error) {
		leader, err := s.c.Leader(ctx, s.topic, 0)
		ids := []int{leader}
		for i := 1; i < n; i++ {
			ids = append(ids, (leader+i-1)%s.c.Len()+1)
		}
		return ids, err
	}
}

func matrix() []fault {
	controller := func(ctx context.Context, s *stage) ([]int, error) {
		id, err := s.c.Controller(ctx)
		return []int{id}, err
	}
	var paused int
	sleep := func(hold time.Duration) func(context.Context, *stage) error {
		return damage(hold, func(ctx context.Context, s *stage) (err error) {
			if paused, err = s.c.Leader(ctx, s.topic, 0); err != nil {
				return err
			}
			return s.c.Pause(paused)
		}, func(_ context.Context, s *stage) error { return s.c.Resume(paused) })
	}
	lose := func(share float64) func(context.Context, *stage) error {
		return damage(6*time.Second,
			func(_ context.Context, s *stage) error { s.proxy.Drop(share); return nil },
			func(_ context.Context, s *stage) error { s.proxy.Drop(0); return nil })
	}
	short := func(d time.Duration) []producer.Option { return []producer.Option{producer.WithDeliveryTimeout(d)} }
	// Small batches, so that many batches are in flight when the fault begins.
	weak := []producer.Option{producer.WithWeakAcks(producer.AcksAll), producer.WithBatchSize(5000), producer.WithMaxMessageBytes(5000), producer.WithLinger(time.Millisecond)}

	return []fault{
		{name: "nothing", disturb: damage(2*time.Second, nothing, nothing)},
		{name: "kill -9 of the leader", disturb: kills(4*time.Second, leaderOf(1))},
		{name: "kill -9 of the controller", short: true, disturb: kills(4*time.Second, controller)},
		{name: "kill -9 of two of three", short: true, disturb: kills(4*time.Second, leaderOf(2))},
		{name: "kill -9 of all three", disturb: kills(4*time.Second, leaderOf(3))},
		{name: "the leader sleeps for 20 s", disturb: sleep(20 * time.Second)},
		{name: "the leader sleeps for 6 s", short: true, disturb: sleep(6 * time.Second)},
		{name: "every node restarted in turn", disturb: rolling(nil)},
		{name: "rolling change of settings", disturb: rolling(map[string]string{"num.io.threads": "3", "log.segment.bytes": "33554432"})},
		{name: "settings of the topic changed", short: true, disturb: resetting},
		{name: "certificates of the brokers replaced", mtls: true, disturb: renewed},
		{name: "every broker moved to another port", disturb: func(ctx context.Context, s *stage) error {
			return inTurn(ctx, s, s.c.MovePort)
		}},
		{
			name: "the last replica in sync dies", replicas: 2,
			topic: map[string]string{"min.insync.replicas": "1"}, disturb: lastInSync,
		},
		{name: "leaders moved each 500 ms", short: true, disturb: moving(6, 500*time.Millisecond), guarded: true},
		{name: "leaders moved each 200 ms", short: true, disturb: moving(15, 200*time.Millisecond), guarded: true},
		{name: "leaders moved each 200 ms, five in flight", disturb: moving(15, 200*time.Millisecond), options: []producer.Option{producer.WithInFlightRequests(5)}, guarded: true},
		{
			name: "min.insync.replicas not met", topic: map[string]string{"min.insync.replicas": "3"},
			disturb: kills(5*time.Second, leaderOf(1)),
		},
		{name: "2 % of the answers lost", short: true, proxied: true, disturb: lose(0.02)},
		{name: "90 % of the answers lost", proxied: true, disturb: lose(0.9)},
		{name: "every connection cut each 40 ms", short: true, proxied: true, disturb: cutting},
		{name: "throttled to 60 kB a second", disturb: throttled},
		{name: "a slow and lossy network", proxied: true, disturb: sick},
		{
			name: "control: no idempotence, 2 % of the answers lost", short: true, proxied: true, options: weak,
			disturb: lose(0.02),
			control: func(r *workload.Result) error {
				if r.Twice == 0 {
					return fmt.Errorf("without idempotence nothing came twice: the fault is too weak to prove anything (%v)", r)
				}
				return nil
			},
		},
		{
			name: "control: unclean.leader.election.enable, and the same", replicas: 2,
			topic:   map[string]string{"min.insync.replicas": "1", "unclean.leader.election.enable": "true"},
			disturb: lastInSync,
			control: func(r *workload.Result) error {
				if r.Lost == 0 {
					return fmt.Errorf("no acknowledged event is gone: no unclean election took place (%v)", r)
				}
				return nil
			},
		},
		{
			name: "control: messages expire after 1 s, two of three killed", options: short(time.Second),
			disturb: kills(4*time.Second, leaderOf(2)),
			control: func(r *workload.Result) error {
				if *franz { // kgo gives up only records that were never sent
					return r.Err()
				}
				if r.Unknown == 0 || r.UnknownInLog == 0 {
					return fmt.Errorf("no message was given up and yet in the log: the fault is too weak to prove anything (%v)", r)
				}
				return nil
			},
		},
	}
}

func nothing(context.Context, *stage) error { return nil }

func rolling(settings map[string]string) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		return inTurn(ctx, s, func(id int) error {
			for key, value := range settings {
				if err := s.c.SetConfig(id, key, value); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// inTurn changes and restarts each node, one node after the other.
func inTurn(ctx context.Context, s *stage, change func(id int) error) error {
	for id := 1; id <= s.c.Len(); id++ {
		if err := change(id); err != nil {
			return err
		}
		stop, cancel := context.WithTimeout(ctx, 15*time.Second)
		err := s.c.Stop(stop, id)
		cancel()
		if err != nil {
			return err
		}
		if err := s.c.Restart(ctx, id); err != nil {
			return err
		}
		if err := s.c.WaitInSync(ctx, s.topic); err != nil {
			return err
		}
	}
	return nil
}

// renewed gives every broker a new certificate.
func renewed(ctx context.Context, s *stage) error {
	before, err := certificates(s.c.MTLSAddrs())
	if err != nil {
		return err
	}
	if err := errors.Join(s.c.RenewCertificates(), rolling(nil)(ctx, s)); err != nil {
		return err
	}
	after, err := certificates(s.c.MTLSAddrs())
	if err != nil {
		return err
	}
	for i := range before {
		if before[i].Cmp(after[i]) == 0 {
			return fmt.Errorf("node %d still has its old certificate", i+1)
		}
	}
	return nil
}

// certificates returns the serial numbers of the brokers' certificates.
func certificates(addrs []string) ([]*big.Int, error) {
	var all []*big.Int
	for _, addr := range addrs {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only looks
		if err != nil {
			return nil, err
		}
		all = append(all, conn.ConnectionState().PeerCertificates[0].SerialNumber)
		_ = conn.Close()
	}
	return all, nil
}

// lastInSync forces an unclean election: 1. Kill the follower of partition 0.
// 2. Kill the leader, after it has accepted more events. 3. Start the follower.
// The follower lacks the last events, so it becomes leader only by an unclean
// election. 4. Start the old leader.
func lastInSync(ctx context.Context, s *stage) error {
	leader, follower, err := s.c.Replicas(ctx, s.topic, 0)
	if err != nil {
		return err
	}
	pause(ctx, time.Second)
	if err := s.c.Kill(follower); err != nil {
		return err
	}
	pause(ctx, 8*time.Second) // the leader goes on alone after replica.lag.time.max.ms
	if err := s.c.Kill(leader); err != nil {
		return err
	}
	if err := s.c.Restart(ctx, follower); err != nil {
		return err
	}
	pause(ctx, 6*time.Second)
	if err := s.c.Restart(ctx, leader); err != nil {
		return err
	}
	if err := s.c.WaitInSync(ctx, s.topic); err != nil {
		return err
	}
	pause(ctx, time.Second)
	return nil
}

func moving(times int, every time.Duration) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		for range times {
			pause(ctx, every)
			if err := s.c.MoveLeaders(ctx, s.topic); err != nil {
				return err
			}
		}
		return s.c.WaitInSync(ctx, s.topic)
	}
}

// losingAnswers loses a tenth of all answers for 15 seconds.
func losingAnswers(ctx context.Context, s *stage) error {
	s.proxy.Drop(0.1)
	pause(ctx, 15*time.Second)
	s.proxy.Drop(0)
	if s.proxy.Drops() == 0 {
		return errors.New("no answer was lost")
	}
	return nil
}

// throttled makes every broker delay its answers (KIP-219) until the average
// rate is below a quota.
func throttled(ctx context.Context, s *stage) error {
	pause(ctx, time.Second)
	if err := s.c.Throttle(ctx, 60_000); err != nil {
		return err
	}
	pause(ctx, 10*time.Second)
	return s.c.Throttle(ctx, 0)
}

// resetting changes settings of the topic every half second. A lower
// max.message.bytes makes the brokers refuse batches.
func resetting(ctx context.Context, s *stage) error {
	admin, err := s.c.Admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	for _, change := range [][2]string{
		{"max.message.bytes", "20000"},
		{"compression.type", "gzip"},
		{"segment.ms", "1000"},
		{"max.message.bytes", "1048588"},
		{"retention.ms", "3600000"},
		{"compression.type", "producer"},
		{"max.message.bytes", "50000"},
		{"message.timestamp.type", "LogAppendTime"},
	} {
		pause(ctx, 500*time.Millisecond)
		answers, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: change[0], Value: &change[1]}}, s.topic)
		if err == nil {
			_, err = answers.On(s.topic, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func cutting(ctx context.Context, s *stage) error {
	for range 125 {
		pause(ctx, 40*time.Millisecond)
		s.proxy.Cut()
	}
	pause(ctx, time.Second)
	return nil
}

func TestFaults(t *testing.T) {
	for _, f := range matrix() {
		if !f.short && !*whole {
			continue
		}
		t.Run(f.name, func(t *testing.T) { f.run(t) })
	}
}

// stage prepares the environment of the fault, and returns the addresses of the
// brokers for the producer.
func (f fault) stage(t *testing.T) (s *stage, brokers []string) {
	t.Helper()
	s = &stage{t: t, c: cluster(t), topic: replicatedTopic(t, 6, f.replicas, f.topic)}
	switch {
	case f.mtls:
		return s, s.c.MTLSAddrs()
	case !f.proxied:
		return s, s.c.Addrs()
	}
	p, err := kafkacluster.NewProxy(s.c, *seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	s.proxy = p
	return s, s.c.ProxiedAddrs()
}

func (f fault) run(t *testing.T) {
	s, brokers := f.stage(t)
	options := append(chosen(), f.options...)
	if f.mtls {
		options = append(options, producer.WithTLS(producer.TLS{CA: s.c.Certs.CA, Cert: s.c.Certs.Client, Key: s.c.Certs.ClientKey}))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	run := workload.Run{
		Brokers: brokers, Read: s.c.Addrs, Topic: s.topic, Name: s.topic, Seed: *seed,
		Messages: 20_000, Rate: 5_000, Pad: 100, Options: options, CloseWithin: 2 * time.Minute,
		Disturb: func(ctx context.Context) {
			if err := f.disturb(ctx, s); err != nil {
				t.Errorf("the fault itself failed: %v", err)
			}
		},
	}
	began := time.Now()
	r, err := run.Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", r.Report)
	f.record(t, r, time.Since(began))
	if f.control != nil {
		if err := f.control(r); err != nil {
			t.Error(err)
		}
		return
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if text := gaveUp(r, f.guarded); text != "" {
		t.Error(text)
	} else if r.CloseErr != nil {
		t.Logf("the guard ended a client: %v", r.CloseErr)
	}
}

// gaveUp says that the producer gave up messages, or is empty. If guarded is
// true, the guard may have ended a client and left outcomes unknown.
func gaveUp(r *workload.Result, guarded bool) string {
	if left := new(producer.UndeliveredError); guarded && r.Fatal == nil && errors.As(r.CloseErr, &left) && int(left.Unknown) == r.Unknown {
		return ""
	}
	if r.CloseErr != nil || r.Unknown > 0 || r.Fatal != nil {
		return fmt.Sprintf("the producer gave up: close %v, fatal %v, %d unknown", r.CloseErr, r.Fatal, r.Unknown)
	}
	return ""
}

// chosen returns the option for the transport of the matrix.
func chosen() []producer.Option {
	if *franz {
		return []producer.Option{producer.WithTransport(producer.Franz)}
	}
	return nil
}

// record appends the fault's row to the table of docs/faults.md.
func (f fault) record(t *testing.T, r *workload.Result, took time.Duration) {
	if *table == "" {
		return
	}
	out, err := os.OpenFile(*table, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := fmt.Fprintf(out, "| %s | %d | %d | %d | %d | %d | %d | %.0f s |\n",
		f.name, r.Intents, r.Lost, r.Twice, r.OutOfOrder, r.Unknown, r.UnknownInLog, took.Seconds()); err != nil {
		t.Fatal(err)
	}
}

// TestAcksNone uses acks 0. No broker returns an offset, so every delivery has
// the offset -1. All events arrive, some of them after Close.
func TestAcksNone(t *testing.T) {
	name := topic(t, 3, nil)
	r, err := workload.Run{
		Brokers: cluster(t).Addrs(), Topic: name, Name: name, Seed: *seed, Messages: 5_000, Rate: 5_000,
		Options:   []producer.Option{producer.WithWeakAcks(producer.AcksNone)},
		NoOffsets: true,
		Started: func(p *producer.Producer) { // without Prepare, the first TryPublish calls would be refused
			if err := p.Prepare(t.Context(), producer.NewTopic(name, producer.NoKey[*workload.Item]())); err != nil {
				t.Error(err)
			}
		},
		Closed: func(delivered int64) { arrived(t, name, delivered) },
	}.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.CloseErr != nil || r.Fatal != nil || r.Acked != r.Intents {
		t.Errorf("close %v, fatal %v, %d of %d acked", r.CloseErr, r.Fatal, r.Acked, r.Intents)
	}
}

// arrived waits until a topic holds n records. The wait is half a minute at
// most.
func arrived(t *testing.T, topic string, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	adm, err := cluster(t).Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	for ctx.Err() == nil {
		there := int64(0)
		ends, err := adm.ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		ends.Each(func(o kadm.ListedOffset) { there += o.Offset })
		if there >= n {
			return
		}
		pause(ctx, 50*time.Millisecond)
	}
}
