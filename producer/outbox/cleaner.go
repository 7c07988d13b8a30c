package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	// maxCleanRows bounds the number of rows that one transaction deletes.
	maxCleanRows = 10_000
	// cleanQueue bounds the number of Kafka transactions whose rows wait for
	// deletion.
	cleanQueue = 1000
	// cleanWait is the pause after an error.
	cleanWait = time.Second
)

// cleaner deletes published rows on a separate goroutine, because a database
// deletes rows more slowly than Kafka publishes them. The rows are deleted in
// the order of publishing. If a cleaner ends early, the next cleaner deletes
// the remaining rows. The position in Kafka shows which rows were published.
type cleaner struct {
	reader *reader
	work   chan cleaning
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex
	err error // the error of the last attempt
}

// cleaning contains the rows of one Kafka transaction, and the position behind
// the rows.
type cleaning struct {
	seqs []int64
	at   position
}

func newCleaner(r *reader) *cleaner {
	ctx, cancel := context.WithCancel(context.Background())
	c := &cleaner{reader: r, work: make(chan cleaning, cleanQueue), cancel: cancel, done: make(chan struct{})}
	go c.run(ctx)
	return c
}

// close ends the cleaner, and waits for the running statement.
func (c *cleaner) close() {
	c.cancel()
	<-c.done
}

// errCleanerBehind says that the queue is full because the database refuses to
// delete rows.
var errCleanerBehind = errors.New("outbox: too many published rows wait for their deletion")

// add gives the cleaner rows to delete. The result is the error of the last
// attempt. If the queue is full, add waits, unless the last attempt failed.
func (c *cleaner) add(ctx context.Context, w cleaning) error {
	for {
		select {
		case c.work <- w:
			return c.lastError()
		default:
		}
		if err := c.lastError(); err != nil {
			return fmt.Errorf("%w: %w", errCleanerBehind, err)
		}
		wait := time.NewTimer(cleanWait)
		select {
		case c.work <- w:
			wait.Stop()
			return c.lastError()
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		}
	}
}

func (c *cleaner) lastError() error {
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
		for len(batch.seqs) < maxCleanRows {
			select {
			case next := <-c.work:
				batch.seqs = append(batch.seqs, next.seqs...)
				batch.at = next.at
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

// discard drains the queue and deletes no rows, because another relay now owns
// the rows.
func (c *cleaner) discard(ctx context.Context) {
	for {
		select {
		case <-c.work:
		case <-ctx.Done():
			return
		}
	}
}

// clean deletes rows and stores the progress, in one transaction.
func (r *reader) clean(ctx context.Context, batch cleaning) error {
	tx, err := r.beginOnServer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if r.keep == 0 {
		if err := r.deleteRows(ctx, tx, batch.seqs, batch.at); err != nil {
			return fmt.Errorf("outbox: delete published rows: %w", err)
		}
	}
	note := batch.at.text()
	if err := r.note(ctx, tx, note); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	r.noted = note
	return nil
}

// beginOnServer begins a transaction on the server that Open has checked. After
// a failover, another server may have given the numbers of published rows to
// new rows. Nothing may be deleted there before the next Open has checked the
// data.
func (r *reader) beginOnServer(ctx context.Context) (*sql.Tx, error) {
	tx, err := r.db.BeginTx(ctx, r.table.txOptions())
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	server, err := r.table.server(ctx, tx)
	if err == nil && server != r.server {
		err = errServer
	}
	if err == nil {
		err = r.table.withoutTimeout(ctx, tx)
	}
	if err != nil {
		_ = tx.Rollback()
		return nil, err
	}
	return tx, nil
}

// deleteRows deletes the rows with the given numbers. The rows are published up
// to the position at.
func (r *reader) deleteRows(ctx context.Context, tx *sql.Tx, seqs []int64, at position) error {
	for len(seqs) > 0 {
		n := min(len(seqs), maxDeleteRows)
		statement, args := r.deletion(seqs[:n], at)
		if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
			return err
		}
		seqs = seqs[n:]
	}
	return nil
}

// deletion returns the statement that deletes rows. PostgreSQL gets the numbers
// as one parameter, because drivers prepare each new text of a statement.
//
// The numbers begin again after a TRUNCATE in MySQL, and if a table is created
// again. New rows then have numbers of published rows. So the statement deletes
// only rows that were visible in the last published window, or that have a
// number of a published batch. In SQLite, the row of the position must exist.
//
// MySQL locks each row that a DELETE reads. If the numbers were in an IN list,
// MySQL would scan the table if the numbers are most of the table. A scan waits
// for the locks of rows that are not committed yet. With the join, MySQL reads
// only the rows with the given numbers.
func (r *reader) deletion(seqs []int64, at position) (statement string, args []any) {
	table, numbers := r.table.quoted(), joinNumbers(seqs)
	switch r.table.dialect {
	case PostgreSQL:
		return "DELETE FROM " + table + " WHERE seq = ANY($1::bigint[]) AND pg_visible_in_snapshot(tx, $2::pg_snapshot)",
			[]any{"{" + numbers + "}", orEmptySnapshot(at.In)}
	case MySQL:
		return "DELETE t FROM JSON_TABLE('[" + numbers + "]', '$[*]' COLUMNS (seq bigint PATH '$')) AS numbers STRAIGHT_JOIN " + table +
			" AS t ON t.seq = numbers.seq WHERE t.batch <= ?", []any{at.Batch}
	default:
		return "DELETE FROM " + table + " WHERE seq IN (" + numbers + ") AND EXISTS (SELECT 1 FROM " + table +
			" WHERE seq = ? AND " + r.table.dialect.quote(r.table.columns.id) + " = ?)", []any{at.Seq, at.ID.String()}
	}
}

// maxFoundRows bounds the numbers of rows in memory.
const maxFoundRows = 1_000_000

// deleteWhere deletes the rows that a condition selects. The rows are published
// up to the position at. In MySQL, a DELETE
// with a condition locks all rows that it reads and the gaps between the rows,
// so services could not insert rows in the meantime. A query without locks
// finds the rows instead.
func (r *reader) deleteWhere(ctx context.Context, tx *sql.Tx, condition string, args []any, at position) error {
	table := r.table.quoted()
	if r.table.dialect != MySQL {
		_, err := tx.ExecContext(ctx, r.table.dialect.query("DELETE FROM "+table+" WHERE "+condition), args...)
		return err
	}
	for {
		seqs, err := readNumbers(ctx, tx, "SELECT seq FROM "+table+" WHERE "+condition+" LIMIT "+strconv.Itoa(maxFoundRows), args...)
		if err == nil {
			err = r.deleteRows(ctx, tx, seqs, at)
		}
		if err != nil || len(seqs) < maxFoundRows {
			return err
		}
	}
}

// errTakenOver says that another relay has taken over the shard.
var errTakenOver = errors.New("outbox: another relay has taken over the shard")

// note stores the progress, but only if the last stored progress is ours.
// Otherwise a relay that has lost its shard could overwrite the progress of the
// next relay with an older one. The progress may be stored already, if an
// earlier attempt was committed but the connection ended before the answer.
func (r *reader) note(ctx context.Context, tx *sql.Tx, value string) error {
	query := r.table.dialect.query
	if r.noted == "" {
		if stored, _, err := r.table.readState(ctx, tx, r.progressName()); err != nil || stored == value {
			return err
		}
		if _, err := tx.ExecContext(ctx, query("INSERT INTO "+r.table.quotedState()+" (name, value) VALUES (?, ?)"), r.progressName(), value); err != nil {
			return fmt.Errorf("outbox: table %s_state: %w", r.table.name, err)
		}
		return nil
	}
	done, err := tx.ExecContext(ctx, query("UPDATE "+r.table.quotedState()+" SET value = ? WHERE name = ? AND value = ?"), value, r.progressName(), r.noted)
	if err != nil {
		return fmt.Errorf("outbox: table %s_state: %w", r.table.name, err)
	}
	n, err := done.RowsAffected()
	if err != nil || n == 1 {
		return err
	}
	stored, _, err := r.table.readState(ctx, tx, r.progressName())
	if err == nil && stored != value {
		err = errTakenOver
	}
	return err
}
