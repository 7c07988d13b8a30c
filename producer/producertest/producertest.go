// Package producertest runs a Kafka broker in process, for tests and for local
// runs. The broker needs no installation and no cgo.
//
//	broker := producertest.Start(t, producertest.WithTopic("orders", 3)) // ends with the test
//	p, err := producer.New(broker.Addrs(), serializer)
//	for r, err := range producertest.Read(ctx, broker, "orders", deserializer) { … }
//
// The broker is franz-go's kfake. The broker supports idempotence, transactions
// and read_committed like Apache Kafka. In a few places the broker is less
// strict than real Kafka. For example, a transaction after its timeout gets
// another error. docs/faults.md names the differences.
//
// The package can also inject faults. An important fault for a producer is a
// lost answer after the broker has applied the request.
package producertest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/serde"
)

// Broker is a Kafka broker on 127.0.0.1 with its log in memory. Broker is safe
// for concurrent use.
type Broker struct {
	cluster *kfake.Cluster
	tls     *tls.Config
	dial    []kgo.Opt // options of the package's own clients

	mu        sync.Mutex
	listeners []*listener
	faults    []*fault
	closed    bool
}

// Option configures a [Broker]. The zero Option does nothing.
type Option struct{ apply func(*settings) }

type settings struct {
	brokers int
	topics  []topic
	tls     *tls.Config
	users   []user
	configs map[string]string
	dataDir string
}

type topic struct {
	name       string
	partitions int32
	configs    map[string]string
}

type user struct{ mechanism, name, password string }

// WithTopic creates a topic at start.
func WithTopic(name string, partitions int32) Option { return WithTopicConfig(name, partitions, nil) }

// WithTopicConfig creates a topic at start. The settings have Kafka's names,
// such as "max.message.bytes".
func WithTopicConfig(name string, partitions int32, configs map[string]string) Option {
	return Option{func(s *settings) { s.topics = append(s.topics, topic{name, partitions, configs}) }}
}

// WithBrokers sets the number of nodes of the cluster. The default is 1.
func WithBrokers(n int) Option { return Option{func(s *settings) { s.brokers = n }} }

// WithConfig sets a broker setting by Kafka's name, such as
// "message.max.bytes".
func WithConfig(key, value string) Option {
	return Option{func(s *settings) {
		if s.configs == nil {
			s.configs = map[string]string{}
		}
		s.configs[key] = value
	}}
}

// WithTLS makes the broker accept only TLS. Without ClientAuth, the broker
// accepts every client.
func WithTLS(c *tls.Config) Option { return Option{func(s *settings) { s.tls = c }} }

// WithUser makes the broker require SASL and adds a user with all permissions.
// The mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
func WithUser(mechanism, name, password string) Option {
	return Option{func(s *settings) { s.users = append(s.users, user{mechanism, name, password}) }}
}

// WithDataDir keeps the log on disk. A later broker with the same folder
// continues the log. A long run needs little memory.
func WithDataDir(dir string) Option { return Option{func(s *settings) { s.dataDir = dir }} }

// NewBroker starts a broker on random ports. The caller must call Close.
func NewBroker(opts ...Option) (*Broker, error) {
	s := settings{brokers: 1}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&s)
		}
	}
	b := &Broker{tls: s.tls}
	kopts := []kfake.Opt{kfake.NumBrokers(s.brokers), kfake.ListenFn(b.listen)}
	if s.configs != nil {
		kopts = append(kopts, kfake.BrokerConfigs(s.configs))
	}
	if s.dataDir != "" {
		kopts = append(kopts, kfake.DataDir(s.dataDir))
	}
	for _, u := range s.users {
		kopts = append(kopts, kfake.EnableSASL(), kfake.Superuser(u.mechanism, u.name, u.password))
	}
	cluster, err := kfake.NewCluster(kopts...)
	if err != nil {
		return nil, fmt.Errorf("producertest: start: %w", err)
	}
	b.cluster = cluster
	b.dial = dialOpts(&s)
	for _, t := range s.topics {
		if err := cluster.CreateTopic(t.name, t.partitions, t.configs); err != nil && !(s.dataDir != "" && strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS")) {
			cluster.Close()
			return nil, fmt.Errorf("producertest: topic %s: %w", t.name, err)
		}
	}
	return b, nil
}

// Start is [NewBroker] for a test. The broker ends with the test.
func Start(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	b, err := NewBroker(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// Addrs returns the host:port of each node. A producer takes these as its
// brokers.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Close stops the broker. A second call does nothing.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	listeners := b.listeners
	b.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
		l.cut()
	}
	b.cluster.Close()
	return nil
}

// Cluster returns the fake cluster, for faults without a method here.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// callWait limits a call without a context.
const callWait = 30 * time.Second

// CreateTopic creates a topic in a running broker. configs has Kafka's names,
// or is nil.
func (b *Broker) CreateTopic(name string, partitions int32, configs map[string]string) error {
	return b.cluster.CreateTopic(name, partitions, configs)
}

// AddPartitions increases the number of partitions of a topic to n.
func (b *Broker) AddPartitions(topic string, n int) error {
	return b.with(func(ctx context.Context, cl *kgo.Client) error {
		r, err := kadm.NewClient(cl).UpdatePartitions(ctx, n, topic)
		if err != nil {
			return err
		}
		return r.Error()
	})
}

// Put appends one record like another producer. A nil value is a tombstone.
func (b *Broker) Put(topic string, key, value []byte, h ...serde.Header) error {
	return b.with(func(ctx context.Context, cl *kgo.Client) error {
		r := &kgo.Record{Topic: topic, Key: key, Value: value}
		for _, header := range h {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: header.Key, Value: header.Value})
		}
		return cl.ProduceSync(ctx, r).FirstErr()
	})
}

func (b *Broker) with(f func(ctx context.Context, cl *kgo.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), callWait)
	defer cancel()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addrs()...)}, b.dial...)...)
	if err != nil {
		return fmt.Errorf("producertest: %w", err)
	}
	defer cl.Close()
	if err := f(ctx, cl); err != nil {
		return fmt.Errorf("producertest: %w", err)
	}
	return nil
}

// Record is one record from Read. The package does not import package producer,
// so that this package needs no cgo.
type Record[T any] struct {
	Value     *T // nil for a tombstone
	Key       []byte
	Partition int32
	Offset    int64
	Timestamp time.Time
	Headers   []serde.Header
}

// Read yields the records that a read_committed consumer can see, from the
// start to the current end. The records of each partition are in order. If a
// record does not decode, Read yields the record with its error and continues.
// If the reading itself fails, Read yields the error as the last pair.
func Read[T any](ctx context.Context, b *Broker, topic string, d *serde.Deserializer[T]) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		for r, err := range logread.Visible(ctx, b.Addrs(), topic, b.dial...) {
			if err != nil {
				yield(Record[T]{}, fmt.Errorf("producertest: %w", err))
				return
			}
			if !yield(decode(ctx, r, d)) {
				return
			}
		}
	}
}

// ReadRaw is like Read, but does not decode the records.
func ReadRaw(ctx context.Context, b *Broker, topic string) iter.Seq2[Record[[]byte], error] {
	return func(yield func(Record[[]byte], error) bool) {
		for r, err := range logread.Visible(ctx, b.Addrs(), topic, b.dial...) {
			if err != nil {
				yield(Record[[]byte]{}, fmt.Errorf("producertest: %w", err))
				return
			}
			out := record[[]byte](r)
			if r.Value != nil {
				out.Value = &r.Value
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

func record[T any](r *kgo.Record) Record[T] {
	out := Record[T]{Key: r.Key, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, serde.Header{Key: h.Key, Value: h.Value})
	}
	return out
}

func decode[T any](ctx context.Context, r *kgo.Record, d *serde.Deserializer[T]) (Record[T], error) {
	out := record[T](r)
	header := func(key string) ([]byte, bool) {
		for _, h := range r.Headers {
			if h.Key == key {
				return h.Value, true
			}
		}
		return nil, false
	}
	v, err := d.Decode(ctx, serde.Input{Topic: r.Topic, Part: serde.Value, Data: r.Value, Header: header})
	switch {
	case err == nil:
		out.Value = &v
	case errors.Is(err, serde.ErrTombstone):
		err = nil
	default:
		err = fmt.Errorf("producertest: %s[%d]@%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	return out, err
}

// Request is a kind of request, for faults.
type Request int16

// These are the requests of a producer.
const (
	Produce            = Request(kmsg.Produce)
	Metadata           = Request(kmsg.Metadata)
	InitProducerID     = Request(kmsg.InitProducerID)
	AddPartitionsToTxn = Request(kmsg.AddPartitionsToTxn)
	AddOffsetsToTxn    = Request(kmsg.AddOffsetsToTxn)
	TxnOffsetCommit    = Request(kmsg.TxnOffsetCommit)
	EndTxn             = Request(kmsg.EndTxn)
)
