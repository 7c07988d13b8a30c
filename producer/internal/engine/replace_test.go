package engine

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestNoNewClient replaces a client while the process has no file descriptor
// left. The engine tries again until a client can be started, and knows the
// reason meanwhile.
func TestNoNewClient(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	lost := &transport.Error{Code: transport.Desynchronized, Fatal: true, Text: "of the test"}
	const attempts = 3

	t.Run("producer", func(t *testing.T) {
		t.Parallel()
		c, err := settings.New(settings.ForProducer, cluster.ListenAddrs(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(c, Callbacks{})
		if err != nil {
			t.Fatal(err)
		}
		n := failToOpen(t, e, attempts-1)
		k := e.main()
		k.fail(lost)
		r := e.renew(k)
		<-r.done
		if r.err != nil || e.Err() != nil || e.main() == k || n.Load() != attempts {
			t.Errorf("%d attempts: %v, %v", n.Load(), r.err, e.Err())
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("transactional", func(t *testing.T) {
		t.Parallel()
		c, err := settings.New(settings.ForTransactional, cluster.ListenAddrs(), "id", nil)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := NewTransactional(c, Callbacks{})
		if err != nil {
			t.Fatal(err)
		}
		n := failToOpen(t, tr.engine, attempts-1)
		tr.engine.main().fail(lost)
		if err := tr.InTx(t.Context(), func(*Tx) error { return nil }); err != nil || n.Load() != attempts {
			t.Errorf("%d attempts: %v", n.Load(), err)
		}
		if err := tr.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// failToOpen lets the next attempts to start a client fail, and returns the
// number of attempts.
func failToOpen(t *testing.T, e *Engine, failures int64) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	e.mu.Lock()
	defer e.mu.Unlock()
	open := e.open
	e.open = func(c *settings.Config, batch int, h transport.Handler) (transport.Client, error) {
		i := n.Add(1)
		if cause := e.trouble.cause(); i > 1 && (cause == nil || !strings.Contains(cause.Error(), syscall.EMFILE.Error())) {
			t.Errorf("attempt %d: the known reason is %v", i, cause)
		}
		if i <= failures {
			return nil, syscall.EMFILE
		}
		return open(c, batch, h)
	}
	return &n
}
