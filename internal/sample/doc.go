// Package sample holds generated code with a field of every kind of type, for
// the tests of the run time.
package sample

//go:generate go tool avrogen generate -o . --package sample sample.avsc
