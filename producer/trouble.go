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
	// probeWait bounds one probe of the brokers. probeAgain is the minimum time
	// between two probes.
	probeWait  = 5 * time.Second
	probeAgain = 30 * time.Second
)

// trouble keeps the last connection error of a client until a message is
// delivered. Messages never expire by default, so trouble is the only sign of
// unreachable brokers or wrong credentials. librdkafka reports every
// certificate problem as "verify failed", and reports nothing for a port with
// another protocol. So the first connection error starts a probe of the brokers
// in the background.
type trouble struct {
	core  *core
	last  atomic.Pointer[error]
	found atomic.Pointer[error] // the probe's finding; nil: none

	mu     sync.Mutex
	probed time.Time
}

func (t *trouble) note(err *transport.Error) {
	if err.Code == transport.AllBrokersDown {
		t.look() // an earlier error may have said the reason
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

// look probes the brokers, unless the last probe was a short time ago.
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

// cause returns the best known reason why the brokers cannot be used, or nil.
func (t *trouble) cause() error {
	for _, p := range []*error{t.found.Load(), t.last.Load()} {
		if p != nil {
			return *p
		}
	}
	return nil
}

// refusal returns cause if waiting does not help, and otherwise nil.
func (t *trouble) refusal() error {
	if err := t.cause(); errors.Is(err, ErrTLS) || errors.Is(err, ErrAuthentication) {
		return err
	}
	return nil
}

// explainWait adds the known reason to the error of an ended wait for a message
// of a topic.
func (c *core) explainWait(topic string, err error) error {
	if gone := c.topic(topic).gone(); gone != nil {
		return fmt.Errorf("%w: %w", err, gone)
	}
	return c.trouble.explain(err)
}

// explain adds the known reason to the error of an ended wait.
func (t *trouble) explain(err error) error {
	if names, _ := t.core.progress.stuck(time.Now(), lendAfter); len(names) > 0 && t.cause() == nil {
		return fmt.Errorf("%w: %w", err, t.core.stuckError(names, lendAfter))
	}
	if cause := t.cause(); cause != nil {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return fmt.Errorf("%w (brokers %s, set by %s)", err, strings.Join(t.core.config.Brokers, ","), t.core.config.Origin("bootstrap.servers"))
}

// probeAll probes all brokers at once. It returns nil if the probe of a broker
// found no problem, and otherwise the finding for the first broker.
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
