package franz

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/avroline/avroline/producer/internal/transport"
)

// transaction is the client's open transaction.
//
// The consumer is another client, so kgo does not know the consumed offsets.
// The package sends the offsets (KIP-98: AddOffsetsToTxn, then
// TxnOffsetCommit). The package also ends a transaction that kgo regards as
// empty.
type transaction struct {
	client *client

	mu      sync.Mutex
	groups  map[string]bool // groups with offsets in the transaction
	group   string          // the last group with offsets, of this or the last transaction
	sent    bool            // SendOffsets was called in the transaction
	early   chan struct{}   // closed when the goroutine of begun has ended; nil without it
	running *operation      // the commit or abort that still runs after its call was cancelled
	aux     *kgo.Client     // for offset requests, made on first use
	closed  bool

	// produced says that kgo has got a message of the transaction. ending says
	// that kgo has sent EndTxn. broken is the reason why a commit is
	// impossible.
	produced, ending atomic.Bool
	broken           atomic.Pointer[transport.Error]
}

// operation is a commit or abort. An operation goes on after the caller's
// context ends, so that the next call gets the result.
type operation struct {
	commit bool
	done   chan struct{}
	err    error
	begun  atomic.Bool // the commit asks the coordinator, or never will: see end
}

var errCancelled = &transport.Error{Code: transport.State, Text: "the commit was cancelled before the coordinator was asked"}

// InitTransactions implements [transport.Client].
func (c *client) InitTransactions(ctx context.Context) error {
	if _, _, err := c.kgo.ProducerID(ctx); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return convertError(err)
	}
	return nil
}

// convertError converts like convert, but convertError(nil) is an untyped nil.
func convertError(err error) error {
	if err == nil {
		return nil
	}
	return convert(err)
}

// BeginTransaction implements [transport.Client].
func (c *client) BeginTransaction() error {
	t := &c.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running != nil {
		return &transport.Error{Code: transport.State, Text: "the transaction before has not ended"}
	}
	if !t.sent {
		t.group = ""
	}
	t.groups, t.early, t.sent = nil, nil, false
	t.produced.Store(false)
	t.ending.Store(false)
	t.broken.Store(nil)
	return convertError(c.kgo.BeginTransaction())
}

// CommitTransaction implements [transport.Client].
func (c *client) CommitTransaction(ctx context.Context) error {
	return c.tx.end(ctx, true, func(op *operation, life context.Context) error {
		defer c.outbox.wait()
		c.linger.settle()
		if err := c.kgo.Flush(life); err != nil {
			return err
		}
		// Every promise has run, so broken is set if a message failed. The
		// handler gets the outcomes while the coordinator works.
		if err := c.tx.broken.Load(); err != nil {
			e := *err
			e.AbortRequired = !e.Fatal
			return &e
		}
		if !op.begun.CompareAndSwap(false, true) {
			return errCancelled
		}
		return c.tx.finish(life, kgo.TryCommit)
	})
}

// AbortTransaction implements [transport.Client].
func (c *client) AbortTransaction(ctx context.Context) error {
	return c.tx.end(ctx, false, func(_ *operation, life context.Context) error {
		c.linger.settle()
		if err := c.kgo.AbortBufferedRecords(life); err != nil {
			return err
		}
		c.outbox.wait()
		return c.tx.finish(life, kgo.TryAbort)
	})
}

// end starts a commit or an abort, or waits for the running operation.
//
// If the context ends before a commit asks the coordinator, the commit never
// asks. If the context ends later, the handler has every outcome when end
// returns. So a missing outcome proves that there is no commit.
func (t *transaction) end(ctx context.Context, commit bool, f func(op *operation, life context.Context) error) error {
	t.mu.Lock()
	op := t.running
	switch {
	case op == nil:
		op = &operation{commit: commit, done: make(chan struct{})}
		t.running = op
		t.client.background.Go(func() {
			defer close(op.done)
			op.err = f(op, context.Background()) // kgo's Close ends the call
		})
	case op.commit != commit:
		t.mu.Unlock()
		return &transport.Error{Code: transport.State, Text: "the other end of the transaction is on its way"}
	}
	t.mu.Unlock()
	select {
	case <-op.done:
	case <-ctx.Done():
		select {
		case <-op.done:
		default:
			if commit && !op.begun.CompareAndSwap(false, true) {
				t.client.outbox.wait()
			}
			return convert(ctx.Err())
		}
	}
	t.mu.Lock()
	if t.running == op {
		t.running = nil
	}
	t.mu.Unlock()
	return convertError(op.err)
}

// finish ends the transaction at the coordinator. kgo sends no EndTxn if it has
// added no partition to the transaction. If the coordinator still had the
// offsets, they would become a part of the next transaction.
func (t *transaction) finish(ctx context.Context, try kgo.TransactionEndTry) error {
	if err := t.waitEarly(ctx); err != nil {
		return err
	}
	if err := t.client.kgo.EndTransaction(ctx, try); err != nil {
		return err
	}
	t.mu.Lock()
	offsetsOnly := len(t.groups) > 0 && !t.ending.Load()
	t.mu.Unlock()
	if offsetsOnly {
		return t.endOffsets(ctx, bool(try))
	}
	return nil
}

// endOffsets ends a transaction that has offsets, but no partitions.
func (t *transaction) endOffsets(ctx context.Context, commit bool) error {
	id, epoch, err := t.client.kgo.ProducerID(ctx)
	if err != nil {
		return err
	}
	aux, err := t.auxiliary()
	if err != nil {
		return err
	}
	return whileConcurrent(ctx, func() error {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.client.config.TransactionalID, id, epoch, commit
		resp, err := req.RequestWith(ctx, bounded{aux})
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

// SendOffsets implements [transport.Client].
func (c *client) SendOffsets(ctx context.Context, offsets []transport.GroupOffset, member transport.GroupMember) error {
	return convertError(c.tx.sendOffsets(ctx, offsets, member))
}

func (t *transaction) sendOffsets(ctx context.Context, offsets []transport.GroupOffset, member transport.GroupMember) error {
	if err := member.Refusal(); err != nil {
		return err
	}
	t.mu.Lock()
	t.sent = true
	t.mu.Unlock()
	id, epoch, err := t.client.kgo.ProducerID(ctx)
	if err != nil {
		return err
	}
	aux, err := t.auxiliary()
	if err != nil {
		return err
	}
	if err := t.waitEarly(ctx); err != nil {
		return err
	}
	if err := t.addGroup(ctx, aux, member.Group, id, epoch); err != nil {
		return err
	}
	if t.produced.Load() {
		// Offsets usually come after the last message, so the messages leave
		// now. They do not leave earlier, because the coordinator would refuse
		// to add a partition while it adds the group.
		t.client.background.Go(func() {
			t.client.linger.settle()
			_ = t.client.kgo.Flush(context.Background()) // CommitTransaction reports what fails
		})
	}
	req := offsetsRequest(offsets, member)
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.client.config.TransactionalID, id, epoch
	return whileConcurrent(ctx, func() error {
		resp, err := req.RequestWith(ctx, bounded{aux})
		if err != nil {
			return err
		}
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return offsetError(err)
				}
			}
		}
		return nil
	})
}

// offsetsRequest returns the request for offsets of a group. The request does
// not yet name the producer.
func offsetsRequest(offsets []transport.GroupOffset, member transport.GroupMember) *kmsg.TxnOffsetCommitRequest {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Group = member.Group
	req.MemberID, req.Generation = member.MemberID, member.Generation
	if member.MemberID == "" && member.Generation == 0 {
		req.Generation = -1 // without a member
	}
	if member.InstanceID != "" {
		req.InstanceID = kmsg.StringPtr(member.InstanceID)
	}
	byTopic := map[string]int{}
	for _, o := range offsets {
		i, ok := byTopic[o.Topic]
		if !ok {
			i = len(req.Topics)
			byTopic[o.Topic] = i
			topic := kmsg.NewTxnOffsetCommitRequestTopic()
			topic.Topic = o.Topic
			req.Topics = append(req.Topics, topic)
		}
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = o.Partition, o.Offset, o.LeaderEpoch
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	return req
}

// offsetError adds the consequence to a refused commit of offsets. The
// transaction can be aborted, unless the producer is fenced.
func offsetError(err error) error {
	e := *convert(err)
	e.AbortRequired = !e.Retriable && !e.Fatal
	return &e
}

// begun notes that kgo gets the first message of the transaction. If the
// transaction before had offsets, this one will have offsets too. So begun
// already adds the group, and SendOffsets has one round trip less.
func (t *transaction) begun() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.produced.Swap(true) || t.group == "" {
		return
	}
	group, done := t.group, make(chan struct{})
	t.early = done
	t.client.background.Go(func() {
		defer close(done)
		id, epoch, err := t.client.kgo.ProducerID(t.client.alive)
		if err != nil {
			return // SendOffsets gets the error too
		}
		if aux, err := t.auxiliary(); err == nil {
			_ = t.addGroup(t.client.alive, aux, group, id, epoch) // SendOffsets tries again
		}
	})
}

// waitEarly waits until begun has added the group.
func (t *transaction) waitEarly(ctx context.Context) error {
	t.mu.Lock()
	early := t.early
	t.mu.Unlock()
	if early == nil {
		return nil
	}
	select {
	case <-early:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addGroup adds a group to the transaction, once. Only one call runs at a time.
func (t *transaction) addGroup(ctx context.Context, aux *kgo.Client, group string, id int64, epoch int16) error {
	t.mu.Lock()
	known := t.groups[group]
	t.mu.Unlock()
	if known {
		return nil
	}
	err := whileConcurrent(ctx, func() error {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.Group = t.client.config.TransactionalID, group
		req.ProducerID, req.ProducerEpoch = id, epoch
		resp, err := req.RequestWith(ctx, bounded{aux})
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.groups == nil {
		t.groups = map[string]bool{}
	}
	t.groups[group], t.group = true, group
	return nil
}

// auxiliary returns a client for requests that kgo's own transactions do not
// make. The client uses the versions before part 2 of KIP-890. With later
// versions the coordinator changes the producer's epoch, and kgo would not
// learn the new epoch.
func (t *transaction) auxiliary() (*kgo.Client, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, &transport.Error{Code: transport.Closed, Text: "the client is closed"}
	}
	if t.aux != nil {
		return t.aux, nil
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
	versions.SetMaxKeyVersion(int16(kmsg.AddOffsetsToTxn), 3)
	common, connect, err := options(t.client.config, t.client.handler)
	if err != nil {
		return nil, err
	}
	t.aux, err = kgo.NewClient(append(common, kgo.Dialer(connect), kgo.MaxVersions(versions))...)
	return t.aux, err
}

// close ends the auxiliary client. Running operations end with an error.
func (t *transaction) close() {
	t.mu.Lock()
	aux := t.aux
	t.closed = true
	t.mu.Unlock()
	if aux != nil {
		aux.Close()
	}
}

// whileConcurrent repeats f while the coordinator is still ending the previous
// transaction. The coordinator usually needs a few milliseconds.
func whileConcurrent(ctx context.Context, f func() error) error {
	const most = 20 * time.Millisecond
	for pause := time.Millisecond; ; pause = min(2*pause, most) {
		err := f()
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}
