package avscfmt_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfmt"
)

var update = flag.Bool("update", false, "rewrite the expected outputs")

// TestFormat formats the file "in" of each testdata/*.txtar. The result must
// equal the file "out".
func TestFormat(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in := a.Files[0].Data
			got := format(t, in)
			if *update {
				a.Files = []txtar.File{{Name: "in", Data: in}, {Name: "out", Data: got}}
				if err := os.WriteFile(name, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[1].Data), string(got)); diff != "" {
				t.Error(diff)
			}
			check(t, in, got)
		})
	}
}

func format(t *testing.T, in []byte) []byte {
	t.Helper()
	out, err := avscfmt.Format("t.avsc", in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// check verifies that the output has the meaning and the comments of the input.
// It also verifies that a second formatting changes nothing.
func check(t *testing.T, in, out []byte) {
	t.Helper()
	if again := format(t, out); string(again) != string(out) {
		t.Errorf("formatting twice changes\n%s\ninto\n%s", out, again)
	}
	before, beforeComments, err := avsc.ReadJSON("in", in)
	if err != nil {
		t.Fatal(err)
	}
	after, afterComments, err := avsc.ReadJSON("out", out)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if !avsc.SameJSON(before, after) {
		t.Errorf("another value:\n%s\nbecame\n%s", in, out)
	}
	count := map[string]int{}
	for _, c := range beforeComments {
		count[squeeze(c.Text)]++
	}
	for _, c := range afterComments {
		count[squeeze(c.Text)]--
	}
	for text, n := range count {
		if n != 0 {
			t.Errorf("comment %q: %+d", text, -n)
		}
	}
	s, err := avsc.Parse("in", in)
	if err != nil {
		return // valid JSON, but not a schema
	}
	formatted, err := avsc.Parse("out", out)
	if err != nil {
		t.Fatal(err)
	}
	if s.Canonical() != formatted.Canonical() {
		t.Errorf("%s\nbecame another schema:\n%s", in, out)
	}
	if s.Kind.Named() {
		// The parser accepts in and out in one set only if both contain the
		// same definition, with the same docs, defaults and properties.
		if _, err := avsc.ParseSet(avsc.Source{Name: "in", Text: in}, avsc.Source{Name: "out", Text: out}); err != nil {
			t.Error(err)
		}
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestFormatRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	_, err := avscfmt.Format("t.avsc", []byte(`{"type" "int"}`))
	if want := `t.avsc:1:9: ':' is missing after "type": add it`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzFormat checks that formatting keeps values, comments and meaning, and
// that a second formatting changes nothing.
func FuzzFormat(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(a.Files[0].Data))
	}
	f.Add("[1,/*a*/2//b\n,/*c*/\n\n3/*d*/]//e\n\n//f")
	f.Add("{\"b\"/*1*/:/*2*/\n1,//3\n/*4*/\"type\":2/*5\n6*/}")
	f.Add("/*a*/\n\n//b\n{}//c")
	f.Fuzz(func(t *testing.T, in string) {
		out, err := avscfmt.Format("f", []byte(in))
		if err != nil {
			return
		}
		check(t, []byte(in), out)
	})
}
