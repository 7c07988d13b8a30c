package registry

import (
	"errors"
	"fmt"
)

// isAbsent reports whether the registry has no such schema or subject, or has
// it for another type than Avro.
func isAbsent[K comparable](_ K, err error) bool {
	return errors.Is(err, ErrSchemaNotFound) || errors.Is(err, ErrSubjectNotFound) || errors.Is(err, ErrNotAvro)
}

// isRefused reports whether the registry refused a schema for good. The refusal
// is then cached, so that many events with this schema do not cause many calls.
func isRefused(_ schemaKey, err error) bool {
	var incompatible *IncompatibleError
	var answer *Error
	return errors.As(err, &incompatible) || errors.As(err, &answer) && answer.Refused()
}

// wrapError adds the action and the subject to an error.
func wrapError(verb, subject string, err error) error {
	return fmt.Errorf("registry: %s %q: %w", verb, subject, err)
}
