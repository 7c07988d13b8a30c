package franz

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/transport"
)

// wire watches a client's connections. wire knows which produce requests the
// client has written, and notes some answers of the brokers before kgo gets
// them.
type wire struct {
	client *client

	connections sync.Map // *conn → nothing
	// writing has the produce requests that kgo is about to write, by the first
	// byte of the memory to which AppendTo has written the request.
	writing sync.Map // *byte → *request
}

var (
	errGivenUp = errors.New("the client has given up the messages of the request")
	errNotOurs = errors.New("kgo writes a produce request from other memory than AppendTo had")
)

// dial connects to a broker.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	inner, err := w.client.connect(ctx, network, address)
	if e := convert(err); e != nil && e.Code == transport.Certificate {
		return nil, &connectError{e}
	}
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, wire: w, open: map[int32]question{}}
	w.connections.Store(c, nil)
	return c, nil
}

// conn is a connection to a broker. kgo writes each request with one Write.
type conn struct {
	net.Conn
	wire   *wire
	broker atomic.Pointer[kgo.BrokerMetadata] // nil until the connection is usable

	waiting atomic.Int32 // requests without an answer

	mu   sync.Mutex
	open map[int32]question // requests whose answer the wire reads, by correlation id

	frame []byte // an answer, with its length
	read  int    // number of bytes that kgo has read
}

// question is the kind of a request whose answer the wire reads.
type question struct{ key, version int16 }

const (
	keyProduce          = 0
	keyMetadata         = 3
	keySASLHandshake    = 17
	keyInitProducerID   = 22
	keySASLAuthenticate = 36
)

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if len(b) < 12 {
		return c.Conn.Write(b)
	}
	q := question{int16(binary.BigEndian.Uint16(b[4:])), int16(binary.BigEndian.Uint16(b[6:]))}
	switch q.key {
	case keyProduce:
		return c.writeProduce(b)
	case keyMetadata, keySASLHandshake, keySASLAuthenticate, keyInitProducerID:
		c.mu.Lock()
		c.open[int32(binary.BigEndian.Uint32(b[8:]))] = q
		c.mu.Unlock()
	}
	c.waiting.Add(1)
	return c.Conn.Write(b)
}

// writeProduce writes a produce request, if the client has not given up its
// messages meanwhile.
func (c *conn) writeProduce(b []byte) (int, error) {
	to, client := c.broker.Load(), c.wire.client
	if client.acks() == 0 {
		return c.Conn.Write(b)
	}
	known, ok := c.wire.writing.LoadAndDelete(&b[0])
	if !ok {
		return 0, errNotOurs
	}
	r := known.(*request)
	// Nobody reads a connection without a request, so its end is not noticed. A
	// write would leave the messages in doubt.
	if c.waiting.Load() == 0 && ended(c.Conn) {
		return 0, io.ErrClosedPipe
	}
	if !r.begin() {
		return 0, errGivenUp
	}
	c.waiting.Add(1)
	if r.again > 0 {
		client.brokers.Count(to.NodeID, addressOf(*to), func(t *transport.Traffic) { t.Retries += r.again })
	}
	n, err := r.writeTo(c.Conn, b)
	r.tellWritten()
	if n == 0 && err != nil {
		r.unwritten()
	}
	if more := n - len(b); more > 0 { // kgo counts the rest
		client.brokers.Count(to.NodeID, addressOf(*to), func(t *transport.Traffic) { t.BytesSent += int64(more) })
		n = len(b)
	}
	return n, err
}

// Read implements net.Conn. Read reads a whole answer and inspects the answer
// first.
func (c *conn) Read(b []byte) (int, error) {
	if c.read == len(c.frame) {
		if err := c.readFrame(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.frame[c.read:])
	c.read += n
	return n, nil
}

const maxKeptFrame = 64 << 10

func (c *conn) readFrame() error {
	if cap(c.frame) > maxKeptFrame {
		c.frame = nil
	}
	c.frame, c.read = append(c.frame[:0], 0, 0, 0, 0), 4
	if _, err := io.ReadFull(c.Conn, c.frame); err != nil {
		return c.broken(err)
	}
	size := int(int32(binary.BigEndian.Uint32(c.frame)))
	if size < 4 || size > maxFrame {
		return c.broken(&connectError{&transport.Error{Code: transport.Transport, Retriable: true, Text: "the server does not speak Kafka's protocol"}})
	}
	if size+4 > cap(c.frame) {
		c.frame = append(make([]byte, 0, size+4), c.frame...)
	}
	c.frame = c.frame[:size+4]
	if _, err := io.ReadFull(c.Conn, c.frame[4:]); err != nil {
		return c.broken(err)
	}
	c.read = 0
	c.waiting.Add(-1)
	id := int32(binary.BigEndian.Uint32(c.frame[4:]))
	c.mu.Lock()
	q, ok := c.open[id]
	delete(c.open, id)
	c.mu.Unlock()
	if ok {
		if err := c.wire.answered(q, c.frame[8:]); err != nil {
			return c.broken(err)
		}
	}
	return nil
}

const maxFrame = 100 << 20

// broken discards an incomplete frame.
func (c *conn) broken(err error) error {
	c.frame, c.read = c.frame[:0], 0
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.open {
		if q.key == keySASLAuthenticate && errors.Is(err, io.EOF) {
			c.wire.client.handler.Trouble(&transport.Error{
				Code: transport.Authentication, Text: "the broker closed the connection during the login", Err: err,
			})
		}
	}
	if e := convert(err); e.Code == transport.Certificate { // TLS 1.3 refuses the client's certificate after the handshake
		return &connectError{e}
	}
	return err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.wire.connections.Delete(c)
	return c.Conn.Close()
}

// answered inspects an answer. If answered returns an error, kgo gets the error
// instead of the answer.
func (w *wire) answered(r question, body []byte) error {
	switch r.key {
	case keyMetadata:
		w.readTopics(r.version, body)
	case keyInitProducerID:
		w.readProducerID(r.version, body)
	case keySASLHandshake:
		return w.readHandshake(body)
	case keySASLAuthenticate:
		return w.readLogin(r.version, body)
	}
	return nil
}

// readTopics notes the brokers, the leaders and ids of topics, and the missing
// topics.
func (w *wire) readTopics(version int16, body []byte) {
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = version
	if version >= 9 {
		in := reader{b: body, flexible: true}
		in.tags()
		body = in.b
	}
	if resp.ReadFrom(body) != nil {
		return
	}
	ids := make([]int32, len(resp.Brokers))
	for i, b := range resp.Brokers {
		ids[i] = b.NodeID
		w.client.brokers.Known(b.NodeID, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))))
	}
	w.client.brokers.Keep(ids)
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.Topic == nil {
			continue
		}
		known := w.client.topic(*t.Topic)
		if known == nil && t.ErrorCode == 0 {
			known = w.client.newTopic(*t.Topic)
		}
		if known != nil {
			known.noteMetadata(t)
		}
	}
}

// readProducerID notes why a broker gives no producer id. Without the id, the
// client sends no message.
func (w *wire) readProducerID(version int16, body []byte) {
	in := reader{b: body, flexible: version >= 2}
	in.tags()
	in.int32() // the throttle time
	if code := in.int16(); !in.bad && kerr.IsRetriable(kerr.ErrorForCode(code)) {
		w.client.handler.Refused("", -1, convert(kerr.ErrorForCode(code)))
	}
}

// readHandshake returns the error if a broker refuses the mechanism. The
// request has no flexible version.
func (w *wire) readHandshake(body []byte) error {
	in := reader{b: body}
	if code := in.int16(); code != 0 && !in.bad {
		return failedLogin(kerr.TypedErrorForCode(code), w.client.config)
	}
	return nil
}

// readLogin reports the reason for a refused login, because kgo reports no
// reason.
func (w *wire) readLogin(version int16, body []byte) error {
	in := reader{b: body, flexible: version >= 2}
	in.tags()
	code, text := in.int16(), string(in.bytes())
	if in.bad || code == 0 {
		return nil
	}
	e := convert(kerr.TypedErrorForCode(code))
	if text != "" {
		e.Text = text
	}
	err := failedLogin(e, w.client.config)
	w.client.handler.Trouble(convert(err))
	return err
}

// reader reads the fields of Kafka's protocol. After the end, reader returns
// zeros and sets bad.
type reader struct {
	b        []byte
	flexible bool
	bad      bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return zeros[:min(max(n, 0), len(zeros))]
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

var zeros [16]byte //nolint:gochecknoglobals // never written

func (r *reader) skip(n int)   { r.take(n) }
func (r *reader) int16() int16 { return int16(binary.BigEndian.Uint16(r.take(2))) }
func (r *reader) int32() int32 { return int32(binary.BigEndian.Uint32(r.take(4))) }

func (r *reader) uvarint() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > maxFrame {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

// bytes reads a nullable string.
func (r *reader) bytes() []byte {
	if r.flexible {
		return r.take(max(r.uvarint()-1, 0))
	}
	return r.take(max(int(r.int16()), 0))
}

// tags skips the tagged fields of a flexible version.
func (r *reader) tags() {
	if !r.flexible {
		return
	}
	for range min(r.uvarint(), len(r.b)) {
		r.uvarint()
		r.skip(r.uvarint())
	}
}
