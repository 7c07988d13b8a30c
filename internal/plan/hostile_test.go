package plan_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/internal/sample/hostile"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// levels is the number of levels at which the records of these tests double.
// Work that doubles with each level never ends.
const levels = 40

// lattice returns a record whose inner records double with each level, down to
// leaf.
func lattice(leaf string) string {
	s := fmt.Sprintf(`{"type":"record","name":"Z%d","fields":%s}`, levels, leaf)
	for i := levels - 1; i >= 0; i-- {
		s = fmt.Sprintf(`{"type":"record","name":"Z%d","fields":[{"name":"a","type":%s},{"name":"b","type":"Z%d"}]}`, i, s, i+1)
	}
	return s
}

func record(fields string) string {
	return `{"type":"record","name":"hostile.Lattice","fields":[` + fields + `]}`
}

// TestRecordsOfNoBytes reads records without bytes. Such a record may contain
// more inner records than any data has bytes. Skipping the record, reading it
// and filling in a default must need no work for each inner record. Otherwise
// the reader must refuse the record after a bounded amount of work.
func TestRecordsOfNoBytes(t *testing.T) {
	t.Parallel()
	z := `{"name":"z","type":` + lattice(`[]`) + `}`
	b := `{"name":"b","type":"int"}`
	for _, c := range []struct {
		name, writer, reader, data string
		want                       error // error of rewriting into bytes of the reader
		long                       bool  // the reader's fields take bytes without end
	}{
		{"skipped", record(z + "," + b), record(b), "\x02", nil, false},
		{"kept", record(z + "," + b), record(z + "," + b), "\x02", plan.ErrInvalid, false},
		{"skipped in an array", record(b + `,{"name":"l","type":{"type":"array","items":` + lattice(`[]`) + `}}`), record(b), "\x02\x80\x01\x00", nil, false},
		{"in an array", record(`{"name":"l","type":{"type":"array","items":` + lattice(`[]`) + `}}`), record(`{"name":"l","type":{"type":"array","items":` + lattice(`[]`) + `}}`), "\x04\x00", plan.ErrInvalid, false},
		{"behind a union", record(`{"name":"z","type":["null",` + lattice(`[]`) + `]}`), record(`{"name":"z","type":[` + lattice(`[]`) + `,"null"]}`), "\x02", plan.ErrInvalid, false},
		{"with a default of no bytes at the leaf", record(z), record(`{"name":"z","type":` + lattice(`[{"name":"n","type":"null","default":null}]`) + `}`), "", plan.ErrInvalid, false},
		{"with a default of some bytes at the leaf", record(z), record(`{"name":"z","type":` + lattice(`[{"name":"n","type":"int","default":1}]`) + `}`), "", plan.ErrUnreadable, true},
		{"with a leaf that is gone", record(`{"name":"z","type":` + lattice(`[{"name":"n","type":"null"}]`) + `}`), record(z), "", plan.ErrInvalid, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, r := parse(t, c.writer), parse(t, c.reader)
			p, err := resolve.Resolve(w, r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Append(nil, []byte(c.data)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if own, err := serde.NewGeneric(c.writer); err != nil {
				t.Error(err)
			} else if _, err := own.Decode([]byte(c.data)); !errors.Is(err, plan.ErrInvalid) {
				t.Errorf("serde.Generic: %v", err)
			}
		})
	}
}

// TestGeneratedRecordsOfNoBytes checks that a generated type does no work for
// values without bytes. The test covers every way of reading and writing.
func TestGeneratedRecordsOfNoBytes(t *testing.T) {
	t.Parallel()
	own := parse(t, hostile.LatticeSchema)
	older := parse(t, strings.Replace(hostile.LatticeSchema, `{"name":"b","type":"int"}`, `{"name":"c","type":"string"},{"name":"b","type":"int"}`, 1))
	v := hostile.Lattice{B: 7}
	data, err := v.AppendAvro(nil)
	if err != nil || string(data) != "\x0e" {
		t.Fatalf("%x, %v", data, err)
	}
	var got hostile.Lattice
	if err := got.UnmarshalAvro(data); err != nil || got.B != 7 {
		t.Errorf("%d, %v", got.B, err)
	}
	for _, c := range []struct {
		writer *avsc.Schema
		data   string
	}{{own, "\x0e"}, {older, "\x02x\x0e"}} {
		p, err := resolve.Resolve(c.writer, own)
		if err != nil {
			t.Fatal(err)
		}
		got = hostile.Lattice{}
		if err := got.UnmarshalAvroPlan(p, []byte(c.data)); err != nil || got.B != 7 {
			t.Errorf("%d, %v", got.B, err)
		}
	}
}

// TestWideReaders reads data with a record type of 300 fields that the writer
// does not have. Each record takes one byte in the data. Memory stays within
// the limit, because the limit is checked before each allocation. The test is
// not parallel, because it measures the whole process.
func TestWideReaders(t *testing.T) {
	writer := parse(t, `{"type":"record","name":"hostile.Items","fields":[{"name":"items","type":
		{"type":"array","items":{"type":"record","name":"Item","fields":[{"name":"b","type":"int"}]}}}]}`)
	reader := parse(t, hostile.ItemsSchema)
	p, err := resolve.Resolve(writer, reader)
	if err != nil {
		t.Fatal(err)
	}
	message := func(items int) []byte {
		data := avrobin.AppendLong(nil, int64(items))
		return append(append(data, make([]byte, items)...), 0)
	}
	allocated := func(p *avrobin.Plan, items int) (uint64, error) {
		var before, after runtime.MemStats
		data := message(items)
		runtime.ReadMemStats(&before)
		var v hostile.Items
		err := v.UnmarshalAvroPlan(p, data)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc, err
	}
	// 10,000 items take 24 MB, well below 64 MiB. The reader accepts them.
	if _, err := allocated(p, 10_000); err != nil {
		t.Errorf("10,000 items: %v", err)
	}
	// 200,000 items would take 480 MB. The slice is copied while it grows. The
	// slice therefore takes up to four times the limit in all, and three times
	// at once. The race detector adds half of that.
	const items, added, perByte = 200_000, 8 << 20, 8
	limited := p.WithLimit(added, perByte)
	got, err := allocated(limited, items)
	if !errors.Is(err, avrobin.ErrUnreadable) {
		t.Errorf("%d items: %v", items, err)
	}
	if limit := uint64(added + perByte*items); got > 8*limit {
		t.Errorf("%d items took %d bytes, the limit is %d", items, got, limit)
	}
	// Rewritten bytes have the same limit.
	if out, err := p.Append(nil, message(1_000_000)); !errors.Is(err, avrobin.ErrUnreadable) {
		t.Errorf("rewritten into %d bytes, %v", len(out), err)
	}
}

func parse(t *testing.T, text string) *avsc.Schema {
	t.Helper()
	s, err := avsc.Parse("schema", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
