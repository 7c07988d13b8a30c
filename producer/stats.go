package producer

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

func (c *core) stats() Stats {
	// Read the outcomes first. Each outcome follows its acceptance, so accepted
	// is never less than the sum of the outcomes.
	s := Stats{Delivered: c.count.delivered.Load(), NotSent: c.count.notSent.Load(), Unknown: c.count.unknown.Load()}
	s.Accepted = c.count.accepted.Load()
	s.InFlight = s.Accepted - s.Delivered - s.NotSent - s.Unknown
	s.InFlightBytes = c.limit.bytes.Load() + c.lentBytes.Load()
	return s
}
