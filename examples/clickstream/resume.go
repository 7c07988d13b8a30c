package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

// resume publishes files exactly once over any number of runs. The position in
// each file is written in the same transaction as the events. So the next run
// continues after the last commit, even if this run is killed.
//
// No run knows the messages of an earlier run. So each run builds the complete
// account: the run parses every line of the files, and looks for each event in
// the whole topic.
func resume(ctx context.Context, o *options, in *inputs, reg *registry.Client, ser *serde.Serializer, des *serde.Deserializer[clicks.ClickEvent]) (r *report, err error) {
	for _, f := range in.files {
		if info, err := os.Stat(f); err == nil && !info.Mode().IsRegular() { // a pipe would let isContainer wait
			return nil, fmt.Errorf("--resume: %s is not a regular file, so it has no position to continue from: publish it without --resume", f)
		}
		if isContainer(ctx, f) {
			return nil, fmt.Errorf("--resume: %s is an Avro container file, and --resume reads only files of lines: publish it without --resume", f)
		}
	}
	src, err := source.New(o.brokers, o.transactionalID(), source.Files(in.files), reg, ser, source.WithProducer(o.producerOptions()...))
	if err != nil {
		return nil, err
	}
	topic := newTopic(o.topic)
	pctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := src.Prepare(pctx, topic); err != nil {
		closing, cancel := context.WithCancel(context.Background())
		cancel()
		return nil, errors.Join(err, src.Close(closing))
	}

	begin := time.Now()
	bar := startProgress(os.Stderr, o.quiet, func() step { return step{events: src.Stats().Delivered} })
	lines := lineParser{in: in, format: o.format}
	last := map[string]int64{} // the number of the last line that this run has read
	err = src.Run(ctx, func(ctx context.Context, tx *producer.Tx, l source.Line) error {
		last[l.File] = max(last[l.File], l.Number)
		read, header := lineOf(l)
		e, reason, err := lines.event(ctx, read, header)
		switch {
		case err != nil:
			return err
		case reason != nil && o.strict && !errors.Is(reason, errHeader):
			return fmt.Errorf("%s:%d: %w", l.File, l.Number, reason)
		case reason != nil:
			return nil // the account writes the line to the rejects
		}
		return topic.Add(ctx, tx, e)
	})
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancelClosing()
	err = errors.Join(err, src.Close(closing))
	took := time.Since(begin)
	bar.finish()

	r = &report{
		Send: o.send, Acks: o.acks, Interrupted: ctx.Err() != nil, Topic: o.topic, Subject: o.topic + "-value",
		Seconds: took.Seconds(), EventsPerSecond: float64(src.Stats().Delivered) / took.Seconds(),
	}
	rctx, cancelRead := context.WithTimeout(context.WithoutCancel(ctx), time.Minute+took)
	defer cancelRead()
	failed := r.compareWithLog(rctx, o, in, last, des, ctx.Err() != nil || err != nil)
	if !r.Compared {
		return nil, errors.Join(err, failed)
	}
	return r, errors.Join(err, failed, schemaOf(rctx, reg, r))
}

// lineOf returns a line of the source and the first line of its file.
func lineOf(l source.Line) (read, first line) {
	mark := []byte(byteOrderMark)
	read = line{file: l.File, no: l.Number, text: l.Text, err: l.Err}
	if l.Number == 1 {
		read.text = bytes.TrimPrefix(l.Text, mark)
	}
	return read, line{file: l.File, no: 1, text: bytes.TrimPrefix(l.Header, mark)}
}

// lineParser parses lines of any file, in any order of the files.
type lineParser struct {
	in     *inputs
	format string
	file   string
	next   int64 // the number of the line after the last line
	parse  parser
}

// event returns the event of a line, or the reason why the line is rejected.
// first is the first line of the file. If first is empty, event reads the first
// line that is not empty from the file.
func (p *lineParser) event(ctx context.Context, l, first line) (e *clicks.ClickEvent, reason, err error) {
	if p.file != l.file || p.next != l.no { // for example after an aborted transaction
		p.file, p.parse = l.file, nil
	}
	p.next = l.no + 1
	if p.parse == nil && !isEmpty(l.text) {
		if p.parse, err = p.parserFor(ctx, l, first); err != nil {
			return nil, nil, err
		}
	}
	e = new(clicks.ClickEvent)
	*e = clicks.NewClickEvent()
	if reason := parseLine(p.parse, l, e); reason != nil {
		return nil, reason, nil
	}
	e.EventID, err = newEventID()
	return e, nil, err
}

func (p *lineParser) parserFor(ctx context.Context, l, first line) (parser, error) {
	if isEmpty(first.text) {
		var err error
		if first, err = p.in.firstLine(ctx, l.file); err != nil {
			return nil, err
		}
	}
	parse, err := parserFor(p.format, first.text)
	if err != nil || l.no <= first.no {
		return parse, err
	}
	// After a resume, the parser of CSV has not seen the header, and does not
	// know whether the line begins inside of a field. Other parsers have no
	// memory.
	_ = parse(first.text, new(clicks.ClickEvent)) // the parser repeats the error of a bad header for each line
	if formatOf(p.format, first.text) != "csv" {
		return parse, nil
	}
	p.in.file(ctx, l.file, func(before line, failed error) bool {
		err = failed
		if failed != nil || before.no >= l.no {
			return false
		}
		if before.no > first.no && before.err == nil && !isEmpty(before.text) {
			_ = parse(before.text, new(clicks.ClickEvent)) // an earlier run has reported the error
		}
		return true
	})
	return parse, errors.Join(err, ctx.Err())
}

// fingerprint identifies an event by its content, without its id and without
// the file name. Log rotation changes the file name.
func fingerprint(e *clicks.ClickEvent) (uint64, error) {
	c := *e
	c.EventID, c.SourceFile = uuid.UUID{}, ""
	data, err := c.AppendAvro(nil)
	if err != nil {
		return 0, err
	}
	h := fnv.New64a()
	h.Write(data)
	return h.Sum64(), nil
}

// compareWithLog parses all files, and searches the topic for every event. A
// log may grow meanwhile. So the account has the lines that were there before
// the run, and the lines that the run has read. last is the number of the last
// line that the run has read, for each file. ended says that the run ended
// before the end of the files. Then the next run publishes the missing events.
func (r *report) compareWithLog(ctx context.Context, o *options, in *inputs, last map[string]int64, des *serde.Deserializer[clicks.ClickEvent], ended bool) error {
	type expected struct {
		times int64
		file  string // the first file with the event
	}
	want := map[uint64]expected{}
	rej := &rejects{path: o.rejects}
	lines := lineParser{in: in, format: o.format}
	var first line
	var sz sizes
	before := map[string]int64{}
	for i, name := range in.files {
		now, err := os.Stat(name)
		if err == nil && !os.SameFile(now, in.infos[i]) {
			err = fmt.Errorf("%s was replaced during the run", name)
		}
		if err != nil {
			return fmt.Errorf("there are no accounts: %w: run again, and name rotated files under their new names too", err)
		}
		before[name] = in.infos[i].Size()
	}
	var unread error
	for l, err := range in.lines(ctx) {
		if err != nil {
			unread = err // the account has the lines before
			break
		}
		if l.end > before[l.file] && l.no > last[l.file] {
			continue // appended after the run
		}
		if l.no == 1 || isEmpty(first.text) {
			first = line{file: l.file, no: l.no, text: bytes.Clone(l.text)}
		}
		e, reason, err := lines.event(ctx, l, first)
		if err != nil {
			return err
		}
		if errors.Is(reason, errHeader) {
			continue
		}
		r.Lines++
		if reason != nil {
			r.Rejected++
			if err := rej.add(l, reason); err != nil {
				return err
			}
			continue
		}
		sz.sample(e)
		f, err := fingerprint(e)
		if err != nil {
			return err
		}
		x := want[f]
		if x.times++; x.times == 1 {
			x.file = l.file
		}
		want[f] = x
	}
	r.Files = in.begun
	if err := rej.close(); err != nil {
		return err
	}
	if rej.n > 0 {
		r.RejectsFile = rej.path
	}
	r.AvroBytes, r.JSONBytes = sz.mean()

	back, err := newReader(o)
	if err != nil {
		return err
	}
	defer back.close()
	r.Partitions = map[int32]int64{}
	type lane struct{ visitor, file string }
	latest := map[lane]int64{}
	seen := map[uint64]int64{}
	err = back.each(ctx, func(partition int32) { r.Partitions[partition] += 0 }, func(rec *kgo.Record) error {
		var e clicks.ClickEvent
		if err := des.DecodeInto(ctx, serde.Input{Topic: rec.Topic, Data: rec.Value}, &e); err != nil {
			return fmt.Errorf("reader: %s[%d]@%d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
		f, err := fingerprint(&e)
		if err != nil {
			return err
		}
		x := want[f]
		if x.times == 0 {
			return nil // from other files
		}
		r.ReadBack++
		r.Partitions[rec.Partition]++
		seen[f]++
		if x.times == 1 && seen[f] == 1 {
			at := lane{e.Visitor, x.file}
			if e.SourceLine < latest[at] {
				r.OutOfOrder++
			}
			latest[at] = e.SourceLine
		}
		return nil
	})
	if err != nil {
		return err
	}
	for f, x := range want {
		n := x.times
		r.Delivered += min(n, seen[f])
		r.Twice += max(seen[f]-n, 0)
		if missing := max(n-seen[f], 0); ended {
			r.Remaining += missing
		} else {
			r.Lost += missing
			r.Delivered += missing // every earlier run reported success
		}
	}
	r.Compared = true
	return unread
}
