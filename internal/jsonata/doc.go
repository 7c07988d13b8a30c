// Package jsonata evaluates expressions of JSONata 2, the query and
// transformation language for JSON. The package is written for rules that come
// from a registry:
//
//   - An integer of 64 bits stays exact. Implementations with float64 alone
//     change integers beyond 2^53.
//   - A null is a value. It differs from a member that does not exist.
//   - The depth, the work and the memory of an evaluation are bounded, and an
//     evaluation ends with its context.
//
// The package does not have the parent operator %, the operators @ and # that
// bind a context or a position, the function $eval, and the functions of
// pictures for dates and words. [Compile] refuses an expression that uses them.
// Regular expressions have the syntax of package regexp, which is RE2: there is
// no lookahead and no back reference.
package jsonata
