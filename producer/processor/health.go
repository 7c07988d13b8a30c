package processor

import "github.com/avroline/avroline/producer"

// Health reports whether the processor can work. Health does no I/O. After Run
// has returned an error, Reason is the error. The consumer uses the same
// brokers as the producer, so Health lists only the brokers of the producer.
func (p *Processor[In]) Health() producer.Health {
	h := p.t.Health()
	if err := p.runErr.Load(); err != nil {
		h.Ready, h.Reason, h.Degraded = false, *err, nil
	}
	return h
}
