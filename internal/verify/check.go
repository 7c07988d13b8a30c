package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/logread"
)

// Report is the result of a comparison. All counts of faults are zero in a
// correct run.
type Report struct {
	Intents, Acked, NotSent, Unknown, Read int
	Committed, Aborted, InDoubt            int // transactions

	// Lost counts acked or committed messages without a record in the log.
	Lost int
	// Twice counts the records beyond the first of each id. AckedTwice counts
	// the ids with such records that were acked.
	Twice, AckedTwice int
	// OutOfOrder counts records with a lower sequence number than an earlier
	// record of the same producer and key.
	OutOfOrder int
	// Denied counts records of messages with the outcome "not sent", and
	// records of aborted transactions.
	Denied int
	// Torn counts transactions in doubt with only a part of their messages in
	// the log.
	Torn int
	// Misplaced counts messages without a record at the offset of their
	// delivery.
	Misplaced int
	// Unplaced counts deliveries without an offset, if the journal requires
	// offsets (see [Journal.RequireOffsets]).
	Unplaced int
	// Strange counts records in the log that nobody intended to send.
	Strange int
	// Undecided counts messages and transactions without an outcome.
	Undecided int
	// UnknownInLog counts messages of unknown outcome with a record in the log.
	// Such messages are no fault.
	UnknownInLog int

	// Examples describe the first faults.
	Examples []string
}

// maxExamples keeps a report readable.
const maxExamples = 20

func (r *Report) fault(count *int, format string, args ...any) {
	*count++
	if len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, fmt.Sprintf(format, args...))
	}
}

// String returns the counts in one line.
func (r *Report) String() string {
	return fmt.Sprintf("intents %d acked %d not-sent %d unknown %d (in the log %d) read %d; transactions committed %d aborted %d in-doubt %d; "+
		"LOST %d TWICE %d (acked %d) DISORDER %d DENIED %d TORN %d MISPLACED %d UNPLACED %d STRANGE %d UNDECIDED %d",
		r.Intents, r.Acked, r.NotSent, r.Unknown, r.UnknownInLog, r.Read, r.Committed, r.Aborted, r.InDoubt,
		r.Lost, r.Twice, r.AckedTwice, r.OutOfOrder, r.Denied, r.Torn, r.Misplaced, r.Unplaced, r.Strange, r.Undecided)
}

// Err is nil for a correct run. Otherwise it holds the counts and the examples.
func (r *Report) Err() error {
	if len(r.Examples) == 0 {
		return nil
	}
	return errors.New(r.String() + "\n\t" + strings.Join(r.Examples, "\n\t"))
}

// Check reads the topics to their end offsets with franz-go in read_committed,
// and compares. Every send must have ended before the call. The function decode
// returns the id of a record. If ok is false, for instance for a record of
// another run, Check leaves the record out.
func (j *Journal) Check(ctx context.Context, brokers []string, topics []string, decode func(*kgo.Record) (id ID, ok bool, err error)) (*Report, error) {
	var records []iter.Seq2[*kgo.Record, error]
	for _, t := range topics {
		records = append(records, logread.All(ctx, brokers, t))
	}
	return j.Compare(decode, records...)
}

// logPosition is the position of a record in a topic.
type logPosition struct {
	partition int32
	offset    int64
}

// copyInLog is one record of an id. If there are two copies, the epochs show
// the cause: the client sent the message again, or two leaders accepted it.
type copyInLog struct {
	partition     int32
	offset        int64
	leaderEpoch   int32
	producer      int64
	producerEpoch int16
}

func (c copyInLog) String() string {
	return fmt.Sprintf("[%d]@%d (leader epoch %d, producer %d/%d)", c.partition, c.offset, c.leaderEpoch, c.producer, c.producerEpoch)
}

// Compare compares like Check, with the records of the caller. The records of a
// partition must come in the order of the log.
func (j *Journal) Compare(decode func(*kgo.Record) (id ID, ok bool, err error), topics ...iter.Seq2[*kgo.Record, error]) (*Report, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := &Report{Intents: len(j.intents)}
	for _, e := range j.errs {
		r.fault(new(int), "%s", e)
	}
	found := map[ID][]copyInLog{}
	there := map[logPosition]ID{}
	type lane struct{ producer, key string }
	newest := map[lane]int64{}
	for _, records := range topics {
		for record, err := range records {
			if err != nil {
				return nil, err
			}
			id, ok, err := decode(record)
			if err != nil {
				return nil, fmt.Errorf("%s[%d]@%d: %w", record.Topic, record.Partition, record.Offset, err)
			}
			if !ok {
				continue
			}
			r.Read++
			at := copyInLog{record.Partition, record.Offset, record.LeaderEpoch, record.ProducerID, record.ProducerEpoch}
			if j.intents[id] == nil {
				r.fault(&r.Strange, "%v at %v was never intended", id, at)
				continue
			}
			l := lane{id.Producer, id.Key}
			if last, seen := newest[l]; seen && id.Seq < last && len(found[id]) == 0 {
				r.fault(&r.OutOfOrder, "%v at %v comes after %d", id, at, last)
			} else if !seen || id.Seq > last {
				newest[l] = id.Seq
			}
			found[id] = append(found[id], at)
			there[logPosition{at.partition, at.offset}] = id
		}
	}
	perTx := map[string][2]int{} // intended, in the log
	for id, in := range j.intents {
		r.compareMessage(j, in, found[id], there)
		if id.Tx != "" {
			n := perTx[id.Tx]
			n[0]++
			n[1] += min(1, len(found[id]))
			perTx[id.Tx] = n
		}
	}
	for tx, n := range perTx {
		switch j.txs[tx] {
		case Committed:
			r.Committed++
		case Aborted:
			r.Aborted++
		case InDoubt:
			r.InDoubt++
			if n[1] != 0 && n[1] != n[0] {
				r.fault(&r.Torn, "transaction %s: %d of %d messages are visible", tx, n[1], n[0])
			}
		case Open:
			r.fault(&r.Undecided, "transaction %s has no end", tx)
		}
	}
	return r, nil
}

// compareMessage compares one message with the log.
func (r *Report) compareMessage(j *Journal, in *Intent, copies []copyInLog, there map[logPosition]ID) {
	if len(copies) > 1 {
		if in.outcome == Acked {
			r.AckedTwice++
		}
		for range copies[1:] {
			r.fault(&r.Twice, "%v (%v) is in the log %d times: %v", in.id, in.outcome, len(copies), copies)
		}
	}
	if in.id.Tx != "" {
		switch end := j.txs[in.id.Tx]; {
		case end == Committed && len(copies) == 0:
			r.fault(&r.Lost, "%v was committed and is not in the log", in.id)
		case end == Aborted && len(copies) > 0:
			r.fault(&r.Denied, "%v was aborted and is visible at %v", in.id, copies)
		}
		return
	}
	switch in.outcome {
	case None:
		r.fault(&r.Undecided, "%v has no outcome (in the log %d times)", in.id, len(copies))
	case Acked:
		r.Acked++
		switch {
		case len(copies) == 0:
			at, holds := logPosition{in.partition, in.offset}, "nothing"
			if other, ok := there[at]; ok {
				holds = other.String()
			}
			r.fault(&r.Lost, "%v was acked at [%d]@%d and is not in the log: %s is there", in.id, in.partition, in.offset, holds)
		case in.offset < 0 && j.requireOffsets:
			r.fault(&r.Unplaced, "%v was reported delivered without an offset and is at %v", in.id, copies)
		case in.offset >= 0 && !contains(copies, in.partition, in.offset):
			r.fault(&r.Misplaced, "%v was reported at [%d]@%d and is at %v", in.id, in.partition, in.offset, copies)
		}
	case NotSent:
		r.NotSent++
		if len(copies) > 0 {
			r.fault(&r.Denied, "%v was reported not sent and is at %v", in.id, copies)
		}
	case Unknown:
		r.Unknown++
		if len(copies) > 0 {
			r.UnknownInLog++
		}
	}
}

func contains(copies []copyInLog, partition int32, offset int64) bool {
	for _, c := range copies {
		if c.partition == partition && c.offset == offset {
			return true
		}
	}
	return false
}
