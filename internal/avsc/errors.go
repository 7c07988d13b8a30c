package avsc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a schema file: where, what is wrong and what to do.
type Error struct {
	Pos  Pos
	What string
	Fix  string // empty where nothing more can be said
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

// Errors is every mistake that one parse found, file by file in the order of
// the sources, then by place. It is never empty when returned as an error.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single mistakes to [errors.As].
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// sort orders the mistakes of each file by place; the order of the files is
// kept as rank says.
func (es Errors) sort(rank map[string]int) {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(rank[a.Pos.File], rank[b.Pos.File]),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
		)
	})
}

// err returns the mistakes as an error, nil when there are none.
func (es Errors) err() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

// most returns the first n mistakes and, if there are more, how many.
func (es Errors) most(n int) Errors {
	if len(es) <= n {
		return es
	}
	more := fmt.Sprintf("%d more mistakes", len(es)-n)
	return append(es[:n:n], &Error{Pos: es[n].Pos, What: more, Fix: "mend the first ones, and run again"})
}
