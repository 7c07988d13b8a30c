package rest

// Written says how much of a call's answer this client has just written. If a
// 404 contradicts the write, a lagging node sent the 404, and the client asks
// again.
type Written int

// The values of [Written].
const (
	NothingWritten Written = iota
	SubjectWritten         // the subject exists; the version may not exist
	AllWritten
)

// contradicts reports whether an answer denies our own write.
func (w Written) contradicts(e *Error) bool {
	return w == AllWritten && e.NotFound() || w == SubjectWritten && e.Is(ErrSubjectNotFound)
}
