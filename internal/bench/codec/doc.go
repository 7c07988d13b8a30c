// Package codec measures generated code against hand-written code, which is the
// limit, and against other Avro libraries, all in one run:
//
//	go test ./codec -run TestTable -table -cpu 1
//
// Why it is not more, as perf and -gcflags=-m say.
//
// Encoding a click: a quarter of the time formats the uuid, sixteen table look-ups
// and stores; without the table, eight digits at a time in a register, it is 7 ns
// more. The peers are given the id as text, which they only copy: with a uuid, as
// "twmb-uuid", they take half as long again. The look at the text's UTF-8 costs
// nothing beside the copy that it is part of. The calls do not inline (AppendLong
// costs 222 of a budget of 80).
//
// Encoding an order: the sorted keys of the map, which the hand-written code
// does not sort, and the checks of decimals.
//
// Decoding: of a click half is the two allocations, the copy of the message and
// the optional string. An order adds the map and two allocations for each
// decimal, inside decimal.New, which no reader of decimals avoids.
//
// Decoding readings: every value is returned with the slice that is left and an
// error, which is seven words; positions in a slice are fewer. The longs of an
// array are read in one loop, which needs neither.
//
// Through a plan (-bench Evolved) a value is read once, in the writer's order. What
// a click takes more, 28 to 34 %, is by pprof in about equal parts the loop over
// the fields, whose state is in memory across each call, the calls that leave
// fields out and turn to the defaults, and the copy of a message that is a size
// class longer. An order, 25 to 35 %, has the loop in each element once more.
// Rewriting the bytes first and reading them straight, which walks over every
// field twice, was 87 % and 55 %.
package codec

//go:generate go -C ../../.. run ./cmd/avrogen generate -o internal/bench/codec/events --package events internal/bench/codec/schemas
