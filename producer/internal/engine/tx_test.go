package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestAddAllocates checks that adding a message to a transaction allocates
// nothing by itself.
func TestAddAllocates(t *testing.T) {
	tx := &Tx{engine: &Engine{}}
	send := func() error { return nil }
	if n := testing.AllocsPerRun(100, func() {
		if err := tx.Add("orders", send); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// TestUnknownTopicOfOffset runs a transaction again for a while if the
// coordinator does not know the topic of an offset, and not for ever, because
// the name may be wrong. The same code for a message is final at once.
func TestUnknownTopicOfOffset(t *testing.T) {
	t.Parallel()
	unknown := &transport.Error{Code: transport.UnknownTopicOrPartition}
	for name, c := range map[string]struct {
		since time.Duration // 0: now for the first time
		cause error
		again bool
	}{
		"first":        {0, offsetsError{unknown}, true},
		"a while":      {unknownTopicPatience / 2, offsetsError{unknown}, true},
		"too long":     {2 * unknownTopicPatience, offsetsError{unknown}, false},
		"of a message": {0, unknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &Engine{config: &settings.Config{TransactionTimeout: time.Minute}}
			tr := &Transactional{engine: e}
			if c.since > 0 {
				tr.unknownTopic = time.Now().Add(-c.since)
			}
			if again, _ := tr.afterAbort(t.Context(), &Tx{engine: e}, 0, c.cause); again != c.again {
				t.Errorf("again %t, want %t", again, c.again)
			}
		})
	}
}

// TestSuspended fences a transaction after the machine was suspended for longer
// than the transaction timeout. The monotonic clock has not counted the pause.
// The coordinator has aborted the transaction because of its age, so the
// producer goes on.
func TestSuspended(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pause time.Duration
		want  error
	}{
		"not suspended":         {0, ErrFenced},
		"for a short time":      {time.Minute / 2, ErrFenced},
		"longer than allowed":   {2 * time.Minute, ErrTxTimedOut},
		"the clock turned back": {-2 * time.Minute, ErrFenced},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &Engine{config: &settings.Config{TransactionTimeout: time.Minute}}
			tr, tx := &Transactional{engine: e}, &Tx{engine: e}
			tx.start()
			tx.wall.Add(-int64(c.pause))
			again, err := tr.afterAbort(t.Context(), tx, 0, &transport.Error{Code: transport.Fenced})
			timedOut := errors.Is(c.want, ErrTxTimedOut)
			if !errors.Is(err, c.want) || again != timedOut || (tr.fenced == nil) != timedOut {
				t.Errorf("again %t, fenced %v: %v", again, tr.fenced, err)
			}
		})
	}
}
