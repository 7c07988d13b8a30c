package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/avroline/avroline/producer"
)

// options holds the checked values of the flags.
type options struct {
	input      []string
	format     string
	brokers    []string
	registry   string
	topic      string
	partitions int
	send       string
	acks       string
	config     string
	limit      int64
	rejects    string
	sample     int
	seed       uint64
	resume     bool
	strict     bool
	json       bool
	quiet      bool

	connection producer.Connection
}

// embedded reports whether the run starts a broker and a registry in this
// process.
func (o *options) embedded() bool { return len(o.brokers) == 0 }

const usage = `clickstream publishes every line of web-server access logs as a typed event, exactly
once. Then it reads the topic back with another client, and compares both sides.

  clickstream                                  a sample log; Kafka and registry run in this process
  clickstream --input access.log --input 'old/*.gz'
  clickstream --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --input - <access.log

`

// parseOptions returns pflag.ErrHelp after it has printed the help text.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := pflag.NewFlagSet("clickstream", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringArrayVarP(&o.input, "input", "i", nil, "`FILE` to read: a name, a glob, or - for standard input; .gz files and Avro container files work too; repeat the flag or give arguments for more files (default: a sample log)")
	f.StringVar(&o.format, "format", "auto", "format of the lines: combined (also with further fields), json (one object per line), csv (with a header line; the separator is a comma, a semicolon, a tab or |; a field has no line feed), or auto (guess for each file)")
	f.StringSliceVar(&o.brokers, "brokers", nil, "bootstrap servers of Kafka, `HOST:PORT,…` (default: an embedded broker)")
	f.StringVar(&o.registry, "registry", "", "`URL` of the schema registry, several with commas (default: an embedded registry)")
	f.StringVar(&o.topic, "topic", "clicks", "topic to publish to")
	f.IntVar(&o.partitions, "partitions", 0, "create a missing topic with this number of partitions (default: 6 on the embedded broker; on other brokers the topic must exist)")
	f.StringVar(&o.send, "send", "async", "how to publish: async, sync, forget or transaction")
	f.StringVar(&o.acks, "acks", "all", "acknowledgements: all, 1 or 0; with 1 and 0 an event may be lost or published twice")
	f.StringVar(&o.config, "config", "", "`FILE` with producer settings (.properties or .yaml): brokers, security, tuning")
	f.Int64Var(&o.limit, "limit", 0, "stop after this number of lines (default: all lines)")
	f.StringVar(&o.rejects, "rejects", "clickstream-rejects.txt", "`FILE` for the lines that are not published, with the reasons; the first such line of a run replaces an older file")
	f.IntVar(&o.sample, "sample-lines", 25_000, "number of lines in the sample log")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the sample log")
	f.BoolVar(&o.resume, "resume", false, "with --send transaction: continue after the last event of an earlier run, even if that run was killed")
	f.BoolVar(&o.strict, "strict", false, "stop at the first line that cannot be published")
	f.BoolVar(&o.json, "json", false, "print the report as one JSON object")
	f.BoolVar(&o.quiet, "quiet", false, "do not show the progress")
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(out, usage, f.FlagUsagesWrapped(100))
		return nil, err
	case err != nil:
		return nil, err
	}
	o.input = append(o.input, f.Args()...)
	return o, o.check()
}

func (o *options) check() error {
	oneOf := func(flag, value string, allowed ...string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return fmt.Errorf("--%s %s: must be %s", flag, value, strings.Join(allowed, ", "))
	}
	if err := errors.Join(
		oneOf("format", o.format, "auto", "combined", "json", "csv"),
		oneOf("send", o.send, "async", "sync", "forget", "transaction"),
		oneOf("acks", o.acks, "all", "1", "0"),
	); err != nil {
		return err
	}
	var err error
	if o.config != "" || len(o.brokers) > 0 {
		opts := []producer.Option{}
		if o.config != "" {
			opts = append(opts, producer.WithConfigFile(o.config))
		}
		o.connection, err = producer.ConnectionOf(o.brokers, opts...)
		if err != nil && len(o.brokers) == 0 { // without brokers, the file may be for the embedded broker
			_, err = producer.ConnectionOf([]string{"embedded:1"}, opts...)
		}
		if err != nil {
			return err
		}
		o.brokers = o.connection.Brokers
	}
	switch {
	case o.embedded() != (o.registry == ""):
		return errors.New("only one of --brokers and --registry is given: give both or none, because schema ids are valid only with their own registry")
	case o.send == "transaction" && o.acks != "all":
		return fmt.Errorf("--acks %s: transactions need --acks all", o.acks)
	case o.resume && o.send != "transaction":
		return errors.New("--resume needs --send transaction: only a transaction writes the position together with the events")
	case o.resume && (len(o.input) == 0 || slices.Contains(o.input, "-")):
		return errors.New("--resume needs --input FILE: a sample and standard input have no position to continue from")
	case o.resume && o.embedded():
		return errors.New("--resume needs --brokers: the embedded broker ends with this process")
	case o.resume && o.limit > 0:
		return errors.New("--limit does not go together with --resume: a resumed run publishes everything that is left")
	case o.rejects == "":
		return errors.New("--rejects is empty: name a file")
	case o.limit < 0 || o.partitions < 0 || o.sample < 0:
		return errors.New("--limit, --partitions and --sample-lines cannot be negative")
	}
	if o.partitions == 0 && o.embedded() {
		o.partitions = 6
	}
	return nil
}

// producerOptions returns the producer options that the flags ask for.
func (o *options) producerOptions() []producer.Option {
	opts := []producer.Option{producer.WithClientID("clickstream")}
	if o.config != "" {
		opts = append(opts, producer.WithConfigFile(o.config))
	}
	switch o.acks {
	case "0":
		opts = append(opts, producer.WithWeakAcks(producer.AcksNone))
	case "1":
		opts = append(opts, producer.WithWeakAcks(producer.AcksLeader))
	}
	if o.partitions > 0 {
		opts = append(opts, producer.WithCreateTopics(o.partitions, -1))
	}
	return opts
}

// transactionalID returns the same id for every run on a topic. So a second run
// fences a first run that is still alive.
func (o *options) transactionalID() string { return "clickstream-" + o.topic }

// readerOptions connects to the cluster in the same way as the producer.
func (o *options) readerOptions() []kgo.Opt {
	c := o.connection
	var opts []kgo.Opt
	if c.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(c.TLS))
	}
	var m sasl.Mechanism
	switch c.Mechanism {
	case "PLAIN":
		m = plain.Auth{User: c.User, Pass: c.Password}.AsMechanism()
	case "SCRAM-SHA-256":
		m = scram.Auth{User: c.User, Pass: c.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		m = scram.Auth{User: c.User, Pass: c.Password}.AsSha512Mechanism()
	case "OAUTHBEARER":
		m = oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			if c.Token == nil {
				return oauth.Auth{}, errors.New("the reader does not support the producer's OIDC login: use another SASL mechanism")
			}
			token, err := c.Token.Token(ctx)
			return oauth.Auth{Token: token.Value}, err
		})
	default:
		return opts
	}
	return append(opts, kgo.SASL(m))
}
