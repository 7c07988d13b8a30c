package registry

import "github.com/avroline/avroline/registry/internal/rest"

// The client's errors match these errors with errors.Is.
var (
	// ErrSubjectNotFound means that the subject does not exist or was deleted.
	ErrSubjectNotFound = rest.ErrSubjectNotFound
	// ErrVersionNotFound means that the subject has no such version.
	ErrVersionNotFound = rest.ErrVersionNotFound
	// ErrSchemaNotFound means that no schema has the id or GUID, or that the
	// subject does not have the schema.
	ErrSchemaNotFound = rest.ErrSchemaNotFound
	// ErrKeyNotFound means that the DEK registry has no such key.
	ErrKeyNotFound = rest.ErrKeyNotFound
	// ErrUnavailable means that no registry could be reached, or that no
	// registry could answer. The error is an [*UnavailableError].
	ErrUnavailable = rest.ErrUnavailable
	// ErrNotAvro means that the schema has another type, such as Protobuf.
	ErrNotAvro = rest.ErrNotAvro
	// ErrUnsupported means that this registry does not have the call, or does
	// not keep rules and tags.
	ErrUnsupported = rest.ErrUnsupported
	// ErrClosed means that the client was closed.
	ErrClosed = rest.ErrClosed
)

// Error is an error answer of the registry. Its fields are URL (the base URL
// that answered, without credentials), Status (the HTTP status), Code (the
// registry's error_code, or 0 if the answer had none), and Message (the
// registry's text, at most 2 KiB).
//
// NotFound reports whether the registry has no such subject, version, schema or
// key. Refused reports a 422, such as for a text that is not a schema. Conflict
// reports a 409. errors.Is finds [ErrSubjectNotFound], [ErrVersionNotFound],
// [ErrSchemaNotFound] and [ErrKeyNotFound] by the code. A 404 without a code
// matches none of them, because a wrong URL is the more likely cause.
type Error = rest.Error

// UnavailableError says that no registry could be reached, or that no registry
// could answer. Its fields are Attempts (the last attempt on each URL) and Err
// (the context's error if the context ended the attempts, else nil). errors.Is
// finds [ErrUnavailable], the error of each attempt, and Err.
type UnavailableError = rest.UnavailableError

// Attempt is a URL that the client tried, without credentials, and the error
// Err.
type Attempt = rest.Attempt
