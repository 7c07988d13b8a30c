package avrobin_test

import (
	"encoding/json"
	"fmt"

	"github.com/avroline/avroline/serde/avrobin"
)

// Opt is the type of an optional field if avrogen.yaml says "optionals: opt".
func ExampleOpt() {
	type order struct { // in a program, avrogen generates this type
		Note avrobin.Opt[string] `json:"note"`
	}
	for _, o := range []order{{}, {Note: avrobin.Some("at the door")}} {
		text, err := json.Marshal(o)
		fmt.Println(o.Note.Or("no note"), string(text), err)
	}
	// Output:
	// no note {"note":null} <nil>
	// at the door {"note":"at the door"} <nil>
}
