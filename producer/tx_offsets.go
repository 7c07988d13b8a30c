package producer

import (
	"context"

	"github.com/avroline/avroline/producer/internal/transport"
)

// GroupOffset is an offset of a consumer group, as [Tx.SendOffsets] commits it:
// one more than the offset of the last message that was processed.
type GroupOffset = transport.GroupOffset

// GroupMember identifies a member of a consumer group, so that the coordinator
// refuses the offsets of a member that was replaced. Library takes what the
// client library itself hands out, for instance the
// *kafka.ConsumerGroupMetadata of a confluent-kafka-go consumer.
type GroupMember = transport.GroupMember

// SendOffsets puts offsets of a consumer group into the transaction (KIP-447), so
// that they are committed with its messages or not at all. It is for a consumer
// of the caller's own; a processor does so by itself. After an error the
// transaction can only be aborted.
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
