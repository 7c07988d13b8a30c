package outbox_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
)

// rebuild creates the table again and copies its rows. In SQLite, the steps are
// the steps of the manual of ALTER TABLE. The numbers of an empty table begin
// again at 1. The statements in before run before the old table is dropped.
func (p *fixture) rebuild(before ...string) {
	p.Helper()
	var statements []string
	switch p.dialect {
	case outbox.SQLite:
		var create string
		if err := p.db.QueryRow("SELECT sql FROM sqlite_master WHERE name = 'outbox'").Scan(&create); err != nil {
			p.Fatal(err)
		}
		statements = slices.Concat(
			[]string{strings.Replace(create, `"outbox"`, `"new_outbox"`, 1), "INSERT INTO new_outbox SELECT * FROM outbox"},
			before,
			[]string{"DROP TABLE outbox", "ALTER TABLE new_outbox RENAME TO outbox"},
		)
	case outbox.PostgreSQL:
		statements = []string{"TRUNCATE outbox RESTART IDENTITY"}
	default:
		statements = []string{"TRUNCATE outbox"}
	}
	p.inTx(func(tx *sql.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
}

// repair runs the statements at the end of an error.
func (p *fixture) repair(err error) {
	p.Helper()
	_, statements, _ := strings.Cut(err.Error(), "and run: ")
	if _, err := p.db.Exec(statements); err != nil {
		p.Fatal(statements, err)
	}
}

// TestNumbersBeginAgain creates the empty table again, while no relay runs. New
// rows get the numbers of published rows. No row is lost. In SQLite, the relay
// first refuses the table, no matter how many new rows exist.
func TestNumbersBeginAgain(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]int{"fewer rows": 5, "more rows": 15} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, p *fixture) {
				stop := p.running(p.relay())
				p.write(0, 10)
				p.until("the events", p.published(10))
				p.until("the deletion", func() bool { return p.count() == 0 })
				stop()
				p.rebuild()
				p.write(10, 10+rows)
				if p.dialect == outbox.SQLite {
					p.repair(p.refuses())
				}
				stop = p.running(p.relay())
				p.until("the new events", p.published(10+rows))
				p.until("the second deletion", func() bool { return p.count() == 0 })
				p.write(10+rows, 20+rows)
				p.until("the last events", p.published(20+rows))
				stop()
				p.WantExactlyOnce(p.topic, 20+rows)
			})
		})
	}
}

// TestNumbersBeginAgainUnderRelay creates the empty table again while a relay
// runs. The relay must not publish a row behind rows that the relay does not
// see.
func TestNumbersBeginAgainUnderRelay(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]int{"fewer rows": 5, "more rows": 15} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, outbox.SQLite)
			r := p.relay()
			stop := p.running(r)
			p.write(0, 10)
			p.until("the events", p.published(10))
			p.until("the deletion", func() bool { return p.count() == 0 })
			p.rebuild()
			p.write(10, 10+rows)
			p.fails(r, "the refusal", func(err error) bool { return errors.Is(err, outbox.ErrDatabase) })
			stop()
			p.WantExactlyOnce(p.topic, 10)
			p.repair(p.refuses())
			defer p.running(p.relay())()
			p.until("the new events", p.published(10+rows))
			p.WantExactlyOnce(p.topic, 10+rows)
		})
	}
}

// TestRebuildWithRows creates a table with kept rows again. Then the numbers
// continue, and so does the relay.
func TestRebuildWithRows(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	stop := p.running(p.relay(outbox.WithKeep(time.Hour)))
	p.write(0, 10)
	p.until("the events", p.published(10))
	stop()
	p.rebuild()
	p.write(10, 20)
	defer p.running(p.relay())()
	p.until("the new events", p.published(20))
	p.until("the deletion", func() bool { return p.count() == 0 })
	p.WantExactlyOnce(p.topic, 20)
}

// TestRebuildKeepsNumbers copies the last number of an empty table, as
// docs/outbox.md says. The relay continues.
func TestRebuildKeepsNumbers(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	defer p.running(p.relay())()
	p.write(0, 10)
	p.until("the events", p.published(10))
	p.until("the deletion", func() bool { return p.count() == 0 })
	p.rebuild(
		"DELETE FROM sqlite_sequence WHERE name = 'new_outbox'",
		"INSERT INTO sqlite_sequence (name, seq) SELECT 'new_outbox', seq FROM sqlite_sequence WHERE name = 'outbox'",
	)
	p.write(10, 20)
	p.until("the new events", p.published(20))
	p.WantExactlyOnce(p.topic, 20)
}

// TestSweepKeepsTheLastRow publishes rows whose last row has the oldest time.
// The sweep must not delete the last row before the others, because the relay
// would then take the others for new rows.
func TestSweepKeepsTheLastRow(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	p.inTx(func(tx *sql.Tx) error {
		var messages []producer.Message[*event]
		for i := range 10 {
			messages = append(messages, producer.Message[*event]{Value: p.event(i), Timestamp: time.Now()})
		}
		messages[5].Timestamp = time.Now().Add(-48 * time.Hour)
		messages[9].Timestamp = messages[5].Timestamp
		return p.orders.EnlistMessages(copytest.Ctx(t), tx, messages...)
	})
	stop := p.running(p.relay(outbox.WithKeep(24 * time.Hour)))
	p.until("the sweep", func() bool { return p.count() < 10 })
	stop()
	if n := p.count(); n != 9 {
		t.Errorf("%d rows are left, want 9", n)
	}
	defer p.running(p.relay())()
	p.until("the deletion", func() bool { return p.count() == 0 })
	p.WantExactlyOnce(p.topic, 10)
}
