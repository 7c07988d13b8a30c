package schemagen

// The words mix ordinary names with names that cause problems in generators.
//
//nolint:gochecknoglobals // constant tables
var (
	namespaces = []string{"", "shop", "shop.orders", "shop.common", "other.orders", "a.b.c"}

	typeWords = []string{
		"Order", "order", "Item", "Money", "Address", "map", "String", "Time", "error", "Map", "func", "int32", "T", "t",
		"OrderSchema", "NewOrder", "OrderItem", "Date", "UUID", "Decimal", "avrobin", "Null", "_", "_X", "Value", "X1st",
		"order_item", "HTTPServer", "Record", "Status", "Plan",
	}

	fieldWords = []string{
		"id", "ID", "order_id", "orderId", "type", "Type", "_", "_1", "map", "func", "range", "string", "String", "error",
		"name", "value", "Value", "avro_name", "AvroName", "AppendAvro", "equal", "clone", "total", "url", "urls", "v", "dst",
		"err", "data", "n", "i", "nil", "true", "len", "append", "time", "uuid", "decimal", "new", "MarshalJSON", "a_1", "a1",
		"x_", "x", "is", "items", "note", "amount",
	}

	symbolWords = []string{"A", "a", "B", "ACTIVE", "Active", "IN_TRANSIT", "_", "_1", "X1", "Unknown", "String", "type", "nil", "Schema"}
)
