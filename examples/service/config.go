package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/registry"
)

// config is the configuration of the service. Flags override the environment,
// and the environment overrides the file.
type config struct {
	listen   string
	brokers  []string
	registry string
	file     string
	instance string
	drain    time.Duration
	load     int
	environ  bool // the environment names the brokers
	traces   bool // the environment names a collector of traces
}

// maxLoad bounds the orders per second of --load.
const maxLoad = 1_000_000

// readConfig reads the flags. Settings of the producer and the registry client
// come from the file and from variables that begin with AVROLINE_, for example
// AVROLINE_SASL_USERNAME. docs/configuration.md lists the settings.
func readConfig(args []string, getenv func(string) string) (config, error) {
	var c config
	var brokers string
	f := flag.NewFlagSet("service", flag.ContinueOnError)
	f.StringVar(&c.listen, "listen", "127.0.0.1:8080", "the `address` to listen on")
	f.StringVar(&brokers, "brokers", "", "the `brokers` as host:port,host:port; default: the setting in the file, AVROLINE_BOOTSTRAP_SERVERS, or a broker in this process")
	f.StringVar(&c.registry, "registry", "", "the `URL` of the schema registry; default: the setting in the file, AVROLINE_SCHEMA_REGISTRY_URL, or a registry in this process")
	f.StringVar(&c.file, "config", "", "a `file` with settings, as YAML or properties")
	f.StringVar(&c.instance, "instance", "0", "the `name` of this instance; it must stay the same after a restart, for example the ordinal of a pod")
	f.DurationVar(&c.drain, "drain", 0, "the time between reporting \"not ready\" and the end of serving, for the load balancer")
	f.IntVar(&c.load, "load", 0, "number of `orders` per second that the service places itself, for a demonstration")
	if err := f.Parse(args); err != nil {
		return config{}, err
	}
	if f.NArg() > 0 {
		return config{}, fmt.Errorf("unknown argument %q: the program takes flags only, see --help", f.Arg(0))
	}
	if c.load < 0 || c.load > maxLoad {
		return config{}, fmt.Errorf("--load %d: must be from 0 to %d", c.load, maxLoad)
	}
	if brokers != "" {
		c.brokers = strings.Split(brokers, ",")
	}
	c.environ = getenv("AVROLINE_BOOTSTRAP_SERVERS") != ""
	c.traces = getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	if c.registry != "" && c.embedded() {
		return config{}, fmt.Errorf("--registry %s needs --brokers: the broker in this process has its own registry", c.registry)
	}
	return c, nil
}

// embedded reports whether neither a flag, the file nor the environment names
// brokers.
func (c config) embedded() bool { return c.brokers == nil && c.file == "" && !c.environ }

// producerOptions adds the file and the environment to opts. Later options win.
func (c config) producerOptions(opts ...producer.Option) []producer.Option {
	if c.file != "" {
		opts = append(opts, producer.WithConfigFile(c.file))
	}
	return append(opts, producer.WithEnviron(""))
}

// openRegistry makes the registry client.
func (c config) openRegistry(log *slog.Logger, opts ...registry.Option) (*registry.Client, error) {
	var urls []string
	if c.registry != "" {
		urls = []string{c.registry}
	}
	if c.file != "" {
		opts = append(opts, registry.WithConfigFile(c.file))
	}
	opts = append(opts, registry.WithLogger(log))
	if c.registry != "" && !c.embedded() {
		// The disk cache lets the service start while the registry is away. The
		// service also works without the cache, for example in a container
		// without a writable folder.
		dir, err := cacheFolder()
		if err != nil {
			log.Warn("no_disk_cache", "err", err)
		} else {
			opts = append(opts, registry.WithDiskCache(dir))
		}
	}
	return registry.New(urls, append(opts, registry.WithEnviron(""))...)
}

// cacheFolder makes the folder of the disk cache.
func cacheFolder() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "avroline-service")
	return dir, os.MkdirAll(dir, 0o700)
}
