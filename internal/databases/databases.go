// Package databases starts real databases for tests. PostgreSQL and MariaDB are
// local processes in a temporary folder. SQLite is a file. The servers listen
// on sockets in their folders and not on ports. A port that is free now may be
// used by another test when the server starts.
package databases

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // registers the driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	_ "modernc.org/sqlite"             // registers the driver "sqlite"

	"github.com/avroline/avroline/internal/local"
)

// Server is a database server. A test can kill and restart a Server.
type Server struct {
	t       testing.TB
	start   func() *exec.Cmd
	stop    func() // begins an orderly shutdown
	log     string
	data    string // the data folder; empty for SQLite
	process *local.Process
	// Driver and URL are for sql.Open.
	Driver, URL string
}

// Open opens the database.
func (s *Server) Open() *sql.DB {
	s.t.Helper()
	db, err := sql.Open(s.Driver, s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// Start starts the server and waits until the server answers. Start also
// restarts a killed server.
func (s *Server) Start() {
	s.t.Helper()
	if s.start == nil {
		return
	}
	var err error
	if s.process, err = local.Run(s.start(), s.log); err != nil {
		s.t.Fatal(err)
	}
	db := s.Open()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for {
		if err = db.PingContext(ctx); err == nil {
			return
		}
		log, _ := os.ReadFile(s.log)
		switch {
		case ctx.Err() == nil && s.process.Alive():
		case ctx.Err() == nil && bytes.Contains(log, []byte("pre-existing shared memory block")):
			// Backends of a killed PostgreSQL may run a little longer.
			if s.process, err = local.Run(s.start(), s.log); err != nil {
				s.t.Fatal(err)
			}
		default:
			s.t.Fatalf("the database does not answer: %v\n%s", err, log)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() {
	if s.process != nil {
		_ = s.process.Kill()
	}
}

// Save stops the server, copies its data and starts the server again. The
// function restore kills the server and starts it with the copied data, like a
// restore from a backup.
func (s *Server) Save() (restore func()) {
	s.t.Helper()
	saved := filepath.Join(filepath.Dir(s.data), "saved")
	s.stop()
	<-s.process.Done()
	run(s.t, os.TempDir(), "cp", "-a", s.data, saved)
	s.Start()
	return func() {
		s.t.Helper()
		s.Kill()
		if err := os.RemoveAll(s.data); err != nil {
			s.t.Fatal(err)
		}
		run(s.t, os.TempDir(), "cp", "-a", saved, s.data)
		s.Start()
	}
}

// SQLite opens a new file.
func SQLite(t testing.TB) *Server {
	path := filepath.Join(t.TempDir(), "test.db")
	return &Server{t: t, Driver: "sqlite", URL: "file:" + path + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate"}
}

// PostgreSQL starts a server. If PostgreSQL is not installed, the test is
// skipped.
func PostgreSQL(t testing.TB) *Server {
	t.Helper()
	binaries, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if path, err := exec.LookPath("initdb"); err == nil {
		binaries = append(binaries, filepath.Dir(path))
	}
	i := slices.IndexFunc(binaries, func(dir string) bool { _, err := os.Stat(filepath.Join(dir, "initdb")); return err == nil })
	if i < 0 {
		t.Skip("PostgreSQL is not installed")
	}
	dir, err := os.MkdirTemp("", "pg") // a short name, because the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := []string{}
	if os.Geteuid() == 0 { // the server refuses to run as root
		as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
		run(t, dir, "chown", "postgres", dir)
	}
	program := func(name string, args ...string) []string {
		return append(append(slices.Clone(as), filepath.Join(binaries[i], name)), args...)
	}
	data := filepath.Join(dir, "data")
	newData(t, data, program("initdb", "--version"), program("initdb", "-D", data, "-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"))
	s := &Server{t: t, log: filepath.Join(t.TempDir(), "postgres.log"), data: data, Driver: "pgx", URL: "postgres://test@/postgres?host=" + dir}
	s.start = func() *exec.Cmd {
		_ = os.Remove(filepath.Join(data, "postmaster.pid"))
		args := program("postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir, "-c", "max_connections=200")
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		return cmd
	}
	s.stop = func() { run(t, dir, program("pg_ctl", "stop", "-m", "fast", "-w", "-D", data)...) }
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// PgBouncer starts PgBouncer in front of a PostgreSQL server, in the pool mode
// transaction. The result is the URL of the database, without options of pgx.
// If PgBouncer is not installed, the test is skipped.
func PgBouncer(t testing.TB, behind *Server) (url string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; exec.Command(program, "--version").Run() != nil {
			t.Skip("PgBouncer is not installed")
		}
	}
	dir := filepath.Dir(behind.data)
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(`"test" ""`), 0o644); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	text := "[databases]\npostgres = host=" + dir + " dbname=postgres user=test\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = " + dir +
		"\nauth_type = trust\nauth_file = " + filepath.Join(dir, "users") + "\npool_mode = transaction\ndefault_pool_size = 5\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{program, config}
	if os.Geteuid() == 0 { // PgBouncer refuses to run as root
		args = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, args...)
	}
	s := &Server{t: t, log: filepath.Join(t.TempDir(), "pgbouncer.log"), Driver: "pgx", URL: "postgres://test@/postgres?port=6432&host=" + dir}
	s.start = func() *exec.Cmd { return exec.Command(args[0], args[1:]...) }
	probe := *s
	probe.URL += "&default_query_exec_mode=simple_protocol"
	t.Cleanup(probe.Kill)
	probe.Start()
	return s.URL
}

// MariaDB starts a server with more arguments. If MariaDB is not installed, the
// test is skipped.
func MariaDB(t testing.TB, args ...string) *Server {
	t.Helper()
	server, err := exec.LookPath("mariadbd")
	if err != nil {
		if server = "/usr/sbin/mariadbd"; exec.Command(server, "--version").Run() != nil {
			t.Skip("MariaDB is not installed")
		}
	}
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		t.Skip("MariaDB is not installed")
	}
	dir, err := os.MkdirTemp("", "my")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	user := "--user=" + os.Getenv("USER")
	if os.Geteuid() == 0 {
		user = "--user=root"
	}
	logSize := "--innodb-log-file-size=8M" // by default 96M, which every server would write first
	newData(t, data, []string{server, "--version"}, []string{install, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db", user, logSize})
	socket := filepath.Join(dir, "s")
	s := &Server{t: t, log: filepath.Join(t.TempDir(), "mariadb.log"), data: data, Driver: "mysql", URL: "root@unix(" + socket + ")/test"}
	s.start = func() *exec.Cmd {
		return exec.Command(server, append([]string{
			"--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--socket=" + socket, "--skip-networking",
			"--pid-file=" + filepath.Join(dir, "pid"), user, "--innodb-flush-log-at-trx-commit=1", logSize, "--max-connections=200",
		}, args...)...)
	}
	s.stop = func() { _ = s.process.Terminate() }
	t.Cleanup(s.Kill)
	admin := *s
	admin.URL = "root@unix(" + socket + ")/"
	admin.Start()
	s.process = admin.process
	if _, err := admin.Open().ExecContext(t.Context(), "CREATE DATABASE IF NOT EXISTS test"); err != nil {
		t.Fatal(err)
	}
	return s
}

// newData makes the data folder of a new server. The cache keeps the result of
// the command install for each version of the server, because a copy takes a
// tenth of the time. The copy keeps the owner.
func newData(t testing.TB, data string, version, install []string) {
	t.Helper()
	dir := filepath.Dir(data)
	of := run(t, dir, version...) + strings.ReplaceAll(strings.Join(install, " "), data, "")
	cached, err := local.Cached(fmt.Sprintf("database-%.6x", sha256.Sum256([]byte(of))), func(into string) error {
		run(t, dir, install...)
		run(t, dir, "cp", "-a", data, filepath.Join(into, "data"))
		return os.RemoveAll(data)
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, "cp", "-a", filepath.Join(cached, "data"), data)
}

// run runs a program and returns its output. dir is the program's folder for
// temporary files.
func run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "TMPDIR="+dir) // otherwise two servers could use the same temporary files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}
