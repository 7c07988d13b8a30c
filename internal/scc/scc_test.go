package scc_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/scc"
)

// components returns the components in the order of discovery. Each component
// is sorted.
func components(graph [][]int, roots ...int) (all [][]int) {
	f := scc.New(
		func(n int, visit func(int)) {
			for _, x := range graph[n] {
				visit(x)
			}
		},
		func(component []int) {
			c := slices.Clone(component)
			slices.Sort(c)
			all = append(all, c)
		})
	for _, r := range roots {
		f.Visit(r)
	}
	return all
}

func TestComponents(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		graph [][]int
		roots []int
		want  [][]int
	}{
		{"one node", [][]int{{}}, []int{0}, [][]int{{0}}},
		{"a node that leads to itself", [][]int{{0}}, []int{0, 0}, [][]int{{0}}},
		{"a chain", [][]int{{1}, {2}, {}}, []int{0, 2}, [][]int{{2}, {1}, {0}}},
		{"a chain from its end", [][]int{{1}, {2}, {}}, []int{2, 1}, [][]int{{2}, {1}}},
		{"a loop", [][]int{{1}, {2}, {0}}, []int{1}, [][]int{{0, 1, 2}}},
		{"two loops", [][]int{{1}, {0, 2}, {3}, {2}}, []int{0}, [][]int{{2, 3}, {0, 1}}},
		{"a loop in a loop", [][]int{{1}, {2}, {1, 3}, {0}}, []int{0}, [][]int{{0, 1, 2, 3}}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, components(c.graph, c.roots...)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

// TestRandomGraphs checks that in random graphs, two nodes are in one component
// exactly if each node leads to the other.
func TestRandomGraphs(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(12)
		graph, leads := make([][]int, n), make([][]bool, n)
		for i := range graph {
			leads[i] = make([]bool, n)
			leads[i][i] = true
			for range r.IntN(3) {
				to := r.IntN(n)
				graph[i] = append(graph[i], to)
				leads[i][to] = true
			}
		}
		for k := range n {
			for i := range n {
				for j := range n {
					leads[i][j] = leads[i][j] || leads[i][k] && leads[k][j]
				}
			}
		}
		of := map[int]int{}
		all := components(graph, r.Perm(n)...)
		for number, c := range all {
			for _, i := range c {
				if _, twice := of[i]; twice {
					t.Fatalf("seed %d: %d is in two components", seed, i)
				}
				of[i] = number
			}
		}
		for i := range n {
			for j := range n {
				if same := leads[i][j] && leads[j][i]; (of[i] == of[j]) != same {
					t.Fatalf("seed %d: %d and %d: %v in %v", seed, i, j, graph, all)
				}
				if leads[i][j] && of[i] < of[j] {
					t.Fatalf("seed %d: the component of %d comes before that of %d", seed, i, j)
				}
			}
		}
	}
}
