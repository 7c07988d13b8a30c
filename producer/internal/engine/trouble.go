package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/avroline/avroline/producer/internal/diagnose"
	"github.com/avroline/avroline/producer/internal/transport"
)

const (
	// probeWait bounds one probe of the brokers. probeAgain is the minimum time
	// between two probes.
	probeWait  = 5 * time.Second
	probeAgain = 30 * time.Second
	// probeAfter is how long a call waits for an answer of the brokers before
	// the brokers are probed.
	probeAfter = time.Second
)

// trouble keeps the last connection error of a client until a message is
// delivered. Messages never expire by default, so trouble is the only sign of
// unreachable brokers or wrong credentials. librdkafka reports every
// certificate problem as "verify failed", and reports nothing for a port with
// another protocol. So the first connection error starts a probe of the brokers
// in the background.
type trouble struct {
	engine *Engine
	last   atomic.Pointer[error]
	found  atomic.Pointer[error] // the probe's finding; nil: none

	mu     sync.Mutex
	probed time.Time
}

func (t *trouble) note(err *transport.Error) {
	if err.Code == transport.AllBrokersDown {
		t.probe() // an earlier error may have said the reason
		if t.last.Load() != nil {
			return
		}
	}
	if text := err.Text; t.engine.config.Redact(text) != text {
		clean := *err
		clean.Text, clean.Err = t.engine.config.Redact(err.Text), nil
		err = &clean
	}
	var said error = err
	if c := diagnose.ExplainConnection(t.engine.config, err); c != nil {
		said = c
		t.probe()
	}
	t.last.Store(&said)
	t.engine.config.Logger.Warn("client_error", "code", int(err.Code), "err", said)
}

// noteNoClient notes why no new client can be started. The engine tries again.
func (t *trouble) noteNoClient(err error) {
	err = fmt.Errorf("producer: no new client can be started: %w", err)
	t.last.Store(&err)
	t.engine.config.Logger.Warn("client_not_replaced", "err", err)
}

// probe probes the brokers, unless the last probe was a short time ago.
func (t *trouble) probe() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.probed.IsZero() && time.Since(t.probed) < probeAgain {
		return
	}
	t.probed = time.Now()
	t.engine.spawn(func() {
		ctx, cancel := context.WithTimeout(t.engine.alive, probeWait)
		defer cancel()
		if err := diagnose.ProbeAll(ctx, t.engine.config); err != nil && ctx.Err() == nil {
			t.found.Store(&err)
		}
	})
}

// probeLater probes the brokers if stop is not called soon. A library that
// waits for the answer of a broker reports nothing meanwhile.
func (t *trouble) probeLater() (stop func() bool) { return time.AfterFunc(probeAfter, t.probe).Stop }

func (t *trouble) clear() {
	if t.last.Load() != nil || t.found.Load() != nil {
		t.last.Store(nil)
		t.found.Store(nil)
	}
}

// cause returns the best known reason why the brokers cannot be used, or nil.
// librdkafka says "all brokers down" and nothing else if it cannot connect to
// an address that the cluster names. The table of the brokers has the reason.
func (t *trouble) cause() error {
	found, last := t.found.Load(), t.last.Load()
	switch {
	case found != nil && last != nil && errors.Is(*found, os.ErrDeadlineExceeded) && isRefusal(*last):
		return *last // the client got an answer, and the probe got none
	case found != nil:
		return *found
	case last == nil:
		return nil
	}
	if codeOf(*last) == transport.AllBrokersDown {
		for _, b := range t.engine.Brokers() {
			if b.State == transport.BrokerUnreachable && b.Reason != nil {
				return b.Reason
			}
		}
	}
	return *last
}

// refusal returns cause if waiting does not help, and otherwise nil.
func (t *trouble) refusal() error {
	if err := t.cause(); isRefusal(err) {
		return err
	}
	return nil
}

func isRefusal(err error) bool {
	return errors.Is(err, diagnose.ErrTLS) || errors.Is(err, diagnose.ErrAuthentication)
}

// ExplainWait adds the known reason to the error of an ended wait for a message
// of a topic.
func (e *Engine) ExplainWait(topic string, err error) error {
	if gone := e.Topic(topic).missingError(); gone != nil {
		return withCause(err, gone)
	}
	if e.held.Load() > 0 {
		return e.explainHeld(err)
	}
	return e.trouble.explain(err)
}

// explain adds the known reason to the error of an ended wait.
func (t *trouble) explain(err error) error {
	if names, _ := t.engine.progress.stuck(time.Now(), lendAfter); len(names) > 0 && t.cause() == nil {
		return withCause(err, t.engine.explainStuck(names, lendAfter))
	}
	if cause := t.cause(); cause != nil {
		return withCause(err, cause)
	}
	return fmt.Errorf("%w (brokers %s, set by %s)", err, strings.Join(t.engine.config.Brokers, ","), t.engine.config.Origin("bootstrap.servers"))
}
