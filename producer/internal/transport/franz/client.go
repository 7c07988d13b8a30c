package franz

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

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
	compressor kgo.Compressor // nil: no compression
	// compressing has the buffers of compressor.
	compressing sync.Pool
	buffers     bufferPool
	ticks       ticks
	expiry      expiry
	linger      linger
	senders     senders
	ids         producerIDs
	backoff     func(fails int) time.Duration
	outbox      *outbox
	busy        busy
	// stale asks keepMetadata for the leaders. asked and answered count its
	// requests.
	stale           chan struct{} // capacity 1
	asked, answered atomic.Uint64
	forgetting      atomic.Bool // forgetMetadata runs
	background      sync.WaitGroup
	alive           context.Context //nolint:containedctx // the lifetime of the client
	die             context.CancelFunc

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
	k.linger.after, k.linger.wake = c.Linger, make(chan struct{}, 1)
	k.stale = make(chan struct{}, 1)
	k.senders.client = k
	k.backoff = backoff(c.RetryBackoff, c.RetryBackoffMax)
	k.compressing.New = func() any { return new(bytes.Buffer) }
	k.busy.none.L = &k.busy.mu
	common, connect, err := options(c, h)
	if err != nil {
		return nil, err
	}
	k.connect = connect
	compression, err := codec(c)
	if err != nil {
		return nil, err
	}
	if k.compressor, err = kgo.DefaultCompressor(compression); err != nil {
		return nil, fmt.Errorf("franz: %w", err)
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 5) // later versions name a topic by its id
	opts := append(common,
		kgo.Dialer(k.wire.dial),
		kgo.MaxVersions(versions),
		kgo.WithHooks(&hooks{c, h, &k.brokers}),
	)
	if k.acks() == 0 {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.NoAck()))
	}
	if k.kgo, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("franz: %w", err)
	}
	k.tx.client, k.tx.calls = k, make(chan struct{}, 1)
	k.outbox = newOutbox(h)
	k.alive, k.die = context.WithCancel(context.Background())
	k.background.Go(func() { k.linger.run(k.alive) })
	k.background.Go(k.watch)
	k.background.Go(k.keepMetadata)
	if c.DeliveryTimeout > 0 {
		k.background.Go(k.expire)
	}
	return k, nil
}

// A batch has from leastBatch to mostBatch bytes.
const (
	leastBatch = 512
	mostBatch  = 1 << 30
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
	t := c.newTopic(name)
	t.batchBytes.Store(int32(c.limit(name)))
	return t, nil
}

// newTopic returns the client's state of a topic.
func (c *client) newTopic(name string) *topic {
	if t := c.topic(name); t != nil {
		return t
	}
	t := &topic{client: c, name: name}
	t.partitions.Store(new([]*partition))
	known, _ := c.topics.LoadOrStore(name, t)
	return known.(*topic)
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

// refuse makes Produce refuse new messages. Whoever adds messages at this
// moment holds the lock of their partition. The callers of refuse take the same
// locks next.
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

// TestFatalError ends the client as a final error does. Tests call it.
func (c *client) TestFatalError(reason string) {
	c.fail(&transport.Error{Code: transport.Desynchronized, Fatal: true, Text: reason})
}

// busy counts the partitions with messages of a transactional client. The end
// of a transaction waits for them.
type busy struct {
	mu   sync.Mutex
	none sync.Cond
	n    int
}

func (b *busy) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n += n; b.n == 0 {
		b.none.Broadcast()
	}
}

// wait waits until no partition has a message.
func (b *busy) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.n > 0 {
		b.none.Wait()
	}
}

// Purge implements [transport.Client]. A request in flight goes on, but nobody
// waits for its answer.
func (c *client) Purge() {
	c.refuse(gaveUpError("the client gives up what is not delivered"))
	err := gaveUpError("the client was told to give up what is not delivered")
	var report report
	for _, t := range c.topics.Range {
		t.(*topic).each(func(p *partition) {
			if p.front != nil {
				p.end(&report, err)
				p.hold(&report)
			}
		})
	}
	report.put(c.outbox)
}

// Close implements [transport.Client].
func (c *client) Close() {
	c.closing.Do(func() {
		c.refuse(&transport.Error{Code: transport.Closed, Text: "the client is closed"})
		c.tx.close()
		c.Purge()
		c.die()
		c.senders.close()
		c.kgo.Close()
		c.background.Wait()
		c.outbox.close()
	})
}

// Metadata implements [transport.Client].
func (c *client) Metadata(ctx context.Context, name string) (transport.TopicMetadata, error) {
	m, err := metadata(ctx, c.kgo, name)
	if err == nil {
		c.forgetMetadata(name)
	}
	return m, err
}
