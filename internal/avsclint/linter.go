package avsclint

import (
	"slices"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

type linter struct {
	Options
	tagging  bool // some fields have tags
	seen     map[*avsc.Schema]bool
	finite   map[*avsc.Schema]bool // the schemas that have a value
	searches int                   // the calls of needsItself
	findings []contract.Finding
}

func (l *linter) report(rule string, pos avsc.Pos, path, what, fix string) {
	if slices.Contains(l.Except, rule) {
		return
	}
	l.findings = append(l.findings, contract.Finding{Pos: contract.Position(pos), Type: rule, Place: path, What: what, Advice: fix})
}

func describe(s *avsc.Schema) string { return s.Kind.String() + " " + s.ShortName() }

func property(props []avsc.Member, key string) *avsc.Value {
	for _, m := range props {
		if m.Key == key {
			return m.Value
		}
	}
	return nil
}
