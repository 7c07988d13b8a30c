package verify

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// decodeTest reads "producer/key/seq/tx" from the value.
func decodeTest(r *kgo.Record) (id ID, ok bool, err error) {
	f := strings.Split(string(r.Value), "/")
	if len(f) != 4 {
		return ID{}, false, errors.New("not a test record")
	}
	if _, err := fmt.Sscan(f[2], &id.Seq); err != nil {
		return ID{}, false, err
	}
	id.Producer, id.Key, id.Tx = f[0], f[1], f[3]
	return id, id.Producer != "other run", nil
}

func logOf(values ...string) iter.Seq2[*kgo.Record, error] {
	return func(yield func(*kgo.Record, error) bool) {
		for i, v := range values {
			if !yield(&kgo.Record{Topic: "t", Offset: int64(i), Value: []byte(v)}, nil) {
				return
			}
		}
	}
}

// correctRun returns a run without a fault: p/k/0 to p/k/5 with every outcome,
// and three transactions.
func correctRun() (*Journal, []string) {
	j := NewJournal()
	for seq := range int64(3) {
		j.Intend(ID{Producer: "p", Key: "k", Seq: seq}).Acked(0, seq)
	}
	j.Intend(ID{Producer: "p", Key: "k", Seq: 3}).NotSent()
	j.Intend(ID{Producer: "p", Key: "k", Seq: 4}).Unknown()
	j.Intend(ID{Producer: "p", Key: "k", Seq: 5}).Unknown()
	for i, tx := range []string{"committed", "aborted", "doubt"} {
		for seq := range int64(2) {
			j.Intend(ID{Producer: "q", Key: "k", Seq: int64(i)*2 + seq, Tx: tx})
		}
	}
	j.EndTx("committed", Committed)
	j.EndTx("aborted", Aborted)
	j.EndTx("doubt", InDoubt)
	return j, []string{"p/k/0/", "p/k/1/", "p/k/2/", "p/k/5/", "q/k/0/committed", "q/k/1/committed", "other run/k/9/"}
}

func TestCorrectRunHasNoFault(t *testing.T) {
	t.Parallel()
	j, log := correctRun()
	r, err := j.Compare(decodeTest, logOf(log...))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	want := Report{Intents: 12, Acked: 3, NotSent: 1, Unknown: 2, UnknownInLog: 1, Read: 6, Committed: 1, Aborted: 1, InDoubt: 1}
	if got := *r; got.String() != want.String() {
		t.Errorf("got  %v\nwant %v", &got, &want)
	}
}

// TestForgedFaultsAreFound forges one fault after another into a correct run.
// The comparison must find each fault and count it under its name.
func TestForgedFaultsAreFound(t *testing.T) {
	t.Parallel()
	without := func(log []string, v string) []string {
		var out []string
		for _, l := range log {
			if l != v {
				out = append(out, l)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		forge func(j *Journal, log []string) []string
		count func(*Report) int
	}{
		"an acked one lost": {
			func(_ *Journal, log []string) []string { return without(log, "p/k/2/") },
			func(r *Report) int { return r.Lost },
		},
		"an acked one twice": {
			func(_ *Journal, log []string) []string { return append(log, "p/k/2/") },
			func(r *Report) int { return min(r.Twice, r.AckedTwice) },
		},
		"an unknown one twice": {
			func(_ *Journal, log []string) []string { return append(log, "p/k/5/") },
			func(r *Report) int { return r.Twice - r.AckedTwice },
		},
		"two changed places": {
			func(_ *Journal, log []string) []string { log[0], log[1] = log[1], log[0]; return log },
			func(r *Report) int { return min(r.OutOfOrder, r.Misplaced) },
		},
		"not sent, yet there": {
			func(_ *Journal, log []string) []string { return append(log, "p/k/3/") },
			func(r *Report) int { return r.Denied },
		},
		"a wrong offset": {
			func(j *Journal, log []string) []string {
				j.intents[ID{Producer: "p", Key: "k", Seq: 2}].offset = 7
				return log
			},
			func(r *Report) int { return r.Misplaced },
		},
		"a delivery without an offset": {
			func(j *Journal, log []string) []string {
				j.RequireOffsets()
				j.intents[ID{Producer: "p", Key: "k", Seq: 2}].offset = -1
				return log
			},
			func(r *Report) int { return r.Unplaced },
		},
		"an offset where another record lies": {
			func(j *Journal, log []string) []string {
				j.intents[ID{Producer: "p", Key: "k", Seq: 2}].offset = 1
				return log
			},
			func(r *Report) int { return r.Misplaced },
		},
		"a stranger": {
			func(_ *Journal, log []string) []string { return append(log, "p/k/99/") },
			func(r *Report) int { return r.Strange },
		},
		"no outcome": {
			func(j *Journal, log []string) []string { j.Intend(ID{Producer: "p", Key: "k", Seq: 6}); return log },
			func(r *Report) int { return r.Undecided },
		},
		"an aborted one visible": {
			func(_ *Journal, log []string) []string { return append(log, "q/k/2/aborted") },
			func(r *Report) int { return r.Denied },
		},
		"a committed one lost": {
			func(_ *Journal, log []string) []string { return without(log, "q/k/1/committed") },
			func(r *Report) int { return r.Lost },
		},
		"a torn transaction": {
			func(_ *Journal, log []string) []string { return append(log, "q/k/4/doubt") },
			func(r *Report) int { return r.Torn },
		},
		"a transaction without an end": {
			func(j *Journal, log []string) []string {
				j.Intend(ID{Producer: "q", Key: "k", Seq: 9, Tx: "open"})
				return log
			},
			func(r *Report) int { return r.Undecided },
		},
		"two outcomes": {
			func(j *Journal, log []string) []string {
				j.intents[ID{Producer: "p", Key: "k", Seq: 5}].Unknown()
				return log
			},
			func(r *Report) int { return len(r.Examples) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, log := correctRun()
			r, err := j.Compare(decodeTest, logOf(c.forge(j, log)...))
			if err != nil {
				t.Fatal(err)
			}
			if c.count(r) == 0 || r.Err() == nil {
				t.Errorf("not found: %v", r)
			}
		})
	}
}
