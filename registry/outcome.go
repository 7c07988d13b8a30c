package registry

import (
	"errors"
	"fmt"
)

// absent reports whether the registry has no such schema or subject.
func absent[K comparable](_ K, err error) bool {
	return errors.Is(err, ErrSchemaNotFound) || errors.Is(err, ErrSubjectNotFound)
}

// refused reports whether the registry refused a schema for good. The refusal
// is then cached, so that many events with this schema do not cause many calls.
func refused(_ schemaKey, err error) bool {
	var incompatible *IncompatibleError
	var answer *Error
	return errors.As(err, &incompatible) || errors.As(err, &answer) && answer.Refused()
}

// wrap adds the action and the subject to an error.
func wrap(verb, subject string, err error) error {
	return fmt.Errorf("registry: %s %q: %w", verb, subject, err)
}
