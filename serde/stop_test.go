package serde_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/contexttest"
	"github.com/avroline/avroline/internal/sample/hostile"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// TestReadingStops checks that the end of the context stops the reading of a
// message. The error is not a DecodeError, because the message may be correct.
func TestReadingStops(t *testing.T) {
	t.Parallel()
	const narrow = `{"type":"record","name":"hostile.Items","fields":[{"name":"items","type":
		{"type":"array","items":{"type":"record","name":"Item","fields":[{"name":"b","type":"int"}]}}}]}`
	reg := newFake()
	reg.schemas = []string{"", narrow}
	message := func(items int) serde.Input {
		data := avrobin.AppendLong([]byte{0, 0, 0, 0, 1}, int64(items))
		return serde.Input{Topic: "t", Data: append(data, strings.Repeat("\x02", items)+"\x00"...)}
	}
	typed := mustDeserializer[hostile.Items](t, reg)
	generic, err := serde.NewGenericDeserializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	mux, err := serde.NewMux(reg)
	if err != nil {
		t.Fatal(err)
	}
	serde.Handle(mux, func(context.Context, *hostile.Items) error { return nil })
	type read func(ctx context.Context, in serde.Input) error
	decode := func(ctx context.Context, in serde.Input) error {
		_, err := typed.Decode(ctx, in)
		return err
	}
	native := func(ctx context.Context, in serde.Input) error {
		_, err := generic.Decode(ctx, in)
		return err
	}
	json := func(ctx context.Context, in serde.Input) error {
		_, err := generic.AppendJSON(ctx, nil, in)
		return err
	}
	plain := func(ctx context.Context, in serde.Input) error {
		_, err := generic.AppendPlainJSON(ctx, nil, in)
		return err
	}
	for name, c := range map[string]struct {
		read  read
		items int
	}{
		"typed": {decode, 5_000}, "mux": {mux.Dispatch, 5_000},
		"generic": {native, 100_000}, "JSON": {json, 100_000}, "plain JSON": {plain, 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := c.read(t.Context(), message(1)); err != nil {
				t.Fatal(err) // the schema is known now
			}
			if err := c.read(t.Context(), message(c.items)); err != nil {
				t.Errorf("control: %v", err)
			}
			err := c.read(contexttest.EndAfter(t.Context(), 5), message(c.items))
			var bad *serde.DecodeError
			if !errors.Is(err, context.Canceled) || errors.As(err, &bad) {
				t.Errorf("got %v", err)
			}
			broken := message(c.items)
			broken.Data = broken.Data[:len(broken.Data)-10]
			if err := c.read(contexttest.EndAfter(t.Context(), 1<<30), broken); !errors.As(err, &bad) {
				t.Errorf("a broken message: %v", err)
			}
		})
	}
}
