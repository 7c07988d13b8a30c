// Package integration judges avroline on Apache Kafka's own broker, with a real
// registry and with the clients of other languages. Its tests carry the build
// tag integration: "make integration" runs them, "make faults" the whole matrix
// and "make soak" as much of it as one asks.
package integration
