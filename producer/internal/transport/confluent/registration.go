//go:build cgo

package confluent

// registration says when the library registered the partitions of a transaction
// with the coordinator, in a request AddPartitionsToTxn. All times are
// microseconds of the clock of now.
//
// The library sends no message of a partition before that. A timer of a
// millisecond sends the request. The timer starts with the first message of a
// partition, and with each answer to such a request, unless it already runs.
// The library's main thread serves the timer, and sleeps for whole
// milliseconds: whatever wakes the thread, the rest of its sleep is rounded up.
// These are rd_kafka_txn_schedule_register_partitions and rd_kafka_thread_main
// of librdkafka 2.15.1.
//
// A commit wakes the thread. If the timer then still needs 10 µs, the thread
// sleeps for a millisecond, and the whole transaction waits. If the timer has
// ended, the thread sends the request at once. So a commit first waits for the
// end of the timer. Without the wait, transactions of 500 messages take 1.4
// times as long beside a broker that answers at once.
type registration struct {
	begun    int64 // the begin of the transaction
	answered int64 // the newest answer, of this or an earlier transaction, or 0
	asked    bool  // the library has sent a request in this transaction
}

const (
	registrationTimer = 1000 // microseconds
	// registrationSlack is more time, in microseconds, than the library needs
	// to start the timer after an answer.
	registrationSlack = 50
)

// left returns how many microseconds the timer still needs.
func (r registration) left(now int64) int64 {
	if r.asked {
		return 0
	}
	started := r.answered
	if started+registrationTimer < r.begun { // it ended before the transaction
		started = r.begun
	}
	return max(0, started+registrationTimer+registrationSlack-now)
}

// awaitRegistration waits until the timer has ended, at most about a
// millisecond. Without the plugin, the package does not see the library's
// requests, and nothing waits.
func (c *client) awaitRegistration() {
	if !c.plugin || !c.calls.hold() {
		return
	}
	defer c.calls.release()
	if c.hub.unreported() == 0 {
		return
	}
	if left := c.hub.registration().left(now()); left > 0 {
		sleep(left)
	}
}
