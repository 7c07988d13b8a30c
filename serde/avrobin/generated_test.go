package avrobin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/avroline/avroline/internal/sample"
	"github.com/avroline/avroline/serde/avrobin"
)

func everyKind() *sample.Everything {
	v := sample.NewEverything()
	v.Text, v.Hash, v.Suit, v.Date = "text", sample.Hash{1, 2, 3, 4}, sample.SuitHearts, -1
	v.TimeMillis, v.TimeMicros = time.Hour, time.Minute
	v.AtMillis, v.AtMicros = time.UnixMilli(-1).UTC(), time.UnixMicro(1).UTC()
	v.AtNanos, v.LocalMillis = new(time.Unix(0, 1).UTC()), time.UnixMilli(0).UTC()
	v.ID, v.RawID = uuid.UUID{1}, uuid.UUID{2}
	v.Price, v.Wide = decimal.New(-128, -2), decimal.RequireFromString("12345678901234567890.0123456789")
	v.FixedPrice, v.Span = decimal.New(1500, -3), avrobin.Duration{Months: 1, Days: 2, Millis: 3}
	v.Maybe, v.MaybeData, v.MaybeTags, v.MaybeHash = new("m"), []byte{}, []string{"a"}, &sample.Hash{9}
	v.Lines = []sample.Line{{Name: "a", Price: decimal.New(1, 0)}, {Name: "b"}}
	v.Matrix, v.Nulls = [][]float64{{1}, {}}, make([]avrobin.Null, 3)
	v.Labels, v.Hashes = map[string]string{"k": "v", "j": ""}, map[string]sample.Hash{"h": {5}}
	v.Either, v.Must = &sample.Line{Name: "c"}, sample.EverythingMustString{Value: "must"}
	v.Mixed = []sample.EverythingMixedItem{nil, &sample.Line{}, sample.EverythingMixedItemBoolean{Value: true}}
	v.Tree = &sample.Tree{
		Children: []sample.Tree{{Name: "child", Next: sample.TreeNextString{Value: "s"}}},
		ByName:   map[string]sample.Tree{"x": {Next: &sample.Tree{}}},
	}
	v.Counts = []int64{0, -1, 300, math.MinInt64, 1 << 60, 7}
	return &v
}

// TestMistakesAreRefusedWithPath checks that each mistake is refused, that dst
// is unchanged, and that the error has the path.
func TestMistakesAreRefusedWithPath(t *testing.T) {
	t.Parallel()
	deep := &sample.Tree{}
	deep.Next = deep // contains itself
	for path, c := range map[string]struct {
		spoil func(*sample.Everything)
		want  error
	}{
		"text":                      {func(v *sample.Everything) { v.Text = "\xff" }, avrobin.ErrText},
		"suit":                      {func(v *sample.Everything) { v.Suit = 2 }, avrobin.ErrRange},
		"time_millis":               {func(v *sample.Everything) { v.TimeMillis = -1 }, avrobin.ErrRange},
		"at_micros":                 {func(v *sample.Everything) { v.AtMicros = time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC) }, avrobin.ErrRange},
		"at_nanos":                  {func(v *sample.Everything) { v.AtNanos = new(time.Time{}) }, avrobin.ErrRange},
		"price":                     {func(v *sample.Everything) { v.Price = decimal.New(1005, -3) }, avrobin.ErrRange},
		"lines[1].price":            {func(v *sample.Everything) { v.Lines[1].Price = decimal.New(1, 9) }, avrobin.ErrRange},
		"maybe":                     {func(v *sample.Everything) { v.Maybe = new("\xc3") }, avrobin.ErrText},
		"maybe_tags[0]":             {func(v *sample.Everything) { v.MaybeTags[0] = "\x80" }, avrobin.ErrText},
		`labels["\x80"]`:            {func(v *sample.Everything) { v.Labels["\x80"] = "" }, avrobin.ErrText},
		`labels["k"]`:               {func(v *sample.Everything) { v.Labels["k"] = "\x80" }, avrobin.ErrText},
		"must":                      {func(v *sample.Everything) { v.Must = nil }, avrobin.ErrBranch},
		"either":                    {func(v *sample.Everything) { v.Either = (*sample.Line)(nil) }, avrobin.ErrNil},
		"mixed[1].name":             {func(v *sample.Everything) { v.Mixed[1] = &sample.Line{Name: "\xff"} }, avrobin.ErrText},
		"tree.children[0].next":     {func(v *sample.Everything) { v.Tree.Children[0].Next = (*sample.Tree)(nil) }, avrobin.ErrNil},
		`tree.by_name["x"].next...`: {func(v *sample.Everything) { v.Tree.ByName["x"] = *deep }, avrobin.ErrDepth},
	} {
		v := everyKind()
		if _, err := v.AppendAvro(nil); err != nil {
			t.Fatal(err)
		}
		c.spoil(v)
		got, err := v.AppendAvro([]byte("before"))
		var e *avrobin.Error
		if !errors.As(err, &e) || !errors.Is(err, c.want) || string(got) != "before" {
			t.Errorf("%s: %v, %q", path, err, got)
			continue
		}
		if prefix, cut := strings.CutSuffix(path, "..."); e.Path != path && !(cut && strings.HasPrefix(e.Path, prefix)) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := (*sample.Everything)(nil).AppendAvro(nil); !errors.Is(err, avrobin.ErrNil) {
		t.Errorf("nil: %v", err)
	}
	if _, err := new(sample.Everything).AppendAvro(nil); !errors.Is(err, avrobin.ErrBranch) {
		t.Errorf("the zero value: %v", err)
	}
}

func TestEverything(t *testing.T) {
	t.Parallel()
	v := everyKind()
	data, err := v.AppendAvro(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got sample.Everything
	if err := got.UnmarshalAvro(data); err != nil || !got.Equal(v) || !v.Clone().Equal(v) {
		t.Fatalf("%+v, %v, want %+v", got, err, v)
	}
	for n := range data {
		var e *avrobin.Error
		if err := new(sample.Everything).UnmarshalAvro(data[:n]); !errors.As(err, &e) || e.Offset < 0 || e.Offset > n || e.Path == "" {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if err := new(sample.Everything).UnmarshalAvro(append(data, 0)); !errors.Is(err, avrobin.ErrTrailing) {
		t.Errorf("a byte more: %v", err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back sample.Everything
	if err := json.Unmarshal(text, &back); err != nil || !back.Equal(v) {
		t.Errorf("%s: %+v, %v", text, back, err)
	}
	for _, want := range []string{`"price":"-1.28"`, `"suit":"HEARTS"`, `"hash":"AQIDBA=="`, `"either":{"sample.Line":`, `"must":{"string":"must"}`, `"date":"1969-12-31"`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	// A value of UnmarshalAvro owns its memory. A value of UnmarshalAlias does
	// not.
	before := got.Text
	clear(data)
	if got.Text != before {
		t.Error("UnmarshalAvro keeps the caller's bytes")
	}
}

// TestAnyText checks the property go.text, which allows strings that are not
// UTF-8.
func TestAnyText(t *testing.T) {
	t.Parallel()
	v := everyKind()
	v.RawText = "\xff any bytes"
	data, err := v.AppendAvro(nil)
	var got sample.Everything
	if err == nil {
		err = got.UnmarshalAvro(data)
	}
	if err != nil || got.RawText != v.RawText {
		t.Errorf("%q, %v", got.RawText, err)
	}
}

// TestCloneSharesNothing changes every part of a copy that could share memory.
func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	v := everyKind()
	c := v.Clone()
	c.Data[0], c.MaybeTags[0], c.Matrix[0][0], c.Labels["k"] = 1, "z", 2, "z"
	*c.Maybe, *c.AtNanos, c.MaybeHash[0] = "z", time.Time{}, 1
	c.Lines[0].Name, c.Hashes["h"] = "z", sample.Hash{}
	c.Either.(*sample.Line).Name = "z"
	c.Mixed[1].(*sample.Line).Name = "z"
	c.Tree.Children[0].Name = "z"
	delete(c.Tree.ByName, "x")
	if !v.Equal(everyKind()) {
		t.Errorf("%+v has changed with its copy", v)
	}
	if v.Equal(c) {
		t.Error("Equal sees no difference")
	}
}

// TestSelfContainedValuesEnd checks that every method ends on a value that
// contains itself in any way, and on a value that is too deep for writing.
func TestSelfContainedValuesEnd(t *testing.T) {
	t.Parallel()
	chain := func(n int) *sample.Tree { // n trees, each inside another
		v := &sample.Tree{}
		for range n - 1 {
			v = &sample.Tree{Next: v}
		}
		return v
	}
	next, children, byName, both := &sample.Tree{}, &sample.Tree{}, &sample.Tree{}, &sample.Tree{}
	next.Next = next
	children.Children = make([]sample.Tree, 1)
	children.Children[0].Children = children.Children
	byName.ByName = map[string]sample.Tree{}
	byName.ByName["x"] = *byName
	both.Next, both.Children = both, []sample.Tree{{Next: both}, {Next: both}}
	for name, c := range map[string]struct {
		v    *sample.Tree
		ends bool
	}{
		"next":      {next, false},
		"children":  {children, false},
		"by_name":   {byName, false},
		"many ways": {both, false},
		"too deep":  {chain(avrobin.MaxDepth + 1), false},
		"just fits": {chain(avrobin.MaxDepth), true},
		"several":   {&sample.Tree{Children: []sample.Tree{*chain(3), *chain(3)}, Next: chain(3)}, true},
	} {
		_, err := c.v.AppendAvro(nil)
		if c.ends != (err == nil) || !c.ends && !errors.Is(err, avrobin.ErrDepth) {
			t.Errorf("%s: AppendAvro: %v", name, err)
		}
		if _, err = json.Marshal(c.v); c.ends != (err == nil) || !c.ends && !errors.Is(err, avrobin.ErrDepth) {
			t.Errorf("%s: MarshalJSON: %v", name, err)
		}
		if c.v.Equal(c.v) != c.ends || (&sample.Everything{Tree: c.v}).Equal(&sample.Everything{Tree: c.v}) != c.ends {
			t.Errorf("%s: Equal is not %v", name, c.ends)
		}
		if chain(2).Equal(c.v) || c.v.Equal(chain(2)) {
			t.Errorf("%s: equals another value", name)
		}
		clone := (&sample.Everything{Tree: c.v}).Clone().Tree
		if clone == c.v || clone.Equal(c.v) != c.ends {
			t.Errorf("%s: Clone", name)
		}
	}
}

// TestHostileData checks that data with large claims is refused in little
// memory.
func TestHostileData(t *testing.T) {
	tree := func(n int, body string) []byte { return []byte(strings.Repeat(body, n)) }
	for name, data := range map[string][]byte{
		"children in children": tree(200_000, "\x00\x02"),
		"many children": func() (b []byte) { // each level claims as many children as bytes
			for range 900 {
				b = append(b, 0)
				b = avrobin.AppendLong(b, 200_000)
			}
			return append(b, make([]byte, 1_000_000)...)
		}(),
		"many names": func() (b []byte) {
			for range 900 {
				b = append(b, 0, 0)
				b = avrobin.AppendLong(b, 150_000)
				b = append(b, 0)
			}
			return append(b, make([]byte, 1_000_000)...)
		}(),
		"next and next": tree(200_000, "\x00\x00\x00\x02"),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := new(sample.Tree).UnmarshalAvro(data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(16<<20+128*len(data)) {
			t.Errorf("%s: %d bytes take %d (%v)", name, len(data), used, err)
		}
	}
}

// FuzzUnmarshal reads any bytes into a value with a field of every kind.
// Reading never panics. A value that was read is written and read again as the
// same value.
func FuzzUnmarshal(f *testing.F) {
	data, err := everyKind().AppendAvro(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	zero := sample.NewEverything()
	zero.Must = sample.EverythingMustInt{Value: math.MinInt32}
	if data, err = zero.AppendAvro(nil); err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample.Everything
		if err := v.UnmarshalAvro(data); err != nil {
			var e *avrobin.Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(data) {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := v.AppendAvro(nil)
		if errors.Is(err, avrobin.ErrText) || errors.Is(err, avrobin.ErrRange) {
			return // readers do not check strings or precisions
		}
		if err != nil {
			t.Fatal(err)
		}
		var w sample.Everything
		if err := w.UnmarshalAvro(again); err != nil {
			t.Fatal(err)
		}
		once, err := w.AppendAvro(nil)
		if err != nil || !bytes.Equal(once, again) {
			t.Fatalf("%x, then %x, %v", again, once, err)
		}
	})
}
