package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

const (
	// probeWait bounds one look at the brokers; probeAgain is how long its finding holds.
	probeWait  = 5 * time.Second
	probeAgain = 30 * time.Second
)

// trouble is the last thing that a client said went wrong, until a message is delivered. With messages that never expire
// it is the only sign of a broker out of reach or of wrong credentials. What librdkafka says of certificates is always
// "verify failed", and it says nothing at all to a port that speaks something else: so on the first trouble of a
// connection the brokers are probed, in the background.
type trouble struct {
	core  *core
	last  atomic.Pointer[error]
	found atomic.Pointer[error] // by the probe; nil: nothing

	mu     sync.Mutex
	probed time.Time
}

func (t *trouble) note(err *transport.Error) {
	if err.Code == transport.AllBrokersDown {
		t.look() // it follows upon what says why, where anything does
		if t.last.Load() != nil {
			return
		}
	}
	if text := err.Text; t.core.config.Redact(text) != text {
		clean := *err
		clean.Text, clean.Err = t.core.config.Redact(err.Text), nil
		err = &clean
	}
	var said error = err
	if c := connectionError(t.core.config, err); c != nil {
		said = c
		t.look()
	}
	t.last.Store(&said)
	t.core.config.Logger.Warn("client_error", "code", int(err.Code), "err", said)
}

// look probes the brokers, unless it did so a short while ago.
func (t *trouble) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.probed.IsZero() && time.Since(t.probed) < probeAgain {
		return
	}
	t.probed = time.Now()
	t.core.spawn(func() {
		ctx, cancel := context.WithTimeout(t.core.alive, probeWait)
		defer cancel()
		if err := probeAll(ctx, t.core.config); err != nil && ctx.Err() == nil {
			t.found.Store(&err)
		}
	})
}

func (t *trouble) over() {
	if t.last.Load() != nil || t.found.Load() != nil {
		t.last.Store(nil)
		t.found.Store(nil)
	}
}

// cause is the best that is known of why the brokers cannot be used; nil: nothing is known.
func (t *trouble) cause() error {
	for _, p := range []*error{t.found.Load(), t.last.Load()} {
		if p != nil {
			return *p
		}
	}
	return nil
}

// refusal is cause, where waiting will not mend it.
func (t *trouble) refusal() error {
	if err := t.cause(); errors.Is(err, ErrTLS) || errors.Is(err, ErrAuthentication) {
		return err
	}
	return nil
}

// explain adds to the end of a wait what is known of its reason.
func (t *trouble) explain(err error) error {
	if names, _ := t.core.progress.stuck(time.Now()); len(names) > 0 && t.cause() == nil {
		return fmt.Errorf("%w: %w", err, t.core.stuckError(names))
	}
	if cause := t.cause(); cause != nil {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return fmt.Errorf("%w (brokers %s, set by %s)", err, strings.Join(t.core.config.Brokers, ","), t.core.config.Origin("bootstrap.servers"))
}

// probeAll probes every broker at once: nil where one of them is found well, else the finding of the first in the list.
func probeAll(ctx context.Context, c *settings.Config) error {
	found := make([]error, len(c.Brokers))
	var wg sync.WaitGroup
	for i, b := range c.Brokers {
		wg.Go(func() { found[i] = probe(ctx, c, b) })
	}
	wg.Wait()
	for _, err := range found {
		if err == nil {
			return nil
		}
	}
	return found[0]
}
