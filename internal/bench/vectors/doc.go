// Package vectors compares the schema parser with other implementations of Avro
// on the same schemas. The schemas and verdicts are not part of this
// repository. The tests look in the folder that AVROLINE_SHARED names. Without
// AVROLINE_SHARED, the tests look in ../shared beside the repository. The tests
// skip if the folder does not exist.
//
// The file exceptions.tsv lists the verdicts that we consider wrong, each with
// the section of the specification that proves the mistake.
package vectors
