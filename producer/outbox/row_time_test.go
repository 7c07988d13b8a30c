package outbox_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
)

// TestTimes checks times that a row cannot have. The service gets an error,
// because no relay could read the row. If a row in the table has such a time,
// the row goes to the dead-letter topic and the other rows are published.
func TestTimes(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	ctx := copytest.Ctx(t)
	tx, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	message := producer.Encoded{Topic: p.topic, Value: []byte("x"), Timestamp: time.UnixMilli(time.Now().UnixMicro())} // the wrong unit
	if err := p.table.Insert(ctx, tx, "", message); err == nil || !strings.Contains(err.Error(), "year") {
		t.Errorf("got %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}

	p.inTx(func(tx *sql.Tx) error {
		return p.table.Insert(ctx, tx, "", producer.Encoded{Topic: p.topic, Value: []byte("y")})
	})
	if _, err := p.db.Exec("UPDATE outbox SET created_at = 'soon'"); err != nil {
		t.Fatal(err)
	}
	p.write(0, 3)
	dead := p.Topic("dead", 1)
	stop := p.running(p.relay(outbox.WithDeadLetters(dead)))
	p.until("the events", p.published(3))
	p.until("the dead letter", func() bool { return len(p.Records(dead)) == 1 })
	stop()
	p.WantExactlyOnce(p.topic, 3)
}
