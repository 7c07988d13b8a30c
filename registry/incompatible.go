package registry

import (
	"fmt"
	"strings"

	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/internal/rest"
)

// IncompatibleError says that the registry refused a schema because the schema
// would break readers or data of the subject. Its text lists the reasons.
type IncompatibleError struct {
	Subject string
	// Findings are empty if neither the registry nor the client found the
	// reasons. In each finding, Against is the version number minus 1.
	Findings []compat.Finding
	Err      *Error // the registry's answer
}

func (e *IncompatibleError) Error() string {
	if len(e.Findings) == 0 {
		return fmt.Sprintf("schema is incompatible with subject %q: %v", e.Subject, e.Err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "schema is incompatible with subject %q:", e.Subject)
	for i, f := range e.Findings {
		if i == maxFindings {
			fmt.Fprintf(&b, " … and %d more", len(e.Findings)-i)
			break
		}
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s at %s", f.Type, f.Path)
		if f.Message != "" {
			fmt.Fprintf(&b, ": %s", rest.Quote(f.Message, rest.MaxQuote))
		}
		if f.Advice != "" {
			fmt.Fprintf(&b, " (%s)", f.Advice)
		}
	}
	return b.String()
}

// maxFindings limits how many findings an error's text lists.
const maxFindings = 10

// Refused returns true, because the registry would refuse the schema again.
func (e *IncompatibleError) Refused() bool { return true }

// Unwrap returns the registry's answer, or nil if there is none.
func (e *IncompatibleError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return e.Err
}
