package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// grace limits the wait for missing outcomes after an interruption or a fatal
// error.
const grace = 20 * time.Second

// run does the whole job. If the run has read a line, run returns a report,
// even if it also returns an error.
func run(ctx context.Context, o *options) (*report, error) { return runFrom(ctx, o, os.Stdin) }

func runFrom(ctx context.Context, o *options, stdin io.Reader) (r *report, err error) {
	world, err := openEnvironment(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, world.close()) }()
	in, err := openInputs(o.input, o.rejects, stdin)
	if err != nil {
		return nil, err
	}
	in.short = world.dir
	reg, err := registry.New(strings.Split(o.registry, ","))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reg.Close()) }()
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		return nil, err
	}
	des, err := serde.NewDeserializer[clicks.ClickEvent](reg)
	if err != nil {
		return nil, err
	}

	if o.resume {
		return resume(ctx, o, in, reg, ser, des)
	}
	if err := in.verify(ctx); err != nil {
		return nil, err
	}

	j := &job{o: o, in: in, acc: newAccount(), rejects: &rejects{path: o.rejects}}
	if err := j.start(ctx, ser); err != nil {
		return nil, err
	}
	back, err := newReader(o)
	if err != nil {
		return nil, errors.Join(err, j.abandon())
	}
	defer back.close()
	if err := back.rememberEnd(ctx); err != nil {
		return nil, errors.Join(err, j.abandon())
	}

	err = errors.Join(j.publish(ctx), j.rejects.close())
	r = j.report(ctx.Err() != nil)

	// Read the events back also after an interruption.
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute+j.took)
	defer cancel()
	got, rerr := back.readBack(rctx, des, j.acc)
	r.Compared = rerr == nil
	j.balance(r, got)
	return r, errors.Join(err, rerr, schemaOf(rctx, reg, r))
}

// environment contains the servers and files that a run without a cluster
// creates.
type environment struct {
	broker *producertest.Broker
	server *registrytest.Server
	dir    string
}

// openEnvironment starts embedded servers if the flags name no servers, and
// writes a sample if the flags name no files. Then openEnvironment stores the
// addresses in the options.
func openEnvironment(o *options) (_ *environment, err error) {
	w := &environment{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if o.embedded() {
		if w.broker, err = producertest.NewBroker(producertest.WithTopic(o.topic, int32(o.partitions))); err != nil {
			return nil, err
		}
		if w.server, err = registrytest.NewServer(); err != nil {
			return nil, err
		}
		o.brokers, o.registry = w.broker.Addrs(), w.server.URL
	}
	if len(o.input) > 0 {
		return w, nil
	}
	if w.dir, err = os.MkdirTemp("", "clickstream-"); err != nil {
		return nil, err
	}
	sample := filepath.Join(w.dir, "sample.log")
	f, err := os.Create(sample)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(writeSample(f, o.sample, o.seed), f.Close()); err != nil {
		return nil, fmt.Errorf("writing the sample: %w", err)
	}
	o.input = []string{sample}
	return w, nil
}

func (w *environment) close() error {
	var errs []error
	if w.broker != nil {
		errs = append(errs, w.broker.Close())
	}
	if w.server != nil {
		errs = append(errs, w.server.Close())
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// schemaOf asks the registry for the schema of the events.
func schemaOf(ctx context.Context, reg *registry.Client, r *report) error {
	v, err := reg.Lookup(ctx, r.Subject, registry.Schema{Text: clicks.ClickEventSchema})
	if errors.Is(err, registry.ErrSubjectNotFound) || errors.Is(err, registry.ErrSchemaNotFound) {
		return nil // nothing was published
	}
	if err != nil {
		return err
	}
	r.SchemaID, r.Version = v.ID, v.Version
	return nil
}

// newEventID returns a UUID of version 7, which sorts by time.
func newEventID() (uuid.UUID, error) { return uuid.NewV7() }
