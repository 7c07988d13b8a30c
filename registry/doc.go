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
// Each layer uses only the layers below. The references between the files of a
// package also run one way.
//
//   - Package registry has the methods of [Client], with a file for each topic.
//     warm.go and register.go stand on findings.go, latest.go and find.go.
//     These stand on schema.go and resolve.go, which read a schema with the
//     types of its references. All methods stand on client.go. The options are
//     in option.go, config.go and settings*.go. The keys of the caches are in
//     keys.go, and the client's own recent writes in writes.go.
//   - internal/cache has the caches in memory and on disk.
//   - internal/rest has the calls of the REST API and their errors. Its file
//     api.go decides between srclient and a request of our own. Below are
//     transport.go (retries and failover), attempt.go (one HTTP request),
//     token.go (credentials) and flight.go (shared calls).
package registry
