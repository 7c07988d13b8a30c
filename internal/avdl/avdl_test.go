package avdl_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avdl"
	"github.com/avroline/avroline/internal/avsc"
)

// types parses IDL and returns the texts of the types.
func types(t *testing.T, idl string) []string {
	t.Helper()
	f := avdl.Parse("t.avdl", []byte(idl))
	set, err := avsc.ParseSet(f.Source)
	if err != nil {
		t.Fatalf("%s\n%v", idl, err)
	}
	var out []string
	for _, s := range set.Files[0].Schemas {
		out = append(out, s.Text())
	}
	return out
}

func TestDeclarations(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, idl string
		want      []string
	}{
		{"record of primitives", `record R { null a; boolean b; int c; long d; float e; double f; bytes g; string h; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":"null"},{"name":"b","type":"boolean"},{"name":"c","type":"int"},{"name":"d","type":"long"},{"name":"e","type":"float"},{"name":"f","type":"double"},{"name":"g","type":"bytes"},{"name":"h","type":"string"}]}`,
		}},
		{"logical types", `record R { date a; time_ms b; timestamp_ms c; local_timestamp_ms d; uuid e; decimal(9, 2) f; decimal(5) g; @logicalType("timestamp-micros") long h; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"int","logicalType":"date"}},{"name":"b","type":{"type":"int","logicalType":"time-millis"}},{"name":"c","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"d","type":{"type":"long","logicalType":"local-timestamp-millis"}},{"name":"e","type":{"type":"string","logicalType":"uuid"}},{"name":"f","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},{"name":"g","type":{"type":"bytes","logicalType":"decimal","precision":5}},{"name":"h","type":{"type":"long","logicalType":"timestamp-micros"}}]}`,
		}},
		{"complex types", `record R { array<map<union {null, R}>> a; @x(1) array<int> b; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":{"type":"map","values":["null","R"]}}},{"name":"b","type":{"type":"array","items":"int","x":1}}]}`,
		}},
		{"annotated union", `record R { @java-class("x") union {null, int} @y(1) a; array<@z(1) union {int}> b; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"],"y":1},{"name":"b","type":{"type":"array","items":["int"]}}]}`,
		}},
		{"optional", `record R { string? a; string? b = null; int? c = 1; date? d = 0; array<long?> e = []; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":["null","string"]},{"name":"b","type":["null","string"],"default":null},{"name":"c","type":["int","null"],"default":1},{"name":"d","type":[{"type":"int","logicalType":"date"},"null"],"default":0},{"name":"e","type":{"type":"array","items":["null","long"]},"default":[]}]}`,
		}},
		{"enum, fixed, error", "enum E { A, B, } fixed F(0x10); error X { string why; }\nenum D { C } = C;", []string{
			`{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"fixed","name":"F","size":16}`,
			`{"type":"error","name":"X","fields":[{"name":"why","type":"string"}]}`, `{"type":"enum","name":"D","symbols":["C"],"default":"C"}`,
		}},
		{"namespace", `namespace a.b; record R { S s; x.y.T t; } fixed S(1); @namespace("x.y") fixed T(1); fixed c.U(1);`, []string{
			`{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"s","type":{"type":"fixed","name":"S","size":1}},{"name":"t","type":{"type":"fixed","name":"T","namespace":"x.y","size":1}}]}`,
			`{"type":"fixed","name":"S","namespace":"a.b","size":1}`, `{"type":"fixed","name":"T","namespace":"x.y","size":1}`, `{"type":"fixed","name":"c.U","size":1}`,
		}},
		{"annotations", `@aliases(["Old", "x.Older"]) @my-prop({"k": [1, null, true]}) record R { @t("x") long @order("ignore") @aliases(["g"]) @p.q(0x1F) f = -0x2L; }`, []string{
			`{"type":"record","name":"R","aliases":["Old","x.Older"],"fields":[{"name":"f","type":{"type":"long","t":"x"},"default":-2,"order":"ignore","aliases":["g"],"p.q":31}],"my-prop":{"k":[1,null,true]}}`,
		}},
		{"several names of one type", `record R { int a = 1, @order("descending") b, c = 3; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1},{"name":"b","type":"int","order":"descending"},{"name":"c","type":"int","default":3}]}`,
		}},
		{"numbers", `record R { double a = 1.; double b = .5e-3f; double c = +2D; double d = 010; double e = 0x1p4; double f = -0.0; long g = 9007199254740993; long h = 0L; double i = 007.5; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":"double","default":1.0},{"name":"b","type":"double","default":0.5e-3},{"name":"c","type":"double","default":2},{"name":"d","type":"double","default":8},{"name":"e","type":"double","default":16},{"name":"f","type":"double","default":-0.0},{"name":"g","type":"long","default":9007199254740993},{"name":"h","type":"long","default":0},{"name":"i","type":"double","default":7.5}]}`,
		}},
		{"strings", `record R { string a = "\"\\ \u00e9\ud83d\ude00 \n\'\101é"; }`, []string{
			`{"type":"record","name":"R","fields":[{"name":"a","type":"string","default":"\"\\ é😀 \n'Aé"}]}`,
		}},
		{"names that are keywords", "record `record` { `enum` `string`; int `int`; int date; `date` d; } enum `enum` { `null`, map } fixed `date`(1);", []string{
			`{"type":"record","name":"record","fields":[{"name":"string","type":{"type":"enum","name":"enum","symbols":["null","map"]}},{"name":"int","type":"int"},{"name":"date","type":"int"},{"name":"d","type":{"type":"fixed","name":"date","size":1}}]}`,
			`{"type":"enum","name":"enum","symbols":["null","map"]}`, `{"type":"fixed","name":"date","size":1}`,
		}},
		{"an old end of file", "fixed F(1);\x1a what follows does not count", []string{`{"type":"fixed","name":"F","size":1}`}},
		{"a byte order mark", "\xef\xbb\xbffixed F(1);", []string{`{"type":"fixed","name":"F","size":1}`}},
		{"nothing", "// nothing", nil},
		{
			"protocol", `@version("1") @namespace("n") protocol P { import idl "x.avdl"; record R { int a; } error E { }
			/** says */ R m(R a, int b = 1, union {null, R} c) throws E; void v(); void o(string s) oneway; @x(1) null n(); array<R> q(); }`,
			[]string{`{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int"}]}`, `{"type":"error","name":"E","namespace":"n","fields":[]}`},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, types(t, c.idl)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMainSchema(t *testing.T) {
	t.Parallel()
	f := avdl.Parse("t.avdl", []byte(`namespace n; schema array<R>; import schema "a.avsc"; record R { int a; } import protocol "b.avpr";`))
	set, err := avsc.ParseSet(f.Source)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"array","items":{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int"}]}}`
	if diff := cmp.Diff(want, set.Files[0].Root.Text()); diff != "" {
		t.Error(diff)
	}
	var imports []string
	for _, i := range f.Imports {
		imports = append(imports, i.Kind+" "+i.Path+" "+i.Pos.String())
	}
	if diff := cmp.Diff([]string{"schema a.avsc t.avdl:1:45", "protocol b.avpr t.avdl:1:91"}, imports); diff != "" {
		t.Error(diff)
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	idl := `
/** A
 * record
 *   of two.
 */
@x(1) record R {
	/** Both. */ int a,
	/** Its own. */ b;
	/* no documentation */ int c; // nor this
	/** Replaced. */
	/**
	 * Several
	 *
	 * lines.
	 */
	int d;
	/**/ int e;
	/** One
	    indented
	      text. */
	int f;
}
/** An enum. */ enum E { /** lost */ A }
`
	want := []string{
		`{"type":"record","name":"R","doc":"A\nrecord\n  of two.","fields":[` +
			`{"name":"a","type":"int","doc":"Both."},{"name":"b","type":"int","doc":"Its own."},{"name":"c","type":"int"},` +
			`{"name":"d","type":"int","doc":"Several\n\nlines."},{"name":"e","type":"int"},{"name":"f","type":"int","doc":"One\nindented\n  text."}],"x":1}`,
		`{"type":"enum","name":"E","doc":"An enum.","symbols":["A"]}`,
	}
	if diff := cmp.Diff(want, types(t, idl)); diff != "" {
		t.Error(diff)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, idl, want string }{
		{"no semicolon", "record R {\n  int a\n  int b;\n}", `3:3: ";" was expected after the field, found "int"`},
		{"no brace", "record R { int a;", `1:18: "}" was expected after the fields, found the end of the file`},
		{"brace too many", "record R { }\n}", `2:1: unexpected "}": remove it`},
		{"no size", `fixed F();`, `1:9: the size of a fixed was expected, found ")"`},
		{"no name", `record { int a; }`, `1:8: the name of the record was expected, found "{"`},
		{"no type", `record R { = 1; }`, `1:12: a type was expected, found "="`},
		{"unknown type", `record R { strnig a; }`, `1:12: unknown type "strnig": did you mean "string"?`},
		{"bad name", `record R { int a-b; }`, `1:16: "a-b" is not the name of a field`},
		{"wrong default", `record R { int a = "x"; }`, `1:20: the default of type int is a string`},
		{"NaN", `record R { double a = NaN; }`, `1:23: NaN is no value`},
		{"infinity", `record R { double a = -Infinity; }`, `1:23: -Infinity is no value`},
		{"number", `record R { double a = 1.2.3; }`, `1:23: "1.2.3" is not a number`},
		{"decimal", `record R { decimal(2, 3) a; }`, `decimal(2, 3) does not exist`},
		{"annotated reference", `record R { @x(1) R a; }`, `1:13: a reference to R takes no annotations`},
		{"annotation twice", `@x(1) @x(2) record R { }`, `1:8: "x" is given twice`},
		{"annotation that is a member", `@fields([]) record R { }`, `1:2: "fields" is given twice, or is no annotation`},
		{"aliases", `@aliases("x") record R { }`, `"aliases" is a string`},
		{"import", `import schemas "x";`, `cannot import "schemas": write import idl`},
		{"late namespace", `fixed F(1); namespace a;`, `1:13: "namespace" stands too late: move it to the beginning`},
		{"message outside", `void m();`, `a declaration was expected, found "void"`},
		{"oneway with a result", `protocol P { int m() oneway; }`, `a message that is oneway has a result`},
		{"unknown error", `protocol P { void m() throws X; }`, `1:30: unknown type "X"`},
		{"after a protocol", `protocol P { } record R { }`, `1:16: there is more text after the end of the protocol`},
		{"string", "import idl \"x\n;", `1:12: the string does not end on its line`},
		{"escape", `import idl "\q";`, `1:13: unknown escape`},
		{"half a character", `import idl "\ud83d";`, `1:13: unknown escape or half of a character`},
		{"comment", `record R { } /* x`, `1:14: a comment is not closed`},
		{"backticks", "record `R { }", "1:8: a name in backticks is not closed"},
		{"character", `record R { int a; # comment` + "\n}", `1:19: unexpected '#'`},
		{"not UTF-8", "record R { string a = \"\xe9\"; }", "1:24: byte 0xe9 is not UTF-8"},
		{"twice", "fixed F(1); fixed F(1);", "1:19: F is defined twice, first at 1:7"},
		{"deep", "record R { " + strings.Repeat("array<", 1000) + "int" + strings.Repeat(">", 1000) + " a; }", "types or values nest too deep"},
		{"deep value", "record R { int a = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "; }", "types or values nest too deep"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := avsc.ParseSet(avdl.Parse("t.avdl", []byte(c.idl)).Source)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.100s\ngot  %v\nwant %s", c.idl, err, c.want)
			}
		})
	}
}

// TestAllMistakesAtOnce checks that a mistake hides no later mistake and no
// inner mistake.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	idl := `namespace a;
record R {
  int x y;
  strin b;
  array<int c;
  long d = 1.5;
}
fixed F(x);
enum E { A, A } = B;
record S { T t; }
`
	_, err := avsc.ParseSet(avdl.Parse("t.avdl", []byte(idl)).Source)
	want := `t.avdl:3:9: ";" was expected after the field, found "y": add it, or look at what stands before it
t.avdl:4:3: unknown type "strin": did you mean "string"?
t.avdl:5:13: ">" was expected after the type inside array, found "c": add it, or look at what stands before it
t.avdl:6:12: the default 1.5 of type long is not written as a whole number: write it without fraction and exponent
t.avdl:8:9: the size of a fixed was expected, found "x": write a number of bytes
t.avdl:9:13: symbol A stands twice, first at 9:10: remove one
t.avdl:9:19: the default "B" is not one of the symbols of a.E: write one of them
t.avdl:10:12: unknown type "T": define it, or give the file that does`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// FuzzParse checks that any text is valid IDL or gives a list of complete
// mistakes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"namespace a; schema R; /** doc */ @aliases([\"S\"]) record R { union {null, R} @order(\"ignore\") next = null; decimal(9,2)? d = \"\\u0001\"; }",
		"@namespace(\"n\") protocol P { import idl \"x\"; error E { } R m(R a = {\"a\": 1}) throws E; void v() oneway; record R { int a, b = 0x1F; } fixed `record`(3); enum E2 { A } = A; }",
		"record R { array<map<int> a; } } # fixed F(;", "`", "\"\\u12", "/**", "record R { double d = -1.5e3f, e = .5; }", "\x1a", "enum E { A B }",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := avsc.ParseSet(avdl.Parse("f", []byte(text)).Source)
		if err != nil {
			for _, e := range err.(avsc.Errors) { //nolint:errorlint // ParseSet promises the type itself
				if e.Pos.Line < 1 || e.Pos.Line > 1+strings.Count(text, "\n") || e.Pos.Col < 1 || e.Pos.Col > len(text)+1 || e.What == "" || e.Fix == "" {
					t.Fatalf("incomplete mistake %#v", e)
				}
			}
			return
		}
		for _, s := range set.Files[0].Schemas {
			again, err := avsc.Parse("again", []byte(s.Text()))
			if err != nil || again.Canonical() != s.Canonical() {
				t.Fatalf("%s\nbecame %s\n%v", text, s.Text(), err)
			}
		}
	})
}

// TestLongWord checks that a message cuts a long word between characters.
func TestLongWord(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		word := strings.Repeat("a", n) + strings.Repeat("é", 40)
		mistakes := avdl.Parse("t.avdl", []byte("schema int "+word+";")).Source.Mistakes
		if text := mistakes.Error(); strings.Contains(text, `\x`) || !strings.Contains(text, "…") {
			t.Errorf("%q: %s", word, text)
		}
	}
}
