package codegen

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// files assigns the declarations to files. It returns the packages that have
// files, sorted by folder.
func (b *builder) files() []*goPackage {
	names := fileNames{}
	for _, s := range b.sources {
		files := map[*goPackage]*goFile{}
		add := func(p *goPackage, decls ...decl) {
			if p.External {
				return
			}
			f := files[p]
			if f == nil {
				source := b.sourceName(s.file.Name)
				f = &goFile{Pkg: p, Name: names.take(p, source), Source: source}
				files[p] = f
				p.Files = append(p.Files, f)
			}
			f.Decls = append(f.Decls, decls...)
		}
		for _, bare := range s.bare {
			add(bare.record.Pkg, withUnions(bare.record)...)
		}
		// The order is the order of the text, so an outer type comes before the
		// types that it defines.
		slices.SortStableFunc(s.types, func(x, y *namedType) int {
			return cmp.Or(cmp.Compare(x.schema.Pos.Line, y.schema.Pos.Line), cmp.Compare(x.schema.Pos.Col, y.schema.Pos.Col))
		})
		for _, t := range s.types {
			switch {
			case t.record != nil:
				add(t.pkg, withUnions(t.record)...)
			case t.enum != nil:
				add(t.pkg, t.enum)
			default:
				add(t.pkg, t.fixed)
			}
		}
	}
	var packages []*goPackage
	for _, p := range b.place.packages {
		if len(p.Files) == 0 {
			continue
		}
		packages = append(packages, p)
		slices.SortFunc(p.Files, func(x, y *goFile) int { return cmp.Compare(x.Name, y.Name) })
		b.placeOwn(p)
		for _, f := range p.Files {
			f.nameImports()
		}
		p.Files[0].Texts = b.lists[p]
	}
	slices.SortFunc(packages, func(x, y *goPackage) int { return cmp.Compare(x.Dir, y.Dir) })
	return packages
}

// placeOwn puts the functions of each own type into the first file of p that
// uses the type.
func (b *builder) placeOwn(p *goPackage) {
	placed := map[*ownDecl]bool{}
	for _, f := range p.Files {
		var visit func(t *typeExpr)
		visit = func(t *typeExpr) {
			if t.Kind == kindOwn && !placed[t.Own] {
				placed[t.Own] = true
				t.Own.Base.eachType(visit)
				f.Owns = append(f.Owns, t.Own)
			}
		}
		f.eachType(visit)
	}
}

func withUnions(d *recordDecl) []decl {
	decls := []decl{d}
	for _, u := range d.unions {
		decls = append(decls, u)
	}
	return decls
}

func (b *builder) sourceName(name string) string {
	if b.opts.SourceName != nil {
		name = b.opts.SourceName(name)
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) || r == '\u2028' || r == '\u2029' {
			return '_'
		}
		return r
	}, name)
}

// nameImports names the generated packages that the file imports. If two
// packages have the same name, nameImports puts the name of the parent folder
// in front. If the names are still equal, nameImports adds a number.
func (f *goFile) nameImports() {
	needed := f.imports()
	slices.SortFunc(needed, func(x, y *goPackage) int { return cmp.Compare(x.Path, y.Path) })
	taken := scope{}
	free := func(name string) bool { return !taken[name] && !reservedImportName(name) }
	f.importNames, f.importPackages = map[string]string{}, map[string]*goPackage{}
	for _, p := range needed {
		if name, ok := emitterImports[p.Path]; ok {
			f.importNames[p.Path], f.importPackages[p.Path] = name, p
			continue
		}
		name := p.Name
		if !free(name) {
			name = PackageName(path.Base(path.Dir(p.Path)) + p.Name)
		}
		base := name
		if numberedLocal.MatchString(base + "2") {
			base += "avro"
		}
		for i := 2; !free(name); i++ {
			name = base + strconv.Itoa(i)
		}
		taken[name] = true
		f.importNames[p.Path], f.importPackages[p.Path] = name, p
	}
}

// packageUse is one place where a package needs another.
type packageUse struct {
	from, to *goPackage
	pos      avsc.Pos
	text     string // "shop.Order uses shared.Money (order.avsc:2:25)"
}

// checkImports finds packages that import each other, because Go does not allow
// import cycles. It also finds packages without a known import path.
func (b *builder) checkImports(packages []*goPackage) {
	uses := map[*goPackage][]packageUse{}
	note := func(from, to *goPackage, pos avsc.Pos, user, used string) {
		if to == from || from.External || slices.ContainsFunc(uses[from], func(u packageUse) bool { return u.to == to }) {
			return
		}
		if to.Path == "" {
			b.mistake(pos, "generate inside a Go module, or put all into one package with --package NAME",
				"%s uses %s, which lives in another package, and the import path of the output folder is not known", user, used)
		}
		uses[from] = append(uses[from], packageUse{from, to, pos, fmt.Sprintf("%s uses %s (%s)", user, used, pos)})
	}
	noteType := func(from *goPackage, user string, pos avsc.Pos, t *typeExpr) {
		t.eachTypeAndBase(func(t *typeExpr) {
			if to := t.home(); to != nil {
				note(from, to, pos, user, t.Avro.Name)
			}
			if t.Own != nil {
				for _, to := range t.Own.Pkgs {
					note(from, to, t.Own.Ref.pos, user, "package "+to.Path)
				}
			}
			if t.Opt != nil {
				for _, to := range t.Opt.Pkgs {
					note(from, to, pos, user, "package "+to.Path)
				}
			}
		})
	}
	for _, t := range b.order {
		if t.record != nil {
			for i, f := range t.schema.Fields {
				noteType(t.pkg, t.schema.Name, f.TypePos, t.record.Fields[i].Type)
			}
		}
	}
	for _, s := range b.sources {
		for _, bare := range s.bare {
			noteType(bare.record.Pkg, s.file.Name, bare.schema.Pos, bare.record.Fields[0].Type)
		}
	}
	b.noteExternal(packages, uses)
	b.checkCycles(packages, uses)
}

// noteExternal adds uses for generated packages that packages outside of the
// output import.
func (b *builder) noteExternal(packages []*goPackage, uses map[*goPackage][]packageUse) {
	external := map[string]*goPackage{}
	for _, list := range uses {
		for _, u := range list {
			if u.to.External && u.to.Path != "" {
				external[u.to.Path] = u.to
			}
		}
	}
	imports := b.importsOf(slices.Sorted(maps.Keys(external))...)
	for path, from := range external {
		for _, to := range packages {
			if to.Path != "" && slices.Contains(imports[path], to.Path) {
				uses[from] = append(uses[from], packageUse{from: from, to: to, text: fmt.Sprintf("package %s imports %s", path, to.Path)})
			}
		}
	}
}

// checkCycles reports each cycle of packages once, with a shortest chain of
// uses.
func (b *builder) checkCycles(packages []*goPackage, uses map[*goPackage][]packageUse) {
	inCycle := map[*goPackage]bool{}
	for _, p := range packages {
		if inCycle[p] {
			continue
		}
		chain := shortestWayBack(p, uses)
		if chain == nil {
			continue
		}
		what := "namespaces that need each other cannot be Go packages"
		fix := "put all into one package with --package NAME, or merge the namespaces with --map NAMESPACE=IMPORTPATH, the same path for each"
		var steps []string
		for _, u := range chain {
			inCycle[u.from] = true
			steps = append(steps, u.text)
			if u.from.External {
				what = "the generated code would import itself"
				fix = "the code of package " + u.from.Path + " must not need the generated code"
			}
		}
		b.mistake(chain[0].pos, fix, "%s: %s", what, strings.Join(steps, ", "))
	}
}

// shortestWayBack returns the shortest chain of uses from p to p, or nil if
// there is no chain.
func shortestWayBack(p *goPackage, uses map[*goPackage][]packageUse) []packageUse {
	chains := [][]packageUse{nil}
	seen := map[*goPackage]bool{}
	for len(chains) > 0 {
		chain := chains[0]
		chains = chains[1:]
		at := p
		if len(chain) > 0 {
			at = chain[len(chain)-1].to
		}
		for _, u := range uses[at] {
			longer := append(slices.Clip(chain), u)
			if u.to == p {
				return longer
			}
			if !seen[u.to] {
				seen[u.to] = true
				chains = append(chains, longer)
			}
		}
	}
	return nil
}
