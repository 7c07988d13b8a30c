package compattest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/compat/compattest"
	"github.com/avroline/avroline/registry/registrytest"
)

const (
	v1 = `{"type": "record", "name": "Order", "fields": [{"name": "cents", "type": "int"}]}`
	v2 = `{"type": "record", "name": "Order", "fields": [{"name": "cents", "type": "long"}]}`
	v3 = `{"type": "record", "name": "Order", "fields": [{"name": "cents", "type": "string"}]}`
)

// recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	ctx    context.Context
	errors []string
	fatal  string
	log    string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any) { r.log += fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func record(t *testing.T, path string, opts ...compattest.Option) *recorder {
	t.Helper()
	r := &recorder{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		compattest.NoBreak(r, path, opts...)
	}()
	<-done
	return r
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// repository makes a git repository, commits v1 and returns the schemas.
func repository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "order.avsc"), v1)
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "."},
		{"-c", "user.name=tester", "-c", "user.email=tester@example.com", "commit", "-q", "-m", "one"},
	} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

func TestAgainstGit(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	schemas := filepath.Join(dir, "...")
	compattest.NoBreak(t, schemas)
	write(t, filepath.Join(dir, "order.avsc"), v2)
	compattest.NoBreak(t, schemas, compattest.WithAgainst("git:HEAD"))
	r := record(t, schemas, compattest.WithAgainst("git:HEAD"), compattest.WithLevel(compat.Full))
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], "order.avsc:1:") ||
		!strings.Contains(r.errors[0], "TYPE_MISMATCH: int became long: breaks consumers on git:HEAD reading what you will write") ||
		!strings.Contains(r.errors[0], `For instance: {"cents":0}`) {
		t.Errorf("at FULL: %q %s", r.errors, r.fatal)
	}
	if r := record(t, schemas, compattest.WithAgainst("git:nowhere")); !strings.Contains(r.fatal, "no such commit") {
		t.Errorf("another commit: %+v", r)
	}
}

func TestAgainstFolder(t *testing.T) {
	t.Parallel()
	before, now := t.TempDir(), t.TempDir()
	write(t, filepath.Join(before, "a.avsc"), v1)
	write(t, filepath.Join(now, "b.avsc"), v2)
	compattest.NoBreak(t, now, compattest.WithAgainst(before))
	write(t, filepath.Join(now, "b.avsc"), v3)
	if r := record(t, now, compattest.WithAgainst(before)); len(r.errors) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAgainstRegistry(t *testing.T) {
	t.Parallel()
	server := registrytest.Start(t)
	client, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Register(t.Context(), "orders-value", registry.Schema{Text: v1}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "order.avsc"), v2)
	compattest.NoBreak(t, dir, compattest.WithRegistry(client))
	if err := client.SetCompatibility(t.Context(), "orders-value", compat.Full); err != nil {
		t.Fatal(err)
	}
	r := record(t, dir, compattest.WithRegistry(client))
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], "consumers on version 1 of orders-value reading what you will write") {
		t.Errorf("at the subject's own level: %+v", r)
	}
	compattest.NoBreak(t, dir, compattest.WithRegistry(client), compattest.WithLevel(compat.Backward))
	if r := record(t, dir, compattest.WithRegistry(client), compattest.WithAgainst(dir)); !strings.Contains(r.fatal, "use one") {
		t.Errorf("both: %+v", r)
	}
}

// TestSubjectsByName uses Redpanda, which has no list of schemas. The name of
// the subject does not contain the name of the schema.
func TestSubjectsByName(t *testing.T) {
	t.Parallel()
	server := registrytest.Start(t, registrytest.WithDialect(registrytest.Redpanda))
	if err := server.Seed("orders-value", v1); err != nil {
		t.Fatal(err)
	}
	client, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "order.avsc"), v3)
	if r := record(t, dir, compattest.WithRegistry(client)); len(r.errors) != 1 || !strings.Contains(r.errors[0], "SUBJECT_UNKNOWN") {
		t.Errorf("without names: %+v", r)
	}
	if r := record(t, dir, compattest.WithRegistry(client), compattest.WithSubject("Order", "orders-value")); len(r.errors) != 1 || !strings.Contains(r.errors[0], "orders-value") {
		t.Errorf("with a name: %+v", r)
	}
	write(t, filepath.Join(dir, "order.avsc"), v2)
	compattest.NoBreak(t, dir, compattest.WithRegistry(client), compattest.WithSubject("Order", "orders-value"))
	if r := record(t, dir, compattest.WithRegistry(client), compattest.WithSubject("Odrer", "orders-value")); !strings.Contains(r.fatal, "full name Odrer") {
		t.Errorf("a wrong name: %+v", r)
	}
	if r := record(t, dir, compattest.WithSubject("Order", "orders-value")); !strings.Contains(r.fatal, "needs WithRegistry") {
		t.Errorf("without registry: %+v", r)
	}
}

func TestException(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before, now := filepath.Join(dir, "before"), filepath.Join(dir, "now")
	for folder, text := range map[string]string{
		before: `{"type": "record", "name": "Order", "fields": [{"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}`,
		now:    `{"type": "record", "name": "Order", "fields": [{"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}`,
	} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "order.avsc"), text)
	}
	against := compattest.WithAgainst(before)
	r := record(t, now, against)
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], compat.LogicalTypeChanged) || !strings.Contains(r.errors[0], "written as 2026-03-14T12:00:00Z, read as 1970-01-21") {
		t.Errorf("%q %s", r.errors, r.fatal)
	}
	accept := compattest.WithException(compat.LogicalTypeChanged, "Order.t", "all readers convert")
	if r := record(t, now, against, accept, compattest.Option{}); len(r.errors) != 0 || r.fatal != "" || !strings.Contains(r.log, "all readers convert") {
		t.Errorf("%q %s %s", r.errors, r.fatal, r.log)
	}
	if r := record(t, before, against, accept); len(r.errors) != 1 || !strings.Contains(r.errors[0], "remove the exception") {
		t.Errorf("%q %s", r.errors, r.fatal)
	}
	if r := record(t, now, against, compattest.WithException(compat.LogicalTypeChanged, "Order.t", " ")); !strings.Contains(r.fatal, "no reason") {
		t.Errorf("%q %s", r.errors, r.fatal)
	}
}
