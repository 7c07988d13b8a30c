//go:build cgo

package confluent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/transport"
)

const (
	// callSlice bounds one of the library's blocking calls. They heed only
	// deadlines, and a call that timed out is made again.
	callSlice = time.Second
	// leastResume is the minimum timeout of a call that resumes an earlier call. The
	// library first asks its own thread, which answers within microseconds. If that
	// question timed out while a commit is on its way, librdkafka would forget that
	// it was a commit, take its answer for an abort's, and end the process by an
	// assertion (rd_kafka_txn_set_state, "Invalid transaction state transition";
	// 2.15.1).
	leastResume = 200 * time.Millisecond
)

// InitTransactions implements [transport.Client].
func (c *client) InitTransactions(ctx context.Context) error {
	return c.call(ctx, c.kafka.InitTransactions)
}

// BeginTransaction implements [transport.Client].
func (c *client) BeginTransaction() error {
	if !c.uses.hold() {
		return closed()
	}
	defer c.uses.release()
	if err := c.kafka.BeginTransaction(); err != nil {
		return convert(err)
	}
	return nil
}

func closed() *transport.Error {
	return &transport.Error{Code: transport.Closed, Text: "the client is closed"}
}

// SendOffsets implements [transport.Client].
func (c *client) SendOffsets(ctx context.Context, offsets []transport.GroupOffset, member transport.GroupMember) error {
	parts := make([]kafka.TopicPartition, len(offsets))
	for i, o := range offsets {
		parts[i] = kafka.TopicPartition{Topic: &offsets[i].Topic, Partition: o.Partition, Offset: kafka.Offset(o.Offset)}
		if epoch := o.LeaderEpoch; epoch >= 0 {
			parts[i].LeaderEpoch = &epoch
		}
	}
	metadata, ok := member.Library.(*kafka.ConsumerGroupMetadata)
	if !ok {
		// Without a member nobody can be fenced by the group, only by the
		// transactional id.
		var err error
		if metadata, err = kafka.NewTestConsumerGroupMetadata(member.Group); err != nil {
			return convert(err)
		}
	}
	return c.call(ctx, func(ctx context.Context) error {
		return c.kafka.SendOffsetsToTransaction(ctx, parts, metadata)
	})
}

// CommitTransaction implements [transport.Client]. After it returns, with an error
// or without, all outcomes that the library knows are with the handler.
func (c *client) CommitTransaction(ctx context.Context) error {
	if err := c.emptyGates(ctx); err != nil {
		return err
	}
	err := c.call(ctx, c.kafka.CommitTransaction)
	c.settled(err == nil)
	return err
}

// AbortTransaction implements [transport.Client].
func (c *client) AbortTransaction(ctx context.Context) error {
	if err := c.emptyGates(ctx); err != nil {
		return err
	}
	err := c.call(ctx, c.kafka.AbortTransaction)
	c.settled(err == nil)
	return err
}

// emptyGates waits until the library has every message: it does not wait for
// messages that it has not got.
func (c *client) emptyGates(ctx context.Context) error {
	for c.gates.held.Load() > 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-c.alive.Done():
			return closed()
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), &transport.Error{
				Code: transport.TimedOut, Retriable: true, Text: "the first message of a partition is not acknowledged yet",
			})
		}
	}
	return nil
}

// call repeats one of the library's blocking calls while that may help, until ctx
// ends or the client is closed.
func (c *client) call(ctx context.Context, f func(ctx context.Context) error) error {
	if !c.uses.hold() {
		return closed()
	}
	defer c.uses.release()
	var err error
	for {
		begun := time.Now()
		most := sliceOf(ctx, begun)
		if err != nil && most < leastResume {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", context.Cause(ctx), convert(err))
		}
		slice, cancel := context.WithTimeout(ctx, most)
		err = f(slice)
		cancel()
		var kerr kafka.Error
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &kerr), kerr.IsFatal(), kerr.TxnRequiresAbort(), !kerr.IsRetriable():
			return convert(err)
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", context.Cause(ctx), convert(err))
		case c.alive.Err() != nil:
			return fmt.Errorf("%w: %w", closed(), convert(err))
		}
		if rest := 20*time.Millisecond - time.Since(begun); rest > 0 { // it did not even try
			select {
			case <-time.After(rest):
			case <-ctx.Done():
			}
		}
	}
}

// sliceOf is how long a call may take: callSlice, or all that ctx has left if a
// second call would get too little.
func sliceOf(ctx context.Context, now time.Time) time.Duration {
	if end, bounded := ctx.Deadline(); bounded {
		if left := end.Sub(now); left < callSlice+leastResume {
			return left
		}
	}
	return callSlice
}
