package codegen

import (
	"go/token"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/schemagen"
)

// model builds the model of one text as a.avsc.
func model(t *testing.T, opts Options, text string) []*goPackage {
	t.Helper()
	set, err := avsc.ParseSet(avsc.Source{Name: "a.avsc", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	packages, err := buildModel(set, opts)
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func TestSelfContaining(t *testing.T) {
	t.Parallel()
	packages := model(t, Options{Package: "x"}, `[
		{"type":"record","name":"A","fields":[{"name":"b","type":"B"},{"name":"c","type":"C"},{"name":"next","type":["null","A"]}]},
		{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]},
		{"type":"record","name":"C","fields":[{"name":"list","type":{"type":"array","items":"A"}},{"name":"empty","type":"D"}]},
		{"type":"record","name":"D","fields":[]}
	]`)
	got := map[string]string{}
	f := packages[0].Files[0]
	for _, d := range f.Decls {
		r, ok := d.(*recordDecl)
		if !ok {
			continue
		}
		for _, field := range r.Fields {
			got[r.GoName+"."+field.GoName] = field.Type.goType(f)
		}
	}
	for name, want := range map[string]string{
		"A.B": "*B", "A.C": "C", "A.Next": "*A", "B.A": "*A", "C.List": "[]A", "C.Empty": "D",
	} {
		if got[name] != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
}

// TestAddedFieldKeepsOtherNames adds a field to a record. The names of the
// earlier fields stay.
func TestAddedFieldKeepsOtherNames(t *testing.T) {
	t.Parallel()
	goNames := func(typ *schemagen.Type) []string {
		var names []string
		for _, d := range model(t, Options{Package: "x"}, typ.JSON())[0].Files[0].Decls {
			if r, ok := d.(*recordDecl); ok && r.AvroName == typ.Name {
				for _, f := range r.Fields {
					names = append(names, f.GoName)
				}
			}
		}
		return names
	}
	for seed := range uint64(200) {
		typ := schemagen.Record(rand.New(rand.NewPCG(seed, 0)), 20)
		before := goNames(typ)
		for _, name := range []string{"type", "Type", "_", "id", "ID", "AvroName", "x_", "added"} {
			if slices.ContainsFunc(typ.Fields, func(f *schemagen.Field) bool { return f.Name == name }) {
				continue
			}
			typ.Fields = append(typ.Fields, &schemagen.Field{Name: name, Type: &schemagen.Type{Kind: "int"}})
			if after := goNames(typ); !slices.Equal(before, after[:len(before)]) {
				t.Errorf("seed %d: with a field %q behind, %q became %q", seed, name, before, after)
			}
			typ.Fields = typ.Fields[:len(typ.Fields)-1]
		}
	}
}

func TestDefaultsAreExact(t *testing.T) {
	t.Parallel()
	packages := model(t, Options{Package: "x"}, `{"type":"record","name":"D","fields":[
		{"name":"beyond","type":"long","default":9007199254740993},
		{"name":"minus_zero","type":"double","default":-0.0},
		{"name":"zero","type":"double","default":0},
		{"name":"raw","type":"bytes","default":"\u00ff"},
		{"name":"epoch","type":{"type":"long","logicalType":"timestamp-millis"},"default":0},
		{"name":"cents","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},"default":"\u0080"},
		{"name":"empty","type":["null",{"type":"array","items":"int"}],"default":[]},
		{"name":"nothing","type":["null","int"],"default":null},
		{"name":"third","type":["string","long",{"type":"map","values":"int"}],"default":{"b":3,"a":1}}
	]}`)
	fields := packages[0].Files[0].Decls[0].(*recordDecl).Fields
	want := []func(*literal) bool{
		func(l *literal) bool { return l.Int == 9007199254740993 },
		func(l *literal) bool { return l != nil && math.Signbit(l.Float) },
		func(l *literal) bool { return l == nil },
		func(l *literal) bool { return string(l.Bytes) == "\xff" },
		func(l *literal) bool { return l != nil && l.Int == 0 },
		func(l *literal) bool { return l.Unscaled.Int64() == -128 },
		func(l *literal) bool { return l != nil && len(l.Elems) == 1 && len(l.Elems[0].Elems) == 0 },
		func(l *literal) bool { return l == nil },
		func(l *literal) bool {
			m := l.Elems[0]
			return l.Index == 2 && slices.Equal(m.Keys, []string{"a", "b"}) && m.Elems[1].Int == 3
		},
	}
	for i, f := range fields {
		if !want[i](f.Default) {
			t.Errorf("the default of %s is %+v", f.AvroName, f.Default)
		}
	}
}

func FuzzGoName(f *testing.F) {
	for _, seed := range []string{"order_id", "_", "1", "日本", "URLs", "IDs2", "ǅ", "\xff", "a\u0301"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, avro string) {
		if name := goName(avro); !token.IsIdentifier(name) || !token.IsExported(name) || strings.HasSuffix(name, "_") {
			t.Errorf("goName(%q) = %q", avro, name)
		}
	})
}
