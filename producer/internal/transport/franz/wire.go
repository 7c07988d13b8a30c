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
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/internal/transport"
)

// wire watches a client's connections. wire notes the written batches. wire
// also notes the brokers' answers before kgo gets them.
type wire struct {
	client *client

	mu      sync.RWMutex // stop locks for writing; note locks for reading
	stopped bool

	ids sync.Map // topic id → name

	connections sync.Map // *conn → nothing
}

var errStopped = errors.New("the client writes no messages any more")

// stop ends the writing of messages. After stop returns, no further message
// reaches a connection.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

// dial connects to a broker.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	inner, err := w.client.connect(ctx, network, address)
	if e := convert(err); e != nil && e.Code == transport.Certificate {
		return nil, &connectError{e}
	}
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, wire: w, open: map[int32]*request{}}
	w.connections.Store(c, nil)
	return c, nil
}

// conn is a connection to a broker. kgo writes each request with one Write.
type conn struct {
	net.Conn
	wire   *wire
	broker atomic.Pointer[kgo.BrokerMetadata] // nil until the connection is usable

	mu     sync.Mutex
	open   map[int32]*request // requests in flight whose answer the wire reads, by correlation id
	closed bool

	frame []byte // an answer, with its length
	read  int    // number of bytes that kgo has read
}

// request is a request whose answer the wire reads.
type request struct {
	key, version int16
	at           time.Time // when the client began to write the request
	batches      []*batch
	again        int64 // how many of the batches were in an earlier request
}

const (
	keyProduce          = 0
	keyMetadata         = 3
	keySASLHandshake    = 17
	keyInitProducerID   = 22
	keyEndTxn           = 26
	keySASLAuthenticate = 36
)

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	r, correlation, err := c.note(b)
	if err != nil {
		return 0, err
	}
	if r != nil && r.again > 0 {
		if to := c.broker.Load(); to != nil {
			c.wire.client.brokers.Count(to.NodeID, addressOf(*to), func(t *transport.Traffic) { t.Retries += r.again })
		}
	}
	n := 0
	if r != nil && r.key == keyProduce && c.idle() && ended(c.Conn) {
		err = io.ErrClosedPipe // a write to a closed connection would leave the messages in doubt
	} else {
		n, err = c.Conn.Write(b)
	}
	if err != nil && n == 0 && r != nil && c.forget(correlation) != nil {
		for _, batch := range r.batches {
			batch.unwritten(r)
		}
	}
	return n, err
}

// idle reports whether only the newest request waits for an answer. Then no
// goroutine reads the connection.
func (c *conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open) == 1
}

// note registers a request that is about to be written.
func (c *conn) note(b []byte) (r *request, correlation int32, err error) {
	if len(b) < 12 {
		return nil, 0, nil
	}
	key, version := int16(binary.BigEndian.Uint16(b[4:])), int16(binary.BigEndian.Uint16(b[6:]))
	correlation = int32(binary.BigEndian.Uint32(b[8:]))
	r = &request{key: key, version: version, at: time.Now()}
	switch key {
	case keyProduce:
		w := c.wire
		w.mu.RLock()
		defer w.mu.RUnlock()
		if w.stopped {
			return nil, 0, errStopped
		}
		acks, err := w.readProduce(b, r)
		if err != nil {
			return nil, 0, err
		}
		if acks == 0 {
			return nil, 0, nil
		}
	case keyMetadata, keySASLHandshake, keySASLAuthenticate, keyInitProducerID:
	case keyEndTxn:
		c.wire.client.tx.ending.Store(true)
		return nil, 0, nil
	default:
		return nil, 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, 0, net.ErrClosed
	}
	c.open[correlation] = r
	return r, correlation, nil
}

// forget removes and returns a registered request.
func (c *conn) forget(correlation int32) *request {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.open[correlation]
	delete(c.open, correlation)
	return r
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
	if r := c.forget(int32(binary.BigEndian.Uint32(c.frame[4:]))); r != nil {
		if err := c.wire.answered(r, c.frame[8:]); err != nil {
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
	for _, r := range c.open {
		if r.key == keySASLAuthenticate && errors.Is(err, io.EOF) {
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

// Close implements net.Conn. Requests without an answer will never get an
// answer.
func (c *conn) Close() error {
	c.wire.connections.Delete(c)
	err := c.Conn.Close()
	c.mu.Lock()
	open := c.open
	c.open, c.closed = nil, true
	c.mu.Unlock()
	for _, r := range open {
		for _, b := range r.batches {
			b.lost(r)
		}
	}
	return err
}

// answered inspects an answer, and may change the answer. If answered returns
// an error, kgo gets the error instead of the answer.
func (w *wire) answered(r *request, body []byte) error {
	switch r.key {
	case keyProduce:
		w.readAnswer(r, body)
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

// readProduce notes the batches of a produce request and returns the acks.
func (w *wire) readProduce(b []byte, r *request) (acks int16, err error) {
	flexible := r.version >= 9
	in := reader{b: b[12:], flexible: flexible}
	in.skip(int(max(in.int16(), 0))) // every version has the old form of the client id
	in.tags()
	if r.version >= 3 {
		in.bytes() // the transactional id
	}
	acks = in.int16()
	in.int32()
	for range in.count() {
		t := w.readTopic(&in, r.version)
		if t != nil && topicState(t.state.Load()) == topicGone {
			return 0, errStopped
		}
		for range in.count() {
			number := in.int32()
			records := in.bytes32()
			in.tags()
			if t == nil || len(records) < 61 {
				continue
			}
			if p := t.at(number); p != nil && acks != 0 {
				b, again := p.wrote(r, batchKey{
					producer: int64(binary.BigEndian.Uint64(records[43:])),
					epoch:    int16(binary.BigEndian.Uint16(records[51:])),
					sequence: int32(binary.BigEndian.Uint32(records[53:])),
				}, uint64(binary.BigEndian.Uint32(records[57:])))
				r.batches = append(r.batches, b)
				if again {
					r.again++
				}
			}
		}
		in.tags()
	}
	if in.bad {
		return 0, errors.New("a produce request cannot be read")
	}
	return acks, nil
}

// readTopic reads a topic's name or id. readTopic returns nil if the client
// does not have the topic.
func (w *wire) readTopic(in *reader, version int16) *topic {
	name := ""
	if version >= 13 {
		id, _ := w.ids.Load([16]byte(in.take(16)))
		name, _ = id.(string)
	} else {
		name = string(in.bytes())
	}
	return w.client.topic(name)
}

// answer is a broker's answer for one batch.
type answer struct {
	code               int16
	offset, appendTime int64
	guilty             map[uint64]string
	text               string
}

// readAnswer notes the answers to the batches of a produce request.
func (w *wire) readAnswer(r *request, body []byte) {
	in := reader{b: body, flexible: r.version >= 9}
	in.tags()
	stale := false
	for range in.count() {
		t := w.readTopic(&in, r.version)
		for range in.count() {
			number := in.int32()
			at := len(body) - len(in.b)
			a := in.answer(r.version)
			if in.bad || t == nil {
				continue
			}
			if err := kerr.ErrorForCode(a.code); err != nil && !errors.Is(err, kerr.DuplicateSequenceNumber) {
				w.client.handler.Refused(t.name, number, convert(err))
			}
			p := t.at(number)
			if p == nil {
				continue
			}
			if code := p.answered(r, a); code != a.code {
				binary.BigEndian.PutUint16(body[at:], uint16(code))
				stale = stale || kerr.IsRetriable(kerr.ErrorForCode(code))
			}
		}
		in.tags()
	}
	if stale { // kgo looks for the leader only after the real code
		w.client.kgo.ForceMetadataRefresh()
	}
	for _, b := range r.batches {
		b.lost(r)
	}
}

// answer reads a partition of a produce response, without the partition's
// number.
func (r *reader) answer(version int16) answer {
	a := answer{code: r.int16(), offset: r.int64(), appendTime: -1}
	if version >= 2 {
		a.appendTime = r.int64()
	}
	if version >= 5 {
		r.int64() // the log start offset
	}
	if version >= 8 {
		for range r.count() {
			index := r.int32()
			text := r.bytes()
			r.tags()
			if a.guilty == nil {
				a.guilty = map[uint64]string{}
			}
			a.guilty[uint64(index)] = string(text)
		}
		a.text = string(r.bytes())
	}
	r.tags()
	return a
}

// readTopics notes the brokers, the ids of topics and the missing topics.
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
		if t.ErrorCode == 0 && t.TopicID != [16]byte{} {
			w.ids.Store(t.TopicID, *t.Topic)
		}
		if known := w.client.topic(*t.Topic); known != nil {
			known.noteMetadata(t.ErrorCode, t.TopicID)
		}
	}
}

// readProducerID notes why a broker gives no producer id. Without the id, kgo
// sends no message.
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
func (r *reader) int64() int64 { return int64(binary.BigEndian.Uint64(r.take(8))) }

func (r *reader) uvarint() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > maxFrame {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

// count reads the length of an array. A null array has none. An element takes a
// byte at least, so a wrong length is not believed.
func (r *reader) count() int {
	n := 0
	if r.flexible {
		n = r.uvarint() - 1
	} else {
		n = int(r.int32())
	}
	return min(max(n, 0), len(r.b))
}

// bytes reads a nullable string.
func (r *reader) bytes() []byte {
	if r.flexible {
		return r.take(max(r.uvarint()-1, 0))
	}
	return r.take(max(int(r.int16()), 0))
}

// bytes32 reads nullable bytes.
func (r *reader) bytes32() []byte {
	if r.flexible {
		return r.take(max(r.uvarint()-1, 0))
	}
	return r.take(max(int(r.int32()), 0))
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
