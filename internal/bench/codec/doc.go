// Package codec compares generated code with hand-written code and with other
// Avro libraries, all in one run. The hand-written code is the limit:
//
//	go test ./codec -run TestTable -table -cpu 1
//
// The rest of this comment explains where generated code needs more time. The
// data comes from perf and from -gcflags=-m.
//
// # Encoding
//
// To encode a click, formatting the uuid takes a quarter of the time, with
// sixteen table look-ups and stores. A version without the table handles eight
// digits at a time in a register, and takes 7 ns more. The other libraries
// receive the id as text and only copy the text. With a uuid, as in
// "twmb-uuid", their time is 1.5 times our time. The check of the text's UTF-8
// costs no extra time, because the check happens during the copy. The compiler
// does not inline the calls, because AppendLong has the cost 222 and the limit
// is 80.
//
// To encode an order, sorting the keys of the map and checking decimals take
// most of the time. The hand-written code sorts too, so both write equal bytes.
//
// # Decoding
//
// To decode a click, two allocations take half of the time: the copy of the
// message, and the optional string. An order also allocates the map, and makes
// two allocations for each decimal. Both allocations happen inside decimal.New,
// so every reader of decimals makes them.
//
// To decode readings, every read returns the value, the rest of the slice and
// an error, together seven words. A reader that returns a position in the slice
// needs fewer words. One loop reads the longs of an array and needs neither the
// slice nor the error.
//
// # Decoding through a plan
//
// With -bench Evolved, each value is read once, in the writer's order. A click
// takes 28 to 34 % more time. According to pprof, the extra time has three
// causes of about equal size. The first cause is the loop over the fields,
// which keeps its state in memory during each call. The second cause is the
// calls that skip fields and fill in defaults. The third cause is the copy of a
// message that needs the next larger size class.
//
// An order takes 25 to 35 % more time, because each element also runs the loop.
// An earlier design rewrote the bytes before the read. That design walked over
// every field twice, and took 87 % and 55 % more.
package codec

//go:generate go -C ../../.. run ./cmd/avrogen generate -o internal/bench/codec/events --package events internal/bench/codec/schemas
//go:generate go -C ../../.. run ./cmd/avrogen generate --config internal/bench/codec/optionals/pointer.yaml
//go:generate go -C ../../.. run ./cmd/avrogen generate --config internal/bench/codec/optionals/opt.yaml
