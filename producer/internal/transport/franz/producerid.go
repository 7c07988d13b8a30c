package franz

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/transport"
)

// producerID is an identity of the producer for the brokers (KIP-98). With
// another identity, the sequence numbers begin at 0.
type producerID struct {
	id     int64
	epoch  int16
	number uint32 // of the identity in this client, from 1
}

// producerIDs has the client's present producer id.
type producerIDs struct {
	present atomic.Pointer[producerID]
	made    atomic.Uint32
	mu      sync.Mutex
	asking  bool
}

// get returns the producer id for new batches, or nil.
func (ids *producerIDs) get() *producerID { return ids.present.Load() }

// set sets the producer id for new batches.
func (ids *producerIDs) set(id int64, epoch int16) {
	ids.present.Store(&producerID{id, epoch, ids.made.Add(1)})
}

// needID asks the brokers for a producer id, on a goroutine of its own. A
// transactional client gets its id in InitTransactions. The caller holds the
// lock of a partition with messages.
func (c *client) needID() {
	c.ids.mu.Lock()
	defer c.ids.mu.Unlock()
	if c.ids.asking || c.config.TransactionalID != "" {
		return
	}
	c.ids.asking = true
	c.background.Go(c.askID)
}

func (c *client) askID() {
	var err error
	for fails := 0; ; fails++ {
		if err = c.initProducerID(c.alive, nil); err == nil || !isTemporary(convert(err)) {
			break
		}
		select {
		case <-time.After(c.backoff(fails)):
			continue
		case <-c.alive.Done():
		}
		return
	}
	c.ids.mu.Lock()
	c.ids.asking = false
	c.ids.mu.Unlock()
	if err == nil {
		c.wakeAll()
		return
	}
	refused := convert(err)
	c.failIfFinal(refused)
	for _, t := range c.topics.Range {
		t.(*topic).each(func(p *partition) {
			if p.stage == resting && p.front != nil {
				p.giveUp(refused)
			}
		})
	}
}

// initProducerID asks for another producer id. With before, the id is the same
// and has the next epoch (KIP-360).
func (c *client) initProducerID(ctx context.Context, before *producerID) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	if id := c.config.TransactionalID; id != "" {
		req.TransactionalID = &id
		req.TransactionTimeoutMillis = int32(min(c.config.TransactionTimeout.Milliseconds(), math.MaxInt32))
	}
	if before != nil {
		req.ProducerID, req.ProducerEpoch = before.id, before.epoch
	}
	resp, err := req.RequestWith(ctx, bounded{c.kgo})
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err == nil {
		c.ids.set(resp.ProducerID, resp.ProducerEpoch)
	}
	return err
}

// lostSequence says that the brokers' sequence numbers of an id are not known
// any more. The next batches get another id.
func (c *client) lostSequence(id *producerID) {
	if c.config.TransactionalID != "" {
		c.tx.dirty.Store(true)
		return
	}
	if id != nil {
		c.ids.present.CompareAndSwap(id, nil)
	}
}

// addSequence returns the sequence number after a batch. The numbers go on with
// 0 after the largest number.
func addSequence(sequence, count int32) int32 {
	return int32((int64(sequence) + int64(count)) & math.MaxInt32)
}

// failIfFinal ends the client if the error of a message is final, because every
// later message would have the same error. With a transactional id, failIfFinal
// marks the transaction instead, because the transaction can only be aborted.
func (c *client) failIfFinal(e *transport.Error) {
	if c.config.TransactionalID != "" {
		c.tx.broken.CompareAndSwap(nil, e)
		return
	}
	switch e.Code {
	case codeClusterAuthorization, codeProducerFenced:
		fatal := *e
		fatal.Fatal = true
		c.fail(&fatal)
	}
}

const (
	codeClusterAuthorization transport.Code = 31
	codeProducerFenced       transport.Code = 90
)
