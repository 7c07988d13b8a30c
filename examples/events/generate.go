// Package events is the root of the generated events of the examples. Each
// namespace in the folder schemas has its own package.
package events

//go:generate go tool avrogen generate -o . ../../schemas/clickstream ../../schemas/orders ../../schemas/ledger
