// Package vectors judges the schema parser by what other implementations of
// Avro make of the same schemas. The schemas and verdicts are not part of this
// repository: they are looked for in the folder that AVROLINE_SHARED names,
// else in ../shared beside the repository, and the tests skip where there is
// none.
//
// Verdicts that we hold to be wrong stand in exceptions.tsv, each with the
// section of the specification that says so.
package vectors
