// Package compat decides whether versions of a schema are compatible. Package
// compat decides as a schema registry does, without a call to a registry.
//
// [Check] returns findings with the registry's text. Each finding adds the
// place in the new schema, an advice, the clients that break, and an example
// value.
package compat

import (
	"fmt"
	"maps"
	"slices"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/evolve"
)

// The types of findings. The first six are the registry's types.
// AmbiguousFieldAlias means that a field's name and aliases match two fields of
// the writer. For such a field a registry only reports that its check failed.
//
// Registries do not know LogicalTypeChanged, because registries accept a change
// of the logical type, precision, scale or unit. Most readers do not convert
// the value, and read another value than the writer wrote.
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

// Finding is a reason why two versions are incompatible.
type Finding struct {
	Type        string // the registry's errorType, one of the constants of this package
	Path        string // the registry's path into the reader's schema, such as /fields/1
	Message     string // the registry's additionalInfo
	What        string // the change: "field total is new and has no default"
	Frame       string // the effect on the union around the change, if there are Causes
	Advice      string // a sentence with the advice
	Who         string // a sentence that names the clients that break
	Line, Col   int    // in the new schema's text, from 1; 0 if unknown
	Against     int    // the index in previous, oldest first
	NewIsReader bool   // true if the new schema cannot read old data; false if old readers cannot read new data

	// Causes are the changes inside a union. Only a [MissingUnionBranch] has
	// Causes, and only if its branch exists but cannot read some value. What,
	// Advice, Line and Col come from the first cause.
	Causes []Cause

	// Witness is a small value that the reader cannot read. If there is no
	// Witness, NoWitness gives the reason.
	Witness   *Witness
	NoWitness string
}

// Cause is a change inside a union.
type Cause struct {
	Type      string // one of the constants of this package
	What      string // the change
	Advice    string // a sentence with the advice
	Line, Col int    // in the new schema's text, from 1; 0 if unknown
}

// Witness is a value of the writer's schema that the reader cannot read. Reason
// is the error of the reader's plan. For a [LogicalTypeChanged] the reader
// reads another value than the writer wrote, and Reason names both values.
type Witness struct {
	JSON   string // the value in Avro JSON
	Data   []byte // the value in Avro binary, under the writer's schema
	Reason string // the reader's error
}

// Check compares a new schema with the previous versions, oldest first. Each
// text is a self-contained schema. If there are no findings and no error, the
// registry accepts the schema at this level, and every value keeps its meaning
// (see [LogicalTypeChanged]). Without previous versions, or at level [None],
// there are no findings.
//
// The findings against the latest version come first. For each version, the
// findings with the new schema as the reader come first, and the findings with
// the new schema as the writer come second. A type that is used twice can give
// the same finding twice, as in the registry.
//
// The error reports an invalid level, or a text that is not a schema.
func Check(level Level, new string, previous ...string) ([]Finding, error) { //nolint:predeclared // the word for it
	versions := make(map[int]string, len(previous))
	for i, text := range previous {
		versions[i+1] = text
	}
	return CheckVersions(level, new, versions)
}

// CheckVersions is [Check] for previous versions with their version numbers.
// The version numbers of a subject may start above 1 and may have gaps. Against
// of a finding is the version number minus 1.
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
