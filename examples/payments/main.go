// Payments moves money between accounts. A transfer writes two entries into the
// ledger. Either both entries are visible, or neither.
//
// Without BROKERS, the program starts a broker and a registry in this process.
// Set BROKERS and REGISTRY (host:port,… and a URL) to use real servers. POD
// distinguishes the instances, because each instance needs a separate
// transactional id.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

var (
	errNoMoney   = errors.New("not enough money in the account")
	errOneServer = errors.New("only one of BROKERS and REGISTRY is set: set both or none, because schema ids are valid only with their own registry")
)

// bank holds the balances of the accounts. The program accepts a transfer only
// if the balance is large enough. A balance changes only after the transfer is
// committed.
type bank struct {
	tp       *producer.Transactional
	entries  *producer.Topic[*ledger.LedgerEntry]
	balances map[string]int64
}

// transfer moves cents from one account to another in one transaction.
func (b *bank) transfer(ctx context.Context, from, to string, cents int64) error {
	err := b.tp.InTx(ctx, func(tx *producer.Tx) error {
		if err := b.entries.Add(ctx, tx, &ledger.LedgerEntry{Account: to, Cents: cents}); err != nil {
			return err
		}
		if b.balances[from] < cents {
			return fmt.Errorf("%s: %w", from, errNoMoney) // the transaction is aborted, so nobody sees the entry above
		}
		return b.entries.Add(ctx, tx, &ledger.LedgerEntry{Account: from, Cents: -cents})
	})
	if err == nil {
		b.balances[from] -= cents
		b.balances[to] += cents
	}
	return err
}

func run(ctx context.Context, brokers []string, reg *registry.Client, pod string) error {
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return err
	}
	tp, err := producer.NewTransactional(brokers, "payments-"+pod, ser, producer.WithCreateTopics(3, -1))
	if err != nil {
		return err
	}
	entries := producer.NewTopic("ledger", producer.KeyRecord(func(e *ledger.LedgerEntry) *ledger.AccountKey {
		return &ledger.AccountKey{Account: e.Account}
	}))
	if err := tp.Prepare(ctx, entries); err != nil {
		return errors.Join(err, tp.Close(ctx))
	}
	b := &bank{tp: tp, entries: entries, balances: map[string]int64{"ada": 1000, "bob": 200, "eve": 0}}
	for _, t := range []struct {
		from, to string
		cents    int64
	}{{"ada", "bob", 300}, {"bob", "eve", 450}, {"eve", "ada", 700}, {"eve", "ada", 50}} {
		err := b.transfer(ctx, t.from, t.to, t.cents)
		switch {
		case errors.Is(err, producer.ErrFenced), errors.Is(err, producer.ErrOutcomeUnknown):
			// Another instance has taken over, or the outcome is unknown. Only
			// the ledger shows whether the transfer happened.
			return errors.Join(err, tp.Close(ctx))
		case errors.Is(err, errNoMoney):
			fmt.Printf("%s -> %s %4d: no: %v\n", t.from, t.to, t.cents, errNoMoney)
		case err != nil:
			return errors.Join(err, tp.Close(ctx))
		default:
			fmt.Printf("%s -> %s %4d: booked\n", t.from, t.to, t.cents)
		}
	}
	s := tp.Stats()
	fmt.Printf("entries accepted %d, committed %d, aborted %d\n", s.Accepted, s.Delivered, s.NotSent)
	return tp.Close(ctx)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := start(ctx); err != nil {
		log.Print(err)
		os.Exit(1) //nolint:gocritic // the contexts end with the process
	}
}

func start(ctx context.Context) error {
	brokers, registryURL := os.Getenv("BROKERS"), os.Getenv("REGISTRY")
	if (brokers == "") != (registryURL == "") {
		return errOneServer
	}
	var embedded *producertest.Broker
	if brokers == "" {
		var err error
		if embedded, err = producertest.NewBroker(); err != nil {
			return err
		}
		defer func() { _ = embedded.Close() }()
		brokers = strings.Join(embedded.Addrs(), ",")
		server, err := registrytest.NewServer()
		if err != nil {
			return err
		}
		defer func() { _ = server.Close() }()
		registryURL = server.URL
	}
	reg, err := registry.New([]string{registryURL})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	if err := run(ctx, strings.Split(brokers, ","), reg, os.Getenv("POD")); err != nil || embedded == nil {
		return err
	}
	return show(ctx, embedded, reg)
}

// show reads the ledger with read_committed and prints the result.
func show(ctx context.Context, b *producertest.Broker, reg *registry.Client) error {
	des, err := serde.NewDeserializer[ledger.LedgerEntry](reg)
	if err != nil {
		return err
	}
	sums := map[string]int64{}
	for r, err := range producertest.Read(ctx, b, "ledger", des) {
		if err != nil {
			return err
		}
		sums[r.Value.Account] += r.Value.Cents
		sums["all"] += r.Value.Cents
	}
	fmt.Println("the ledger:", sums)
	return nil
}
