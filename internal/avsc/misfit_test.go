package avsc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avsc"
)

func TestMisfits(t *testing.T) {
	t.Parallel()
	const (
		uuid    = `{"type":"string","logicalType":"uuid"}`
		millis  = `{"type":"int","logicalType":"time-millis"}`
		micros  = `{"type":"long","logicalType":"time-micros"}`
		decimal = `{"type":"bytes","logicalType":"decimal","precision":2}`
		fixed   = `{"type":"fixed","name":"F","size":3,"logicalType":"decimal","precision":5}`
	)
	for _, c := range []struct {
		typ, value string
		want       []string
	}{
		{uuid, `""`, []string{`the default "" is no UUID`}},
		{uuid, `"0191E4A0-7b3c-7def-8123-456789abcdef"`, nil},
		{`"string"`, `""`, nil},
		{millis, `-1`, []string{"the default -1 is no time of day"}},
		{millis, `86399999`, nil},
		{millis, `86400000`, []string{"the default 86400000 is no time of day"}},
		{micros, `86399999999`, nil},
		{micros, `9223372036854775807`, []string{"the default 9223372036854775807 is no time of day"}},
		{decimal, `"c"`, nil},
		{decimal, `"d"`, []string{`the default "d" has more digits than the precision 2`}},
		{decimal, `"\u009d"`, nil},
		{decimal, `"\u009c"`, []string{`the default "\u009c" has more digits than the precision 2`}},
		{fixed, `"\u0001\u0086\u009f"`, nil},
		{fixed, `"\u0001\u0086\u00a0"`, []string{`the default "\u0001\u0086\u00a0" has more digits than the precision 5`}},
		{`{"type":"array","items":["null",` + millis + `]}`, `[null,-1,5,-2]`, []string{"the default -1 is no time of day", "the default -2 is no time of day"}},
		{
			`{"type":"record","name":"S","fields":[{"name":"a","type":` + uuid + `,"default":"x"},{"name":"b","type":` + micros + `}]}`, `{"b":-3}`,
			[]string{`the default "x" is no UUID`, "the default -3 is no time of day"},
		},
	} {
		s, err := avsc.Parse("t.avsc", []byte(rec(`"type": `+c.typ+`, "default": `+c.value)))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range s.Fields[0].Type.Misfits(s.Fields[0].Default) {
			got = append(got, m.What)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s of %s:\n%s", c.value, c.typ, d)
		}
	}
}
