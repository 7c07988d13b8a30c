package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/serde/ocf"
)

// writeClicks writes n clicks into a container file.
func writeClicks(t *testing.T, n int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "clicks.avro")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := ocf.NewWriter[clicks.ClickEvent](f, ocf.WithCodec(ocf.Zstandard), ocf.WithBlockSize(2000))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := clicks.NewClickEvent()
		e.EventID, e.At = uuid.New(), time.UnixMilli(1_760_000_000_000+int64(i)).UTC()
		e.Visitor, e.IP, e.Method, e.Path, e.Status = "v", "192.0.2.7", "GET", fmt.Sprintf("/%d", i), 200
		if i%3 == 0 {
			size := int64(i)
			e.Bytes = &size
		}
		if err := w.Append(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestContainer publishes the values of a container file.
func TestContainer(t *testing.T) {
	t.Parallel()
	const n = 500
	o, err := parseOptions([]string{"--quiet", "--rejects", filepath.Join(t.TempDir(), "rejects"), writeClicks(t, n)}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.balanced() || r.Lines != n || r.Rejected != 0 || r.Delivered != n {
		t.Errorf("%+v", r)
	}
}

// TestContainerOfOtherEvents rejects every value of a file without clicks. Each
// rejected value has a reason.
func TestContainerOfOtherEvents(t *testing.T) {
	t.Parallel()
	file := vectortest.Path(t, "../data/pinot-airlineStats-2014-01-01.avro")
	rejects := filepath.Join(t.TempDir(), "rejects")
	o, err := parseOptions([]string{"--quiet", "--rejects", rejects, file}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(rejects)
	if err != nil {
		t.Fatal(err)
	}
	if r.Lines == 0 || r.Rejected != r.Lines || int64(strings.Count(string(text), "\n")) != r.Lines {
		t.Errorf("%d values, %d rejected, %d lines of rejects", r.Lines, r.Rejected, strings.Count(string(text), "\n"))
	}
}

// TestContainerResume checks that --resume refuses a container file, because
// positions are lines.
func TestContainerResume(t *testing.T) {
	t.Parallel()
	plain := writeClicks(t, 1)
	text, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{plain, writeText(t, plain+".gz", gzipped(t, string(text)))} {
		o, err := parseOptions([]string{"--quiet", "--resume", "--send", "transaction", "--brokers", "127.0.0.1:1", "--registry", "http://127.0.0.1:1", name}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "only files of lines") {
			t.Errorf("%s was resumed: %v", name, err)
		}
	}
}
