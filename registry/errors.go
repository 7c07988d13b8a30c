package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/avroline/avroline/registry/compat"
)

// The errors that errors.Is finds in the client's errors.
var (
	// ErrSubjectNotFound means that the registry has no such subject, or the
	// subject was deleted.
	ErrSubjectNotFound error = notFoundError("registry: subject not found")
	// ErrVersionNotFound means that the subject has no such version.
	ErrVersionNotFound error = notFoundError("registry: version not found")
	// ErrSchemaNotFound means that no schema has this id or GUID, or the
	// subject lacks this schema.
	ErrSchemaNotFound error = notFoundError("registry: schema not found")
	// ErrKeyNotFound means that the DEK registry has no such key.
	ErrKeyNotFound error = notFoundError("registry: key not found")
	// ErrUnavailable means that no registry could be reached, or none that
	// could answer. The error is an [*UnavailableError].
	ErrUnavailable = errors.New("registry: no registry available")
	// ErrNotAvro means that the schema is of another type, such as Protobuf.
	ErrNotAvro = errors.New("registry: schema of another type than Avro")
	// ErrClosed means that the client was closed.
	ErrClosed = errors.New("registry: client closed")
)

// notFoundError is an error that says of itself that the registry has no such
// thing, which package serde looks for.
type notFoundError string

func (e notFoundError) Error() string { return string(e) }

// NotFound reports true.
func (notFoundError) NotFound() bool { return true }

// The registry's error codes that mean something to the client.
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
	codeIncompatible82     = 40901 // and since
)

// maxMessage bounds the quote of a registry's answer, in bytes.
const maxMessage = 2 << 10

// Error is an answer of the registry that is an error.
type Error struct {
	URL     string // the base URL that answered, without credentials
	Status  int    // of HTTP
	Code    int    // the registry's error_code, 0 where the answer had none
	Message string // the registry's words, at most 2 KiB of them

	full string // all of them
	page bool   // the answer was a page of HTML, so that no registry wrote it
}

// Error tells the URL, the status, the code and the registry's words.
func (e *Error) Error() string {
	if e.URL == "" {
		return "the registry " + e.answered()
	}
	return "the registry at " + e.URL + " " + e.answered()
}

// answered is the text without the URL.
func (e *Error) answered() string {
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

// Is reports whether the answer's code means target: [ErrSubjectNotFound],
// [ErrVersionNotFound], [ErrSchemaNotFound] or [ErrKeyNotFound]. A 404 without
// a code means none of them: more likely the URL is wrong.
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

// Refused reports whether the registry refuses what it was given (422), such as
// a text that is not a schema. The same call would fail again.
func (e *Error) Refused() bool { return e.Status == http.StatusUnprocessableEntity }

// Conflict reports whether somebody else stored the same thing before (409).
func (e *Error) Conflict() bool { return e.Status == http.StatusConflict }

// incompatible reports whether the answer refuses a schema for its
// compatibility. Not every 409 does. The order of deletions, a read-only store
// and lost races are answered with it too.
func (e *Error) incompatible() bool {
	return e.Status == http.StatusConflict &&
		(e.Code == codeIncompatible || e.Code == codeIncompatible82) && !e.lostRace()
}

// lostRace reports whether somebody else stored the same thing meanwhile: the
// call succeeds when it is made again.
func (e *Error) lostRace() bool {
	return e.Status == http.StatusConflict && strings.Contains(e.Message, "already exists")
}

// newError reads an answer that is an error. Its body may be the registry's
// JSON, but also empty, plain text or a page of a proxy.
func newError(url string, status int, contentType string, body []byte) *Error {
	e := &Error{URL: url, Status: status}
	var answer struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) == nil && (answer.Code != 0 || answer.Message != "") {
		e.Code, e.Message, e.full = answer.Code, quote(answer.Message, maxMessage), answer.Message
		return e
	}
	e.Message = quote(string(body), maxQuote)
	e.page = strings.Contains(contentType, "html") || strings.HasPrefix(e.Message, "<")
	return e
}

// maxQuote bounds the quote of a body that is not a registry's, in bytes.
const maxQuote = 200

// quote bounds remote text and makes one line of it.
func quote(s string, limit int) string {
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

// IncompatibleError says that the registry refused a schema because readers or
// data of the subject would break. Its text names the reasons.
type IncompatibleError struct {
	Subject string
	// Findings are empty when neither the registry nor we could tell. Against
	// is the number of the version less one.
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
			fmt.Fprintf(&b, ": %s", quote(f.Message, maxQuote))
		}
		if f.Advice != "" {
			fmt.Fprintf(&b, " (%s)", f.Advice)
		}
	}
	return b.String()
}

// maxFindings bounds how many findings an error's text lists.
const maxFindings = 10

// Refused reports true. The same schema would be refused again.
func (e *IncompatibleError) Refused() bool { return true }

// Unwrap returns the registry's answer, nil when there is none.
func (e *IncompatibleError) Unwrap() error {
	if e.Err == nil {
		return nil
	}
	return e.Err
}

// UnavailableError says that no registry could be reached, or none that could
// answer: errors.Is finds [ErrUnavailable], the reasons and, where the caller's
// context ended the attempts, its error.
type UnavailableError struct {
	Attempts []Attempt // the last one on each URL
	Err      error     // the context's error when it ended the attempts, else nil
}

// Attempt is one tried URL, without credentials, and its error.
type Attempt struct {
	URL string
	Err error
}

// text is the error without the URL, which stands before it.
func (a Attempt) text() string {
	var answer *Error
	if errors.As(a.Err, &answer) {
		return answer.answered()
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

// Unwrap returns the reasons and the context's error.
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
