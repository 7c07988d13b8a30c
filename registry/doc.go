// Package registry is a client for a schema registry with Confluent's REST API.
// A [Client] registers and reads schemas, checks their compatibility, manages
// subjects, and reads the wrapped keys of field encryption:
//
//	reg, err := registry.New([]string{"https://registry:8081"})
//	v, err := reg.Register(ctx, "orders-value", registry.Schema{Text: text})
//
// A Client remembers the registry's answers, so that publishing to a known
// subject makes no call. Calls for the same thing at the same time are one call.
// A Client retries, fails over between several URLs and finds its way back, and
// with [WithDiskCache] a service restarts without its registry. docs/registry.md
// has a table of all cases, and a table of the differences between registries.
//
// # Layers
//
// The files stand on each other in this order, from the questions of a user down
// to HTTP.
//
//   - warm.go, register.go, find.go, latest.go, findings.go, compatibility.go,
//     mode.go, list.go, delete.go, dek.go, association.go: the methods of Client,
//     a file for each question.
//   - schema.go, resolve.go: one schema, with the types of its references.
//   - client.go, option.go, settings.go: the Client and its options.
//   - disk.go, memo.go, flight.go, writes.go: answers on disk and in memory, one
//     call for many callers, and the client's own recent writes.
//   - api.go, form.go: the calls of the REST API. This is the one place that
//     decides between srclient and a request of our own.
//   - transport.go, endpoint.go, auth.go, background.go: HTTP with retries,
//     failover and credentials.
//   - errors.go: the errors.
package registry
