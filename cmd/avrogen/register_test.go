package main

import (
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/compat"
)

// TestRefusalsReadLikeFindings checks that a refusal of the registry has the
// same text as the finding of check.
func TestRefusalsReadLikeFindings(t *testing.T) {
	t.Parallel()
	const was, is = `{"type":"record","name":"R","fields":[]}`, `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	ours, err := compat.CheckVersions(compat.Backward, is, map[int]string{1: is, 12: was})
	if err != nil || len(ours) != 1 {
		t.Fatalf("%v, %v", ours, err)
	}
	e := &entry{file: "r.avsc", subject: "r-value", schema: &avsc.Schema{Pos: avsc.Pos{File: "r.avsc", Line: 3, Col: 1}}}
	found := refusals(e, append(ours, compat.Finding{Message: "a rule of its own"}))
	for i, want := range []finding{
		{
			File: "r.avsc", Line: 3, Col: 1, Rule: compat.MissingDefault, Path: "/fields/0", Witness: "{}",
			Message: "field a is new and has no default: breaks consumers on the new schema reading what version 12 of r-value wrote. " +
				"Give a a default, or, if it is an old field renamed, add the old name as an alias.",
		},
		{File: "r.avsc", Line: 3, Col: 1, Rule: ruleRefused, Message: "subject r-value refuses it: a rule of its own"},
	} {
		if found[i] != want {
			t.Errorf("%+v\nwant %+v", found[i], want)
		}
	}
}
