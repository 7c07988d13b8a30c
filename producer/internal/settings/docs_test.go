package settings

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/configuration.md")

// docsTable writes rows as a Markdown table.
func docsTable(rows []Setting) string {
	var b strings.Builder
	b.WriteString("| key | other names | option | values | default, remarks | only in | only by |\n|---|---|---|---|---|---|---|\n")
	for _, s := range rows {
		if s.Refused != "" {
			continue
		}
		var names []string
		for _, name := range s.Names()[1:] {
			names = append(names, "`"+name+"`")
		}
		key := "`" + s.Key + "`"
		if s.GoOnly {
			key = "in Go only"
		}
		if s.Show == Secret {
			key += ", `" + s.Key + ".file`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", key, strings.Join(names, ", "), docsOptions(s.Option), s.Bounds(),
			docsDefault(s), docsPurposes(s.In), map[Transports]string{Confluent: "confluent", Franz: "franz"}[s.Transports])
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "|  |", "| |"), "|  |", "| |")
}

func docsOptions(options string) string {
	if options == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(options, ", ", "`, `") + "`"
}

func docsDefault(s Setting) string {
	var parts []string
	if s.Default != "" {
		parts = append(parts, "`"+s.Default+"`")
	}
	if s.About != "" {
		parts = append(parts, s.About)
	}
	return strings.Join(parts, "; ")
}

func docsPurposes(in Purposes) string {
	if in == 0 {
		return ""
	}
	var names []string
	for _, p := range []Purpose{ForProducer, ForTransactional, ForProcessor, ForSource} {
		if in.has(p) {
			names = append(names, "`"+string(p)+"`")
		}
	}
	return strings.Join(names, ", ")
}

// TestSettingsAreDocumented compares the tables in the documentation with the
// table of settings. After a change, run go test ./producer/internal/settings
// -run Documented -update.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	const page = "../../../docs/configuration.md"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, rows := range map[string][]Setting{
		"options": optionRows(), "security": securityRows(), "client": clientRows(), "consumer": consumerRows(),
	} {
		begin, end := "<!-- settings: "+name+" -->\n", "<!-- end -->\n"
		before, rest, ok := strings.Cut(text, begin)
		old, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s: no %q", page, begin)
		}
		want := docsTable(rows)
		if !*update {
			if diff := cmp.Diff(want, old); diff != "" {
				t.Errorf("%s, %s: run this test with -update\n%s", page, name, diff)
			}
			continue
		}
		text = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
