package main

// Each release of the schema has its own package, like the packages of separate
// services.
//go:generate go tool avrogen generate -o v1 --package v1 schemas/v1.avsc
//go:generate go tool avrogen generate -o v2 --package v2 schemas/v2.avsc
//go:generate go tool avrogen generate -o v3 --package v3 schemas/v3.avsc
//go:generate go tool avrogen generate -o v4 --package v4 schemas/v4.avsc
