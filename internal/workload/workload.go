// Package workload publishes events while the caller disturbs the cluster, and
// lets package verify check the outcomes. The same runs work against the
// embedded broker and against a real cluster.
package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// Run is one workload.
type Run struct {
	// Brokers are the addresses for the producer. Read returns the addresses
	// for the verifier, at the end of the run. nil means Brokers.
	Brokers []string
	Read    func() []string
	Topic   string
	// Name must differ from the name of every other run in the topic.
	Name string
	Seed uint64

	// Messages is the number of messages to publish. The publishers go on
	// beyond it until Disturb has returned.
	Messages int
	// Rate is the number of messages a second of all publishers together. 0
	// means as fast as possible.
	Rate int
	// Publishers is the number of goroutines that publish. Each goroutine has
	// its own keys. Default 4.
	Publishers int
	// Keys is the number of keys of each publisher. Default 8.
	Keys int
	// Pad is the size of the padding in each record, in bytes.
	Pad int
	// Options are the options of the producer.
	Options []producer.Option
	// NoOffsets accepts deliveries without an offset, as acks 0 gives them.
	NoOffsets bool

	// Started is called with the producer before the first message.
	Started func(p *producer.Producer)
	// Disturb runs beside the publishers. The cluster must be healthy again
	// when Disturb returns.
	Disturb func(ctx context.Context)

	// Closed is called after Close and before the topic is read, with the
	// number of messages that were reported delivered.
	Closed func(delivered int64)

	// ShortContexts gives some calls a context that ends at a random moment.
	ShortContexts bool
	// BadCallbacks makes some callbacks panic and others block for a while.
	BadCallbacks bool
	// CloseAfter closes the producer after this number of messages while others
	// still publish. 0 means that Close comes last.
	CloseAfter int
	// CloseWithin is the timeout of Close. Default 1 minute.
	CloseWithin time.Duration
}

// Result is the result of a run.
type Result struct {
	*verify.Report
	Stats    producer.Stats
	CloseErr error
	Fatal    error // the producer's Err before Close
	Failures int64 // calls of the failure handler
	// Unbalanced counts the moments at which Stats did not add up.
	Unbalanced int64
}

// Do publishes, closes the producer, reads the topic, and compares. The error
// is not nil if the topic could not be read, or if a message came back without
// one of the three outcomes.
func (w Run) Do(ctx context.Context) (*Result, error) {
	if w.Publishers == 0 {
		w.Publishers = 4
	}
	if w.Keys == 0 {
		w.Keys = 8
	}
	if w.CloseWithin == 0 {
		w.CloseWithin = time.Minute
	}
	if w.Read == nil {
		w.Read = func() []string { return w.Brokers }
	}
	ser, err := serde.NewSerializer(&Registry{})
	if err != nil {
		return nil, err
	}
	s := &state{Run: w, journal: verify.NewJournal(), result: &Result{}, closed: make(chan error, 1)}
	options := append([]producer.Option{
		producer.WithFailureHandler(func(producer.Delivery, error) { s.failures.Add(1) }),
	}, w.Options...)
	s.p, err = producer.New(w.Brokers, ser, options...)
	if err != nil {
		return nil, err
	}
	s.topic = producer.NewTopic(w.Topic, producer.KeyBytes(func(i *Item, dst []byte) []byte {
		return append(append(append(dst, i.Producer...), '/'), i.Key...)
	}))
	if !w.NoOffsets {
		s.journal.RequireOffsets()
	}
	if w.Started != nil {
		w.Started(s.p)
	}
	s.publish(ctx)

	s.result.Fatal = s.p.Err()
	if w.CloseAfter == 0 || s.sent.Load() < int64(w.CloseAfter) { // ctx ended before that many
		s.close(ctx)
	}
	s.result.CloseErr = <-s.closed
	close(s.watched)
	s.watcher.Wait()
	s.result.Stats = s.p.Stats()
	s.result.Failures, s.result.Unbalanced = s.failures.Load(), s.unbalanced.Load()
	if e := s.strange.Load(); e != nil {
		return nil, *e
	}
	if w.Closed != nil {
		w.Closed(s.result.Stats.Delivered)
	}
	s.result.Report, err = s.journal.Check(ctx, w.Read(), []string{w.Topic}, Decode(w.Name+"-"))
	return s.result, err
}

type state struct {
	Run
	p       *producer.Producer
	topic   *producer.Topic[*Item]
	journal *verify.Journal
	result  *Result

	sent                 atomic.Int64
	failures, unbalanced atomic.Int64
	strange              atomic.Pointer[error]
	closed               chan error // the result of Close
	watched              chan struct{}
	watcher              sync.WaitGroup
}

func (s *state) publish(ctx context.Context) {
	s.watched = make(chan struct{})
	s.watcher.Go(s.watch)
	disturbed := make(chan struct{})
	go func() {
		defer close(disturbed)
		if s.Disturb != nil {
			s.Disturb(ctx)
		}
	}()
	var publishers sync.WaitGroup
	for n := range s.Publishers {
		publishers.Go(func() { s.publisher(ctx, n, disturbed) })
	}
	publishers.Wait()
	<-disturbed
}

func (s *state) close(ctx context.Context) {
	closing, cancel := context.WithTimeout(ctx, s.CloseWithin)
	defer cancel()
	s.closed <- s.p.Close(closing)
}

// watch checks again and again that Stats adds up.
func (s *state) watch() {
	for {
		select {
		case <-s.watched:
			return
		default:
		}
		st := s.p.Stats()
		if st.InFlight < 0 || st.Accepted != st.Delivered+st.NotSent+st.Unknown+st.InFlight {
			s.unbalanced.Add(1)
		}
		time.Sleep(time.Millisecond) // the interval of the samples
	}
}

func (s *state) publisher(ctx context.Context, n int, disturbed <-chan struct{}) {
	rng := rand.New(rand.NewPCG(s.Seed, uint64(n)))
	name := fmt.Sprintf("%s-%d", s.Name, n)
	next := make([]int64, s.Keys)
	pad := strings.Repeat("x", s.Pad)
	began := time.Now()
	for i := 0; ; i++ {
		if ctx.Err() != nil {
			return
		}
		total := s.sent.Add(1)
		if total > int64(s.Messages) {
			select {
			case <-disturbed:
				return
			default:
			}
		}
		if s.CloseAfter > 0 && total == int64(s.CloseAfter) {
			go s.close(ctx)
		}
		if s.CloseAfter > 0 && total > int64(s.CloseAfter)+1000 {
			return
		}
		s.pace(ctx, began, i)
		k := rng.IntN(s.Keys)
		item := &Item{ID: verify.ID{Producer: name, Key: fmt.Sprintf("k%d", k), Seq: next[k]}, Pad: pad}
		next[k]++
		s.publishOne(ctx, item, rng)
		if s.p.Err() != nil && s.CloseAfter == 0 {
			return
		}
	}
}

// pace waits until the next message of a publisher is due.
func (s *state) pace(ctx context.Context, began time.Time, sent int) {
	if s.Rate == 0 {
		return
	}
	due := began.Add(time.Duration(float64(sent) / float64(s.Rate) * float64(s.Publishers) * float64(time.Second)))
	if ahead := time.Until(due); ahead > time.Millisecond {
		select {
		case <-time.After(ahead):
		case <-ctx.Done():
		}
	}
}

// publishOne publishes one item in a randomly chosen way and records the
// outcome.
func (s *state) publishOne(ctx context.Context, item *Item, rng *rand.Rand) {
	in := s.journal.Intend(item.ID)
	note := func(d producer.Delivery, err error) {
		switch {
		case err == nil:
			in.Acked(d.Partition, d.Offset)
		case errors.Is(err, producer.ErrNotSent):
			in.NotSent()
		case errors.Is(err, producer.ErrOutcomeUnknown):
			in.Unknown()
		default:
			err = fmt.Errorf("%v came back with neither outcome: %w", item.ID, err)
			s.strange.CompareAndSwap(nil, &err)
		}
	}
	if s.ShortContexts && rng.IntN(10) == 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(3000))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	switch way := rng.IntN(100); {
	case way == 0: // synchronous
		note(s.topic.Publish(ctx, s.p, item))
	case way == 1: // as a future
		pending, err := s.topic.PublishFuture(ctx, s.p, item)
		if err != nil {
			note(producer.Delivery{}, err)
			return
		}
		note(pending.Wait(ctx))
	case way == 2: // without waiting for room
		if err := s.topic.TryPublishAsync(ctx, s.p, item, note); err != nil {
			note(producer.Delivery{}, err)
		}
	default:
		callback := note
		if s.BadCallbacks {
			callback = s.misbehavingCallback(note, way)
		}
		if err := s.topic.PublishAsync(ctx, s.p, item, callback); err != nil {
			note(producer.Delivery{}, err)
		}
	}
}

// misbehavingCallback returns a callback that records the outcome and then
// panics or blocks.
func (s *state) misbehavingCallback(note producer.Callback, way int) producer.Callback {
	return func(d producer.Delivery, err error) {
		note(d, err)
		switch way {
		case 10, 11, 12:
			panic("a callback of the workload")
		case 13:
			time.Sleep(5 * time.Millisecond) // a slow callback is part of the test
		}
	}
}
