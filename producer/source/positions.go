package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/checkpoint"
	"github.com/avroline/avroline/producer/internal/open"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/serde"
)

// positions is the topic that stores the positions of sources.
type positions struct {
	name   string
	source string
	topic  *producer.Topic[*checkpoint.Position]
	decode *serde.Deserializer[checkpoint.Position]
}

func newPositions(name, source string, reg serde.Registry) (positions, error) {
	p := positions{name: name, source: source}
	if err := settings.CheckTopicName(name); err != nil {
		return p, optionError("WithCheckpoints", name, err.Error())
	}
	p.topic = producer.NewTopic(name, producer.KeyRecord(func(p *checkpoint.Position) *checkpoint.PositionKey {
		return &checkpoint.PositionKey{Source: p.Source, Stream: p.Stream}
	}))
	var err error
	p.decode, err = serde.NewDeserializer[checkpoint.Position](reg)
	return p, err
}

// committedPosition is a committed position, with the shard and the run that
// wrote it.
type committedPosition struct {
	value  string
	shard  int
	writer uuid.UUID
}

// committedPositions are the committed positions, by stream.
type committedPositions map[string]committedPosition

// ofShard returns the positions that one shard wrote.
func (p committedPositions) ofShard(shard int) committedPositions {
	out := committedPositions{}
	for stream, at := range p {
		if at.shard == shard {
			out[stream] = at
		}
	}
	return out
}

// list returns the positions in the form that an [Input] takes, sorted by
// stream.
func (p committedPositions) list() []Position {
	out := make([]Position, 0, len(p))
	for stream, at := range p {
		out = append(out, Position{Stream: stream, Value: at.value})
	}
	slices.SortFunc(out, func(a, b Position) int { return strings.Compare(a.Stream, b.Stream) })
	return out
}

// read returns the committed positions of the source. read also waits for the
// open transactions of other sources, because our positions may lie behind
// their messages in the log.
func (p *positions) read(ctx context.Context, c *settings.Config, shards int) (committedPositions, error) {
	found := committedPositions{}
	err := open.ReadCommitted(ctx, c, p.name, nil, func(m *transport.ConsumedMessage) error {
		return p.add(ctx, found, m, shards)
	})
	var said *transport.Error
	switch {
	case err == nil:
		return found, nil
	case errors.As(err, &said) && said.Code == transport.UnknownTopicOrPartition:
		err = fmt.Errorf("%w: create it with cleanup.policy=compact, or give producer.WithCreateTopics: %w", producer.ErrUnknownTopic, err)
	case ctx.Err() == nil:
		err = open.ExplainDenied(c, err, "Read", p.name)
	}
	return nil, fmt.Errorf("read the positions from topic %s: %w", p.name, err)
}

// add adds a position to found if the position belongs to this source.
func (p *positions) add(ctx context.Context, found committedPositions, m *transport.ConsumedMessage, shards int) error {
	var at checkpoint.Position
	err := p.decode.DecodeInto(ctx, serde.Input{Topic: m.Topic, Part: serde.Value, Data: m.Value, Header: m.Header}, &at)
	switch {
	case errors.Is(err, serde.ErrTombstone): // somebody deleted a position by hand
		return nil
	case err != nil:
		return fmt.Errorf("partition %d, offset %d: %w", m.Partition, m.Offset, err)
	case at.Source != p.source:
		return nil
	case int(at.Shards) != shards:
		return fmt.Errorf("the source %s ran with %d shards before, and now has %d: let it publish everything with the old number, "+
			"then delete its positions or give it another name", p.source, at.Shards, shards)
	}
	found[at.Stream] = committedPosition{value: at.Position, shard: int(at.Shard), writer: at.Writer}
	return nil
}
