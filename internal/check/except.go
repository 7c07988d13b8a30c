package check

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/avroline/avroline/registry/contract"
)

// Exception accepts an intended break.
type Exception struct {
	// Rule is the type of the finding, such as LOGICAL_TYPE_CHANGED.
	Rule string
	// Path is the place of the finding by the schemas' names, as in
	// shop.Order.lines[].price. If Path is the name of a type, the exception
	// accepts the rule everywhere in the type.
	Path string
	// Reason says why the break is intended. It must not be empty.
	Reason string
	// Until is the last day of the exception in UTC. The zero time means that
	// the exception has no end.
	Until time.Time
}

// Valid returns an error that names the missing parts of x. The result is nil
// if the exception is usable.
func (x Exception) Valid() error {
	switch {
	case x.Rule == "":
		return errors.New("an exception has no rule: name the rule that it accepts, such as TYPE_MISMATCH")
	case x.Path == "":
		return fmt.Errorf("the exception of %s has no path: give the place by the schemas' names, such as shop.Order.total", x.Rule)
	case strings.TrimSpace(x.Reason) == "":
		return fmt.Errorf("the exception of %s at %s has no reason: say why the break is intended", x.Rule, x.Path)
	}
	return nil
}

// matches reports whether x names the finding, without regard to the day.
func (x Exception) matches(f contract.Finding) bool {
	if x.Rule != f.Type {
		return false
	}
	rest, ok := strings.CutPrefix(f.Place, x.Path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[' || rest[0] == '{')
}

// expired reports whether the last day of x is in the past.
func (x Exception) expired(now time.Time) bool {
	return !x.Until.IsZero() && !now.Before(x.Until.AddDate(0, 0, 1))
}

// Accepted is a finding that an exception accepts.
type Accepted struct {
	Finding   contract.Finding
	Exception Exception
}

// Text describes the accepted finding and the reason in one sentence.
func (a Accepted) Text() string {
	s := fmt.Sprintf("accepted %s at %s: %s. Reason: %s", a.Finding.Type, a.Finding.Place, a.Finding.What, a.Exception.Reason)
	if !a.Exception.Until.IsZero() {
		s += " (until " + a.Exception.Until.Format(time.DateOnly) + ")"
	}
	return s
}

// Except removes the findings that an exception accepts. An exception past its
// last day accepts nothing, and the finding mentions the expired exception. The
// result unused holds the exceptions that name no finding.
func Except(found []contract.Finding, exceptions []Exception, now time.Time) (kept []contract.Finding, accepted []Accepted, unused []Exception) {
	used := make([]bool, len(exceptions))
	for _, f := range found {
		var over *Exception
		taken := false
		for i, x := range exceptions {
			if !x.matches(f) {
				continue
			}
			used[i] = true
			if x.expired(now) {
				over = &exceptions[i]
				continue
			}
			accepted, taken = append(accepted, Accepted{f, x}), true
			break
		}
		if taken {
			continue
		}
		if over != nil {
			f.Advice = strings.TrimSpace(f.Advice + " The exception for it ended on " + over.Until.Format(time.DateOnly) + ".")
		}
		kept = append(kept, f)
	}
	for i, x := range exceptions {
		if !used[i] {
			unused = append(unused, x)
		}
	}
	return kept, accepted, unused
}
