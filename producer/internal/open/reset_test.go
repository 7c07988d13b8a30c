package open

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

const start, end = 5, 10

// resetBroker starts a broker with the messages from start to end, and commits
// an offset of the group. -1 commits none.
func resetBroker(t *testing.T, committed int64) *producertest.Broker {
	t.Helper()
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.DefaultProduceTopic("events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for range end {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte("value")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	admin := kadm.NewClient(cl)
	if committed >= 0 {
		if err := admin.CommitAllOffsets(t.Context(), "group", kadm.OffsetsFromRecords(kgo.Record{Topic: "events", Offset: committed - 1})); err != nil {
			t.Fatal(err)
		}
	}
	removed := kadm.Offsets{}
	removed.AddOffset("events", 0, start, -1)
	if _, err := admin.DeleteRecords(t.Context(), removed); err != nil {
		t.Fatal(err)
	}
	return b
}

// openConsumer opens a consumer of the topic events, with the library franz or
// the default. change changes the settings.
func openConsumer(t *testing.T, b *producertest.Broker, library string, protocol transport.Protocol, change func(c *settings.Config)) transport.Consumer {
	t.Helper()
	c, err := settings.New(settings.ForProcessor, b.Addrs(), "id", []settings.Option{settings.Set("test", func(c *settings.Config) {
		if library == "franz" {
			c.Transport = settings.Franz
		}
		change(c)
	})})
	if err != nil {
		t.Fatal(err)
	}
	in, err := Consumer(c, transport.Group{ID: "group", Protocol: protocol, Topics: []string{"events"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return in
}

// TestOffsetReset reads with a group whose committed offset is outside the log.
// The consumer logs the offset as a warning and goes on: at the first message
// if older messages were removed, and otherwise there or at the end.
func TestOffsetReset(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]int64{"before the log": 2, "behind the log": 100, "in the log": 7} {
		for _, library := range []string{"default", "franz"} {
			t.Run(name+"/"+library, func(t *testing.T) {
				t.Parallel()
				b := resetBroker(t, committed)
				var log lockedBuffer
				in := openConsumer(t, b, library, transport.ConsumerProtocol, func(c *settings.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				var m *transport.ConsumedMessage
				for until := time.Now().Add(time.Minute); m == nil; {
					if committed > end { // something comes after the end
						if err := b.Put("events", nil, []byte("value")); err != nil {
							t.Fatal(err)
						}
					}
					var err error
					if m, err = in.Poll(t.Context(), time.Second); err != nil || time.Now().After(until) {
						t.Fatalf("no message: %v\n%s", err, log.String())
					}
				}
				want := int64(start)
				inside := committed >= start && committed < end
				if inside {
					want = committed
				}
				if m.Offset != want && (committed < end || m.Offset < end) {
					t.Errorf("the first message has the offset %d, want %d", m.Offset, want)
				}
				warning := regexp.MustCompile(fmt.Sprintf(`level=WARN msg=offset_reset .*\b%d\b`, committed))
				if warned := warning.MatchString(log.String()); warned == inside {
					t.Errorf("log:\n%s", log.String())
				}
			})
		}
	}
}

// TestOffsetResetRefused sets auto.offset.reset=error. A consumer whose offset
// is missing or outside the log ends with an error that names the setting.
func TestOffsetResetRefused(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]int64{"no offset": -1, "before the log": 2} {
		for _, library := range []string{"default", "franz"} {
			t.Run(name+"/"+library, func(t *testing.T) {
				t.Parallel()
				b := resetBroker(t, committed)
				in := openConsumer(t, b, library, transport.ConsumerProtocol, func(c *settings.Config) { c.ConsumerPassed = map[string]string{"auto.offset.reset": "error"} })
				for until := time.Now().Add(time.Minute); ; {
					m, err := in.Poll(t.Context(), time.Second)
					if m != nil || time.Now().After(until) {
						t.Fatalf("message %+v, error %v", m, err)
					}
					if err != nil {
						if !strings.Contains(err.Error(), "auto.offset.reset=error") {
							t.Error(err)
						}
						break
					}
				}
			})
		}
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
