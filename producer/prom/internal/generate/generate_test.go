package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer/prom/internal/catalog"
)

const docs = "../../../../docs"

// TestGeneratedFilesAreCurrent checks that the dashboard, the rules and the
// tables are generated from the present list of metrics.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	files, err := generate(docs)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("docs/%s is out of date, run go generate ./producer/prom: %s", name, diff)
		}
	}
}

// TestEveryMetricIsShown checks that the dashboard shows every metric, and that
// dashboard and rules use only metrics of the list.
func TestEveryMetricIsShown(t *testing.T) {
	t.Parallel()
	board, err := dashboard()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, name := range regexp.MustCompile(`avroline_[a-z_]+`).FindAllString(string(board)+string(alertRules()), -1) {
		if m, err := catalog.Find(strings.TrimPrefix(name, "avroline_")); err == nil {
			used[m.Name] = true
			continue
		}
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		m, err := catalog.Find(strings.TrimPrefix(base, "avroline_"))
		if err != nil || base == name || m.Type != catalog.Histogram && m.Type != catalog.Summary {
			t.Errorf("%s is no metric", name)
			continue
		}
		used[m.Name] = true
	}
	for _, m := range catalog.All() {
		if !used[m.Name] {
			t.Errorf("the dashboard does not show %s", m.Name)
		}
	}
}

// TestRules lets promtool check the rules and run the cases in
// alerts.test.yaml.
func TestRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("AVROLINE_TEST_REQUIRE_REAL") != "" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed (Debian's package prometheus has it)")
	}
	for _, args := range [][]string{
		{"check", "rules", "alerts.yaml"},
		{"test", "rules", "alerts.test.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = filepath.Join(docs, "observability")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// TestEveryAlertIsTested checks that alerts.test.yaml has a firing case for
// each alert.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	cases, err := os.ReadFile(filepath.Join(docs, "observability", "alerts.test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts() {
		if !regexp.MustCompile(`alertname: ` + a.name + `\n\s+exp_alerts:\n\s+- `).Match(cases) {
			t.Errorf("no case lets %s fire", a.name)
		}
	}
}
