package main

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/producertest"
)

// TestEndOfNewTopic checks that the reader asks again if the leader of a new
// partition refuses for a moment, and that another refusal is an error at once.
func TestEndOfNewTopic(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("clicks", 1))
	o, err := parseOptions([]string{"--brokers", b.Addrs()[0], "--registry", "http://127.0.0.1:1", "--topic", "clicks"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReader(o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for _, c := range []struct {
		code     *kerr.Error
		survives bool
	}{{kerr.LeaderNotAvailable, true}, {kerr.TopicAuthorizationFailed, false}} {
		refused := b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: c.code, Count: 3})
		err := r.rememberEnd(t.Context())
		if c.survives && (err != nil || refused.Hits() != 3) {
			t.Errorf("%v: %v after %d refusals", c.code, err, refused.Hits())
		}
		if !c.survives && !errors.Is(err, c.code) {
			t.Errorf("%v: %v", c.code, err)
		}
		refused.Remove()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.rememberEnd(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the context has ended: %v", err)
	}
}
