package avsc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a schema file, with the place, the mistake and the
// fix.
type Error struct {
	Pos  Pos
	What string
	Fix  string // empty if there is no advice
}

func (e *Error) Error() string {
	var b strings.Builder
	if at := e.Pos.String(); at != "" {
		b.WriteString(at)
		b.WriteString(": ")
	}
	b.WriteString(e.What)
	if e.Fix != "" {
		b.WriteString(": ")
		b.WriteString(e.Fix)
	}
	return b.String()
}

// Errors holds every mistake of one parse. The mistakes of a file are in the
// order of their places, and the files are in the order of the sources. A
// returned Errors is never empty.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single mistakes for [errors.As].
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// sort orders the mistakes of each file by place. The files are ordered by
// rank.
func (es Errors) sort(rank map[string]int) {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(rank[a.Pos.File], rank[b.Pos.File]),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
		)
	})
}

// err returns the mistakes as an error, or nil if there are none.
func (es Errors) err() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

// firstErrors returns the first n mistakes. If there are more, most adds the
// number of the rest.
func (es Errors) firstErrors(n int) Errors {
	if len(es) <= n {
		return es
	}
	more := fmt.Sprintf("%d more mistakes", len(es)-n)
	return append(es[:n:n], &Error{Pos: es[n].Pos, What: more, Fix: "mend the first ones, and run again"})
}
