package evolve_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/evolve"
	"github.com/avroline/avroline/internal/resolve"
	"github.com/avroline/avroline/internal/schemagen"
	"github.com/avroline/avroline/registry/contract"
)

// TestCheckAndPlanAgree compares the check with plans. The check finds nothing
// exactly if a plan can be made and no value of the writer fails. Every witness
// fails.
func TestCheckAndPlanAgree(t *testing.T) {
	t.Parallel()
	pairs := 6000
	if testing.Short() {
		pairs = 1500
	}
	var compatible, refused, byValue int
	for seed := range pairs {
		r := rand.New(rand.NewPCG(uint64(seed), 5))
		old := schemagen.Any(r, 1+r.IntN(25))
		newer := schemagen.Evolve(r, old)
		if r.IntN(4) == 0 {
			newer = schemagen.Evolve(r, newer)
		}
		if r.IntN(2) == 0 {
			old, newer = newer, old
		}
		writer, err := avsc.Parse("writer", []byte(old.JSON()))
		if err != nil {
			continue // a change has made a default invalid
		}
		reader, err := avsc.Parse("reader", []byte(newer.JSON()))
		if err != nil {
			continue
		}
		if schemagen.Infinite(writer) {
			continue // the schema has no random values
		}
		wrong, kind := compareWithPlan(r, writer, reader)
		if wrong != "" {
			t.Fatalf("seed %d: %s\nwriter %s\nreader %s", seed, wrong, old.JSON(), newer.JSON())
		}
		switch kind {
		case "compatible":
			compatible++
		case "refused":
			refused++
		case "by value":
			byValue++
		}
	}
	t.Logf("%d compatible, %d refused as a whole, %d for some values", compatible, refused, byValue)
	if least := pairs / 50; min(compatible, refused, byValue) < least {
		t.Errorf("less than %d of one kind: the schemas do not try enough", least)
	}
}

func compareWithPlan(r *rand.Rand, writer, reader *avsc.Schema) (wrong, kind string) {
	found := evolve.Check(evolve.Version{Label: "new", Schema: reader}, evolve.Version{Label: "old", Schema: writer}, true)
	if g := evolve.NewGroup().Check(evolve.Version{Label: "new", Schema: reader}, evolve.Version{Label: "old", Schema: writer}, true); (len(g) == 0) != (len(found) == 0) {
		return fmt.Sprintf("in a group %v, alone %v", g, found), ""
	}
	// TestConversions of package resolve covers logical types.
	all := len(found)
	found = slices.DeleteFunc(found, func(f contract.Finding) bool {
		return f.Type == evolve.LogicalTypeChanged || f.Type == evolve.DefaultMisfit
	})
	if len(found) == 0 && all > 0 {
		return "", "converted"
	}
	plan, err := resolve.Resolve(writer, reader)
	if len(found) == 0 {
		if err != nil {
			return "compatible, but no plan: " + err.Error(), ""
		}
		for range 5 {
			data := schemagen.AppendValue(nil, r, writer)
			if _, err := plan.Append(nil, data); err != nil {
				return fmt.Sprintf("compatible, but %x fails: %v", data, err), ""
			}
		}
		return "", "compatible"
	}
	for _, f := range found {
		if f.Witness == nil {
			return fmt.Sprintf("no witness for %+v", f), ""
		}
		if plan == nil {
			continue
		}
		if got, err := plan.Append(nil, f.Witness.Data); err == nil {
			return fmt.Sprintf("the witness %s (%x) of %s %s is read as %x", f.Witness.JSON, f.Witness.Data, f.Type, f.Path, got), ""
		}
		own, err := resolve.Resolve(writer, writer)
		if err != nil {
			return err.Error(), ""
		}
		if same, err := own.Append(nil, f.Witness.Data); err != nil || !bytes.Equal(same, f.Witness.Data) {
			return fmt.Sprintf("the witness %x is no value of the writer: %v", f.Witness.Data, err), ""
		}
	}
	if plan == nil {
		return "", "refused"
	}
	return "", "by value"
}
