package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/transport"
)

const (
	// groupInterval is the longest wait in one call that asks the group for our
	// shards.
	groupInterval = 200 * time.Millisecond
	// closeTimeout bounds the closing of a shard that has moved.
	closeTimeout = 10 * time.Second
	// The pause before a failed shard is tried again lies between these bounds.
	firstPause = time.Second
	maxPause   = time.Minute
)

// runShards reads the shards that the group assigns to this instance. The owner
// of partition n of the topic of positions reads shard n.
func (s *Source[T]) runShards(ctx context.Context) error {
	protocol, err := open.ChooseProtocol(ctx, s.settings)
	if err != nil {
		return fmt.Errorf("source: %s: %w", s.name, err)
	}
	s.settings.Logger.InfoContext(ctx, "group_protocol", "group", s.name, "protocol", string(protocol))
	in, err := open.Consumer(s.settings, transport.Group{ID: s.name, Protocol: protocol, Topics: []string{s.positions.name}}, nil)
	if err != nil {
		return fmt.Errorf("source: %s: join the group: %w", s.name, err)
	}
	defer func() { _ = in.Close() }()
	ends, err := in.EndOffsets(ctx, s.positions.name)
	switch {
	case err != nil:
		return fmt.Errorf("source: %s: topic %s: %w", s.name, s.positions.name, open.ExplainDenied(s.settings, err, "Read", s.positions.name))
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
		if _, err := in.Poll(ctx, groupInterval); err != nil {
			return fmt.Errorf("source: %s: group: %w", s.name, open.ExplainDenied(s.settings, err, "Read", s.name))
		}
		assigned, err := in.Assignment()
		if err != nil {
			return fmt.Errorf("source: %s: group: %w", s.name, err)
		}
		_ = in.Pause(assigned) // the group only assigns shards, so no messages are fetched
		mine := map[int]bool{}
		for _, tp := range assigned {
			if number := int(tp.Partition); number < s.config.shards {
				mine[number] = true
				if reading[number] == nil {
					reading[number] = s.startReading(ctx, number)
				}
			}
		}
		for number, r := range reading {
			if !mine[number] {
				r.stop()
				s.forgetShard(number)
				delete(reading, number)
			}
		}
	}
	return fmt.Errorf("source: %s: %w", s.name, context.Cause(ctx))
}

// reading is a goroutine that reads a shard while the shard is ours.
type reading struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (r *reading) stop() {
	r.cancel()
	<-r.done
}

func (s *Source[T]) startReading(ctx context.Context, number int) *reading {
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{cancel, make(chan struct{})}
	go func() {
		defer close(r.done)
		for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
			begun := time.Now()
			err := s.readShard(ctx, number)
			if ctx.Err() != nil {
				return
			}
			if time.Since(begun) > maxPause {
				pause = firstPause
			}
			if err != nil {
				s.settings.Logger.ErrorContext(ctx, "shard_stopped", "source", s.name, "shard", number, "err", err, "again_in", pause)
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

// readShard reads a shard with its own transactional producer. The producer may
// fence another instance, but the group has already taken the shard from that
// instance.
func (s *Source[T]) readShard(ctx context.Context, number int) error {
	h, err := s.open(Shard{Number: number, Count: s.config.shards})
	if err != nil {
		return err
	}
	err = h.run(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	closed := s.retire(closing, h)
	if u := new(producer.UndeliveredError); errors.As(closed, &u) && u.Err == nil {
		closed = nil // a commit is in doubt: the next reader finds the outcome in the positions
	}
	return errors.Join(err, closed)
}
