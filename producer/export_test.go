package producer

// FailForTest raises a fatal error in the client behind p, as the library does
// after an inconsistent sequence number.
func (p *Producer) FailForTest(reason string) {
	p.engine.Transport().(interface{ TestFatalError(string) }).TestFatalError(reason)
}
