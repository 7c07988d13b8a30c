package plan

import "slices"

// freeVoids is how many values without bytes a record may have uncharged.
const freeVoids = 4

// defaultMemory is the least memory that a field takes in a program which reads
// rewritten bytes: an entry of a map, in serde.Generic.
const defaultMemory = 48

// record lays out a record: the writer's fields in the writer's order, what the
// reader lacks left out, defaults put where the reader has them. Fields that the
// reader has in another order are written as segments in the writer's order
// first, so that nothing is walked over twice, and then put in place.
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
	// The reader's order as ranks: of each field that is kept, and of each default
	// the rank of the kept field that it follows.
	order := make([]int, 0, len(s.Fields))
	for _, f := range s.Fields {
		if f.Reader >= 0 {
			order = append(order, f.Reader)
		}
	}
	slices.Sort(order)
	after := make([][]byte, len(order)+1) // defaults behind the field of rank k-1
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
		kept     int   // fields laid out
		last     = -1  // the rank of the one before
		highest  = -1  // rank so far
		segments []int // the ranks that begin the segments of the group at hand
	)
	for _, f := range s.Fields {
		if f.Reader < 0 {
			c.skipField(f)
			continue
		}
		rank, _ := slices.BinarySearch(order, f.Reader)
		if highest < kept { // all ranks below are in place: a group may begin
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

// permute puts the segments that begin with these ranks in order.
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
		return // the record has charged them
	}
	path := c.path
	c.path = join(path, f.Name)
	c.step(f.Step)
	c.path = path
}

// skipField walks over a field and leaves it out.
func (c *compiler) skipField(f StepField) {
	if c.void(f.Step) >= 0 {
		return
	}
	c.cut()
	if last := len(c.p.ops) - 1; last >= 0 && c.p.ops[last].code == opDrop {
		c.p.ops, c.p.where = c.p.ops[:last], c.p.where[:last] // one for both
	}
	c.skip = true
	c.field(f)
	c.skip = false
	c.emit(opDrop, 0, 0)
	c.pending = false
}
