package schemagen

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// defaultOf returns a JSON default for a type. If there is no default of
// reasonable size, the result is "". An enclosing record that is not complete
// has no default.
func (m *maker) defaultOf(t *Type, depth int) string {
	d := t.target()
	if depth > 4 {
		return ""
	}
	// The default must be a value of the logical type. Inside a union, the
	// default may belong to another branch than the picked branch.
	small := depth > 0 || d.Logical != ""
	switch d.Kind {
	case "null":
		return "null"
	case "boolean":
		return pick(m.Rand, "true", "false")
	case "int":
		if small && d.Logical != "date" {
			return strconv.Itoa(m.IntN(86_400_000) >> m.IntN(27))
		}
		return strconv.Itoa(int(int32(m.Uint32())) >> m.IntN(32))
	case "long":
		if small {
			return pick(m.Rand, "0", "1", "1000", "86399999")
		}
		return pick(m.Rand, "0", "9007199254740993", "-9223372036854775808", "9223372036854775807", strconv.Itoa(m.IntN(1000)))
	case "float", "double":
		return pick(m.Rand, "0", "-0.0", "1.5", "-2e10", "3", "0.1")
	case "string":
		if d.Logical == "uuid" {
			return pick(m.Rand, `"00000000-0000-0000-0000-000000000000"`, `"0191e4a0-7b3c-7def-8123-456789abcdef"`)
		}
		return jsonString(pick(m.Rand, "", "text", "quote \" back\\slash", "`tick`", "ünï 日本\u2028", "line\nbreak", "%d"))
	case "bytes":
		if small {
			return pick(m.Rand, `""`, `"\u0000"`, `"\u0005"`, `"\u00fb"`)
		}
		return pick(m.Rand, `""`, `"\u00ff\u0000"`, `"abc"`)
	case "fixed":
		if small && d.Size > 0 {
			return `"` + strings.Repeat(`\u0000`, d.Size-1) + `\u0007"`
		}
		return `"` + strings.Repeat(pick(m.Rand, `\u00ff`, `\u0000`, "x"), d.Size) + `"`
	case "enum":
		return strconv.Quote(pick(m.Rand, d.Symbols...))
	case "array":
		return m.list(d.Elem, depth, "[", "]", func(int) string { return "" })
	case "map":
		return m.list(d.Elem, depth, "{", "}", func(i int) string { return fmt.Sprintf(`"key%d":`, i) })
	case "union":
		if len(d.Branches) == 0 {
			return ""
		}
		return m.defaultOf(pick(m.Rand, d.Branches...), depth+1)
	}
	return m.recordDefault(d, depth)
}

func (m *maker) list(elem *Type, depth int, open, end string, prefix func(int) string) string {
	var parts []string
	for i := range m.IntN(3) {
		if x := m.defaultOf(elem, depth+1); x != "" {
			parts = append(parts, prefix(i)+x)
		}
	}
	return open + strings.Join(parts, ",") + end
}

func (m *maker) recordDefault(d *Type, depth int) string {
	for _, open := range m.open {
		if open == d {
			return ""
		}
	}
	var parts []string
	for _, f := range d.Fields {
		x := m.defaultOf(f.Type, depth+1)
		if x == "" {
			return ""
		}
		parts = append(parts, strconv.Quote(f.Name)+":"+x)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func jsonString(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(text)
}
