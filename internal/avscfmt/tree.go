package avscfmt

import (
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// item is what stands at one place of an object, an array or the file: a value,
// with its key in an object, and the comments that belong to it.
type item struct {
	key      string
	hasKey   bool
	value    *avsc.Value
	children []item
	dangling []comment // in a container, after its last item

	commented bool // a comment stands inside the container

	leading  []comment // on lines of their own before the item
	trailing []comment // behind it on its last line
	blank    bool      // an empty line stands before the item itself

	start, end int // in the source, comments apart
}

// comment is a comment and whether an empty line stands before it.
type comment struct {
	text  string
	blank bool
}

// planter gives the comments, in order, to the items.
type planter struct {
	src      string
	comments []avsc.Comment
}

// take returns the comments that begin before off.
func (p *planter) take(off int) []avsc.Comment {
	n := 0
	for n < len(p.comments) && p.comments[n].Off < off {
		n++
	}
	taken := p.comments[:n]
	p.comments = p.comments[n:]
	return taken
}

// blankBefore reports whether an empty line stands right before off.
func (p *planter) blankBefore(off int) bool {
	space := p.src[len(strings.TrimRight(p.src[:off], " \t\r\n")):off]
	return strings.Count(space, "\n") > 1
}

func (p *planter) made(cs []avsc.Comment) []comment {
	var out []comment
	for _, c := range cs {
		out = append(out, comment{text: c.Text, blank: p.blankBefore(c.Off)})
	}
	return out
}

// sameLine reports whether no line ends between two places.
func (p *planter) sameLine(from, to int) bool {
	return !strings.Contains(p.src[from:to], "\n")
}

// file makes the item of the whole file, and the comments after its last line.
func (p *planter) file(root *avsc.Value) (it item, footer []comment) {
	it = item{value: root, start: root.Off, end: root.Off + len(root.Text)}
	it.leading = p.made(p.take(it.start))
	it.blank = p.blankBefore(it.start)
	p.fill(&it)
	rest := p.take(len(p.src))
	n := 0
	for n < len(rest) && p.sameLine(it.end, rest[n].Off) {
		n++
	}
	it.trailing = p.made(rest[:n])
	return it, p.made(rest[n:])
}

// fill makes the children of a container, with the comments inside it.
func (p *planter) fill(it *item) {
	v := it.value
	for _, e := range v.Elems {
		it.children = append(it.children, item{value: e, start: e.Off, end: e.Off + len(e.Text)})
	}
	for _, m := range v.Members {
		it.children = append(it.children, item{key: m.Key, hasKey: true, value: m.Value, start: m.KeyOff, end: m.Value.Off + len(m.Value.Text)})
	}
	for i := range it.children {
		c := &it.children[i]
		before := p.take(c.start)
		if i > 0 {
			before = p.trail(&it.children[i-1], before, c.start)
		}
		c.leading = p.made(before)
		c.blank = p.blankBefore(c.start)
		if c.hasKey { // between the key and its value
			c.leading = append(c.leading, p.made(p.take(c.value.Off))...)
		}
		p.fill(c)
	}
	inside := p.take(it.value.Off + len(it.value.Text))
	if n := len(it.children); n > 0 {
		inside = p.trail(&it.children[n-1], inside, -1)
	}
	it.dangling = p.made(inside)
	it.commented = len(it.dangling) > 0 || slices.ContainsFunc(it.children, func(c item) bool {
		return c.commented || len(c.leading)+len(c.trailing) > 0
	})
}

// trail gives prev those of the comments after it that end its line, and
// returns the others. A comment that stands after the comma and before the next
// item on one line is that item's.
func (p *planter) trail(prev *item, cs []avsc.Comment, next int) []avsc.Comment {
	n := 0
	for n < len(cs) && p.sameLine(prev.end, cs[n].Off) {
		n++
	}
	for n > 0 && next >= 0 {
		c := cs[n-1]
		afterComma := strings.Contains(p.between(prev.end, c.Off, cs[:n-1]), ",")
		if !afterComma || !p.sameLine(c.Off+len(c.Text), next) {
			break
		}
		n--
	}
	prev.trailing = append(prev.trailing, p.made(cs[:n])...)
	return cs[n:]
}

// between is the source between two places without the comments in it.
func (p *planter) between(from, to int, cs []avsc.Comment) string {
	var b strings.Builder
	for _, c := range cs {
		b.WriteString(p.src[from:c.Off])
		from = c.Off + len(c.Text)
	}
	b.WriteString(p.src[from:to])
	return b.String()
}
