package rest

import "testing"

// TestFailBackAfterClockJump checks that the probe of an earlier endpoint does
// not depend on the wall clock. If the wall clock is set back by hours, the
// client would stay with the later endpoint for hours. Round removes the
// reading of the monotonic clock, so the two times differ only if there is such
// a reading.
func TestFailBackAfterClockJump(t *testing.T) {
	t.Parallel()
	first, second := &endpoint{}, &endpoint{}
	e := &endpoints{list: []*endpoint{first, second}}
	e.setCurrent(second)
	if at := *e.probed.Load(); at == at.Round(0) { // == compares the readings
		t.Errorf("%v is on the wall clock only", at)
	}
}
