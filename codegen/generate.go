package codegen

import (
	"cmp"
	"path"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/avroline/avroline/internal/avsc"
)

// Source is one schema file. Errors and generated files show its Name. Its Text
// is a schema or a protocol in JSON. The other fields are for avrogen.
type Source = avsc.Source

// Options set the place of the generated code. The zero value makes one package
// for each namespace. Packages made this way cannot import each other.
type Options struct {
	// Package puts every type into one package of this name in the output
	// folder. If Package is empty, each namespace has its own package. The
	// folder of such a package is named after the last segment of the
	// namespace. Types without a namespace are in the output folder itself.
	Package string

	// RootPackage names the package of the output folder itself if Package is
	// empty. The default is "avro".
	RootPackage string

	// ImportPath is the import path of the output folder. If ImportPath is
	// empty, a type that needs a type of another generated package is an error.
	ImportPath string

	// Map gives namespaces their import path. A path at or below ImportPath is
	// generated there. Two namespaces with the same path share one package. Any
	// other path belongs to an existing package, which is only imported.
	Map map[string]string

	// Types gives Avro types the Go types of the user. A key is the full name
	// of a type, the full name of a record with a dot and a field, or the name
	// of a logical type. The property "go.type" in a schema has priority over
	// Types. Among the keys, a field has priority over a type, and a type over
	// a logical type.
	Types map[string]OwnType

	// Import loads the packages of own types. The result has one entry for each
	// path. Generate calls Import only if a schema or Types names an own type.
	Import func(paths []string) []Imported

	// Imports lists the direct and indirect imports of packages. The result
	// maps the import path of a package to the import paths of all packages
	// that the package needs. An unknown package has no entry. Generate calls
	// Imports for packages outside of the output that generated code imports.
	// If Imports is nil, Generate does not find import cycles through such
	// packages.
	Imports func(paths []string) map[string][]string

	// External maps the name of an imported source to the Go package of the
	// source. Generated code imports the package. A namespace in Map has
	// priority.
	External map[string]External

	// Optionals is the Go form of a union of null and one other type.
	Optionals Optionals

	// Tags are additional struct tags of all fields.
	Tags []Tag

	// OmitNull leaves null optional fields out of JSON.
	OmitNull bool

	// SourceName turns the name of a source into the slash path in the
	// generated files. The default is the name itself.
	SourceName func(name string) string
}

// External is a Go package that was generated from a source somewhere else.
type External struct {
	Path, Name string                  // import path and package name
	Types      map[string]ExternalType // by full Avro name
}

// ExternalType is a type of an External.
type ExternalType struct {
	GoName       string
	Equal, Clone bool   // whether it has these methods
	Meaning      string // the constant that identifies its schema, such as OrderMeaning
}

// File is one generated file.
type File struct {
	Path    string // slash path under the output folder
	Source  string // as the file shows the source
	Content []byte
}

// Generate turns schemas into Go source. The result is sorted by path and does
// not depend on the order of the sources. The error is of type [Errors] and
// holds every mistake in the schemas, with its place. Generate does no I/O and
// is safe for concurrent use.
func Generate(sources []Source, opts Options) ([]File, error) {
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	set, err := avsc.ParseSet(sources...)
	if err != nil {
		return nil, publicErrors(err)
	}
	packages, err := buildModel(set, opts)
	if err != nil {
		return nil, publicErrors(err)
	}
	var files []*goFile
	for _, p := range packages {
		files = append(files, p.Files...)
	}
	shape := newShape(files)
	out := make([]File, len(files))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(files); i = int(next.Add(1)) - 1 {
				f := files[i]
				out[i] = File{Path: path.Join(f.Pkg.Dir, f.Name), Source: f.Source, Content: emit(f, shape)}
			}
		})
	}
	group.Wait()
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return out, nil
}
