package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/producer/internal/transport"
)

// scripted is a consumer. Each Poll runs the next step.
type scripted struct {
	transport.Consumer
	steps []func() *transport.ConsumedMessage
	seeks []transport.TopicPartition
}

func (s *scripted) Poll(context.Context, time.Duration) (*transport.ConsumedMessage, error) {
	if len(s.steps) == 0 {
		return nil, nil
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	return step(), nil
}

func (s *scripted) Seek(to []transport.TopicPartition) error {
	s.seeks = append(s.seeks, to...)
	return nil
}

// scriptedInbox makes an inbox whose table of offsets is empty.
func scriptedInbox(t *testing.T) (*Inbox[struct{}], *scripted) {
	t.Helper()
	db := databases.SQLite(t).Open()
	if _, err := db.Exec(InboxSchema(SQLite, "")); err != nil {
		t.Fatal(err)
	}
	in := &scripted{}
	return &Inbox[struct{}]{
		group: "g", dialect: SQLite, db: db, in: in, config: inboxConfig{table: "inbox", messages: 100},
		next: map[topicPartition]*progress{}, ends: map[string]endOffsets{},
	}, in
}

// TestPartitionComesBack takes a partition away and gives it back while the
// inbox gathers messages. The consumer then reads the messages of the partition
// again. The inbox must have each message once.
func TestPartitionComesBack(t *testing.T) {
	t.Parallel()
	b, in := scriptedInbox(t)
	message := func(partition int32, offset int64) func() *transport.ConsumedMessage {
		return func() *transport.ConsumedMessage {
			return &transport.ConsumedMessage{Topic: "in", Partition: partition, Offset: offset}
		}
	}
	in.steps = []func() *transport.ConsumedMessage{
		message(0, 0), message(1, 0), message(1, 1),
		func() *transport.ConsumedMessage {
			b.revoked([]transport.TopicPartition{{Topic: "in", Partition: 1}})
			return message(0, 1)()
		},
		message(1, 0), message(0, 2), message(1, 1),
	}
	batch, err := b.collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range batch {
		got = append(got, fmt.Sprintf("%d@%d", m.Partition, m.Offset))
	}
	if want := "[0@0 0@1 1@0 0@2 1@1]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestRewindWithoutStoredOffset checks where an inbox continues after an error
// if no offset is stored. The consumer may have begun behind the beginning of
// the partition.
func TestRewindWithoutStoredOffset(t *testing.T) {
	t.Parallel()
	b, in := scriptedInbox(t)
	in.steps = []func() *transport.ConsumedMessage{
		func() *transport.ConsumedMessage { return &transport.ConsumedMessage{Topic: "in", Offset: 70} },
	}
	if batch, err := b.collect(t.Context()); err != nil || len(batch) != 1 {
		t.Fatal(len(batch), err)
	}
	b.rewind(t.Context())
	if len(in.seeks) != 1 || in.seeks[0].Offset != 70 {
		t.Errorf("got %v", in.seeks)
	}
}

// TestUnreadableForAMoment makes the table of offsets unreadable while the
// database answers, as after a failover. Only a table that stays unreadable
// ends Run.
func TestUnreadableForAMoment(t *testing.T) {
	t.Parallel()
	b, _ := scriptedInbox(t)
	exec := func(statement string) {
		t.Helper()
		if _, err := b.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want ...bool) {
		t.Helper()
		for i, retriable := range want {
			_, err := b.stored(t.Context(), topicPartition{"in", 0})
			if err == nil {
				err = databaseError{errors.New("the connection has ended")}
			}
			if got := b.isRetriable(t.Context(), err); got != retriable {
				t.Errorf("check %d: %v, want %v", i, got, retriable)
			}
		}
	}
	exec("ALTER TABLE inbox RENAME TO away")
	check(true, true)
	exec("ALTER TABLE away RENAME TO inbox")
	check(true)
	exec("ALTER TABLE inbox RENAME TO away")
	check(true, true)
	exec("ALTER TABLE away RENAME TO inbox")
	if _, err := b.stored(t.Context(), topicPartition{"in", 0}); err != nil {
		t.Fatal(err)
	}
	exec("DROP TABLE inbox")
	check(true, true, false)
}

// TestLockedOffsets locks the table of offsets for longer than the statement
// timeout, as a migration does. Run must not end.
func TestLockedOffsets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		d      Dialect
		start  func(testing.TB) *databases.Server
		lock   []string
		option string // of the inbox's connections
	}{
		{SQLite, databases.SQLite, []string{"PRAGMA journal_mode=DELETE", "BEGIN EXCLUSIVE"}, "?_pragma=busy_timeout(0)"},
		{PostgreSQL, databases.PostgreSQL, []string{"BEGIN", "LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"}, "&statement_timeout=50"},
		{MySQL, func(t testing.TB) *databases.Server { return databases.MariaDB(t) }, []string{"LOCK TABLES inbox WRITE"}, "?max_statement_time=0.05"},
	} {
		t.Run(tc.d.String(), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			server := tc.start(t)
			locking, err := server.Open().Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range append([]string{InboxSchema(tc.d, "")}, tc.lock...) {
				if _, err := locking.ExecContext(ctx, statement); err != nil {
					t.Fatal(err)
				}
			}
			other := *server
			if tc.d == SQLite {
				other.URL, _, _ = strings.Cut(server.URL, "?")
			}
			other.URL += tc.option
			b := &Inbox[struct{}]{group: "billing", dialect: tc.d, db: other.Open(), config: inboxConfig{table: "inbox"}}
			for range 2 * maxUnreadable {
				_, err := b.stored(ctx, topicPartition{"in", 0})
				if err == nil || !b.isRetriable(ctx, err) {
					t.Errorf("a locked table ends Run: %v", err)
				}
			}
			if err := locking.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOutageTexts checks errors of databases that take no writes at the moment,
// and similar errors that stay.
func TestOutageTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Error 1021 (HY000): Disk full (/tmp/#sql); waiting for someone to free some space...":                                     true,
		"Error 1114 (HY000): The table 'bills' is full":                                                                            true,
		"Error 1290 (HY000): The MySQL server is running with the --read-only option so it cannot execute this statement":          true,
		"Error 1290 (HY000): The MariaDB server is running with the --secure-file-priv option so it cannot execute this statement": false,
		"Error 1792 (25006): Cannot execute statement in a READ ONLY transaction":                                                  true,
		"Error 1062 (23000): Duplicate entry '1290' for key 'PRIMARY'":                                                             false,
		"database or disk is full (13)":                    true,
		"attempt to write a readonly database (8)":         true,
		"constraint failed: UNIQUE constraint failed: a.b": false,
	} {
		if got := isOutage(errors.New(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
