// Command generate writes three files from the list in package catalog: the
// Grafana dashboard, the alert rules, and the table of metrics.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/avroline/avroline/producer/prom/internal/catalog"
)

func main() {
	docs := flag.String("docs", "docs", "the folder of the docs")
	flag.Parse()
	files, err := generate(*docs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*docs, name), text, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
	}
}

// generate returns the generated files by their paths in the docs folder.
func generate(docs string) (map[string][]byte, error) {
	page, err := os.ReadFile(filepath.Join(docs, "observability.md"))
	if err != nil {
		return nil, err
	}
	board, err := dashboard()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"observability/dashboard.json": board, "observability/alerts.yaml": alertRules()}
	for name, table := range map[string]string{"metrics": metricsTable(), "alerts": alertsTable()} {
		if page, err = replace(page, name, table); err != nil {
			return nil, err
		}
	}
	files["observability.md"] = page
	return files, nil
}

// replace replaces the text between the marks of a generated part.
func replace(page []byte, name, text string) ([]byte, error) {
	before, rest, found := bytes.Cut(page, []byte("<!-- generated: "+name+" -->\n"))
	_, after, ended := bytes.Cut(rest, []byte("<!-- end -->\n"))
	if !found || !ended {
		return nil, fmt.Errorf("observability.md has no part %q", name)
	}
	return fmt.Appendf(nil, "%s<!-- generated: %s -->\n%s<!-- end -->\n%s", before, name, text, after), nil
}

func metricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range catalog.All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	return b.String()
}

func alertsTable() string {
	var b strings.Builder
	b.WriteString("| alert | severity | after | meaning | do |\n|---|---|---|---|---|\n")
	for _, a := range alerts() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", a.name, a.severity, a.wait, a.meaning, a.do)
	}
	return b.String()
}
