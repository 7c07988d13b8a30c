package rest

import "net/http"

// Call is a single call, independent of the URL that will answer.
type Call struct {
	Method string
	Path   string // escaped, relative to the base URL
	Query  string
	body   []byte
	// Form checks whether the body of a 2xx is an answer of the API. If the
	// form is wrong, a proxy wrote the body, and the client handles the answer
	// like a 503. The zero form accepts any JSON.
	Form form
	// written says how much of the answer this client has just written.
	written Written
	// Secret says that the answer holds a secret. No error may quote the
	// answer.
	Secret bool
	// NoContent is the error for a 204. If NoContent is nil, a 204 is a success
	// for a PUT and a DELETE. For other methods a 204 is like an empty body.
	NoContent error
	attempts  *attemptCount // counts the attempts for the hooks; nil without hooks
}

// needsNoBody reports whether the status of a 2xx says enough.
func (c Call) needsNoBody() bool {
	return c.Method == http.MethodPut || c.Method == http.MethodDelete
}
