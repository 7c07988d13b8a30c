// Package kafkacluster runs Apache Kafka as local processes: KRaft nodes on
// 127.0.0.1 that are broker and controller, from the jars on Maven Central.
// Tests use the package for faults that the embedded broker cannot show: a node
// killed with SIGKILL, a leader that freezes and comes back, an election that
// is forced.
//
// The package needs Java 17 or newer and Maven on PATH. The processes end with
// the test that started them. On Linux they also end if the test process is
// killed.
package kafkacluster
