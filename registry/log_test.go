package registry_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/registry"
)

// TestLogIsSummedUp asks a registry that always fails. The first failure is
// logged at once, and Close logs how often it was repeated.
func TestLogIsSummedUp(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	var log bytes.Buffer
	reg, err := registry.New([]string{server.URL}, registry.WithRetries(0, time.Millisecond, time.Millisecond), registry.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	const calls = 20
	for id := range calls {
		if _, err := reg.SchemaByID(t.Context(), "", id+1); err == nil {
			t.Error("no error")
		}
	}
	if n := strings.Count(log.String(), "registry_attempt_failed"); n != 1 {
		t.Errorf("%d lines before Close, want 1:\n%s", n, log.String())
	}
	if err := reg.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "registry_attempt_failed"); n != 2 || !strings.Contains(log.String(), "repeated=19") {
		t.Errorf("%d lines after Close, want 2, with repeated=%d:\n%s", n, calls-1, log.String())
	}
}
