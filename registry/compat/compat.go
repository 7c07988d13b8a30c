// Package compat decides whether versions of a schema are compatible, as a
// schema registry decides it, and without asking one.
//
// What it finds, it words as the registry does, and adds where in the new
// schema it is, what to do, who breaks, and a value that shows it: [Check].
package compat

import (
	"fmt"
	"maps"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/evolve"
)

// The types of findings. The first six are the registry's. Where a field's name
// and aliases match two fields of the writer, a registry only reports that its
// check failed.
//
// LogicalTypeChanged is not known to registries: they accept a changed logical
// type, precision, scale or unit. Most readers do not convert, and read another
// value than was written.
const (
	NameMismatch        = evolve.NameMismatch
	FixedSizeMismatch   = evolve.FixedSizeMismatch
	MissingEnumSymbols  = evolve.MissingEnumSymbols
	MissingDefault      = evolve.MissingDefault
	TypeMismatch        = evolve.TypeMismatch
	MissingUnionBranch  = evolve.MissingUnionBranch
	AmbiguousFieldAlias = evolve.AmbiguousFieldAlias
	LogicalTypeChanged  = evolve.LogicalTypeChanged
)

// Finding is one reason why two versions do not go together.
type Finding struct {
	Type        string // the registry's errorType, one of the constants of this package
	Path        string // the registry's path into the reader's schema, such as /fields/1
	Message     string // the registry's additionalInfo
	What        string // what was changed: "field total is new and has no default"
	Frame       string // what follows for the union around the change, of a finding with Causes
	Advice      string // a sentence: what to do
	Who         string // a sentence: who breaks
	Line, Col   int    // in the new schema's text, from 1, 0 when not known
	Against     int    // the index in previous, oldest first
	NewIsReader bool   // the new schema cannot read the old data; else old readers cannot read the new data

	// Causes are the changes inside a union, of a [MissingUnionBranch] whose
	// branch is there but cannot read some value. What, Advice, Line and Col are
	// those of the first cause.
	Causes []Cause

	// Witness is a small value that the reader cannot take. It is nil where
	// there is none, and then NoWitness says why.
	Witness   *Witness
	NoWitness string
}

// Cause is a change inside a union.
type Cause struct {
	Type      string // one of the constants of this package
	What      string // what was changed
	Advice    string // a sentence: what to do
	Line, Col int    // in the new schema's text, from 1, 0 when not known
}

// Witness is a value of the writer's schema that the reader fails on: Reason is
// what the reader's plan said. For a [LogicalTypeChanged] it is a value that is
// read as another one, and Reason names both.
type Witness struct {
	JSON   string // the value in Avro JSON
	Data   []byte // the value in Avro binary, under the writer's schema
	Reason string // the reader's error
}

// Check compares a new schema with the previous versions, in version order,
// oldest first. Each is the text of one self-contained schema. No findings and
// a nil error mean that the registry accepts the schema at this level, and that
// every value keeps its meaning ([LogicalTypeChanged]). With no previous version,
// or at [None], there are no findings.
//
// The findings are those against the latest version first, and for each version
// those of the new schema as a reader before those of it as a writer. As in the
// registry, a type that is used twice can be found twice.
//
// The error is for a level that is none and for text that is not a schema.
func Check(level Level, new string, previous ...string) ([]Finding, error) { //nolint:predeclared // the word for it
	versions := make(map[int]string, len(previous))
	for i, text := range previous {
		versions[i+1] = text
	}
	return CheckVersions(level, new, versions)
}

// CheckVersions is [Check] for previous versions under their numbers, which a
// subject's need not count from 1 without a gap. Against of a finding is then the
// number less 1.
func CheckVersions(level Level, new string, previous map[int]string) ([]Finding, error) { //nolint:predeclared // the word for it
	if level < Backward || level > None {
		return nil, fmt.Errorf("compat: %v is not a level", level)
	}
	latest, err := avsc.Parse("new schema", []byte(new))
	if err != nil {
		return nil, fmt.Errorf("compat: %w", err)
	}
	numbers := slices.Sorted(maps.Keys(previous))
	versions := make([]evolve.Version, len(numbers))
	for i, n := range numbers {
		label := fmt.Sprintf("version %d", n)
		s, err := avsc.ParseStored(label, []byte(previous[n]))
		if err != nil {
			return nil, fmt.Errorf("compat: %w", err)
		}
		versions[i] = evolve.Version{Label: label, Schema: s}
	}
	var findings []Finding
	for i, n := range slices.Backward(numbers) {
		if i < len(numbers)-1 && !level.Transitive() {
			break
		}
		now := evolve.Version{Label: "the new schema", Schema: latest}
		if level.ReadsOld() {
			findings = append(findings, convert(evolve.Check(now, versions[i], true), n-1)...)
		}
		if level.ReadByOld() {
			findings = append(findings, convert(evolve.Check(now, versions[i], false), n-1)...)
		}
	}
	return findings, nil
}

func convert(found []evolve.Finding, against int) []Finding {
	out := make([]Finding, len(found))
	for i, f := range found {
		out[i] = Finding{
			Type: f.Type, Path: f.Path, Message: f.Message, What: f.What, Frame: f.Frame, Advice: f.Advice, Who: f.Who,
			Line: f.Pos.Line, Col: f.Pos.Col, Against: against, NewIsReader: f.NewIsReader,
			NoWitness: f.NoWitness,
		}
		for _, c := range f.Causes {
			out[i].Causes = append(out[i].Causes, Cause{c.Type, c.What, c.Advice, c.Pos.Line, c.Pos.Col})
		}
		if f.Witness != nil {
			w := Witness(*f.Witness)
			out[i].Witness = &w
		}
	}
	return out
}
