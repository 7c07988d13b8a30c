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

// transaction is the client's open transaction (KIP-98).
//
// There are two versions of the protocol. In the first one, the client adds
// each partition and each group to the transaction at the coordinator, before a
// message or an offset. In the second one (part 2 of KIP-890), the brokers do
// this, and the answer to EndTxn has the producer's next epoch. The brokers
// offer the second version as the feature transaction.version 2.
type transaction struct {
	client *client
	second bool // the version of the protocol, set by InitTransactions

	mu      sync.Mutex
	groups  map[string]bool // groups with offsets in the transaction
	group   string          // the last group with offsets, of this or the last transaction
	sent    bool            // SendOffsets was called in the transaction
	running *operation      // the commit or abort that still runs after its call was cancelled
	first   *kgo.Client     // for the requests of the first version, made on first use
	closed  bool
	adding  []*partition // that the coordinator does not have yet
	asking  bool         // addPartitions runs

	// calls is full during a request to the coordinator, because the
	// coordinator refuses a second one at the same time. open says that the
	// transaction takes partitions and groups, and belongs to the holder.
	calls chan struct{} // capacity 1
	open  bool

	number   atomic.Uint32 // of the transaction
	aborting atomic.Bool   // no more messages are written
	// reached says that the coordinator may know the transaction. Otherwise
	// there is nothing to end.
	reached atomic.Bool
	// dirty says that the sequence numbers of a partition are not known. broken
	// is the reason why a commit is impossible.
	dirty  atomic.Bool
	broken atomic.Pointer[transport.Error]
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
	second, err := c.offersSecondVersion(ctx)
	if err != nil {
		return convert(err)
	}
	c.tx.second = second
	return convertError(c.tx.init(ctx, nil))
}

// init asks the coordinator for a producer id. With before, the id is the same
// and has the next epoch.
func (t *transaction) init(ctx context.Context, before *producerID) error {
	return whileConcurrent(ctx, func() error { return t.client.initProducerID(ctx, before) })
}

// offersSecondVersion asks a broker for the version of transactions.
func (c *client) offersSecondVersion(ctx context.Context) (bool, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = softwareName, softwareVersion
	resp, err := req.RequestWith(ctx, bounded{c.kgo})
	if err != nil {
		return false, err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel >= 2, nil
		}
	}
	return false, nil
}

// lock waits until no request to the coordinator runs.
func (t *transaction) lock(ctx context.Context) error {
	select {
	case t.calls <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *transaction) unlock() { <-t.calls }

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
	if err := t.lock(c.alive); err != nil {
		return convert(err)
	}
	defer t.unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running != nil {
		return &transport.Error{Code: transport.State, Text: "the transaction before has not ended"}
	}
	if c.ids.get() == nil {
		return &transport.Error{Code: transport.State, Text: "the client has no producer id"}
	}
	if !t.sent {
		t.group = ""
	}
	t.groups, t.sent, t.adding = nil, false, nil
	t.reached.Store(false)
	t.broken.Store(nil)
	t.number.Add(1)
	t.open = true
	return nil
}

// CommitTransaction implements [transport.Client].
func (c *client) CommitTransaction(ctx context.Context) error {
	return c.tx.end(ctx, true, func(op *operation) error {
		c.BeginFlush()
		c.busy.wait()
		c.EndFlush()
		defer c.outbox.wait() // the handler gets the outcomes while the coordinator works
		if err := c.refusalError(); err != nil {
			return err
		}
		if err := c.tx.broken.Load(); err != nil {
			e := *err
			e.AbortRequired = !e.Fatal
			return &e
		}
		if !op.begun.CompareAndSwap(false, true) {
			return errCancelled
		}
		return c.tx.finish(true)
	})
}

// AbortTransaction implements [transport.Client].
func (c *client) AbortTransaction(ctx context.Context) error {
	return c.tx.end(ctx, false, func(*operation) error {
		c.tx.aborting.Store(true)
		defer c.tx.aborting.Store(false)
		c.endWaiting()
		c.busy.wait()
		c.outbox.wait()
		if err := c.refusalError(); err != nil {
			return err
		}
		return c.tx.finish(false)
	})
}

// endWaiting ends the messages that no request has. The messages behind a
// request end with its answer.
func (c *client) endWaiting() {
	for _, t := range c.topics.Range {
		t.(*topic).each(func(p *partition) {
			if p.front != nil && p.stage != flying && p.stage != reporting {
				p.giveUp(errAborted)
			}
		})
	}
}

// end starts a commit or an abort, or waits for the running operation.
//
// If the context ends before a commit asks the coordinator, the commit never
// asks. If the context ends later, the handler has every outcome when end
// returns. So a missing outcome proves that there is no commit.
func (t *transaction) end(ctx context.Context, commit bool, f func(op *operation) error) error {
	t.mu.Lock()
	op := t.running
	switch {
	case op == nil:
		op = &operation{commit: commit, done: make(chan struct{})}
		t.running = op
		t.client.background.Go(func() {
			defer close(op.done)
			op.err = f(op)
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

// finish ends the transaction at the coordinator.
func (t *transaction) finish(commit bool) error {
	c := t.client
	ctx := c.alive
	if err := t.lock(ctx); err != nil {
		return err
	}
	defer t.unlock()
	t.open = false
	if t.reached.Load() {
		if err := t.endTxn(ctx, commit); err != nil {
			return err
		}
		t.reached.Store(false)
		if t.second { // the sequence numbers begin again
			t.dirty.Store(false)
		}
	}
	if !t.dirty.Load() {
		return nil
	}
	if err := t.init(ctx, c.ids.get()); err != nil {
		return err
	}
	t.dirty.Store(false)
	return nil
}

var errNotOpen = &transport.Error{Code: transport.State, Text: "the transaction has ended"}

// endTxn asks the coordinator to end the transaction. In the second version,
// the answer has the producer id of the next transaction.
func (t *transaction) endTxn(ctx context.Context, commit bool) error {
	cl, err := t.requestor()
	if err != nil {
		return err
	}
	return whileConcurrent(ctx, func() error {
		id := t.client.ids.get()
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.client.config.TransactionalID, id.id, id.epoch, commit
		resp, err := req.RequestWith(ctx, bounded{cl})
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil && resp.ProducerID >= 0 {
			t.client.ids.set(resp.ProducerID, resp.ProducerEpoch)
		}
		return err
	})
}

// requestor returns the client for requests of the transaction's version.
func (t *transaction) requestor() (*kgo.Client, error) {
	if t.second {
		return t.client.kgo, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, &transport.Error{Code: transport.Closed, Text: "the client is closed"}
	}
	if t.first != nil {
		return t.first, nil
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.AddPartitionsToTxn), 3)
	versions.SetMaxKeyVersion(int16(kmsg.AddOffsetsToTxn), 3)
	versions.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
	common, connect, err := options(t.client.config, t.client.handler)
	if err != nil {
		return nil, err
	}
	t.first, err = kgo.NewClient(append(common, kgo.Dialer(connect), kgo.MaxVersions(versions))...)
	return t.first, err
}

// close ends the requests of the first version. Running operations end with an
// error.
func (t *transaction) close() {
	t.mu.Lock()
	first := t.first
	t.closed = true
	t.mu.Unlock()
	if first != nil {
		first.Close()
	}
}

// begun notes that a partition has a message of the transaction. The
// coordinator learns about the partition before the message leaves. The caller
// holds p.mu.
func (t *transaction) begun(p *partition) {
	if !t.second && p.tx != t.number.Load() {
		t.add(p)
	}
}

// has reports whether messages of a partition can be written. If not, the
// partition is told later. The caller holds p.mu.
func (t *transaction) has(p *partition) bool {
	switch {
	case t.second:
		t.reached.Store(true)
		return true
	case p.tx == t.number.Load():
		return p.inTx
	}
	t.add(p)
	return false
}

// add adds a partition to the transaction at the coordinator. The caller holds
// p.mu.
func (t *transaction) add(p *partition) {
	p.tx, p.inTx = t.number.Load(), false
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adding = append(t.adding, p)
	if !t.asking {
		t.asking = true
		t.client.background.Go(t.addPartitions)
	}
}

// addPartitions adds partitions to the transaction, until none is left.
func (t *transaction) addPartitions() {
	for {
		t.mu.Lock()
		parts, group := t.adding, t.group
		t.adding = nil
		if len(parts) == 0 {
			t.asking = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		err := t.addToTxn(parts)
		if err == nil && group != "" {
			// The transaction before had offsets, so this one will have offsets
			// too. SendOffsets has one round trip less.
			_ = t.addGroup(t.client.alive, group) // SendOffsets tries again
		}
	}
}

// addToTxn adds partitions to the transaction, and tells them.
func (t *transaction) addToTxn(parts []*partition) error {
	number := t.number.Load()
	err := t.askForPartitions(parts)
	for _, p := range parts {
		p.mu.Lock()
		switch {
		case p.tx != number: // of the next transaction
		case err == nil:
			p.inTx = true
			p.dispatch()
		case p.stage == resting:
			p.tx = 0
			if p.front != nil {
				p.giveUp(convert(err))
			}
		}
		p.mu.Unlock()
	}
	return err
}

// askForPartitions asks the coordinator to add partitions, until the answer is
// final. If the coordinator refuses, the transaction cannot commit.
func (t *transaction) askForPartitions(parts []*partition) (err error) {
	c := t.client
	if err := t.lock(c.alive); err != nil {
		return err
	}
	defer t.unlock()
	if !t.open {
		return errNotOpen
	}
	defer func() {
		if err != nil {
			t.broken.CompareAndSwap(nil, convert(err))
		}
	}()
	cl, err := t.requestor()
	if err != nil {
		return err
	}
	req := partitionsRequest(parts)
	id := c.ids.get()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.config.TransactionalID, id.id, id.epoch
	for fails := 0; ; fails++ {
		t.reached.Store(true)
		err := whileConcurrent(c.alive, func() error {
			resp, err := req.RequestWith(c.alive, bounded{cl})
			if err != nil {
				return err
			}
			return refusedPartition(resp)
		})
		if err == nil || !convert(err).Retriable || t.aborting.Load() || c.refusalError() != nil {
			return err
		}
		if broken := t.broken.Load(); broken != nil { // one of the topics is gone
			return gaveUpError("the transaction cannot commit: " + broken.Error())
		}
		select {
		case <-time.After(c.backoff(fails)):
		case <-c.alive.Done():
			return err
		}
	}
}

// partitionsRequest returns the request for partitions. The request does not
// yet name the producer.
func partitionsRequest(parts []*partition) *kmsg.AddPartitionsToTxnRequest {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	places := map[*topic]int{}
	for _, p := range parts {
		at, ok := places[p.topic]
		if !ok {
			at = len(req.Topics)
			places[p.topic] = at
			topic := kmsg.NewAddPartitionsToTxnRequestTopic()
			topic.Topic = p.topic.name
			req.Topics = append(req.Topics, topic)
		}
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, p.number)
	}
	return req
}

// refusedPartition returns the error of the first partition that the
// coordinator refuses. The coordinator then adds none.
func refusedPartition(resp *kmsg.AddPartitionsToTxnResponse) (err error) {
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if e := kerr.ErrorForCode(p.ErrorCode); e != nil && (err == nil || errors.Is(err, kerr.OperationNotAttempted)) {
				err = e
			}
		}
	}
	return err
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
	cl, err := t.requestor()
	if err != nil {
		return err
	}
	if t.second {
		t.reached.Store(true)
	} else if err := t.addGroup(ctx, member.Group); err != nil {
		return err
	}
	// Offsets usually come after the last message, so the messages leave now.
	t.client.BeginFlush()
	defer t.client.EndFlush()
	id := t.client.ids.get()
	req := offsetsRequest(offsets, member)
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.client.config.TransactionalID, id.id, id.epoch
	return whileConcurrent(ctx, func() error {
		resp, err := req.RequestWith(ctx, bounded{cl})
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

// addGroup adds a group to the transaction, once.
func (t *transaction) addGroup(ctx context.Context, group string) error {
	if err := t.lock(ctx); err != nil {
		return err
	}
	defer t.unlock()
	if !t.open {
		return errNotOpen
	}
	t.mu.Lock()
	known := t.groups[group]
	t.mu.Unlock()
	if known {
		return nil
	}
	cl, err := t.requestor()
	if err != nil {
		return err
	}
	t.reached.Store(true)
	err = whileConcurrent(ctx, func() error {
		id := t.client.ids.get()
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.Group = t.client.config.TransactionalID, group
		req.ProducerID, req.ProducerEpoch = id.id, id.epoch
		resp, err := req.RequestWith(ctx, bounded{cl})
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
