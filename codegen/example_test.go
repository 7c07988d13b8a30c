package codegen_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/avroline/avroline/codegen"
)

func ExampleGenerate() {
	files, err := codegen.Generate([]codegen.Source{{
		Name: "order_created.avsc",
		Text: []byte(`{"type": "record", "name": "OrderCreated", "namespace": "shop", "fields": [
			{"name": "order_id", "type": {"type": "string", "logicalType": "uuid"}}
		]}`),
	}}, codegen.Options{Package: "events"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range files {
		fmt.Println(f.Path)
		_, text, _ := strings.Cut(string(f.Content), "// OrderCreated is")
		text, _, _ = strings.Cut(text, "\n\n")
		fmt.Println("// OrderCreated is" + text)
	}
	// Output:
	// order_created.avro.go
	// // OrderCreated is the Avro record shop.OrderCreated.
	// type OrderCreated struct {
	// 	OrderID uuid.UUID `avro:"order_id" json:"order_id"`
	// }
}

func ExampleErrors() {
	_, err := codegen.Generate([]codegen.Source{{
		Name: "order.avsc",
		Text: []byte(`{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "strin"}]}`),
	}}, codegen.Options{Package: "events"})
	var mistake *codegen.Error
	if errors.As(err, &mistake) {
		fmt.Printf("line %d, column %d: %s\n", mistake.Line, mistake.Column, mistake.Problem)
		fmt.Println(mistake.Fix)
	}
	// Output:
	// line 1, column 71: unknown type "strin"
	// did you mean "string"?
}
