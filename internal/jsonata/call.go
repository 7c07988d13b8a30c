package jsonata

import "slices"

// lambda returns the function that a lambda expression makes.
func lambda(n *node, in any, s *scope) *function {
	f := &function{params: len(n.params)}
	f.call = func(ev *evaluation, args []any, _ any) (any, error) {
		inner := &scope{parent: s}
		for i, name := range n.params {
			var v any = undefined{}
			if i < len(args) {
				v = args[i]
			}
			inner.bind(name, v)
		}
		return ev.eval(n.lhs, in, inner)
	}
	return f
}

// callNode evaluates a call. A call with placeholders makes a function. In a
// chain, first contains the first argument, and otherwise first is nil.
func (ev *evaluation) callNode(n *node, in any, s *scope, first []any) (any, error) {
	callee, err := ev.eval(n.rhs, in, s)
	if err != nil {
		return nil, err
	}
	f, ok := callee.(*function)
	if !ok {
		return nil, failf("a value that is not a function is called")
	}
	args := slices.Clone(first)
	var holes []int
	for _, a := range n.list {
		if a.kind == kindPlaceholder {
			holes = append(holes, len(args))
			args = append(args, undefined{})
			continue
		}
		v, err := ev.eval(a, in, s)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if n.kind != kindPartial {
		return ev.call(f, args, in)
	}
	return &function{params: len(holes), call: func(ev *evaluation, more []any, _ any) (any, error) {
		all := slices.Clone(args)
		for i, hole := range holes {
			if i < len(more) {
				all[hole] = more[i]
			}
		}
		return ev.call(f, all, in)
	}}, nil
}

// call calls a function. call increases the depth, because a function may call
// itself.
func (ev *evaluation) call(f *function, args []any, in any) (any, error) {
	if ev.depth++; ev.depth > maxDepth {
		return nil, ErrLimit
	}
	defer func() { ev.depth-- }()
	if err := ev.spend(1); err != nil {
		return nil, err
	}
	return f.call(ev, args, in)
}

// apply evaluates lhs ~> rhs.
func (ev *evaluation) apply(n *node, in any, s *scope) (any, error) {
	lhs, err := ev.eval(n.lhs, in, s)
	if err != nil {
		return nil, err
	}
	if n.rhs.kind == kindCall {
		out, err := ev.callNode(n.rhs, in, s, []any{lhs})
		return single(out, false), err
	}
	rhs, err := ev.eval(n.rhs, in, s)
	if err != nil {
		return nil, err
	}
	f, ok := rhs.(*function)
	if !ok {
		return nil, failf("the right side of ~> must be a function")
	}
	if g, ok := lhs.(*function); ok {
		return &function{params: 1, call: func(ev *evaluation, args []any, in any) (any, error) {
			v, err := ev.call(g, args, in)
			if err != nil {
				return nil, err
			}
			return ev.call(f, []any{v}, in)
		}}, nil
	}
	return ev.call(f, []any{lhs}, in)
}

// transformer returns the function of |pattern|update, delete|.
func transformer(n *node, s *scope) *function {
	return &function{params: 1, call: func(ev *evaluation, args []any, _ any) (any, error) {
		if len(args) == 0 || isUndefined(args[0]) {
			return undefined{}, nil
		}
		switch args[0].(type) {
		case *object, *array:
		default:
			return nil, failf("only an object or an array can be transformed")
		}
		result, err := ev.clone(args[0])
		if err != nil {
			return nil, err
		}
		found, err := ev.eval(n.lhs, result, s)
		if err != nil {
			return nil, err
		}
		for _, v := range listOf(found) {
			o, ok := v.(*object)
			if !ok {
				continue
			}
			if err := ev.update(n, o, s); err != nil {
				return nil, err
			}
		}
		return result, nil
	}}
}

// update applies the update and the deletion of a transformation to an object.
func (ev *evaluation) update(n *node, o *object, s *scope) error {
	v, err := ev.eval(n.rhs, o, s)
	if err != nil {
		return err
	}
	if !isUndefined(v) {
		members, ok := v.(*object)
		if !ok {
			return failf("the update of a transformation must be an object")
		}
		for _, key := range members.keys {
			// A copy, because the value may contain o. No value may contain
			// itself.
			v, err := ev.clone(members.values[key])
			if err != nil {
				return err
			}
			o.set(key, v)
		}
	}
	if n.third == nil {
		return nil
	}
	if v, err = ev.eval(n.third, o, s); err != nil {
		return err
	}
	for _, name := range listOf(v) {
		key, ok := name.(string)
		if !ok {
			return failf("the deletion of a transformation must be a list of names")
		}
		o.remove(key)
	}
	return nil
}

// listOf returns the values of an array, or the value alone.
func listOf(v any) []any {
	switch v := v.(type) {
	case undefined:
		return nil
	case *array:
		return v.items
	}
	return []any{v}
}

// clone copies arrays and objects.
func (ev *evaluation) clone(v any) (any, error) {
	if err := ev.spend(1); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *array:
		out := &array{}
		for _, item := range v.items {
			c, err := ev.clone(item)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, c)
		}
		return out, nil
	case *object:
		out := newObject()
		for _, key := range v.keys {
			c, err := ev.clone(v.values[key])
			if err != nil {
				return nil, err
			}
			out.set(key, c)
		}
		return out, nil
	}
	return v, nil
}
