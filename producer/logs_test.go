//go:build cgo

package producer_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
)

// TestClientLog checks that debug lines reach the log only if debug is set. The
// guard's own debug setting adds no lines.
func TestClientLog(t *testing.T) {
	t.Parallel()
	for debug, want := range map[string]bool{"": false, "all": true} {
		var log bytes.Buffer
		settings := map[string]string{}
		if debug != "" {
			settings["debug"] = debug
		}
		b := startBroker(t, producertest.WithTopic("events", 3))
		p, err := producer.New(b.Addrs(), newSerializer(t), producer.WithConfig(settings),
			producer.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		if err != nil {
			t.Fatal(err)
		}
		topic := producer.NewTopic("events", producer.KeyBy(byKey))
		ctx := waitCtx(t)
		for range 100 {
			if err := topic.PublishAsync(ctx, p, &event{Key: "k"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(log.String(), "level=DEBUG msg=client_log"); told != want {
			t.Errorf("debug %q: told %v", debug, told)
		}
	}
}
