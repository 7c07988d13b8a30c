package plan

import (
	"slices"
)

// rootLayout makes the layout of the root. It also makes the layouts of all
// changed records inside the root, if generated code reaches the record without
// passing through a union of several types.
func (c *compiler) rootLayout(root *Step) {
	if root.Kind != StepRecord {
		return
	}
	// A record has changed if a record inside it has changed. Inner records
	// come first in c.records, so only recursive records need a second pass.
	for again := true; again; {
		again = false
		for _, s := range c.records {
			if !c.changed[s] && !c.sameFields(s) {
				c.changed[s], again = true, true
			}
		}
	}
	c.p.layout = c.layout(root)
	c.p.layout.wide = c.p.layout.wide && c.uses[root] > 1 // a record with one use is only the root record
	for _, l := range c.layouts {
		c.p.wide = c.p.wide || l.wide
	}
	c.p.stateful = c.p.stateful || c.p.wide
}

// sameFields reports whether the writer's fields equal the reader's fields in
// type and order.
func (c *compiler) sameFields(s *Step) bool {
	for i, f := range s.Fields {
		if f.Reader != i || !c.same(f.Step) {
			return false
		}
	}
	return len(s.Defaults) == 0
}

// same reports whether the reader's own decoder accepts and refuses the same
// bytes.
func (c *compiler) same(s *Step) bool {
	switch s.Kind {
	case StepNull, StepBoolean, StepInt, StepLong, StepFloat, StepDouble, StepBytes, StepFixed:
		return true
	case StepArray, StepMap:
		return c.same(s.Items)
	case StepRecord:
		return !c.changed[s]
	case StepEnum:
		return keepsSymbols(s) && len(s.Symbols) == s.Size
	case StepUnion:
		return c.keepsBranches(s) && len(s.Branches) == s.Size
	default:
		return false
	}
}

func keepsSymbols(s *Step) bool {
	for i, r := range s.Symbols {
		if i != r {
			return false
		}
	}
	return true
}

func (c *compiler) keepsBranches(s *Step) bool {
	for i, b := range s.Branches {
		if b.Kind != StepWrap || b.Branch != i || !c.same(b.Items) {
			return false
		}
	}
	return true
}

// inner returns the layout of the changed record that s is. The record may also
// be the element type of s, or the other branch of an optional. Inner returns
// nil if s has changed in another way.
func (c *compiler) inner(s *Step) *layout {
	switch s.Kind {
	case StepRecord:
		return c.layout(s)
	case StepArray:
		if c.least(s.Items) == 0 || c.vanishes(s.Items) { // blocks of such elements are read in another way
			return nil
		}
		return c.inner(s.Items)
	case StepMap:
		return c.inner(s.Items)
	case StepUnion:
		if len(s.Branches) != 2 || s.Size != 2 {
			return nil
		}
		for i, b := range s.Branches {
			other := s.Branches[1-i]
			if b.Kind == StepWrap && b.Branch == i && b.Items.Kind == StepNull && other.Kind == StepWrap && other.Branch == 1-i {
				return c.inner(other.Items)
			}
		}
	default:
	}
	return nil
}

// layout compiles each record once.
func (c *compiler) layout(s *Step) *layout {
	if l, ok := c.layouts[s]; ok {
		return l
	}
	l := &layout{plan: c.p, least: c.least(s)}
	c.layouts[s] = l
	for _, f := range s.Fields {
		c.layoutField(l, f)
	}
	defaults := slices.Clone(s.Defaults)
	slices.SortFunc(defaults, func(a, b StepDefault) int { return a.Reader - b.Reader })
	if len(defaults) == 0 {
		l.wide = int64(l.added) > DefaultAddedPerByte*int64(l.least)
		return l
	}
	all := l.turn(layoutDefaults)
	for _, d := range defaults {
		all.data = append(all.data, d.Data...)
		all.mutable = all.mutable || d.Mutable
		all.added = bounded(all.added, max(d.Memory, 1))
		l.field(d.Reader)
	}
	l.endsInDefaults = true
	l.added = bounded(l.added, all.added)
	l.wide = int64(l.added) > DefaultAddedPerByte*int64(l.least)
	return l
}

func (l *layout) turn(kind layoutKind) *LayoutStep { return l.add(&LayoutStep{Field: -1, kind: kind}) }

func (l *layout) field(k int) *LayoutStep { return l.add(&LayoutStep{Field: k}) }

func (l *layout) add(s *LayoutStep) *LayoutStep {
	if l.first == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
	return s
}

func (c *compiler) layoutField(l *layout, f StepField) {
	s, k := f.Step, f.Reader
	switch {
	case c.void(s) >= 0: // there is nothing to read, and generated code reads nothing
		if k >= 0 {
			l.field(k)
		}
	case k < 0:
		kind := layoutSkip
		if s.Kind == StepBytes {
			kind = layoutSkipSize
		} else if s.Kind == StepLong {
			kind = layoutSkipLong
		}
		l.turn(kind).pc = c.body(f, true)
	case c.same(s):
		l.field(k)
	case s.Kind == StepIntToLong:
		l.turn(layoutIsInt).pc = c.body(f, true)
		l.field(k)
	case s.Kind == StepEnum && keepsSymbols(s):
		below := l.turn(layoutIndexBelow)
		below.size, below.pc = len(s.Symbols), c.body(f, true)
		l.field(k)
	case s.Kind == StepUnion && c.keepsBranches(s):
		below := l.turn(layoutIndexBelow)
		below.size, below.pc = len(s.Branches), c.body(f, true)
		l.field(k)
	case s.Kind == StepEnum:
		c.layoutEnum(l.field(k), s)
	case s.Kind == StepIntToFloat, s.Kind == StepIntToDouble:
		l.field(k).kind = layoutInt
	case s.Kind == StepLongToFloat, s.Kind == StepLongToDouble:
		l.field(k).kind = layoutLong
	case s.Kind == StepFloatToDouble:
		l.field(k).kind = layoutFloat
	default:
		if in := c.inner(s); in != nil && !c.vanishes(s) {
			l.field(k).inner = in
			if s.Kind == StepRecord {
				l.added = bounded(l.added, in.added)
			}
			return
		}
		l.turn(layoutRewrite).pc = c.body(f, false)
		l.field(k)
		l.turn(layoutBack)
		c.p.stateful = true
	}
}

func (c *compiler) layoutEnum(step *LayoutStep, s *Step) {
	for i, r := range s.Symbols {
		if r < 0 {
			step.reasons = append(step.reasons, noSymbol(s.Names[i]))
			r = -len(step.reasons)
		}
		step.symbols = append(step.symbols, int32(r))
	}
}

// body lays out a single field and returns the op where the field's body
// begins.
func (c *compiler) body(f StepField, skip bool) int {
	pc := len(c.p.ops)
	c.path, c.skip, c.loops, c.pending = "", skip, 1, true
	c.field(f)
	c.emit(opEnd, 0, 0)
	c.skip = false
	return pc
}

// least returns a lower bound for the bytes of a value of s in the writer's
// data. The bound may be too low for a record that holds itself.
func (c *compiler) least(s *Step) int {
	switch s.Kind {
	case StepNull, StepFail:
		return 0
	case StepFloat, StepFloatToDouble:
		return 4
	case StepDouble:
		return 8
	case StepFixed:
		return s.Size
	case StepWrap:
		return c.least(s.Items)
	case StepRecord:
		n, ok := c.leasts[s]
		if ok {
			return n
		}
		c.leasts[s] = 0
		for _, f := range s.Fields {
			n = bounded(n, c.least(f.Step))
		}
		c.leasts[s] = n
		return n
	default:
		return 1
	}
}

// vanishes reports whether a value of s takes no bytes in the reader's schema.
// A record that holds itself takes some bytes.
func (c *compiler) vanishes(s *Step) bool {
	switch s.Kind {
	case StepNull:
		return true
	case StepFixed:
		return s.Size == 0
	case StepRecord:
		if known, ok := c.vanishing[s]; ok {
			return known
		}
		c.vanishing[s] = false
		c.vanishing[s] = !slices.ContainsFunc(s.Fields, func(f StepField) bool { return f.Reader >= 0 && !c.vanishes(f.Step) }) &&
			!slices.ContainsFunc(s.Defaults, func(d StepDefault) bool { return len(d.Data) > 0 })
		return c.vanishing[s]
	default:
		return false
	}
}
