// Package processor consumes messages, transforms each message and publishes
// the results. Each message has its effect exactly once (KIP-447).
//
// One Kafka transaction commits two things: the messages that the function
// adds, and the offsets of the messages that the processor has read. So each
// message has its effect exactly once, even after a rebalance, a restart, a
// lost answer or a kill -9.
package processor
