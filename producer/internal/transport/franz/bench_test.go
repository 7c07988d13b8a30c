package franz

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/transport"
)

// outcomeCounter counts outcomes and limits the number of messages in flight.
type outcomeCounter struct {
	mu     sync.Mutex
	room   sync.Cond
	flying int
	failed int
}

const maxFlying = 100_000

func newOutcomeCounter() *outcomeCounter {
	y := &outcomeCounter{}
	y.room.L = &y.mu
	return y
}

func (y *outcomeCounter) acquire() {
	y.mu.Lock()
	for y.flying >= maxFlying {
		y.room.Wait()
	}
	y.flying++
	y.mu.Unlock()
}

func (y *outcomeCounter) release(n, failed int) {
	y.mu.Lock()
	if y.flying -= n; y.flying+n >= maxFlying || y.flying == 0 {
		y.room.Broadcast()
	}
	y.failed += failed
	y.mu.Unlock()
}

func (y *outcomeCounter) waitUntilEmpty() {
	y.mu.Lock()
	for y.flying > 0 {
		y.room.Wait()
	}
	y.mu.Unlock()
}

func (y *outcomeCounter) Outcomes(outcomes []transport.Outcome) {
	ended, failed := 0, 0
	for i := range outcomes {
		ended += int(outcomes[i].More) + 1
		if outcomes[i].Err != nil {
			failed++
		}
	}
	y.release(ended, failed)
}
func (*outcomeCounter) Trouble(*transport.Error)                {}
func (*outcomeCounter) Refused(string, int32, *transport.Error) {}
func (*outcomeCounter) Fatal(*transport.Error)                  {}

// BenchmarkProduce sends encoded bytes to a broker that stores nothing. The
// benchmark compares the transport with kgo alone.
func BenchmarkProduce(b *testing.B) {
	for _, size := range []int{100, 1024} {
		for _, keyed := range []bool{false, true} {
			name := fmt.Sprintf("%dB,key=%t", size, keyed)
			b.Run(name+"/kgo", func(b *testing.B) { benchKgo(b, size, keyed, 1, 4) })
			b.Run(name+"/franz", func(b *testing.B) { benchFranz(b, size, keyed, 1, 4) })
		}
	}
	b.Run("100x100/kgo", func(b *testing.B) { benchKgo(b, 100, false, 100, 100) })
	b.Run("100x100/franz", func(b *testing.B) { benchFranz(b, 100, false, 100, 100) })
}

func benchBroker(b *testing.B, topics, partitions int) []string {
	b.Helper()
	var names []string
	for i := range topics {
		names = append(names, "bench"+strconv.Itoa(i))
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(partitions), names...), kfake.BlackholeProduce())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}

func benchFranz(b *testing.B, size int, keyed bool, topics, partitions int) {
	config := testConfig(b, benchBroker(b, topics, partitions), "")
	y := newOutcomeCounter()
	c, err := Open(config, 1_000_000, y)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	handles := make([]transport.Topic, topics)
	for i := range handles {
		if handles[i], err = c.Topic("bench" + strconv.Itoa(i)); err != nil {
			b.Fatal(err)
		}
	}
	m := &transport.Message{Value: make([]byte, size)}
	if keyed {
		m.Key = []byte("123456789012")
	}
	b.ReportAllocs()
	b.SetBytes(int64(size))
	i, cpu := 0, cpuTime()
	for b.Loop() {
		y.acquire()
		if err := handles[i%topics].Produce(int32(i/topics)%int32(partitions), m, transport.Token(i)); err != nil {
			b.Fatal(err)
		}
		i++
	}
	y.waitUntilEmpty()
	b.ReportMetric(float64(cpuTime()-cpu)/float64(i), "cpu-ns/op")
	if y.failed > 0 {
		b.Fatalf("%d failed", y.failed)
	}
}

func benchKgo(b *testing.B, size int, keyed bool, topics, partitions int) {
	config := testConfig(b, benchBroker(b, topics, partitions), "")
	cl, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(config.Linger), kgo.MaxBufferedRecords(1<<30), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cl.Close)
	y := newOutcomeCounter()
	promise := func(_ *kgo.Record, err error) {
		failed := 0
		if err != nil {
			failed++
		}
		y.release(1, failed)
	}
	names := make([]string, topics)
	for i := range names {
		names[i] = "bench" + strconv.Itoa(i)
	}
	value := make([]byte, size)
	var key []byte
	if keyed {
		key = []byte("123456789012")
	}
	b.ReportAllocs()
	b.SetBytes(int64(size))
	i, cpu := 0, cpuTime()
	ctx := context.Background()
	for b.Loop() {
		y.acquire()
		cl.Produce(ctx, &kgo.Record{Topic: names[i%topics], Partition: int32(i/topics) % int32(partitions), Key: key, Value: value}, promise)
		i++
	}
	y.waitUntilEmpty()
	b.ReportMetric(float64(cpuTime()-cpu)/float64(i), "cpu-ns/op")
	if y.failed > 0 {
		b.Fatalf("%d failed", y.failed)
	}
}
