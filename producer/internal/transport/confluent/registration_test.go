//go:build cgo

package confluent

import (
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestRegistrationTimer checks how long a commit waits.
func TestRegistrationTimer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r         registration
		now, want int64
	}{
		"first transaction":                  {registration{begun: 10_000_000}, 10_000_400, 650},
		"first transaction, a late commit":   {registration{begun: 10_000_000}, 10_002_000, 0},
		"timer of the transaction before":    {registration{begun: 10_000_000, answered: 9_999_500}, 10_000_400, 150},
		"timer of the transaction before, 2": {registration{begun: 10_000_000, answered: 9_999_000}, 10_000_040, 10},
		"timer ended before the transaction": {registration{begun: 10_000_000, answered: 9_998_999}, 10_000_400, 650},
		"the library has asked":              {registration{begun: 10_000_000, asked: true}, 10_000_400, 0},
	} {
		if left := test.r.left(test.now); left != test.want {
			t.Errorf("%s: %d µs are left, want %d", name, left, test.want)
		}
	}
}

// TestRegistrationIsSeen checks that the plugin sees the requests that register
// partitions. A transaction without messages sends none.
func TestRegistrationIsSeen(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	config, err := settings.New(settings.ForTransactional, b.Addrs(), "registered", nil)
	if err != nil {
		t.Fatal(err)
	}
	k, h := openWith(t, config)
	events, err := k.Topic("events")
	if err == nil {
		err = k.InitTransactions(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	answered := int64(0)
	for i, messages := range []int{1, 0, 100} {
		if err := k.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for range messages {
			if err := events.Produce(0, &transport.Message{Value: []byte("value")}, transport.Token(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.CommitTransaction(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := k.hub.registration()
		if r.asked != (messages > 0) || (r.answered > answered) != (messages > 0) || r.answered > now() {
			t.Errorf("transaction %d: %+v after an answer at %d, now %d", i, r, answered, now())
		}
		if messages > 0 && r.answered < r.begun {
			t.Errorf("transaction %d: the answer of an earlier transaction: %+v", i, r)
		}
		answered = r.answered
	}
	h.wait(2) // the first and the last transaction have a token each
}
