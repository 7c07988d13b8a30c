// Publish compares ways to publish: avroline, confluent-kafka-go alone,
// Confluent's Avro serializer, and franz-go. The broker is kfake in a separate
// process that stores nothing. Every round runs every way once, so that other
// work of the machine affects all ways alike. The table shows the medians, and
// the ratios to the other ways.
//
//	cd internal/bench && go run ./publish -n 500000 -rounds 5 -size 100     the ways side by side
//	cd internal/bench && go run ./publish -sync -n 4000                     one at a time, linger 0
//	cd internal/bench && go run ./publish -rss -n 10000000                  our memory over ten million messages
//	cd internal/bench && go run ./publish -key -topics 100 -partitions 100  many partitions
//	cd internal/bench && go run ./publish -first -rounds 21                 the first delivery of a new producer
//	cd internal/bench && go run ./publish -idle -partitions 10000           memory of idle partitions
//	cd internal/bench && go run ./publish -tx -n 200000                     transactions
//	cd internal/bench && go run ./publish -process -n 100000                a processor
//
// With -brokers the messages go to real brokers:
//
//	go run ./internal/cmd/withreal sh -c 'cd internal/bench && go run ./publish -tx -n 100000 -brokers $AVROLINE_TEST_BROKERS'
//
// The README.md beside this file explains the figures.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	topicName = "bench"
	inputName = "input" // of the processor
	warmUp    = 10_000
)

var (
	count       = flag.Int("n", 500_000, "messages a run")
	rounds      = flag.Int("rounds", 5, "runs of each way")
	size        = flag.Int("size", 100, "bytes of a value, prefix included")
	keyed       = flag.Bool("key", false, "with a key of 12 bytes")
	compression = flag.String("compression", "none", "none, lz4, zstd")
	linger      = flag.Int("linger", 5, "milliseconds")
	buffer      = flag.Int("buffer", 100_000, "messages in the buffer of a client; 0: each client's own default, which is 50,000 for kgo")
	inflight    = flag.Int("inflight", 1, "requests in flight per broker, of avroline and raw-inflight")
	only        = flag.String("only", "", "ways to run, separated by commas; default all")
	synchronous = flag.Bool("sync", false, "compare synchronous latencies instead")
	rss         = flag.Bool("rss", false, "watch our memory instead")
	first       = flag.Bool("first", false, "compare the first deliveries of new producers instead")
	idle        = flag.Bool("idle", false, "compare the memory of idle partitions instead")
	tx          = flag.Bool("tx", false, "compare transactions instead")
	perTx       = flag.Int("pertx", 1000, "messages of a transaction")
	processing  = flag.Bool("process", false, "compare processors instead")
	topics      = flag.Int("topics", 1, "topics, written in turn")
	partitions  = flag.Int("partitions", 4, "partitions of a topic")
	profile     = flag.String("cpuprofile", "", "file for a CPU profile of everything")
	brokers     = flag.String("brokers", "", "addresses of brokers, separated by commas, that take the place of kfake")
)

func main() {
	flag.Parse()
	if os.Getenv("BENCH_BROKER") != "" {
		broker()
		return
	}
	// The ballast has the size of a typical heap, so that the garbage collector
	// runs equally often for all ways. The default channel of
	// confluent-kafka-go alone takes 24 MB. Without the ballast, the garbage
	// collector would run ten times as often for the other ways.
	ballast := make([]byte, 64<<20)
	defer runtime.KeepAlive(ballast)
	addrs, stop, err := startBroker()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer stop()
	if *brokers != "" {
		addrs = strings.Split(*brokers, ",")
		createTopics(addrs)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		defer f.Close()
		_ = pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	switch {
	case *synchronous:
		latencies(addrs)
	case *rss:
		memory(addrs)
	case *first:
		firstDelivery(addrs)
	case *idle:
		idleMemory(addrs)
	case *tx:
		transactions(addrs)
	case *processing:
		process(addrs)
	default:
		table(run(addrs))
	}
}

// topicNames are the names of the topics that the ways write in turn.
func topicNames() []string {
	names := []string{topicName}
	for i := 1; i < *topics; i++ {
		names = append(names, fmt.Sprint(topicName, i))
	}
	return names
}

// broker serves until its standard input ends. The process has the flags of its
// parent.
func broker() {
	// Like the clients' ballast. Without it, the broker spends half of its time
	// in the garbage collector, and all the more if a client has few bytes in
	// flight.
	ballast := make([]byte, 128<<20)
	defer runtime.KeepAlive(ballast)
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(int32(*partitions), topicNames()...), kfake.SeedTopics(4, inputName)}
	if !*processing { // a processor reads its input
		options = append(options, kfake.BlackholeProduce())
	}
	c, err := kfake.NewCluster(options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(c.ListenAddrs(), ","))
	_, _ = io.Copy(io.Discard, os.Stdin)
	c.Close()
}

// createTopics makes the topics of the benchmark.
func createTopics(addrs []string) {
	cl := must(kgo.NewClient(kgo.SeedBrokers(addrs...)))
	defer cl.Close()
	req := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range append(topicNames(), inputName) {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(*partitions), -1
		req.Topics = append(req.Topics, t)
	}
	for _, t := range must(req.RequestWith(context.Background(), cl)).Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); !errors.Is(err, kerr.TopicAlreadyExists) {
			check(err)
		}
	}
}

func startBroker() (addrs []string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(context.Background(), self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), "BENCH_BROKER=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, fmt.Errorf("broker: %w", err)
	}
	return strings.Split(strings.TrimSpace(line), ","), func() { _ = in.Close(); _ = cmd.Wait() }, nil
}

// figure is the cost of one run.
type figure struct {
	rate   float64 // messages per second
	cpu    float64 // microseconds of CPU per message, of this process
	allocs float64 // allocations per message
	call   float64 // nanoseconds of a call to publish, including the wait for room in the queue
}

func measure(n int, r runner) figure {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c, t := cpuTime(), time.Now()
	for i := range n {
		r.send(i)
	}
	sent := time.Since(t)
	r.wait(warmUp + n)
	took, used := time.Since(t), cpuTime()-c
	runtime.ReadMemStats(&after)
	return figure{float64(n) / took.Seconds(), float64(used.Microseconds()) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n), float64(sent.Nanoseconds()) / float64(n)}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func run(addrs []string) map[string][]figure {
	figures := map[string][]figure{}
	for round := range *rounds {
		for i := range ways {
			w := ways[(i+round)%len(ways)] // the order changes, so that a way does not always follow the same other way
			if !chosen(w.name) {
				continue
			}
			r := w.start(addrs)
			for i := range warmUp { // opens connections, loads metadata, fills pools and uses every partition
				if i%(warmUp/20) == 0 {
					time.Sleep(11 * time.Millisecond) // messages without a key now go to another partition
				}
				r.send(i)
			}
			r.wait(warmUp)
			f := measure(*count, r)
			r.stop()
			figures[w.name] = append(figures[w.name], f)
		}
	}
	return figures
}

// chosen reports whether the flag only has a way, or no way at all.
func chosen(name string) bool {
	return *only == "" || slices.Contains(strings.Split(*only, ","), name)
}

func median(fs []figure, of func(figure) float64) float64 {
	var all []float64
	for _, f := range fs {
		all = append(all, of(f))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func table(figures map[string][]figure) {
	fmt.Printf("%d B, key %v, %s, linger %d ms, %d messages, median of %d\n\n", *size, *keyed, *compression, *linger, *count, *rounds)
	fmt.Println("| way | k msg/s | CPU us/msg | allocs/msg | call ns | x raw | CPU x raw | x Confluent | x kgo |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	rate := func(f figure) float64 { return f.rate }
	cpu := func(f figure) float64 { return f.cpu }
	ratio := func(name, base string, of func(figure) float64) string {
		if len(figures[base]) == 0 {
			return ""
		}
		// Compare figures of the same round, because the load of the machine is
		// then the same for both ways.
		var all []float64
		for i := range min(len(figures[name]), len(figures[base])) {
			all = append(all, of(figures[name][i])/of(figures[base][i]))
		}
		slices.Sort(all)
		return fmt.Sprintf("%.2f", all[len(all)/2])
	}
	for _, w := range ways {
		fs := figures[w.name]
		if len(fs) == 0 {
			continue
		}
		fmt.Printf("| %s | %.0f | %.2f | %.1f | %.0f | %s | %s | %s | %s |\n", w.name, median(fs, rate)/1000, median(fs, cpu),
			median(fs, func(f figure) float64 { return f.allocs }),
			median(fs, func(f figure) float64 { return f.call }),
			ratio(w.name, "raw", rate), ratio(w.name, "raw", cpu), ratio(w.name, "confluent-avro", rate), ratio(w.name, "kgo", rate))
	}
}
