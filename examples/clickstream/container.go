package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/ocf"
)

// isContainer reports whether a regular file is an Avro object container file,
// perhaps compressed with gzip.
func isContainer(ctx context.Context, name string) bool {
	r, close, err := (&inputs{}).open(ctx, name)
	if err != nil {
		return false // the later read reports the error
	}
	defer close()
	start := make([]byte, len(ocf.Magic))
	_, err = io.ReadFull(r, start)
	return err == nil && string(start) == ocf.Magic
}

// containerLines yields every value of an Avro object container file as a line
// of JSON. So the rest of the program reads a container file like a file of
// JSON lines. The number of a value is the number of its line.
func containerLines(ctx context.Context, name string, src io.Reader, yield func(line, error) bool) bool {
	fail := func(no int64, err error) bool { return yield(line{}, fmt.Errorf("%s:%d: %w", name, no, err)) }
	r, err := ocf.NewGenericReader(src)
	if err != nil {
		return fail(0, err)
	}
	generic, err := serde.NewGeneric(r.Schema())
	if err != nil {
		return fail(0, err)
	}
	var data []byte
	for no := int64(1); ctx.Err() == nil; no++ {
		if data, err = r.Append(data[:0]); errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return fail(no, err)
		}
		v, err := generic.Decode(data)
		if err != nil {
			return fail(no, err)
		}
		text, err := json.Marshal(plainFields(v))
		if err != nil {
			return fail(no, err)
		}
		if !yield(line{file: name, no: no, text: text}, nil) {
			return false
		}
	}
	return false
}

// plainFields returns a record without the branch names of its unions. For
// example, {"bytes": {"long": 7}} becomes {"bytes": 7}. plainFields does not
// change deeper values, because log files in Avro have flat records.
func plainFields(v any) any {
	record, ok := v.(map[string]any)
	if !ok {
		return v
	}
	plain := make(map[string]any, len(record))
	for name, value := range record {
		if branch, ok := value.(map[string]any); ok && len(branch) == 1 {
			for _, inner := range branch {
				value = inner
			}
		}
		plain[name] = value
	}
	return plain
}
