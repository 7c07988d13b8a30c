// Package kafkacluster runs Apache Kafka's own broker as local processes: KRaft
// nodes, each broker and controller, on 127.0.0.1, from the jars of Maven
// Central. Tests use it to judge what the embedded broker is too kind for: a
// node killed with SIGKILL, a leader that sleeps and comes back, an election
// moved by hand.
//
// It needs a Java 17 or newer and Maven on PATH. The processes end with the
// test that started them, also when that test itself is killed.
package kafkacluster
