// Package codec measures generated code against hand-written code, which is the
// limit, and against other Avro libraries, all in one run:
//
//	go test ./codec -run TestTable -table -cpu 1
package codec

//go:generate go -C ../../.. run ./cmd/avrogen generate -o internal/bench/codec/events --package events internal/bench/codec/schemas
