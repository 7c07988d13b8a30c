package resolve_test

import (
	"fmt"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// These are two shapes, each in an older and a newer version. The newer version
// adds, drops, moves and widens fields, and moves symbols. The first shape has
// eight flat fields. The second shape has nested records, an array, a map and
// unions.
const (
	click = `{"type":"record","name":"Click","fields":[
		{"name":"id","type":"string"},{"name":"ts","type":"long"},{"name":"user","type":"string"},
		{"name":"url","type":"string"},{"name":"status","type":"int"},{"name":"score","type":"double"},
		{"name":"mobile","type":"boolean"},{"name":"referrer","type":["null","string"],"default":null}]}`
	clickBefore = `{"type":"record","name":"Click","fields":[
		{"name":"session","type":"string"},{"name":"ts","type":"long"},{"name":"id","type":"string"},
		{"name":"user","type":"string"},{"name":"url","type":"string"},{"name":"status","type":"int"},
		{"name":"score","type":"float"},{"name":"seq","type":"long"},{"name":"mobile","type":"boolean"}]}`

	order = `{"type":"record","name":"Order","fields":[
		{"name":"id","type":"string"},{"name":"created","type":"long"},{"name":"due","type":"int"},
		{"name":"status","type":{"type":"enum","name":"Status","symbols":["NEW","PAID","SHIPPED","CANCELLED"],"default":"NEW"}},
		{"name":"customer","type":{"type":"record","name":"Customer","fields":[
			{"name":"id","type":"long"},{"name":"name","type":"string"},
			{"name":"email","type":["null","string"],"default":null},
			{"name":"address","type":{"type":"record","name":"Address","fields":[
				{"name":"street","type":"string"},{"name":"city","type":"string"},
				{"name":"zip","type":"string"},{"name":"country","type":"string"}]}}]}},
		{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
			{"name":"sku","type":"string"},{"name":"title","type":"string"},{"name":"qty","type":"int"},
			{"name":"price","type":"bytes"},{"name":"discount","type":["null","double"],"default":null}]}}},
		{"name":"attributes","type":{"type":"map","values":"string"}},
		{"name":"payment","type":[
			{"type":"record","name":"Card","fields":[{"name":"pan","type":"string"},{"name":"month","type":"int"},{"name":"year","type":"int"}]},
			{"type":"record","name":"Transfer","fields":[{"name":"iban","type":"string"}]},
			{"type":"record","name":"Wallet","fields":[{"name":"provider","type":"string"},{"name":"token","type":"bytes"}]}]},
		{"name":"note","type":["null","string","long"],"default":null},
		{"name":"total","type":"bytes"}]}`
	orderBefore = `{"type":"record","name":"Order","fields":[
		{"name":"created","type":"long"},{"name":"id","type":"string"},{"name":"due","type":"int"},{"name":"channel","type":"string"},
		{"name":"status","type":{"type":"enum","name":"Status","symbols":["PAID","NEW","SHIPPED"]}},
		{"name":"customer","type":{"type":"record","name":"Customer","fields":[
			{"name":"id","type":"int"},{"name":"name","type":"string"},{"name":"phone","type":["null","string"]},
			{"name":"address","type":{"type":"record","name":"Address","fields":[
				{"name":"street","type":"string"},{"name":"zip","type":"string"},
				{"name":"city","type":"string"},{"name":"country","type":"string"}]}}]}},
		{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
			{"name":"sku","type":"string"},{"name":"title","type":"string"},{"name":"qty","type":"int"},
			{"name":"weight","type":"float"},{"name":"price","type":"bytes"}]}}},
		{"name":"attributes","type":{"type":"map","values":"string"}},
		{"name":"payment","type":[
			{"type":"record","name":"Card","fields":[{"name":"pan","type":"string"},{"name":"month","type":"int"},{"name":"year","type":"int"}]},
			{"type":"record","name":"Transfer","fields":[{"name":"iban","type":"string"}]}]},
		{"name":"total","type":"bytes"}]}`
)

// datum appends values. Strings and bytes have a length, ints are varints,
// floats and bools stand as they are.
func datum(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b = avrobin.AppendBytes(b, []byte(v))
		case []byte:
			b = avrobin.AppendBytes(b, v)
		case int:
			b = avrobin.AppendLong(b, int64(v))
		case int64:
			b = avrobin.AppendLong(b, v)
		case float32:
			b = avrobin.AppendFloat(b, v)
		case float64:
			b = avrobin.AppendDouble(b, v)
		case bool:
			b = avrobin.AppendBool(b, v)
		}
	}
	return b
}

func clickBeforeData() []byte {
	return datum("s-3fd81c", int64(1732147200123), "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "user-182739",
		"https://shop.example.com/products/1234567?ref=home&utm=abc", 200, float32(0.8731), 91827364, true)
}

func clickData() []byte {
	return datum("6ba7b810-9dad-11d1-80b4-00c04fd430c8", int64(1732147200123), "user-182739",
		"https://shop.example.com/products/1234567?ref=home&utm=abc", 200, 0.8731, true, 1, "https://www.example.org/search?q=shoes")
}

func orderBeforeData() []byte {
	b := datum(int64(1732147200123456), "6ba7b811-9dad-11d1-80b4-00c04fd430c8", 20081, "web", 0,
		918273645, "Ada Lovelace", 1, "+44 20 7946 0000", "12 St James's Square", "SW1Y 4JH", "London", "GB", 5)
	for i := range 5 {
		b = append(b, datum(fmt.Sprintf("SKU-%06d", i*7919), "Running shoe, model A", i+1, float32(0.4), []byte{0x13, 0x87})...)
	}
	return append(b, datum(0, 3, "channel", "web", "campaign", "winter-24", "locale", "en-GB", 0,
		0, "411111******1111", 11, 2027, []byte{0x12, 0xd6, 0x87})...)
}

func orderData() []byte {
	b := datum("6ba7b811-9dad-11d1-80b4-00c04fd430c8", int64(1732147200123456), 20081, 1,
		918273645, "Ada Lovelace", 1, "ada@example.com", "12 St James's Square", "London", "SW1Y 4JH", "GB", 5)
	for i := range 5 {
		b = append(b, datum(fmt.Sprintf("SKU-%06d", i*7919), "Running shoe, model A", i+1, []byte{0x13, 0x87}, i&1)...)
		if i&1 == 1 {
			b = append(b, datum(0.1)...)
		}
	}
	return append(b, datum(0, 3, "channel", "web", "campaign", "winter-24", "locale", "en-GB", 0,
		0, "411111******1111", 11, 2027, 1, "leave at the door", []byte{0x12, 0xd6, 0x87})...)
}

func mustParse(t testing.TB, text string) *avsc.Schema {
	t.Helper()
	s, err := avsc.Parse("schema", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustResolve(t testing.TB, writer, reader string) *avrobin.Plan {
	t.Helper()
	p, err := resolve.Resolve(mustParse(t, writer), mustParse(t, reader))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkAppend(b *testing.B) {
	for _, bb := range []struct {
		name           string
		writer, reader string
		data           []byte
	}{
		{"click/evolved", clickBefore, click, clickBeforeData()},
		{"click/same", click, click, clickData()},
		{"order/evolved", orderBefore, order, orderBeforeData()},
		{"order/same", order, order, orderData()},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := mustResolve(b, bb.writer, bb.reader)
			buf, err := p.Append(nil, bb.data)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Append(buf[:0], bb.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResolve(b *testing.B) {
	wide := func(n int, reader bool) string {
		s := `{"type":"record","name":"Wide","fields":[`
		for i := range n {
			k := i
			if reader {
				k = n - 1 - i
			}
			if i > 0 {
				s += ","
			}
			s += fmt.Sprintf(`{"name":"field_%d","type":["null","string","long"],"default":null}`, k)
		}
		return s + "]}"
	}
	for _, bb := range []struct{ name, writer, reader string }{
		{"order", orderBefore, order},
		{"100fields", wide(100, false), wide(100, false)},
		{"100fields/reversed", wide(100, false), wide(100, true)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			w, r := mustParse(b, bb.writer), mustParse(b, bb.reader)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := resolve.Resolve(w, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
