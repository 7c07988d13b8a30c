// Package compat decides whether versions of a schema are compatible. Package
// compat decides as a schema registry does, without a call to a registry.
//
//	findings, err := compat.Check(compat.Backward, changed, old)
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
	"github.com/avroline/avroline/registry/contract"
)

// The types of findings. The first six are the registry's types.
// AmbiguousFieldAlias means that a field's name and aliases match two fields of
// the writer, or that an alias is the field's own name. For such a field a
// registry only reports that its check failed.
//
// Registries do not know LogicalTypeChanged, because registries accept a change
// of the logical type, precision, scale or unit. Most readers do not convert
// the value, and read another value than the writer wrote. Registries do not
// know DefaultMisfit either, because registries check a default only against
// the type, and not against the logical type.
const (
	NameMismatch        = evolve.NameMismatch
	FixedSizeMismatch   = evolve.FixedSizeMismatch
	MissingEnumSymbols  = evolve.MissingEnumSymbols
	MissingDefault      = evolve.MissingDefault
	TypeMismatch        = evolve.TypeMismatch
	MissingUnionBranch  = evolve.MissingUnionBranch
	AmbiguousFieldAlias = evolve.AmbiguousFieldAlias
	LogicalTypeChanged  = evolve.LogicalTypeChanged
	DefaultMisfit       = evolve.DefaultMisfit
)

// Finding is a reason why two versions are incompatible.
type Finding = contract.Finding

// Cause is a change inside a union.
type Cause = contract.Cause

// Witness is a value of the writer's schema that the reader cannot read. For a
// [LogicalTypeChanged] the reader reads another value than the writer wrote,
// and Reason names both values.
type Witness = contract.Witness

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
		first := len(findings)
		if level.ReadsOld() {
			findings = append(findings, evolve.Check(now, versions[i], true)...)
		}
		if level.ReadByOld() {
			findings = append(findings, evolve.Check(now, versions[i], false)...)
		}
		for k := range findings[first:] {
			findings[first+k].Against = n - 1
		}
	}
	return findings, nil
}
