package codegen

import (
	"testing"

	"github.com/avroline/avroline/internal/avsc"
)

// model builds the model of one text as orders.avsc.
func model(t *testing.T, opts Options, text string) []*goPackage {
	t.Helper()
	set, err := avsc.ParseSet(avsc.Source{Name: "orders.avsc", Text: []byte(text)})
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
		r := d.(*recordDecl)
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
