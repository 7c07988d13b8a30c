package resolve_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/serde/avrobin"
)

// rec returns a record R with the given fields.
func rec(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }

// TestRewrites has cases that the vectors do not have or barely cover.
func TestRewrites(t *testing.T) {
	t.Parallel()
	const (
		five = `{"name":"a","type":"int"},{"name":"b","type":"string"},{"name":"c","type":"long"},{"name":"d","type":"boolean"},{"name":"e","type":"bytes"}`
		tree = `{"name":"v","type":"%s"},{"name":"kids","type":{"type":"array","items":"R"}}`
	)
	tests := []struct {
		name           string
		writer, reader string
		data, want     string // hex
	}{
		{
			"fields in the opposite order", rec(five),
			rec(`{"name":"e","type":"bytes"},{"name":"d","type":"boolean"},{"name":"c","type":"long"},{"name":"b","type":"string"},{"name":"a","type":"int"}`),
			"02" + "0478" + "79" + "8080808010" + "01" + "02ff", "02ff" + "01" + "8080808010" + "0478" + "79" + "02",
		},
		{
			"two groups out of order, one widened", rec(five),
			rec(`{"name":"b","type":"bytes"},{"name":"a","type":"double"},{"name":"c","type":"long"},{"name":"e","type":"string"},{"name":"d","type":"boolean"}`),
			"02" + "0278" + "04" + "01" + "02ff", "0278" + "000000000000f03f" + "04" + "02ff" + "01",
		},
		{
			"moved, left out and defaults between", rec(five),
			rec(`{"name":"x","type":"int","default":-1},{"name":"c","type":"long"},{"name":"y","type":"string","default":"yy"},{"name":"a","type":"int"},{"name":"z","type":["null","int"],"default":null}`),
			"02" + "0278" + "04" + "01" + "02ff", "01" + "04" + "047979" + "02" + "00",
		},
		{
			"a moved field in a moved record",
			rec(`{"name":"n","type":{"type":"record","name":"N","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}},{"name":"z","type":"int"}`),
			rec(`{"name":"z","type":"long"},{"name":"n","type":{"type":"record","name":"N","fields":[{"name":"b","type":"bytes"},{"name":"a","type":"float"}]}}`),
			"02" + "0278" + "06", "06" + "0278" + "0000803f",
		},
		{
			"blocks with sizes, several of them, elements widened",
			`{"type":"array","items":"int"}`, `{"type":"array","items":"double"}`,
			"03" + "04" + "0204" + "02" + "06" + "00", "06" + "000000000000f03f" + "0000000000000040" + "0000000000000840" + "00",
		},
		{
			"blocks of a map, elements as they are",
			`{"type":"map","values":"long"}`, `{"type":"map","values":"long"}`,
			"02" + "0261" + "02" + "01" + "06" + "0262" + "04" + "00", "04" + "0261" + "02" + "0262" + "04" + "00",
		},
		{
			"many blocks: the count grows to two bytes",
			`{"type":"array","items":"long"}`, `{"type":"array","items":"long"}`,
			strings.Repeat("0202", 64) + "00", "8001" + strings.Repeat("02", 64) + "00",
		},
		{
			"a block count of more bytes than it needs, and another block",
			`{"type":"array","items":"boolean"}`, `{"type":"array","items":"boolean"}`,
			"82800001" + "0200" + "00", "04" + "01" + "00" + "00",
		},
		{
			"blocks in blocks",
			`{"type":"array","items":{"type":"array","items":"int"}}`, `{"type":"array","items":{"type":"array","items":"long"}}`,
			"02" + "0202" + "0204" + "00" + "02" + "0206" + "00" + "00", "04" + "0402" + "0400" + "0206" + "00" + "00",
		},
		{
			"a block left out by its size, unread",
			rec(`{"name":"a","type":{"type":"array","items":"string"}},{"name":"b","type":"int"}`), rec(`{"name":"b","type":"int"}`),
			"0306ffffff" + "00" + "02", "02",
		},
		{
			"a block left out without size",
			rec(`{"name":"a","type":{"type":"map","values":{"type":"array","items":["null","long"]}}},{"name":"b","type":"int"}`), rec(`{"name":"b","type":"int"}`),
			"02" + "0261" + "04" + "00" + "0204" + "00" + "00" + "02", "02",
		},
		{
			"a recursive type left out",
			rec(`{"name":"v","type":"int"},{"name":"next","type":["null","R"]}`), rec(`{"name":"v","type":"long"}`),
			"02" + "02" + "04" + "02" + "06" + "00", "02",
		},
		{
			"a tree, each node widened", rec(fmt.Sprintf(tree, "int")), rec(fmt.Sprintf(tree, "float")),
			"02" + "04" + "0400" + "0602" + "0800" + "00" + "00",
			"0000803f" + "04" + "00000040" + "00" + "00004040" + "02" + "00008040" + "00" + "00" + "00",
		},
		{
			"a default inside each node", rec(`{"name":"kids","type":{"type":"array","items":"R"}}`),
			rec(`{"name":"kids","type":{"type":"array","items":"R"}},{"name":"u","type":["string","R"],"default":{"kids":[],"u":"x"}}`),
			"02" + "00" + "00", "02" + "00" + "0200000278" + "00" + "0200000278",
		},
		{
			"union to union by a promotion", `["null","int"]`, `["string","double","null"]`, "0206", "020000000000000840",
		},
		{
			"union to plain", `["int","long"]`, `"double"`, "0206", "0000000000000840",
		},
		{
			"a value of no bytes into a union", `{"type":"array","items":"null"}`, `{"type":"array","items":["int","null"]}`, "0400", "04020200",
		},
		{
			"an enum whose missing symbols have a default", `{"type":"enum","name":"E","symbols":["A","B","C"]}`,
			`{"type":"enum","name":"E","symbols":["Z","C"],"default":"Z"}`, "00", "00",
		},
		{
			"nothing at all", rec(""), rec(`{"name":"a","type":"null","default":null}`), "", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := mustResolve(t, tt.writer, tt.reader)
			data := unhex(t, tt.data)
			got, err := p.Append([]byte("before"), data)
			if err != nil {
				t.Fatal(err)
			}
			if want := "before" + string(unhex(t, tt.want)); string(got) != want {
				t.Errorf("got %x, want %x", got, want)
			}
			// Truncated data is an error, unless the rest is a whole value.
			for n := range data {
				out, err := p.Append(nil, data[:n])
				if err != nil {
					continue
				}
				if _, err := render(mustParse(t, tt.writer), data[:n]); err != nil {
					t.Errorf("the first %d bytes are read as %x", n, out)
				}
			}
			if _, err := p.Append(nil, append(data, 0)); !errors.Is(err, avrobin.ErrTrailing) {
				t.Errorf("with a byte more: %v", err)
			}
		})
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestValueErrors checks that an error in one value names the place.
func TestValueErrors(t *testing.T) {
	t.Parallel()
	item := func(kinds string) string {
		return rec(`{"name":"items","type":{"type":"array","items":{"type":"record","name":"I","fields":[
			{"name":"n","type":"string"},{"name":"kind","type":{"type":"enum","name":"K","symbols":[` + kinds + `]}}]}}}`)
	}
	tests := []struct {
		name           string
		writer, reader string
		data           string
		path           string
		offset         int
		is             error
		text           string
	}{
		{
			"a symbol that the reader lacks", item(`"A","B"`), item(`"A"`), "04" + "0000" + "0002" + "00",
			"items[1].kind", 4, avrobin.ErrUnreadable, "no symbol B",
		},
		{
			"in the third block", item(`"A","B"`), item(`"A"`), "02" + "0000" + "03" + "08" + "0000" + "0000" + "02" + "0002" + "00",
			"items[3].kind", 11, avrobin.ErrUnreadable, "no symbol B",
		},
		{
			"in a map", `{"type":"map","values":["int","string"]}`, `{"type":"map","values":"int"}`,
			"04" + "0261" + "0002" + "0262" + "020278" + "00", `["b"]`, 8, avrobin.ErrUnreadable, "string cannot be read as int",
		},
		{
			"deep in what the reader refuses", `["null",` + rec(`{"name":"a","type":"int"}`) + `]`, `["null",` + rec(`{"name":"a","type":"string"}`) + `]`,
			"0202", "a", 1, avrobin.ErrUnreadable, "int cannot be read as string",
		},
		{
			"in a record that holds itself", rec(`{"name":"v","type":"boolean"},{"name":"next","type":["null","R"]}`),
			rec(`{"name":"v","type":"boolean"},{"name":"next","type":["null","R"]}`),
			"01" + "02" + "01" + "02" + "07", "next.next.v", 4, avrobin.ErrInvalid, "boolean of 0x7",
		},
		{"an int too large", `"int"`, `"long"`, "8080808010", "", 0, avrobin.ErrInvalid, "an int of 2147483648"},
		{"a varint too large", `"long"`, `"long"`, "ffffffffffffffffff02", "", 0, avrobin.ErrInvalid, "more than 64 bits"},
		{"a varint cut short", `"long"`, `"long"`, "ffff", "", 0, avrobin.ErrTruncated, ""},
		{"a length below zero", `"bytes"`, `"bytes"`, "01", "", 0, avrobin.ErrInvalid, "length of -1"},
		{"a length beyond the end", rec(`{"name":"s","type":"string"}`), rec(`{"name":"s","type":"string"}`), "0861", "s", 0, avrobin.ErrTruncated, "length of 4 with 1 bytes left"},
		{"the second of two strings", rec(`{"name":"s","type":"string"},{"name":"t","type":"string"}`), rec(`{"name":"s","type":"string"},{"name":"t","type":"string"}`), "00" + "0861", "t", 1, avrobin.ErrTruncated, "length of 4"},
		{"a branch beyond the union", `["null","int","long"]`, `["null","int","long"]`, "06", "", 0, avrobin.ErrInvalid, "branch 3 of 3"},
		{"a symbol beyond the enum", `{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["A"]}`, "02", "", 0, avrobin.ErrInvalid, "symbol 1 of 1"},
		{"a block size that is not so", `{"type":"array","items":"int"}`, `{"type":"array","items":"int"}`, "0306" + "0202" + "00", "", 0, avrobin.ErrInvalid, "a block of 2 bytes that says it has 3"},
		{"a count of -2^63", `{"type":"array","items":"int"}`, `{"type":"array","items":"int"}`, "ffffffffffffffffff0100", "", 0, avrobin.ErrInvalid, "block count"},
		{"a count beyond the data", `{"type":"array","items":"int"}`, `{"type":"array","items":"int"}`, "808080808001" + "00", "", 0, avrobin.ErrTruncated, "elements"},
		{"too many elements of nothing", `{"type":"array","items":"null"}`, `{"type":"array","items":"null"}`, "80b4c4c30200", "", 0, avrobin.ErrInvalid, "take no bytes"},
		{"trailing bytes", `"null"`, `"null"`, "0000", "", 0, avrobin.ErrTrailing, "2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dst := []byte("before")
			got, err := mustResolve(t, tt.writer, tt.reader).Append(dst, unhex(t, tt.data))
			if string(got) != "before" {
				t.Errorf("dst came back as %q", got)
			}
			var e *avrobin.Error
			if !errors.As(err, &e) || !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("error %v, want %v with %q", err, tt.is, tt.text)
			}
			if e.Path != tt.path || e.Offset != tt.offset {
				t.Errorf("at %q, offset %d; want %q, %d (%v)", e.Path, e.Offset, tt.path, tt.offset, err)
			}
		})
	}
}

// TestMismatchIsRefused checks that a mismatch for all values is an error when
// the plan is made.
func TestMismatchIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, writer, reader, want string }{
		{"type", `"string"`, `"int"`, "string cannot be read as int"},
		{"missing field", rec(``), rec(`{"name":"a","type":"int"}`), "a: the writer has no such field and the reader has no default for it"},
		{
			"nested", rec(`{"name":"n","type":{"type":"record","name":"N","fields":[{"name":"f","type":{"type":"fixed","name":"F","size":2}}]}}`),
			rec(`{"name":"n","type":{"type":"record","name":"N","fields":[{"name":"f","type":{"type":"fixed","name":"F","size":3}}]}}`),
			"n.f: 2 bytes of fixed F cannot be read as 3",
		},
		{"name", `{"type":"enum","name":"a.E","symbols":["A"]}`, `{"type":"enum","name":"a.F","symbols":["A"]}`, "enum a.E cannot be read as enum a.F: the names differ, and no alias of the reader's is a.E"},
		{"symbols", `{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["B"]}`, "enum E and enum E have no symbol in common, and the reader's has no default"},
		{"union", `["int","long"]`, `"boolean"`, "int cannot be read as boolean; long cannot be read as boolean"},
		{"reader's union", `"string"`, `["int","null"]`, "the reader's union has no branch for string"},
		{"ambiguous", rec(`{"name":"a","type":"int"},{"name":"b","type":"int"}`), rec(`{"name":"b","type":"int","aliases":["a"]}`), "b: both a and b of the writer go by this field's name or aliases"},
		{
			"recursive", rec(`{"name":"next","type":["null","R"]},{"name":"v","type":"int"}`), rec(`{"name":"next","type":["null","R"]},{"name":"v","type":"string"}`),
			"v: int cannot be read as string",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := resolve.Resolve(mustParse(t, tt.writer), mustParse(t, tt.reader))
			var e *resolve.Error
			if !errors.As(err, &e) || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	list := rec(`{"name":"next","type":["null","R"]}`)
	p := mustResolve(t, list, list)
	deep := func(n int) []byte { return append(bytes.Repeat([]byte{2}, n-1), 0) }
	if _, err := p.Append(nil, deep(avrobin.MaxDepth/2)); err != nil {
		t.Errorf("half of MaxDepth: %v", err)
	}
	if _, err := p.Append(nil, deep(1e6)); !errors.Is(err, avrobin.ErrDepth) {
		t.Errorf("a million: %v", err)
	}
	endless := rec(`{"name":"self","type":"R"}`)
	if _, err := mustResolve(t, endless, endless).Append(nil, nil); !errors.Is(err, avrobin.ErrDepth) {
		t.Errorf("a record that contains itself: %v", err)
	}
}

// TestDefaultsAreBounded checks that a few bytes cannot make gigabytes.
func TestDefaultsAreBounded(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 1000)
	p := mustResolve(t,
		`{"type":"array","items":`+rec("")+`}`,
		`{"type":"array","items":`+rec(`{"name":"s","type":"string","default":"`+big+`"}`)+`}`)
	few, err := p.Append(nil, append(binary.AppendVarint(nil, 1000), 0))
	if err != nil || len(few) < 1e6 {
		t.Errorf("a thousand: %d bytes, %v", len(few), err)
	}
	if _, err := p.Append(nil, append(binary.AppendVarint(nil, avrobin.MaxEmpty), 0)); !errors.Is(err, avrobin.ErrUnreadable) {
		t.Errorf("MaxEmpty of them: %v", err)
	}
}

func TestNilAndZeroPlan(t *testing.T) {
	t.Parallel()
	for _, p := range []*avrobin.Plan{nil, {}} {
		if _, err := p.Append(nil, nil); err == nil || p.Reader() != "" || p.Fingerprint() != 0 {
			t.Errorf("%v: %v %q", p, err, p.Reader())
		}
	}
}

func TestPlanKnowsItsReader(t *testing.T) {
	t.Parallel()
	r := mustParse(t, `{"type":"record","name":"shop.Order","fields":[]}`)
	p, err := resolve.Resolve(mustParse(t, rec("")), mustParse(t, `["null",`+rec("")+`]`))
	if err != nil || p.Reader() != "" {
		t.Errorf("a union: %q %v", p.Reader(), err)
	}
	if p, err = resolve.Resolve(r, r); err != nil || p.Reader() != "shop.Order" || p.Fingerprint() != r.Fingerprint() {
		t.Errorf("%q %x %v", p.Reader(), p.Fingerprint(), err)
	}
}

func TestPlanIsShared(t *testing.T) {
	t.Parallel()
	p := mustResolve(t, orderBefore, order)
	data := orderBeforeData()
	want, err := p.Append(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got, err := p.Append(nil, data); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%x %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestAppendAllocatesOnlyTheOutput(t *testing.T) {
	p := mustResolve(t, clickBefore, click)
	data := clickBeforeData()
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Append(buf, data); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations into a buffer", n)
	}
	var out []byte
	one := testing.AllocsPerRun(100, func() { out = slices.Grow([]byte(nil), len(data)) }) // two under the race detector
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if out, err = p.Append(nil, data); err != nil {
			t.Fatal(err)
		}
	}); n != one || len(out) == 0 {
		t.Errorf("%v allocations into nil, want %v", n, one)
	}
}

// TestOwnAliases covers a schema whose aliases would rename its own fields. The
// schema reads and skips its own data unchanged. As in Java, aliases apply to
// other writers. For another writer, the aliases of this schema are ambiguous.
func TestOwnAliases(t *testing.T) {
	t.Parallel()
	const person = `{"type":"record","name":"Person","fields":[
		{"name":"long","type":"long","aliases":["phone"]},
		{"name":"double","type":"double","aliases":["phone"]},
		{"name":"phone","type":"int"}]}`
	parse := func(text string) *avsc.Schema {
		s, err := avsc.Parse("person", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, data := parse(person), []byte{0x7e, 0, 0, 0, 0, 0, 0, 0, 0, 0x0e}
	p, err := resolve.Resolve(s, s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Append(nil, data); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%x (%v), want %x", got, err, data)
	}
	without := parse(`{"type":"record","name":"Call","fields":[]}`)
	if p, err = resolve.Resolve(parse(`{"type":"record","name":"Call","fields":[{"name":"who","type":`+person+`}]}`), without); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Append(nil, data); err != nil || len(got) > 0 {
		t.Errorf("%x (%v), want nothing", got, err)
	}
	if _, err = resolve.Resolve(parse(person), s); err == nil {
		t.Error("ambiguous aliases are accepted")
	}
}
