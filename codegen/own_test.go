package codegen_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/gentest"
	"github.com/avroline/avroline/internal/schemagen"
)

// importFrom loads packages of a module.
func importFrom(t testing.TB, m *gentest.Module) func(paths []string) []codegen.Imported {
	return func(paths []string) []codegen.Imported {
		loaded, err := packages.Load(&packages.Config{
			Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
			Dir:  m.Dir,
			Env:  append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "CGO_ENABLED=0"),
		}, paths...)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]codegen.Imported, len(paths))
		for i, path := range paths {
			out[i].Err = fmt.Errorf("not found")
			for _, p := range loaded {
				if p.PkgPath == path && len(p.GoFiles) > 0 {
					out[i] = codegen.Imported{Package: p.Types}
				}
			}
		}
		return out
	}
}

// ownPackage has a type for each way to convert. Every type accepts every
// value, so random values can be used.
const ownPackage = `package own

import (
	"bytes"

	"github.com/avroline/avroline/serde/avrobin"
	"github.com/shopspring/decimal"
)

type ID string
type Cents int64
type Small int32
type Flag bool
type Level float64
type Ratio float32
type Raw []byte
type Status string
type Day int32
type Elapsed int64
type Key [16]byte
type Tags []string
type Labels map[string]string

// Text converts by its text and has a pointer inside.
type Text struct{ s *string }

func (t Text) MarshalText() ([]byte, error) {
	if t.s == nil {
		return nil, nil
	}
	return []byte(*t.s), nil
}

func (t *Text) UnmarshalText(b []byte) error { s := string(b); t.s = &s; return nil }

// Blob converts by its binary form.
type Blob struct{ b []byte }

func (b Blob) MarshalBinary() ([]byte, error)     { return b.b, nil }
func (b *Blob) UnmarshalBinary(data []byte) error { b.b = bytes.Clone(data); return nil }

// Money converts by functions, and has its own Equal and Clone.
type Money struct{ Amount decimal.Decimal }

func FromDecimal(d decimal.Decimal) (Money, error) { return Money{d}, nil }
func ToDecimal(m Money) decimal.Decimal            { return m.Amount }
func (m Money) Equal(o Money) bool                 { return m.Amount.Equal(o.Amount) }
func (m *Money) Clone() *Money                     { c := *m; return &c }

// Big is used as a pointer.
type Big struct{ d decimal.Decimal }

func (b *Big) MarshalText() ([]byte, error) { return b.d.MarshalText() }
func (b *Big) UnmarshalText(t []byte) error { return b.d.UnmarshalText(t) }

// Wire writes and reads a long itself.
type Wire struct{ n []int64 }

func (w Wire) AppendAvro(dst []byte) ([]byte, error) {
	var n int64
	if len(w.n) > 0 {
		n = w.n[0]
	}
	return avrobin.AppendLong(dst, n), nil
}

func (w *Wire) ReadAvro(src []byte) ([]byte, error) {
	n, rest, err := avrobin.ReadLong(src)
	w.n = []int64{n}
	return rest, err
}

// Double writes and reads a double by functions.
type Double struct{ f float64 }

func AppendDouble(dst []byte, d Double) ([]byte, error) { return avrobin.AppendDouble(dst, d.f), nil }
func ReadDouble(src []byte) (Double, []byte, error) {
	f, rest, err := avrobin.ReadDouble(src)
	return Double{f}, rest, err
}

// Point stands for a whole record of two ints.
type Point struct{ X, Y int32 }

func (p Point) AppendAvro(dst []byte) ([]byte, error) {
	return avrobin.AppendInt(avrobin.AppendInt(dst, p.X), p.Y), nil
}

func (p *Point) ReadAvro(src []byte) (rest []byte, err error) {
	if p.X, rest, err = avrobin.ReadInt(src); err == nil {
		p.Y, rest, err = avrobin.ReadInt(rest)
	}
	return rest, err
}

// Level2 converts the symbol of an enum by its text.
type Level2 struct{ symbol string }

func (l Level2) MarshalText() ([]byte, error)  { return []byte(l.symbol), nil }
func (l *Level2) UnmarshalText(b []byte) error { l.symbol = string(b); return nil }
`

// ownSchema names own types in every position.
const ownSchema = `{"type":"record","name":"Own","namespace":"x","fields":[
  {"name":"id","type":"string","go.type":"P.ID","default":"none"},
  {"name":"cents","type":"long","go.type":"P.Cents","default":7},
  {"name":"small","type":"int","go.type":"P.Small"},
  {"name":"flag","type":"boolean","go.type":"P.Flag"},
  {"name":"level","type":"double","go.type":"P.Level","default":0.5},
  {"name":"ratio","type":"float","go.type":"P.Ratio"},
  {"name":"raw","type":"bytes","go.type":"P.Raw"},
  {"name":"status","type":{"type":"enum","name":"Status","symbols":["A","B","C"],"default":"A"},"go.type":"P.Status","default":"B"},
  {"name":"status_text","type":"Status","go.type":"P.Level2","default":"C"},
  {"name":"status_null","type":["null","Status"],"go.type":"P.Level2"},
  {"name":"day","type":{"type":"int","logicalType":"date"},"go.type":"P.Day"},
  {"name":"elapsed","type":{"type":"long","logicalType":"time-micros"},"go.type":"P.Elapsed"},
  {"name":"key","type":{"type":"string","logicalType":"uuid"},"go.type":"P.Key"},
  {"name":"key_fixed","type":{"type":"fixed","name":"KeyFixed","size":16,"logicalType":"uuid"},"go.type":"P.Key"},
  {"name":"plain_fixed","type":{"type":"fixed","name":"PlainFixed","size":16},"go.type":"P.Key"},
  {"name":"blob","type":"bytes","go.type":"P.Blob","default":"\u0000\u00ff"},
  {"name":"blob_fixed","type":{"type":"fixed","name":"BlobFixed","size":3},"go.type":"P.Blob","default":"abc"},
  {"name":"tags","type":{"type":"array","items":"string"},"go.type":"P.Tags","default":["a","b"]},
  {"name":"labels","type":{"type":"map","values":"string"},"go.type":"P.Labels"},
  {"name":"text","type":"string","go.type":"P.Text","default":"there"},
  {"name":"money","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"go.type":{"type":"P.Money","encode":"P.ToDecimal","decode":"P.FromDecimal"}},
  {"name":"big","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"go.type":"*P.Big","default":"\u0005"},
  {"name":"big_null","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}],"go.type":"*P.Big"},
  {"name":"wire","type":"long","go.type":"P.Wire","default":-3},
  {"name":"double","type":"double","go.type":{"type":"P.Double","encode":"P.AppendDouble","decode":"P.ReadDouble"}},
  {"name":"point","type":{"type":"record","name":"Point","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}},
  {"name":"points","type":{"type":"array","items":"Point"}},
  {"name":"point_map","type":{"type":"map","values":"Point"}},
  {"name":"point_null","type":["null","Point"]},
  {"name":"texts","type":{"type":"array","items":{"type":"string","go.type":"P.Text"}},"default":["a"]},
  {"name":"text_map","type":{"type":"map","values":{"type":"string","go.type":"P.Text"}},"default":{"k":"v"}},
  {"name":"text_null","type":["null",{"type":"string","go.type":"P.Text"}]},
  {"name":"text_first","type":[{"type":"string","go.type":"P.Text"},"null"],"default":"x"},
  {"name":"raw_null","type":["null","bytes"],"go.type":"P.Raw"},
  {"name":"ints","type":{"type":"array","items":{"type":"array","items":{"type":"long","go.type":"P.Wire"}}}},
  {"name":"ids","type":{"type":"array","items":["null",{"type":"string","go.type":"P.ID"}]}},
  {"name":"any","type":["null","long",{"type":"string","go.type":"P.Text"},"Point",{"type":"array","items":{"type":"double","go.type":"P.Level"}},
     {"type":"bytes","logicalType":"decimal","precision":9,"scale":2,"go.type":"*P.Big"}]},
  {"name":"sql_text","type":["null","string"],"go.type":"database/sql.NullString","default":null},
  {"name":"sql_first","type":["string","null"],"go.type":"database/sql.NullString","default":"yes"},
  {"name":"sql_float","type":["null","double"],"go.type":"database/sql.Null[float64]"},
  {"name":"sql_bytes","type":["null","bytes"],"go.type":"database/sql.Null[[]byte]"},
  {"name":"std_duration","type":"long","go.type":"time.Duration"},
  {"name":"std_elapsed","type":["null",{"type":"long","logicalType":"time-micros"}],"go.type":"database/sql.Null[time.Duration]"},
  {"name":"here","type":"string","go.type":"Local","default":"here"},
  {"name":"inner","type":{"type":"record","name":"Inner","fields":[
     {"name":"wire","type":"double","go.type":{"type":"P.Double","encode":"P.AppendDouble","decode":"P.ReadDouble"}},
     {"name":"status","type":"Status","go.type":"P.Status"},
     {"name":"next","type":["null","Inner"]},
     {"name":"point","type":"Point"}]}}
]}`

// ownVersions are writers whose data is read into own types through a plan.
var ownVersions = []string{
	// A changed order, promotions, another order of symbols, a changed record.
	`{"type":"record","name":"Own","namespace":"x","fields":[
	  {"name":"inner","type":{"type":"record","name":"Inner","fields":[
	     {"name":"point","type":{"type":"record","name":"Point","fields":[{"name":"y","type":"int"},{"name":"z","type":"string"},{"name":"x","type":"int"}]}},
	     {"name":"status","type":{"type":"enum","name":"Status","symbols":["C","D","B","A"]}},
	     {"name":"wire","type":"int"},
	     {"name":"next","type":["null","Inner"]}]}},
	  {"name":"double","type":"float"},
	  {"name":"level","type":"long"},
	  {"name":"ratio","type":"int"},
	  {"name":"status","type":"Status"},
	  {"name":"status_text","type":"Status"},
	  {"name":"status_null","type":"Status"},
	  {"name":"cents","type":"int"},
	  {"name":"wire","type":"int"},
	  {"name":"point","type":"Point"},
	  {"name":"points","type":{"type":"array","items":"Point"}},
	  {"name":"point_map","type":{"type":"map","values":"Point"}},
	  {"name":"point_null","type":["Point","null"]},
	  {"name":"sql_float","type":"float"},
	  {"name":"sql_text","type":"string"},
	  {"name":"raw","type":"string"},
	  {"name":"gone","type":"string"},
	  REST
	]}`,
}

// TestOwnTypes generates the same schemas with and without own types. Both
// packages read random values and must write the same bytes. The copy, the JSON
// form and the default value must also be equal.
func TestOwnTypes(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	m.Write("own/own.go", ownPackage)
	m.Write("with/local.go", "package with\n\ntype Local string\n")
	m.Write("opt/local.go", "package opt\n\ntype Local string\n")
	m.Write("split/x/local.go", "package x\n\ntype Local string\n")
	text := strings.ReplaceAll(ownSchema, "P.", gentest.Path+"/own.")
	text = strings.ReplaceAll(text, "Null[[]byte]", "Null["+gentest.Path+"/own.Raw]")
	text = strings.ReplaceAll(text, `{"name":"sql_bytes","type":["null","bytes"]`, `{"name":"sql_bytes","type":["null","bytes"],"x":1`)
	text = strings.Replace(text, `"go.type":"database/sql.Null[`+gentest.Path+`/own.Raw]"`, `"go.type":"`+gentest.Path+`/own.Raw"`, 1)
	sources := []codegen.Source{{Name: "own.avsc", Text: []byte(text)}}
	types := map[string]codegen.OwnType{"x.Point": {Type: gentest.Path + "/own.Point"}}
	generate := func(name string, opts codegen.Options, sources []codegen.Source) {
		opts.ImportPath = gentest.Path + "/" + name
		files, err := codegen.Generate(sources, opts)
		if err != nil {
			t.Fatal(err)
		}
		m.WriteAll(name, files)
	}
	generate("with", codegen.Options{Package: "with", Types: types, Import: importFrom(t, m)}, sources)
	generate("opt", codegen.Options{Package: "opt", Types: types, Import: importFrom(t, m), Optionals: codegen.OptionalStructs, OmitNull: true}, sources)
	generate("split", codegen.Options{Types: types, Import: importFrom(t, m)}, sources)
	bare := strings.ReplaceAll(text, "go.type", "other.type")
	generate("without", codegen.Options{Package: "without"}, []codegen.Source{{Name: "own.avsc", Text: []byte(bare)}})

	s, err := avsc.Parse("own.avsc", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var cases strings.Builder
	for range 60 {
		fmt.Fprintf(&cases, "\t%q,\n", hex.EncodeToString(schemagen.AppendValue(nil, r, s)))
	}
	var versions strings.Builder
	for _, version := range ownVersions {
		version = strings.ReplaceAll(strings.Replace(version, "REST", restOf(s, version), 1), "P.", gentest.Path+"/own.")
		w, err := avsc.Parse("version.avsc", []byte(version))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&versions, "\t{%q, []string{", version)
		for range 60 {
			fmt.Fprintf(&versions, "%q, ", hex.EncodeToString(schemagen.AppendValue(nil, r, w)))
		}
		versions.WriteString("}},\n")
	}
	m.Write("own_test.go", strings.NewReplacer("\t//CASES\n", cases.String(), "\t//VERSIONS\n", versions.String()).Replace(ownRoundTrip))
	m.Go("vet", "./...")
	m.Go("test", "-vet=off", "./...")
}

// TestBadOwnTypesAreRefused checks that types whose values cannot be read are
// refused, and that the error has a place.
func TestBadOwnTypesAreRefused(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	m.Write("own/own.go", `package own

import "encoding"

// Text is an interface.
type Text interface {
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}

// Embedded has the methods of an interface inside.
type Embedded struct{ Text }

// Name has methods.
type Name struct{ s string }

func (n *Name) MarshalText() ([]byte, error) { return []byte(n.s), nil }
func (n *Name) UnmarshalText(b []byte) error { n.s = string(b); return nil }

// Pointed has the methods of a pointer inside.
type Pointed struct{ *Name }

// Own has one pair of methods of a pointer inside, and uses another pair.
type Own struct{ *Name }

func (o Own) MarshalText() ([]byte, error)  { return []byte(o.s), nil }
func (o *Own) UnmarshalText(b []byte) error { o.Name = &Name{string(b)}; return nil }
`)
	for name, c := range map[string]struct{ goType, want string }{
		"an interface":              {gentest.Path + "/own.Text", "it is an interface, so nothing says which type"},
		"a pointer to an interface": {"*" + gentest.Path + "/own.Text", "it is an interface, so nothing says which type"},
		"any":                       {"any", "it is an interface, so nothing says which type"},
		"a pointer to a pointer":    {"**" + gentest.Path + "/own.Name", "it is a pointer to a pointer"},
		"an embedded interface":     {gentest.Path + "/own.Embedded", "its method UnmarshalText belongs to an embedded pointer or interface"},
		"an embedded pointer":       {gentest.Path + "/own.Pointed", "its method UnmarshalText belongs to an embedded pointer or interface"},
		"own methods":               {gentest.Path + "/own.Own", ""},
		"a pointer":                 {"*" + gentest.Path + "/own.Name", ""},
		"no type":                   {"", "go.type is empty"},
		"a type without a name":     {"map[string]int", `"map" is no name of a type`},
		"a slice":                   {"[]string", `"" is no name of a type`},
		"words":                     {"a b", `"a b" is no name of a type`},
		"an unknown type":           {gentest.Path + "/own.Nothing", "has no Nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := `{"type":"record","name":"R","fields":[{"name":"f","type":"string","go.type":"` + c.goType + `"}]}`
			_, err := codegen.Generate([]codegen.Source{{Name: "r.avsc", Text: []byte(schema)}}, codegen.Options{Package: "p", Import: importFrom(t, m)})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *codegen.Error
			if !errors.As(err, &e) || e.Line != 1 || e.Column != 77 || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v", err)
			}
		})
	}
}

// restOf returns the fields of s that the version does not have.
func restOf(s *avsc.Schema, version string) string {
	var fields []string
	for _, f := range s.Fields {
		if strings.Contains(version, `"name":"`+f.Name+`"`) && f.Name != "wire" {
			continue
		}
		if f.Name == "wire" {
			continue
		}
		fields = append(fields, string(f.Type.JSON.AppendCompact([]byte(`{"name":"`+f.Name+`","type":`)))+"}")
	}
	return strings.Join(fields, ",\n")
}

const ownRoundTrip = `package gen

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"example.com/gen/opt"
	"example.com/gen/with"
	"example.com/gen/without"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

var cases = []string{
	//CASES
}

var versions = []struct {
	schema string
	values []string
}{
	//VERSIONS
}

// own lists the methods of both variants with own types.
type own[T any] interface {
	*T
	avrobin.Decoder
	Equal(*T) bool
	Clone() *T
}

func TestValues(t *testing.T) {
	testValues[with.Own](t)
	testValues[opt.Own](t)
}

func testValues[T any, PT own[T]](t *testing.T) {
	for i, c := range cases {
		data, err := hex.DecodeString(c)
		if err != nil {
			t.Fatal(err)
		}
		var plain without.Own
		var v T
		if err := plain.UnmarshalAvro(data); err != nil {
			t.Fatal(err)
		}
		if err := PT(&v).UnmarshalAvro(data); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		want, err := plain.AppendAvro(nil)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, v PT) {
			t.Helper()
			got, err := v.AppendAvro(nil)
			if err != nil {
				t.Fatalf("%d: %s: %v", i, what, err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d: %s:\n%x\n%x", i, what, got, want)
			}
		}
		check("the value", &v)
		c := PT(&v).Clone()
		check("the copy", c)
		if !PT(&v).Equal(c) {
			t.Fatalf("%d: the copy is not equal", i)
		}
		var zero T
		if PT(&v).Equal(&zero) {
			t.Fatalf("%d: equal to zero", i)
		}
		for n := range data {
			var v T
			if err := PT(&v).UnmarshalAvro(data[:n]); err == nil {
				t.Fatalf("%d: %d bytes are no value", i, n)
			}
			in := bytes.Clone(data)
			in[n] ^= 1
			if PT(&v).UnmarshalAvro(in) == nil {
				PT(&v).AppendAvro(nil)
			}
		}
		text, err := json.Marshal(v)
		var unsupported *json.UnsupportedValueError
		if errors.As(err, &unsupported) {
			continue // JSON has no infinity
		}
		if err != nil {
			t.Fatal(err)
		}
		var back T
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%d: %s: %v", i, text, err)
		}
		check("the value from JSON "+string(text), &back)
	}
}

func TestPlans(t *testing.T) {
	testPlans[with.Own](t)
	testPlans[opt.Own](t)
}

func testPlans[T any, PT own[T]](t *testing.T) {
	for _, w := range versions {
		var v T
		p, err := serde.Resolve(w.schema, PT(&v).AvroSchema())
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for _, value := range w.values {
			data, err := hex.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			var plain without.Own
			var v T
			wantErr := plain.UnmarshalAvroPlan(p, data)
			err = PT(&v).UnmarshalAvroPlan(p, data)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%v, without own types %v", err, wantErr)
			}
			if err != nil {
				continue
			}
			read++
			want, err := plain.AppendAvro(nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := PT(&v).AppendAvro(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("\n%x\n%x", got, want)
			}
		}
		if read < len(w.values)/2 {
			t.Fatalf("only %d of %d were read", read, len(w.values))
		}
	}
}

func TestDefaults(t *testing.T) {
	plain := without.NewOwn()
	want, err := plain.AppendAvro(nil)
	if err != nil {
		t.Fatal(err)
	}
	w, o := with.NewOwn(), opt.NewOwn()
	if _, err := w.AppendAvro(nil); err == nil {
		t.Fatal("an empty string is a symbol")
	}
	w.Inner.Status, o.Inner.Status = "A", "A"
	for _, v := range []avrobin.Record{&w, &o} {
		got, err := v.AppendAvro(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	}
	if w.Here != "here" || w.Status != "B" || !w.SQLFirst.Valid || w.SQLFirst.String != "yes" || w.SQLText.Valid {
		t.Fatalf("%+v", w)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("status_null")) {
		t.Errorf("omitempty: %s", text)
	}
}
`
