package ocf_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/serde/ocf"
)

// Write two events into a compressed file, and read them.
func Example() {
	var file bytes.Buffer
	w, err := ocf.NewWriter[clicks.ClickEvent](&file, ocf.WithCodec(ocf.Zstandard))
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/", "/cart"} {
		e := clicks.NewClickEvent()
		e.Method, e.Path, e.Status = "GET", path, 200
		if err := w.Append(&e); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	r, err := ocf.NewReader[clicks.ClickEvent](&file)
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range r.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Method, e.Path, e.Status)
	}
	// Output:
	// GET / 200
	// GET /cart 200
}
