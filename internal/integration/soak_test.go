//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/workload"
)

// TestSoak publishes under one random fault after another, for the time of the
// flag -soak. Each round has its own producer and checks its own events.
// Memory, goroutines and open files of the test process must not grow from
// round to round.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("no -soak DURATION")
	}
	c := cluster(t)
	proxy, err := kafkacluster.NewProxy(c, *seed)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	var faults []fault
	for _, f := range matrix() {
		if f.control == nil && f.topic == nil && !strings.HasPrefix(f.name, "the leader sleeps for 20") && strings.Contains(f.name, *only) {
			faults = append(faults, f)
		}
	}
	rnd := rand.New(rand.NewPCG(*seed, 2))
	end := time.Now().Add(*soak)
	var first footprint
	total := 0
	for round := 1; time.Now().Before(end) && !t.Failed(); round++ {
		f := faults[rnd.IntN(len(faults))]
		s := &stage{t: t, c: c, topic: topic(t, 6, nil), proxy: proxy}
		run := workload.Run{
			Brokers: c.ProxiedAddrs(), Read: c.Addrs, Topic: s.topic, Name: s.topic, Seed: *seed + uint64(round),
			Messages: 20_000, Rate: 3_000, Pad: 100, BadCallbacks: true, ShortContexts: true, CloseWithin: 2 * time.Minute,
			Disturb: func(ctx context.Context) {
				if err := f.disturb(ctx, s); err != nil {
					t.Errorf("the fault itself failed: %v", err)
				}
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		r, err := run.Do(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		total += r.Intents
		now := measure(t)
		t.Logf("round %d, %s: %d events, lost %d, twice %d, out of order %d, unknown %d; %v", round, f.name, r.Intents, r.Lost, r.Twice, r.OutOfOrder, r.Unknown, now)
		switch {
		case round == 2: // round 1 fills the caches, so compare from round 2 on
			first = now
		case round > 2 && now.grownSince(first):
			t.Errorf("it grows: %v after round 2, %v now", first, now)
		}
	}
	t.Logf("%d events", total)
}

// footprint counts the resources of the test process.
type footprint struct {
	heap, resident    int64 // in bytes
	goroutines, files int
}

func (f footprint) String() string {
	return fmt.Sprintf("heap %d MiB, resident %d MiB, %d goroutines, %d files", f.heap>>20, f.resident>>20, f.goroutines, f.files)
}

// grownSince reports whether the footprint has grown by more than the garbage
// collector may keep.
func (f footprint) grownSince(o footprint) bool {
	return f.heap > o.heap+64<<20 || f.resident > o.resident+256<<20 || f.goroutines > o.goroutines+20 || f.files > o.files+20
}

func measure(t *testing.T) footprint {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	f.files = len(files)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			f.resident = kib << 10
		}
	}
	return f
}
