package evolve_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/registry/contract"
)

// TestBreaksInsideUnions checks the report of a break inside a union. The
// finding has the position, cause and advice of the change. The union's finding
// becomes the frame. Rule and path are the same as the registry's.
func TestBreaksInsideUnions(t *testing.T) {
	t.Parallel()
	order := func(note string) string {
		return "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"note\",\"type\":\n" + note + "}]}"
	}
	note := func(more string) string {
		return `["null",{"type":"record","name":"Note","fields":[{"name":"text","type":"string"}` + more + `]}]`
	}
	for _, c := range []struct {
		name, old, now string
		newIsReader    bool
		want           []string
	}{
		{
			"two new fields", order(note("")), order(note(",\n{\"name\":\"a\",\"type\":\"int\"},\n{\"name\":\"b\",\"type\":\"int\"}")), true,
			[]string{
				"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 3:9 field a is new and has no default | no branch takes record Note any more",
				"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 4:9 field b is new and has no default | no branch takes record Note any more",
			},
		},
		{
			"a symbol that left", order(`["null",{"type":"enum","name":"E","symbols":["A","B"]}]`), order(`["null",{"type":"enum","name":"E","symbols":["A"]}]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 2:9 B left enum E, which has no default | no branch takes enum E any more"},
		},
		{
			"the size of a fixed", order(`["null",{"type":"fixed","name":"F","size":4}]`), order(`["null",{"type":"fixed","name":"F","size":5}]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 2:9 F went from 4 to 5 bytes | no branch takes fixed F any more"},
		},
		{
			"a promotion the wrong way", order(`["null","long"]`), order(`["null","int"]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 2:9 long became int | no branch takes long any more"},
		},
		{
			"a name without alias", order(note("")), order(`["null",{"type":"record","name":"Memo","fields":[{"name":"text","type":"string"}]}]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 2:9 Note became Memo | no branch takes record Note any more"},
		},
		{
			"one branch alone", order(`[{"type":"fixed","name":"F","size":4}]`), order(`[{"type":"fixed","name":"F","size":5}]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/0 Order.note 2:2 F went from 4 to 5 bytes | no branch takes fixed F any more"},
		},
		{
			"one in another", order(`["null",{"type":"record","name":"N","fields":[{"name":"l","type":["null",{"type":"array","items":"long"}]}]}]`),
			order(`["null",{"type":"record","name":"N","fields":[{"name":"l","type":["null",{"type":"array","items":"int"}]}]}]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 2:98 long became int | no branch takes record N any more"},
		},
		{
			"one place, reached by two ways", order(`["null",{"type":"record","name":"N","fields":[{"name":"a","type":["null",{"type":"record","name":"M","fields":[]}]},{"name":"b","type":["null","M"]}]}]`),
			order(`["null",{"type":"record","name":"N","fields":[{"name":"a","type":["null",{"type":"record","name":"M","fields":[{"name":"x","type":"int"}]}]},{"name":"b","type":["null","M"]}]}]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 2:120 field x is new and has no default | no branch takes record N any more"},
		},
		{
			"for old readers", order(note("")), order(note(`,{"name":"a","type":"int"}`)), false, nil,
		},
		{
			"a field that old readers need", order(note(`,{"name":"a","type":"int"}`)), order(note("")), false,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/1 Order.note 2:9 field a is gone, and v1 has no default for it | v1 had no branch that takes record Note"},
		},
		{
			"a branch that is gone", order(`["null","int","string"]`), order(`["null","int"]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/2 Order.note 2:1 no branch takes string any more | "},
		},
		{
			"a branch of three that is gone", order(`["null","int","string","boolean"]`), order(`["null","int","string"]`), true,
			[]string{"MISSING_UNION_BRANCH /fields/0/type/3 Order.note 2:1 no branch takes boolean any more | "},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range check(t, c.old, c.now, c.newIsReader) {
				for _, f := range evolve.EachCause(f) {
					got = append(got, fmt.Sprintf("%s %s %s %d:%d %s | %s", f.Type, f.Path, f.Place, f.Pos.Line, f.Pos.Col, f.What, f.Frame))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func check(t *testing.T, old, now string, newIsReader bool) []contract.Finding {
	t.Helper()
	parse := func(label, text string) evolve.Version {
		s, err := avsc.Parse(label, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return evolve.Version{Label: label, Schema: s}
	}
	return evolve.Check(parse("v2", now), parse("v1", old), newIsReader)
}
