// Throughput runs on real Apache Kafka. It shows the effect of batch size,
// linger, compression and acks on the rate and on the latency. It also compares
// one node with other clients. Throughput prints Markdown and draws PNGs:
//
//	cd internal/bench && go run ./throughput -n 300000 -o ../../docs/img
//
// The nodes and the clients share one machine, so figures are comparable only
// within one run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/producer"
)

var (
	count  = flag.Int("n", 300_000, "messages a run")
	rounds = flag.Int("rounds", 3, "runs of each setting, of which the median counts")
	folder = flag.String("o", "", "folder for the plots; none are drawn without it")
	only   = flag.String("only", "", "settings or million")
)

const partitions = 6

var amount = map[int]string{1: "One node", 3: "Three nodes"}

func main() {
	flag.Parse()
	ctx := context.Background()
	for _, nodes := range []int{1, 3} {
		if err := run(ctx, nodes); err != nil {
			fmt.Fprintln(os.Stderr, "throughput:", err)
			os.Exit(1)
		}
	}
}

func run(ctx context.Context, nodes int) (err error) {
	c, err := kafkacluster.New(ctx, kafkacluster.Nodes(nodes), kafkacluster.FullJIT(), kafkacluster.Heap("512m"))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}()
	fmt.Printf("\n## %s of Apache Kafka %s\n", amount[nodes], kafkacluster.Version)
	if *only != "million" {
		if err := settings(ctx, c, nodes); err != nil {
			return err
		}
	}
	if *only != "settings" {
		return million(ctx, c)
	}
	return nil
}

// sweep varies an option and keeps the defaults of the others.
type sweep struct {
	name, unit string
	points     []point
}

type point struct {
	label string
	opts  []producer.Option
}

func sweeps() []sweep {
	var batch, linger, codec, acks []point
	for _, kib := range []int{1, 4, 16, 64, 256, 900} {
		batch = append(batch, point{fmt.Sprint(kib), []producer.Option{producer.WithBatchSize(kib << 10)}})
	}
	for _, ms := range []int{0, 1, 5, 20, 100} {
		linger = append(linger, point{fmt.Sprint(ms), []producer.Option{producer.WithLinger(time.Duration(ms) * time.Millisecond)}})
	}
	for _, c := range []producer.Compression{producer.NoCompression, producer.Gzip, producer.Snappy, producer.LZ4, producer.Zstd} {
		codec = append(codec, point{string(c), []producer.Option{producer.WithCompression(c)}})
	}
	acks = []point{
		{"0", []producer.Option{producer.WithWeakAcks(producer.AcksNone)}},
		{"1", []producer.Option{producer.WithWeakAcks(producer.AcksLeader)}},
		{"all", []producer.Option{producer.WithWeakAcks(producer.AcksAll)}},
		{"all, idempotent", nil},
	}
	return []sweep{
		{"batch size", "KiB", batch}, {"linger", "ms", linger}, {"compression", "codec", codec}, {"acks", "", acks},
	}
}

// figure is the result of a setting.
type figure struct {
	rate     float64       // events per second at full speed
	p50, p99 time.Duration // latency of deliveries at pacedRate
}

// pacedRate is so slow that no queue affects the latency.
const pacedRate = 20_000

func settings(ctx context.Context, c *kafkacluster.Cluster, nodes int) error {
	for i, s := range sweeps() {
		topic := fmt.Sprintf("sweep-%d", i)
		if err := c.CreateTopic(ctx, topic, partitions, nil); err != nil {
			return err
		}
		figures := make([][]figure, len(s.points))
		for range *rounds {
			// Every setting runs once per round, so that other work of the
			// machine affects all settings.
			for j, p := range s.points {
				f, err := measure(ctx, c.Addrs(), topic, p.opts)
				if err != nil {
					return fmt.Errorf("%s %s: %w", s.name, p.label, err)
				}
				figures[j] = append(figures[j], f)
			}
		}
		medians := make([]figure, len(s.points))
		fmt.Printf("\n| %s | events/s | p50 | p99 at %d events/s |\n|---|---|---|---|\n", strings.TrimSpace(s.name+" "+s.unit), pacedRate)
		for j, p := range s.points {
			medians[j] = median(figures[j])
			fmt.Printf("| %s | %.0f | %.1f ms | %.1f ms |\n", p.label, medians[j].rate, inMs(medians[j].p50), inMs(medians[j].p99))
		}
		if *folder != "" {
			file := filepath.Join(*folder, fmt.Sprintf("%s-%d.png", strings.ReplaceAll(s.name, " ", "-"), nodes))
			if err := plotSweep(file, s, medians, strings.ToLower(amount[nodes])); err != nil {
				return err
			}
		}
	}
	return nil
}

func median(f []figure) figure {
	by := func(value func(figure) float64) float64 {
		values := make([]float64, len(f))
		for i := range f {
			values[i] = value(f[i])
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figure{
		rate: by(func(f figure) float64 { return f.rate }),
		p50:  time.Duration(by(func(f figure) float64 { return float64(f.p50) })),
		p99:  time.Duration(by(func(f figure) float64 { return float64(f.p99) })),
	}
}
