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
	// callSlice limits one blocking call of the library. The library's calls
	// only obey deadlines. call repeats a call that timed out.
	callSlice = time.Second
	// leastResume is the minimum timeout of a call that resumes an earlier
	// call. The call first asks the library's own thread, and the thread
	// answers within microseconds. A timeout of this question during a commit
	// ends the process in librdkafka 2.15.1:
	//
	//  1. librdkafka forgets that the call was a commit.
	//  2. librdkafka treats the commit's answer as an abort's answer.
	//  3. An assertion fails (rd_kafka_txn_set_state, "Invalid transaction
	//     state transition").
	leastResume = 200 * time.Millisecond
)

// InitTransactions implements [transport.Client].
func (c *client) InitTransactions(ctx context.Context) error {
	return c.call(ctx, c.kafka.InitTransactions)
}

// BeginTransaction implements [transport.Client].
func (c *client) BeginTransaction() error {
	if !c.calls.hold() {
		return closed()
	}
	defer c.calls.release()
	if err := c.kafka.BeginTransaction(); err != nil {
		return convert(err)
	}
	if c.plugin {
		c.hub.begin()
	}
	return nil
}

func closed() *transport.Error {
	return &transport.Error{Code: transport.Closed, Text: "the client is closed"}
}

// SendOffsets implements [transport.Client].
func (c *client) SendOffsets(ctx context.Context, offsets []transport.GroupOffset, member transport.GroupMember) error {
	if err := member.Refusal(); err != nil {
		return err
	}
	parts := make([]kafka.TopicPartition, len(offsets))
	for i, o := range offsets {
		parts[i] = kafka.TopicPartition{Topic: &offsets[i].Topic, Partition: o.Partition, Offset: kafka.Offset(o.Offset)}
		if epoch := o.LeaderEpoch; epoch >= 0 {
			parts[i].LeaderEpoch = &epoch
		}
	}
	metadata, err := groupMetadata(member)
	if err != nil {
		return err
	}
	return c.call(ctx, func(ctx context.Context) error {
		return c.kafka.SendOffsetsToTransaction(ctx, parts, metadata)
	})
}

// groupMetadata returns the library's form of a member. Without a member, the
// group cannot fence the producer. Only the transactional id can fence the
// producer.
func groupMetadata(member transport.GroupMember) (*kafka.ConsumerGroupMetadata, error) {
	switch library := member.Library.(type) {
	case *kafka.ConsumerGroupMetadata:
		return library, nil
	case nil:
		if member.MemberID == "" && member.InstanceID == "" && member.Generation <= 0 {
			metadata, err := kafka.NewTestConsumerGroupMetadata(member.Group)
			if err != nil {
				return nil, convert(err)
			}
			return metadata, nil
		}
	}
	return nil, &transport.Error{Code: transport.Invalid, AbortRequired: true, Text: "the transport confluent takes a member of a group " +
		"only as *kafka.ConsumerGroupMetadata, in GroupMember.Library: without it, a replaced member could commit offsets"}
}

// CommitTransaction implements [transport.Client]. After the return, with or
// without an error, the handler has all outcomes that the library knows.
func (c *client) CommitTransaction(ctx context.Context) error {
	if err := c.emptyGates(ctx); err != nil {
		return err
	}
	c.awaitRegistration()
	err := c.call(ctx, c.kafka.CommitTransaction)
	c.waitForHandler(err == nil)
	return err
}

// AbortTransaction implements [transport.Client].
func (c *client) AbortTransaction(ctx context.Context) error {
	if err := c.emptyGates(ctx); err != nil {
		return err
	}
	err := c.call(ctx, c.kafka.AbortTransaction)
	c.waitForHandler(err == nil)
	return err
}

// emptyGates waits until the library has every message, because the library
// does not wait for messages in gates.
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

// call repeats a blocking call of the library while a retry may help. call ends
// if ctx ends or if the client is closed.
func (c *client) call(ctx context.Context, f func(ctx context.Context) error) error {
	if !c.calls.hold() {
		return closed()
	}
	defer c.calls.release()
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
		if rest := 20*time.Millisecond - time.Since(begun); rest > 0 { // the library did not even try
			select {
			case <-time.After(rest):
			case <-ctx.Done():
			}
		}
	}
}

// sliceOf returns the timeout of a call. The timeout is callSlice, or the whole
// rest of ctx if a second call would get too little time.
func sliceOf(ctx context.Context, now time.Time) time.Duration {
	if end, bounded := ctx.Deadline(); bounded {
		if left := end.Sub(now); left < callSlice+leastResume {
			return left
		}
	}
	return callSlice
}
