// Package vectors compares the schema parser with other implementations of Avro
// on the same schemas. The schemas and verdicts are not part of this
// repository. The tests look in the folder AVROLINE_SHARED, or by default in
// ../shared beside the repository. Without the folder, the tests are skipped.
//
// The file exceptions.tsv lists the verdicts that we consider wrong. Each row
// names the section of the specification that proves the mistake.
package vectors
