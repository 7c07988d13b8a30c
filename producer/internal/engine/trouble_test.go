package engine

import (
	"errors"
	"os"
	"testing"

	"github.com/avroline/avroline/producer/internal/diagnose"
)

// TestSilentProbe explains a refused login while a probe of the same broker
// gets no answer in time. The refusal is the better reason.
func TestSilentProbe(t *testing.T) {
	t.Parallel()
	var silent error = &diagnose.ConnectionError{Kind: diagnose.ErrUnreachable, Err: os.ErrDeadlineExceeded}
	var other error = &diagnose.ConnectionError{Kind: diagnose.ErrTLS, Err: errors.New("unknown authority")}
	var refused error = &diagnose.ConnectionError{Kind: diagnose.ErrAuthentication, Err: errors.New("wrong password")}
	var lost error = &diagnose.ConnectionError{Kind: diagnose.ErrUnreachable, Err: errors.New("connection reset")}
	for _, test := range []struct{ last, found, want error }{
		{refused, silent, refused}, {lost, silent, silent}, {refused, other, other}, {nil, silent, silent}, {refused, nil, refused}, {nil, nil, nil},
	} {
		tr := &trouble{engine: &Engine{}}
		if test.last != nil {
			tr.last.Store(&test.last)
		}
		if test.found != nil {
			tr.found.Store(&test.found)
		}
		if cause := tr.cause(); cause != test.want { //nolint:errorlint // the same error
			t.Errorf("the client says %v, the probe %v: the cause is %v, want %v", test.last, test.found, cause, test.want)
		}
	}
}
