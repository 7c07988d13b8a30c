// Package kafkacluster runs Apache Kafka as local processes. Each node is a
// KRaft broker and controller on 127.0.0.1, from the jars on Maven Central.
// Tests use the package for faults that the embedded broker cannot simulate: a
// node killed with SIGKILL, a leader that freezes and continues, a forced
// election.
//
// The package needs Java 17 or newer and Maven on PATH. The processes end with
// the test that started the cluster. On Linux the processes also end if the
// test process is killed.
package kafkacluster
