package avsc

// Walk calls visit for s and for every schema inside s. Walk visits each node
// once, parents first, in the order of the text.
func (s *Schema) Walk(visit func(*Schema)) {
	seen := map[*Schema]bool{}
	stack := []*Schema{s}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n == nil || n.Kind.Named() && seen[n] {
			continue
		}
		if n.Kind.Named() {
			seen[n] = true
		}
		visit(n)
		for i := len(n.Fields) - 1; i >= 0; i-- {
			stack = append(stack, n.Fields[i].Type)
		}
		stack = append(stack, n.Elem)
		for i := len(n.Branches) - 1; i >= 0; i-- {
			stack = append(stack, n.Branches[i])
		}
	}
}
