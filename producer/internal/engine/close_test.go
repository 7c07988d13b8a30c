package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// slowClose is a client of the library whose threads do not end, for example
// because they wait for the answer of a token endpoint.
type slowClose struct {
	transport.Client
	entered, leave chan struct{}
	once           *sync.Once
}

func (c slowClose) Close() {
	c.once.Do(func() { close(c.entered) })
	<-c.leave
	c.Client.Close()
}

// TestCloseDuringReplacement closes an engine while a client is being replaced
// and the old client does not end. The messages for the next client get their
// outcome at the end of Close's context.
func TestCloseDuringReplacement(t *testing.T) {
	t.Parallel()
	const messages = 20
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	config, err := settings.New(settings.ForProducer, b.Addrs(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(config, Callbacks{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	outcomes := make(chan error, messages+1)
	send := func() {
		m := &Message{Message: transport.Message{Value: []byte("value")}, Callback: func(_ Delivery, err error) { outcomes <- err }}
		if err := e.Topic("events").Send(ctx, m, choice(0), true); err != nil {
			t.Fatal(err)
		}
	}
	send()
	if err := <-outcomes; err != nil {
		t.Fatal(err)
	}
	slow := slowClose{entered: make(chan struct{}), leave: make(chan struct{}), once: new(sync.Once)}
	e.mu.Lock()
	slow.Client = e.clients[0].transport
	e.clients[0].transport = slow
	e.mu.Unlock()
	b.Stop()
	for range messages {
		send()
	}
	slow.Client.(interface{ TestFatalError(string) }).TestFatalError("a test's doing")
	<-slow.entered
	closed := make(chan error, 1)
	go func() {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		closed <- e.Close(ended)
	}()
	for range messages {
		select {
		case err := <-outcomes:
			if !errors.Is(err, ErrNotSent) {
				t.Errorf("outcome %v, want %v", err, ErrNotSent)
			}
		case err := <-closed:
			t.Fatalf("Close returned before the outcomes: %v", err)
		}
	}
	close(slow.leave)
	var undelivered *UndeliveredError
	if err := <-closed; !errors.As(err, &undelivered) || undelivered.NotSent != messages {
		t.Errorf("close: %v, want %d messages not sent", err, messages)
	}
}
