// Package codec measures generated code against hand-written code and against
// other Avro libraries, all in one run. The hand-written code is the limit:
//
//	go test ./codec -run TestTable -table -cpu 1
//
// The rest of this comment explains the remaining costs, by perf and
// -gcflags=-m.
//
// # Encoding
//
// Of a click, formatting the uuid takes a quarter of the time, in sixteen table
// look-ups and stores. Without the table, eight digits at a time in a register,
// the formatting takes 7 ns more. The peers receive the id as text and only
// copy the text. With a uuid, as "twmb-uuid", the peers take 1.5 times as long.
// The check of the text's UTF-8 costs nothing beside the copy of the text,
// because the check is part of the copy. The calls do not inline. AppendLong
// costs 222 of a budget of 80.
//
// Of an order, the cost is the sorted keys of the map and the checks of
// decimals. The hand-written code does not sort.
//
// # Decoding
//
// Of a click, half of the time goes into two allocations, for the copy of the
// message and for the optional string. An order adds the map and two
// allocations for each decimal. Both allocations happen inside decimal.New, so
// every reader of decimals has them.
//
// Of readings, every read returns the value, the rest of the slice and an
// error, together seven words. Positions in a slice need fewer words. One loop
// reads the longs of an array and needs neither the slice nor the error.
//
// # Decoding through a plan
//
// With -bench Evolved, each value is read once, in the writer's order. A click
// takes 28 to 34 % more. By pprof, the extra time has three causes of about
// equal size. The first is the loop over the fields, which has its state in
// memory across each call. The second is the calls that skip fields and switch
// to the defaults. The third is the copy of a message that is one size class
// longer.
//
// An order takes 25 to 35 % more and has the loop once more in each element. An
// earlier design rewrote the bytes before the read. It walked over every field
// twice and took 87 % and 55 % more.
package codec

//go:generate go -C ../../.. run ./cmd/avrogen generate -o internal/bench/codec/events --package events internal/bench/codec/schemas
//go:generate go -C ../../.. run ./cmd/avrogen generate --config internal/bench/codec/optionals/pointer.yaml
//go:generate go -C ../../.. run ./cmd/avrogen generate --config internal/bench/codec/optionals/opt.yaml
