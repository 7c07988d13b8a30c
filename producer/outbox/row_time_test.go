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

// TestRowsThatNobodyCanPublish checks that the insert refuses values that would
// stop the shard later, and names the field.
func TestRowsThatNobodyCanPublish(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	ctx := copytest.Ctx(t)
	tx, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for name, tc := range map[string]struct {
		message producer.Encoded
		want    string
	}{
		"no topic":           {producer.Encoded{}, `topic name ""`},
		"space in the topic": {producer.Encoded{Topic: "a b"}, `topic name "a b"`},
		"long topic":         {producer.Encoded{Topic: strings.Repeat("t", 250)}, "topic name of 250 bytes"},
		"negative partition": {producer.Encoded{Topic: p.topic, Partition: producer.ToPartition(-5)}, "partition -5"},
		"before 1970":        {producer.Encoded{Topic: p.topic, Timestamp: time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)}, "timestamp 1969"},
	} {
		tc.message.Value = []byte("x")
		if err := p.table.Insert(ctx, tx, "", tc.message); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	message := producer.Message[*event]{Value: p.event(0), Partition: producer.ToPartition(-5)}
	if err := p.orders.EnlistMessages(ctx, tx, message); err == nil || !strings.Contains(err.Error(), "partition -5") {
		t.Errorf("EnlistMessages: %v", err)
	}
	var rows int
	if err := tx.QueryRow("SELECT COUNT(*) FROM outbox").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows: %v", rows, err)
	}
}
