package vectors

import (
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/gentest"
)

// unit is what is generated together: a file, or a set of files.
type unit struct {
	id      string
	sources []codegen.Source
	names   []string // full names of its types
	values  []string // hex, of the one schema of a single source
}

func newUnit(t *testing.T, id string, sources ...codegen.Source) *unit {
	t.Helper()
	u := &unit{id: id, sources: sources}
	set, err := avsc.ParseSet(sources...)
	if err != nil {
		t.Logf("%s does not parse: %v", id, err)
		return nil
	}
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			s.Walk(func(n *avsc.Schema) {
				if n.Name != "" {
					u.names = append(u.names, n.Name)
				}
			})
		}
	}
	return u
}

// pack puts units that share no name into packages, so that there are few to
// compile, and many short names that clash in each.
func pack(units []*unit) map[string][]*unit {
	const most = 60
	packages := map[string][]*unit{}
	var taken []map[string]bool
	for _, u := range units {
		at := 0
		for ; at < len(taken); at++ {
			clash := slices.ContainsFunc(u.names, func(n string) bool { return taken[at][n] })
			if !clash && len(packages[packageName(at)]) < most {
				break
			}
		}
		if at == len(taken) {
			taken = append(taken, map[string]bool{})
		}
		for _, n := range u.names {
			taken[at][n] = true
		}
		packages[packageName(at)] = append(packages[packageName(at)], u)
	}
	return packages
}

func packageName(i int) string { return fmt.Sprintf("p%d", i) }

// allUnits are every schema and set that others accept.
func allUnits(t *testing.T) []*unit {
	var units []*unit
	add := func(u *unit) {
		if u != nil {
			units = append(units, u)
		}
	}
	f, err := os.Open(shared(t, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tsv := csv.NewReader(f)
	tsv.Comma, tsv.LazyQuotes = '\t', true
	rows, err := tsv.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if row[7] != "valid" {
			continue
		}
		text, err := os.ReadFile(shared(t, "avsc/"+row[0]+".avsc"))
		if err != nil {
			t.Fatal(err)
		}
		add(newUnit(t, row[0], codegen.Source{Name: row[0] + ".avsc", Text: text}))
	}
	for _, u := range setUnits(t) {
		add(u)
	}
	eachLine(t, "schema_cases.jsonl", func(r struct{ ID, Schema, Expected, Confidence string }) {
		if r.Expected == "valid" && r.Confidence != "disputed" {
			add(newUnit(t, r.ID, codegen.Source{Name: r.ID + ".avsc", Text: []byte(r.Schema)}))
		}
	})
	i := 0
	eachLine(t, "vectors.jsonl", func(r struct {
		ID, Schema string
		Values     []struct{ Hex string }
	}) {
		i++
		u := newUnit(t, r.ID, codegen.Source{Name: fmt.Sprintf("vector_%d.avsc", i), Text: []byte(r.Schema)})
		for _, v := range r.Values {
			u.values = append(u.values, v.Hex)
		}
		add(u)
	})
	return units
}

func setUnits(t *testing.T) []*unit {
	var units []*unit
	eachLine(t, "sets.jsonl", func(r struct {
		ID             string
		Files, Schemas []string
	}) {
		var sources []codegen.Source
		for i, name := range r.Files {
			sources = append(sources, codegen.Source{Name: r.ID + "/" + name, Text: []byte(r.Schemas[i])})
		}
		if u := newUnit(t, r.ID, sources...); u != nil {
			units = append(units, u)
		}
	})
	return units
}

// TestGenerate generates everything, compiles and vets it, and has the
// generated types read and write every value of vectors.jsonl.
func TestGenerate(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	units := allUnits(t)
	var imports, types, cases strings.Builder
	var misfits []string
	packages := pack(units)
	for name, units := range packages {
		var sources []codegen.Source
		for _, u := range units {
			sources = append(sources, u.sources...)
		}
		files, err := codegen.Generate(sources, codegen.Options{Package: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m.WriteAll(name, files)
		m.Write(name+"/by_schema.go", gentest.BySchema(name, files))
		fmt.Fprintf(&imports, "\t%q\n", gentest.Path+"/"+name)
		fmt.Fprintf(&types, "\t%q: %s.NewBySchema,\n", name, name)
		for _, u := range units {
			if len(u.values) == 0 {
				continue
			}
			s, err := avsc.Parse(u.id, u.sources[0].Text)
			if err != nil {
				t.Fatal(err)
			}
			var values []string
			for i, value := range u.values {
				data, err := hex.DecodeString(value)
				if err != nil {
					t.Fatal(err)
				}
				if why, _ := misfit(s, data); why != "" {
					misfits = append(misfits, fmt.Sprintf("%s/%d: %s", u.id, i, why))
					continue
				}
				values = append(values, value)
			}
			line, err := json.Marshal(map[string]any{"id": u.id, "package": name, "schema": s.Text(), "values": values})
			if err != nil {
				t.Fatal(err)
			}
			cases.Write(append(line, '\n'))
		}
	}
	t.Logf("%d files and sets in %d packages", len(units), len(packages))
	t.Logf("%d values are none of their logical type, and left out:\n%s", len(misfits), strings.Join(misfits, "\n"))
	m.Write("cases.jsonl", cases.String())
	m.Write("values_test.go", strings.NewReplacer("\t//IMPORTS\n", imports.String(), "\t//TYPES\n", types.String()).Replace(valuesTest))
	m.Go("vet", "./...")
	t.Log(m.Go("test", "-v", "."))
}

// TestGenerateSets generates each set with a package for each namespace.
func TestGenerateSets(t *testing.T) {
	t.Parallel()
	m := gentest.New(t)
	circles := 0
	for _, u := range setUnits(t) {
		files, err := codegen.Generate(u.sources, codegen.Options{ImportPath: gentest.Path + "/" + u.id, RootPackage: "root"})
		if err != nil {
			if !strings.Contains(err.Error(), "cannot be Go packages") {
				t.Errorf("%s: %v", u.id, err)
			}
			circles++
			continue
		}
		m.WriteAll(path.Base(u.id), files)
	}
	t.Logf("%d sets have namespaces that need each other", circles)
	m.Go("vet", "./...")
}

const valuesTest = `package gen

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/avroline/avroline/serde/avrobin"
	//IMPORTS
)

var types = map[string]map[string]func() (zero, filled avrobin.Decoder){
	//TYPES
}

func TestValues(t *testing.T) {
	f, err := os.Open("cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	schemas, values, sameBytes, asText := 0, 0, 0, 0
	for lines.Scan() {
		var c struct {
			ID, Package, Schema string
			Values              []string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		schemas++
		make := types[c.Package][c.Schema]
		if make == nil {
			t.Errorf("%s: no type has this schema", c.ID)
			continue
		}
		for i, value := range c.Values {
			values++
			data, err := hex.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			v, _ := make()
			if err := v.UnmarshalAvro(data); err != nil {
				t.Errorf("%s/%d: %x: %v", c.ID, i, data, err)
				continue
			}
			out, err := v.AppendAvro(nil)
			if err != nil {
				t.Errorf("%s/%d: %v", c.ID, i, err)
				continue
			}
			again, _ := make()
			if bytes.Equal(out, data) {
				sameBytes++
			} else if err := again.UnmarshalAvro(out); err != nil || len(out) != len(data) || !reflect.DeepEqual(v, again) {
				// the keys of a map may stand in another order
				t.Errorf("%s/%d: wrote %x, %v, want %x", c.ID, i, out, err, data)
			}
			if text, err := json.Marshal(v); err == nil {
				back, _ := make()
				if err := json.Unmarshal(text, back); err != nil {
					t.Errorf("%s/%d: reading %s: %v", c.ID, i, text, err)
				} else if through, err := back.AppendAvro(nil); err != nil || !bytes.Equal(through, out) {
					t.Errorf("%s/%d: through %s: %x, %v, want %x", c.ID, i, text, through, err, out)
				}
				asText++
			}
			if again.UnmarshalAvro(append(bytes.Clone(data), 0)) == nil {
				t.Errorf("%s/%d: a byte more is accepted", c.ID, i)
			}
			for n := range min(len(data), 400) {
				if again.UnmarshalAvro(data[:n]) == nil {
					t.Errorf("%s/%d: %d of %d bytes are accepted", c.ID, i, n, len(data))
				}
			}
		}
	}
	t.Logf("%d schemas, %d values: %d to the same bytes, %d through JSON", schemas, values, sameBytes, asText)
}
`
