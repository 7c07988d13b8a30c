package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/avroline/avroline/examples/events/clicks"
)

// parser turns the lines of one file into events. A line without an event is an
// error. The header line of a CSV file is errHeader.
type parser func(text []byte, e *clicks.ClickEvent) error

var (
	errHeader = errors.New("a header")
	errEmpty  = errors.New("an empty line")
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

// parseCombined reads Apache's combined log format:
//
//	%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"
//
// Apache writes a backslash before quotes, backslashes and unprintable bytes of
// the client. Some servers do not. So the last quoted text extends to the last
// quote of the line.
func parseCombined(text []byte, e *clicks.ClickEvent) error {
	rest := string(text)
	host, rest, ok := strings.Cut(rest, " ")
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
		return fmt.Errorf("status %q: want a number of three digits", clip(statusText))
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
		if agent, err = lastQuoted(strings.TrimPrefix(rest, " ")); err != nil {
			return fmt.Errorf("user agent: %w", err)
		}
	}
	e.At, e.IP, e.Status, e.Bytes = at, clean(host), int32(status), size
	setRequest(e, request)
	e.Referrer, e.UserAgent = orNull(referrer), orNull(agent)
	return nil
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
		return nil, fmt.Errorf("size %q: want a number of bytes or a dash", clip(s))
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
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
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
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return clean(s)
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

// fieldOf maps the field names of common servers and log shippers.
var fieldOf = map[string]field{
	"at": fieldAt, "time": fieldAt, "timestamp": fieldAt, "@timestamp": fieldAt, "ts": fieldAt, "date": fieldAt, "datetime": fieldAt, "event_time": fieldAt,
	"visitor": fieldVisitor, "visitor_id": fieldVisitor, "user_id": fieldVisitor, "session": fieldVisitor, "session_id": fieldVisitor,
	"ip": fieldIP, "client_ip": fieldIP, "clientip": fieldIP, "remote_addr": fieldIP, "remote_host": fieldIP, "host": fieldIP,
	"method": fieldMethod, "verb": fieldMethod, "request_method": fieldMethod,
	"path": fieldTarget, "url": fieldTarget, "uri": fieldTarget, "request_uri": fieldTarget, "page": fieldTarget,
	"query": fieldQuery, "query_string": fieldQuery,
	"protocol": fieldProtocol, "http_version": fieldProtocol, "server_protocol": fieldProtocol,
	"status": fieldStatus, "status_code": fieldStatus, "response": fieldStatus,
	"bytes": fieldBytes, "size": fieldBytes, "body_bytes_sent": fieldBytes, "bytes_sent": fieldBytes,
	"referrer": fieldReferrer, "referer": fieldReferrer, "http_referer": fieldReferrer,
	"user_agent": fieldAgent, "agent": fieldAgent, "http_user_agent": fieldAgent, "useragent": fieldAgent,
}

func normal(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")
}

// set stores a named value in the event. An empty text and "-" mean that there
// is no value.
func set(e *clicks.ClickEvent, f field, value string) (err error) {
	if value == "" || value == "-" {
		return nil
	}
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
		query := e.Query
		setTarget(e, value)
		if e.Query == nil {
			e.Query = query
		}
	case fieldQuery:
		e.Query = &value
	case fieldProtocol:
		e.Protocol = value
	case fieldStatus:
		var n int64
		if n, err = strconv.ParseInt(value, 10, 32); err != nil {
			err = fmt.Errorf("status %q: want a number", clip(value))
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

// parseTime accepts RFC 3339, the time format of access logs, and seconds or
// milliseconds since 1970.
func parseTime(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n >= 1e11 || n <= -1e11 {
			return time.UnixMilli(n).UTC(), nil
		}
		return time.Unix(n, 0).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "02/Jan/2006:15:04:05 -0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q: want RFC 3339 or seconds or milliseconds since 1970", clip(s))
}

func parseJSON(text []byte, e *clicks.ClickEvent) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var members map[string]any
	if err := dec.Decode(&members); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	if dec.More() {
		return errors.New("more than one JSON object on the line")
	}
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
		if err := set(e, fieldOf[normal(name)], text); err != nil {
			return err
		}
	}
	return complete(e)
}

// csvParser parses lines of CSV. The first line is the header. A field must not
// contain a line feed.
type csvParser struct{ columns []field }

func (p *csvParser) parse(text []byte, e *clicks.ClickEvent) error {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	values, err := r.Read()
	if err != nil {
		return fmt.Errorf("CSV: %w", err)
	}
	if p.columns == nil {
		for _, name := range values {
			p.columns = append(p.columns, fieldOf[normal(clean(name))])
		}
		return errHeader
	}
	if len(values) != len(p.columns) {
		return fmt.Errorf("%d columns, the header has %d", len(values), len(p.columns))
	}
	for i, v := range values {
		if err := set(e, p.columns[i], clean(v)); err != nil {
			return err
		}
	}
	return complete(e)
}
