package vectors

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/vectortest"
)

func verdict(err error) string {
	if err != nil {
		return "invalid"
	}
	return "valid"
}

// checkError requires a place and a fix in every mistake.
func checkError(t *testing.T, id string, err error) {
	t.Helper()
	var mistakes avsc.Errors
	if err != nil && !errors.As(err, &mistakes) {
		t.Errorf("%s: %T", id, err)
	}
	for _, m := range mistakes {
		if m.Pos.Line < 1 || m.Pos.Col < 1 || m.What == "" || m.Fix == "" {
			t.Errorf("%s: incomplete mistake %v", id, m)
		}
	}
}

// checkText requires that the schema's own text stands for the same schema.
func checkText(t *testing.T, id string, s *avsc.Schema) {
	t.Helper()
	again, err := avsc.Parse(id, []byte(s.Text()))
	if err != nil {
		t.Errorf("%s: its text %s: %v", id, s.Text(), err)
		return
	}
	if again.Canonical() != s.Canonical() || again.Text() != s.Text() {
		t.Errorf("%s: its text %s is another schema", id, s.Text())
	}
}

func TestSchemaCases(t *testing.T) {
	t.Parallel()
	type row struct{ ID, Schema, Expected, Confidence string }
	c := newTally(t, "schema_cases.jsonl")
	disputed, agree := 0, 0
	vectortest.Each(t, c.file, func(r row) {
		s, err := avsc.Parse(r.ID, []byte(r.Schema))
		checkError(t, r.ID, err)
		if err == nil {
			checkText(t, r.ID, s)
		}
		if r.Confidence == "disputed" {
			disputed++
			if verdict(err) == r.Expected {
				agree++
			}
			return
		}
		c.compare(r.ID, verdict(err), r.Expected, err)
	})
	c.done()
	t.Logf("of %d disputed cases we go with the greater part in %d", disputed, agree)
}

func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	type row struct {
		Schema, Canonical string
		Fingerprint       *int64
	}
	n := 0
	vectortest.Each(t, "canonical_form.jsonl", func(r row) {
		n++
		s, err := avsc.Parse("s", []byte(r.Schema))
		if err != nil {
			t.Error(err)
			return
		}
		if got := s.Canonical(); got != r.Canonical {
			t.Errorf("%s\ngot  %s\nwant %s", r.Schema, got, r.Canonical)
		}
		if r.Fingerprint != nil && s.Fingerprint() != uint64(*r.Fingerprint) {
			t.Errorf("%s: fingerprint %d, want %d", r.Schema, int64(s.Fingerprint()), *r.Fingerprint)
		}
	})
	t.Logf("%d forms", n)
}

func TestFormsOfRealSchemas(t *testing.T) {
	t.Parallel()
	type row struct{ ID, Schema, PCF, Rabin string }
	n := 0
	vectortest.Each(t, "vectors.jsonl", func(r row) {
		s, err := avsc.Parse(r.ID, []byte(r.Schema))
		if err != nil {
			t.Error(err)
			return
		}
		checkText(t, r.ID, s)
		if r.PCF == "" {
			return
		}
		n++
		if got := s.Canonical(); got != r.PCF {
			t.Errorf("%s\ngot  %s\nwant %s", r.ID, got, r.PCF)
		}
		if got := fmt.Sprintf("%016x", s.Fingerprint()); got != r.Rabin {
			t.Errorf("%s: fingerprint %s, want %s", r.ID, got, r.Rabin)
		}
	})
	t.Logf("%d forms", n)
}

// manifest returns the rows of manifest.tsv. Each row maps column names to
// values.
func manifest(t *testing.T) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(vectortest.Path(t, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.Comma, in.LazyQuotes = '\t', true
	lines, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func TestRealFiles(t *testing.T) {
	t.Parallel()
	c := newTally(t, "manifest.tsv")
	for _, row := range manifest(t) {
		id := row["id"]
		text, err := os.ReadFile(vectortest.Path(t, "avsc/"+id+".avsc"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := avsc.Parse(id, text)
		checkError(t, id, err)
		if err == nil {
			checkText(t, id, s)
		}
		switch row["verdict"] {
		case "valid":
			c.compare(id, verdict(err), "valid", err)
		case "invalid-alone":
			// We accept comments, as Java's implementation does.
			if strings.Contains(row["features"], "json-comments") && err == nil {
				continue
			}
			c.compare(id, verdict(err), "invalid", err)
		case "valid-in-set", "needs-other-files":
			c.compare(id, verdict(err), "invalid", err)
		}
	}
	c.done()
}

func TestSets(t *testing.T) {
	t.Parallel()
	type row struct {
		ID             string
		Schemas, Files []string
	}
	n := 0
	vectortest.Each(t, "sets.jsonl", func(r row) {
		n++
		var sources []avsc.Source
		for i, text := range r.Schemas {
			sources = append(sources, avsc.Source{Name: fmt.Sprint(r.ID, "/", i), Text: []byte(text)})
		}
		forms := map[string]string{}
		for _, reversed := range []bool{false, true} {
			if reversed {
				slices.Reverse(sources)
			}
			set, err := avsc.ParseSet(sources...)
			if err != nil {
				t.Errorf("%s, reversed %v: %v", r.ID, reversed, err)
				return
			}
			for _, f := range set.Files {
				for _, s := range f.Schemas {
					checkText(t, f.Name, s)
					if was, ok := forms[f.Name+s.Name]; ok && was != s.Canonical() {
						t.Errorf("%s: the order of the files changes %s", r.ID, f.Name)
					}
					forms[f.Name+s.Name] = s.Canonical()
				}
			}
		}
	})
	t.Logf("%d sets", n)
}
