// Package outboxpgx writes events into an outbox with pgx. A relay can also
// listen for PostgreSQL's notifications.
//
//	err := placed.Enlist(ctx, outboxpgx.Tx(tx), &event) // tx is a pgx.Tx
//
//	listener, err := outboxpgx.Listen(url, "shop_events")
//	relay, err := outbox.NewRelay(brokers, "shop", table, db, registry, serializer, outbox.WithWaker(listener))
package outboxpgx

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/avroline/avroline/producer/outbox"
)

// Execer is a pgx.Tx, a *pgx.Conn or a *pgxpool.Pool.
type Execer interface {
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
}

// Tx converts a pgx transaction into an [outbox.Execer].
func Tx(tx Execer) outbox.Execer { return execer{tx} }

type execer struct{ tx Execer }

// ExecContext implements [outbox.Execer].
func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.tx.Exec(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// maxChannel is the length of the longest channel in PostgreSQL. PostgreSQL
// listens on a shorter channel if the name is longer.
const maxChannel = 63

// reconnectWait is the pause before the listener connects again.
const reconnectWait = time.Second

// Listener waits for notifications. A Listener is safe for concurrent use.
type Listener struct {
	config  *pgx.ConnConfig
	channel string
	cancel  context.CancelFunc
	done    chan struct{}

	mu    sync.Mutex
	fired chan struct{} // closed by a notification, and then replaced
}

// Listen listens on the channel that outbox.WithNotify names. The listener uses
// a separate connection, and connects again if the connection is lost. url has
// the format of pgx.ParseConfig. Close ends the listener.
func Listen(url, channel string) (*Listener, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("outboxpgx: %w", err)
	}
	if channel == "" || len(channel) > maxChannel {
		return nil, fmt.Errorf("outboxpgx: Listen: channel %q: must have from 1 to %d bytes", channel, maxChannel)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listener{config: config, channel: channel, cancel: cancel, done: make(chan struct{}), fired: make(chan struct{})}
	go l.run(ctx)
	return l, nil
}

// Wake implements [outbox.Waker].
func (l *Listener) Wake() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fired
}

// Close ends the listener.
func (l *Listener) Close() {
	l.cancel()
	<-l.done
}

func (l *Listener) run(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		if err := l.listen(ctx); err != nil { // the relay polls until the listener is connected again
			wait := time.NewTimer(reconnectWait)
			select {
			case <-wait.C:
			case <-ctx.Done():
				wait.Stop()
			}
		}
	}
}

func (l *Listener) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), reconnectWait)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{l.channel}.Sanitize()); err != nil {
		return err
	}
	for {
		l.notify() // also after connecting, because the listener may have missed a notification
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

func (l *Listener) notify() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.fired)
	l.fired = make(chan struct{})
}
