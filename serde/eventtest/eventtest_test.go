package eventtest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/eventtest"
)

const (
	v1 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID","SENT"]}}]}`
	v2 = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"},{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID","SENT"]}},{"name":"note","type":["null","string","long"],"default":null}]}`
	v3 = `{"type":"record","name":"Purchase","namespace":"shop","aliases":["Order"],"fields":[{"name":"id","type":"string"},{"name":"note","type":["null","string","long"],"default":null},{"name":"tags","type":{"type":"array","items":"string"},"default":[]}]}`
)

// recorder is a test that is expected to end with Fatalf.
type recorder struct {
	testing.TB
	ctx   context.Context
	fatal string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Logf(string, ...any)      {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// wantFatal asserts that Versions ends the test with a text.
func wantFatal(t *testing.T, text, of string, opts ...eventtest.Option) {
	t.Helper()
	r := &recorder{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		eventtest.Versions(r, of, opts...)
	}()
	<-done
	if !strings.Contains(r.fatal, text) {
		t.Errorf("Versions(%q) ended with %q, want %q in it", of, r.fatal, text)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH")
	}
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=tester", "-c", "user.email=tester@example.com"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func labels(versions []eventtest.Version) []string {
	var list []string
	for _, v := range versions {
		list = append(list, v.Label)
	}
	return list
}

// wantReadable reads every message with the reader schema.
func wantReadable(t *testing.T, reader string, versions []eventtest.Version) {
	t.Helper()
	g, err := serde.NewGeneric(reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		plan, err := serde.Resolve(v.Schema, reader)
		if err != nil {
			t.Fatalf("%s: %v", v.Label, err)
		}
		for _, data := range v.Values {
			if _, err := g.DecodePlan(plan, data); err != nil {
				t.Errorf("%s: %x: %v", v.Label, data, err)
			}
		}
	}
}

func TestGit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "schemas", "order.avsc")
	git(t, dir, "init", "-q", "-b", "main")
	wantFatal(t, "no schemas", dir)
	for i, text := range []string{v1, "{", v2, v3} {
		write(t, file, text)
		git(t, dir, "add", ".")
		git(t, dir, "commit", "-q", "-m", fmt.Sprint("change ", i+1))
		if i != 1 {
			git(t, dir, "tag", fmt.Sprintf("v1.%d.0", 8+i))
		}
		if i == 2 {
			git(t, dir, "mv", "schemas", "avro") // the history goes on in another folder
			git(t, dir, "commit", "-q", "-m", "moved")
			file = filepath.Join(dir, "avro", "order.avsc")
		}
	}
	versions := eventtest.Versions(t, filepath.Join(dir, "avro"))
	if len(versions) != 3 {
		t.Fatalf("%d versions: %v", len(versions), labels(versions))
	}
	wantReadable(t, v3, versions)
	tagged := eventtest.Versions(t, file, eventtest.WithTags("v*"), eventtest.Option{})
	if diff := cmp.Diff([]string{"v1.8.0", "v1.10.0", "v1.11.0"}, labels(tagged)); diff != "" {
		t.Error(diff)
	}
	write(t, file, strings.Replace(v3, "tags", "words", 1))
	versions = eventtest.Versions(t, file)
	if l := labels(versions); len(l) != 4 || l[3] != "work tree" {
		t.Errorf("with a change that is not committed: %v", l)
	}
	wantFatal(t, `no tag on the way to HEAD matches "w*"`, file, eventtest.WithTags("w*"))

	shallow := t.TempDir()
	git(t, shallow, "clone", "-q", "--depth", "1", "file://"+dir, ".")
	wantFatal(t, "the clone is shallow", filepath.Join(shallow, "avro"))
}

func TestFolderOfVersions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "v1.avsc"), v1)
	write(t, filepath.Join(dir, "v9", "order.avsc"), v2)
	write(t, filepath.Join(dir, "v10.avsc"), v3)
	write(t, filepath.Join(dir, "README.md"), "the versions")
	versions := eventtest.Versions(t, dir)
	if diff := cmp.Diff([]string{"v1", "v9", "v10"}, labels(versions)); diff != "" {
		t.Error(diff)
	}
	wantReadable(t, v3, versions)
	again := eventtest.Versions(t, dir)
	other := eventtest.Versions(t, dir, eventtest.WithSeed(2), eventtest.WithCount(3))
	for i, v := range versions {
		if !slices.EqualFunc(v.Values, again[i].Values, bytes.Equal) {
			t.Errorf("%s: the same seed gave other values", v.Label)
		}
		if slices.EqualFunc(v.Values, other[i].Values, bytes.Equal) {
			t.Errorf("%s: another seed gave the same values", v.Label)
		}
	}
}

// TestEveryBranchAndSymbol asserts that one value each would not do, and that
// the values have everything even if few are asked for.
func TestEveryBranchAndSymbol(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "v1.avsc"), v1)
	write(t, filepath.Join(dir, "v2.avsc"), v2)
	for _, v := range eventtest.Versions(t, dir, eventtest.WithCount(1)) {
		g, err := serde.NewGeneric(v.Schema)
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, data := range v.Values {
			if all, err = g.AppendJSON(all, data); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{`"NEW"`, `"PAID"`, `"SENT"`}
		if v.Label == "v2" {
			want = append(want, `"note":null`, `"string":`, `"long":`)
		}
		for _, w := range want {
			if !bytes.Contains(all, []byte(w)) {
				t.Errorf("%s: no value with %s: %s", v.Label, w, all)
			}
		}
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	server := registrytest.Start(t)
	client, err := registry.New([]string{server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, text := range []string{v1, v2} {
		if _, err := client.Register(t.Context(), "orders-value", registry.Schema{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	versions := eventtest.Versions(t, "orders-value", eventtest.WithRegistry(client))
	if diff := cmp.Diff([]string{"version 1 of orders-value", "version 2 of orders-value"}, labels(versions)); diff != "" {
		t.Fatal(diff)
	}
	wantMessages(t, client, versions)
	wantFatal(t, "not found", "nothing-value", eventtest.WithRegistry(client))
	wantFatal(t, "leave WithTags and WithType out", "orders-value", eventtest.WithRegistry(client), eventtest.WithType("shop.Order"))

	// The versions of a folder, as messages of another registry.
	dir := t.TempDir()
	write(t, filepath.Join(dir, "v1.avsc"), v1)
	write(t, filepath.Join(dir, "v2.avsc"), v2)
	write(t, filepath.Join(dir, "v3.avsc"), v3)
	if err := client.SetCompatibility(t.Context(), "copies-value", compat.None); err != nil {
		t.Fatal(err)
	}
	wantMessages(t, client, eventtest.Versions(t, dir, eventtest.WithRegisterIn(client, "copies-value")))

	// A message of type bytes has no length, unlike the value.
	if _, err := client.Register(t.Context(), "blobs-value", registry.Schema{Text: `"bytes"`}); err != nil {
		t.Fatal(err)
	}
	wantMessages(t, client, eventtest.Versions(t, "blobs-value", eventtest.WithRegistry(client)))

	for _, v := range eventtest.Versions(t, dir) {
		d, err := serde.NewGenericDeserializer(nil, serde.WithSchemas(v.Schema))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range v.Messages() {
			if _, err := d.Decode(t.Context(), serde.Input{Data: m}); err != nil {
				t.Errorf("%s: %v", v.Label, err)
			}
		}
	}
}

func wantMessages(t *testing.T, reg serde.Registry, versions []eventtest.Version) {
	t.Helper()
	d, err := serde.NewGenericDeserializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		for i, m := range v.Messages() {
			_, data, err := d.Open(t.Context(), serde.Input{Topic: "orders", Data: m})
			if err != nil || !bytes.Equal(data, v.Values[i]) {
				t.Errorf("%s: %x of %x, %v", v.Label, data, v.Values[i], err)
			}
		}
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.avsc"), `{"type":"record","name":"A","fields":[]}`)
	wantFatal(t, "git", dir)
	git(t, dir, "init", "-q")
	wantFatal(t, "no commit yet", dir)
	write(t, filepath.Join(dir, "b.avsc"), `{"type":"record","name":"B","fields":[{"name":"next","type":["null","B"]}]}`)
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "one")
	wantFatal(t, "there are several types: name one with WithType: A, B", dir)
	wantFatal(t, "no type C: the types are A, B", dir, eventtest.WithType("C"))
	if v := eventtest.Versions(t, dir, eventtest.WithType("B")); len(v) != 1 || len(v[0].Values) < 20 {
		t.Errorf("%+v", v)
	}
	wantFatal(t, "WithCount(0)", dir, eventtest.WithCount(0))
	wantFatal(t, "WithTags", dir, eventtest.WithTags(""))
	wantFatal(t, "WithRegistry(nil)", dir, eventtest.WithRegistry(nil))
	wantFatal(t, "WithRegisterIn", dir, eventtest.WithRegisterIn(nil, ""))
	wantFatal(t, "no such file", filepath.Join(dir, "nowhere"))
}
