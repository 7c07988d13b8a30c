package jsonata

// finish converts the parser's tree into the evaluator's tree. A chain of dots
// becomes a path with steps. A filter becomes a part of its step.
func finish(n *node) (*node, error) {
	if n == nil {
		return nil, nil
	}
	switch n.kind {
	case kindName:
		return &node{kind: kindPath, at: n.at, list: []*node{n}, keepArray: n.keepArray}, nil
	case kindBinary:
		if n.text == "." {
			return finishPath(n)
		}
	case kindFilterSyntax:
		return finishFilter(n)
	case kindGroupSyntax:
		return finishGroup(n)
	case kindSort:
		return finishSort(n)
	case kindNegate:
		operand, err := finish(n.lhs)
		if err != nil {
			return nil, err
		}
		if operand.kind == kindNumber {
			operand.val = negate(operand.val)
			return operand, nil
		}
		n.lhs = operand
		return n, nil
	}
	if err := finishParts(n); err != nil {
		return nil, err
	}
	if n.kind == kindBlock {
		for _, e := range n.list {
			n.consArray = n.consArray || e.consArray || e.kind == kindPath && e.list[0].consArray
		}
	}
	return n, nil
}

// finishParts finishes all children of n.
func finishParts(n *node) (err error) {
	for _, part := range []**node{&n.lhs, &n.rhs, &n.third} {
		if *part, err = finish(*part); err != nil {
			return err
		}
	}
	for i := range n.list {
		if n.list[i], err = finish(n.list[i]); err != nil {
			return err
		}
	}
	return finishPairs(n)
}

func finishPairs(n *node) (err error) {
	for i := range n.pairs {
		for j := range n.pairs[i] {
			if n.pairs[i][j], err = finish(n.pairs[i][j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// asPath returns n as a path.
func asPath(n *node) *node {
	if n.kind == kindPath {
		return n
	}
	return &node{kind: kindPath, at: n.at, list: []*node{n}, keepArray: n.keepArray}
}

func finishPath(n *node) (*node, error) {
	lhs, err := finish(n.lhs)
	if err != nil {
		return nil, err
	}
	rhs, err := finish(n.rhs)
	if err != nil {
		return nil, err
	}
	path := asPath(lhs)
	if rhs.kind == kindPath {
		path.list = append(path.list, rhs.list...)
		path.keepArray = path.keepArray || rhs.keepArray
		if rhs.group != nil {
			path.group = rhs.group
		}
	} else {
		path.list = append(path.list, rhs)
	}
	for _, step := range path.list {
		switch step.kind {
		case kindNumber, kindValue:
			return nil, &SyntaxError{step.at, "a number, true, false or null cannot be a step of a path"}
		case kindString:
			step.kind = kindName
		}
		path.keepArray = path.keepArray || step.keepArray
	}
	if first := path.list[0]; first.kind == kindArray {
		first.consArray = true
	}
	if last := path.list[len(path.list)-1]; last.kind == kindArray {
		last.consArray = true
	}
	return path, nil
}

func finishFilter(n *node) (*node, error) {
	result, err := finish(n.lhs)
	if err != nil {
		return nil, err
	}
	step := result
	if step.kind == kindPath {
		step = step.list[len(step.list)-1]
	}
	if step.group != nil {
		return nil, &SyntaxError{n.at, "a filter must be before the grouping"}
	}
	by, err := finish(n.rhs)
	if err != nil {
		return nil, err
	}
	step.filters = append(step.filters, by)
	return result, nil
}

func finishGroup(n *node) (*node, error) {
	result, err := finish(n.lhs)
	if err != nil {
		return nil, err
	}
	if result.group != nil {
		return nil, &SyntaxError{n.at, "a step has one grouping only"}
	}
	result.group = &node{kind: kindObject, at: n.at, pairs: n.pairs}
	return result, finishPairs(result.group)
}

func finishSort(n *node) (*node, error) {
	lhs, err := finish(n.lhs)
	if err != nil {
		return nil, err
	}
	for i := range n.terms {
		if n.terms[i].by, err = finish(n.terms[i].by); err != nil {
			return nil, err
		}
	}
	path := asPath(lhs)
	path.list = append(path.list, &node{kind: kindSort, at: n.at, terms: n.terms})
	return path, nil
}

// walk calls f for n and for all nodes under n.
func walk(n *node, f func(*node)) {
	if n == nil {
		return
	}
	f(n)
	for _, part := range []*node{n.lhs, n.rhs, n.third, n.group} {
		walk(part, f)
	}
	for _, list := range [][]*node{n.list, n.filters} {
		for _, part := range list {
			walk(part, f)
		}
	}
	for _, pair := range n.pairs {
		walk(pair[0], f)
		walk(pair[1], f)
	}
	for _, term := range n.terms {
		walk(term.by, f)
	}
}
