package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/registrytest"
)

// TestRun checks that the report accounts for all lines, in each way to send.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, send := range []string{"async", "sync", "forget", "transaction"} {
		t.Run(send, func(t *testing.T) {
			t.Parallel()
			args := []string{"--send", send, "--sample-lines", "3000", "--quiet", "--rejects", filepath.Join(t.TempDir(), "rejects")}
			if brokers := os.Getenv("AVROLINE_TEST_BROKERS"); brokers != "" {
				args = append(args, "--brokers", brokers, "--registry", os.Getenv("AVROLINE_TEST_REGISTRY"),
					"--topic", "clicks-"+uuid.NewString(), "--partitions", "6")
			}
			o, err := parseOptions(args, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			r, err := run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.balanced() || r.Lines != 3000 || r.Rejected == 0 {
				t.Errorf("%+v", r)
			}
			if r.SchemaID == 0 || r.Version != 1 || len(r.Partitions) != 6 || r.LatencyP99 <= 0 || r.AvroBytes >= r.JSONBytes {
				t.Errorf("the report lacks something: %+v", r)
			}
			rejects, err := os.ReadFile(o.rejects)
			if err != nil {
				t.Fatal(err)
			}
			if n := int64(bytes.Count(rejects, []byte("\n"))); n != r.Rejected || !strings.HasPrefix(string(rejects), "sample.log:") {
				t.Errorf("%d lines of rejects, %d were counted:\n%.200s", n, r.Rejected, rejects)
			}
			var out bytes.Buffer
			if err := r.writeJSON(&out); err != nil {
				t.Fatal(err)
			}
			var members map[string]any
			if err := json.Unmarshal(out.Bytes(), &members); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"lines", "rejected", "delivered", "read_back", "lost", "twice", "out_of_order"} {
				if _, ok := members[name]; !ok {
					t.Errorf("the JSON report lacks %s", name)
				}
			}
		})
	}
}

// TestLargeEvents checks that an event that is too large is rejected, in each
// way to send. The other lines are published.
func TestLargeEvents(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, n := range []int{10, 1_000_100, 100, 850_000, 10} {
		fmt.Fprintf(&text, `{"at":1,"ip":"h","url":"/%s"}`+"\n", strings.Repeat("x", n))
	}
	fmt.Fprintf(&text, `{"at":1,"visitor":"%s","url":"/"}`+"\n", strings.Repeat("v", 500_000)) // also the key
	log := writeText(t, filepath.Join(t.TempDir(), "log"), text.String())
	for _, send := range []string{"async", "sync", "forget", "transaction", "transaction --resume"} {
		t.Run(send, func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields("--quiet --partitions 1 --send "+send), "--rejects", filepath.Join(t.TempDir(), "rejects"), log)
			if strings.Contains(send, "resume") {
				args = append(args, "--brokers", producertest.Start(t).Addrs()[0], "--registry", registrytest.Start(t).URL)
			}
			o, err := parseOptions(args, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			r, err := run(t.Context(), o)
			if err != nil || !r.balanced() || r.Lines != 6 || r.Rejected != 2 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestBalance damages an account in each possible way. The report must show the
// damage.
func TestBalance(t *testing.T) {
	t.Parallel()
	id, err := newEventID()
	if err != nil {
		t.Fatal(err)
	}
	sound := func() (*account, *report) {
		a := newAccount()
		seq := a.open("f")
		a.name(seq, id)
		a.setState(seq, delivered)
		return a, &report{Lines: 1, Delivered: 1, Compared: true}
	}
	tests := map[string]struct {
		damage func(a *account, r *report)
		ok     bool
	}{
		"sound":         {func(a *account, _ *report) { a.noteReadBack("f", 1, id) }, true},
		"lost":          {func(*account, *report) {}, false},
		"twice":         {func(a *account, _ *report) { a.noteReadBack("f", 1, id); a.noteReadBack("f", 1, id) }, false},
		"another run's": {func(a *account, _ *report) { a.noteReadBack("f", 1, [16]byte{15: 1}) }, false},
		"denied": {func(a *account, r *report) {
			a.noteReadBack("f", 1, id)
			a.setState(0, notSent)
			r.Delivered = 0
			r.NotSent = 1
		}, false},
		"unknown": {func(a *account, r *report) {
			a.noteReadBack("f", 1, id)
			a.setState(0, unknown)
			r.Delivered = 0
			r.Unknown = 1
		}, false},
		"not read":   {func(a *account, r *report) { a.noteReadBack("f", 1, id); r.Compared = false }, false},
		"no outcome": {func(a *account, r *report) { a.noteReadBack("f", 1, id); r.Lines = 2 }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, r := sound()
			test.damage(a, r)
			(&job{acc: a}).balance(r, readBackResult{})
			if r.balanced() != test.ok {
				t.Errorf("balanced is %t: %+v", !test.ok, r)
			}
		})
	}
}

// TestInterrupted checks that an interruption stops the reading, even if no
// more input comes. Every line from before must have an outcome.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	in, feed := io.Pipe()
	o, err := parseOptions([]string{"--input", "-", "--quiet", "--rejects", filepath.Join(t.TempDir(), "rejects")}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		_ = writeSample(feed, 5000, 7)
		interrupt()
	}()
	r, err := runFrom(ctx, o, in)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || !r.balanced() || r.Lines < 4000 {
		t.Errorf("%+v", r)
	}
}

// TestConfigFile uses files of settings with and without brokers. Without
// brokers, the settings are for the client of the embedded broker.
func TestConfigFile(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "c.properties")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for send, text := range map[string]string{"async": "linger.ms=1\n", "transaction": "transaction.timeout.ms=30000\n"} {
		o, err := parseOptions([]string{"--send", send, "--config", file(text), "--sample-lines", "100", "--quiet", "--rejects", filepath.Join(t.TempDir(), "rejects")}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := run(t.Context(), o); err != nil || !r.balanced() || r.Delivered == 0 {
			t.Errorf("tuned: %s: %+v, %v", send, r, err)
		}
	}
	o, err := parseOptions([]string{"--config", file("bootstrap.servers=a:1,b:2\n"), "--registry", "http://c"}, io.Discard)
	if err != nil || strings.Join(o.brokers, ",") != "a:1,b:2" {
		t.Errorf("brokers %v, %v", o.brokers, err)
	}
	for text, want := range map[string]string{
		"bogus.key=1\n":           "bogus.key: unknown setting",
		"bootstrap.servers=a:1\n": "only one of --brokers and --registry",
	} {
		if _, err := parseOptions([]string{"--config", file(text)}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

// TestNoTemporaryFolder checks that the program ends with an error if the
// sample cannot be written.
func TestNoTemporaryFolder(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, missing)
	}
	o, err := parseOptions([]string{"--quiet"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := run(t.Context(), o); r != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--send now":                             "--send now: must be async, sync, forget, transaction",
		"--acks 2":                               "--acks 2",
		"--format xml":                           "--format xml",
		"--brokers 127.0.0.1:9":                  "only one of --brokers and --registry",
		"--registry http://127.0.0.1":            "only one of --brokers and --registry",
		"--send transaction --acks 1":            "transactions need --acks all",
		"--resume":                               "--resume needs --send transaction",
		"--resume --send transaction":            "--resume needs --input",
		"--resume --send transaction --input go": "--resume needs --brokers",
		"--resume --send transaction --input go --brokers a:1 --registry http://x --limit 5": "--limit does not go together with --resume",
		"--limit=-1":                      "cannot be negative",
		"--rejects=":                      "--rejects is empty",
		"--bogus":                         "unknown flag",
		"--config nowhere.properties":     "nowhere.properties",
		"--brokers : --registry http://x": "brokers",
	} {
		if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
}
