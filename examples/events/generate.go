// Package events is the root of the examples' generated events: one package for
// each namespace of the schemas in the repository's folder schemas.
package events

//go:generate go tool avrogen generate -o . ../../schemas/clickstream ../../schemas/orders ../../schemas/ledger
