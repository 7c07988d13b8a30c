package franz

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// client is a producing client of kgo.
type client struct {
	config     *settings.Config
	handler    transport.Handler
	batchBytes int
	kgo        *kgo.Client
	wire       wire
	connect    func(ctx context.Context, network, address string) (net.Conn, error)
	promise    func(*kgo.Record, error) // promised, made once
	chunks     chunkPool
	outbox     *outbox
	background sync.WaitGroup

	mu     sync.Mutex
	topics atomic.Pointer[map[string]*topic] // copied on write under mu

	refusal atomic.Pointer[transport.Error] // why Produce takes nothing any more
	failing sync.Once                       // Fatal is called once
	closing sync.Once

	tx transaction
}

var _ transport.Client = (*client)(nil)

// Open makes a client. It does no I/O that it waits for. batchBytes bounds a
// batch and so a message, whatever c says.
func Open(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
	k := &client{config: c, handler: h, batchBytes: max(batchBytes, leastBatch)}
	k.topics.Store(&map[string]*topic{})
	k.wire.client = k
	k.promise = k.promised
	common, connect, err := options(c, h)
	if err != nil {
		return nil, err
	}
	k.connect = connect
	compression, err := codec(c)
	if err != nil {
		return nil, err
	}
	opts := append(common,
		kgo.Dialer(k.wire.dial),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(compression),
		kgo.ProducerBatchMaxBytes(int32(min(k.batchBytes, math.MaxInt32/2))),
		kgo.ProducerLinger(c.Linger),
		// The engine bounds what is in flight. kgo must never make a caller wait,
		// because Produce runs under a lock.
		kgo.MaxBufferedRecords(math.MaxInt32),
		// Only the engine gives a message up. A record that kgo gives up after a
		// number of attempts can be in the log.
		kgo.UnknownTopicRetries(-1),
		kgo.ProducerOnDataLossDetected(k.dataLost),
		kgo.WithHooks(&hooks{c, h}),
	)
	if c.WeakAcks {
		acks := kgo.AllISRAcks()
		switch c.Acks {
		case settings.AcksNone:
			acks = kgo.NoAck()
		case settings.AcksLeader:
			acks = kgo.LeaderAck()
		}
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(acks),
			kgo.MaxProduceRequestsInflightPerBroker(c.InFlightRequests))
		if c.Retries >= 0 {
			opts = append(opts, kgo.RecordRetries(c.Retries))
		}
	}
	if c.DeliveryTimeout > 0 {
		opts = append(opts, kgo.RecordDeliveryTimeout(max(c.DeliveryTimeout, time.Second)))
	}
	if c.TransactionalID != "" {
		opts = append(opts, kgo.TransactionalID(c.TransactionalID), kgo.TransactionTimeout(c.TransactionTimeout))
	}
	if k.kgo, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("franz: %w", err)
	}
	k.tx.client = k
	k.outbox = newOutbox(h)
	return k, nil
}

// leastBatch is the smallest batch that kgo allows.
const leastBatch = 512

// Topic implements [transport.Client].
func (c *client) Topic(name string) (transport.Topic, error) {
	if t := (*c.topics.Load())[name]; t != nil {
		return t, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.topics.Load()
	if t := old[name]; t != nil {
		return t, nil
	}
	t := &topic{client: c, name: name}
	t.partitions.Store(new([]*partition))
	topics := make(map[string]*topic, len(old)+1)
	for n, other := range old {
		topics[n] = other
	}
	topics[name] = t
	c.topics.Store(&topics)
	return t, nil
}

// refuses says why Produce takes nothing any more, or nil.
func (c *client) refuses() error {
	if err := c.refusal.Load(); err != nil {
		return err
	}
	return nil
}

// refuse ends Produce. A publisher that is already inside holds its partition's
// lock until kgo has the message, and the callers of refuse take that lock next.
func (c *client) refuse(err *transport.Error) { c.refusal.CompareAndSwap(nil, err) }

// fail ends the client: nothing new is taken.
func (c *client) fail(err *transport.Error) {
	c.failing.Do(func() {
		c.refuse(err)
		// The handler must be told on a goroutine that holds no lock.
		c.background.Go(func() {
			c.handler.Fatal(err)
			c.Purge()
		})
	})
}

// TestFatalError ends the client as if kgo could not go on. Tests call it.
func (c *client) TestFatalError(reason string) {
	c.fail(&transport.Error{Code: transport.Desynchronized, Fatal: true, Text: reason})
}

// failed looks at the error of a message for one that ends the client, because
// kgo gives every later message the same. A transaction of which a message has
// failed can only be aborted.
func (c *client) failed(err error) {
	e := convert(err)
	if c.config.TransactionalID != "" {
		c.tx.broken.CompareAndSwap(nil, e)
		return
	}
	switch e.Code {
	case codeClusterAuthorization, codeTransactionalIDAuthorization, codeProducerFenced, codeInvalidTransactionTimeout,
		codeInvalidProducerIDMapping, codeInvalidProducerEpoch:
		fatal := *e
		fatal.Fatal = true
		c.fail(&fatal)
	}
}

const (
	codeClusterAuthorization         transport.Code = 31
	codeInvalidProducerEpoch         transport.Code = 47
	codeInvalidProducerIDMapping     transport.Code = 49
	codeInvalidTransactionTimeout    transport.Code = 50
	codeTransactionalIDAuthorization transport.Code = 53
	codeProducerFenced               transport.Code = 90
)

// dataLost is called when a broker does not know the sequence that kgo goes on
// with, though it has acknowledged all before. kgo goes on with a new sequence.
// The wire lets that happen only for a batch of which no attempt can be in the
// log.
func (c *client) dataLost(topic string, partition int32) {
	c.handler.Trouble(&transport.Error{
		Code: transport.Desynchronized,
		Text: fmt.Sprintf("%s[%d]: the broker has lost the end of the log, as after an unclean leader election: acknowledged messages may be gone", topic, partition),
	})
}

// Purge implements [transport.Client].
func (c *client) Purge() {
	c.refuse(gaveUp("the client gives up what is not delivered"))
	c.wire.stop()
	for _, t := range *c.topics.Load() {
		for _, p := range *t.partitions.Load() {
			if p == nil {
				continue
			}
			p.mu.Lock() // whoever comes after is refused
			p.dropWaiting(gaveUp("the client was told to give up what is not delivered"), nil)
			p.mu.Unlock()
		}
	}
	c.kgo.UnsafeAbortBufferedRecords()
}

// Close implements [transport.Client].
func (c *client) Close() {
	c.closing.Do(func() {
		c.refuse(&transport.Error{Code: transport.Closed, Text: "the client is closed"})
		c.tx.close()
		c.Purge()
		_ = c.kgo.Flush(context.Background()) // every promise has run
		c.kgo.Close()
		c.background.Wait()
		c.outbox.close()
	})
}

// Metadata implements [transport.Client].
func (c *client) Metadata(ctx context.Context, name string) (transport.TopicMetadata, error) {
	return metadata(ctx, c.kgo, name)
}
