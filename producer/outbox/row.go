package outbox

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// Row is one event in the table.
type Row struct {
	Seq       int64     // the row's number, in the order of the inserts
	ID        uuid.UUID // the id of the event
	Shard     int
	Topic     string
	Type      string // the full name of the record's schema, "" for a tombstone
	Key       []byte // nil if there is no key
	Payload   []byte // the framed value; nil for a tombstone
	Headers   []serde.Header
	Partition int // -1 if the key chooses the partition
	Time      time.Time

	headers  string // as stored
	batch    int64  // only for MySQL
	checksum int64
	broken   error // the error of verify, for a row that was read
}

// Where identifies the row in error texts.
func (r *Row) Where() string { return fmt.Sprintf("row seq=%d id=%s topic=%s", r.Seq, r.ID, r.Topic) }

// size returns the size of the row's large fields, in bytes.
func (r *Row) size() int { return len(r.Key) + len(r.Payload) + len(r.headers) }

// maxYear is the last year that every database can store.
const maxYear = 9999

// newRow makes the row of a message. newRow refuses values that no relay could
// publish, because such a row would stop its shard.
func newRow(t *Table, kind string, e producer.Encoded) (*Row, error) {
	if err := settings.CheckTopicName(e.Topic); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	if err := checkText(e); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("outbox: event id: %w", err)
	}
	r := &Row{
		ID: id, Shard: t.shardOf(e.Topic, e.Key, id), Topic: e.Topic, Type: kind, Key: e.Key, Payload: e.Value, Headers: e.Headers,
		Partition: -1, Time: e.Timestamp,
	}
	if n, ok := e.Partition.Number(); ok {
		if n < 0 {
			return nil, fmt.Errorf("outbox: partition %d: must not be negative", n)
		}
		r.Partition = int(n)
	}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	if y := r.Time.UTC().Year(); y < 1970 || y > maxYear { // Kafka has no time before 1970
		return nil, fmt.Errorf("outbox: timestamp %v: the year must be from 1970 to %d", r.Time, maxYear)
	}
	r.Time = r.Time.Truncate(time.Millisecond).UTC() // the precision of Kafka
	r.headers = encodeHeaders(e.Headers)
	r.checksum = r.checksumOf()
	return r, nil
}

// shardOf assigns a row to a shard. Rows without a key are spread over the
// shards.
func (t *Table) shardOf(topic string, key []byte, id uuid.UUID) int {
	if t.shards == 1 {
		return 0
	}
	h := fnv.New32a()
	if key == nil {
		_, _ = h.Write(id[:])
	} else {
		_, _ = h.Write([]byte(topic))
		_, _ = h.Write([]byte{0})
		_, _ = h.Write(key)
	}
	return int(h.Sum32() % uint32(t.shards))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a table, never changed

// checksumOf returns the checksum of the published fields. The checksum is a
// CRC-32C of the fields, each after its length. nil has the length -1.
func (r *Row) checksumOf() int64 {
	crc := uint32(0)
	number := func(n int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(n))
		crc = crc32.Update(crc, castagnoli, b[:])
	}
	field := func(b []byte, isNil bool) {
		if isNil {
			number(-1)
			return
		}
		number(int64(len(b)))
		crc = crc32.Update(crc, castagnoli, b)
	}
	field(r.ID[:], false)
	field([]byte(r.Topic), false)
	field(r.Key, r.Key == nil)
	field(r.Payload, r.Payload == nil)
	field([]byte(r.headers), false)
	number(r.Time.UnixMilli())
	number(int64(r.Partition))
	return int64(crc)
}

// verify checks a row that was read, and decodes its headers. The headers of a
// changed row are decoded too, because a dead letter has the headers of its
// row.
func (r *Row) verify() (err error) {
	r.Headers, err = decodeHeaders(r.headers)
	if r.checksumOf() != r.checksum {
		return ErrChecksum
	}
	return err
}

// encoded makes the message of a row.
func (r *Row) encoded() producer.Encoded {
	e := producer.Encoded{Topic: r.Topic, Key: r.Key, Value: r.Payload, Headers: r.Headers, Timestamp: r.Time}
	if r.Partition >= 0 {
		e.Partition = producer.ToPartition(int32(r.Partition))
	}
	return e
}

// storedHeader is a header as ["name","value"] or as ["name",null]. If the
// value is not text, the header is ["name",{"base64":"…"}].
type storedHeader [2]any

func encodeHeaders(headers []serde.Header) string {
	if len(headers) == 0 {
		return ""
	}
	out := make([]storedHeader, len(headers))
	for i, h := range headers {
		switch {
		case h.Value == nil:
			out[i] = storedHeader{h.Key, nil}
		case utf8.Valid(h.Value):
			out[i] = storedHeader{h.Key, string(h.Value)}
		default:
			out[i] = storedHeader{h.Key, map[string]string{"base64": base64.StdEncoding.EncodeToString(h.Value)}}
		}
	}
	text, err := json.Marshal(out)
	if err != nil { // cannot happen: strings can always be encoded
		panic(err)
	}
	return asciiJSON(text)
}

// asciiJSON escapes the characters outside of ASCII. A connection or a database
// with another character set could not store them, or would change them.
func asciiJSON(text []byte) string {
	if !bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return string(text)
	}
	var out []byte
	for _, r := range string(text) {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return string(out)
}

func decodeHeaders(text string) ([]serde.Header, error) {
	if text == "" {
		return nil, nil
	}
	var stored [][2]json.RawMessage
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	out := make([]serde.Header, len(stored))
	for i, h := range stored {
		if err := json.Unmarshal(h[0], &out[i].Key); err != nil {
			return nil, fmt.Errorf("headers: %w", err)
		}
		var plain *string
		if err := json.Unmarshal(h[1], &plain); err == nil {
			if plain != nil {
				out[i].Value = []byte(*plain)
			}
			continue
		}
		var coded struct {
			Base64 []byte `json:"base64"`
		}
		if err := json.Unmarshal(h[1], &coded); err != nil {
			return nil, fmt.Errorf("headers: %s: %w", out[i].Key, err)
		}
		out[i].Value = coded.Base64
		if out[i].Value == nil {
			out[i].Value = []byte{}
		}
	}
	return out, nil
}
