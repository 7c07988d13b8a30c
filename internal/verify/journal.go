// Package verify judges delivery: what a producer was told to send and what it said became of it, against what an
// independent client reads from the log.
package verify

import (
	"fmt"
	"sync"
)

// ID names one message. It must be readable from the record in the log.
type ID struct {
	Producer string // who sent it
	Key      string // sequences rise per producer and key
	Seq      int64
	Tx       string // empty outside transactions
}

func (id ID) String() string {
	s := fmt.Sprintf("%s/%s/%d", id.Producer, id.Key, id.Seq)
	if id.Tx != "" {
		s += " in " + id.Tx
	}
	return s
}

// Outcome is what the producer said of a message.
type Outcome uint8

// The outcomes.
const (
	None Outcome = iota // it said nothing
	Acked
	NotSent
	Unknown
)

func (o Outcome) String() string { return [...]string{"no outcome", "acked", "not sent", "unknown"}[o] }

// End is what was said of a transaction.
type End uint8

// The ends of a transaction.
const (
	Open End = iota
	Committed
	Aborted
	InDoubt // it may have been committed
)

func (e End) String() string { return [...]string{"open", "committed", "aborted", "in doubt"}[e] }

// Journal takes down every send before it is made and every outcome when it is told. It is safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	intents map[ID]*Intent
	txs     map[string]End
	errs    []string
}

// Intent is one message that was about to be sent.
type Intent struct {
	journal   *Journal
	id        ID
	outcome   Outcome
	partition int32
	offset    int64 // -1: not said
}

// NewJournal is an empty one.
func NewJournal() *Journal {
	return &Journal{intents: map[ID]*Intent{}, txs: map[string]End{}}
}

func (j *Journal) violate(format string, args ...any) {
	j.errs = append(j.errs, fmt.Sprintf(format, args...))
}

// Intend is called before the message is given to the producer.
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

func (in *Intent) settle(o Outcome, partition int32, offset int64) {
	j := in.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if in.outcome != None {
		j.violate("%v has two outcomes: %v, then %v", in.id, in.outcome, o)
	}
	in.outcome, in.partition, in.offset = o, partition, offset
}

// Acked says that it was reported delivered there. An offset of -1 was not said.
func (in *Intent) Acked(partition int32, offset int64) { in.settle(Acked, partition, offset) }

// NotSent says that it was reported to be in no log.
func (in *Intent) NotSent() { in.settle(NotSent, 0, -1) }

// Unknown says that nobody knows.
func (in *Intent) Unknown() { in.settle(Unknown, 0, -1) }

// EndTx notes what was said of a transaction; messages of it need no outcome of their own.
func (j *Journal) EndTx(tx string, end End) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if old := j.txs[tx]; old != Open && old != end {
		j.violate("transaction %s ended twice: %v, then %v", tx, old, end)
	}
	j.txs[tx] = end
}
