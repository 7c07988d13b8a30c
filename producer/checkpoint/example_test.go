package checkpoint_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/avroline/avroline/examples/events/ledger"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/checkpoint"
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

// A program reads the topic of positions to show how far a source is.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := must(producertest.NewBroker(producertest.WithTopic("ledger", 1)))
	defer broker.Close()
	server := must(registrytest.NewServer())
	defer server.Close()
	reg := must(registry.New([]string{server.URL}))
	defer reg.Close()
	dir := must(os.MkdirTemp("", "lines"))
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "accounts")
	if err := os.WriteFile(file, []byte("ada\nbob\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	entries := producer.NewTopic("ledger", producer.NoKey[*ledger.LedgerEntry]())
	s := must(source.New(broker.Addrs(), "accounts", source.Files([]string{file}), reg, must(serde.NewSerializer(reg)),
		source.WithProducer(producer.WithCreateTopics(1, -1))))
	if err := s.Run(ctx, func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		return entries.Add(ctx, tx, &ledger.LedgerEntry{Account: string(l.Text)})
	}); err != nil {
		log.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		log.Fatal(err)
	}

	var newest checkpoint.Position
	for r, err := range producertest.Read(ctx, broker, "avroline-checkpoints", must(serde.NewDeserializer[checkpoint.Position](reg))) {
		newest = *must(r.Value, err)
	}
	fmt.Println(newest.Source, "shard", newest.Shard, "of", newest.Shards, "- two lines read:", strings.Contains(newest.Position, `"lines":2`))
	// Output: accounts shard 0 of 1 - two lines read: true
}
