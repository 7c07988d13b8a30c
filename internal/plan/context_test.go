package plan_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/avroline/avroline/internal/contexttest"
	"github.com/avroline/avroline/internal/plan"
	"github.com/avroline/avroline/internal/resolve"
)

// TestPlanStops checks that reading a long message by a plan stops soon after
// the end of the context. The test counts bytes and looks, and no time.
func TestPlanStops(t *testing.T) {
	t.Parallel()
	const n = 1 << 16
	items := func(count int, one string) string {
		return string(binary.AppendVarint(nil, int64(count))) + strings.Repeat(one, count) + "\x00"
	}
	array := func(item string) string { return `{"type":"array","items":` + item + `}` }
	rec := func(fields string) string { return `{"type":"record","name":"I","fields":[` + fields + `]}` }
	a, b := `{"name":"a","type":"int"}`, `{"name":"b","type":"string","default":"x"}`
	for _, c := range []struct{ name, writer, reader, data string }{
		{"longs", array(`"long"`), array(`"long"`), items(n, "\x02")},
		{"fixed", array(`{"type":"fixed","name":"F","size":2}`), array(`{"type":"fixed","name":"F","size":2}`), items(n, "ab")},
		{"strings", array(`"string"`), array(`"string"`), items(n, "\x02a")},
		{"a map", `{"type":"map","values":"int"}`, `{"type":"map","values":"int"}`, items(n, "\x02k\x02")},
		{"records with a default", array(rec(a)), array(rec(a + "," + b)), items(n, "\x02")},
		{"short arrays in a long array", array(array(`"int"`)), array(array(`"long"`)), items(n, "\x02\x02\x00")},
		{"blocks of one", array(`"string"`), array(`"string"`), strings.Repeat("\x02\x02a", n) + "\x00"},
		{"a skipped array", rec(a + `,{"name":"l","type":` + array(`"string"`) + `}`), rec(a), "\x02" + items(n, "\x02a")},
		{"elements without bytes", rec(a + `,{"name":"l","type":` + array(rec("")) + `}`), rec(a + `,{"name":"l","type":` + array(rec(b)) + `}`), "\x02" + items(n, "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := resolve.Resolve(parse(t, strings.Replace(c.writer, `"I"`, `"O"`, 1)), parse(t, strings.Replace(c.reader, `"I"`, `"O"`, 1)))
			if err != nil {
				t.Fatal(err)
			}
			const looks = 3
			ctx := contexttest.EndAfter(t.Context(), looks)
			stopping := (*plan.Plan)(p).WithContext(ctx, 1<<20)
			_, err = stopping.Append(nil, []byte(c.data))
			var at *plan.Error
			if !errors.Is(err, context.Canceled) || !errors.As(err, &at) {
				t.Fatalf("got %v", err)
			}
			if at.Offset > 256*(looks+2)*3 {
				t.Errorf("stopped at %d of %d bytes", at.Offset, len(c.data))
			}
			if _, err := (*plan.Plan)(p).Append(nil, []byte(c.data)); err != nil {
				t.Errorf("control: without a context: %v", err)
			}
			all := contexttest.EndAfter(t.Context(), 1<<30)
			want, _ := (*plan.Plan)(p).Append(nil, []byte(c.data))
			got, err := (*plan.Plan)(p).WithContext(all, 1<<20).Append(nil, []byte(c.data))
			if err != nil || string(got) != string(want) {
				t.Errorf("a context that does not end: %v", err)
			}
			if done := 1<<30 - all.Left; done < n/256 {
				t.Errorf("%d looks at the context", done)
			}
		})
	}
	p, err := resolve.Resolve(parse(t, rec(a)), parse(t, rec(a)))
	if err != nil {
		t.Fatal(err)
	}
	if small := (*plan.Plan)(p); small.WithContext(contexttest.EndAfter(t.Context(), 0), 100) != small {
		t.Error("a short message makes a copy of the plan")
	}
}
