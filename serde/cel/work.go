package cel

import (
	"context"
	"errors"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

var (
	// errFailed replaces an error of cel-go, because cel-go may quote the
	// record's values.
	errFailed = errors.New("the expression could not be evaluated for this record")
	// errTooMuch says that an evaluation was stopped at its limit.
	errTooMuch = errors.New("the expression needs too much work for this record: simplify the expression, or write smaller records")
)

const (
	// maxSteps bounds the work of one rule for one record. An iteration of a
	// loop is a step, and so is an evaluation for a field.
	maxSteps = 2_000_000
	// bytesPerStep is the number of bytes of a function's result that count as
	// a step. The product with maxSteps bounds the memory.
	bytesPerStep = 64
	// maxTime bounds the time of one rule for one record, because a step can be
	// as long as the record.
	maxTime = 10 * time.Second
	// checkEvery is the number of steps between two looks at the clock and at
	// the context.
	checkEvery = 16
)

// work is the work of one rule for one record. It is the activation of cel-go,
// which asks after each iteration whether to stop. The cost limit of cel-go is
// not used, because its time grows with the square of the iterations.
type work struct {
	interpreter.Activation                 // the variables
	ctx                    context.Context //nolint:containedctx // lives as long as one call
	end                    time.Time
	steps                  int
	size                   int // of the record, in bytes
	// stopped is the reason for a stop. It stays set, because an operator such
	// as || may hide the error of cel-go.
	stopped error
}

// newWork returns the work for a record of size bytes.
func newWork(ctx context.Context, size int) *work {
	return &work{ctx: ctx, end: time.Now().Add(maxTime), size: size}
}

// interrupted and counter are names that no expression can use.
const (
	interrupted = "#interrupted" // as in cel-go
	counter     = "#work"
)

// ResolveName returns a variable.
func (w *work) ResolveName(name string) (any, bool) {
	switch name {
	case interrupted:
		w.add(1)
		return w.stopped != nil, true
	case counter:
		return w, true
	}
	return w.Activation.ResolveName(name)
}

// add counts steps.
func (w *work) add(n int) {
	before := w.steps
	w.steps += n
	if w.stopped == nil && w.steps > maxSteps {
		w.stopped = errTooMuch
	}
	if before/checkEvery != w.steps/checkEvery {
		w.check()
	}
}

// check looks at the context and at the clock.
func (w *work) check() {
	switch {
	case w.stopped != nil:
	case w.ctx.Err() != nil:
		w.stopped = context.Cause(w.ctx)
	case time.Now().After(w.end):
		w.stopped = errTooMuch
	}
}

// evaluate returns the result of a program. The error is the cause of the
// context, errTooMuch, or errFailed for an error of the expression itself.
func (w *work) evaluate(p cel.Program, vars map[string]any) (ref.Val, error) {
	var err error
	if w.Activation, err = interpreter.NewActivation(vars); err != nil {
		return nil, errFailed
	}
	w.add(1)
	out, _, err := p.Eval(w)
	if w.check(); w.stopped != nil {
		return nil, w.stopped
	}
	switch {
	case errors.Is(err, errTooMuch):
		return nil, errTooMuch
	case err != nil:
		return nil, errFailed
	}
	return out, nil
}

// countedCall is a call of a function that counts the size of its result.
type countedCall struct{ interpreter.InterpretableCall }

// countCalls replaces the calls of functions by counted calls.
func countCalls(i interpreter.Interpretable) (interpreter.Interpretable, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	switch call.Function() {
	case operators.Equals, operators.NotEquals, operators.In:
		return countedCompare{call}, nil
	case overloads.Matches:
		return newBoundedMatch(call), nil
	case "format":
		return countedFormat{countedCall{call}}, nil
	}
	return countedCall{call}, nil
}

// Eval evaluates the call.
func (c countedCall) Eval(vars interpreter.Activation) ref.Val {
	out := c.InterpretableCall.Eval(vars)
	size := 0
	switch v := out.(type) {
	case types.String:
		size = len(v)
	case types.Bytes:
		size = len(v)
	case traits.Lister: // a sum of lists shares memory with the lists
		if n, ok := v.Size().(types.Int); ok && c.Function() != operators.Add {
			size = int(n) * bytesPerStep
		}
	}
	if size >= bytesPerStep {
		if w, _ := vars.ResolveName(counter); w != nil {
			w.(*work).add(size / bytesPerStep)
		}
	}
	return out
}
