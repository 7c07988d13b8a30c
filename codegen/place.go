package codegen

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// placement maps each namespace to its package.
type placement struct {
	opts     Options
	byNS     map[string]*goPackage
	packages []*goPackage // in the order of creation
}

// place gives every namespace its package. The namespaces are visited in sorted
// order, so the result depends only on the set of namespaces.
func place(namespaces []string, opts Options) *placement {
	p := &placement{opts: opts, byNS: map[string]*goPackage{}}
	dirs := newScope([]string{""})
	slices.Sort(namespaces)
	for _, ns := range namespaces {
		if target, ok := opts.Map[ns]; ok {
			p.byNS[ns] = p.mapped(target, dirs)
		}
	}
	for _, ns := range namespaces {
		if p.byNS[ns] != nil {
			continue
		}
		if opts.Package != "" || ns == "" {
			p.byNS[ns] = p.root()
			continue
		}
		dir := p.freeDir(ns, dirs)
		p.byNS[ns] = p.add(&goPackage{Name: dir, Dir: dir, Path: p.importPath(dir)})
	}
	return p
}

// root returns the package of the output folder itself.
func (p *placement) root() *goPackage {
	for _, q := range p.packages {
		if q.Dir == "" && !q.External {
			return q
		}
	}
	name := cmp.Or(p.opts.Package, p.opts.RootPackage, "avro")
	return p.add(&goPackage{Name: name, Path: p.opts.ImportPath})
}

// mapped returns the package of a --map. A package below the output folder is
// generated. A package elsewhere exists already.
func (p *placement) mapped(target string, dirs scope) *goPackage {
	for _, q := range p.packages {
		if q.Path == target {
			return q
		}
	}
	if base := p.opts.ImportPath; base != "" {
		if target == base {
			return p.root()
		}
		if dir, ok := strings.CutPrefix(target, base+"/"); ok {
			dirs[dir] = true
			return p.add(&goPackage{Name: PackageName(path.Base(dir)), Dir: dir, Path: target})
		}
	}
	return p.add(&goPackage{Name: PackageName(importedName(target)), Path: target, External: true})
}

// external returns the package of imported sources.
func (p *placement) external(ext External) *goPackage {
	for _, q := range p.packages {
		if q.Path == ext.Path {
			return q
		}
	}
	return p.add(&goPackage{Name: ext.Name, Path: ext.Path, External: true, Loaded: true})
}

// importedName guesses the name of a package from its import path. The guess is
// the last segment that is no major version.
func importedName(importPath string) string {
	base := path.Base(importPath)
	if v, ok := strings.CutPrefix(base, "v"); ok && v != "" && strings.Trim(v, "0123456789") == "" && path.Dir(importPath) != "." {
		return path.Base(path.Dir(importPath))
	}
	return base
}

// freeDir returns the folder of a namespace. The folder has the name of the
// last segment. If another namespace has taken this name, freeDir puts the
// previous segment in front.
func (p *placement) freeDir(ns string, taken scope) string {
	segments := strings.Split(ns, ".")
	name := ""
	for i := range slices.Backward(segments) {
		name = PackageName(strings.Join(segments[i:], ""))
		if !taken[name] {
			break
		}
	}
	for taken[name] {
		name += "x"
	}
	taken[name] = true
	return name
}

func (p *placement) add(q *goPackage) *goPackage {
	p.packages = append(p.packages, q)
	return q
}

func (p *placement) importPath(dir string) string {
	if p.opts.ImportPath == "" {
		return ""
	}
	return p.opts.ImportPath + "/" + dir
}

// namespacesOf returns the namespaces of all named types in a set.
func namespacesOf(types []*avsc.Schema) []string {
	seen := map[string]bool{}
	for _, s := range types {
		seen[s.Namespace()] = true
	}
	return slices.Collect(maps.Keys(seen))
}

// fileNames makes distinct names for the files of each package.
type fileNames map[*goPackage]scope

// take returns the file name of a source in p. The file name is the source's
// name with ".avro.go". If another source has taken the name, take puts the
// name of the source's folder in front. Names that differ only in case count as
// equal, because some file systems do not distinguish case.
func (n fileNames) take(p *goPackage, source string) string {
	taken := n[p]
	if taken == nil {
		taken = scope{}
		n[p] = taken
	}
	dir, base := path.Split(source)
	stem := strings.TrimSuffix(base, path.Ext(base))
	for taken[strings.ToLower(fileName(stem))] {
		dir = strings.TrimSuffix(dir, "/")
		folder := path.Base(dir)
		if dir == "" || folder == ".." || folder == "." {
			stem += "_"
			continue
		}
		stem = folder + "_" + stem
		dir, _ = path.Split(dir)
	}
	name := fileName(stem)
	taken[strings.ToLower(name)] = true
	return name
}

// fileName makes a file name that the Go tool compiles on every platform. The
// Go tool ignores files that begin with _ or a dot, and refuses files that
// begin with a hyphen. It also reads _windows or _arm64 before the first dot as
// a constraint. Windows cannot open files that have the name of a device before
// the first dot.
func fileName(stem string) string {
	stem = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-.", r) {
			return r
		}
		return '_'
	}, stem)
	stem = strings.TrimLeft(stem, "_.-")
	first, rest, dotted := strings.Cut(stem, ".")
	if i := strings.LastIndexByte(first, '_'); i >= 0 && buildConstraint[first[i+1:]] {
		first += "_"
	}
	if windowsDevice[strings.ToLower(first)] {
		first += "_"
	}
	if dotted {
		first += "." + rest
	}
	return cmp.Or(first, "schema") + ".avro.go"
}

// buildConstraint are the operating systems and processors of Go, and "test".
//
//nolint:gochecknoglobals // a constant table
var buildConstraint = map[string]bool{
	"test": true,
	"aix":  true, "android": true, "darwin": true, "dragonfly": true, "freebsd": true, "hurd": true, "illumos": true,
	"ios": true, "js": true, "linux": true, "nacl": true, "netbsd": true, "openbsd": true, "plan9": true,
	"solaris": true, "wasip1": true, "windows": true, "zos": true,
	"386": true, "amd64": true, "amd64p32": true, "arm": true, "armbe": true, "arm64": true, "arm64be": true,
	"loong64": true, "mips": true, "mipsle": true, "mips64": true, "mips64le": true, "mips64p32": true,
	"mips64p32le": true, "ppc": true, "ppc64": true, "ppc64le": true, "riscv": true, "riscv64": true, "s390": true,
	"s390x": true, "sparc": true, "sparc64": true, "wasm": true,
}
