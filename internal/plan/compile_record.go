package plan

import "slices"

// freeVoids is the number of values without bytes that a record may have
// uncharged.
const freeVoids = 4

// defaultMemory is the minimum memory of a field in a program that reads
// rewritten bytes. The figure is the size of a map entry in serde.Generic.
const defaultMemory = 48

// record lays out a record. The writer's fields come in the writer's order.
// Fields unknown to the reader are left out, and defaults stand at the reader's
// places.
//
// If the reader has fields in another order, the operations first write
// segments in the writer's order and then reorder the segments. No value is
// therefore walked over twice.
func (c *compiler) record(s *Step) {
	if c.skip {
		for _, f := range s.Fields {
			c.field(f)
		}
		return
	}
	if n := c.voidFields(s); n > freeVoids {
		c.emit(opCharge, n, 0)
	}
	// Ranks describe the reader's order. Each kept field has a rank. Each
	// default has the rank of the kept field before the default.
	order := make([]int, 0, len(s.Fields))
	for _, f := range s.Fields {
		if f.Reader >= 0 {
			order = append(order, f.Reader)
		}
	}
	slices.Sort(order)
	after := make([][]byte, len(order)+1) // after[k] holds the defaults after the field of rank k-1
	memory := make([]int, len(order)+1)
	defaults := slices.Clone(s.Defaults)
	slices.SortFunc(defaults, func(a, b StepDefault) int { return a.Reader - b.Reader })
	for _, d := range defaults {
		k, _ := slices.BinarySearch(order, d.Reader)
		after[k] = append(after[k], d.Data...)
		memory[k] += max(d.Memory, defaultMemory)
	}
	c.put(after[0], memory[0])

	var (
		kept     int   // number of fields laid out
		last     = -1  // rank of the previous field
		highest  = -1  // highest rank so far
		segments []int // ranks at which the segments of the current group begin
	)
	for _, f := range s.Fields {
		if f.Reader < 0 {
			c.skipField(f)
			continue
		}
		rank, _ := slices.BinarySearch(order, f.Reader)
		if highest < kept { // all lower ranks are in place, so a group may begin
			segments = segments[:0]
			if rank != kept {
				segments = append(segments, rank)
				c.emit(opSegment, 0, 0)
			}
		} else if rank != last+1 {
			segments = append(segments, rank)
			c.emit(opSegment, 0, 0)
		}
		c.field(f)
		c.put(after[rank+1], memory[rank+1])
		last, highest = rank, max(highest, rank)
		if kept++; highest < kept && len(segments) > 0 {
			c.permute(segments)
		}
	}
}

// permute sorts the segments whose first fields have the given ranks.
func (c *compiler) permute(ranks []int) {
	c.pending = false
	if len(ranks) == 2 {
		c.emit(opSwap, 0, 0)
		return
	}
	base := len(c.p.table)
	order := make([]int32, len(ranks))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return ranks[a] - ranks[b] })
	c.p.table = append(c.p.table, order...)
	c.emit(opPermute, base, len(ranks))
}

func (c *compiler) field(f StepField) {
	if c.void(f.Step) >= 0 {
		return // the record has charged the field's values
	}
	path := c.path
	c.path = join(path, f.Name)
	c.step(f.Step)
	c.path = path
}

// skipField walks over a field and drops the field's bytes.
func (c *compiler) skipField(f StepField) {
	if c.void(f.Step) >= 0 {
		return
	}
	c.cut()
	if last := len(c.p.ops) - 1; last >= 0 && c.p.ops[last].code == opDrop {
		c.p.ops, c.p.paths = c.p.ops[:last], c.p.paths[:last] // one opDrop covers both fields
	}
	c.skip = true
	c.field(f)
	c.skip = false
	c.emit(opDrop, 0, 0)
	c.pending = false
}
