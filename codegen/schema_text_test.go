package codegen_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/gentest"
)

// chain returns n records as an array of definitions. Each record refers to the
// next record.
func chain(n int) codegen.Source {
	defs := make([]string, n)
	for i := range defs {
		defs[i] = fmt.Sprintf(`{"type":"record","name":"R%d","namespace":"c","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","R%d"],"default":null}]}`, i, min(i+1, n-1))
	}
	return codegen.Source{Name: "r0.avsc", Text: []byte("[" + strings.Join(defs, ",") + "]")}
}

func size(t *testing.T, sources ...codegen.Source) (bytes int) {
	t.Helper()
	files, err := codegen.Generate(sources, codegen.Options{Package: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		bytes += len(f.Content)
	}
	return bytes
}

// TestOutputIsLinear checks that an input of four times the size gives about
// four times the output. Each schema in the test contains all schemas that
// follow.
func TestOutputIsLinear(t *testing.T) {
	t.Parallel()
	small, large := size(t, chain(300)), size(t, chain(1200))
	if large > 5*small {
		t.Errorf("300 records: %d bytes, 1,200 records: %d bytes", small, large)
	}
	// The same check with each schema in its own file.
	split := func(n int) (sources []codegen.Source) {
		set, err := avsc.ParseSet(chain(n))
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range set.Files[0].Schemas {
			sources = append(sources, codegen.Source{Name: fmt.Sprintf("f%d.avsc", i), Text: s.JSON.AppendCompact(nil)})
		}
		return sources
	}
	small, large = size(t, split(300)...), size(t, split(1200)...)
	if large > 5*small {
		t.Errorf("300 files: %d bytes, 1,200 files: %d bytes", small, large)
	}
}

// TestSchemasThatAreCutOut compiles types whose schemas are cut out of other
// constants. It compares the result of AvroSchema with the schema itself.
func TestSchemasThatAreCutOut(t *testing.T) {
	t.Parallel()
	nested := codegen.Source{Name: "outer.avsc", Text: []byte(`{"type":"record","name":"Outer","namespace":"n","fields":[{"name":"a","type":{"type":"record","name":"Inner","fields":[{"name":"b","type":["null",{"type":"record","name":"Innermost","namespace":"m","fields":[{"name":"o","type":"n.Outer"}]}]}]}}]}`)}
	var tests strings.Builder
	m := gentest.New(t)
	fmt.Fprintf(&tests, "package gen\n\nimport (\n\t\"testing\"\n\n\t\"github.com/avroline/avroline/serde/avrobin\"\n\t\"%[1]s/chain\"\n\t\"%[1]s/nested\"\n)\n\nfunc TestSchemas(t *testing.T) {\n\tfor _, c := range []struct{r avrobin.Record; want string}{\n", gentest.Path)
	for _, c := range []struct {
		pkg    string
		source codegen.Source
		types  []string
	}{
		{"chain", chain(100), []string{"c.R0", "c.R50", "c.R99"}},
		{"nested", nested, []string{"n.Outer", "n.Inner", "m.Innermost"}},
	} {
		files, err := codegen.Generate([]codegen.Source{c.source}, codegen.Options{Package: c.pkg})
		if err != nil {
			t.Fatal(err)
		}
		m.WriteAll(c.pkg, files)
		set, err := avsc.ParseSet(c.source)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range c.types {
			s := set.Type(name)
			fmt.Fprintf(&tests, "\t\t{new(%s.%s), %s},\n", c.pkg, s.ShortName(), strconv.Quote(s.Text()))
		}
	}
	tests.WriteString("\t} {\n\t\tif got := c.r.AvroSchema(); got != c.want {\n\t\t\tt.Errorf(\"%s:\\n got %.300s\\nwant %.300s\", c.r.AvroName(), got, c.want)\n\t\t}\n\t}\n}\n")
	m.Write("schemas_test.go", tests.String())
	m.Go("test", "-vet=off", "./...")
}

// TestWideRecordIsLinear checks that a record with four times as many fields
// takes about four times the memory. Quadratic work would take more.
func TestWideRecordIsLinear(t *testing.T) {
	wide := func(fields int) codegen.Source {
		types := []string{`"int"`, `"string"`, `["null","long"]`, `{"type":"array","items":"string"}`, `["int","string"]`}
		list := make([]string, fields)
		for i := range list {
			list[i] = fmt.Sprintf(`{"name":"field_%d","type":%s}`, i, types[i%len(types)])
		}
		return codegen.Source{Name: "wide.avsc", Text: []byte(`{"type":"record","name":"W","fields":[` + strings.Join(list, ",") + `]}`)}
	}
	allocated := func(fields int) uint64 {
		source := wide(fields)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := codegen.Generate([]codegen.Source{source}, codegen.Options{Package: "x"}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := allocated(5_000), allocated(20_000)
	if large > 6*small {
		t.Errorf("5,000 fields: %d bytes allocated, 20,000 fields: %d", small, large)
	}
}
