package codegen

import (
	"go/token"
	"testing"
)

func TestGoName(t *testing.T) {
	t.Parallel()
	for avro, want := range map[string]string{
		"order_id":         "OrderID",
		"orderId":          "OrderID",
		"OrderID":          "OrderID",
		"id":               "ID",
		"_id":              "ID",
		"id2":              "ID2",
		"ids":              "IDs",
		"image_urls":       "ImageURLs",
		"imageURLs":        "ImageURLs",
		"HTTPServer":       "HTTPServer",
		"httpServer":       "HTTPServer",
		"utf8_text":        "UTF8Text",
		"IN_TRANSIT":       "InTransit",
		"ACTIVE":           "Active",
		"ORDER_ID":         "OrderID",
		"A":                "A",
		"a":                "A",
		"type":             "Type",
		"map":              "Map",
		"_":                "X",
		"__":               "X",
		"_1st":             "X1st",
		"v1_2":             "V1_2",
		"v12":              "V12",
		"a_1":              "A1",
		"a__b":             "AB",
		"trailing_":        "Trailing",
		"iPhone":           "IPhone",
		"straße":           "Straße",
		"über_name":        "ÜberName",
		"日本":               "X日本",
		"ǆ":                "Ǆ",
		"x\u0301y":         "XY",
		"some-dashed.name": "SomeDashedName",
		"URLset":           "URLset",
		"parseXMLFile":     "ParseXMLFile",
		"":                 "X",
	} {
		got := goName(avro)
		if got != want {
			t.Errorf("goName(%q) = %q, want %q", avro, got, want)
		}
		if !token.IsIdentifier(got) || !token.IsExported(got) {
			t.Errorf("goName(%q) = %q is no exported identifier", avro, got)
		}
	}
}

func TestScopeMakesNamesUnique(t *testing.T) {
	t.Parallel()
	s := newScope([]string{"Equal"})
	for _, step := range [][2]string{{"Type", "Type"}, {"Type", "Type_"}, {"Type", "Type__"}, {"Equal", "Equal_"}} {
		if got := s.take(step[0]); got != step[1] {
			t.Errorf("take(%q) = %q, want %q", step[0], got, step[1])
		}
	}
}

func TestPackageName(t *testing.T) {
	t.Parallel()
	for segment, want := range map[string]string{
		"orders": "orders", "Orders": "orders", "v1": "v1", "1st": "st", "my_events": "myevents", "type": "typeavro",
		"documentation": "documentationavro", "main": "mainavro", "internal": "internalavro", "_": "avro", "日本": "avro", "x_test": "xtest",
		"aux": "auxavro", "Com2": "com2avro", "com10": "com10", "con": "conavro",
	} {
		got := PackageName(segment)
		if got != want {
			t.Errorf("PackageName(%q) = %q, want %q", segment, got, want)
		}
		if !token.IsIdentifier(got) {
			t.Errorf("PackageName(%q) = %q is no identifier", segment, got)
		}
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	for stem, want := range map[string]string{
		"order": "order.avro.go", "a.b": "a.b.avro.go", "sp ace": "sp_ace.avro.go",
		"_order": "order.avro.go", ".order": "order.avro.go", "-order": "order.avro.go", "_-.order": "order.avro.go", "-": "schema.avro.go",
		"order_linux": "order_linux_.avro.go", "order_test.v1": "order_test_.v1.avro.go", "linux": "linux.avro.go",
	} {
		if got := fileName(stem); got != want {
			t.Errorf("fileName(%q) = %q, want %q", stem, got, want)
		}
	}
}
