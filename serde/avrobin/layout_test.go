package avrobin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/sample"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// olderVersion returns another version of a schema. Fields change their order,
// disappear or are added. Numbers become narrower. Symbols and branches become
// fewer and change their order.
func olderVersion(r *rand.Rand, schema string) string {
	var s any
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		panic(err)
	}
	text, err := json.Marshal(olderType(r, s))
	if err != nil {
		panic(err)
	}
	return string(text)
}

func olderType(r *rand.Rand, s any) any {
	few := r.IntN(8) == 0
	switch s := s.(type) {
	case string:
		narrower := map[string][]string{
			"double": {"float", "int", "long"}, "float": {"int", "long"}, "long": {"int"}, "string": {"bytes"}, "bytes": {"string"},
		}[s]
		if few && narrower != nil {
			return narrower[r.IntN(len(narrower))]
		}
	case []any:
		for i := range s {
			s[i] = olderType(r, s[i])
		}
		if few {
			r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
			s = s[:1+r.IntN(len(s))]
		}
		return s
	case map[string]any:
		for _, k := range []string{"items", "values"} {
			if s[k] != nil {
				s[k] = olderType(r, s[k])
			}
		}
		if symbols, ok := s["symbols"].([]any); ok && few {
			r.Shuffle(len(symbols), func(i, j int) { symbols[i], symbols[j] = symbols[j], symbols[i] })
		}
		if s["fields"] == nil {
			return s
		}
		var fields []any
		for _, f := range s["fields"].([]any) {
			f := f.(map[string]any)
			if r.IntN(12) == 0 {
				types := []string{`"string"`, `"long"`, `"int"`, `"boolean"`, `"double"`, `["null","string"]`, `{"type":"array","items":"int"}`}
				var t any
				if err := json.Unmarshal([]byte(types[r.IntN(len(types))]), &t); err != nil {
					panic(err)
				}
				fields = append(fields, map[string]any{"name": "gone_" + f["name"].(string), "type": t})
			}
			if _, has := f["default"]; has && r.IntN(4) == 0 {
				continue
			}
			f["type"] = olderType(r, f["type"])
			delete(f, "default")
			fields = append(fields, f)
		}
		if few {
			i, j := r.IntN(len(fields)), r.IntN(len(fields))
			fields[i], fields[j] = fields[j], fields[i]
		}
		s["fields"] = fields
	}
	return s
}

// decoder is a generated record.
type decoder interface {
	avrobin.Decoder
	avrobin.LayoutReader
}

// FuzzUnmarshalPlan reads any bytes of another version of a schema in a single
// pass and through rewriting. The values must be equal, and both ways must
// refuse the same data. readsSame allows two exceptions.
func FuzzUnmarshalPlan(f *testing.F) {
	everything, err := everyKind().AppendAvro(nil)
	if err != nil {
		f.Fatal(err)
	}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		if data, _ := writtenBy(r, olderVersion(r, sample.EverythingSchema)); data != nil {
			f.Add(seed, data)
		}
	}
	f.Add(uint64(1), everything)
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		r := rand.New(rand.NewPCG(seed, 0))
		p, err := serde.Resolve(olderVersion(r, sample.EverythingSchema), sample.EverythingSchema)
		if err == nil {
			readsSame(t, p, data, func() decoder { return new(sample.Everything) })
		}
		if p, err = serde.Resolve(olderVersion(r, (*sample.Tree)(nil).AvroSchema()), (*sample.Tree)(nil).AvroSchema()); err == nil {
			readsSame(t, p, data, func() decoder { return new(sample.Tree) })
		}
	})
}

// writtenBy returns a random value of a schema, or nil if the schema has only
// endless values.
func writtenBy(r *rand.Rand, schema string) ([]byte, error) {
	s, err := avsc.Parse("older", []byte(schema))
	if err != nil || schemagen.Infinite(s) {
		return nil, err
	}
	return schemagen.AppendValue(nil, r, s), nil
}

// readsSame reads data through p in one pass and in two.
func readsSame(t *testing.T, p *avrobin.Plan, data []byte, make func() decoder) (read bool) {
	t.Helper()
	want, got := make(), make()
	today, wantErr := p.Append(nil, data)
	if wantErr == nil {
		wantErr = want.UnmarshalAvro(today)
	}
	err := got.UnmarshalAvroPlan(p, data)
	if err != nil {
		var e *avrobin.Error
		if !errors.As(err, &e) || e.Offset < -1 || e.Offset > len(data) {
			t.Fatalf("%T %v", err, err)
		}
	}
	if (err == nil) != (wantErr == nil) {
		// Rewriting refuses a block with a wrong size, and counts lists as
		// levels of depth.
		if wantErr == nil || !strings.Contains(wantErr.Error(), "that says it has") && !errors.Is(wantErr, avrobin.ErrDepth) {
			t.Fatalf("%x: %v; in two passes: %v", data, err, wantErr)
		}
	}
	if err != nil || wantErr != nil {
		return false
	}
	a, errA := want.AppendAvro(nil)
	b, errB := got.AppendAvro(nil)
	if (errA == nil) != (errB == nil) || !bytes.Equal(a, b) {
		t.Fatalf("%x is read as %x (%v); in two passes as %x (%v)", data, b, errB, a, errA)
	}
	return true
}

// TestSinglePassReadsLikeRewriting reads data of older versions of a schema:
// whole, cut short, and with a changed byte.
func TestSinglePassReadsLikeRewriting(t *testing.T) {
	t.Parallel()
	var read, refused int
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 1))
		old := olderVersion(r, sample.EverythingSchema)
		p, err := serde.Resolve(old, sample.EverythingSchema)
		if err != nil {
			continue
		}
		data, err := writtenBy(r, old)
		if err != nil {
			t.Fatal(err)
		}
		if data == nil {
			continue
		}
		for k := range 40 {
			in := bytes.Clone(data)
			if k > 0 {
				in[r.IntN(len(in))] ^= byte(1 + r.IntN(255))
			}
			if k > 30 {
				in = in[:r.IntN(len(in))]
			}
			if readsSame(t, p, in, func() decoder { return new(sample.Everything) }) {
				read++
			} else {
				refused++
			}
		}
	}
	t.Logf("%d read, %d refused", read, refused)
	if min(read, refused) < 100 {
		t.Errorf("only %d read and %d refused: the versions do not try enough", read, refused)
	}
}

// everythingWith returns the schema of Everything with changed fields.
func everythingWith(t *testing.T, change func(fields []any) []any) string {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal([]byte(sample.EverythingSchema), &s); err != nil {
		t.Fatal(err)
	}
	s["fields"] = change(s["fields"].([]any))
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPromotedRange checks that a promoted number must be in the range of the
// writer's type.
func TestPromotedRange(t *testing.T) {
	t.Parallel()
	const flagAndSmall, large, single, double = 2, 1, 4, 8 // sizes
	v := everyKind()
	v.Large = 0
	now, err := v.AppendAvro(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field, narrow string
		at, size      int
		want          func(v *sample.Everything) bool
	}{
		{"large", "int", flagAndSmall, large, func(v *sample.Everything) bool { return v.Large == -300 }},
		{"single", "int", flagAndSmall + large, single, func(v *sample.Everything) bool { return v.Single == -300 }},
		{"double", "int", flagAndSmall + large + single, double, func(v *sample.Everything) bool { return v.Double == -300 }},
		{"double", "long", flagAndSmall + large + single, double, func(v *sample.Everything) bool { return v.Double == -300 }},
	} {
		p, err := serde.Resolve(everythingWith(t, func(fields []any) []any {
			for _, f := range fields {
				if f := f.(map[string]any); f["name"] == c.field {
					f["type"] = c.narrow
				}
			}
			return fields
		}), sample.EverythingSchema)
		if err != nil {
			t.Fatal(err)
		}
		read := func(n int64) (*sample.Everything, error) {
			data := avrobin.AppendLong(bytes.Clone(now[:c.at]), n)
			v := new(sample.Everything)
			return v, v.UnmarshalAvroPlan(p, append(data, now[c.at+c.size:]...))
		}
		if v, err := read(-300); err != nil || !c.want(v) {
			t.Errorf("%s of %s: %v", c.field, c.narrow, err)
		}
		_, err = read(1 << 40)
		if c.narrow == "long" {
			if err != nil {
				t.Errorf("%s of %s: %v", c.field, c.narrow, err)
			}
			continue
		}
		var e *avrobin.Error
		if !errors.As(err, &e) || e.Path != c.field || e.Offset != c.at || !errors.Is(err, avrobin.ErrInvalid) {
			t.Errorf("%s: an int of 2^40: %v", c.field, err)
		}
	}
}

// TestBlockOfOlderVersion checks that the size of the writer's elements bounds
// the number of elements in a block.
func TestBlockOfOlderVersion(t *testing.T) {
	t.Parallel()
	const gone = 100 // bytes of a field that every child has
	p, err := serde.Resolve(`{"type":"record","name":"Tree","namespace":"sample","fields":[
		{"name":"name","type":"string"},{"name":"gone","type":{"type":"fixed","name":"Gone","size":100}},
		{"name":"children","type":{"type":"array","items":"Tree"}},{"name":"by_name","type":{"type":"map","values":"Tree"}},
		{"name":"next","type":["null","Tree","string"]}]}`, (*sample.Tree)(nil).AvroSchema())
	if err != nil {
		t.Fatal(err)
	}
	child := make([]byte, 1+gone+3)
	data := append(slices.Concat(make([]byte, 1+gone), []byte{4}, child, child), 0, 0, 0)
	v := new(sample.Tree)
	if err := v.UnmarshalAvroPlan(p, data); err != nil || len(v.Children) != 2 {
		t.Fatalf("two children: %d, %v", len(v.Children), err)
	}
	data[1+gone] = 6 // three
	if err := v.UnmarshalAvroPlan(p, data); !errors.Is(err, avrobin.ErrTruncated) || !strings.Contains(err.Error(), "a block of 3 elements") {
		t.Errorf("three children where two have room: %v", err)
	}
}

// TestReaderOnlySymbolsAreRefused checks that a writer cannot use a symbol or a
// branch that only the reader has.
func TestReaderOnlySymbolsAreRefused(t *testing.T) {
	t.Parallel()
	old := everythingWith(t, func(fields []any) []any {
		for _, f := range fields {
			switch f := f.(map[string]any); f["name"] {
			case "suit":
				f["type"].(map[string]any)["symbols"] = []string{"CLUBS"}
			case "must":
				f["type"] = []string{"int"}
			}
		}
		return fields
	})
	p, err := serde.Resolve(old, sample.EverythingSchema)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "suit", "must"} {
		v := everyKind()
		v.Suit, v.Must = sample.SuitClubs, sample.EverythingMustInt{Value: 1}
		switch path {
		case "suit":
			v.Suit = sample.SuitHearts
		case "must":
			v.Must = sample.EverythingMustString{Value: "m"}
		}
		data, err := v.AppendAvro(nil)
		if err != nil {
			t.Fatal(err)
		}
		got := new(sample.Everything)
		err = got.UnmarshalAvroPlan(p, data)
		var e *avrobin.Error
		switch {
		case path == "":
			if err != nil || !got.Equal(v) {
				t.Errorf("what both have: %v", err)
			}
		case !errors.As(err, &e) || e.Path != path || e.Offset < 0 || !errors.Is(err, avrobin.ErrInvalid):
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestDefaultsAreNotShared checks that each value gets its own copy of default
// bytes.
func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	old := everythingWith(t, func(fields []any) []any {
		return slices.DeleteFunc(fields, func(f any) bool { return f.(map[string]any)["name"] == "data" })
	})
	back, err := serde.Resolve(sample.EverythingSchema, old)
	if err != nil {
		t.Fatal(err)
	}
	now, err := everyKind().AppendAvro(nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := back.Append(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	p, err := serde.Resolve(old, sample.EverythingSchema)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var v sample.Everything
		if err := v.UnmarshalAvroPlan(p, data); err != nil || string(v.Data) != "\xff" {
			t.Fatalf("%x, %v", v.Data, err)
		}
		v.Data[0] = 0
	}
}

// TestHostileOlderData checks that data of an older version with large claims
// is refused in little memory.
func TestHostileOlderData(t *testing.T) {
	const old = `{"type":"record","name":"Tree","namespace":"sample","fields":[
			{"name":"next","type":["null","Tree","string"]},{"name":"name","type":"bytes"},{"name":"gone","type":"long"},
			{"name":"children","type":{"type":"array","items":"Tree"}},{"name":"by_name","type":{"type":"map","values":"Tree"}}]}`
	p, err := serde.Resolve(old, (*sample.Tree)(nil).AvroSchema())
	if err != nil {
		t.Fatal(err)
	}
	sound := []byte("\x00\x02x\x00\x00\x00")
	if !readsSame(t, p, sound, func() decoder { return new(sample.Tree) }) {
		t.Error("a sound tree is refused")
	}
	for name, data := range map[string][]byte{
		"children in children": []byte(strings.Repeat("\x00\x00\x00\x02", 200_000)),
		"next and next":        []byte(strings.Repeat("\x02", 200_000)),
		"many children": func() (b []byte) {
			for range 900 {
				b = avrobin.AppendLong(append(b, 0, 0, 0), 200_000)
			}
			return append(b, make([]byte, 1_000_000)...)
		}(),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := new(sample.Tree).UnmarshalAvroPlan(p, data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(16<<20+128*len(data)) {
			t.Errorf("%s: %d bytes take %d (%v)", name, len(data), used, err)
		}
	}
}
