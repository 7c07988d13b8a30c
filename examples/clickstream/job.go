package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/serde"
)

// job is one run, from the first line to the last outcome.
type job struct {
	o       *options
	in      *inputs
	acc     *account
	rejects *rejects
	lat     latencies
	send    sender
	sizes   sizes
	took    time.Duration
}

// start creates the sender. The sender then checks the brokers, the topic and
// the registry.
func (j *job) start(ctx context.Context, ser *serde.Serializer) error {
	s, err := newSender(j.o, ser, j.acc, &j.lat)
	if err != nil {
		return err
	}
	j.send = s
	pctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := s.prepare(pctx); err != nil {
		return errors.Join(err, j.abandon())
	}
	return nil
}

// abandon closes a sender that has sent nothing.
func (j *job) abandon() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return j.send.finish(ctx)
}

// publish reads until the end, the limit, a fatal error or an interruption, and
// then waits for every outcome. After an interruption, publish waits for the
// time grace at most.
func (j *job) publish(ctx context.Context) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer stop()

	begin := time.Now()
	bar := startProgress(os.Stderr, j.o.quiet, func() step {
		return step{events: j.send.settled(), done: j.in.Read.Load(), total: j.in.Total}
	})
	err := j.read(ctx, sending)
	closing, cancelClosing := sending, context.CancelFunc(func() {})
	if err != nil || ctx.Err() != nil {
		closing, cancelClosing = context.WithTimeout(sending, grace)
	}
	defer cancelClosing()
	ferr := j.send.finish(closing)
	j.took = time.Since(begin)
	bar.finish()
	return errors.Join(err, ferr)
}

// read parses lines into events and sends the events. When ctx ends, read stops
// reading. When sending ends, read stops publishing.
func (j *job) read(ctx, sending context.Context) error {
	var parse parser
	file := ""
	for l, err := range j.in.lines(ctx) {
		if err != nil {
			return err
		}
		if l.file != file {
			parse, file = nil, l.file
		}
		if parse == nil && !isEmpty(l.text) {
			if parse, err = parserFor(j.o.format, l.text); err != nil {
				return err
			}
		}
		seq := j.acc.open(clean(l.file))
		if err := j.line(sending, parse, seq, l); err != nil {
			return err
		}
		if j.o.limit > 0 && j.acc.lines() >= j.o.limit {
			return nil
		}
	}
	return nil
}

func (j *job) line(sending context.Context, parse parser, seq int, l line) error {
	e := clicks.NewClickEvent()
	reason := parseLine(parse, l, &e)
	if errors.Is(reason, errHeader) {
		j.acc.setState(seq, skipped)
		return nil
	}
	if reason != nil {
		return j.reject(seq, l, reason)
	}
	id, err := newEventID()
	if err != nil {
		return err
	}
	e.EventID = id
	j.acc.name(seq, id)
	j.sizes.sample(&e)
	err = j.send.send(sending, seq, &e)
	var no refusal
	if errors.As(err, &no) {
		return j.reject(seq, l, no.error)
	}
	if err != nil {
		// The producer has not accepted the event, and will accept no later
		// event.
		if j.acc.stateOf(seq) == waiting {
			j.acc.setState(seq, notSent)
		}
		return fmt.Errorf("%s:%d: %w", l.file, l.no, err)
	}
	return nil
}

// parseLine fills in the whole event except its id. parse may be nil for an
// empty line.
func parseLine(parse parser, l line, e *clicks.ClickEvent) error {
	switch {
	case l.err != nil:
		return l.err
	case isEmpty(l.text):
		return errEmpty
	}
	if err := parse(l.text, e); err != nil {
		return err
	}
	e.SourceFile, e.SourceLine = clean(l.file), l.no // a name need not be UTF-8
	if e.Visitor == "" {
		e.Visitor = visitor(e.IP, e.UserAgent)
	}
	return checkSize(l.text, e)
}

// maxEvent is the largest size of an event and its key in bytes. It is below
// the default limits of a producer (1,000,000) and of a topic. A producer would
// refuse a larger event too. But then a transaction would lose its other
// events, and a resumed run would never get behind the event.
const maxEvent = 900_000

// checkSize refuses an event that is too large. text is the line.
func checkSize(text []byte, e *clicks.ClickEvent) error {
	if len(text) < maxEvent/10 { // even if each byte was escaped, in the value and in the key
		return nil
	}
	avro, err := e.AppendAvro(nil)
	if err != nil {
		return err
	}
	if size := framing + len(avro) + len(e.Visitor); size > maxEvent {
		return fmt.Errorf("the event has %d bytes, and the limit is %d", size, maxEvent)
	}
	return nil
}

func (j *job) reject(seq int, l line, reason error) error {
	j.acc.setState(seq, rejected)
	if err := j.rejects.add(l, reason); err != nil {
		return err
	}
	if j.o.strict {
		return fmt.Errorf("%s:%d: %w", l.file, l.no, reason)
	}
	return nil
}

// sizes compares the size of an event in Avro and in JSON, for every 64th
// event.
type sizes struct {
	n, avro, json int64
	buf           []byte
	seen          int
}

// framing is the number of bytes that the registry's prefix adds to each event:
// a zero byte and the schema id.
const framing = 5

func (s *sizes) sample(e *clicks.ClickEvent) {
	s.seen++
	if s.seen%64 != 1 {
		return
	}
	avro, err := e.AppendAvro(s.buf[:0])
	if err != nil {
		return // the serializer reports this error
	}
	s.buf = avro
	text, err := json.Marshal(e)
	if err != nil {
		return
	}
	s.n++
	s.avro += int64(len(avro)) + framing
	s.json += int64(len(bytes.TrimSpace(text)))
}

// mean returns the mean size of an event as Avro and as JSON, 0 without events.
func (s *sizes) mean() (avro, text float64) {
	if s.n == 0 {
		return 0, 0
	}
	return float64(s.avro) / float64(s.n), float64(s.json) / float64(s.n)
}

// report returns the result of publishing. The method balance adds the result
// of reading back.
func (j *job) report(interrupted bool) *report {
	r := &report{
		Lines: j.acc.lines(), Rejected: j.acc.sum(rejected), Delivered: j.acc.sum(delivered),
		NotSent: j.acc.sum(notSent), Unknown: j.acc.sum(unknown) + j.acc.sum(waiting),
		Files: j.in.begun, Send: j.o.send, Acks: j.o.acks, Interrupted: interrupted,
		Seconds:    j.took.Seconds(),
		LatencyP50: float64(j.lat.quantile(0.50)) / 1e6,
		LatencyP99: float64(j.lat.quantile(0.99)) / 1e6,
		Topic:      j.o.topic, Subject: j.o.topic + "-value",
	}
	if j.rejects.n > 0 {
		r.RejectsFile = j.rejects.path
	}
	if r.Seconds > 0 {
		r.EventsPerSecond = float64(r.Delivered) / r.Seconds
	}
	r.AvroBytes, r.JSONBytes = j.sizes.mean()
	return r
}

func (j *job) balance(r *report, got readBackResult) {
	b := j.acc.balance()
	r.ReadBack, r.Lost, r.Twice = b.ReadBack, b.Lost, b.Twice
	r.Contradicted, r.UnknownInLog = b.Contradicted, b.UnknownInLog
	r.OutOfOrder, r.Partitions = got.OutOfOrder, got.Partitions
}
