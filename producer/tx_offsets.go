package producer

import (
	"context"

	"github.com/avroline/avroline/producer/internal/transport"
)

// GroupOffset is an offset of a consumer group for [Tx.SendOffsets]. The offset
// is one more than the offset of the last processed message.
type GroupOffset = transport.GroupOffset

// GroupMember identifies a member of a consumer group. With it the coordinator
// refuses the offsets of a member that was replaced. Library takes the metadata
// value of the client library, for example the *kafka.ConsumerGroupMetadata of
// a confluent-kafka-go consumer.
type GroupMember = transport.GroupMember

// SendOffsets puts offsets of a consumer group into the transaction (KIP-447).
// The offsets are committed with the messages, or not at all. SendOffsets is
// for a caller with its own consumer. A processor sends offsets itself. After
// an error the transaction can only abort.
func (tx *Tx) SendOffsets(ctx context.Context, offsets []GroupOffset, member GroupMember) error {
	tx.mu.RLock()
	defer tx.mu.RUnlock()
	if tx.ended {
		return ErrTxEnded
	}
	tx.first.CompareAndSwap(0, tx.core.now())
	err := tx.client.transport.SendOffsets(ctx, offsets, member)
	if err != nil {
		tx.broken.CompareAndSwap(nil, &err)
	}
	return err
}
