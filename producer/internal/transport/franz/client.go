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
	limits     sync.Map // topic to its max.message.bytes, an int, if TopicConfig has read the value
	kgo        *kgo.Client
	wire       wire
	brokers    transport.Brokers
	connect    func(ctx context.Context, network, address string) (net.Conn, error)
	promise    func(*kgo.Record, error) // promised, made once
	run        run                      // of the goroutine that calls promise
	chunks     chunkPool
	ticks      ticks
	expiry     expiry
	linger     linger
	outbox     *outbox
	background sync.WaitGroup
	alive      context.Context //nolint:containedctx // the lifetime of the client
	die        context.CancelFunc

	topics sync.Map // name to *topic

	refusal atomic.Pointer[transport.Error] // the error that Produce returns after the client has stopped
	failing sync.Once                       // Fatal is called once
	closing sync.Once

	tx transaction
}

var _ transport.Client = (*client)(nil)

// Open makes a client and does not wait for the network. batchBytes limits the
// size of a batch, and therefore of a message, of topics whose own limit is not
// known. The limit overrides the settings in c.
func Open(c *settings.Config, batchBytes int, h transport.Handler) (transport.Client, error) {
	k := &client{config: c, handler: h, batchBytes: batchBytes}
	k.wire.client = k
	k.expiry.after = c.DeliveryTimeout
	k.promise = k.handlePromise
	common, connect, err := options(c, h)
	if err != nil {
		return nil, err
	}
	k.connect = connect
	compression, err := codec(c)
	if err != nil {
		return nil, err
	}
	kgoLinger := min(c.Linger, kgoMostLinger)
	if c.TransactionalID == "" {
		k.linger.after, kgoLinger = c.Linger, 0
	}
	k.linger.init()
	opts := append(common,
		kgo.Dialer(k.wire.dial),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(compression),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 { return int32(k.limit(topic)) }),
		kgo.ProducerLinger(kgoLinger),
		// The engine limits the messages in flight. kgo must never make a
		// caller wait, because Produce runs under a lock.
		kgo.MaxBufferedRecords(math.MaxInt32),
		// Only the engine gives up a message. If kgo gave up a record after
		// some attempts, the record could still be in the log.
		kgo.UnknownTopicRetries(-1),
		kgo.ProducerOnDataLossDetected(k.dataLost),
		kgo.WithHooks(&hooks{c, h, &k.brokers}),
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
	if c.TransactionalID != "" {
		opts = append(opts, kgo.TransactionalID(c.TransactionalID), kgo.TransactionTimeout(c.TransactionTimeout))
	}
	if k.kgo, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("franz: %w", err)
	}
	k.tx.client = k
	k.outbox = newOutbox(h)
	k.alive, k.die = context.WithCancel(context.Background())
	k.background.Go(func() { k.linger.run(k.alive) })
	k.background.Go(k.watch)
	return k, nil
}

// kgo allows batches from leastBatch to mostBatch bytes, and a linger of at
// most kgoMostLinger.
const (
	leastBatch    = 512
	mostBatch     = 1 << 30
	kgoMostLinger = time.Minute
)

// limit returns the size of the largest batch of a topic. A client may be open
// with a small batchBytes because of one topic. The limit of another topic is
// then not smaller, because a message that is larger than the limit is refused.
func (c *client) limit(topic string) int {
	n := c.batchBytes
	if most, ok := c.limits.Load(topic); ok {
		n = min(most.(int), max(c.config.BatchBytes, c.config.MaxMessageBytes, c.batchBytes))
	}
	return min(max(n, leastBatch), mostBatch)
}

// Topic implements [transport.Client].
func (c *client) Topic(name string) (transport.Topic, error) {
	if t := c.topic(name); t != nil {
		return t, nil
	}
	t := &topic{client: c, name: name, batchBytes: c.limit(name)}
	t.partitions.Store(new([]*partition))
	known, _ := c.topics.LoadOrStore(name, t)
	return known.(*topic), nil
}

// topic returns the client's state of a topic, or nil.
func (c *client) topic(name string) *topic {
	t, _ := c.topics.Load(name)
	known, _ := t.(*topic)
	return known
}

// refusalError returns the error with which Produce must refuse messages, or
// nil.
func (c *client) refusalError() error {
	if err := c.refusal.Load(); err != nil {
		return err
	}
	return nil
}

// refuse makes Produce refuse new messages. Whoever gives messages to kgo at
// this moment holds a lock of their partition. The callers of refuse take the
// same locks next.
func (c *client) refuse(err *transport.Error) { c.refusal.CompareAndSwap(nil, err) }

// fail ends the client. The client takes no new messages after fail.
func (c *client) fail(err *transport.Error) {
	c.failing.Do(func() {
		c.refuse(err)
		// Fatal needs a goroutine that holds no lock.
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

// failIfFinal ends the client if the error of a message is final, because kgo
// then returns the same error for every later message. With a transactional id,
// failIfFinal marks the transaction instead, because the transaction can only
// be aborted.
func (c *client) failIfFinal(err error) {
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

// dataLost runs if a broker does not know kgo's next sequence number, although
// the broker has acknowledged every earlier message. kgo goes on with a new
// sequence. The wire allows a new sequence only if no attempt of the batch can
// be in the log.
func (c *client) dataLost(topic string, partition int32) {
	c.handler.Trouble(&transport.Error{
		Code: transport.Desynchronized,
		Text: fmt.Sprintf("%s[%d]: the broker has lost the end of the log, as after an unclean leader election: acknowledged messages may be gone", topic, partition),
	})
}

// Purge implements [transport.Client].
func (c *client) Purge() {
	c.refuse(gaveUpError("the client gives up what is not delivered"))
	c.wire.stop()
	for _, t := range c.topics.Range {
		t.(*topic).each(func(p *partition) { // later publishers are refused
			p.dropWaiting(gaveUpError("the client was told to give up what is not delivered"), nil)
		})
	}
	c.kgo.UnsafeAbortBufferedRecords()
}

// Close implements [transport.Client].
func (c *client) Close() {
	c.closing.Do(func() {
		c.refuse(&transport.Error{Code: transport.Closed, Text: "the client is closed"})
		c.tx.close()
		c.Purge()
		c.linger.close()
		c.die()
		_ = c.kgo.Flush(context.Background()) // after Flush every promise has run
		c.kgo.Close()
		c.background.Wait()
		c.outbox.close()
	})
}

// Metadata implements [transport.Client].
func (c *client) Metadata(ctx context.Context, name string) (transport.TopicMetadata, error) {
	return metadata(ctx, c.kgo, name)
}
