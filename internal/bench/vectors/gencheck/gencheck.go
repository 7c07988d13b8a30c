// Package gencheck runs generated code against external vectors. The package is
// the library of a program that imports a package for every schema. The tests
// of package vectors write, build and run the program.
package gencheck

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde/avrobin"
)

// Case is a line of the program's input.
type Case struct {
	ID      string
	Package string // package of the generated code
	Schema  string
	Hostile bool // the data is bad, or claims a larger size than it has
	Own     bool // the code has own types, so only encodings are compared
	Values  []Value
}

// Value is a value of a case.
type Value struct {
	JSON json.RawMessage `json:",omitempty"` // in the Avro JSON encoding; nil if not known
	Hex  string
}

// Verdict is a line of the program's output.
type Verdict struct {
	ID    string // id of the case, then a slash and the number of the value
	What  string // the check
	Error string // "" if the check succeeded
	Wrote string `json:",omitempty"` // hex bytes that the generated code encoded, if any
}

// Types holds the generated messages of each package.
type Types map[string][]func() avrobin.Decoder

// Run checks every case of in and writes verdicts to out.
func Run(types Types, in io.Reader, out io.Writer) error {
	lines := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	j := &checker{out: json.NewEncoder(out)}
	for {
		var c Case
		if err := lines.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := j.check(&c, types); err != nil {
			return err
		}
	}
}

type checker struct {
	out *json.Encoder
	id  string
}

func (j *checker) report(what string, err error) bool { return j.reportWrote(what, nil, err) }

func (j *checker) reportWrote(what string, wrote []byte, err error) bool {
	v := Verdict{ID: j.id, What: what, Wrote: hex.EncodeToString(wrote)}
	if err != nil {
		v.Error = err.Error()
	}
	if e := j.out.Encode(v); e != nil {
		panic(e)
	}
	return err == nil
}

func (j *checker) check(c *Case, types Types) error {
	schema, err := avsc.Parse(c.ID, []byte(c.Schema))
	if err != nil {
		return err
	}
	var fresh func() avrobin.Decoder
	for _, f := range types[c.Package] {
		own, err := avsc.Parse(c.ID, []byte(f().AvroSchema()))
		if err != nil {
			return err
		}
		if own.Text() == schema.Text() {
			fresh = f
			break
		}
		if own.Canonical() == schema.Canonical() {
			fresh = f
		}
	}
	j.id = c.ID
	if fresh == nil {
		j.report("type", fmt.Errorf("package %s has no type for %s", c.Package, schema.Canonical()))
		return nil
	}
	j.report("zero", checkZero(fresh()))
	for i, v := range c.Values {
		j.id = fmt.Sprintf("%s/%d", c.ID, i)
		data, err := hex.DecodeString(v.Hex)
		if err != nil {
			return err
		}
		if c.Hostile {
			j.report("bounded", checkBounded(fresh(), data))
			continue
		}
		want := v.JSON
		if c.Own {
			want = nil
		}
		j.value(schema, fresh, data, want)
	}
	return nil
}

// checkZero requires the zero value to encode, or to give an error with a
// reason.
func checkZero(v avrobin.Decoder) error {
	_, err := v.AppendAvro(nil)
	var e *avrobin.Error
	if err != nil && !errors.As(err, &e) {
		return fmt.Errorf("the zero value: %T", err)
	}
	return nil
}

// checkBounded requires data to be decoded or refused in little memory.
func checkBounded(v avrobin.Decoder, data []byte) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := v.UnmarshalAvro(data)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		return errors.Join(err, fmt.Errorf("%d bytes of input take %d bytes of memory", len(data), used))
	}
	return nil
}

func (j *checker) value(schema *avsc.Schema, fresh func() avrobin.Decoder, data []byte, want json.RawMessage) {
	v := fresh()
	if !j.report("decode", v.UnmarshalAvro(data)) {
		return
	}
	if want != nil {
		got, err := toJSON(schema, v)
		if err == nil {
			err = sameJSON(got, want)
		}
		j.report("value", err)
	}

	again, err := v.AppendAvro([]byte("before"))
	again = again[len("before"):]
	if err == nil {
		err = sameBytes(schema, again, data)
	}
	j.reportWrote("encode", again, err)
	if want != nil && err == nil {
		j.report("json", readsJSON(schema, v, fresh, want))
	}

	alias := fresh()
	err = avrobin.UnmarshalAlias(alias.(avrobin.ValueReader), data)
	if err == nil && !reflect.DeepEqual(alias, v) {
		err = errors.New("another value")
	}
	j.report("alias", err)
	j.report("truncated", checkTruncated(fresh, data))
	j.report("methods", checkMethods(v, fresh))
}

// checkTruncated requires every proper prefix and every appended byte to be
// refused.
func checkTruncated(fresh func() avrobin.Decoder, data []byte) error {
	step := 1 + len(data)/4096
	for n := 0; n < len(data); n += step {
		err := fresh().UnmarshalAvro(data[:n])
		var e *avrobin.Error
		if !errors.As(err, &e) || e.Offset < 0 || e.Offset > n {
			return errors.Join(err, fmt.Errorf("the first %d of %d bytes", n, len(data)))
		}
	}
	for _, b := range []byte{0, 1, 0xff} {
		longer := append(data[:len(data):len(data)], b)
		if err := fresh().UnmarshalAvro(longer); !errors.Is(err, avrobin.ErrTrailing) {
			return errors.Join(err, fmt.Errorf("%#x appended", b))
		}
	}
	return nil
}

// checkMethods requires encoding/json, Clone and Equal to keep the value.
func checkMethods(v avrobin.Decoder, fresh func() avrobin.Decoder) error {
	rv := reflect.ValueOf(v)
	equal := func(o avrobin.Decoder) bool {
		if m := rv.MethodByName("Equal"); m.IsValid() {
			return m.Call([]reflect.Value{reflect.ValueOf(o)})[0].Bool()
		}
		return reflect.DeepEqual(v, o)
	}
	if m := rv.MethodByName("Clone"); m.IsValid() {
		c := m.Call(nil)[0].Interface().(avrobin.Decoder)
		if !equal(c) {
			return errors.New("the clone differs")
		}
	}
	text, err := json.Marshal(v)
	var unsupported *json.UnsupportedValueError
	if errors.As(err, &unsupported) {
		return nil // JSON has no infinity
	}
	if err != nil {
		return err
	}
	o := fresh()
	if err := json.Unmarshal(text, o); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	if !equal(o) {
		return fmt.Errorf("another value out of %s", text)
	}
	return nil
}
