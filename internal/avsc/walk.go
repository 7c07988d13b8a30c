package avsc

// EachPart calls visit for the schemas directly inside s, in the order of the
// text. The parts are the types of fields, the branches, or the elements.
func (s *Schema) EachPart(visit func(*Schema)) {
	for _, f := range s.Fields {
		visit(f.Type)
	}
	for _, b := range s.Branches {
		visit(b)
	}
	if s.Elem != nil {
		visit(s.Elem)
	}
}

// Walk calls visit for s and for every schema inside s. Walk visits each node
// once, parents first, in the order of the text.
func (s *Schema) Walk(visit func(*Schema)) {
	s.WalkNew(map[*Schema]bool{}, visit)
}

// WalkNew does the work of Walk, but does not enter the named types in seen.
// WalkNew adds the visited named types to seen. Several walks with the same set
// take time in proportion to all nodes together.
func (s *Schema) WalkNew(seen map[*Schema]bool, visit func(*Schema)) {
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

// PostOrder appends s and every schema inside s to nodes, the parts before the
// whole. A schema that holds itself stands behind its other parts. Like
// [Schema.WalkNew], PostOrder does not enter the named types in seen.
func (s *Schema) PostOrder(seen map[*Schema]bool, nodes []*Schema) []*Schema {
	if s.Kind.Named() {
		if seen[s] {
			return nodes
		}
		seen[s] = true
	}
	s.EachPart(func(part *Schema) { nodes = part.PostOrder(seen, nodes) })
	return append(nodes, s)
}
