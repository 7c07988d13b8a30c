package avscfmt

import (
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// item is an element of an array, a member of an object, or the whole file. An
// item has a value and the comments of the value. A member also has a key.
type item struct {
	key      string
	hasKey   bool
	value    *avsc.Value
	children []item
	dangling []comment // in a container, the comments after the last item

	commented bool // a comment is inside the container

	leading  []comment // on their own lines before the item
	trailing []comment // after the item on its last line
	blank    bool      // an empty line comes directly before the item

	start, end int // offsets in the source, without comments
}

// comment is a comment. blank is true if an empty line comes before the
// comment.
type comment struct {
	text  string
	blank bool
}

// commentAssigner assigns the comments to the items, in order.
type commentAssigner struct {
	src      string
	comments []avsc.Comment
}

// commentsBefore removes and returns the comments that begin before the offset
// off.
func (p *commentAssigner) commentsBefore(off int) []avsc.Comment {
	n := 0
	for n < len(p.comments) && p.comments[n].Off < off {
		n++
	}
	taken := p.comments[:n]
	p.comments = p.comments[n:]
	return taken
}

// blankBefore reports whether an empty line comes directly before the offset
// off.
func (p *commentAssigner) blankBefore(off int) bool {
	space := p.src[len(strings.TrimRight(p.src[:off], " \t\r\n")):off]
	return strings.Count(space, "\n") > 1
}

func (p *commentAssigner) withBlankLines(cs []avsc.Comment) []comment {
	var out []comment
	for _, c := range cs {
		out = append(out, comment{text: c.Text, blank: p.blankBefore(c.Off)})
	}
	return out
}

// sameLine reports whether two offsets are on the same line.
func (p *commentAssigner) sameLine(from, to int) bool {
	return !strings.Contains(p.src[from:to], "\n")
}

// file makes the item of the whole file, and the comments after its last line.
func (p *commentAssigner) file(root *avsc.Value) (it item, footer []comment) {
	it = item{value: root, start: root.Off, end: root.Off + len(root.Text)}
	it.leading = p.withBlankLines(p.commentsBefore(it.start))
	it.blank = p.blankBefore(it.start)
	p.fill(&it)
	rest := p.commentsBefore(len(p.src))
	n := 0
	for n < len(rest) && p.sameLine(it.end, rest[n].Off) {
		n++
	}
	it.trailing = p.withBlankLines(rest[:n])
	return it, p.withBlankLines(rest[n:])
}

// fill makes the children of a container and assigns the comments inside.
func (p *commentAssigner) fill(it *item) {
	v := it.value
	for _, e := range v.Elems {
		it.children = append(it.children, item{value: e, start: e.Off, end: e.Off + len(e.Text)})
	}
	for _, m := range v.Members {
		it.children = append(it.children, item{key: m.Key, hasKey: true, value: m.Value, start: m.KeyOff, end: m.Value.Off + len(m.Value.Text)})
	}
	for i := range it.children {
		c := &it.children[i]
		before := p.commentsBefore(c.start)
		if i > 0 {
			before = p.assignTrailing(&it.children[i-1], before, c.start)
		}
		c.leading = p.withBlankLines(before)
		c.blank = p.blankBefore(c.start)
		if c.hasKey { // between the key and its value
			c.leading = append(c.leading, p.withBlankLines(p.commentsBefore(c.value.Off))...)
		}
		p.fill(c)
	}
	inside := p.commentsBefore(it.value.Off + len(it.value.Text))
	if n := len(it.children); n > 0 {
		inside = p.assignTrailing(&it.children[n-1], inside, -1)
	}
	it.dangling = p.withBlankLines(inside)
	it.commented = len(it.dangling) > 0 || slices.ContainsFunc(it.children, func(c item) bool {
		return c.commented || len(c.leading)+len(c.trailing) > 0
	})
}

// assignTrailing assigns the comments at the end of prev's line to prev, and
// returns the other comments. If a comment stands between a comma and the next
// item on the same line, the comment belongs to the next item.
func (p *commentAssigner) assignTrailing(prev *item, cs []avsc.Comment, next int) []avsc.Comment {
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
	prev.trailing = append(prev.trailing, p.withBlankLines(cs[:n])...)
	return cs[n:]
}

// between returns the source between two offsets, without the comments.
func (p *commentAssigner) between(from, to int, cs []avsc.Comment) string {
	var b strings.Builder
	for _, c := range cs {
		b.WriteString(p.src[from:c.Off])
		from = c.Off + len(c.Text)
	}
	b.WriteString(p.src[from:to])
	return b.String()
}
