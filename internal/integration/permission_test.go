//go:build integration

package integration

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/processor"
	filesource "github.com/avroline/avroline/producer/source"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde"
)

// authorized is a cluster that checks ACLs, with two topics and one user. The
// method allow adds permissions of the user.
type authorized struct {
	t    *testing.T
	ctx  context.Context
	c    *kafkacluster.Cluster
	a, b *producer.Topic[*workload.Item]
	reg  workload.Registry
}

// grantTo returns the text that an error must contain for a missing grant.
func grantTo(operation, resource string) string {
	return "kafka-acls.sh --add --allow-principal User:" + kafkacluster.PlainUser + " --operation " + operation + " --" + resource
}

func newAuthorized(t *testing.T) *authorized {
	c := kafkacluster.Start(t, kafkacluster.Nodes(1), kafkacluster.Authorizer())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	for _, name := range []string{"a", "b"} {
		if err := c.CreateTopic(ctx, name, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	key := producer.KeyBy(func(i *workload.Item) string { return i.Key })
	return &authorized{t: t, ctx: ctx, c: c, a: producer.NewTopic("a", key), b: producer.NewTopic("b", key)}
}

func (x *authorized) allow(resource func(*kadm.ACLBuilder), operations ...kadm.ACLOperation) {
	x.t.Helper()
	if err := x.c.Allow(x.ctx, kafkacluster.PlainUser, resource, operations...); err != nil {
		x.t.Fatal(err)
	}
}

func (x *authorized) options(more ...producer.Option) []producer.Option {
	return append([]producer.Option{
		producer.WithTLS(producer.TLS{CA: x.c.Certs.CA}),
		producer.WithSASL(producer.Plain(kafkacluster.PlainUser, kafkacluster.PlainPassword)),
	}, more...)
}

func (x *authorized) serializer() *serde.Serializer {
	ser, err := serde.NewSerializer(&x.reg)
	if err != nil {
		x.t.Fatal(err)
	}
	return ser
}

func (x *authorized) producer(more ...producer.Option) *producer.Producer {
	p, err := producer.New(x.c.SASLAddrs(), x.serializer(), x.options(more...)...)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { x.close(p.Close) })
	return p
}

func (x *authorized) transactional(more ...producer.Option) *producer.Transactional {
	p, err := producer.NewTransactional(x.c.SASLAddrs(), "tx", x.serializer(), x.options(more...)...)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { x.close(p.Close) })
	return p
}

func (x *authorized) close(f func(context.Context) error) {
	short, cancel := context.WithTimeout(x.ctx, 5*time.Second)
	defer cancel()
	if err := f(short); err != nil && !errors.Is(err, producer.ErrFatal) {
		x.t.Errorf("close: %v", err)
	}
}

// says checks that an error names exactly the wanted grants.
func (x *authorized) says(what string, err error, want ...string) {
	x.t.Helper()
	var said []string
	if err != nil {
		for _, line := range strings.Split(err.Error(), "kafka-acls.sh")[1:] {
			command, _, _ := strings.Cut(line, ")")
			said = append(said, "kafka-acls.sh"+command)
		}
	}
	slices.Sort(said)
	slices.Sort(want)
	if !slices.Equal(said, want) || (err == nil) != (len(want) == 0) {
		x.t.Errorf("%s: %v\nsays %q\nwant %q", what, err, said, want)
	}
}

// TestPermissions begins without any permission. Prepare must name all missing
// grants in one error, before anything is produced. With the grants, everything
// works.
func TestPermissions(t *testing.T) {
	x := newAuthorized(t)
	writeA, writeB, writeTx := grantTo("Write", "topic a"), grantTo("Write", "topic b"), grantTo("Write", "transactional-id tx")
	createA, createB := grantTo("Create", "topic a"), grantTo("Create", "topic b")
	idempotent := grantTo("IdempotentWrite", "cluster")
	create := producer.WithCreateTopics(1, 1)

	x.says("nothing", x.producer().Prepare(x.ctx, x.a, x.b), writeA, writeB)
	x.says("nothing, in a transaction", x.transactional().Prepare(x.ctx, x.a, x.b), writeA, writeB, writeTx)
	x.says("nothing, and topics to be made", x.producer(create).Prepare(x.ctx, x.a, x.b), writeA, writeB, createA, createB)
	_, err := x.a.Publish(x.ctx, x.ended(), &workload.Item{})
	if !errors.Is(err, producer.ErrNotSent) || !strings.Contains(err.Error(), "kafka-acls.sh") {
		t.Errorf("publish: %v", err)
	}
	// A processor takes its transactional id first.
	x.says("a processor", x.process(), writeTx)
	// Without Write on any topic, the client ends. Prepare must still name the
	// grants.
	gone := x.ended()
	x.says("the client has ended", gone.Prepare(x.ctx, x.a, x.b), writeA, writeB)
	x.says("the client has ended, no topic", gone.Prepare(x.ctx), idempotent)

	both := func(b *kadm.ACLBuilder) { b.Topics("a", "b") }
	x.allow(both, kadm.OpDescribe)
	x.says("Describe", x.producer().Prepare(x.ctx, x.a, x.b), writeA, writeB)
	x.says("Describe, and topics to be made", x.producer(create).Prepare(x.ctx, x.a, x.b), writeA, writeB)
	x.says("Describe, in a transaction", x.transactional().Prepare(x.ctx, x.a, x.b), writeA, writeB, writeTx)
	x.empty()

	// Write on one topic includes IdempotentWrite (KIP-679).
	x.allow(func(b *kadm.ACLBuilder) { b.Topics("a") }, kadm.OpWrite)
	x.says("Write on a", x.producer().Prepare(x.ctx, x.a, x.b), writeB)
	x.says("Write on a, in a transaction", x.transactional().Prepare(x.ctx, x.a, x.b), writeB, writeTx)
	x.empty()

	x.allow(both, kadm.OpWrite)
	p := x.producer(create)
	x.says("Write on both", p.Prepare(x.ctx, x.a, x.b))
	for _, topic := range []*producer.Topic[*workload.Item]{x.a, x.b} {
		if _, err := topic.Publish(x.ctx, p, &workload.Item{}); err != nil {
			t.Error(err)
		}
	}
	x.says("Write on both, in a transaction", x.transactional().Prepare(x.ctx, x.a, x.b), writeTx)
	x.allow(func(b *kadm.ACLBuilder) { b.TransactionalIDs("tx") }, kadm.OpWrite)
	tp := x.transactional()
	x.says("all", tp.Prepare(x.ctx, x.a, x.b))
	if err := tp.InTx(x.ctx, func(tx *producer.Tx) error {
		return errors.Join(x.a.Add(x.ctx, tx, &workload.Item{}), x.b.Add(x.ctx, tx, &workload.Item{}))
	}); err != nil {
		t.Error(err)
	}

	x.says("a processor without its group", x.process(), grantTo("Read", "group g"))
	x.allow(func(b *kadm.ACLBuilder) { b.Groups("g") }, kadm.OpRead)
	x.says("a processor without its topic", x.process(), grantTo("Read", "topic a"))
	x.allow(func(b *kadm.ACLBuilder) { b.Topics("a") }, kadm.OpRead)
	if err := x.process(); !errors.Is(err, errDecoded) {
		t.Errorf("a processor that may read: %v", err)
	}

	if err := x.c.CreateTopic(x.ctx, "positions", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	x.says("a source without its positions", x.source(), grantTo("Read", "topic positions"))
	x.allow(func(b *kadm.ACLBuilder) { b.Topics("positions") }, kadm.OpRead)
	x.says("a source that may not write its positions", x.source(), grantTo("Write", "topic positions"))
	x.allow(func(b *kadm.ACLBuilder) { b.Topics("positions") }, kadm.OpWrite)
	x.says("a source", x.source())
}

// source runs a source with one line into topic a.
func (x *authorized) source() error {
	file := filepath.Join(x.t.TempDir(), "lines")
	if err := os.WriteFile(file, []byte("a line\n"), 0o644); err != nil {
		x.t.Fatal(err)
	}
	s, err := filesource.New(x.c.SASLAddrs(), "tx", filesource.Files([]string{file}), &x.reg, x.serializer(),
		filesource.WithCheckpoints("positions"), filesource.WithProducer(x.options()...))
	if err != nil {
		x.t.Fatal(err)
	}
	defer x.close(s.Close)
	ctx, cancel := context.WithTimeout(x.ctx, 30*time.Second)
	defer cancel()
	return s.Run(ctx, func(ctx context.Context, tx *producer.Tx, _ filesource.Line) error {
		return x.a.Add(ctx, tx, &workload.Item{})
	})
}

var errDecoded = errors.New("a message came")

// onlyStrings is a registry in which every schema is a string. So decoding an
// order always fails.
type onlyStrings struct{ workload.Registry }

func (*onlyStrings) SchemaByID(context.Context, string, int) (contract.Version, error) {
	return contract.Version{Schema: `"string"`}, nil
}

// process runs a processor until the brokers refuse the processor, or until a
// message arrives.
func (x *authorized) process() error {
	des, err := serde.NewDeserializer[orders.OrderCreated](&onlyStrings{})
	if err != nil {
		x.t.Fatal(err)
	}
	p, err := processor.New(x.c.SASLAddrs(), "tx", "g", []string{"a"}, des, x.serializer(),
		func(context.Context, *producer.Tx, processor.Consumed[orders.OrderCreated]) error { return errDecoded },
		processor.WithBadHandler(func(context.Context, *producer.Tx, processor.Raw) error { return errDecoded }),
		processor.WithProducer(x.options()...))
	if err != nil {
		x.t.Fatal(err)
	}
	return p.Run(x.ctx)
}

// ended returns a producer whose client has ended because a permission is
// missing.
func (x *authorized) ended() *producer.Producer {
	x.t.Helper()
	p := x.producer()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.Health().Ready {
		select {
		case <-tick.C:
		case <-x.ctx.Done():
			x.t.Fatal("the client did not end")
		}
	}
	return p
}

// empty checks that nothing was produced.
func (x *authorized) empty() {
	x.t.Helper()
	adm, err := x.c.Admin()
	if err != nil {
		x.t.Fatal(err)
	}
	defer adm.Close()
	ends, err := adm.ListEndOffsets(x.ctx, "a", "b")
	if err != nil {
		x.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset != 0 || o.Err != nil {
			x.t.Errorf("%s ends at %d: %v", o.Topic, o.Offset, o.Err)
		}
	})
}
