package franz

import (
	"testing"
	"time"
)

// TestClock reads a clock in bursts. The time is never ahead, and every tick
// renews it.
func TestClock(t *testing.T) {
	t.Parallel()
	var c clock
	var ticks ticks
	for range 10 {
		for i := range 1000 {
			got := c.read(&ticks)
			if now := time.Now().UnixMilli(); got > now {
				t.Fatalf("reading %d: %d ms ahead", i, got-now)
			}
		}
		for ticks.count.Load() == c.tick { // a tick follows every reading
			time.Sleep(100 * time.Microsecond)
		}
		ticked := time.Now().UnixMilli()
		if got := c.read(&ticks); got < ticked {
			t.Fatalf("%d ms behind after a tick", ticked-got)
		}
	}
}

// TestClockWithoutTicks checks that a time is used for a bounded number of
// messages if the timer is late.
func TestClockWithoutTicks(t *testing.T) {
	t.Parallel()
	var c clock
	var ticks ticks
	ticks.running.Store(true) // the timer never fires
	first := c.read(&ticks)
	time.Sleep(2 * time.Millisecond)
	for i := 1; i < clockRun; i++ {
		if got := c.read(&ticks); got != first {
			t.Fatalf("reading %d: %d, the first was %d", i, got, first)
		}
	}
	if got := c.read(&ticks); got < first+2 {
		t.Errorf("after %d readings: %d, the first was %d", clockRun, got, first)
	}
}
