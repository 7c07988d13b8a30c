// Package copytest has the shared test helpers of the packages processor,
// source and outbox. The helpers are a record, brokers, and a judge that
// compares a topic with the expected events.
package copytest

import (
	"encoding/binary"
	"errors"

	"github.com/avroline/avroline/serde/avrobin"
)

// Event is a record like a record from avrogen.
type Event struct {
	Key string
	Seq int64
	Pad string
}

// Schema is the schema of Event.
const Schema = `{"type":"record","name":"test.Event","fields":[{"name":"key","type":"string"},{"name":"seq","type":"long"},{"name":"pad","type":"string"}]}`

// ErrBadField is the error of an Event whose Pad is "bad".
var ErrBadField = errors.New("pad: refused by the test")

// AvroName is part of avrobin.Record.
func (*Event) AvroName() string { return "test.Event" }

// AvroSchema is part of avrobin.Record.
func (*Event) AvroSchema() string { return Schema }

// AppendAvro is part of avrobin.Record.
func (e *Event) AppendAvro(dst []byte) ([]byte, error) {
	if e.Pad == "bad" {
		return dst, ErrBadField
	}
	dst = binary.AppendVarint(dst, int64(len(e.Key)))
	dst = append(dst, e.Key...)
	dst = binary.AppendVarint(dst, e.Seq)
	dst = binary.AppendVarint(dst, int64(len(e.Pad)))
	return append(dst, e.Pad...), nil
}

// UnmarshalAvro reads the bytes of AppendAvro.
func (e *Event) UnmarshalAvro(data []byte) error {
	text := func() string {
		n, w := binary.Varint(data)
		if w <= 0 || n < 0 || int(n) > len(data)-w {
			data = nil
			return "?"
		}
		s := string(data[w : w+int(n)])
		data = data[w+int(n):]
		return s
	}
	e.Key = text()
	seq, w := binary.Varint(data)
	if w <= 0 {
		return errors.New("event: short")
	}
	e.Seq, data = seq, data[w:]
	e.Pad = text()
	if len(data) != 0 {
		return errors.New("event: bytes left over")
	}
	return nil
}

// UnmarshalAvroPlan is part of the interface for a Deserializer.
func (e *Event) UnmarshalAvroPlan(*avrobin.Plan, []byte) error {
	return errors.New("one version only")
}

// ByKey returns the key of an Event.
func ByKey(e *Event) string { return e.Key }
