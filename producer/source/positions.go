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
// their messages in the log. trouble gets every error that a retry can fix.
func (p *positions) read(ctx context.Context, c *settings.Config, shards int, trouble func(*transport.Error)) (committedPositions, error) {
	log := loggedPositions{}
	err := open.ReadCommitted(ctx, c, p.name, trouble, func(m *transport.ConsumedMessage) error {
		log.add(m)
		return nil
	})
	if err == nil {
		return p.newest(ctx, log, shards)
	}
	var said *transport.Error
	switch {
	case errors.As(err, &said) && said.Code == transport.UnknownTopicOrPartition:
		err = fmt.Errorf("%w: create it with cleanup.policy=compact, or give producer.WithCreateTopics: %w", producer.ErrUnknownTopic, err)
	case ctx.Err() == nil:
		err = open.ExplainDenied(c, err, "Read", p.name)
	}
	return nil, fmt.Errorf("read the positions from topic %s: %w", p.name, err)
}

// loggedPositions are the last records in the topic, by partition and key.
type loggedPositions map[int32]map[string]*transport.ConsumedMessage

// add adds a record to log. A tombstone removes the record with the same key.
func (log loggedPositions) add(m *transport.ConsumedMessage) {
	records := log[m.Partition]
	if records == nil {
		records = map[string]*transport.ConsumedMessage{}
		log[m.Partition] = records
	}
	if records[string(m.Key)] = m; m.Value == nil {
		delete(records, string(m.Key))
	}
}

// newest returns the position of each stream of this source. newest decodes
// only the last record of a key, so a damaged record can be replaced. If two
// partitions have a position of a stream, the position in the partition of the
// shard is the newest. See [partitionOf].
func (p *positions) newest(ctx context.Context, log loggedPositions, shards int) (committedPositions, error) {
	found := committedPositions{}
	for partition, records := range log {
		for _, m := range records {
			at, err := p.position(ctx, m)
			if err != nil {
				return nil, fmt.Errorf("read the positions from topic %s: partition %d, offset %d: %w", p.name, m.Partition, m.Offset, err)
			}
			if at.Source != p.source {
				continue
			}
			if int(at.Shards) != shards {
				return nil, fmt.Errorf("the source %s ran with %d shards before, and now has %d: let it publish everything with the old number, "+
					"then delete its positions or give it another name", p.source, at.Shards, shards)
			}
			if _, known := found[at.Stream]; !known || partition == at.Shard {
				found[at.Stream] = committedPosition{value: at.Position, shard: int(at.Shard), writer: at.Writer}
			}
		}
	}
	return found, nil
}

// position decodes a record.
func (p *positions) position(ctx context.Context, m *transport.ConsumedMessage) (*checkpoint.Position, error) {
	at := new(checkpoint.Position)
	err := p.decode.DecodeInto(ctx, serde.Input{Topic: m.Topic, Part: serde.Value, Data: m.Value, Header: m.Header}, at)
	if err != nil && !errors.Is(err, serde.ErrRegistry) && ctx.Err() == nil {
		err = fmt.Errorf("%w: if another program wrote the record, write a tombstone for its key to the same partition", err)
	}
	return at, err
}

// partitionOf returns the partition of a shard's positions. The hash of the key
// would choose another partition after partitions were added, and the old
// partition would keep an old position.
func partitionOf(shard int) producer.Partition { return producer.ToPartition(int32(shard)) }

// write adds a position to a transaction.
func (p *positions) write(ctx context.Context, tx *producer.Tx, at *checkpoint.Position) error {
	return p.topic.AddMessage(ctx, tx, producer.Message[*checkpoint.Position]{Value: at, Partition: partitionOf(int(at.Shard))})
}

// remove adds a tombstone for the position of a stream to a transaction.
func (p *positions) remove(ctx context.Context, tx *producer.Tx, stream string, shard int) error {
	return p.topic.AddMessage(ctx, tx, producer.Message[*checkpoint.Position]{
		Tombstone: true, Key: producer.RecordKey(&checkpoint.PositionKey{Source: p.source, Stream: stream}), Partition: partitionOf(shard),
	})
}
