package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/examples/events/clicks"
)

func ptr[T any](v T) *T { return &v }

func TestParseCombined(t *testing.T) {
	t.Parallel()
	at := time.Date(2015, time.May, 17, 10, 5, 3, 0, time.UTC)
	tests := map[string]struct {
		line string
		want clicks.ClickEvent
		err  string
	}{
		"plain": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a/b.png?x=1&y HTTP/1.1" 200 203023 "http://s.example/" "Mozilla/5.0 (X11)"`,
			want: clicks.ClickEvent{At: at, IP: "83.149.9.216", Method: "GET", Path: "/a/b.png", Query: ptr("x=1&y"), Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(203023)), Referrer: ptr("http://s.example/"), UserAgent: ptr("Mozilla/5.0 (X11)")},
		},
		"dashes, a user with a blank, another zone": {
			line: `::1 - ada l [17/May/2015:12:05:03 +0200] "POST / HTTP/2.0" 304 - "-" "-"`,
			want: clicks.ClickEvent{At: at, IP: "::1", Method: "POST", Path: "/", Protocol: "HTTP/2.0", Status: 304},
		},
		"escaped and unescaped quotes": {
			line: `h - - [17/May/2015:10:05:03 +0000] "GET /\"q\" HTTP/1.1" 200 1 "-" "Old "Odd" \\ Browser"`,
			want: clicks.ClickEvent{At: at, IP: "h", Method: "GET", Path: `/"q"`, Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(1)), UserAgent: ptr(`Old "Odd" \ Browser`)},
		},
		"bytes that are not UTF-8": {
			line: "h - - [17/May/2015:10:05:03 +0000] \"GET /caf\xe9 HTTP/1.1\" 200 1 \"-\" \"\xff\"",
			want: clicks.ClickEvent{At: at, IP: "h", Method: "GET", Path: `/caf\xe9`, Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(1)), UserAgent: ptr(`\xff`)},
		},
		"no request": {
			line: `h - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" "-"`,
			want: clicks.ClickEvent{At: at, IP: "h", Path: "-", Status: 408},
		},
		"a TLS handshake": {
			line: `h - - [17/May/2015:10:05:03 +0000] "\x16\x03" 400 0 "-" "-"`,
			want: clicks.ClickEvent{At: at, IP: "h", Path: `\x16\x03`, Status: 400, Bytes: ptr(int64(0))},
		},
		"the common format": {
			line: `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5`,
			want: clicks.ClickEvent{At: at, IP: "h", Method: "GET", Path: "/", Protocol: "HTTP/1.0", Status: 200, Bytes: ptr(int64(5))},
		},
		"nginx, with the addresses of proxies": {
			line: `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "Mozilla/5.0 \x22X\x22" "203.0.113.9, 10.0.0.1"`,
			want: clicks.ClickEvent{At: at, IP: "h", Method: "GET", Path: "/", Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(5)), UserAgent: ptr(`Mozilla/5.0 \x22X\x22`)},
		},
		"nginx, with no user agent and times": {
			line: `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-" "-" rt=0.001 uct="0.000, 0.1" 5`,
			want: clicks.ClickEvent{At: at, IP: "h", Method: "GET", Path: "/", Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(5))},
		},
		"unescaped quotes at a space": {
			line: `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "Old" Browser"`,
			want: clicks.ClickEvent{At: at, IP: "h", Method: "GET", Path: "/", Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(5)), UserAgent: ptr(`Old" Browser`)},
		},
		"Debian, with the virtual host": {
			line: `www.s.example:443 2001:db8::1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "ua"`,
			want: clicks.ClickEvent{At: at, IP: "2001:db8::1", Method: "GET", Path: "/", Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(5)), UserAgent: ptr("ua")},
		},
		"a virtual host that is an IPv6 address": {
			line: `[2001:db8::80]:80 h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5`,
			want: clicks.ClickEvent{At: at, IP: "h", Method: "GET", Path: "/", Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(5))},
		},
		"a client address with a port": {
			line: `192.0.2.1:5555 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5`,
			want: clicks.ClickEvent{At: at, IP: "192.0.2.1:5555", Method: "GET", Path: "/", Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(5))},
		},
		"several addresses": {
			line: `192.0.2.1, 10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5`,
			want: clicks.ClickEvent{At: at, IP: "192.0.2.1", Method: "GET", Path: "/", Protocol: "HTTP/1.1", Status: 200, Bytes: ptr(int64(5))},
		},
		"no time":       {line: `h - - "GET / HTTP/1.0" 200 5`, err: "no time in brackets"},
		"a bad time":    {line: `h - - [31/Nov/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5`, err: `time "31/Nov/2015:10:05:03 +0000"`},
		"a bad status":  {line: `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" OK 5`, err: `status "OK"`},
		"a bad size":    {line: `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 big`, err: `size "big"`},
		"cut":           {line: `h - - [17/May/2015:10:05:03 +0000] "GET / HT`, err: "request: no closing quote"},
		"cut at the UA": {line: `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5 "-" "Mozi`, err: "user agent: no closing quote"},
		"another log":   {line: `logrotate: error`, err: "no time in brackets"},
		"one word":      {line: `x`, err: "no client address"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got clicks.ClickEvent
			err := parseCombined([]byte(test.line), &got)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got.At = got.At.UTC()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseJSONAndCSV(t *testing.T) {
	t.Parallel()
	want := clicks.ClickEvent{
		At: time.UnixMilli(1431857103000).UTC(), Visitor: "v1", IP: "h", Method: "GET", Path: "/a", Query: ptr("b=1"), Protocol: "HTTP/1.1",
		Status: 200, Bytes: ptr(int64(9)), UserAgent: ptr("ua"),
	}
	lines := map[string][]string{
		"csv with quotes": {`"time","visitor","ip","method","url","protocol","status","bytes","referrer","user_agent"`, `"1431857103000","v1","h","GET","/a?b=1","HTTP/1.1","200","9","","ua"`},
		"json":            {`{"@timestamp":"2015-05-17T10:05:03Z","session-id":"v1","clientip":"h","verb":"GET","request":{},"url":"/a?b=1","protocol":"HTTP/1.1","response":"200","bytes":9,"referrer":null,"agent":"ua"}`},
		"csv of Europe":   {"time;visitor;ip;method;url;protocol;status;bytes;referrer;user_agent", `1431857103.000;v1;h;GET;"/a?b=1";HTTP/1.1;200;9;-;ua`},
		"csv with tabs":   {"time\tvisitor\tip\tmethod\turl\tprotocol\tstatus\tbytes\treferrer\tuser_agent", "1431857103\tv1\th\tGET\t/a?b=1\tHTTP/1.1\t200\t9\t\tua"},
		"csv":             {"time,visitor,ip,method,url,protocol,status,bytes,referrer,user_agent", "1431857103000,v1,h,GET,/a?b=1,HTTP/1.1,200,9,-,ua"},
	}
	for name, text := range lines {
		format, _, _ := strings.Cut(name, " ")
		parse, err := newParser(format)
		if err != nil {
			t.Fatal(err)
		}
		if got := guessFormat([]byte(text[0])); got != format {
			t.Errorf("%s is taken for %s", format, got)
		}
		var got clicks.ClickEvent
		for i, l := range text {
			err = parse([]byte(l), &got)
			if i < len(text)-1 && !errors.Is(err, errHeader) {
				t.Errorf("%s: the header: %v", format, err)
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
	for _, bad := range []string{
		`{"url":"/a","ip":"h"}`, `{"at":"today","url":"/a","ip":"h"}`, `{"at":1,"url":"/a"}`, `[1]`, `{"at":1,"url":"/","ip":"h"} x`, `{"at":1,"ip":"h","url":"/","status":"ok"}`, `{"at":1,"url":"/","ip":"h"}}`, `{"at":1,"url":"/","ip":"h"}]`,
		`{"at":1431857103000000,"url":"/","ip":"h"}`, `{"at":-1431857103000000000,"url":"/","ip":"h"}`,
	} {
		if err := parseJSON([]byte(bad), new(clicks.ClickEvent)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestBytesInJSON parses a line with bytes that are not UTF-8. No byte is lost.
func TestBytesInJSON(t *testing.T) {
	t.Parallel()
	var e clicks.ClickEvent
	if err := parseJSON([]byte("{\"at\":1,\"ip\":\"h\",\"url\":\"/caf\xe9\",\"agent\":\"ä\\t\xff\xfe\"}"), &e); err != nil {
		t.Fatal(err)
	}
	if e.Path != `/caf\xe9` || *e.UserAgent != "ä\t"+`\xff\xfe` {
		t.Errorf("%q, %q", e.Path, *e.UserAgent)
	}
}

// TestSurrogatesInJSON parses halves of surrogate pairs. The decoder would
// replace each half by the same character.
func TestSurrogatesInJSON(t *testing.T) {
	t.Parallel()
	var e clicks.ClickEvent
	if err := parseJSON([]byte(`{"at":1.5,"ip":"h","url":"/\ud83d","agent":"\udc00\ud83d\uDE00\ud83d\ud83d\ude00\\\ud83d\u00e9\\ud83d"}`), &e); err != nil {
		t.Fatal(err)
	}
	if want := `\udc00😀\ud83d😀\\ud83dé\ud83d`; e.Path != `/\ud83d` || *e.UserAgent != want {
		t.Errorf("%q, %q, want %q", e.Path, *e.UserAgent, want)
	}
	if want := time.UnixMilli(1500); !e.At.Equal(want) {
		t.Errorf("the time is %v", e.At)
	}
}

// TestTimes checks the forms of a time that servers write.
func TestTimes(t *testing.T) {
	t.Parallel()
	const want = 1431857103250
	for text, millis := range map[string]int64{
		"2015-05-17T10:05:03.25Z": want, "2015-05-17T12:05:03.250+0200": want, "2015-05-17 10:05:03.25": want,
		"1431857103.25": want, "1431857103250": want, "1431857103.2509999999999": want, "0.5": 500, "-1": -1000,
		"[17/May/2015:10:05:03 +0000]": want - 250,
	} {
		if got, err := parseTime(text); err != nil || got.UnixMilli() != millis {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"2016-12-31T23:59:60Z", "2015-02-29T00:00:00Z", "1.", ".5", "1.5.2", "-1.5", "1431857103250000.5", "[", ""} {
		if got, err := parseTime(bad); err == nil {
			t.Errorf("%q was taken as %v", bad, got)
		}
	}
}

// TestJSONErrors checks the errors of files with JSON in another layout.
func TestJSONErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"[": "unexpected EOF", "{": "unexpected EOF", ` "at": 1,`: "found: string", `[{"at": 1}]`: "found: array"} {
		err := parseJSON([]byte(text), new(clicks.ClickEvent))
		if err == nil || !strings.HasPrefix(err.Error(), "want one JSON object on each line: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestCarriageReturns parses files whose lines end with a carriage return only.
// Each file is one line, and must not become one event or one header.
func TestCarriageReturns(t *testing.T) {
	t.Parallel()
	const event = `h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 5 "-" "ua"`
	for text, bad := range map[string]bool{
		event + "\r" + event + "\r":           true,
		event + "\r":                          false,
		"at,ip,path\r1,h,/a\r1,h,/b\r":        true,
		"at,ip,path\r":                        false,
		`{"at":1,"ip":"h","path":"/"}` + "\r": false,
	} {
		parse, err := parserFor("auto", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := parse([]byte(text), new(clicks.ClickEvent)); errors.Is(err, errCR) != bad {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestLineFeedInCSV parses fields that contain a line feed. A client may choose
// its user agent, so the second line of a field is no event.
func TestLineFeedInCSV(t *testing.T) {
	t.Parallel()
	const event, forged = "1,h,/a,ua", "9,6.6.6.6,/forged,ua"
	for name, test := range map[string]struct {
		lines  []string
		events string // the lines that are events
	}{
		"one field":       {[]string{event, `1,h,/b,"ua`, forged, `end"`, event}, "15"},
		"its end":         {[]string{event, `1,h,/b,"ua ""x""`, `""`, forged, `"",end "" x"`, event}, "16"},
		"two fields":      {[]string{`1,h,"/b`, forged, `c","ua`, forged, `"`, event}, "6"},
		"no line feed":    {[]string{`1,h,"/b","""ua"""`, `1,h,/b,""`, event}, "123"},
		"a lost quote":    {[]string{`1,h,/b,"ua`, event, `1,h,"/b","ua"`, event}, "34"},
		"quotes in texts": {[]string{`1,h,/b"c,ua`, event}, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parse, err := newParser("csv")
			if err != nil {
				t.Fatal(err)
			}
			if err := parse([]byte("at,ip,path,user_agent"), new(clicks.ClickEvent)); !errors.Is(err, errHeader) {
				t.Fatal(err)
			}
			events := ""
			for i, l := range test.lines {
				var e clicks.ClickEvent
				if err := parse([]byte(l), &e); err == nil {
					events += strconv.Itoa(i + 1)
				}
			}
			if events != test.events {
				t.Errorf("the events are in the lines %s, want %s", events, test.events)
			}
		})
	}
}

// TestPreferredNames parses lines with several names of one field. The order of
// the columns and the order of Go's maps do not matter.
func TestPreferredNames(t *testing.T) {
	t.Parallel()
	names := []string{"host", "remote_addr", "timestamp", "at", "query", "path", "query_string", "uri", "User-Agent", "user_agent", "status", "response", "session_id", "user_id"}
	texts := []string{"www.example.com", "192.0.2.1", "2", "1", "c=3", "/a?b=2", "d=4", "/b", "second", "first", "", "200", "other", "v"}
	want := clicks.ClickEvent{
		At: time.Unix(1, 0).UTC(), Visitor: "v", IP: "192.0.2.1", Path: "/a", Query: ptr("b=2"), Status: 200, UserAgent: ptr("second"),
	}
	members := map[string]string{}
	for i, name := range names {
		members[name] = texts[i]
	}
	object, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 { // each pass has another order of the map
		var got clicks.ClickEvent
		if err := parseJSON(object, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
	for range 2 {
		var got clicks.ClickEvent
		parse := new(csvParser).parse
		if err := parse([]byte(strings.Join(names, ",")), &got); !errors.Is(err, errHeader) {
			t.Fatal(err)
		}
		if err := parse([]byte(strings.Join(texts, ",")), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		slices.Reverse(names)
		slices.Reverse(texts)
	}
}

// TestSample checks that a seed always gives the same sample. The sample
// contains every kind of bad and odd line. Bad lines are rejected, and odd
// lines are accepted.
func TestSample(t *testing.T) {
	t.Parallel()
	var a, b, c bytes.Buffer
	for _, s := range []struct {
		w    *bytes.Buffer
		seed uint64
	}{{&a, 1}, {&b, 1}, {&c, 2}} {
		if err := writeSample(s.w, 20_000, s.seed); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) || bytes.Equal(a.Bytes(), c.Bytes()) {
		t.Error("a seed must write the same bytes, and another seed others")
	}
	reasons := map[string]int{}
	rejected, odd, ipv6 := 0, 0, 0
	for l := range bytes.Lines(a.Bytes()) {
		var e clicks.ClickEvent
		if err := parseCombined(bytes.TrimSuffix(l, []byte("\n")), &e); err != nil {
			rejected++
			reason, _, _ := strings.Cut(err.Error(), " ")
			reasons[reason]++
			continue
		}
		if strings.Contains(e.Path, `\x`) {
			odd++
		}
		if strings.HasPrefix(e.IP, "2001:") {
			ipv6++
		}
	}
	if rejected < 20 || rejected > 400 || len(reasons) < 4 {
		t.Errorf("%d rejected for %v", rejected, reasons)
	}
	if odd == 0 || ipv6 == 0 {
		t.Errorf("%d odd paths, %d IPv6", odd, ipv6)
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := write("a.log", "one\r\ntwo\n\nlast without an end")
	b := write("b.log", strings.Repeat("x", maxLine+1)+"\nafter\n")
	in, err := openInputs([]string{filepath.Join(dir, "*.log")}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		File string
		No   int64
		Text string
		Long bool
	}
	var got []seen
	for l, err := range in.lines(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, seen{l.file, l.no, string(l.text[:min(len(l.text), 30)]), errors.Is(l.err, errLongLine)})
	}
	want := []seen{{a, 1, "one", false}, {a, 2, "two", false}, {a, 3, "", false}, {a, 4, "last without an end", false}, {b, 1, strings.Repeat("x", 30), true}, {b, 2, "after", false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if in.Read.Load() != in.Total || in.Total == 0 {
		t.Errorf("%d of %d bytes read", in.Read.Load(), in.Total)
	}
	for _, bad := range [][]string{{filepath.Join(dir, "none")}, {a, a}, {dir}} {
		if _, err := openInputs(bad, "", nil); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func FuzzParseCombined(f *testing.F) {
	f.Add([]byte(`h - - [17/May/2015:10:05:03 +0000] "GET /\"q\" HTTP/1.1" 200 1 "-" "Old "Odd" \\ Browser"`))
	f.Add([]byte("h - - [17/May/2015:10:05:03 +0000] \"\\\" 200 1 \"\" \"\xff\\"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e := clicks.NewClickEvent()
		if parseCombined(text, &e) != nil {
			return
		}
		if _, err := e.AppendAvro(nil); err != nil {
			t.Errorf("%q is an event that cannot be written: %v", text, err)
		}
	})
}
