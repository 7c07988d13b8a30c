package outbox_test

import (
	"errors"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/databases"
	"github.com/avroline/avroline/producer/outbox"
)

// useTransactions starts PostgreSQL transactions, so that the ids of later
// transactions are higher.
func (p *fixture) useTransactions(n int) {
	p.Helper()
	if _, err := p.db.Exec("DO $$ BEGIN FOR i IN 1.." + strconv.Itoa(n) + " LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"); err != nil {
		p.Fatal(err)
	}
}

// moveByDump moves the database to a new PostgreSQL server with pg_dump and
// psql. The new server has started the given number of transactions before.
func (p *fixture) moveByDump(transactions int) {
	p.Helper()
	from := p.server
	p.server = databases.PostgreSQL(p)
	p.db = p.server.Open()
	p.useTransactions(transactions)
	dump := exec.Command("pg_dump", "-U", "test", "-h", socketFolder(p, from), "postgres")
	restore := exec.Command("psql", "-v", "ON_ERROR_STOP=1", "-q", "-U", "test", "-h", socketFolder(p, p.server), "postgres")
	var err error
	if restore.Stdin, err = dump.StdoutPipe(); err != nil {
		p.Fatal(err)
	}
	if err := dump.Start(); err != nil {
		p.Skip(err)
	}
	if out, err := restore.CombinedOutput(); err != nil {
		p.Fatalf("%v: %s", err, out)
	}
	if err := dump.Wait(); err != nil {
		p.Fatal(err)
	}
}

func socketFolder(t testing.TB, s *databases.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("host")
}

// refuses runs a relay until the relay reports [outbox.ErrDatabase], and
// returns the error. The relay must not delete a row.
func (p *fixture) refuses(opts ...outbox.RelayOption) (err error) {
	p.Helper()
	before := p.count()
	r := p.relay(opts...)
	defer p.running(r)()
	p.fails(r, "the refusal", func(e error) bool { err = e; return errors.Is(e, outbox.ErrDatabase) })
	if after := p.count(); after != before {
		p.Errorf("%d rows before the refusal, %d rows after it", before, after)
	}
	return err
}

// TestDump moves an empty outbox to a server whose transaction ids are lower.
// The relay must refuse the server, also after the ids of the server have
// reached the ids of the old server. A relay with another name publishes the
// rows.
func TestDump(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.PostgreSQL)
	p.useTransactions(5000)
	stop := p.running(p.relay())
	p.write(0, 10)
	p.until("the events", p.published(10))
	p.until("the deletion", func() bool { return p.count() == 0 })
	stop()
	p.moveByDump(0)
	p.refuses()
	p.write(10, 20)
	p.refuses()
	p.useTransactions(6000)
	p.write(20, 30)
	if err := p.refuses(); !strings.Contains(err.Error(), "give the relay another name") {
		t.Error(err)
	}
	p.WantExactlyOnce(p.topic, 10)
	p.name += "-moved"
	stop = p.running(p.relay())
	p.until("the events of the new server", p.published(30))
	stop()
	p.WantExactlyOnce(p.topic, 30)
}

// TestDumpToHigherIDs moves an outbox to a server whose transaction ids are
// higher. The snapshots of the relay are valid there, so the relay continues.
func TestDumpToHigherIDs(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.PostgreSQL)
	stop := p.running(p.relay())
	p.write(0, 10)
	p.until("the events", p.published(10))
	stop()
	p.write(10, 20)
	p.moveByDump(5000)
	p.write(20, 30)
	stop = p.running(p.relay())
	p.until("the events of the new server", p.published(30))
	p.until("the deletion", func() bool { return p.count() == 0 })
	stop()
	p.WantExactlyOnce(p.topic, 30)
}

// TestDumpOfUnpublishedRows moves rows that no relay has published to a server
// whose transaction ids are lower. The relay must not publish a row before the
// rows have ids of the new server. The statement in the error repairs the rows.
func TestDumpOfUnpublishedRows(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]time.Duration{"delete": 0, "keep": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t, outbox.PostgreSQL)
			p.useTransactions(5000)
			p.write(0, 10)
			p.moveByDump(0)
			p.write(10, 20)
			err := p.refuses(outbox.WithKeep(keep))
			p.WantExactlyOnce(p.topic, 0)
			p.repair(err)
			stop := p.running(p.relay(outbox.WithKeep(keep)))
			p.until("the events", p.published(20))
			p.write(20, 30)
			p.until("the later events", p.published(30))
			stop()
			p.WantExactlyOnce(p.topic, 30)
		})
	}
}

// TestRestoreUnderRelay restores a row of another server while a relay is
// running.
func TestRestoreUnderRelay(t *testing.T) {
	t.Parallel()
	p := newFixture(t, outbox.PostgreSQL)
	r := p.relay(outbox.WithKeep(time.Hour))
	defer p.running(r)()
	p.write(0, 10)
	p.until("the events", p.published(10))
	if _, err := p.db.Exec("UPDATE outbox SET tx = '1000000' WHERE seq = 3"); err != nil {
		t.Fatal(err)
	}
	p.fails(r, "the refusal", func(err error) bool { return errors.Is(err, outbox.ErrDatabase) })
	p.WantExactlyOnce(p.topic, 10)
}
