package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/avroline/avroline/producer/checkpoint"
	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/serde"
)

// SourceConfig says what a [Source] reads.
type SourceConfig struct {
	Brokers []string
	// TransactionalID is one per source: a second process with the same one fences the first.
	TransactionalID string
	// Name is this source's, and stays over restarts: positions are kept under it.
	Name string
	// Files are read in this order, each to its present end. Files compressed by gzip are known by their content.
	Files []string
	// Checkpoints is the topic of positions, compacted, with [checkpoint.FileKey] and [checkpoint.FilePosition] as key and
	// value. Default "avroline-checkpoints". [WithCreateTopics] lets the source make it, with one partition.
	Checkpoints string
	// Restart reads every file from its start, whatever was read of it before.
	Restart bool

	// A transaction holds up to BatchLines lines and BatchBytes bytes of them. Default 1,000 lines and 1 MiB.
	BatchLines int
	BatchBytes int
	// MaxLine bounds one line; a longer one comes with [ErrLineTooLong]. Default 1 MiB.
	MaxLine int
}

// Line is one line of a file.
type Line struct {
	File   string
	Number int64  // from 1
	Offset int64  // of its first byte; in a compressed file, of what is in it
	Text   []byte // without the line feed, and without a carriage return before it; read it, do not change it
	Header []byte // the first line of the file, for formats that need it: also after a resume
	Err    error  // nil, or [ErrLineTooLong]: Text is its beginning
}

var (
	// ErrLineTooLong says that a line is longer than [SourceConfig.MaxLine]. The lines after it are read.
	ErrLineTooLong = errors.New("producer: line too long")
	// ErrFileShrank says that a file is shorter than what was read of it, though it begins alike. [SourceConfig.Restart] reads it anew.
	ErrFileShrank = errors.New("producer: file is shorter than what was read of it")
)

// Source reads files by lines into transactions, each line exactly once, through kill -9 and restarts: how far each file is
// read is an Avro record written in the same transaction as what was made of the lines (KIP-618 does the same for Kafka
// Connect's sources), and the next run goes on after the last position that is committed.
//
// A file is known by the checksum of its beginning: one that grew is read on where it was left; one that was renamed, as log
// rotation does, keeps its position under the new name, compressed too; one that has other content under an old name is new.
// The last line is read without a line feed at its end too. What is appended to such a line later is a line of its own, so
// let a log that is being written end in whole lines when a run begins.
type Source struct {
	config    SourceConfig
	t         *Transactional
	decode    *serde.Deserializer[checkpoint.FilePosition]
	positions *Topic[*checkpoint.FilePosition]
	batch     []*checkpoint.FilePosition // of the transaction in hand
	known     []*checkpoint.FilePosition // what is committed, as last read
	fresh     bool                       // known was read for this run
}

// NewSource makes a source. It does no I/O that it waits for. The registry reads back what the serializer registered.
func NewSource(c SourceConfig, reg serde.Registry, s *serde.Serializer, opts ...Option) (*Source, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &ConfigError{Setting: "SourceConfig." + field, Value: value, Reason: reason})
	}
	if c.Name == "" {
		bad("Name", "", "must not be empty: positions are kept under it")
	}
	for i, f := range c.Files {
		if slices.Contains(c.Files[:i], f) {
			bad("Files", f, "is named twice: its lines would be read twice")
		}
	}
	orDefault(&c.Checkpoints, "avroline-checkpoints")
	orDefault(&c.BatchLines, 1000)
	orDefault(&c.BatchBytes, 1<<20)
	orDefault(&c.MaxLine, 1<<20)
	if err := checkTopicName(c.Checkpoints); err != nil {
		bad("Checkpoints", c.Checkpoints, err.Error())
	}
	if c.BatchLines < 1 || c.BatchBytes < 1 || c.MaxLine < 1 {
		bad("BatchLines, BatchBytes, MaxLine", "", "must be positive")
	}
	d, err := serde.NewDeserializer[checkpoint.FilePosition](reg)
	if err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t, err := newTransactional(settings.ForSource, c.Brokers, c.TransactionalID, s, opts)
	if err != nil {
		return nil, err
	}
	source := &Source{config: c, t: t, decode: d, positions: NewTopic(c.Checkpoints,
		KeyRecord(func(p *checkpoint.FilePosition) *checkpoint.FileKey {
			return &checkpoint.FileKey{Source: p.Source, FileID: p.FileID}
		}))}
	t.resolver = source
	return source, nil
}

// Resume reads the positions that are committed. It is for [Transactional] alone.
func (s *Source) Resume(ctx context.Context, inDoubt bool) (committed bool, err error) {
	if s.known, err = s.load(ctx); err != nil {
		return false, err
	}
	s.fresh = true
	if !inDoubt {
		return false, nil
	}
	return slices.ContainsFunc(s.known, func(p *checkpoint.FilePosition) bool {
		return p.FileID == s.batch[0].FileID && p.Offset == s.batch[0].Offset
	}), nil
}

// Prepare is [Transactional.Prepare], for the topic of positions too.
func (s *Source) Prepare(ctx context.Context, topics ...Prepared) error {
	if err := s.prepareCheckpoints(ctx); err != nil {
		return err
	}
	return s.t.Prepare(ctx, append(topics, s.positions)...)
}

// Stats are the books; positions are messages too. See [Transactional.Stats]. A commit in doubt is Unknown until the next run
// has read the positions.
func (s *Source) Stats() Stats { return s.t.Stats() }

// Close is [Transactional.Close].
func (s *Source) Close(ctx context.Context) error { return s.t.Close(ctx) }

// Run reads every file from where it was left to its present end, and calls f for each line, in order; f adds to the
// transaction what follows from the line. It runs again for the same lines after an abort, so anything else that it does, such
// as counting, belongs into [Tx.OnEnd]. An error of f aborts the transaction and ends Run.
//
// Nil means that everything was read and is committed. When ctx ends the transaction in hand is aborted and the error
// wraps the reason; the next Run, of this or another process, goes on after the last line that is committed. Also a commit
// in doubt is settled so: its position tells whether it is.
func (s *Source) Run(ctx context.Context, f func(ctx context.Context, tx *Tx, l Line) error) error {
	if err := s.prepareCheckpoints(ctx); err != nil {
		return err
	}
	known, err := s.committed(ctx)
	if err != nil {
		return err
	}
	files, err := s.match(known)
	if err != nil {
		return err
	}
	batch := sourceBatch{source: s, f: f}
	for _, file := range files {
		if err := file.open(s.config.MaxLine); err != nil {
			return err
		}
		err := s.read(ctx, file, &batch)
		file.close()
		if err != nil {
			return err
		}
	}
	return batch.commit(ctx)
}

// committed gives the positions to begin at.
func (s *Source) committed(ctx context.Context) ([]*checkpoint.FilePosition, error) {
	s.fresh = false
	if err := s.t.takeOver(ctx); err != nil || s.config.Restart {
		return nil, err
	}
	if s.fresh { // the takeover was a new one
		return s.known, nil
	}
	if !s.t.core.hold() {
		return nil, ErrClosed
	}
	defer s.t.core.background.Done()
	return s.load(ctx)
}

func (s *Source) read(ctx context.Context, file *sourceFile, batch *sourceBatch) error {
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("producer: source %s: %w", s.config.Name, ended(ctx))
		}
		line, more, err := file.next()
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if batch.add(file, line) {
			if err := batch.commit(ctx); err != nil {
				return err
			}
		}
	}
}

// sourceBatch is what goes into one transaction: lines, and how far each file is read with them.
type sourceBatch struct {
	source    *Source
	f         func(ctx context.Context, tx *Tx, l Line) error
	lines     []Line
	bytes     int
	positions []*checkpoint.FilePosition
}

// add says whether the batch is full.
func (b *sourceBatch) add(file *sourceFile, l Line) bool {
	b.lines = append(b.lines, l)
	b.bytes += len(l.Text)
	at := file.position(b.source.config.Name)
	if n := len(b.positions); n > 0 && b.positions[n-1].FileID == at.FileID {
		b.positions[n-1] = at
	} else {
		b.positions = append(b.positions, at)
	}
	return len(b.lines) >= b.source.config.BatchLines || b.bytes >= b.source.config.BatchBytes
}

func (b *sourceBatch) commit(ctx context.Context) error {
	if len(b.lines) == 0 {
		return nil
	}
	b.source.batch = b.positions
	err := b.source.t.InTx(ctx, func(tx *Tx) error {
		for _, l := range b.lines {
			if err := b.f(ctx, tx, l); err != nil {
				return fmt.Errorf("%s:%d: %w", l.File, l.Number, err)
			}
		}
		for _, p := range b.positions {
			p.At = time.Now()
			if err := b.source.positions.Add(ctx, tx, p); err != nil {
				return fmt.Errorf("position of %s: %w", p.Path, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	clear(b.lines)
	b.lines, b.bytes, b.positions = b.lines[:0], 0, nil
	return nil
}
