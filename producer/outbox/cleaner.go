package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/source"
)

const (
	// cleanMost bounds the rows of one transaction that deletes.
	cleanMost = 10_000
	// cleanQueue bounds the Kafka transactions whose rows wait to be deleted.
	cleanQueue = 1000
	// cleanWait is the pause after an error.
	cleanWait = time.Second
)

// cleaner deletes published rows beside the publishing, because a database
// takes longer to delete rows than Kafka takes to publish them. Rows are
// deleted in the order in which they were published. What is left when the
// cleaner ends is deleted by the next one: the position in Kafka tells what was
// published.
type cleaner struct {
	reader *reader
	work   chan cleaning
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex
	err error // of the last try
}

// cleaning is what a Kafka transaction has published.
type cleaning struct {
	seqs      []int64
	positions []source.Position
}

func newCleaner(r *reader) *cleaner {
	ctx, cancel := context.WithCancel(context.Background())
	c := &cleaner{reader: r, work: make(chan cleaning, cleanQueue), cancel: cancel, done: make(chan struct{})}
	go c.run(ctx)
	return c
}

// close ends the cleaner, and waits for the statement in hand.
func (c *cleaner) close() {
	c.cancel()
	<-c.done
}

// add gives the cleaner rows to delete. It waits if too many wait already. The
// error is that of the last try.
func (c *cleaner) add(ctx context.Context, w cleaning) error {
	select {
	case c.work <- w:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *cleaner) run(ctx context.Context) {
	defer close(c.done)
	for {
		var batch cleaning
		select {
		case batch = <-c.work:
		case <-ctx.Done():
			return
		}
	more:
		for len(batch.seqs) < cleanMost {
			select {
			case next := <-c.work:
				batch.seqs = append(batch.seqs, next.seqs...)
				batch.positions = next.positions
			default:
				break more
			}
		}
		for {
			err := c.reader.clean(ctx, batch)
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			if err == nil {
				break
			}
			if errors.Is(err, errTakenOver) {
				c.discard(ctx)
				return
			}
			pause := time.NewTimer(cleanWait)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return
			}
		}
	}
}

// discard takes work and does nothing: the rows belong to another relay.
func (c *cleaner) discard(ctx context.Context) {
	for {
		select {
		case <-c.work:
		case <-ctx.Done():
			return
		}
	}
}

// clean deletes rows, and notes how far was published, in one transaction.
func (r *reader) clean(ctx context.Context, batch cleaning) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for seqs := batch.seqs; r.keep == 0 && len(seqs) > 0; {
		n := min(len(seqs), deleteMost)
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+r.table.quoted()+" WHERE seq IN ("+list(seqs[:n])+")"); err != nil {
			return fmt.Errorf("outbox: delete what was published: %w", err)
		}
		seqs = seqs[n:]
	}
	note := batch.positions[0].Value // a shard has one stream
	if err := r.note(ctx, tx, note); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	r.noted = note
	return nil
}

// errTakenOver says that another relay works on the shard.
var errTakenOver = errors.New("outbox: another relay has noted what was published")

// note notes how far was published, if the last note is ours. Otherwise a relay
// that has lost its shard would take the note of the next one back.
func (r *reader) note(ctx context.Context, tx *sql.Tx, value string) error {
	query := r.table.dialect.query
	if r.noted == "" {
		if _, err := tx.ExecContext(ctx, query("INSERT INTO "+r.table.state()+" (name, value) VALUES (?, ?)"), r.progressName(), value); err != nil {
			return fmt.Errorf("outbox: table %s_state: %w", r.table.name, err)
		}
		return nil
	}
	done, err := tx.ExecContext(ctx, query("UPDATE "+r.table.state()+" SET value = ? WHERE name = ? AND value = ?"), value, r.progressName(), r.noted)
	if err != nil {
		return fmt.Errorf("outbox: table %s_state: %w", r.table.name, err)
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errTakenOver, err)
	}
	return nil
}
