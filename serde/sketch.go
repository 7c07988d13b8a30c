package serde

import (
	"context"

	"github.com/avroline/avroline/serde/avrobin"
)

// The reading side, as a sketch until it lands.

type Input struct {
	Topic  string
	Part   Part
	Data   []byte
	Header func(key string) ([]byte, bool)
}

type Deserializer[T any] struct{ asDecoder func(*T) avrobin.Decoder }

type DeserializerOption struct{ _ func() }

func AliasInput() DeserializerOption                   { panic("stub") }
func WithSchemas(schemas ...string) DeserializerOption { panic("stub") }

func NewDeserializer[T any, PT avrobin.Ptr[T]](reg Registry, opts ...DeserializerOption) (*Deserializer[T], error) {
	return &Deserializer[T]{asDecoder: func(t *T) avrobin.Decoder { return PT(t) }}, nil
}

func (d *Deserializer[T]) Decode(ctx context.Context, in Input) (T, error)        { panic("stub") }
func (d *Deserializer[T]) DecodeInto(ctx context.Context, in Input, dst *T) error { panic("stub") }

type Mux struct{ _ int }

func NewMux(reg Registry, opts ...DeserializerOption) (*Mux, error) { panic("stub") }

func Handle[T any, PT avrobin.Ptr[T]](m *Mux, f func(ctx context.Context, v *T) error) { panic("stub") }
func (m *Mux) Dispatch(ctx context.Context, in Input) error                            { panic("stub") }

type Generic struct{ _ int }

func NewGeneric(schema string) (*Generic, error)                   { panic("stub") }
func (g *Generic) Record(v map[string]any) avrobin.Record          { panic("stub") }
func (g *Generic) Decode(data []byte) (any, error)                 { panic("stub") }
func (g *Generic) AppendJSON(dst, data []byte) ([]byte, error)     { panic("stub") }
func (g *Generic) AppendFromJSON(dst, json []byte) ([]byte, error) { panic("stub") }
