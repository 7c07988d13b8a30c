package engine

// Stats are counts since New. Accepted = Delivered + NotSent + Unknown +
// InFlight holds at every moment.
type Stats struct {
	// Accepted counts the messages whose call returned or will return nil.
	Accepted int64
	// Delivered, NotSent and Unknown count the outcomes. NotSent counts
	// accepted messages only, for example the messages of aborted transactions.
	// A refused message is not counted.
	Delivered, NotSent, Unknown int64
	// InFlight counts the messages without an outcome. InFlightBytes is the
	// size of their keys, values and headers.
	InFlight, InFlightBytes int64
}

// Stats returns the counts at this moment.
func (e *Engine) Stats() Stats {
	// Read the outcomes first. Each outcome follows its acceptance, so accepted
	// is never less than the sum of the outcomes.
	s := Stats{Delivered: e.count.delivered.Load(), NotSent: e.count.notSent.Load(), Unknown: e.count.unknown.Load()}
	s.Accepted = e.count.accepted.Load()
	s.InFlight = s.Accepted - s.Delivered - s.NotSent - s.Unknown
	s.InFlightBytes = e.limit.bytes.Load() + e.lentBytes.Load() - e.heldBytes.Load()
	return s
}
