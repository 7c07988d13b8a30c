package serde_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/serde"
)

type hookKey struct{}

// recordingHooks returns hooks that append a line for each call.
func recordingHooks(lines *[]string) serde.Hooks {
	return serde.Hooks{
		StartLookup: func(ctx context.Context, l serde.Lookup) context.Context {
			*lines = append(*lines, fmt.Sprintf("start write=%v %s %s id=%d", l.Write, l.Topic, l.Part, l.ID))
			return context.WithValue(ctx, hookKey{}, true)
		},
		EndLookup: func(ctx context.Context, _ serde.Lookup, e serde.LookupEnd) {
			*lines = append(*lines, fmt.Sprintf("end %v %s %s id=%d failed=%v", ctx.Value(hookKey{}), e.Record, e.Subject, e.ID, e.Err != nil))
		},
		Planned: func(_ context.Context, p serde.Plan) {
			*lines = append(*lines, fmt.Sprintf("plan %s %s id=%d failed=%v", p.Topic, p.Record, p.ID, p.Err != nil))
		},
	}
}

// TestHooks checks that hooks see the first record and the first message of a
// schema, and no later ones.
func TestHooks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	reg := newFake()
	var lines []string
	take := func() []string { defer func() { lines = nil }(); return lines }
	s, err := serde.NewSerializer(reg, serde.WithHooks(recordingHooks(&lines)), serde.WithHooks(serde.Hooks{
		StartLookup: func(context.Context, serde.Lookup) context.Context { return nil },
	}))
	if err != nil {
		t.Fatal(err)
	}
	b := s.For("orders", serde.Value)
	var data []byte
	for range 3 {
		if data, err = b.Append(ctx, nil, &order{ID: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	id := int(data[4])
	want := []string{"start write=true orders value id=0", fmt.Sprintf("end true shop.Order orders-value id=%d failed=false", id)}
	if diff := cmp.Diff(want, take()); diff != "" {
		t.Errorf("serializer: %s", diff)
	}

	d, err := serde.NewDeserializer[order](reg, serde.WithHooks(recordingHooks(&lines)))
	if err != nil {
		t.Fatal(err)
	}
	in := serde.Input{Topic: "orders", Data: data}
	for range 3 {
		if _, err := d.Decode(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	want = []string{
		fmt.Sprintf("start write=false orders value id=%d", id), fmt.Sprintf("end true shop.Order  id=%d failed=false", id),
		fmt.Sprintf("plan orders shop.Order id=%d failed=false", id),
	}
	if diff := cmp.Diff(want, take()); diff != "" {
		t.Errorf("deserializer: %s", diff)
	}

	in.Data = []byte{0, 0, 0, 0, 99}
	if _, err := d.Decode(ctx, in); !errors.Is(err, serde.ErrUnknownSchema) {
		t.Error(err)
	}
	want = []string{"start write=false orders value id=99", "end true   id=99 failed=true"}
	if diff := cmp.Diff(want, take()); diff != "" {
		t.Errorf("unknown id: %s", diff)
	}

	// The type cannot read this writer schema.
	other, err := s.For("orders", serde.Value).Append(ctx, nil, &cancelled{})
	if err != nil {
		t.Fatal(err)
	}
	take()
	in.Data = other
	if _, err := d.Decode(ctx, in); err == nil {
		t.Error("control: read as an order")
	}
	if lines := take(); len(lines) != 3 || lines[2] != fmt.Sprintf("plan orders shop.Cancelled id=%d failed=true", other[4]) {
		t.Errorf("%q", lines)
	}
}

// TestWarmHooksCostNothing checks that a warm call allocates the same with and
// without hooks.
func TestWarmHooksCostNothing(t *testing.T) {
	reg := newFake()
	var lines []string
	count := func(opts ...serde.CommonOption) (write, read float64) {
		var forWrite []serde.Option
		var forRead []serde.DeserializerOption
		for _, o := range opts {
			forWrite, forRead = append(forWrite, o), append(forRead, o)
		}
		s, err := serde.NewSerializer(reg, forWrite...)
		if err != nil {
			t.Fatal(err)
		}
		d, err := serde.NewDeserializer[order](reg, forRead...)
		if err != nil {
			t.Fatal(err)
		}
		b, r, buf := s.For("orders", serde.Value), &order{ID: "a"}, make([]byte, 0, 100)
		data, err := b.Append(t.Context(), nil, r)
		if err != nil {
			t.Fatal(err)
		}
		var out order
		write = testing.AllocsPerRun(100, func() { buf, _ = b.Append(t.Context(), buf[:0], r) })
		read = testing.AllocsPerRun(100, func() { _ = d.DecodeInto(t.Context(), serde.Input{Data: data}, &out) })
		return write, read
	}
	write, read := count()
	hookedWrite, hookedRead := count(serde.WithHooks(recordingHooks(&lines)))
	if write != 0 || hookedWrite != 0 || read != hookedRead {
		t.Errorf("writing %v and %v, reading %v and %v", write, hookedWrite, read, hookedRead)
	}
	if len(lines) == 0 {
		t.Error("control: no hook was called")
	}
}
