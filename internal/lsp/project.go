package lsp

import (
	"errors"
	"path"
	"slices"

	"github.com/avroline/avroline/internal/avdl"
	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/avsclint"
	"github.com/avroline/avroline/registry/contract"
)

// Settings are the settings for one file.
type Settings struct {
	// Paths are the PATHs of schemas with references to each other. Without
	// Paths, the file stands alone. The server then reads the file and the
	// files that the file needs.
	Paths []string
	// Loader reads the files.
	Loader avscfile.Loader
	// Ignore reports whether a finding of lint is not shown. It may be nil.
	Ignore func(contract.Finding) bool
}

// project is a set of schemas that the server reads together.
type project struct {
	Settings
	key   string
	set   *avsc.Set // of the last reading without mistakes, or nil
	shown map[string]bool
	index map[string][]mention // of set, by file
}

// problem is a mistake or a finding at a place.
type problem struct {
	pos     avsc.Pos
	rule    string // "" for a mistake
	message string
}

// read reads the schemas and returns the problems by file.
func (p *project) read(file string) (map[string][]problem, error) {
	found := map[string][]problem{}
	set, err := p.load(file)
	var mistakes avsc.Errors
	if errors.As(err, &mistakes) {
		for _, m := range mistakes {
			text := m.What
			if m.Fix != "" {
				text += ": " + m.Fix
			}
			found[m.Pos.File] = append(found[m.Pos.File], problem{m.Pos, "", text})
		}
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	p.set, p.index = set, mentions(set)
	for _, f := range avsclint.Lint(set, avsclint.Options{}) {
		if p.Ignore == nil || !p.Ignore(f) {
			found[f.Pos.File] = append(found[f.Pos.File], problem{avsc.Pos(f.Pos), f.Type, avsclint.Text(f)})
		}
	}
	return found, nil
}

func (p *project) load(file string) (*avsc.Set, error) {
	if len(p.Paths) > 0 {
		return p.Loader.Load(p.Paths...)
	}
	if path.IsAbs(file) || isDrive(file) {
		return p.Loader.LoadWithNeeded(file)
	}
	// A document that is not saved yet has no folder.
	text := p.Loader.Open[file]
	if path.Ext(file) == ".avdl" {
		return avsc.ParseSet(avdl.Parse(file, text).Source)
	}
	return avsc.ParseSet(avsc.Source{Name: file, Text: text})
}

// mention is a place where a text names a type or a field.
type mention struct {
	pos    avsc.Pos
	schema *avsc.Schema // the type, or the record of the field
	field  *avsc.Field  // nil for a type
}

// mentions returns the names of types and fields in the files of a set.
func mentions(set *avsc.Set) map[string][]mention {
	index := map[string][]mention{}
	add := func(pos avsc.Pos, s *avsc.Schema, f *avsc.Field) {
		if pos.Line > 0 {
			index[pos.File] = append(index[pos.File], mention{pos, s, f})
		}
	}
	seen := map[*avsc.Schema]bool{}
	for _, f := range set.Files {
		for _, top := range f.Schemas {
			top.Walk(func(s *avsc.Schema) {
				if seen[s] {
					return
				}
				seen[s] = true
				if s.Kind.Named() {
					add(s.NamePos, s, nil)
				}
				for _, field := range s.Fields {
					add(field.NamePos, s, field)
					if field.Type.Kind.Named() {
						add(field.TypePos, field.Type, nil)
					}
				}
				if s.Elem != nil && s.Elem.Kind.Named() {
					add(s.ElemPos, s.Elem, nil)
				}
				for i, b := range s.Branches {
					if b.Kind.Named() && i < len(s.BranchPos) {
						add(s.BranchPos[i], b, nil)
					}
				}
			})
		}
	}
	return index
}

// at finds the type or the field at an offset of a document. If the index has
// no entry there, for example after an edit with a mistake, at looks for a type
// with the name at the offset.
func (p *project) at(file string, d *document, offset int) (m mention, r textRange, ok bool) {
	word, start, end := d.word(offset)
	if word == "" {
		return m, r, false
	}
	quoted := start > 0 && d.text[start-1] == '"'
	r = textRange{d.position(start), d.position(end)}
	for _, m := range p.index[file] {
		at := d.offset(m.pos.Line, m.pos.Col)
		if at != start && !(quoted && at == start-1) {
			continue
		}
		want := m.schema.Name
		if m.field != nil {
			want = m.field.Name
		}
		if _, short := avsc.SplitName(want); word == want || word == short {
			return m, r, true
		}
	}
	if s := p.byName(word); s != nil {
		return mention{schema: s}, r, true
	}
	return m, r, false
}

// byName finds a type by the full name. A short name is enough if no other type
// has the same short name.
func (p *project) byName(word string) *avsc.Schema {
	if p.set == nil {
		return nil
	}
	if s := p.set.Type(word); s != nil {
		return s
	}
	var found []*avsc.Schema
	for _, list := range p.index {
		for _, m := range list {
			if m.field == nil && m.schema.ShortName() == word && !slices.Contains(found, m.schema) {
				found = append(found, m.schema)
			}
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}
