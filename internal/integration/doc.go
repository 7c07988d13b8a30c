// Package integration tests avroline with Apache Kafka's own broker, a real
// registry, and clients in other languages. The tests have the build tag
// integration. "make integration" runs the short form, "make faults" runs all
// faults, and "make soak" runs random faults for a chosen time.
package integration
