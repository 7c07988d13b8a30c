package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/check"
	"github.com/avroline/avroline/registry/contract"
)

func TestExcept(t *testing.T) {
	t.Parallel()
	found := func() []contract.Finding {
		one := func(rule, place string) contract.Finding {
			return contract.Finding{Type: rule, Place: place, What: "w", Advice: "Keep it."}
		}
		return []contract.Finding{
			one("TYPE_MISMATCH", "shop.Order.total"), one("LOGICAL_TYPE_CHANGED", "shop.Order.lines[].price"),
			one("LOGICAL_TYPE_CHANGED", "shop.Orders.total"),
		}
	}
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	now := day("2026-11-26").Add(23 * time.Hour)
	for _, c := range []struct {
		name             string
		exceptions       []check.Exception
		kept             []string
		accepted, unused int
		says             string
	}{
		{"none", nil, []string{"shop.Order.total", "shop.Order.lines[].price", "shop.Orders.total"}, 0, 0, ""},
		{"one place", []check.Exception{{Rule: "TYPE_MISMATCH", Path: "shop.Order.total", Reason: "r"}}, []string{"shop.Order.lines[].price", "shop.Orders.total"}, 1, 0, ""},
		{"a whole type, not its namesake", []check.Exception{{Rule: "LOGICAL_TYPE_CHANGED", Path: "shop.Order", Reason: "r"}}, []string{"shop.Order.total", "shop.Orders.total"}, 1, 0, ""},
		{"another rule", []check.Exception{{Rule: "NAME_MISMATCH", Path: "shop.Order.total", Reason: "r"}}, []string{"shop.Order.total", "shop.Order.lines[].price", "shop.Orders.total"}, 0, 1, ""},
		{"on its last day", []check.Exception{{Rule: "TYPE_MISMATCH", Path: "shop.Order.total", Reason: "r", Until: day("2026-11-26")}}, []string{"shop.Order.lines[].price", "shop.Orders.total"}, 1, 0, ""},
		{"the day after", []check.Exception{{Rule: "TYPE_MISMATCH", Path: "shop.Order.total", Reason: "r", Until: day("2026-11-25")}}, []string{"shop.Order.total", "shop.Order.lines[].price", "shop.Orders.total"}, 0, 0, "The exception for it ended on 2026-11-25."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kept, accepted, unused := check.Except(found(), c.exceptions, now)
			var places []string
			says := ""
			for _, f := range kept {
				places = append(places, f.Place)
				says += check.Text(f)
			}
			if diff := cmp.Diff(c.kept, places); diff != "" || len(accepted) != c.accepted || len(unused) != c.unused || !strings.Contains(says, c.says) {
				t.Errorf("%s%d accepted, %d unused, %s", diff, len(accepted), len(unused), says)
			}
		})
	}
}
