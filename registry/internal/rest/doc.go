// Package rest makes the calls of a schema registry's REST API, with retries,
// failover between several URLs, credentials and limits. Package rest caches
// nothing.
//
// A [Caller] makes the calls of one piece of [Work]. Several callers can share
// the work by [Flights]. A [Transport] carries out each [Call] in rounds over
// the URLs, and an attempt is one HTTP request.
package rest
