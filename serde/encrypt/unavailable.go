package encrypt

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// unavailableError says that the registry or the KMS could not be asked. The
// record may be good, so the error is [serde.ErrRegistry].
type unavailableError struct{ err error }

func (e *unavailableError) Error() string        { return e.err.Error() }
func (e *unavailableError) Unwrap() error        { return e.err }
func (e *unavailableError) Is(target error) bool { return target == serde.ErrRegistry }

// askedRegistry marks the errors of a registry that gave no answer, or denied
// access.
type askedRegistry struct{ Registry }

func (r askedRegistry) KEK(ctx context.Context, name string, deleted bool) (contract.KEK, error) {
	k, err := r.Registry.KEK(ctx, name, deleted)
	return k, ofRegistry(err)
}

func (r askedRegistry) CreateKEK(ctx context.Context, k contract.KEK) (contract.KEK, error) {
	k, err := r.Registry.CreateKEK(ctx, k)
	return k, ofRegistry(err)
}

func (r askedRegistry) DEK(ctx context.Context, kek, subject string, version int, algorithm string, deleted bool) (contract.DEK, error) {
	d, err := r.Registry.DEK(ctx, kek, subject, version, algorithm, deleted)
	return d, ofRegistry(err)
}

func (r askedRegistry) CreateDEK(ctx context.Context, d contract.DEK) (contract.DEK, error) {
	d, err := r.Registry.CreateDEK(ctx, d)
	return d, ofRegistry(err)
}

// ofRegistry classifies an error as serde classifies the errors of schemas. A
// conflict is an answer too: another writer has made the key.
func ofRegistry(err error) error {
	if err == nil || isConflict(err) || !errors.Is(&serde.RegistryError{Err: err}, serde.ErrRegistry) {
		return err
	}
	return &unavailableError{err}
}

// ofKMS marks the error of a KMS that gave no answer, or answered with a status
// that passes. The clients of AWS have the method HTTPStatusCode.
func ofKMS(err error) error {
	var status interface{ HTTPStatusCode() int }
	var connection net.Error
	switch {
	case errors.As(err, &status):
		if code := status.HTTPStatusCode(); code >= http.StatusInternalServerError || code == http.StatusTooManyRequests {
			return &unavailableError{err}
		}
	case errors.As(err, &connection):
		return &unavailableError{err}
	}
	return err
}

func isNotFound(err error) bool {
	var e interface{ NotFound() bool }
	return errors.As(err, &e) && e.NotFound()
}

func isConflict(err error) bool {
	var e interface{ Conflict() bool }
	return errors.As(err, &e) && e.Conflict()
}
