package compat_test

import (
	"fmt"
	"log"

	"github.com/avroline/avroline/registry/compat"
)

// A new field without a default breaks readers of the new schema, because the
// old data does not have the field.
func ExampleCheck() {
	const (
		old = `{"type":"record","name":"shop.Order","fields":[
			{"name":"id","type":"string"}]}`
		changed = `{"type":"record","name":"shop.Order","fields":[
			{"name":"id","type":"string"},
			{"name":"total","type":"long"}]}`
	)
	findings, err := compat.Check(compat.Backward, changed, old)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range findings {
		fmt.Println(f.Type, f.Path)
		fmt.Println(f.What)
		fmt.Println(f.Advice)
	}
	// Output:
	// READER_FIELD_MISSING_DEFAULT_VALUE /fields/1
	// field total is new and has no default
	// Give total a default, or, if it is an old field renamed, add the old name as an alias.
}
