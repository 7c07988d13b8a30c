package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The client's errors match these errors with errors.Is.
var (
	// ErrSubjectNotFound means that the subject does not exist or was deleted.
	ErrSubjectNotFound error = notFoundError("registry: subject not found")
	// ErrVersionNotFound means that the subject has no such version.
	ErrVersionNotFound error = notFoundError("registry: version not found")
	// ErrSchemaNotFound means that no schema has the id or GUID, or that the
	// subject does not have the schema.
	ErrSchemaNotFound error = notFoundError("registry: schema not found")
	// ErrKeyNotFound means that the DEK registry has no such key.
	ErrKeyNotFound error = notFoundError("registry: key not found")
	// ErrUnavailable means that no registry could be reached, or that no
	// registry could answer. The error is an [*UnavailableError].
	ErrUnavailable = errors.New("registry: no registry available")
	// ErrNotAvro means that the schema has another type, such as Protobuf.
	ErrNotAvro error = notAvroError("registry: schema of another type than Avro")
	// ErrUnsupported means that this registry does not have the call.
	ErrUnsupported = errors.New("registry: not supported by this registry")
	// ErrClosed means that the client was closed.
	ErrClosed = errors.New("registry: client closed")
)

// notFoundError is an error with a NotFound method. Package serde looks for the
// method.
type notFoundError string

func (e notFoundError) Error() string { return string(e) }

// NotFound reports true.
func (notFoundError) NotFound() bool { return true }

// notAvroError is an error with a NotAvro method. Package serde looks for the
// method.
type notAvroError string

func (e notAvroError) Error() string { return string(e) }

// NotAvro reports true.
func (notAvroError) NotAvro() bool { return true }

// otherContextError means that only another context has the subject or the
// schema.
type otherContextError struct {
	subject string // with its context
	missing error
}

func (e *otherContextError) Error() string {
	return fmt.Sprintf("the registry answered with subject %q of another context, which has other ids: register the schema in this context, or name that subject", Quote(e.subject, MaxQuote))
}

// Unwrap returns the error that the answer means.
func (e *otherContextError) Unwrap() error { return e.missing }

// The registry's error codes that the client handles.
const (
	codeSubjectNotFound    = 40401
	codeVersionNotFound    = 40402
	codeSchemaNotFound     = 40403
	codeSubjectSoftDeleted = 40404
	codeVersionSoftDeleted = 40406
	codeNoSubjectLevel     = 40408
	codeKeyNotFound        = 40470 // of KEKs
	codeDataKeyNotFound    = 40471 // of DEKs
	codeIncompatible       = 409   // registries before 8.2
	codeIncompatible82     = 40901 // registries since 8.2
)

// MaxMessage limits the quote of an answer of the registry, in bytes.
const MaxMessage = 2 << 10

// Error is an error answer of the registry.
type Error struct {
	URL     string // the base URL that answered, without credentials
	Status  int    // the HTTP status
	Code    int    // the registry's error_code, or 0 if the answer had none
	Message string // the registry's text, at most 2 KiB

	full string // the complete text
	page bool   // a proxy answered with an HTML page, not the registry
}

// Error returns the URL, the status, the code and the registry's text.
func (e *Error) Error() string {
	if e.URL == "" {
		return "the registry " + e.textWithoutURL()
	}
	return "the registry at " + e.URL + " " + e.textWithoutURL()
}

// textWithoutURL returns the text of the error without the URL.
func (e *Error) textWithoutURL() string {
	s := fmt.Sprintf("answered %d", e.Status)
	if e.Code != 0 && e.Code != e.Status {
		s += fmt.Sprintf(" (code %d)", e.Code)
	}
	switch {
	case e.page:
		s += " with a page that is not a registry's: " + e.Message
	case e.Message != "":
		s += ": " + e.Message
	default:
		s += " " + http.StatusText(e.Status)
	}
	if e.Status == http.StatusNotFound && (e.Code == 0 || e.Code == http.StatusNotFound) {
		s += " (is the URL complete? Some registries need a path, such as /apis/ccompat/v7 of Apicurio)"
	}
	return s
}

// Is reports whether the answer's code means target. The possible targets are
// [ErrSubjectNotFound], [ErrVersionNotFound], [ErrSchemaNotFound] and
// [ErrKeyNotFound]. A 404 without a code matches no target, because a wrong URL
// is the more likely cause.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case codeSubjectNotFound, codeSubjectSoftDeleted:
		return target == ErrSubjectNotFound
	case codeVersionNotFound, codeVersionSoftDeleted:
		return target == ErrVersionNotFound
	case codeSchemaNotFound:
		return target == ErrSchemaNotFound
	case codeKeyNotFound, codeDataKeyNotFound:
		return target == ErrKeyNotFound
	}
	return false
}

// NotFound reports whether the registry has no such subject, version, schema or
// key.
func (e *Error) NotFound() bool {
	return e.Is(ErrKeyNotFound) || e.Is(ErrSubjectNotFound) || e.Is(ErrVersionNotFound) || e.Is(ErrSchemaNotFound)
}

// Refused reports whether the registry refused the input (422), such as a text
// that is not a schema. The same call would fail again.
func (e *Error) Refused() bool { return e.Status == http.StatusUnprocessableEntity }

// Conflict reports whether another client stored the same thing before (409).
func (e *Error) Conflict() bool { return e.Status == http.StatusConflict }

// FullText returns the complete text of the registry.
func FullText(e *Error) string { return e.full }

// RefusesIncompatible reports whether the answer refuses an incompatible
// schema. A 409 has other meanings too, such as a wrong order of deletions, a
// read-only store, and a lost race.
func RefusesIncompatible(e *Error) bool {
	return e.Status == http.StatusConflict &&
		(e.Code == codeIncompatible || e.Code == codeIncompatible82) && !e.lostRace()
}

// lostRace reports whether another client has just stored the same thing. The
// same call succeeds at the next attempt.
func (e *Error) lostRace() bool {
	return e.Status == http.StatusConflict && strings.Contains(e.Message, "already exists")
}

// newError reads an error answer. Its body may be the registry's JSON, plain
// text, a page of a proxy, or empty. hide removes credentials from a text. A
// quote may cut a credential, so newError hides first.
func newError(url string, status int, contentType string, body []byte, hide func(string) string) *Error {
	e := &Error{URL: url, Status: status}
	var answer struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) == nil && (answer.Code != 0 || answer.Message != "") {
		e.Code, e.Message, e.full = answer.Code, Quote(hide(answer.Message), MaxMessage), answer.Message
		return e
	}
	e.Message = Quote(hide(string(body)), MaxQuote)
	e.page = strings.Contains(contentType, "html") || strings.HasPrefix(e.Message, "<")
	return e
}

// MaxQuote limits the quote of a body that the registry did not write, in
// bytes.
const MaxQuote = 200

// Quote shortens a remote text to limit bytes and puts it on a single line.
func Quote(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	cut := len(s) > limit
	if cut {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == ' ' || r == 0x7f }), " ")
	if cut {
		s += " …"
	}
	return s
}

// UnavailableError says that no registry could be reached, or that no registry
// could answer. errors.Is finds [ErrUnavailable] and the error of each attempt.
// If the caller's context ended the attempts, errors.Is also finds the
// context's error.
type UnavailableError struct {
	Attempts []Attempt // the last attempt on each URL
	Err      error     // the context's error if the context ended the attempts, else nil
}

// Attempt is a URL that the client tried, without credentials, and the error.
type Attempt struct {
	URL string
	Err error
}

// text returns the error without the URL, because the URL stands before the
// text.
func (a Attempt) text() string {
	var answer *Error
	if errors.As(a.Err, &answer) {
		return answer.textWithoutURL()
	}
	return a.Err.Error()
}

func (e *UnavailableError) Error() string {
	var b strings.Builder
	b.WriteString("no registry is available")
	if e.Err != nil {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	for i, a := range e.Attempts {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s: %s", sep, a.URL, a.text())
	}
	return b.String()
}

// Is reports whether target is [ErrUnavailable].
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

// Unwrap returns the errors of the attempts and the context's error.
func (e *UnavailableError) Unwrap() []error {
	errs := make([]error, 0, len(e.Attempts)+1)
	for _, a := range e.Attempts {
		errs = append(errs, a.Err)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// IsStatus reports whether err is the registry's answer with an HTTP status.
func IsStatus(err error, status int) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Status == status
}

// NoSuchCall reports whether the registry does not have a call. The sign is a
// 404 without a code of the API, or a 405.
func NoSuchCall(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && !answer.NotFound() &&
		(answer.Status == http.StatusNotFound || answer.Status == http.StatusMethodNotAllowed)
}
