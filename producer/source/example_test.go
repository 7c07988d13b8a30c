package source_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// The lines of a file become events. The second run finds only the appended
// lines.
func ExampleFiles() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("ledger", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	ser := must(serde.NewSerializer(reg))
	entries := producer.NewTopic("ledger", producer.KeyBy(func(e *ledger.LedgerEntry) string { return e.Account }))
	dir := must(os.MkdirTemp("", "lines"))
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "bookings")
	text := ""
	for _, line := range []string{"ada 100\n", "bob 200\n"} {
		text += line
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
		s := must(source.New(broker.Addrs(), "bookings", source.Files([]string{file}), reg, ser,
			source.WithProducer(producer.WithCreateTopics(1, -1))))
		if err := s.Run(ctx, func(ctx context.Context, tx *producer.Tx, l source.Line) error {
			account, cents, _ := strings.Cut(string(l.Text), " ")
			n, err := strconv.ParseInt(cents, 10, 64)
			if err != nil {
				return err
			}
			return entries.Add(ctx, tx, &ledger.LedgerEntry{Account: account, Cents: n})
		}); err != nil {
			log.Fatal(err)
		}
		if err := s.Close(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for r, err := range producertest.Read(ctx, broker, "ledger", must(serde.NewDeserializer[ledger.LedgerEntry](reg))) {
		fmt.Println(must(r.Value, err).Account, r.Value.Cents)
	}
	// Output:
	// ada 100
	// bob 200
}

// countdown is an input of numbers from a start down to 1.
type countdown struct{ from int }

// Open implements source.Input. The position is the last number in decimal
// digits.
func (c countdown) Open(_ context.Context, _ source.Shard, committed []source.Position) (source.Reader[int], error) {
	next := c.from
	for _, p := range committed {
		last, err := strconv.Atoi(p.Value)
		if err != nil {
			return nil, err
		}
		next = last - 1
	}
	return &counting{next}, nil
}

// counting implements source.Reader.
type counting struct{ next int }

func (c *counting) Next(_ context.Context, item *source.Item[int]) (bool, error) {
	if c.next == 0 {
		return false, nil
	}
	item.Value, item.Bytes = c.next, 8
	c.next--
	return true, nil
}

func (c *counting) More(context.Context) (bool, error) { return false, nil } // the countdown ends at 0

func (c *counting) Positions() []source.Position {
	return []source.Position{{Value: strconv.Itoa(c.next + 1)}}
}

func (c *counting) Close() error { return nil }

// A custom source consists of an Input and a Reader.
func ExampleInput() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("ledger", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	ser := must(serde.NewSerializer(reg))
	entries := producer.NewTopic("ledger", producer.NoKey[*ledger.LedgerEntry]())
	for range 2 { // the second run finds nothing
		s := must(source.New(broker.Addrs(), "countdown", countdown{3}, reg, ser, source.WithProducer(producer.WithCreateTopics(1, -1))))
		if err := s.Run(ctx, func(ctx context.Context, tx *producer.Tx, n int) error {
			return entries.Add(ctx, tx, &ledger.LedgerEntry{Cents: int64(n)})
		}); err != nil {
			log.Fatal(err)
		}
		if err := s.Close(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for r, err := range producertest.Read(ctx, broker, "ledger", must(serde.NewDeserializer[ledger.LedgerEntry](reg))) {
		fmt.Println(must(r.Value, err).Cents)
	}
	// Output:
	// 3
	// 2
	// 1
}

// Hooks follow the progress of a source.
func ExampleWithHooks() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("ledger", 1)))
	server := must(registrytest.NewServer())
	reg := must(registry.New([]string{server.URL}))
	entries := producer.NewTopic("ledger", producer.NoKey[*ledger.LedgerEntry]())
	items := 0
	s := must(source.New(broker.Addrs(), "countdown", countdown{3}, reg, must(serde.NewSerializer(reg)),
		source.WithProducer(producer.WithCreateTopics(1, -1)),
		source.WithHooks(source.Hooks{
			Started:   func(_ context.Context, shard int) { fmt.Println("shard", shard, "started") },
			Committed: func(_ context.Context, c source.Commit) { items += c.Items },
			Stopped:   func(_ context.Context, shard int, err error) { fmt.Println("shard", shard, "stopped", err) },
		})))
	if err := s.Run(ctx, func(ctx context.Context, tx *producer.Tx, n int) error {
		return entries.Add(ctx, tx, &ledger.LedgerEntry{Cents: int64(n)})
	}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(items, "items")
	fmt.Println(s.Close(ctx))
	// Output:
	// shard 0 started
	// shard 0 stopped <nil>
	// 3 items
	// <nil>
}
