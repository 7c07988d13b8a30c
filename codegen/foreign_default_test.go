package codegen_test

import (
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/gentest"
)

// TestDefaultsOfOtherPackages compiles and compares defaults with records of
// another package. The fields of these records have types that only the other
// package can write.
func TestDefaultsOfOtherPackages(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	m.Write("own/own.go", ownPackage)
	const own = gentest.Path + "/own."
	inner := `{"type":"record","name":"P","namespace":"k.a","fields":[
	  {"name":"u","type":["int","string"]},
	  {"name":"text","type":"string","go.type":"` + own + `Text"},
	  {"name":"blob","type":"bytes","go.type":"` + own + `Blob"},
	  {"name":"o","type":["null","string"],"go.type":"database/sql.NullString","default":null},
	  {"name":"id","type":"string","go.type":"` + own + `ID","default":"none"}]}`
	const p = `{"u":5,"text":"x","blob":"\u00ff","o":"yes"}`
	outer := `{"type":"record","name":"Q","namespace":"k.b","fields":[
	  {"name":"p","type":"k.a.P","default":` + p + `},
	  {"name":"list","type":{"type":"array","items":"k.a.P"},"default":[` + p + `,` + p + `]},
	  {"name":"map","type":{"type":"map","values":"k.a.P"},"default":{"k":` + p + `}},
	  {"name":"optional","type":["k.a.P","null"],"default":` + p + `},
	  {"name":"union","type":["k.a.P","int"],"default":` + p + `}]}`
	for folder, optionals := range map[string]codegen.Optionals{"pointers": codegen.OptionalPointers, "structs": codegen.OptionalStructs} {
		files, err := codegen.Generate([]codegen.Source{
			{Name: "p.avsc", Text: []byte(inner)}, {Name: "q.avsc", Text: []byte(outer)},
		}, codegen.Options{ImportPath: gentest.Path + "/" + folder, Import: importFrom(t, m), Optionals: optionals})
		if err != nil {
			t.Fatal(err)
		}
		m.WriteAll(folder, files)
		m.Write(folder+"/q_test.go", `package q_test

import (
	"testing"

	"`+gentest.Path+`/`+folder+`/a"
	"`+gentest.Path+`/`+folder+`/b"
)

func TestDefaults(t *testing.T) {
	q := b.NewQ()
	all := append([]a.P{q.P, *q.Optional, q.Map["k"], q.Union.(b.QUnionP).Value}, q.List...)
	if len(all) != 6 {
		t.Fatalf("%d values", len(all))
	}
	for _, p := range all {
		text, err := p.Text.MarshalText()
		blob, _ := p.Blob.MarshalBinary()
		if p.U != (a.PUInt{Value: 5}) || err != nil || string(text) != "x" || string(blob) != "\xff" || p.O.String != "yes" || !p.O.Valid || p.ID != "none" {
			t.Errorf("%+v", p)
		}
	}
}
`)
	}
	m.Go("vet", "./...")
	m.Go("test", "-vet=off", "./...")
}
