package codec

import (
	"bytes"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/linkedin/goavro/v2"
	twmb "github.com/twmb/avro"

	"github.com/avroline/avroline/internal/bench/codec/events"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// op is one measured operation. The fields name the operation, the shape of the
// value, and the library.
type op struct {
	do, shape, by string
	run           func() error
	out           func() []byte // the bytes that encoding wrote, or that decoding would write again
}

func (o *op) name() string { return o.do + "/" + o.shape + "/" + o.by }

// message is a generated type.
type message interface {
	avrobin.Decoder
	avrobin.ValueReader
}

func ops(t testing.TB) []op {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var all []op
	buf := make([]byte, 0, 1<<17)
	encode := func(shape, by string, run func() error) {
		all = append(all, op{"encode", shape, by, run, func() []byte { return buf }})
	}
	decode := func(shape, by string, run func() error, out func() ([]byte, error)) {
		all = append(all, op{"decode", shape, by, run, func() []byte {
			b, err := out()
			must(err)
			return b
		}})
	}

	click, order, readings, longs := clickData(), orderData(), readingsData(), longsData()
	generated := func(shape string, v, got message, reset func()) (data []byte) {
		data, err := v.AppendAvro(nil)
		must(err)
		encode(shape, "avroline", func() (err error) { buf, err = v.AppendAvro(buf[:0]); return err })
		again := func() ([]byte, error) { return got.AppendAvro(nil) }
		decode(shape, "avroline", func() error { reset(); return got.UnmarshalAvro(data) }, again)
		decode(shape, "avroline-alias", func() error { reset(); return avrobin.UnmarshalAlias(got, data) }, again)
		plan, err := serde.Resolve(v.AvroSchema(), v.AvroSchema())
		must(err)
		decode(shape, "avroline-plan", func() error { reset(); return got.UnmarshalAvroPlan(plan, data) }, again)
		return data
	}
	var gotClick events.Click
	clickBytes := generated("click", click, &gotClick, func() { gotClick = events.Click{} })
	var gotOrder events.Order
	orderBytes := generated("order", order, &gotOrder, func() { gotOrder = events.Order{} })
	var gotReadings events.Readings
	readingsBytes := generated("readings", readings, &gotReadings, func() { gotReadings = events.Readings{} })
	var gotLongs events.Longs
	longsBytes := generated("longs", longs, &gotLongs, func() { gotLongs = events.Longs{} })

	encode("click", "hand", func() error { buf = handAppendClick(buf[:0], click); return nil })
	id := click.ID.String()
	encode("click", "hand-text-id", func() error { buf = handAppendClickText(buf[:0], id, click); return nil })
	encode("order", "hand", func() error { buf = handAppendOrder(buf[:0], order); return nil })
	encode("readings", "hand", func() error { buf = handAppendReadings(buf[:0], readings); return nil })
	encode("longs", "hand", func() error { buf = handAppendLongs(buf[:0], longs); return nil })
	var hc events.Click
	decode("click", "hand", func() error { hc = events.Click{}; return handDecodeClick(clickBytes, &hc) },
		func() ([]byte, error) { return hc.AppendAvro(nil) })
	var ho events.Order
	decode("order", "hand", func() error { ho = events.Order{}; return handDecodeOrder(orderBytes, &ho) },
		func() ([]byte, error) { return ho.AppendAvro(nil) })
	var hr events.Readings
	decode("readings", "hand", func() error { hr = events.Readings{}; return handDecodeReadings(readingsBytes, &hr) },
		func() ([]byte, error) { return hr.AppendAvro(nil) })
	var hl events.Longs
	decode("longs", "hand", func() error { hl = events.Longs{}; return handDecodeLongs(longsBytes, &hl) },
		func() ([]byte, error) { return hl.AppendAvro(nil) })

	// Each library appends to a buffer, or writes into a buffer of the library.
	w := avro.NewWriter(nil, 64<<10)
	peer := func(shape, schema string, v, got any, reset func(), data []byte) {
		ts, err := twmb.Parse(schema)
		must(err)
		encode(shape, "twmb", func() (err error) { buf, err = ts.AppendEncode(buf[:0], v); return err })
		decode(shape, "twmb", func() error { reset(); _, err := ts.Decode(data, got); return err },
			func() ([]byte, error) { return ts.Encode(got) })
		hs, err := avro.Parse(schema)
		must(err)
		encode(shape, "hamba", func() error { w.Reset(nil); w.WriteVal(hs, v); buf = w.Buffer(); return w.Error })
		decode(shape, "hamba", func() error { reset(); return avro.Unmarshal(hs, data, got) },
			func() ([]byte, error) { return avro.Marshal(hs, got) })
		codec, err := goavro.NewCodec(schema)
		must(err)
		native, _, err := codec.NativeFromBinary(data)
		must(err)
		encode(shape, "goavro", func() (err error) { buf, err = codec.BinaryFromNative(buf[:0], native); return err })
		var gn any
		decode(shape, "goavro", func() (err error) { gn, _, err = codec.NativeFromBinary(data); return err },
			func() ([]byte, error) { return codec.BinaryFromNative(nil, gn) })
	}
	avro.Register("bench.codec.Card", events.Card{})
	var (
		pc peerClick
		po peerOrder
		pr events.Readings
		pl events.Longs
	)
	peer("click", events.ClickSchema, peerClickOf(click), &pc, func() { pc = peerClick{} }, clickBytes)
	uc := peerUUIDClick(*click)
	ts, err := twmb.Parse(events.ClickSchema)
	must(err)
	encode("click", "twmb-uuid", func() (err error) { buf, err = ts.AppendEncode(buf[:0], &uc); return err })
	peer("order", events.OrderSchema, peerOrderOf(order), &po, func() { po = peerOrder{} }, orderBytes)
	peer("readings", events.ReadingsSchema, readings, &pr, func() { pr = events.Readings{} }, readingsBytes)
	peer("longs", events.LongsSchema, longs, &pl, func() { pl = events.Longs{} }, longsBytes)
	return all
}

// TestAll runs every operation once and checks that all write the same values.
func TestAll(t *testing.T) {
	all := ops(t)
	want := map[string][]byte{}
	for _, o := range all {
		if o.by == "avroline" && o.do == "encode" {
			if err := o.run(); err != nil {
				t.Fatal(err)
			}
			want[o.shape] = bytes.Clone(o.out())
		}
	}
	for _, o := range all {
		if err := o.run(); err != nil {
			t.Errorf("%s: %v", o.name(), err)
			continue
		}
		got := o.out()
		// Writers may choose different blocks and a different order of a map's
		// keys.
		v := map[string]message{
			"click": new(events.Click), "order": new(events.Order),
			"readings": new(events.Readings), "longs": new(events.Longs),
		}[o.shape]
		if err := v.UnmarshalAvro(got); err != nil {
			t.Errorf("%s: %v", o.name(), err)
			continue
		}
		got, err := v.AppendAvro(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want[o.shape]) {
			t.Errorf("%s: %x, want %x", o.name(), got, want[o.shape])
		}
	}
}

func Benchmark(b *testing.B) {
	for _, o := range ops(b) {
		b.Run(o.name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := o.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var table = flag.Bool("table", false, "measure all, in turns, and print the ratios")

// TestTable prints two kinds of ratios: our time divided by the limit's time,
// and each library's time divided by our time. The operations alternate in many
// short runs, and the fastest run of each operation counts. So other work of
// the machine affects all operations alike.
func TestTable(t *testing.T) {
	if !*table {
		t.Skip("give -table to measure")
	}
	all := ops(t)
	best := map[string]float64{}
	for pass := range 30 {
		for _, o := range all {
			n := 1
			for took := time.Duration(0); took < 2*time.Millisecond; n *= 2 {
				start := time.Now()
				for range n {
					if err := o.run(); err != nil {
						t.Fatal(err)
					}
				}
				took = time.Since(start)
				if ns := float64(took.Nanoseconds()) / float64(n); n > 1 && (best[o.name()] == 0 || ns < best[o.name()]) && pass > 0 {
					best[o.name()] = ns
				}
			}
		}
	}
	for _, do := range []string{"encode", "decode"} {
		for _, shape := range []string{"click", "order", "readings", "longs"} {
			at := do + "/" + shape + "/"
			ours := best[at+"avroline"]
			line := fmt.Sprintf("%-6s %-8s %9.1f ns", do, shape, ours)
			for _, limit := range []string{"hand", "hand-text-id"} {
				if x := best[at+limit]; x > 0 {
					line += fmt.Sprintf("  %.2f x %s", ours/x, limit)
				}
			}
			for _, other := range []string{"twmb", "twmb-uuid", "hamba", "goavro", "avroline-alias", "avroline-plan"} {
				if x := best[at+other]; x > 0 {
					line += fmt.Sprintf("  %s %.2f x", other, x/ours)
				}
			}
			fmt.Println(line)
		}
	}
}
