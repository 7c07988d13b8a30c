package codec

import (
	"testing"
	"time"

	"github.com/avroline/avroline/internal/bench/codec/optionals/opts"
	"github.com/avroline/avroline/internal/bench/codec/optionals/pointers"
	"github.com/avroline/avroline/serde/avrobin"
)

// BenchmarkOptionals compares optional fields as pointers with avrobin.Opt. The
// record has twelve optional fields, and all have values.
func BenchmarkOptionals(b *testing.B) {
	var o opts.Reading
	o.Sensor, o.At = "sensor-17", time.UnixMicro(1_790_000_000_000_000).UTC()
	o.Temperature, o.Humidity, o.Pressure = avrobin.Some(21.5), avrobin.Some(0.4), avrobin.Some(1013.25)
	o.WindSpeed, o.WindDirection, o.Rain = avrobin.Some(float32(3.5)), avrobin.Some(int32(270)), avrobin.Some(0.2)
	o.Battery, o.Counter = avrobin.Some(int32(87)), avrobin.Some(int64(1_000_000))
	o.Station, o.Firmware = avrobin.Some("north-4"), avrobin.Some("2.4.1")
	o.Checked, o.CalibratedAt = avrobin.Some(true), avrobin.Some(time.UnixMilli(1_780_000_000_000).UTC())
	data, err := o.AppendAvro(nil)
	if err != nil {
		b.Fatal(err)
	}
	var p pointers.Reading
	if err := p.UnmarshalAvro(data); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		value avrobin.Record
		fresh func() avrobin.Decoder
	}{
		{"pointer", &p, func() avrobin.Decoder { return new(pointers.Reading) }},
		{"opt", &o, func() avrobin.Decoder { return new(opts.Reading) }},
	} {
		b.Run("encode/"+c.name, func(b *testing.B) {
			buf := make([]byte, 0, 1<<10)
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = c.value.AppendAvro(buf[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.fresh().UnmarshalAvro(data); err != nil { // the record counts as one allocation
					b.Fatal(err)
				}
			}
		})
	}
}
