package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/health"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/prom"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

// service holds the parts of the program. newService makes all parts without
// waiting for the network. So the program can report its health before the
// brokers answer.
type service struct {
	config   config
	log      *slog.Logger
	metrics  *prometheus.Registry
	traces   *traces
	health   *health.Handler
	figures  *figures
	registry *registry.Client
	orders   *producer.Producer
	created  *producer.Topic[*orders.OrderCreated]
	canceled *producer.Topic[*orders.OrderCancelled]
	booking  *processor.Processor[orders.OrderCreated]
	topics   []producer.Prepared // every topic that the service writes to

	unprepared atomic.Pointer[error] // the reason why the topics are not ready; nil if the topics are ready
	work       sync.WaitGroup
}

var errStarting = errors.New("the topics are not checked yet")

func newService(ctx context.Context, c config, log *slog.Logger) (*service, error) {
	s := &service{config: c, log: log, metrics: prometheus.NewRegistry()}
	s.unprepared.Store(&errStarting)
	metrics := prom.New()
	s.metrics.MustRegister(metrics)
	s.figures = newFigures(s.metrics)

	var err error
	if s.traces, err = openTraces(ctx, c); err != nil {
		return nil, err
	}
	if s.registry, err = c.openRegistry(log, metrics.Registry("registry"), s.traces.Registry()); err != nil {
		return nil, err
	}
	serializer, err := serde.NewSerializer(s.registry, s.traces.Serde())
	if err != nil {
		return nil, err
	}
	s.orders, err = producer.New(c.brokers, serializer, c.producerOptions(
		producer.LowLatency(), // a request waits for each event, so latency matters
		producer.WithLogger(log),
		metrics.Producer("orders"),
		s.traces.Producer(),
		producer.WithCreateTopics(3, -1), // in production, operators may create the topics instead
	)...)
	if err != nil {
		return nil, err
	}
	byID := producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() })
	s.created = producer.NewTopic(createdTopic, byID)
	s.canceled = producer.NewTopic(canceledTopic, producer.KeyBy(func(e *orders.OrderCancelled) string { return e.OrderID.String() }))
	entries := producer.NewTopic(ledgerTopic, producer.KeyBy(func(e *ledger.LedgerEntry) string { return e.Account }))
	s.topics = []producer.Prepared{s.created, s.canceled, entries, producer.NewTopic(deadTopic, byID)}
	s.booking, err = s.newBooking(serializer, entries,
		metrics.Processor("booking"),
		s.traces.Processor(),
		processor.WithBadHandler(processor.DeadLetter(deadTopic)),
		processor.WithProducer(c.producerOptions(
			producer.WithLogger(log),
			metrics.Producer("booking"),
			s.traces.Producer(),
		)...),
	)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.health = health.New(
		health.Producer("orders", s.orders),
		health.Producer("booking", s.booking),
		health.Registry("registry", s.registry),
		health.Check("topics", s.prepared),
	)
	return s, nil
}

const (
	createdTopic  = "orders"
	canceledTopic = "orders.cancelled"
	ledgerTopic   = "ledger"
	deadTopic     = "orders.dead"
)

// newBooking makes a processor that writes two ledger entries for each order.
func (s *service) newBooking(serializer *serde.Serializer, entries *producer.Topic[*ledger.LedgerEntry], opts ...processor.Option,
) (*processor.Processor[orders.OrderCreated], error) {
	deserializer, err := serde.NewDeserializer[orders.OrderCreated](s.registry, s.traces.Serde())
	if err != nil {
		return nil, err
	}
	book := func(ctx context.Context, tx *producer.Tx, m processor.Consumed[orders.OrderCreated]) error {
		if m.Value == nil { // a tombstone
			return nil
		}
		return errors.Join(
			entries.Add(ctx, tx, &ledger.LedgerEntry{Account: m.Value.Customer, Cents: -m.Value.TotalCents}),
			entries.Add(ctx, tx, &ledger.LedgerEntry{Account: "sales", Cents: m.Value.TotalCents}),
		)
	}
	return processor.New(s.config.brokers, "booking-"+s.config.instance, "booking", []string{createdTopic}, deserializer, serializer, book, opts...)
}

// prepared returns the health of the topics.
func (s *service) prepared() health.State {
	if err := s.unprepared.Load(); err != nil {
		return health.State{Reason: *err}
	}
	return health.State{Ready: true}
}

// start begins the work in the background. The work ends when ctx ends.
func (s *service) start(ctx context.Context) {
	s.work.Go(func() { s.figures.run(ctx) })
	s.work.Go(func() {
		if !s.prepare(ctx) {
			return
		}
		if s.config.load > 0 {
			s.work.Go(func() { s.placeMany(ctx, s.config.load) })
		}
		if err := s.booking.Run(ctx); err != nil {
			s.log.Error("booking", "err", err)
			s.health.Add(health.Check("booking ended", func() health.State { return health.State{Dead: true, Reason: err} }))
		}
	})
}

// prepare checks the topics until they are ready. prepare returns false if ctx
// ends first.
func (s *service) prepare(ctx context.Context) bool {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := s.orders.Prepare(once, s.topics...)
		cancel()
		if err == nil {
			s.unprepared.Store(nil)
			return true
		}
		s.unprepared.Store(&err)
		s.log.Warn("not_prepared", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
}

// placeMany places orders at a steady rate, for a demonstration.
func (s *service) placeMany(ctx context.Context, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		e := &orders.OrderCreated{OrderID: uuid.New(), Customer: []string{"ada", "bob", "eve"}[n%3], TotalCents: int64(n%5000 + 1), At: time.Now()}
		// There is no callback, so the failure handler logs each order that
		// fails.
		if err := s.created.PublishAsync(ctx, s.orders, e, nil); err != nil && ctx.Err() == nil {
			s.log.Warn("load", "err", err)
		}
	}
}

// close waits for the work and for the outcome of every event.
func (s *service) close() error {
	s.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	// Close the traces last, because a span ends with the outcome of its event.
	return errors.Join(s.orders.Close(ctx), s.registry.Close(), s.traces.close(ctx))
}
