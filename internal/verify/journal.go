// Package verify checks delivery. The package compares the intended messages of
// a test, the outcomes from the producer, and the records that an independent
// client reads from the log.
package verify

import (
	"fmt"
	"sync"
)

// ID identifies one message. The record in the log must contain the id.
type ID struct {
	Producer string
	Key      string
	Seq      int64  // rises by producer and key
	Tx       string // empty outside transactions
}

func (id ID) String() string {
	s := fmt.Sprintf("%s/%s/%d", id.Producer, id.Key, id.Seq)
	if id.Tx != "" {
		s += " in " + id.Tx
	}
	return s
}

// Outcome is the producer's outcome for a message.
type Outcome uint8

// The outcomes.
const (
	None Outcome = iota // nothing was reported yet
	Acked
	NotSent
	Unknown
)

func (o Outcome) String() string { return [...]string{"no outcome", "acked", "not sent", "unknown"}[o] }

// End is the reported end of a transaction.
type End uint8

// The ends of a transaction.
const (
	Open End = iota
	Committed
	Aborted
	InDoubt // the transaction may be committed
)

func (e End) String() string { return [...]string{"open", "committed", "aborted", "in doubt"}[e] }

// Journal records every message before the send, and every outcome after the
// producer has reported the outcome. A Journal is safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	intents map[ID]*Intent
	txs     map[string]End
	errs    []string

	requireOffsets bool
}

// Intent is a message before the send.
type Intent struct {
	journal   *Journal
	id        ID
	outcome   Outcome
	partition int32
	offset    int64 // -1 if none was reported
}

// NewJournal returns an empty journal.
func NewJournal() *Journal {
	return &Journal{intents: map[ID]*Intent{}, txs: map[string]End{}}
}

// RequireOffsets makes a delivery without an offset a fault. Call it before the
// first message. Do not call it for acks 0, where no broker names an offset.
func (j *Journal) RequireOffsets() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requireOffsets = true
}

// violate records a wrong call of the journal.
func (j *Journal) violate(format string, args ...any) {
	j.errs = append(j.errs, fmt.Sprintf(format, args...))
}

// Intend records a message. Call it before you give the message to the
// producer.
func (j *Journal) Intend(id ID) *Intent {
	j.mu.Lock()
	defer j.mu.Unlock()
	in := &Intent{journal: j, id: id, offset: -1}
	if j.intents[id] != nil {
		j.violate("%v was intended twice: the test's own mistake", id)
	}
	j.intents[id] = in
	return in
}

func (in *Intent) setOutcome(o Outcome, partition int32, offset int64) {
	j := in.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if in.outcome != None {
		j.violate("%v has two outcomes: %v, then %v", in.id, in.outcome, o)
	}
	in.outcome, in.partition, in.offset = o, partition, offset
}

// Acked records a delivery. The offset is -1 if the producer named none.
func (in *Intent) Acked(partition int32, offset int64) { in.setOutcome(Acked, partition, offset) }

// NotSent records the outcome "not sent". The message is in no log.
func (in *Intent) NotSent() { in.setOutcome(NotSent, 0, -1) }

// Unknown records the outcome "unknown".
func (in *Intent) Unknown() { in.setOutcome(Unknown, 0, -1) }

// EndTx records the end of a transaction. The messages of a transaction need no
// outcome of their own.
func (j *Journal) EndTx(tx string, end End) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if old := j.txs[tx]; old != Open && old != end {
		j.violate("transaction %s ended twice: %v, then %v", tx, old, end)
	}
	j.txs[tx] = end
}
