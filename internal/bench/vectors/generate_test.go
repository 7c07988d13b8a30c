package vectors

import (
	"encoding/csv"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/bench/vectors/gencheck"
	"github.com/avroline/avroline/internal/gentest"
	"github.com/avroline/avroline/internal/vectortest"
)

// unit is a file, or a set of files, that is generated together.
type unit struct {
	id      string
	sources []codegen.Source
	names   []string // full names of the unit's types
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

// pack puts units without common names into packages. The packages are few, so
// compiling is fast, and each package has many clashing short names.
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

// allUnits returns every schema and set that other implementations accept, and
// the schemas of the vectors.
func allUnits(t *testing.T) []*unit {
	var units []*unit
	add := func(u *unit) {
		if u != nil {
			units = append(units, u)
		}
	}
	f, err := os.Open(vectortest.Path(t, "manifest.tsv"))
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
		text, err := os.ReadFile(vectortest.Path(t, "avsc/"+row[0]+".avsc"))
		if err != nil {
			t.Fatal(err)
		}
		add(newUnit(t, row[0], codegen.Source{Name: row[0] + ".avsc", Text: text}))
	}
	for _, u := range setUnits(t) {
		add(u)
	}
	eachVector(t, func(id, schema string, _ []gencheck.Value) {
		if !strings.HasPrefix(id, "c") { // the manifest has the schemas from other projects
			add(newUnit(t, id, codegen.Source{Name: id + ".avsc", Text: []byte(schema)}))
		}
	})
	vectortest.Each(t, "schema_cases.jsonl", func(r struct{ ID, Schema, Expected, Confidence string }) {
		if r.Expected == "valid" && r.Confidence != "disputed" {
			add(newUnit(t, r.ID, codegen.Source{Name: r.ID + ".avsc", Text: []byte(r.Schema)}))
		}
	})
	return units
}

func setUnits(t *testing.T) []*unit {
	var units []*unit
	vectortest.Each(t, "sets.jsonl", func(r struct {
		ID             string
		Files, Schemas []string
	},
	) {
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

// TestGenerateTogether generates many schemas into one package, so the short
// names of the types clash. Then it compiles and vets the result.
func TestGenerateTogether(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiles a thousand schemas")
	}
	m := gentest.New(t)
	units := allUnits(t)
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
	}
	t.Logf("%d files and sets in %d packages", len(units), len(packages))
	m.Go("vet", "./...")
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
