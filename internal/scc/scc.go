// Package scc finds the loops of a graph.
package scc

// Finder finds the strongly connected components of a graph with Tarjan's
// algorithm. Two nodes are in the same component if each node leads to the
// other. The time of all visits together is linear in the size of the graph.
type Finder[N comparable] struct {
	inside   func(n N, visit func(N))
	found    func(component []N)
	index    map[N]int // the order of the visits; begins at 1
	complete map[N]bool
	open     []N // visited nodes without a complete component
}

// New returns a Finder. The function inside must call its argument for each
// node that n leads to. The Finder calls found for each component, after the
// components that the component leads to. The slice is valid during the call.
func New[N comparable](inside func(n N, visit func(N)), found func(component []N)) *Finder[N] {
	return &Finder[N]{inside: inside, found: found, index: map[N]int{}, complete: map[N]bool{}}
}

// Visit finds the component of n and all components that n leads to. Components
// that are already known are not found again.
func (f *Finder[N]) Visit(n N) {
	if !f.complete[n] {
		f.visit(n)
	}
}

// visit returns the lowest index of an open node that n leads to.
func (f *Finder[N]) visit(n N) int {
	own := len(f.index) + 1
	f.index[n] = own
	at := len(f.open)
	f.open = append(f.open, n)
	low := own
	f.inside(n, func(x N) {
		i, visited := f.index[x]
		switch {
		case !visited:
			low = min(low, f.visit(x))
		case !f.complete[x]:
			low = min(low, i)
		}
	})
	if low == own {
		component := f.open[at:]
		for _, x := range component {
			f.complete[x] = true
		}
		f.found(component)
		f.open = f.open[:at]
	}
	return low
}
