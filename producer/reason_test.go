package producer_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer"
)

// TestReasonsAreComplete checks that Reasons returns every constant of the
// type, once.
func TestReasonsAreComplete(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && fmt.Sprint(v.Type) == "Reason" {
			value, _ := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			want = append(want, value)
		}
		return true
	})
	var got []string
	for _, r := range producer.Reasons() {
		got = append(got, string(r))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 10 {
		t.Error(diff)
	}
}
