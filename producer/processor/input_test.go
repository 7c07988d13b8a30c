package processor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

// joining is a consumer that joins its group in the poll of its first message.
// Then it cannot tell its member.
type joining struct {
	transport.Consumer
	joined func()
	err    error
}

func (j *joining) Member() (transport.GroupMember, error) { return transport.GroupMember{}, j.err }

func (j *joining) Poll(context.Context, time.Duration) (*transport.ConsumedMessage, error) {
	j.err = errors.New("no member")
	j.joined()
	return &transport.ConsumedMessage{}, nil
}

// TestUnknownMember checks that no batch is handled if nobody can commit its
// offsets, even if the batch is full.
func TestUnknownMember(t *testing.T) {
	t.Parallel()
	consumer := new(joining)
	in := &input{consumer: consumer, settings: new(settings.Config)}
	consumer.joined = in.captureMember
	batch, err := in.collect(t.Context(), &config{bytes: 1}, 1)
	if !errors.Is(err, consumer.err) || len(batch) > 0 {
		t.Errorf("%d messages, %v", len(batch), err)
	}
}
