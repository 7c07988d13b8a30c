package catalog

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// These bounds keep a diagram readable.
const (
	maxNeighbours = 15  // on each side of a type
	maxNodes      = 250 // in the diagram of all types
	maxEdges      = 1_000
)

// The measures of a diagram, in pixels.
const (
	charWidth  = 7.6
	boxHeight  = 34.0
	rowGap     = 14.0
	columnGap  = 70.0
	margin     = 8.0
	laneHeight = 6.0 // of an edge that passes a column
)

// node is a box of a diagram.
type node struct {
	label, kind, href string
	full              string // the full name
	here              bool   // the type that the page is about

	layer  int
	lane   bool // an edge passes here, so there is no box
	x, y   float64
	width  float64
	height float64
	right  float64 // of the column
}

// diagram is a graph of references, drawn from left to right.
type diagram struct {
	nodes []*node
	next  map[*node][]*node // edges, without repetitions
}

func (d *diagram) add(label, kind, href string) *node {
	full := clean(label)
	_, label = avsc.SplitName(full)
	label = shortLabel(label)
	n := &node{full: full, label: label, kind: kind, href: href, height: boxHeight, width: float64(len([]rune(label)))*charWidth + 26}
	d.nodes = append(d.nodes, n)
	return n
}

func shortLabel(s string) string {
	r := []rune(clean(s))
	if len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return string(r)
}

func (d *diagram) link(from, to *node) {
	if d.next == nil {
		d.next = map[*node][]*node{}
	}
	if !slices.Contains(d.next[from], to) {
		d.next[from] = append(d.next[from], to)
	}
}

// neighbourDiagram returns the diagram of a type with its neighbours: the types
// that it uses, and the types that use it. The function href returns the link
// of a type.
func (c *Catalog) neighbourDiagram(t *Type, href func(*Type) string) *diagram {
	d := &diagram{}
	shown := map[*Type]*node{}
	box := func(u *Type) *node {
		if shown[u] == nil {
			shown[u] = d.add(u.Name, u.kind(), href(u))
		}
		return shown[u]
	}
	side := func(list []*Type, link func(*node)) {
		for i, u := range list {
			if i == maxNeighbours && len(list) > maxNeighbours+1 {
				link(d.add(fmt.Sprintf("%d more", len(list)-i), "", ""))
				return
			}
			link(box(u))
		}
	}
	here := box(t)
	here.here, here.href = true, ""
	side(t.UsedBy, func(n *node) { d.link(n, here) })
	side(t.Uses, func(n *node) { d.link(here, n) })
	if len(d.nodes) == 1 && len(d.next) == 0 {
		return nil
	}
	return d
}

// wholeDiagram returns the diagram of all types that use another type. The
// result is nil if there are no such types, or too many.
func (c *Catalog) wholeDiagram(href func(*Type) string) *diagram {
	d := &diagram{}
	shown := map[*Type]*node{}
	edges := 0
	for _, t := range c.Types {
		if len(t.Uses) > 0 || len(t.UsedBy) > 0 {
			shown[t] = d.add(t.Name, t.kind(), href(t))
		}
	}
	if len(d.nodes) > maxNodes {
		return nil
	}
	for _, t := range c.Types {
		for _, u := range t.Uses {
			d.link(shown[t], shown[u])
			edges++
		}
	}
	if edges == 0 || edges > maxEdges {
		return nil
	}
	return d
}

// kind returns the kind of a type in one word.
func (t *Type) kind() string {
	if t.Schema.IsError {
		return "error"
	}
	return t.Schema.Kind.String()
}

// edge is a line from a box to a box. The line passes the nodes in path.
type edge struct {
	path []*node
	back bool // the line goes from right to left, because the edge closes a cycle
}

// svg draws the diagram. Screen readers read the title. With style, the picture
// contains its own colours and works as a separate file.
func (d *diagram) svg(title string, style bool) string {
	var edges []edge
	width, top := 0.0, 2*margin // a loop needs this space above its box
	for _, part := range d.components() {
		placed, height, right := d.layOut(part, top)
		edges = append(edges, placed...)
		width = max(width, right)
		top += height + 2*rowGap
	}
	height := top - 2*rowGap + margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="diagram" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="group" aria-label="%s">`,
		width+margin, height, width+margin, height, html.EscapeString(title))
	fmt.Fprintf(&b, "\n<title>%s</title>\n", html.EscapeString(title))
	if style {
		b.WriteString(svgStyle)
	}
	b.WriteString(`<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="head" d="M0 0.5 L8 4 L0 7.5 z"/></marker></defs>` + "\n")
	for _, e := range edges {
		e.draw(&b)
	}
	for _, n := range d.nodes {
		n.draw(&b)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// svgStyle repeats the colours of style.css for pictures outside of the site.
const svgStyle = `<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1c2430}
rect{fill:#fff;stroke:#7a8699;stroke-width:1.2}.here rect{fill:#e3ecfb;stroke:#1d5fc4;stroke-width:2}
.enum rect{stroke-dasharray:5 3}.fixed rect{stroke-dasharray:2 2}
path.edge{fill:none;stroke:#7a8699;stroke-width:1.3}path.back{stroke-dasharray:4 3}.head{fill:#7a8699}
@media (prefers-color-scheme:dark){text{fill:#e4e9f1}rect{fill:#1a212c;stroke:#8b98ad}.here rect{fill:#1c3050;stroke:#7db0ff}path.edge{stroke:#8b98ad}.head{fill:#8b98ad}}
</style>
`

func (n *node) draw(b *strings.Builder) {
	class := "node " + n.kind
	if n.here {
		class += " here"
	}
	fmt.Fprintf(b, `<g class="%s">`, strings.TrimSpace(class))
	if n.href != "" {
		fmt.Fprintf(b, `<a href="%s">`, html.EscapeString(n.href))
	}
	name := n.full
	if n.kind != "" {
		name += ", " + n.kind
	}
	fmt.Fprintf(b, `<title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`,
		html.EscapeString(name), n.x, n.y, n.width, n.height, n.x+n.width/2, n.y+n.height/2+4.5, html.EscapeString(n.label))
	if n.href != "" {
		b.WriteString("</a>")
	}
	b.WriteString("</g>\n")
}

func (e edge) draw(b *strings.Builder) {
	first, last := e.path[0], e.path[len(e.path)-1]
	class := "edge"
	if e.back {
		class += " back"
	}
	fmt.Fprintf(b, `<path class="%s" marker-end="url(#arrow)" d="`, class)
	switch {
	case first == last: // a loop above the box
		left, right, y := first.x+first.width*0.35, first.x+first.width*0.65, first.y
		fmt.Fprintf(b, "M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f", right, y, right+6, y-17, left-6, y-17, left, y)
	case e.back: // from the left side to the right side, below the other edges
		x, y, toX, toY := first.x, first.y+first.height-7, last.x+last.width, last.y+last.height-7
		bend := max((x-toX)/2, 10)
		fmt.Fprintf(b, "M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f", x, y, x-bend, y, toX+bend, toY, toX, toY)
	default:
		x, y := first.x+first.width, first.y+first.height/2
		fmt.Fprintf(b, "M%.1f %.1f", x, y)
		if first.right > x { // stay clear of wider boxes in the column
			x = first.right
			fmt.Fprintf(b, " L%.1f %.1f", x, y)
		}
		for _, n := range e.path[1:] {
			nx, ny := n.x, n.y+n.height/2
			bend := max((nx-x)/2, 10)
			fmt.Fprintf(b, " C%.1f %.1f %.1f %.1f %.1f %.1f", x+bend, y, nx-bend, ny, nx, ny)
			if x, y = nx, ny; n != last {
				x = n.x + n.width
				fmt.Fprintf(b, " L%.1f %.1f", x, y)
			}
		}
	}
	b.WriteString("\"/>\n")
}

// components returns the connected parts of the graph, largest first.
func (d *diagram) components() [][]*node {
	near := map[*node][]*node{}
	for _, n := range d.nodes {
		for _, m := range d.next[n] {
			near[n], near[m] = append(near[n], m), append(near[m], n)
		}
	}
	var parts [][]*node
	seen := map[*node]bool{}
	for _, n := range d.nodes {
		if seen[n] {
			continue
		}
		seen[n] = true
		part := []*node{n}
		for i := 0; i < len(part); i++ {
			for _, m := range near[part[i]] {
				if !seen[m] {
					seen[m] = true
					part = append(part, m)
				}
			}
		}
		parts = append(parts, part)
	}
	slices.SortStableFunc(parts, func(a, b []*node) int { return cmp.Compare(len(b), len(a)) })
	return parts
}

// layOut places the nodes of one component below top.
func (d *diagram) layOut(part []*node, top float64) (edges []edge, height, right float64) {
	forward, backward := d.layers(part)
	columns := map[int][]*node{}
	deepest := 0
	for _, n := range part {
		columns[n.layer] = append(columns[n.layer], n)
		deepest = max(deepest, n.layer)
	}
	near := map[*node][]*node{} // neighbours in the columns beside
	connect := func(a, b *node) { near[a], near[b] = append(near[a], b), append(near[b], a) }
	for _, pair := range forward {
		path := []*node{pair[0]}
		for l := pair[0].layer + 1; l < pair[1].layer; l++ {
			lane := &node{lane: true, layer: l, height: laneHeight}
			columns[l] = append(columns[l], lane)
			connect(path[len(path)-1], lane)
			path = append(path, lane)
		}
		connect(path[len(path)-1], pair[1])
		edges = append(edges, edge{path: append(path, pair[1])})
	}
	for _, pair := range backward {
		edges = append(edges, edge{path: pair[:], back: true})
	}
	reduceCrossings(columns, deepest, near)
	x := margin
	heights := make([]float64, deepest+1)
	for l := 0; l <= deepest; l++ {
		widest := 0.0
		for _, n := range columns[l] {
			widest = max(widest, n.width)
			heights[l] += n.height + rowGap
		}
		heights[l] -= rowGap
		height = max(height, heights[l])
		for _, n := range columns[l] {
			n.x, n.right = x, x+widest
			if n.lane {
				n.width = widest
			}
		}
		x += widest + columnGap
	}
	for l, h := range heights {
		y := top + (height-h)/2
		for _, n := range columns[l] {
			n.y = y
			y += n.height + rowGap
		}
	}
	return edges, height, x - columnGap
}

// layers puts each node to the right of the nodes that use the node. Edges that
// close a cycle go backward, and layers ignores them.
func (d *diagram) layers(part []*node) (forward, backward [][2]*node) {
	const active, done = 1, 2
	state := map[*node]int{}
	var order []*node // each node comes before the nodes that use it
	type visit struct {
		n *node
		i int
	}
	isTarget := map[*node]bool{}
	for _, n := range part {
		for _, m := range d.next[n] {
			if m != n {
				isTarget[m] = true
			}
		}
	}
	starts := slices.Clone(part)
	slices.SortStableFunc(starts, func(a, b *node) int { return cmp.Compare(boolToInt(isTarget[a]), boolToInt(isTarget[b])) })
	for _, start := range starts {
		if state[start] != 0 {
			continue
		}
		state[start] = active
		stack := []visit{{start, 0}}
		for len(stack) > 0 {
			v := &stack[len(stack)-1]
			if v.i == len(d.next[v.n]) {
				state[v.n] = done
				order = append(order, v.n)
				stack = stack[:len(stack)-1]
				continue
			}
			from, to := v.n, d.next[v.n][v.i]
			v.i++
			if state[to] == active {
				backward = append(backward, [2]*node{from, to})
				continue
			}
			forward = append(forward, [2]*node{from, to})
			if state[to] == 0 {
				state[to] = active
				stack = append(stack, visit{to, 0})
			}
		}
	}
	users := map[*node][]*node{}
	for _, pair := range forward {
		users[pair[1]] = append(users[pair[1]], pair[0])
	}
	for _, n := range slices.Backward(order) {
		for _, u := range users[n] {
			n.layer = max(n.layer, u.layer+1)
		}
	}
	return forward, backward
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reduceCrossings orders the columns so that fewer edges cross. A node moves
// near the mean row of its neighbours in the next column.
func reduceCrossings(columns map[int][]*node, deepest int, near map[*node][]*node) {
	row := map[*node]float64{}
	number := func(l int) {
		for i, n := range columns[l] {
			row[n] = float64(i) - float64(len(columns[l]))/2
		}
	}
	for l := 0; l <= deepest; l++ {
		number(l)
	}
	sweep := func(l, beside int) {
		mean := map[*node]float64{}
		for _, n := range columns[l] {
			sum, count := 0.0, 0.0
			for _, m := range near[n] {
				if m.layer == beside {
					sum, count = sum+row[m], count+1
				}
			}
			if mean[n] = row[n]; count > 0 {
				mean[n] = sum / count
			}
		}
		slices.SortStableFunc(columns[l], func(a, b *node) int { return cmp.Compare(mean[a], mean[b]) })
		number(l)
	}
	for range 4 {
		for l := 1; l <= deepest; l++ {
			sweep(l, l-1)
		}
		for l := deepest - 1; l >= 0; l-- {
			sweep(l, l+1)
		}
	}
}
