package ocf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/linkedin/goavro/v2"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/ocf"
)

func event(n int) clicks.ClickEvent {
	e := clicks.NewClickEvent()
	e.EventID = uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n))
	e.At = time.UnixMilli(1_760_000_000_000 + int64(n)).UTC()
	e.Visitor, e.Method, e.Path = fmt.Sprintf("v-%d", n%7), "GET", strings.Repeat("/x", n%40)
	e.Status, e.SourceLine = 200, int64(n)
	if n%2 == 0 {
		size := int64(n) << 20
		e.Bytes = &size
	}
	return e
}

func write(t testing.TB, n int, opts ...ocf.WriterOption) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := ocf.NewWriter[clicks.ClickEvent](&out, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := event(i)
		if err := w.Append(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var written = []ocf.Codec{ocf.Null, ocf.Deflate, ocf.Snappy, ocf.Zstandard}

// TestRoundTrip writes and reads every codec, with blocks of several sizes.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, codec := range written {
		for _, block := range []int{1, 1000, 1 << 20} {
			for _, n := range []int{0, 1, 500} {
				t.Run(fmt.Sprintf("%s/%d/%d", codec, block, n), func(t *testing.T) {
					t.Parallel()
					file := write(t, n, ocf.WithCodec(codec), ocf.WithBlockSize(block), ocf.WithMetadata("made.by", []byte("a test")))
					r, err := ocf.NewReader[clicks.ClickEvent](bytes.NewReader(file))
					if err != nil {
						t.Fatal(err)
					}
					if r.Codec() != codec || r.Schema() != clicks.ClickEventSchema || string(r.Metadata("made.by")) != "a test" {
						t.Errorf("header: codec %s, schema %s, metadata %q", r.Codec(), r.Schema(), r.Metadata("made.by"))
					}
					i := 0
					for got, err := range r.All() {
						if err != nil {
							t.Fatal(err)
						}
						if want := event(i); !got.Equal(&want) {
							t.Fatalf("value %d is %+v", i, got)
						}
						i++
					}
					if i != n {
						t.Errorf("%d values, want %d", i, n)
					}
					if err := r.Next(new(clicks.ClickEvent)); !errors.Is(err, io.EOF) {
						t.Errorf("after the end: %v", err)
					}
				})
			}
		}
	}
}

// TestGoavroAgrees lets goavro read our files, and reads the files of goavro.
func TestGoavroAgrees(t *testing.T) {
	t.Parallel()
	for _, codec := range []ocf.Codec{ocf.Null, ocf.Deflate, ocf.Snappy} {
		r, err := goavro.NewOCFReader(bytes.NewReader(write(t, 300, ocf.WithCodec(codec), ocf.WithBlockSize(900))))
		if err != nil {
			t.Fatal(err)
		}
		var theirs bytes.Buffer
		w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &theirs, Schema: clicks.ClickEventSchema, CompressionName: string(codec)})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for r.Scan() {
			v, err := r.Read()
			if err != nil {
				t.Fatal(err)
			}
			if v.(map[string]any)["source_line"] != int64(n) {
				t.Fatalf("%s: goavro reads value %d as %v", codec, n, v)
			}
			if err := w.Append([]any{v}); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 300 || r.Err() != nil {
			t.Fatalf("%s: goavro read %d values: %v", codec, n, r.Err())
		}
		ours, err := ocf.NewReader[clicks.ClickEvent](&theirs)
		if err != nil {
			t.Fatal(err)
		}
		n = 0
		for got, err := range ours.All() {
			if err != nil {
				t.Fatal(err)
			}
			if want := event(n); !got.Equal(&want) {
				t.Fatalf("%s: value %d is %+v", codec, n, got)
			}
			n++
		}
		if n != 300 {
			t.Errorf("%s: %d values", codec, n)
		}
	}
}

// TestFileOfOlderSchema reads a file of an older version of the schema.
func TestFileOfOlderSchema(t *testing.T) {
	t.Parallel()
	const older = `{"type":"record","name":"ClickEvent","namespace":"web.clicks","fields":[` +
		`{"name":"path","type":"string"},{"name":"status","type":"int"},{"name":"visitor","type":"string"},` +
		`{"name":"event_id","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"ip","type":"string"},` +
		`{"name":"method","type":"string"},{"name":"protocol","type":"string"},{"name":"old","type":"int"}]}`
	generic, err := serde.NewGeneric(older)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := ocf.NewGenericWriter(&out, older, ocf.WithCodec(ocf.Zstandard), ocf.WithBlockSize(500))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		data, err := generic.AppendFromJSON(nil, fmt.Appendf(nil, `{"path":"/%d","status":404,"visitor":"v","event_id":"%s","at":%d,"ip":"h","method":"GET","protocol":"p","old":%d}`,
			n, uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)), 1_760_000_000_000+int64(n), n))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Append([]byte("x")); err == nil {
		t.Error("bytes that are no value were taken")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := ocf.NewReader[clicks.ClickEvent](bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Path != fmt.Sprintf("/%d", n) || e.At.UnixMilli() != 1_760_000_000_000+int64(n) || e.Bytes != nil {
			t.Fatalf("value %d is %+v", n, e)
		}
		n++
	}
	if n != 100 {
		t.Errorf("%d values", n)
	}
	g, err := ocf.NewGenericReader(bytes.NewReader(out.Bytes()), ocf.WithReaderSchema(`{"type":"record","name":"ClickEvent","fields":[{"name":"status","type":"double"},{"name":"shop","type":"string","default":"main"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	view, err := serde.NewGeneric(g.Schema())
	if err != nil {
		t.Fatal(err)
	}
	data, err := g.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := view.AppendJSON(nil, data)
	if err != nil || string(text) != `{"status":404,"shop":"main"}` {
		t.Errorf("through a reader schema: %s, %v", text, err)
	}
}

// TestRealFiles reads files that other programs have written. The values must
// be equal to the values of goavro.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]ocf.Codec{
		"pinot-airlineStats-2014-01-01.avro": ocf.Null, "pinot-sampleEatsData30k.avro": ocf.Snappy,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(vectortest.Path(t, "../data/"+name))
			if err != nil {
				t.Fatal(err)
			}
			r, err := ocf.NewGenericReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if codec == ocf.Snappy && r.Codec() != codec {
				t.Errorf("codec %s, want %s", r.Codec(), codec)
			}
			generic, err := serde.NewGeneric(r.Schema())
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := goavro.NewOCFReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for theirs.Scan() {
				want, err := theirs.Read()
				if err != nil {
					t.Fatal(err)
				}
				data, err := r.Append(nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := generic.Decode(data)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("value %d (goavro's is -):\n%s", n, diff)
				}
				n++
			}
			if _, err := r.Append(nil); !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %v", err)
			}
			if n == 0 {
				t.Error("the file has no values")
			}
		})
	}
}

// readAll reads a whole file and returns its error.
func readAll(file []byte, opts ...ocf.ReaderOption) (int, error) {
	r, err := ocf.NewGenericReader(bytes.NewReader(file), opts...)
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		_, err := r.Append(nil)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// TestFileOfOtherNames reads a file whose schema breaks the rules for names and
// has a repeated key. The reader must accept such a writer schema.
func TestFileOfOtherNames(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"Or-der","namespace":"my-co.sales","fields":[{"name":"größe","type":"int","type":"string"}]}`
	const key, sync = "avro.schema", "0123456789abcdef"
	file := binary.AppendVarint([]byte(ocf.Magic+"\x02"), int64(len(key))) // one entry of metadata
	file = binary.AppendVarint(append(file, key...), int64(len(schema)))
	file = append(file, schema+"\x00"+sync...)
	file = append(file, "\x02\x04\x02x"+sync...) // one value in two bytes
	r, err := ocf.NewGenericReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := serde.NewGeneric(r.Schema())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := g.AppendJSON(nil, data); err != nil || string(text) != `{"größe":"x"}` {
		t.Errorf("%s, %v", text, err)
	}
}

// TestTruncated cuts a file at every byte. Only a cut between two blocks gives
// a complete file, with fewer values.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, codec := range written {
		file := write(t, 20, ocf.WithCodec(codec), ocf.WithBlockSize(400))
		good := 0
		for cut := range file {
			n, err := readAll(file[:cut])
			if err == nil {
				good++
			} else if n > 20 {
				t.Errorf("%s cut at %d: %d values", codec, cut, n)
			}
		}
		if good == 0 || good > 20 {
			t.Errorf("%s: %d cuts are good files", codec, good)
		}
	}
}

// container builds a file by hand.
func container(schema, codec string, count int64, block []byte, size int64) []byte {
	b := []byte("Obj\x01")
	b = binary.AppendVarint(b, 2)
	for _, s := range []string{"avro.schema", schema, "avro.codec", codec} {
		b = append(binary.AppendVarint(b, int64(len(s))), s...)
	}
	b = binary.AppendVarint(b, 0)
	sync := bytes.Repeat([]byte{7}, 16)
	b = append(b, sync...)
	b = binary.AppendVarint(b, count)
	b = binary.AppendVarint(b, size)
	b = append(b, block...)
	return append(b, sync...)
}

// TestHostileFiles reads files that claim larger sizes than the files have. The
// reader must not allocate much memory.
func TestHostileFiles(t *testing.T) { // not parallel, because it measures memory
	xzBomb := []byte{
		0xfd, '7', 'z', 'X', 'Z', 0, 0, 1, 0x69, 0x22, 0xde, 0x36, // stream header with CRC-32
		0x02, 0x00, 0x21, 0x01, 40, 0, 0, 0, // LZMA2 with a dictionary of 4 GiB
	}
	tests := map[string]struct {
		file []byte
		want string
	}{
		"empty":                        {nil, "not an object container file"},
		"text":                         {[]byte("hello, world"), "not an object container file"},
		"no schema":                    {[]byte("Obj\x01\x00" + strings.Repeat("x", 16)), "no avro.schema"},
		"metadata of 8 EiB":            {append([]byte("Obj\x01\x02"), binary.AppendVarint(nil, 1<<62)...), "in the metadata"},
		"unknown codec":                {container(`"long"`, "lz77", 1, []byte{2}, 1), `unknown codec "lz77"`},
		"block of 8 EiB":               {container(`"long"`, "null", 1, []byte{2}, 1<<62), "WithMaxBlock"},
		"negative size":                {container(`"long"`, "null", 1, []byte{2}, -1), "1 values in -1 bytes"},
		"negative count":               {container(`"long"`, "null", -1, []byte{2}, 1), "-1 values"},
		"more values than data":        {container(`"long"`, "null", 1<<40, []byte{2}, 1), "ends inside a value"},
		"fewer values than data":       {container(`"long"`, "null", 1, []byte{2, 4}, 2), "1 bytes follow"},
		"values without bytes":         {container(`"null"`, "null", 1<<60, nil, 0), "without bytes"},
		"size beyond the sync marker":  {container(`"long"`, "null", 1, []byte{2}, 1000), "unexpected EOF"},
		"snappy claims 4 GiB":          {container(`"bytes"`, "snappy", 1, append(binary.AppendUvarint(nil, 1<<32-1), 0, 0, 0, 0, 0), 10), "codec snappy"},
		"snappy with a false checksum": {container(`"long"`, "snappy", 1, []byte{1, 0, 2, 0, 0, 0, 0}, 7), "checksum"},
		"snappy of three bytes":        {container(`"long"`, "snappy", 1, []byte{1, 0, 2}, 3), "codec snappy"},
		"xz with a huge dictionary":    {container(`"long"`, "xz", 1, xzBomb, int64(len(xzBomb))), "codec xz"},
		"deflate of garbage":           {container(`"long"`, "deflate", 1, []byte{0xff, 0xff}, 2), "codec deflate"},
		"two files":                    {slices.Repeat(container(`"long"`, "null", 1, []byte{2}, 1), 2), "another container file begins here"},
		"an array of 2^40 nulls":       {container(`{"type":"array","items":"null"}`, "null", 1, append(binary.AppendVarint(nil, 1<<40), 0), 7), "value 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var err error
			bytes := allocated(func() { _, err = readAll(test.file) })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if bytes > 64<<20 {
				t.Errorf("%d bytes were allocated", bytes)
			}
		})
	}
}

// TestDecompressionBomb checks the limit with a block that is small before
// decompression and large after decompression.
func TestDecompressionBomb(t *testing.T) {
	t.Parallel()
	for _, codec := range []ocf.Codec{ocf.Deflate, ocf.Snappy, ocf.Zstandard} {
		var out bytes.Buffer
		w, err := ocf.NewGenericWriter(&out, `"bytes"`, ocf.WithCodec(codec), ocf.WithBlockSize(ocf.DefaultMaxBlock))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(append(binary.AppendVarint(nil, 20<<20), make([]byte, 20<<20)...)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err := readAll(out.Bytes()); n != 1 || err != nil {
			t.Errorf("%s: %d values, %v", codec, n, err)
		}
		if n, err := readAll(out.Bytes(), ocf.WithMaxBlock(2<<20)); err == nil || n > 0 {
			t.Errorf("%s: read %d values beyond the limit: %v", codec, n, err)
		}
	}
}

// TestOptionalCodecs reads blocks that Python's bz2 and lzma have compressed,
// and a block of Zstandard. The windows of XZ and Zstandard are larger than
// the limit of the block.
func TestOptionalCodecs(t *testing.T) {
	t.Parallel()
	for codec, block := range map[ocf.Codec]string{
		ocf.Bzip2:     "425a68393141592653591488b7ea0000004000150020002198198461772453850901488b7ea0",
		ocf.XZ:        "fd377a585a000004e6d6b4460200210116000000742fe5a3010002020406000009248fd9e221c7da00011b030b2fb9101fb6f37d010000000004595a",
		ocf.Zstandard: "28b52ffd0058190000020406", // a window of 2 MiB
	} {
		data, err := hex.DecodeString(block)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := readAll(container(`"long"`, string(codec), 3, data, int64(len(data))), ocf.WithMaxBlock(1000)); n != 3 || err != nil {
			t.Errorf("%s: %d values, %v", codec, n, err)
		}
		data[len(data)/2] ^= 0x10
		if _, err := readAll(container(`"long"`, string(codec), 3, data, int64(len(data)))); err == nil {
			t.Errorf("%s: a damaged block was read", codec)
		}
	}
}

// TestBlockSize checks that only a single large value exceeds the size of a
// block. A reader with the limit of the writer must read the file.
func TestBlockSize(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w, err := ocf.NewGenericWriter(&out, `"string"`, ocf.WithBlockSize(16))
	if err != nil {
		t.Fatal(err)
	}
	values := []string{"12345", "123456789", "1", "123456789012345", "", "12345678"}
	for _, s := range values {
		if err := w.Append(append(binary.AppendVarint(nil, int64(len(s))), s...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := readAll(out.Bytes(), ocf.WithMaxBlock(16)); n != len(values) || err != nil {
		t.Errorf("%d values, %v", n, err)
	}
}

// fullWriter is a destination that fails after some bytes.
type fullWriter struct{ left int }

func (f *fullWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// TestWriterErrors checks that an error of the destination ends the writer, and
// that the writer continues after a bad value.
func TestWriterErrors(t *testing.T) {
	t.Parallel()
	w, err := ocf.NewWriter[clicks.ClickEvent](&fullWriter{2500}, ocf.WithBlockSize(300))
	if err != nil {
		t.Fatal(err)
	}
	bad := event(1)
	bad.Path = "\xff"
	if err := w.Append(&bad); err == nil || !strings.Contains(err.Error(), "path") {
		t.Errorf("a bad value: %v", err)
	}
	if err := w.Append(nil); err == nil {
		t.Error("nil was written")
	}
	var first error
	for i := 0; i < 1000 && first == nil; i++ {
		e := event(i)
		first = w.Append(&e)
	}
	if first == nil || !strings.Contains(first.Error(), "no space left") {
		t.Fatalf("a full destination: %v", first)
	}
	e := event(1)
	if err := w.Append(&e); !errors.Is(err, first) {
		t.Errorf("after the failure: %v", err)
	}
	if err := w.Close(); !errors.Is(err, first) {
		t.Errorf("Close: %v", err)
	}
	if err := w.Append(&e); !errors.Is(err, ocf.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestOptions checks that options with impossible values are refused.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		option ocf.WriterOption
		want   string
	}{
		{ocf.WithCodec(ocf.Bzip2), "zstandard"},
		{ocf.WithCodec(ocf.XZ), "zstandard"},
		{ocf.WithCodec("lzo"), "unknown codec"},
		{ocf.WithBlockSize(0), "WithBlockSize"},
		{ocf.WithMetadata("avro.codec", nil), "reserved"},
		{ocf.WriterOption{}, ""},
	} {
		_, err := ocf.NewWriter[clicks.ClickEvent](io.Discard, test.option)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
	file := write(t, 1)
	if _, err := ocf.NewReader[clicks.ClickEvent](bytes.NewReader(file), ocf.WithReaderSchema(`"long"`)); err == nil {
		t.Error("a Reader took a reader schema")
	}
	if _, err := ocf.NewGenericReader(bytes.NewReader(file), ocf.WithReaderSchema(`"long"`)); err == nil || !strings.Contains(err.Error(), "cannot read") {
		t.Errorf("a reader schema that cannot read the file: %v", err)
	}
	if _, err := ocf.NewReader[clicks.ClickEvent](bytes.NewReader(file), ocf.WithMaxBlock(0)); err == nil {
		t.Error("WithMaxBlock(0) was taken")
	}
	if _, err := ocf.NewReader[clicks.ClickEvent](bytes.NewReader(file), ocf.ReaderOption{}); err != nil {
		t.Errorf("the zero option: %v", err)
	}
}
