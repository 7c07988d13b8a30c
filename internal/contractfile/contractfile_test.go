package contractfile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/contractfile"
	"github.com/avroline/avroline/registry/contract"
)

// TestTextIsReadBack writes contracts whose texts have a meaning in YAML, or
// characters that YAML does not allow. Reading gives the same contract.
func TestTextIsReadBack(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"null", "~", "yes", "1.0", "1e3", "0x10", "2026-01-01", "!!str x", "&a", "*a", "<<", "=", "-", "---", "...", "? x", "|", ">", "%x", "@x", "`x",
		" a", "a ", "a\tb", "a\n", "\n", "a\r\nb", "  a\n b\n", "a\n\n\n", "a #b", "a: b", "{a: b}", "'", "\"", "\\", `\u0085`,
		"\x00", "\x1b", "\x7f", "\u0080", "\u0085", "\u009f", "\u2028", "\ufeff", "\ufffe", "\uffff", "\U0001F600",
	} {
		want := contractfile.Contract{
			Metadata: &contract.Metadata{Properties: map[string]string{s: s}, Tags: map[string][]string{s: {s}}},
			RuleSet:  &contract.RuleSet{DomainRules: []contract.Rule{{Name: s, Doc: s, Type: "CEL", Tags: []string{s}, Params: map[string]string{s: s}, Expr: s}}},
		}
		text, err := want.Text()
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			t.Errorf("%q: %v in %q", s, err, text)
			continue
		}
		got, err := contractfile.Parse("c", "c", &document)
		if err != nil {
			t.Errorf("%q: %v in %q", s, err, text)
			continue
		}
		if d := cmp.Diff(want.Metadata, got.Metadata); d != "" {
			t.Errorf("%q: metadata (-want +got):\n%s", s, d)
		}
		if d := cmp.Diff(want.RuleSet, got.RuleSet); d != "" {
			t.Errorf("%q: rules (-want +got):\n%s", s, d)
		}
	}
}
