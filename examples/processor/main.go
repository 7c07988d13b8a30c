// Processor books orders. For each order in the topic orders, the program
// writes two entries into the topic ledger. Each order is booked exactly once,
// even if the program is killed many times. Messages that cannot be booked go
// to the topic orders.dead.
//
// Without BROKERS, the program starts a broker and a registry in this process,
// and publishes some orders. To use real servers, run make kafka and make
// registry in separate terminals. Both commands print an address:
//
//	export BROKERS=host:port,… REGISTRY=http://host:port/…
//	go run ./examples/processor place 10000 # creates the topics, and places orders
//	POD=0 go run ./examples/processor       # books them until it is interrupted
//	go run ./examples/processor sums        # adds the ledger up
//
// POD distinguishes the instances. To try exactly-once, kill an instance with
// kill -9 during its work and start the instance again. The sums must equal the
// sums that place has printed.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

var errRefund = errors.New("the amount of the order is negative")

// booking makes the processor.
func booking(brokers []string, reg *registry.Client, pod string) (*processor.Processor[orders.OrderCreated], error) {
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return nil, err
	}
	des, err := serde.NewDeserializer[orders.OrderCreated](reg)
	if err != nil {
		return nil, err
	}
	entries := producer.NewTopic("ledger", producer.KeyRecord(func(e *ledger.LedgerEntry) *ledger.AccountKey {
		return &ledger.AccountKey{Account: e.Account}
	}))
	book := func(ctx context.Context, tx *producer.Tx, m processor.Consumed[orders.OrderCreated]) error {
		switch {
		case m.Value == nil: // a tombstone
			return nil
		case m.Value.TotalCents < 0:
			return processor.Poison(errRefund)
		}
		return errors.Join(
			entries.Add(ctx, tx, &ledger.LedgerEntry{Account: m.Value.Customer, Cents: -m.Value.TotalCents}),
			entries.Add(ctx, tx, &ledger.LedgerEntry{Account: "sales", Cents: m.Value.TotalCents}),
		)
	}
	return processor.New(brokers, "booking-"+pod, "booking", []string{"orders"}, des, ser, book,
		processor.WithBadHandler(processor.DeadLetter("orders.dead")))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Print(err)
		os.Exit(1) //nolint:gocritic // the context ends with the process
	}
}

var (
	errUsage     = errors.New("usage: processor [place N | sums]")
	errOneServer = errors.New("only one of BROKERS and REGISTRY is set: set both or none, because schema ids are valid only with their own registry")
)

func run(ctx context.Context, args []string) error {
	brokers := os.Getenv("BROKERS")
	switch {
	case (brokers == "") != (os.Getenv("REGISTRY") == ""):
		return errOneServer
	case brokers == "":
		return demo(ctx)
	}
	return real(ctx, strings.Split(brokers, ","), args)
}

// real runs the command in args with real brokers.
func real(ctx context.Context, brokers, args []string) error {
	reg, err := registry.New([]string{os.Getenv("REGISTRY")})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	switch {
	case len(args) == 0:
		p, err := booking(brokers, reg, os.Getenv("POD"))
		if err != nil {
			return err
		}
		return p.Run(ctx)
	case len(args) == 2 && args[0] == "place":
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return errUsage
		}
		return placeMany(ctx, brokers, reg, n)
	case len(args) == 1 && args[0] == "sums":
		return show(ctx, brokers, reg)
	}
	return errUsage
}

// demo publishes orders and runs until the orders are booked.
func demo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	broker, err := producertest.NewBroker(producertest.WithTopic("orders", 3), producertest.WithTopic("ledger", 3), producertest.WithTopic("orders.dead", 1))
	if err != nil {
		return err
	}
	defer func() { _ = broker.Close() }()
	server, err := registrytest.NewServer()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	reg, err := registry.New([]string{server.URL})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	if err := placeSome(ctx, broker, reg); err != nil {
		return err
	}
	p, err := booking(broker.Addrs(), reg, "demo")
	if err != nil {
		return err
	}
	running, done := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running) }()
	for p.Stats().Delivered < 10 && ctx.Err() == nil { // two entries for each of four orders, and a dead letter for each of two bad messages
		select {
		case err := <-ended:
			done()
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	done()
	if err := <-ended; err != nil {
		return err
	}
	return show(ctx, broker.Addrs(), reg)
}
