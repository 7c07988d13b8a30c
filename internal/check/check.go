// Package check compares the schemas of a tree with earlier versions. The
// earlier versions are in another folder, at a git commit or in a registry. The
// command and package compattest use this package.
package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/contractfile"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/contract"
)

// SchemaRemoved is the type of the finding for a removed schema. Registries do
// not check for removed schemas.
const SchemaRemoved = "SCHEMA_REMOVED"

// Subject is one schema with its earlier versions.
type Subject struct {
	// Now is nil if the schema was removed.
	Now    *avsc.Schema
	Before []evolve.Version // oldest version first

	// Contract holds the metadata and the rules of Now.
	Contract contractfile.Contract
	// Latest is the latest version with its rules. It is nil if Now is new.
	Latest *Ruled

	// Group is the metadata property of the subject's compatibility groups in
	// the registry. It is "" if there are no groups.
	Group string

	// Namesake is a new type of the same name in another namespace. Only a
	// Subject with a nil Now has a Namesake.
	Namesake *avsc.Schema

	Level compat.Level
}

// Ruled is a version with its rules.
type Ruled struct {
	evolve.Version
	Contract contractfile.Contract
}

// Text describes a finding of this package in sentences.
func Text(f contract.Finding) string {
	s := f.What
	if f.Frame != "" {
		s += ", so that " + f.Frame
	}
	if f.Who != "" {
		s += ": breaks " + f.Who
	}
	s += "."
	if f.Advice != "" {
		s += " " + f.Advice
	}
	return s
}

// Compare returns the findings of all subjects without repetitions. A type may
// be part of several schemas. If the type is a subject itself, its findings
// belong to this subject. Otherwise the findings belong to the first schema
// that contains the type.
func Compare(subjects []Subject) []contract.Finding {
	group := evolve.NewGroup()
	for _, s := range subjects {
		for _, b := range s.Before {
			if s.Now != nil {
				group.Add(s.Now, b.Schema)
			}
		}
	}
	var found []contract.Finding
	for _, s := range subjects {
		for i := len(s.Before) - 1; i >= 0; i-- {
			if i < len(s.Before)-1 && !s.Level.Transitive() {
				break
			}
			found = append(found, s.against(group, s.Before[i])...)
		}
		found = append(found, s.lostRules()...)
		found = append(found, s.invalidRules()...)
	}
	type key struct {
		pos                contract.Position
		typ, what, who, at string
	}
	at := map[key]int{}
	var out []contract.Finding
	for _, f := range found {
		k := key{pos: f.Pos, typ: f.Type, what: f.What, who: f.Who}
		if f.Pos.Line == 0 {
			k.at = f.Schema
		}
		if i, ok := at[k]; !ok {
			at[k] = len(out)
			out = append(out, f)
		} else if len(f.Path) < len(out[i].Path) {
			out[i] = f
		}
	}
	slices.SortStableFunc(out, func(a, b contract.Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return out
}

func (s Subject) against(group *evolve.Group, before evolve.Version) []contract.Finding {
	name := before.Schema.Name
	if s.Now == nil {
		if !s.Level.ReadsOld() {
			return nil
		}
		f := contract.Finding{
			Type: SchemaRemoved, Schema: name, NewIsReader: true, Place: name,
			What:   fmt.Sprintf("%s is gone", cmp.Or(name, before.Schema.Kind.String())),
			Who:    "consumers on the new schemas reading what " + before.Label + " wrote",
			Advice: "Keep it until no such data is left; if it was renamed, add the old name to the aliases of the new one; if it was moved, give its new place as well.",
			Pos:    contract.Position{File: before.Schema.Pos.File},
		}
		if s.Namesake != nil {
			f.What += fmt.Sprintf(", and %s is new", s.Namesake.Name)
			f.Advice = fmt.Sprintf("If its namespace changed, give --map %s=%s, or add the old name to the aliases of the new type; else keep it until no such data is left.",
				before.Schema.Namespace(), s.Namesake.Namespace())
		}
		return []contract.Finding{f}
	}
	now := evolve.Version{Label: "the new schema", Schema: s.Now}
	var found []contract.Finding
	if s.Level.ReadsOld() {
		found = group.Check(now, before, true)
	}
	if s.Level.ReadByOld() {
		found = append(found, group.Check(now, before, false)...)
	}
	var out []contract.Finding
	for _, f := range found {
		out = append(out, evolve.EachCause(f)...)
	}
	return out
}

// Versions makes the subject of files with versions of one schema. The oldest
// version comes first.
func Versions(level compat.Level, opts Options, files ...*avsc.Set) (Subject, error) {
	s := Subject{Level: level}
	for i, set := range files {
		if i < len(files)-1 {
			opts.rename(set)
		}
		f := set.Files[0]
		root := f.Root
		if root == nil || len(f.Schemas) == 1 {
			if len(f.Schemas) != 1 {
				return s, fmt.Errorf("%s holds %d schemas: versions of one schema have one in a file", f.Name, len(f.Schemas))
			}
			root = f.Schemas[0]
		}
		if i == len(files)-1 {
			s.Now = root
		} else {
			s.Before = append(s.Before, evolve.Version{Label: f.Name, Schema: root})
		}
	}
	return s, s.readContracts(opts.contracts(), contractsBeside(opts.Loader.Read))
}

// Tree is a set of schema files that belong together.
type Tree struct {
	*avsc.Set
	contract  Contracts                      // nil without contracts
	scope     map[string]bool                // the files to check; nil for all files
	elsewhere func(name string) *avsc.Schema // finds a type outside of the set; may be nil
}

func (t Tree) find(name string) *avsc.Schema {
	if s := t.Type(name); s != nil || t.elsewhere == nil {
		return s
	}
	return t.elsewhere(name)
}

// Trees pairs the schemas of a tree with their earlier versions. A schema with
// a name is paired by its full name or an alias, and a schema without a name by
// its file. New schemas are left out. The error is a mistake in a contract
// file.
func Trees(level compat.Level, now, before Tree, label string) ([]Subject, error) {
	var subjects []Subject
	var mistakes error
	kept := map[*avsc.Schema]bool{}
	add := func(s, old *avsc.Schema) {
		kept[old] = true
		subject := Subject{Now: s, Before: []evolve.Version{{Label: label, Schema: old}}, Level: level}
		mistakes = cmp.Or(mistakes, subject.readContracts(now.contract, before.contract))
		subjects = append(subjects, subject)
	}
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			if old := before.earlier(s, f); old != nil {
				add(s, old)
			}
		}
	}
	namesakes := map[string]*avsc.Schema{} // new types by their short names
	for _, f := range now.Files {
		for _, s := range f.Schemas {
			if s.Kind.Named() && before.earlier(s, f) == nil {
				namesakes[s.ShortName()] = s
			}
		}
	}
	for _, f := range before.Files {
		if before.scope != nil && !before.scope[f.Name] {
			continue
		}
		for _, old := range f.Schemas {
			switch {
			case kept[old]:
			case old.Name == "":
				add(nil, old)
			case now.Type(old.Name) != nil: // now part of another schema, and compared there
			default:
				add(now.find(old.Name), old)
				if last := &subjects[len(subjects)-1]; last.Now == nil {
					last.Namesake = namesakes[old.ShortName()]
				}
			}
		}
	}
	return subjects, mistakes
}

// earlier returns the version in t of a schema of file f. The result is nil if
// the schema is new.
func (t Tree) earlier(s *avsc.Schema, f *avsc.File) *avsc.Schema {
	if s.Name == "" {
		for _, b := range t.Files {
			if b.Name == f.Name && len(b.Schemas) == 1 {
				return b.Schemas[0]
			}
		}
		return nil
	}
	if old := t.find(s.Name); old != nil {
		return old
	}
	for _, a := range s.Aliases {
		if old := t.find(a.Name); old != nil {
			return old
		}
	}
	return nil
}
