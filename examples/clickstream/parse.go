package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/avroline/avroline/examples/events/clicks"
)

// parser turns the lines of one file into events. A line without an event is an
// error. The header line of a CSV file is errHeader.
type parser func(text []byte, e *clicks.ClickEvent) error

var (
	errHeader = errors.New("a header")
	errEmpty  = errors.New("an empty line")
	errCR     = errors.New("a carriage return inside the line: end each line with a line feed")
)

func newParser(format string) (parser, error) {
	switch format {
	case "combined":
		return parseCombined, nil
	case "json":
		return parseJSON, nil
	case "csv":
		return new(csvParser).parse, nil
	default:
		return nil, fmt.Errorf("--format %s: must be combined, json, csv or auto", format)
	}
}

// parserFor returns the parser of a file. first is the first line of the file
// that is not empty.
func parserFor(format string, first []byte) (parser, error) {
	return newParser(formatOf(format, first))
}

// formatOf returns the format of a file. first is the first line of the file
// that is not empty.
func formatOf(format string, first []byte) string {
	if format == "auto" {
		format = guessFormat(first)
	}
	return format
}

// parseCombined reads Apache's combined log format:
//
//	%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"
//
// Many servers write more fields after the user agent, for example nginx with
// its usual format. Debian's Apache writes the virtual host with its port
// before the client address. parseCombined skips both.
func parseCombined(text []byte, e *clicks.ClickEvent) error {
	if hasCR(text) {
		return errCR
	}
	rest := string(text)
	host, rest, ok := strings.Cut(rest, " ")
	if ok && hasPort(host) && !strings.HasPrefix(rest, "- ") { // the identity is always a dash
		host, rest, ok = strings.Cut(rest, " ")
	}
	host = strings.TrimSuffix(host, ",") // the first of several addresses (X-Forwarded-For)
	if !ok || host == "" {
		return errors.New("no client address")
	}
	// The next fields are identity and user. The user may contain spaces, so
	// the field ends at the bracket of the time.
	_, rest, ok = strings.Cut(rest, "[")
	if !ok {
		return errors.New("no time in brackets")
	}
	stamp, rest, ok := strings.Cut(rest, "] ")
	if !ok {
		return errors.New("no end of the time")
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", stamp)
	if err != nil {
		return fmt.Errorf("time %q: want day/month/year:hour:minute:second zone", clip(stamp))
	}
	request, rest, err := quoted(rest)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	rest = strings.TrimPrefix(rest, " ")
	statusText, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return errors.New("no size after the status")
	}
	status, err := strconv.ParseInt(statusText, 10, 32)
	if err != nil || status < 100 || status > 999 {
		return fmt.Errorf("status %q: want a number from 100 to 999", clip(statusText))
	}
	sizeText, rest, _ := strings.Cut(rest, " ")
	size, err := parseSize(sizeText)
	if err != nil {
		return err
	}
	var referrer, agent string
	if rest != "" { // the common log format ends here
		if referrer, rest, err = quoted(rest); err != nil {
			return fmt.Errorf("referrer: %w", err)
		}
		if agent, err = userAgent(strings.TrimPrefix(rest, " ")); err != nil {
			return fmt.Errorf("user agent: %w", err)
		}
	}
	e.At, e.IP, e.Status, e.Bytes = at, clean(host), int32(status), size
	setRequest(e, request)
	e.Referrer, e.UserAgent = orNull(referrer), orNull(agent)
	return nil
}

// hasCR reports whether a line contains a carriage return before its end. Then
// the line may be a whole file, for example of Excel ("CSV Macintosh").
func hasCR(text []byte) bool {
	return bytes.IndexByte(bytes.TrimRight(text, "\r"), '\r') >= 0
}

// setRequest splits a request line. Other text becomes the path, for example
// the bytes of a TLS handshake on a plain port.
func setRequest(e *clicks.ClickEvent, request string) {
	method, target, ok := strings.Cut(request, " ")
	if !ok {
		e.Method, e.Protocol = "", ""
		e.Path, e.Query = request, nil
		return
	}
	path, protocol := target, ""
	if i := strings.LastIndexByte(target, ' '); i >= 0 {
		path, protocol = target[:i], target[i+1:]
	}
	e.Method, e.Protocol = method, protocol
	setTarget(e, path)
}

func setTarget(e *clicks.ClickEvent, target string) {
	path, query, ok := strings.Cut(target, "?")
	e.Path, e.Query = path, nil
	if ok {
		e.Query = &query
	}
}

func parseSize(s string) (*int64, error) {
	if s == "-" || s == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("size %q: want a whole number of bytes or a dash", clip(s))
	}
	return &n, nil
}

// quoted reads a quoted text at the start of s and returns the rest of s.
func quoted(s string) (text, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", errors.New("no opening quote")
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unescape(s[1:i]), s[i+1:], nil
		}
	}
	return "", "", errors.New("no closing quote")
}

// hasPort reports whether a field is the name of a host and a port.
func hasPort(s string) bool {
	name, port, ok := strings.Cut(s, ":")
	if end := strings.LastIndex(s, "]:"); end > 0 && s[0] == '[' { // an IPv6 address
		name, port = s[:end+1], s[end+2:]
	}
	return ok && name != "" && port != "" && strings.Trim(port, "0123456789") == ""
}

// furtherFields matches the fields after the user agent. A field has no space,
// or is in quotes, perhaps with a name in front: rt=0.001 uct="0.002" "-".
var furtherFields = regexp.MustCompile(`^( +([^\s"]*"([^"\\]|\\.)*"|[^\s"]+))* *$`)

// userAgent reads the user agent and skips the fields after it. Apache writes a
// backslash before quotes, backslashes and unprintable bytes of the client.
// Some servers do not. Then the user agent extends to the last quote of the
// line.
func userAgent(s string) (string, error) {
	if agent, rest, err := quoted(s); err == nil && furtherFields.MatchString(rest) {
		return agent, nil
	}
	return lastQuoted(s)
}

// lastQuoted reads the quoted text at the end of a line. The text may contain
// quotes.
func lastQuoted(s string) (string, error) {
	end := strings.LastIndexByte(s, '"')
	switch {
	case !strings.HasPrefix(s, `"`):
		return "", errors.New("no opening quote")
	case end == 0:
		return "", errors.New("no closing quote")
	}
	return unescape(s[1:end]), nil
}

// unescape replaces Apache's \" and \\ . An escaped byte (\xhh) stays escaped,
// because the byte is not text.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') >= 0 {
		s = apacheEscapes.Replace(s)
	}
	return clean(s)
}

var apacheEscapes = strings.NewReplacer(`\"`, `"`, `\\`, `\`)

// clean escapes bytes that are not UTF-8 like Apache (\xhh). So no byte is
// lost, and the result is valid text.
func clean(s string) string { return escapeBytes(s, `\x%02x`) }

// escapeBytes replaces each byte that is not UTF-8. format has the byte.
func escapeBytes(s, format string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, format, s[i])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func orNull(s string) *string {
	if s == "" || s == "-" {
		return nil
	}
	return &s
}

func clip(s string) string {
	s = clean(s)
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// visitor returns a stable name for an address and a user agent. The name
// reveals neither the address nor the user agent.
func visitor(ip string, agent *string) string {
	h := sha256.New()
	h.Write([]byte(ip))
	if agent != nil {
		h.Write([]byte{0})
		h.Write([]byte(*agent))
	}
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0])[:8])
}

// field is the meaning of a CSV column or a JSON member.
type field int

const (
	fieldNone field = iota
	fieldAt
	fieldVisitor
	fieldIP
	fieldMethod
	fieldTarget
	fieldQuery
	fieldProtocol
	fieldStatus
	fieldBytes
	fieldReferrer
	fieldAgent
)

// namesOf lists the names that common servers and log shippers use for a field.
// If a line has several names of one field, the first name in the list that has
// a value wins. So the address of the client wins over host, which is often the
// name of the server.
var namesOf = [...][]string{
	fieldAt:       {"at", "time", "timestamp", "@timestamp", "event_time", "datetime", "ts", "date"},
	fieldVisitor:  {"visitor", "visitor_id", "user_id", "session", "session_id"},
	fieldIP:       {"ip", "client_ip", "clientip", "remote_addr", "remote_host", "host"},
	fieldMethod:   {"method", "request_method", "verb"},
	fieldTarget:   {"path", "request_uri", "url", "uri", "page"},
	fieldQuery:    {"query", "query_string"},
	fieldProtocol: {"protocol", "server_protocol", "http_version"},
	fieldStatus:   {"status", "status_code", "response"},
	fieldBytes:    {"bytes", "body_bytes_sent", "bytes_sent", "size"},
	fieldReferrer: {"referrer", "referer", "http_referer"},
	fieldAgent:    {"user_agent", "http_user_agent", "useragent", "agent"},
}

// column is a name of a field. rank is the index in namesOf.
type column struct {
	field field
	rank  int
	name  string
}

var columns = func() map[string]column {
	m := map[string]column{}
	for f, names := range namesOf {
		for rank, name := range names {
			m[name] = column{field: field(f), rank: rank}
		}
	}
	return m
}()

// columnOf returns the zero column for an unknown name.
func columnOf(name string) column {
	c := columns[normal(name)]
	c.name = name
	return c
}

// values holds the value of each field of a line.
type values [len(namesOf)]struct {
	column
	text string
}

// add adds a named value, unless a name that wins has a value. An empty text
// and "-" are no values. Names that differ only in case or in dashes have the
// same rank. Then the first name in the order of bytes wins, so that the order
// of the calls does not matter.
func (v *values) add(c column, text string) {
	if c.field == fieldNone || text == "" || text == "-" {
		return
	}
	have := &v[c.field]
	if have.text != "" && (have.rank < c.rank || have.rank == c.rank && have.name <= c.name) {
		return
	}
	have.column, have.text = c, text
}

// event stores the values in e.
func (v *values) event(e *clicks.ClickEvent) error {
	for f, have := range v {
		if have.text == "" {
			continue
		}
		if err := set(e, field(f), have.text); err != nil {
			return err
		}
	}
	return complete(e)
}

func normal(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")
}

// set stores a value in the event. The query of a path wins over a separate
// query.
func set(e *clicks.ClickEvent, f field, value string) (err error) {
	switch f {
	case fieldAt:
		e.At, err = parseTime(value)
	case fieldVisitor:
		e.Visitor = value
	case fieldIP:
		e.IP = value
	case fieldMethod:
		e.Method = value
	case fieldTarget:
		setTarget(e, value)
	case fieldQuery: // after fieldTarget
		if e.Query == nil {
			e.Query = &value
		}
	case fieldProtocol:
		e.Protocol = value
	case fieldStatus:
		var n int64
		if n, err = strconv.ParseInt(value, 10, 32); err != nil {
			err = fmt.Errorf("status %q: want a whole number", clip(value))
		}
		e.Status = int32(n)
	case fieldBytes:
		e.Bytes, err = parseSize(value)
	case fieldReferrer:
		e.Referrer = &value
	case fieldAgent:
		e.UserAgent = &value
	case fieldNone:
	}
	return err
}

// complete refuses an event without a time, a path or another required field.
func complete(e *clicks.ClickEvent) error {
	switch {
	case e.At.IsZero():
		return errors.New("no time: name it at, time or timestamp")
	case e.Path == "":
		return errors.New("no page: name it path or url")
	case e.Visitor == "" && e.IP == "":
		return errors.New("no visitor: name it visitor, user_id or ip")
	}
	return nil
}

// maxMillis is the year 9999. A larger number has another unit, for example
// microseconds.
const maxMillis = 253_402_300_799_999

// parseTime accepts RFC 3339, also without the colon in the zone, the time
// format of access logs, and seconds or milliseconds since 1970. Seconds may
// have a fraction, as in nginx ($msec).
func parseTime(s string) (time.Time, error) {
	if whole, fraction, ok := strings.Cut(s, "."); ok && isDigits(whole) && isDigits(fraction) {
		n, err := strconv.ParseInt(whole, 10, 64)
		if err == nil && n < 1e11 {
			nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
			return time.Unix(n, nanos).UTC(), err
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > maxMillis || n < -maxMillis {
			return time.Time{}, fmt.Errorf("time %q: want seconds or milliseconds since 1970, not smaller units", clip(s))
		}
		if n >= 1e11 || n <= -1e11 {
			return time.UnixMilli(n).UTC(), nil
		}
		return time.Unix(n, 0).UTC(), nil
	}
	// Apache writes the time in brackets (%t).
	inner := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05", "02/Jan/2006:15:04:05 -0700"} {
		if t, err := time.Parse(layout, inner); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q: want RFC 3339 or seconds or milliseconds since 1970", clip(s))
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func parseJSON(text []byte, e *clicks.ClickEvent) error {
	// The decoder replaces a byte that is not UTF-8 and half of a surrogate
	// pair, so both would be lost.
	dec := json.NewDecoder(strings.NewReader(escapeSurrogates(escapeBytes(string(text), `\\x%02x`))))
	dec.UseNumber()
	var members map[string]any
	if err := dec.Decode(&members); err != nil {
		if other := new(json.UnmarshalTypeError); errors.As(err, &other) {
			err = fmt.Errorf("found: %s", other.Value)
		}
		return fmt.Errorf("want one JSON object on each line: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the JSON object")
	}
	var line values
	for name, v := range members {
		var text string
		switch v := v.(type) {
		case string:
			text = v
		case json.Number:
			text = v.String()
		default:
			continue // null, or a member without a field in the event
		}
		line.add(columnOf(name), text)
	}
	return line.event(e)
}

// escapeSurrogates puts a second backslash before each \uXXXX that is half of a
// surrogate pair without the other half. JavaScript writes such a half when it
// cuts a text inside of an emoji.
func escapeSurrogates(s string) string {
	if !strings.Contains(s, `\u`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 1
		if s[i] == '\\' {
			n = min(2, len(s)-i)
			first, ok := unicodeEscape(s[i:])
			second, pair := unicodeEscape(s[min(i+6, len(s)):])
			switch {
			case ok && pair && utf16.DecodeRune(first, second) != utf8.RuneError:
				n = 12
			case ok && utf16.IsSurrogate(first):
				b.WriteByte('\\')
			}
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String()
}

// unicodeEscape reads \uXXXX at the start of s.
func unicodeEscape(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// csvParser parses lines of CSV. The first line is the header. A field must not
// contain a line feed. If the first line is no header, the parser returns the
// same error for every line.
type csvParser struct {
	columns []column
	comma   rune // between the columns
	bad     error
	// open says that the line before ends inside a field in quotes. So the next
	// line is the rest of this field. The rest may look like an event, because
	// a client chooses its own user agent.
	open bool
}

var errLineFeedInField = errors.New("CSV: a field contains a line feed, which is not supported")

func (p *csvParser) parse(text []byte, e *clicks.ClickEvent) error {
	if p.bad != nil {
		return p.bad
	}
	if p.columns == nil && hasCR(text) {
		p.bad = errCR
		return p.bad
	}
	if p.columns == nil {
		p.comma, _ = separator(text)
		p.bad = p.header(readCSV(text, p.comma))
		return cmp.Or(p.bad, errHeader)
	}
	inside := p.open
	var ok bool
	if p.open, ok = endsInside(text, p.comma, inside); inside && !ok {
		// A quote in the line before was no start of a field.
		inside = false
		p.open, _ = endsInside(text, p.comma, inside)
	}
	if inside || p.open {
		return errLineFeedInField
	}
	texts, err := readCSV(text, p.comma)
	if err != nil {
		return err
	}
	if len(texts) != len(p.columns) {
		return fmt.Errorf("%d columns, the header has %d", len(texts), len(p.columns))
	}
	var line values
	for i, text := range texts {
		line.add(p.columns[i], clean(text))
	}
	return line.event(e)
}

// readCSV reads one line.
func readCSV(text []byte, comma rune) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = comma
	texts, err := r.Read()
	if at := new(csv.ParseError); errors.As(err, &at) { // its line is always 1
		err = fmt.Errorf("byte %d: %w", at.Column, at.Err)
	}
	if err != nil {
		err = fmt.Errorf("CSV: %w", err)
	}
	return texts, err
}

// separator returns the character between the columns of a header. The second
// result is false if the text is no header with a time.
func separator(header []byte) (rune, bool) {
	for _, comma := range ",;\t|" {
		names, err := readCSV(header, comma)
		if err == nil && len(names) > 1 && slices.ContainsFunc(names, func(name string) bool { return columnOf(name).field == fieldAt }) {
			return comma, true
		}
	}
	return ',', false
}

// endsInside reports whether a line ends inside a field in quotes. inside says
// the same about the line before. ok is false if a quote is neither the end of
// its field nor one of two quotes.
func endsInside(text []byte, comma rune, inside bool) (open, ok bool) {
	begin := true // of a field
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case !inside:
			inside = begin && c == '"'
			begin = rune(c) == comma
		case c != '"':
		case i+1 < len(text) && text[i+1] == '"':
			i++
		case i+1 == len(text) || rune(text[i+1]) == comma:
			inside = false
		default:
			return false, false
		}
	}
	return inside, true
}

// header reads the names of the columns. err is the error of reading the line.
func (p *csvParser) header(names []string, err error) error {
	if err != nil {
		return fmt.Errorf("the header of the CSV file: %w", err)
	}
	for _, name := range names {
		p.columns = append(p.columns, columnOf(clean(name)))
	}
	if !slices.ContainsFunc(p.columns, func(c column) bool { return c.field == fieldAt }) {
		return errors.New("the first line of the CSV file is no header: no column has the time: name it at, time or timestamp, and separate the columns with a comma, a semicolon, a tab or |")
	}
	return nil
}
