package producer

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Closer is a [*Producer], a [*Transactional] or another type with a Close that
// takes a context.
type Closer interface {
	Close(ctx context.Context) error
}

// CloseOnSignal returns a context and a function. The context ends when the
// process gets SIGTERM or an interrupt. The caller calls finish last. finish
// closes p within the given time and returns the result of Close. Until then p
// still publishes, so that running requests can finish:
//
//	ctx, finish := producer.CloseOnSignal(context.Background(), p, 20*time.Second)
//	serve(ctx)
//	err := finish()
//
// If a second signal comes while finish waits, the wait ends at once.
func CloseOnSignal(parent context.Context, p Closer, within time.Duration) (ctx context.Context, finish func() error) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	hurry, hurried := context.WithCancelCause(context.WithoutCancel(parent))
	over := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case s := <-signals:
				if n == 0 {
					cancel(fmt.Errorf("%v", s))
				} else {
					hurried(fmt.Errorf("%v again", s))
				}
			case <-over:
				return
			}
		}
	}()
	var once atomic.Bool
	return ctx, func() error {
		closing, stop := context.WithTimeout(hurry, within)
		defer stop()
		err := p.Close(closing)
		if once.CompareAndSwap(false, true) {
			signal.Stop(signals)
			close(over)
			cancel(nil)
			hurried(nil)
		}
		return err
	}
}
