// Package workload publishes under disturbance and has the outcome judged by package verify. The same runs serve the
// embedded broker and a real cluster: what disturbs is the caller's.
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
	Brokers []string // where the producer finds the cluster
	Read    []string // where the judge does; nil: at Brokers
	Topic   string
	Name    string // of this run, unlike that of any other in the topic
	Seed    uint64

	// Messages to publish in all. While Disturb has not returned, publishers go on beyond it.
	Messages int
	// Rate is how many messages a second the publishers together try; 0: as fast as they can.
	Rate int
	// Publishers are goroutines, each with keys of its own. Default 4.
	Publishers int
	// Keys of each publisher. Default 8.
	Keys int
	// Pad is the weight of a record in bytes.
	Pad int
	// Options of the producer.
	Options []producer.Option

	// Started is given the producer before the first message.
	Started func(p *producer.Producer)
	// Disturb runs beside the publishers. It leaves the cluster healthy.
	Disturb func(ctx context.Context)

	// Closed is called between Close and the reading, with what was reported delivered.
	Closed func(delivered int64)

	// ShortContexts lets some calls have a context that ends at random.
	ShortContexts bool
	// BadCallbacks lets some callbacks panic and others block for a while.
	BadCallbacks bool
	// CloseAfter closes the producer after so many messages while others publish; 0: when all is done.
	CloseAfter int
	// CloseWithin bounds Close. Default a minute.
	CloseWithin time.Duration
}

// Result is what came of it.
type Result struct {
	*verify.Report
	Stats    producer.Stats
	CloseErr error
	Fatal    error // of the producer before Close, if it had one
	Failures int64 // told to the failure handler
	// Unbalanced are the instants at which the books did not balance.
	Unbalanced int64
}

// Do publishes, closes and judges. An error is that of the judging, or of a message that came back with neither outcome.
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
		w.Read = w.Brokers
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
	s.result.Report, err = s.journal.Check(ctx, w.Read, []string{w.Topic}, Decode(w.Name+"-"))
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
	closed               chan error // of Close
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

// watch looks at the books over and over.
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
		time.Sleep(time.Millisecond) // a sample, nothing waits for it
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
		s.one(ctx, item, rng)
		if s.p.Err() != nil && s.CloseAfter == 0 {
			return
		}
	}
}

// pace holds a publisher to its part of the rate.
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

// one publishes one item in some way and notes what is said of it.
func (s *state) one(ctx context.Context, item *Item, rng *rand.Rand) {
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
	case way == 1: // a future, waited for now
		pending, err := s.topic.Enqueue(ctx, s.p, item)
		if err != nil {
			note(producer.Delivery{}, err)
			return
		}
		note(pending.Wait(ctx))
	case way == 2: // drop rather than wait
		if err := s.topic.TryPublish(ctx, s.p, item, note); err != nil {
			note(producer.Delivery{}, err)
		}
	default:
		callback := note
		if s.BadCallbacks {
			callback = s.bad(note, way)
		}
		if err := s.topic.PublishAsync(ctx, s.p, item, callback); err != nil {
			note(producer.Delivery{}, err)
		}
	}
}

// bad is a callback that misbehaves after it took note.
func (s *state) bad(note producer.Callback, way int) producer.Callback {
	return func(d producer.Delivery, err error) {
		note(d, err)
		switch way {
		case 10, 11, 12:
			panic("a callback of the workload")
		case 13:
			time.Sleep(5 * time.Millisecond) // it blocks: that is the test
		}
	}
}
