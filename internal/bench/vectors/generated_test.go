package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/codegen"
	"github.com/avroline/avroline/internal/bench/vectors/gencheck"
	"github.com/avroline/avroline/internal/gentest"
	"github.com/avroline/avroline/internal/vectortest"
)

var (
	random = flag.Uint64("random", 150, "how many random schemas TestGenerated compiles")
	whole  = flag.Bool("whole", false, "compile every schema from other projects, instead of a third")
)

// TestGenerated generates code for every schema that most implementations
// accept, and checks the types of the code. The code of the schemas with values
// is compiled into one program. To save time, only a third of the schemas from
// other projects is compiled, unless -whole is set. The program checks every
// value. Decoding must give the same value, encoding must give the same bytes,
// and bad data must be refused. The same holds through JSON. The peers check
// the bytes that the generated code wrote, also for random schemas.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a thousand packages")
	}
	tree := newTree(t)
	tree.alone = gentest.New(t)
	var cases []gencheck.Case

	n := 0
	eachVector(t, func(id, schema string, values []gencheck.Value) {
		if fromProject := strings.HasPrefix(id, "c"); fromProject && !*whole {
			if n++; n%3 != 0 {
				tree.generate(id, schema)
				return
			}
		}
		cases = append(cases, gencheck.Case{ID: id, Package: tree.add(id, schema), Schema: schema, Values: values})
	})
	shared := map[string][]codegen.Source{}
	eachRandom(t, *random, func(id, schema string, values []gencheck.Value) {
		name := fmt.Sprintf("random%d", len(cases)%6) // many schemas in one package, so that names clash
		shared[name] = append(shared[name], codegen.Source{Name: id + ".avsc", Text: []byte(schema)})
		cases = append(cases, gencheck.Case{ID: id, Package: name, Schema: schema, Values: values})
	})
	for name, sources := range shared {
		files, err := codegen.Generate(sources, codegen.Options{Package: name})
		if err != nil {
			t.Fatal(err)
		}
		tree.put(name, name, files, func(codegen.File) bool { return true })
	}
	type hostile struct{ ID, Schema, Hex string }
	vectortest.Each(t, "hostile_data.jsonl", func(r hostile) {
		cases = append(cases, gencheck.Case{
			ID: r.ID, Package: tree.add(r.ID, r.Schema), Schema: r.Schema,
			Hostile: true, Values: []gencheck.Value{{Hex: r.Hex}},
		})
	})
	files := newTally(t, "manifest.tsv")
	for _, row := range manifest(t) {
		if row["verdict"] == "valid" {
			text, err := os.ReadFile(vectortest.Path(t, "avsc/"+row["id"]+".avsc"))
			if err != nil {
				t.Fatal(err)
			}
			tree.generate(row["id"], string(text))
			err = tree.errs[row["id"]]
			files.compare(row["id"], verdict(err), "valid", err)
		}
	}
	files.done()
	type set struct {
		ID             string
		Schemas, Files []string
	}
	vectortest.Each(t, "sets.jsonl", func(r set) { tree.generate(r.ID, r.Schemas...) })
	for id, err := range tree.errs {
		if _, ok := files.exceptions[id]; !ok {
			t.Errorf("%s: %v", id, err)
		}
	}
	tree.alone.TypeCheck()
	tree.build()
	verdicts := newTally(t, "vectors.jsonl")
	wrote := map[string][][]byte{}
	for _, v := range tree.verdicts(cases) {
		id := v.ID + " " + v.What
		if data, err := hex.DecodeString(v.Wrote); err != nil {
			t.Fatal(err)
		} else if of, _, ok := strings.Cut(v.ID, "/"); ok && v.What == "encode" && v.Error == "" {
			wrote[of] = append(wrote[of], data)
		}
		var err error
		if v.Error != "" {
			err = fmt.Errorf("%s", v.Error)
		}
		verdicts.compare(id, verdict(err), "valid", err)
	}
	verdicts.done()

	p := newPanel(t)
	for _, c := range cases {
		if !c.Hostile {
			p.ask(c.ID, c.Schema, wrote[c.ID])
		}
	}
	least := 2500
	if *whole {
		least = 5000
	}
	p.done(false, least)
}

// tree is a module of generated packages with a program that checks the
// packages.
type tree struct {
	t        *testing.T
	dir      string
	byText   map[string]string // schema text to unit
	units    []*unit
	decoders map[string][]string // unit to its types, each with its package
	packages map[string][]codegen.File
	errs     map[string]error
	options  codegen.Options

	generated int             // number of calls of generate
	alone     *gentest.Module // a package for every unit; nil for none
}

const treeModule = "github.com/avroline/avroline/internal/bench/tree"

func newTree(t *testing.T) *tree {
	t.Helper()
	dir := os.Getenv("AVROLINE_TREE") // set to keep the tree for inspection
	if dir == "" {
		dir = t.TempDir()
	}
	return &tree{t: t, dir: dir, byText: map[string]string{}, decoders: map[string][]string{}, packages: map[string][]codegen.File{}, errs: map[string]error{}}
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// generate generates a package for schemas, and returns the package's name. A
// later type check sees the package.
func (x *tree) generate(id string, schemas ...string) (name string, sources []codegen.Source, files []codegen.File) {
	x.t.Helper()
	name = fmt.Sprintf("u%d%s", x.generated, notInName.ReplaceAllString(strings.ToLower(id), ""))
	x.generated++
	for i, s := range schemas {
		sources = append(sources, codegen.Source{Name: fmt.Sprintf("%s_%d.avsc", name, i), Text: []byte(s)})
	}
	options := x.options
	options.Package = name
	files, err := codegen.Generate(sources, options)
	if err != nil {
		x.errs[id] = err
	} else if x.alone != nil {
		x.alone.WriteAll(name, files)
	}
	return name, sources, files
}

// add adds schemas to the program as one unit, and returns the unit's name.
// Equal schemas share one unit.
func (x *tree) add(id string, schemas ...string) string {
	x.t.Helper()
	var key bytes.Buffer
	for _, s := range schemas {
		if err := json.Compact(&key, []byte(s)); err != nil {
			key.WriteString(s) // the text has comments
		}
	}
	if name, ok := x.byText[key.String()]; ok {
		return name
	}
	name, sources, files := x.generate(id, schemas...)
	if files == nil {
		return ""
	}
	x.byText[key.String()] = name
	x.units = append(x.units, newUnit(x.t, name, sources...))
	for _, f := range files {
		x.decoders[name] = append(x.decoders[name], decodersOf(name, f)...)
	}
	return name
}

// decodersOf returns the messages in a file of a package.
func decodersOf(pkg string, f codegen.File) []string {
	var names []string
	for _, m := range decoderCheck.FindAllSubmatch(f.Content, -1) {
		names = append(names, pkg+"."+string(m[1]))
	}
	return names
}

// put adds the files of a package. The unit has the messages in its own files.
func (x *tree) put(pkg, unit string, files []codegen.File, own func(codegen.File) bool) {
	x.packages[pkg] = files
	for _, f := range files {
		if own(f) {
			x.decoders[unit] = append(x.decoders[unit], decodersOf(pkg, f)...)
		}
	}
}

// build generates the units again, many units in each package, because a
// package for each unit takes three times as long to compile. Then build
// compiles the program.
func (x *tree) build() {
	x.t.Helper()
	units := 0
	for pkg, packed := range pack(x.units) {
		var sources []codegen.Source
		for _, u := range packed {
			sources = append(sources, u.sources...)
		}
		options := x.options
		options.Package = pkg
		files, err := codegen.Generate(sources, options)
		if err != nil {
			x.t.Fatal(err)
		}
		for _, u := range packed {
			alone := len(x.decoders[u.id])
			x.decoders[u.id] = nil
			x.put(pkg, u.id, files, func(f codegen.File) bool { return strings.HasPrefix(f.Path, u.id+"_") })
			if together := len(x.decoders[u.id]); together != alone {
				x.t.Fatalf("%s has %d messages alone, %d with other schemas", u.id, alone, together)
			}
			units++
		}
	}
	x.t.Logf("%d units in %d packages", units, len(x.packages))
	x.write()
	// The optimizer would take half of the time.
	x.run("go", "build", "-gcflags=-N -l -dwarf=false", "-o", "gencheck", ".")
}

var decoderCheck = regexp.MustCompile(`_ avrobin\.Decoder = \(\*(\w+)\)\(nil\)`)

func (x *tree) write() {
	x.t.Helper()
	put := func(name string, text []byte) {
		x.t.Helper()
		path := filepath.Join(x.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			x.t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			x.t.Fatal(err)
		}
	}
	var imports, table bytes.Buffer
	names := make([]string, 0, len(x.packages))
	for name := range x.packages {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&imports, "\t%q\n", treeModule+"/"+name)
		for _, f := range x.packages[name] {
			put(name+"/"+f.Path, f.Content)
		}
	}
	for unit, decoders := range x.decoders {
		fmt.Fprintf(&table, "\t%q: {\n", unit)
		for _, d := range decoders {
			fmt.Fprintf(&table, "\t\tfunc() avrobin.Decoder { return new(%s) },\n", d)
		}
		table.WriteString("\t},\n")
	}
	put("main.go", fmt.Appendf(nil, `package main

import (
	"log"
	"os"
	"runtime/debug"

	"github.com/avroline/avroline/internal/bench/vectors/gencheck"
	"github.com/avroline/avroline/serde/avrobin"
%s)

func main() {
	debug.SetMemoryLimit(1 << 30)
	if err := gencheck.Run(types, os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

var types = map[string][]func() avrobin.Decoder{
%s}

var _ gencheck.Types = types
`, imports.Bytes(), table.Bytes()))

	bench, err := filepath.Abs("..")
	if err != nil {
		x.t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(bench, "go.mod"))
	if err != nil {
		x.t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module github.com/avroline/avroline/internal/bench", "module "+treeModule, 1)
	text = strings.Replace(text, "=> ../..", "=> "+filepath.Join(bench, "..", ".."), 1)
	text += fmt.Sprintf("\nrequire github.com/avroline/avroline/internal/bench v0.0.0\nreplace github.com/avroline/avroline/internal/bench => %s\n", bench)
	put("go.mod", []byte(text))
	sum, err := os.ReadFile(filepath.Join(bench, "go.sum"))
	if err != nil {
		x.t.Fatal(err)
	}
	put("go.sum", sum)
}

func (x *tree) run(name string, args ...string) {
	x.t.Helper()
	cmd := exec.CommandContext(x.t.Context(), name, args...)
	cmd.Dir = x.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		x.t.Fatalf("%s %s: %v\n%.8000s", name, strings.Join(args, " "), err, out)
	}
}

// verdicts runs the program over the cases that have a package.
func (x *tree) verdicts(cases []gencheck.Case) []gencheck.Verdict {
	x.t.Helper()
	var in, out, stderr bytes.Buffer
	for _, c := range cases {
		if c.Package == "" {
			continue
		}
		line, err := json.Marshal(c)
		if err != nil {
			x.t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(x.t.Context(), filepath.Join(x.dir, "gencheck"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &stderr
	if err := cmd.Run(); err != nil {
		x.t.Fatalf("gencheck: %v\n%.8000s", err, stderr.Bytes())
	}
	var verdicts []gencheck.Verdict
	for d := json.NewDecoder(&out); d.More(); {
		var v gencheck.Verdict
		if err := d.Decode(&v); err != nil {
			x.t.Fatal(err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}
