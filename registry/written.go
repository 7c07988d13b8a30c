package registry

// written says how much of a call's answer this client has just written. If a
// 404 contradicts the write, a lagging node sent the 404, and the client asks
// again.
type written int

const (
	nothingWritten written = iota
	subjectWritten         // the subject exists; the version may not exist
	allWritten
)

// contradicts reports whether an answer denies our own write.
func (w written) contradicts(e *Error) bool {
	return w == allWritten && e.NotFound() || w == subjectWritten && e.Is(ErrSubjectNotFound)
}
