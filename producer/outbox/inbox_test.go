package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/outbox"
	"github.com/avroline/avroline/producer/processor"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// billing makes an inbox that writes a bill for each event.
func (p *fixture) billing(topic string, f outbox.InboxFunction[event]) *outbox.Inbox[event] {
	p.Helper()
	des, err := serde.NewDeserializer[event](p.reg)
	if err != nil {
		p.Fatal(err)
	}
	in, err := outbox.NewInbox(p.Addrs, p.name+"-billing", []string{topic}, p.dialect, p.db, des, f,
		outbox.WithInboxBatch(20, 20*time.Millisecond), outbox.WithInboxProducer(copytest.Logger(p)))
	if err != nil {
		p.Fatal(err)
	}
	return in
}

func (p *fixture) createBilling() {
	p.Helper()
	p.exec(outbox.InboxSchema(p.dialect, ""), "CREATE TABLE bills (seq bigint NOT NULL)")
}

func (p *fixture) exec(statements ...string) {
	p.Helper()
	for _, statement := range statements {
		if _, err := p.db.Exec(statement); err != nil {
			p.Fatal(err)
		}
	}
}

func (p *fixture) bill(ctx context.Context, tx *sql.Tx, m processor.Consumed[event]) error {
	statement := "INSERT INTO bills (seq) VALUES (?)"
	if p.dialect == outbox.PostgreSQL {
		statement = "INSERT INTO bills (seq) VALUES ($1)"
	}
	_, err := tx.ExecContext(ctx, statement, m.Value.Seq)
	return err
}

// bills returns the number of bills, and the number of different bills.
func (p *fixture) bills() (all, different int) {
	p.Helper()
	if err := p.db.QueryRow("SELECT COUNT(*), COUNT(DISTINCT seq) FROM bills").Scan(&all, &different); err != nil {
		p.Fatal(err)
	}
	return all, different
}

// TestInbox stops and starts instances, two instances at a time. Their
// functions sometimes fail. Each message must have its effect once.
func TestInbox(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, p *fixture) {
		p.createBilling()
		in := p.Topic("in", 4)
		const n = 600
		p.Seed(p.reg, in, n, nil)
		var calls atomic.Int64
		failing := func(ctx context.Context, tx *sql.Tx, m processor.Consumed[event]) error {
			if err := p.bill(ctx, tx, m); err != nil {
				return source.Temporary(err) // SQLite may be busy
			}
			if calls.Add(1)%97 == 0 {
				return source.Temporary(copytest.ErrOnPurpose)
			}
			return nil
		}
		run := func() (stop func()) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- p.billing(in, failing).Run(ctx) }()
			return func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		enough := func(n int) func() bool { return func() bool { all, _ := p.bills(); return all >= n } }
		first := run()
		p.until("the first bills", enough(n/10))
		second := run()
		p.until("more bills", enough(n/2))
		first()
		p.until("all bills", enough(n))
		second()
		if all, different := p.bills(); all != n || different != n {
			t.Errorf("%d bills, %d different, want %d", all, different, n)
		}
	})
}

// TestInboxEndsOnError checks that three errors end Run: an error of the
// function, a message that does not decode, and a missing table.
func TestInboxEndsOnError(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	in := p.Topic("in", 1)
	p.Seed(p.reg, in, 3, func(i int) []byte {
		if i == 2 {
			return []byte("not framed")
		}
		return nil
	})
	if err := p.billing(in, p.bill).Run(copytest.Ctx(t)); err == nil || !strings.Contains(err.Error(), "inbox") {
		t.Errorf("no table: %v", err)
	}
	p.createBilling()
	refuse := func(context.Context, *sql.Tx, processor.Consumed[event]) error { return copytest.ErrOnPurpose }
	if err := p.billing(in, refuse).Run(copytest.Ctx(t)); !errors.Is(err, copytest.ErrOnPurpose) {
		t.Errorf("the function's error: %v", err)
	}
	if err := p.billing(in, p.bill).Run(copytest.Ctx(t)); err == nil || !strings.Contains(err.Error(), "@2") {
		t.Errorf("a message that does not decode: %v", err)
	}
	if all, _ := p.bills(); all != 0 {
		t.Errorf("%d bills of transactions that were rolled back", all)
	}
}

// TestInboxReadOnly makes the database read-only for a while, as after a
// failover to a server that is not promoted yet. Run waits.
func TestInboxReadOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		d       outbox.Dialect
		on, off []string
		admin   string // the option of a connection that can still write
	}{
		{
			outbox.PostgreSQL,
			[]string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"},
			[]string{"ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"},
			"&default_transaction_read_only=off",
		},
		{outbox.MySQL, []string{"SET GLOBAL tx_read_only = 1"}, []string{"SET GLOBAL tx_read_only = 0"}, ""},
	} {
		t.Run(tc.d.String(), func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, tc.d)
			p.createBilling()
			p.server.URL += tc.admin
			admin := p.server.Open()
			set := func(statements []string) {
				for _, statement := range statements {
					if _, err := admin.Exec(statement); err != nil {
						t.Fatal(err)
					}
				}
			}
			p.db.SetMaxIdleConns(0) // so that each transaction has the settings of the server
			set(tc.on)
			topic := p.Topic("in", 1)
			p.Seed(p.reg, topic, 10, nil)
			var refused atomic.Int64
			stop := p.runInbox(p.billing(topic, func(ctx context.Context, tx *sql.Tx, m processor.Consumed[event]) error {
				err := p.bill(ctx, tx, m)
				if err != nil && refused.Add(1) == 2 {
					set(tc.off)
				}
				return err
			}))
			p.until("the bills", p.billed(10))
			if err := stop(); err != nil {
				t.Error(err)
			}
			if all, different := p.bills(); refused.Load() < 2 || all != 10 || different != 10 {
				t.Errorf("%d refused, %d bills, %d different", refused.Load(), all, different)
			}
		})
	}
}

// encrypted is a registry whose schemas have an encryption rule.
type encrypted struct{ serde.Registry }

func (r encrypted) SchemaByID(ctx context.Context, subject string, id int) (contract.Version, error) {
	v, err := r.Registry.SchemaByID(ctx, subject, id)
	v.RuleSet = &contract.RuleSet{DomainRules: []contract.Rule{{Name: "pii", Kind: "TRANSFORM", Mode: "WRITEREAD", Type: "ENCRYPT", Tags: []string{"PII"}}}}
	return v, err
}

// TestInboxWithoutExecutor checks that Run ends if the program lacks the
// executor of a rule. The messages are not bad.
func TestInboxWithoutExecutor(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.SQLite)
	p.createBilling()
	topic := p.Topic("in", 1)
	p.Seed(p.reg, topic, 3, nil)
	des, err := serde.NewDeserializer[event](encrypted{p.reg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(copytest.Ctx(t))
	defer cancel()
	bad := func(_ context.Context, _ *sql.Tx, m processor.Raw) error {
		t.Errorf("a bad message: %v", m.Err)
		cancel()
		return nil
	}
	in, err := outbox.NewInbox(p.Addrs, p.name, []string{topic}, p.dialect, p.db, des, p.bill, outbox.WithBadMessages(bad))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Run(ctx); !errors.Is(err, serde.ErrNoExecutor) {
		t.Errorf("Run returned %v", err)
	}
}

// TestInboxMayNotWrite takes the permissions on the table of offsets away. Run
// ends, because each transaction would be rolled back.
func TestInboxMayNotWrite(t *testing.T) {
	t.Parallel()
	// These become a user without permissions, and return its connection.
	become := map[outbox.Dialect]func(p *fixture) *sql.DB{
		outbox.PostgreSQL: func(p *fixture) *sql.DB {
			p.db.SetMaxOpenConns(1) // so that the role is the role of each statement
			p.exec("SET ROLE limited")
			return p.db
		},
		outbox.MySQL: func(p *fixture) *sql.DB {
			limited := *p.server
			limited.URL = strings.Replace(p.server.URL, "root@", "limited@", 1) + "?lc_messages=%27de_DE%27" // errors in German
			return limited.Open()
		},
	}
	for _, d := range []outbox.Dialect{outbox.PostgreSQL, outbox.MySQL} {
		for _, grant := range []string{"SELECT", "SELECT, INSERT"} {
			t.Run(fmt.Sprint(d, " ", grant), func(t *testing.T) {
				t.Parallel()
				p := newFixture(t, d)
				p.createBilling()
				p.exec("CREATE USER limited", "GRANT "+grant+" ON inbox TO limited", "GRANT SELECT, INSERT ON bills TO limited")
				p.db = become[d](p)
				in := p.Topic("in", 1)
				p.Seed(p.reg, in, 100, nil)
				err := p.billing(in, p.bill).Run(copytest.Ctx(t))
				if err == nil || !strings.Contains(err.Error(), "grant SELECT, INSERT and UPDATE") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestInboxTransactionEnded checks functions that end the transaction, or that
// overlook that MySQL has ended the transaction. Run ends, and no message is
// skipped or handled endlessly.
func TestInboxTransactionEnded(t *testing.T) {
	t.Parallel()
	commit := func(_ context.Context, tx *sql.Tx) { _ = tx.Commit() }
	for name, tc := range map[string]struct {
		d    outbox.Dialect
		ends func(ctx context.Context, tx *sql.Tx)
	}{
		"commit in SQLite":          {outbox.SQLite, commit},
		"commit in MariaDB":         {outbox.MySQL, commit},
		"rolled back by MariaDB":    {outbox.MySQL, func(ctx context.Context, tx *sql.Tx) { _, _ = tx.ExecContext(ctx, "ROLLBACK") }}, // like a deadlock
		"implicit commit (MariaDB)": {outbox.MySQL, func(ctx context.Context, tx *sql.Tx) { _, _ = tx.ExecContext(ctx, "CREATE TABLE other (n int)") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, tc.d)
			p.createBilling()
			in := p.Topic("in", 1)
			p.Seed(p.reg, in, 10, nil)
			calls := 0
			f := func(ctx context.Context, tx *sql.Tx, m processor.Consumed[event]) error {
				if calls++; calls > 20 {
					return errors.New("endless")
				}
				if err := p.bill(ctx, tx, m); err != nil {
					return source.Temporary(err)
				}
				if m.Offset == 9 {
					tc.ends(ctx, tx)
				}
				return nil
			}
			ctx, cancel := context.WithCancel(copytest.Ctx(t))
			defer cancel()
			go func() { // ends a Run that stores offsets
				for n := 0; ctx.Err() == nil && n == 0; n, _ = p.offsets() {
					copytest.WaitFor(ctx, 50*time.Millisecond)
				}
				cancel()
			}()
			if err := p.billing(in, f).Run(ctx); err == nil || !strings.Contains(err.Error(), "transaction has ended") {
				t.Errorf("got %v", err)
			}
			if n, err := p.offsets(); err != nil || n != 0 {
				t.Errorf("%d offsets are stored, %v", n, err)
			}
		})
	}
}

// TestInboxRefusedWrites checks functions whose writes the database never
// accepts, although the functions return nil. Run ends with an error that names
// the cause, because another attempt would fail in the same way.
func TestInboxRefusedWrites(t *testing.T) {
	t.Parallel()
	const ignored = "CREATE TABLE bills (seq bigint CHECK (seq > 0))" // refuses the bill of the first message
	deferred := []string{"CREATE TABLE customers (id bigint PRIMARY KEY)", "CREATE TABLE bills (seq bigint REFERENCES customers DEFERRABLE INITIALLY DEFERRED)"}
	trigger := []string{
		"CREATE TABLE bills (seq bigint)", "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no bills today'; END $$",
		"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON bills DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
	}
	for name, tc := range map[string]struct {
		dialect  outbox.Dialect
		tables   []string
		messages int
		want     string
	}{
		"an ignored error":                    {outbox.PostgreSQL, []string{ignored}, 1, "return the error of each statement"},
		"an ignored error of an earlier call": {outbox.PostgreSQL, []string{ignored}, 2, "return the error of each statement"},
		"a deferred constraint in PostgreSQL": {outbox.PostgreSQL, deferred, 1, "deferred constraint"},
		"a deferred trigger in PostgreSQL":    {outbox.PostgreSQL, trigger, 1, "no bills today"},
		"a deferred foreign key in SQLite":    {outbox.SQLite, deferred, 1, "deferred constraint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, tc.dialect)
			if tc.dialect == outbox.SQLite {
				p.server.URL += "&_pragma=foreign_keys(1)"
				p.db = p.server.Open()
			}
			p.exec(append(tc.tables, outbox.InboxSchema(tc.dialect, ""))...)
			in := p.Topic("in", 1)
			p.Seed(p.reg, in, tc.messages, nil)
			ctx, cancel := context.WithCancel(copytest.Ctx(t))
			defer cancel()
			calls := 0
			f := func(ctx context.Context, tx *sql.Tx, m processor.Consumed[event]) error {
				if calls++; calls > 10 {
					cancel() // otherwise Run would try again without end
				}
				if err := p.bill(ctx, tx, m); m.Offset > 0 {
					return err
				}
				return nil
			}
			if err := p.billing(in, f).Run(ctx); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if all, _ := p.bills(); all != 0 {
				t.Errorf("%d bills are stored", all)
			}
		})
	}
}

// offsets returns the number of stored offsets.
func (p *fixture) offsets() (n int, err error) {
	err = p.db.QueryRow("SELECT COUNT(*) FROM inbox").Scan(&n)
	return n, err
}
