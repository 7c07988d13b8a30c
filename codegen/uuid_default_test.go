package codegen_test

import (
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/gentest"
)

// TestDefaultThatIsNoUUID compares the constructor with the value that a reader
// has for a message without the fields.
func TestDefaultThatIsNoUUID(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	m.Write("own/own.go", ownPackage)
	const id = `{"type":"string","logicalType":"uuid"}`
	files, err := codegen.Generate([]codegen.Source{
		{Name: "v.avsc", Text: []byte(`{"type":"record","name":"V","namespace":"k.v","fields":[
		  {"name":"id","type":` + id + `,"default":""},
		  {"name":"null_id","type":["null",` + id + `],"default":"none"},
		  {"name":"ids","type":{"type":"array","items":` + id + `},"default":["x","0191e4a0-7b3c-7def-8123-456789abcdef"]},
		  {"name":"key","type":` + id + `,"go.type":"` + gentest.Path + `/own.Key","default":""},
		  {"name":"text","type":` + id + `,"go.type":"` + gentest.Path + `/own.Text","default":""},
		  {"name":"other","type":"k.o.Other","default":{}}]}`)},
		{Name: "o.avsc", Text: []byte(`{"type":"record","name":"Other","namespace":"k.o","fields":[{"name":"id","type":` + id + `,"default":""}]}`)},
	}, codegen.Options{ImportPath: gentest.Path, Import: importFrom(t, m)})
	if err != nil {
		t.Fatal(err)
	}
	m.WriteAll(".", files)
	m.Write("v_test.go", `package gen_test

import (
	"testing"

	"github.com/avroline/avroline/serde"
	"`+gentest.Path+`/v"
)

func TestReader(t *testing.T) {
	want := v.NewV()
	plan, err := serde.Resolve("{\"type\":\"record\",\"name\":\"V\",\"namespace\":\"k.v\",\"fields\":[]}", v.VSchema)
	if err != nil {
		t.Fatal(err)
	}
	var got v.V
	if err := got.UnmarshalAvroPlan(plan, nil); err != nil {
		t.Fatal(err)
	}
	if !got.Equal(&want) || len(got.IDs) != 2 || got.NullID == nil {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
`)
	m.Go("vet", "./...")
	m.Go("test", "-vet=off", "./...")
}
