// Package hostile has generated types of schemas that are made to exhaust a
// reader, the generator or the compiler.
package hostile

//go:generate go tool avrogen generate -o . --package hostile hostile.avsc
