// Package processor consumes messages, transforms them and publishes the
// results, each exactly once (KIP-447).
//
// What the function adds and the offsets of what was read are committed in one
// Kafka transaction. So each message has its effect once, through rebalances,
// restarts, lost answers and kill -9 at any point.
package processor
