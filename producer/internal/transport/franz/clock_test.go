package franz

import (
	"testing"
	"time"
)

// TestClock reads a clock in a burst, and with pauses. The time is never ahead,
// and not behind by more than the pause since the reading before.
func TestClock(t *testing.T) {
	t.Parallel()
	var c clock
	var ticks ticks
	for i := range 10_000 {
		before := time.Now()
		got := c.read(&ticks)
		if now := time.Now().UnixMilli(); got > now {
			t.Fatalf("reading %d: %d ms ahead", i, got-now)
		}
		if i%1000 > 0 {
			continue
		}
		time.Sleep(50 * time.Millisecond) // the tick comes meanwhile, on a slow machine too
		if next := c.read(&ticks); next < before.Add(50*time.Millisecond).UnixMilli() {
			t.Fatalf("reading %d: the time before was used again after 50 ms", i)
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
