// Package registry is a client for a schema registry with Confluent's REST API.
// A [Client] registers and reads schemas, checks compatibility, manages
// subjects, and reads the wrapped keys of field encryption:
//
//	reg, err := registry.New([]string{"https://registry:8081"})
//	v, err := reg.Register(ctx, "orders-value", registry.Schema{Text: text})
//
// A Client caches the registry's answers, so that publishing to a known subject
// makes no call. Concurrent calls for the same thing become a single call. A
// Client retries, fails over between several URLs, and later returns to the
// preferred URL. With [WithDiskCache] a service can restart while the registry
// is away. docs/registry.md has a table of all cases, and a table of the
// differences between registries.
//
// # Layers
//
// The files form layers, from the methods for a user down to HTTP.
//
//   - warm.go, register.go, find.go, latest.go, findings.go, compatibility.go,
//     mode.go, list.go, delete.go, dek.go, association.go: the methods of
//     Client, with a file for each topic.
//   - schema.go, resolve.go: a schema with the types of its references.
//   - client.go, option.go, settings.go: the Client and its options.
//   - disk.go, memo.go, flight.go, writes.go: the caches on disk and in memory,
//     shared calls, and the client's own recent writes.
//   - api.go, form.go: the calls of the REST API. Only these files decide
//     between srclient and a request of our own.
//   - transport.go, endpoint.go, auth.go, background.go: HTTP with retries,
//     failover and credentials.
//   - errors.go: the errors.
package registry
