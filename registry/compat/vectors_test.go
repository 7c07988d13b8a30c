package compat_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/vectortest"
	"github.com/avroline/avroline/registry/compat"
)

// words is the registry's text of a finding.
type words struct {
	Type    string `json:"type"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

type pairCase struct {
	ID         string  `json:"id"`
	Reader     string  `json:"reader"`
	Writer     string  `json:"writer"`
	Compatible bool    `json:"compatible"`
	Confidence string  `json:"confidence"`
	Incompat   []words `json:"incompat"`
}

// notSchemas returns the vectors whose texts our parser refuses, with the
// section of Avro 1.12 that requires the refusal. The expected verdicts of
// these vectors come from a lenient parser.
func notSchemas() map[string]string {
	const names = "Complex Types: a record and a fixed have a name"
	return map[string]string{
		"p0000": names, "p0002": names, "p0004": names, "p0333": names, "p0335": names,
		"p0198": "Enums: the default is one of the symbols",
	}
}

// TestPairs compares the verdict, and the number, the order and the text of the
// findings.
func TestPairs(t *testing.T) {
	t.Parallel()
	n := vectortest.Each(t, "compat.jsonl", func(c pairCase) {
		found, err := compat.Check(compat.Backward, c.Reader, c.Writer)
		if _, no := notSchemas()[c.ID]; no != (err != nil) {
			t.Errorf("%s (%s): error %v", c.ID, c.Confidence, err)
		}
		if err != nil {
			return
		}
		found = structural(found)
		if c.Confidence == "disputed" && len(c.Incompat) == 0 {
			return
		}
		if (len(found) == 0) != c.Compatible {
			t.Errorf("%s (%s): %v, want compatible %v\nwriter %s\nreader %s", c.ID, c.Confidence, found, c.Compatible, c.Writer, c.Reader)
			return
		}
		var got []words
		for _, f := range found {
			got = append(got, words{f.Type, f.Path, f.Message})
			if f.Witness == nil && f.NoWitness != "no value that ends shows it" || f.Pos.Line == 0 || f.Advice == "" || f.Who == "" {
				t.Errorf("%s: incomplete: %+v\nwriter %s\nreader %s", c.ID, f, c.Writer, c.Reader)
			}
		}
		if len(c.Incompat) == 0 {
			return
		}
		if diff := cmp.Diff(c.Incompat, got); diff != "" {
			t.Errorf("%s (%s): findings (-want +got):\n%s\nwriter %s\nreader %s", c.ID, c.Confidence, diff, c.Writer, c.Reader)
		}
	})
	t.Logf("%d pairs", n)
}

// structural removes the findings that registries do not have.
func structural(found []compat.Finding) []compat.Finding {
	return slices.DeleteFunc(found, func(f compat.Finding) bool {
		return f.Type == compat.LogicalTypeChanged || f.Type == compat.DefaultMisfit
	})
}

type levelCase struct {
	ID         string       `json:"id"`
	Level      compat.Level `json:"level"`
	New        string       `json:"new"`
	Previous   []string     `json:"previous"`
	Compatible bool         `json:"compatible"`
}

func TestLevels(t *testing.T) {
	t.Parallel()
	vectortest.Each(t, "compat_levels.jsonl", func(c levelCase) {
		found, err := compat.Check(c.Level, c.New, c.Previous...)
		found = structural(found)
		if err != nil || (len(found) == 0) != c.Compatible {
			t.Errorf("%s: %v %v, want compatible %v", c.ID, found, err, c.Compatible)
		}
	})
}
