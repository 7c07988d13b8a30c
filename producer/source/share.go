package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/consumer"
	"github.com/avroline/avroline/producer/internal/transport"
)

const (
	// shareWait is how often the group is asked which shards are ours.
	shareWait = 200 * time.Millisecond
	// stopWait bounds the closing of a shard that has moved.
	stopWait = 10 * time.Second
	// A shard that failed is tried again after a pause between these two.
	firstPause = time.Second
	mostPause  = time.Minute
)

// share reads the shards that the group assigns to this instance: shard n
// belongs to whoever has partition n of the topic of positions.
func (s *Source[T]) share(ctx context.Context) error {
	protocol, err := consumer.ChooseProtocol(ctx, s.settings)
	if err != nil {
		return fmt.Errorf("source: %s: %w", s.name, err)
	}
	s.settings.Logger.Info("group_protocol", "group", s.name, "protocol", string(protocol))
	in, err := consumer.Open(s.settings, transport.Group{ID: s.name, Protocol: protocol, Topics: []string{s.positions.name}}, nil)
	if err != nil {
		return fmt.Errorf("source: %s: join the group: %w", s.name, err)
	}
	defer func() { _ = in.Close() }()
	ends, err := in.EndOffsets(ctx, s.positions.name)
	switch {
	case err != nil:
		return fmt.Errorf("source: %s: topic %s: %w", s.name, s.positions.name, consumer.ExplainDenied(s.settings, err, "Read", s.positions.name))
	case len(ends) < s.config.shards:
		return fmt.Errorf("source: %s: topic %s has %d partitions, and WithShards is %d: add partitions, one for each shard",
			s.name, s.positions.name, len(ends), s.config.shards)
	}
	reading := map[int]*reading{}
	defer func() {
		for _, r := range reading {
			r.stop()
		}
	}()
	for ctx.Err() == nil {
		if _, err := in.Poll(ctx, shareWait); err != nil {
			return fmt.Errorf("source: %s: group: %w", s.name, consumer.ExplainDenied(s.settings, err, "Read", s.name))
		}
		assigned, err := in.Assignment()
		if err != nil {
			return fmt.Errorf("source: %s: group: %w", s.name, err)
		}
		_ = in.Pause(assigned) // their messages are of no interest
		mine := map[int]bool{}
		for _, tp := range assigned {
			if number := int(tp.Partition); number < s.config.shards {
				mine[number] = true
				if reading[number] == nil {
					reading[number] = s.start(ctx, number)
				}
			}
		}
		for number, r := range reading {
			if !mine[number] {
				r.stop()
				delete(reading, number)
			}
		}
	}
	return fmt.Errorf("source: %s: %w", s.name, context.Cause(ctx))
}

// reading is a goroutine that reads a shard as long as it is ours.
type reading struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (r *reading) stop() {
	r.cancel()
	<-r.done
}

func (s *Source[T]) start(ctx context.Context, number int) *reading {
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{cancel, make(chan struct{})}
	go func() {
		defer close(r.done)
		for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, mostPause) {
			begun := time.Now()
			err := s.readOnce(ctx, number)
			if ctx.Err() != nil {
				return
			}
			if time.Since(begun) > mostPause {
				pause = firstPause
			}
			if err != nil {
				s.settings.Logger.Error("shard_stopped", "source", s.name, "shard", number, "err", err, "again_in", pause)
			}
			wait := time.NewTimer(pause)
			select {
			case <-wait.C:
			case <-ctx.Done():
				wait.Stop()
			}
		}
	}()
	return r
}

// readOnce reads a shard with a transactional producer of its own. If another
// instance was fenced by that, the group has told it so.
func (s *Source[T]) readOnce(ctx context.Context, number int) error {
	h, err := s.open(Shard{Number: number, Count: s.config.shards})
	if err != nil {
		return err
	}
	err = h.run(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	closed := s.retire(closing, h)
	if u := new(producer.UndeliveredError); errors.As(closed, &u) && u.Err == nil {
		closed = nil // in doubt: the positions tell the next reader
	}
	return errors.Join(err, closed)
}
