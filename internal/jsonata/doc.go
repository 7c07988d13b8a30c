// Package jsonata evaluates expressions of JSONata 2, the query and
// transformation language for JSON. The expressions are rules from a registry,
// so the package has some special properties:
//
//   - An integer of 64 bits stays exact. Other implementations use only
//     float64, so they change integers beyond 2^53.
//   - A null is a value, and differs from a missing member.
//   - The depth, the work and the memory of an evaluation are limited. An
//     evaluation ends when its context ends.
//
// The package does not support the parent operator %, the operators @ and # for
// a context or a position, the function $eval, and the functions for pictures
// of dates and words. [Compile] refuses an expression with these parts. Regular
// expressions have the RE2 syntax of package regexp, without lookahead and back
// references.
package jsonata
