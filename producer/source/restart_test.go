package source_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/copytest"
	"github.com/avroline/avroline/producer/source"
)

// restarts runs sources with the same name and counts how often each line is
// in the topic.
type restarts struct {
	*copytest.KafkaEnv
	reg                      *workload.Registry
	name, topic, checkpoints string
	logs                     []string
}

func newRestarts(t *testing.T, logs ...string) *restarts {
	t.Helper()
	w := copytest.Brokers(t)
	return &restarts{
		KafkaEnv: w, reg: &workload.Registry{}, name: copytest.NewID(t),
		topic: w.Topic("lines", 1), checkpoints: compacted(w, 2), logs: logs,
	}
}

// run runs a source to the end of its files. each is called before a line is
// published.
func (r *restarts) run(each func(n int64) error, opts ...source.Option) error {
	r.Helper()
	out := producer.NewTopic(r.topic, producer.KeyBy(copytest.ByKey))
	s := lines(r.KafkaEnv, r.reg, r.name, r.checkpoints, r.logs, opts...)
	defer func() {
		if err := s.Close(copytest.Ctx(r)); err != nil {
			r.Error(err)
		}
	}()
	return s.Run(copytest.Ctx(r), func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		e, err := parse(l)
		if err == nil && each != nil {
			err = each(e.Seq)
		}
		if err != nil {
			return err
		}
		return out.Add(ctx, tx, e)
	})
}

// want checks how often each line is in the topic. want(2, 1) wants line 0
// twice and line 1 once.
func (r *restarts) want(times ...int) {
	r.Helper()
	found := map[int64]int{}
	for _, e := range r.Committed(r.topic) {
		found[e.Seq]++
	}
	for i, n := range times {
		if found[int64(i)] != n {
			r.Errorf("line %d is in the topic %d times, want %d", i, found[int64(i)], n)
			return
		}
	}
	if len(found) > len(times) {
		r.Errorf("%d different lines, want %d", len(found), len(times))
	}
}

// repeat returns a slice in which each value follows its count.
func repeat(countsAndValues ...int) (out []int) {
	for i := 0; i < len(countsAndValues); i += 2 {
		for range countsAndValues[i] {
			out = append(out, countsAndValues[i+1])
		}
	}
	return out
}

// TestRestart publishes two files again from the beginning. Temporary errors
// and a stop during the restart do not bring back the positions of earlier
// runs.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	writeLines(t, a, 0, 120)
	writeLines(t, b, 120, 200)
	r := newRestarts(t, a, b)
	if err := r.run(nil); err != nil {
		t.Fatal(err)
	}
	r.want(repeat(200, 1)...)

	failed := map[int64]bool{}
	once := func(n int64) error {
		if (n == 10 || n == 110) && !failed[n] { // in the first transaction, and in a later transaction
			failed[n] = true
			return source.Temporary(copytest.ErrOnPurpose)
		}
		return nil
	}
	if err := r.run(once, source.Restart()); err != nil {
		t.Fatal(err)
	}
	r.want(repeat(200, 2)...)

	writeLines(t, a, 200, 210) // the next run continues behind the restarted run
	if err := r.run(nil); err != nil {
		t.Fatal(err)
	}
	r.want(repeat(200, 2, 10, 1)...)

	stop := func(n int64) error {
		if n == 60 {
			return copytest.ErrOnPurpose
		}
		return nil
	}
	if err := r.run(stop, source.Restart()); err == nil {
		t.Fatal("the function's error did not end Run")
	}
	r.want(repeat(50, 3, 150, 2, 10, 1)...)
	if err := r.run(nil); err != nil {
		t.Fatal(err)
	}
	r.want(repeat(200, 3, 10, 2)...)
}

// TestPartitionsAdded adds partitions to the topic of positions between runs.
// The next runs still find the newest position.
func TestPartitionsAdded(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	r := newRestarts(t, log)
	if r.Fake == nil {
		t.Skip("adds partitions to the embedded broker")
	}
	for i := range 8 {
		writeLines(t, log, 10*i, 10*i+10)
		if err := r.run(nil); err != nil {
			t.Fatal(err)
		}
		if err := r.Fake.AddPartitions(r.checkpoints, i+3); err != nil {
			t.Fatal(err)
		}
	}
	r.want(repeat(80, 1)...)
}

// TestDeletedPosition deletes a position by a tombstone. The next run reads the
// file from the beginning, although the topic still has the deleted record.
func TestDeletedPosition(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 10)
	r := newRestarts(t, log)
	if err := r.run(nil); err != nil {
		t.Fatal(err)
	}
	for _, position := range r.Records(r.checkpoints) {
		r.Delete(r.checkpoints, position)
	}
	if err := r.run(nil); err != nil {
		t.Fatal(err)
	}
	r.want(repeat(10, 2)...)
}

// TestPositionsExpire uses topics of positions whose brokers delete old
// messages. After the deletion, a run would publish everything again.
func TestPositionsExpire(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		settings []string
		refused  bool
	}{
		{[]string{"cleanup.policy", "delete"}, true},
		{nil, true}, // the default of the brokers
		{[]string{"cleanup.policy", "compact,delete"}, true},
		{[]string{"cleanup.policy", "delete", "retention.ms", "-1"}, false},
		{[]string{"cleanup.policy", "compact"}, false},
	} {
		t.Run(strings.Join(tc.settings, " "), func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "log")
			writeLines(t, log, 0, 10)
			r := newRestarts(t, log)
			r.checkpoints = r.Topic("expire", 1, tc.settings...)
			err := r.run(nil)
			if !tc.refused {
				if err != nil {
					t.Fatal(err)
				}
				r.want(repeat(10, 1)...)
				return
			}
			if err == nil || !strings.Contains(err.Error(), r.checkpoints+": the brokers delete old messages") || !strings.Contains(err.Error(), "cleanup.policy=compact") {
				t.Errorf("got %v", err)
			}
			r.want()
		})
	}
}

// TestDamagedPosition writes a record that is no position into the topic of
// positions. Run names the record. A tombstone with the key of the record
// removes the record, also before the brokers compact the topic.
func TestDamagedPosition(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	writeLines(t, log, 0, 60)
	r := newRestarts(t, log)
	if r.Fake == nil {
		t.Skip("writes to a topic of the embedded broker")
	}
	put := func(value []byte) {
		t.Helper()
		if err := r.Fake.Put(r.checkpoints, []byte("foreign"), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.run(nil); err != nil {
		t.Fatal(err)
	}
	writeLines(t, log, 60, 120)
	put([]byte("no position"))
	if err := r.run(nil); err == nil || !strings.Contains(err.Error(), "offset ") || !strings.Contains(err.Error(), "write a tombstone") {
		t.Errorf("got %v", err)
	}
	put(nil)
	if err := r.run(nil); err != nil {
		t.Fatal(err)
	}
	r.want(repeat(120, 1)...)
}
