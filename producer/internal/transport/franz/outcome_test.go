package franz

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// TestBatchBehindRefusedBatch answers a batch behind a refused batch before and
// after kgo has reported the messages of the refused batch. The messages behind
// it are certainly not in the log in both cases, unless their batch may have
// been appended.
func TestBatchBehindRefusedBatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reported bool // the refused batch, before the answer to the next batch
		code     int16
		lost     bool // the next batch has no answer
		want     transport.Persistence
	}{
		"before":             {code: kerr.OutOfOrderSequenceNumber.Code, want: transport.NotPersisted},
		"after":              {reported: true, code: kerr.OutOfOrderSequenceNumber.Code, want: transport.NotPersisted},
		"after, unknown id":  {reported: true, code: kerr.UnknownProducerID.Code, want: transport.NotPersisted},
		"after, maybe":       {reported: true, code: kerr.RequestTimedOut.Code, want: transport.PossiblyPersisted},
		"after, no answer":   {reported: true, lost: true, want: transport.PossiblyPersisted},
		"before, no answer":  {lost: true, want: transport.PossiblyPersisted},
		"before, in the log": {code: 0, want: transport.PossiblyPersisted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &partition{aside: &noAside, topic: &topic{client: &client{config: &settings.Config{}}}}
			first, second := &request{}, &request{}
			p.wrote(first, batchKey{sequence: 0}, 2)
			b, _ := p.wrote(second, batchKey{sequence: 2}, 3)
			p.handed = 7 // two messages were never written
			p.answered(first, answer{code: kerr.InvalidRecord.Code})
			if c.reported {
				p.end(1)
				p.end(1)
			}
			if c.lost {
				b.lost(second)
			} else {
				p.answered(second, answer{code: c.code})
			}
			for index, want := range map[uint64]transport.Persistence{2: c.want, 4: c.want, 5: transport.NotPersisted, 6: transport.NotPersisted} {
				var o transport.Outcome
				p.explain(&o, index, kerr.InvalidRecord)
				if o.Persistence != want {
					t.Errorf("message %d: persistence %v, want %v: %v", index, o.Persistence, want, o.Err)
				}
			}
		})
	}
}
