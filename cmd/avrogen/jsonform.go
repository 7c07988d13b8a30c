package main

import "github.com/avroline/avroline/serde"

// jsonForm is the form of JSON that decode prints and encode reads. The zero
// value is Avro's JSON encoding.
type jsonForm string

const (
	jsonAvro  jsonForm = "avro"
	jsonPlain jsonForm = "plain"

	jsonFlagHelp = "`FORM` of the JSON: avro, the encoding of the specification, or plain"
)

func (f *jsonForm) String() string {
	if *f == "" {
		return string(jsonAvro)
	}
	return string(*f)
}

func (f *jsonForm) Set(s string) error {
	switch jsonForm(s) {
	case jsonAvro, jsonPlain:
		*f = jsonForm(s)
		return nil
	}
	return usagef("%q is neither avro nor plain", s)
}

func (f *jsonForm) Type() string { return "string" }

// append appends the value of Avro data as JSON.
func (f *jsonForm) append(g *serde.Generic, dst, data []byte) ([]byte, error) {
	if *f == jsonPlain {
		return g.AppendPlainJSON(dst, data)
	}
	return g.AppendJSON(dst, data)
}

// read appends the Avro data of a JSON value.
func (f *jsonForm) read(g *serde.Generic, dst, json []byte) ([]byte, error) {
	if *f == jsonPlain {
		return g.AppendFromPlainJSON(dst, json)
	}
	return g.AppendFromJSON(dst, json)
}
