package kafkacluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/local"
)

// Cluster is a running Apache Kafka. The nodes are numbered from 1. A Cluster
// is safe for concurrent use.
type Cluster struct {
	Certs *Certs

	dir    string
	ownDir bool // Close removes dir
	nodes  []*node

	mu    sync.Mutex
	ports []ports
}

// Option changes the cluster that [New] starts.
type Option func(*options)

type options struct {
	nodes    int
	release  string
	heap     string
	fast     bool
	dir      string
	dataDir  func(id int) string
	settings map[string]string
	classes  string
}

// Nodes sets the number of nodes. Default 3. With fewer than 3 nodes nothing is
// replicated.
func Nodes(n int) Option { return func(o *options) { o.nodes = n } }

// Release sets the Apache Kafka release, from 3.6 on. Default [Version].
func Release(version string) Option { return func(o *options) { o.release = version } }

// Heap sets the JVM heap of each node. Default "256m".
func Heap(size string) Option { return func(o *options) { o.heap = size } }

// FullJIT lets the JVM optimize fully. The start takes longer, and the broker
// is then faster. Benchmarks use FullJIT.
func FullJIT() Option { return func(o *options) { o.fast = true } }

// Dir keeps data and logs in dir instead of a temporary folder. Close does not
// remove dir.
func Dir(dir string) Option { return func(o *options) { o.dir = dir } }

// DataDir sets the log directory of each node, for example on a small file
// system.
func DataDir(f func(id int) string) Option { return func(o *options) { o.dataDir = f } }

// Authorizer makes the brokers check ACLs. Clients of the plain listeners may
// do everything. Users of the other listeners need [Cluster.Allow].
func Authorizer() Option {
	return func(o *options) {
		o.settings["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		o.settings["super.users"] = "User:ANONYMOUS"
	}
}

// Setting sets one line of server.properties on every node.
func Setting(key, value string) Option {
	return func(o *options) { o.settings[key] = value }
}

// Classes adds a folder with compiled classes to the classpath of the nodes,
// for example a plug-in of the broker.
func Classes(dir string) Option { return func(o *options) { o.classes = dir } }

// Start runs a cluster for a test, and ends the cluster with the test. If the
// test fails, Start keeps the logs of the nodes and prints their folder.
// Without Java or Maven the test is skipped, unless AVROLINE_TEST_REQUIRE_REAL
// is set.
func Start(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("AVROLINE_TEST_REQUIRE_REAL") == "" {
			t.Skipf("kafkacluster: %s is not on PATH", tool)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, err := New(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			kept := filepath.Join(os.TempDir(), fmt.Sprintf("kafka-logs-%d", os.Getpid()))
			if err := c.SaveLogs(kept); err == nil {
				t.Logf("kafkacluster: the brokers' logs are in %s", kept)
			}
		}
		if err := c.Close(); err != nil {
			t.Errorf("kafkacluster: %v", err)
		}
	})
	return c
}

func classpath(libs, classes string) string {
	path := filepath.Join(libs, "*")
	if classes != "" {
		path += string(os.PathListSeparator) + classes
	}
	return path
}

// New formats and starts the nodes. New returns when all nodes are ready.
func New(ctx context.Context, opts ...Option) (_ *Cluster, err error) {
	o := options{nodes: 3, release: Version, heap: "256m", settings: map[string]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	libs, err := jars(ctx, o.release)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: o.dir}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "avroline-kafka-"); err != nil {
			return nil, fmt.Errorf("kafkacluster: %w", err)
		}
		c.ownDir = true
	}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	certs := filepath.Join(c.dir, "certs")
	if c.Certs, err = newCerts(certs); err != nil {
		return nil, err
	}
	logging := filepath.Join(c.dir, "log4j2.properties")
	if err := os.WriteFile(logging, []byte(log4j2), 0o644); err != nil {
		return nil, fmt.Errorf("kafkacluster: %w", err)
	}
	if c.ports, err = freePorts(o.nodes); err != nil {
		return nil, err
	}
	jvm := []string{"-Djava.awt.headless=true", "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=" + logging, "-cp", classpath(libs, o.classes)}
	if !o.fast {
		jvm = append([]string{"-XX:TieredStopAtLevel=1"}, jvm...)
	}
	for id := 1; id <= o.nodes; id++ {
		dir := filepath.Join(c.dir, fmt.Sprint(id))
		data := filepath.Join(dir, "data")
		if o.dataDir != nil {
			data = o.dataDir(id)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("kafkacluster: %w", err)
		}
		conf := filepath.Join(dir, "server.properties")
		if err := os.WriteFile(conf, []byte(properties(id, c.ports, data, certs, o.settings)), 0o644); err != nil {
			return nil, fmt.Errorf("kafkacluster: %w", err)
		}
		c.nodes = append(c.nodes, &node{
			id: id, dir: dir,
			cmd: func() *exec.Cmd {
				args := append([]string{"-Xms" + o.heap, "-Xmx" + o.heap}, jvm...)
				return exec.Command("java", append(args, "kafka.Kafka", conf)...)
			},
		})
	}
	if err := c.each(func(n *node) error { return n.format(ctx, jvm) }); err != nil {
		return nil, err
	}
	if err := c.each(func(n *node) error { return n.start() }); err != nil {
		return nil, err
	}
	if err := c.each(func(n *node) error { return n.ready(ctx) }); err != nil {
		return nil, err
	}
	return c, c.WaitBrokers(ctx, o.nodes)
}

const clusterID = "4L6g3nShT-eMCtK--X86sw" // any 16 bytes in base64url

func (n *node) format(ctx context.Context, jvm []string) error {
	args := append([]string{"-Xmx128m"}, jvm...)
	args = append(args, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", clusterID,
		"-c", filepath.Join(n.dir, "server.properties"),
		"--add-scram", fmt.Sprintf("SCRAM-SHA-512=[name=%s,password=%s]", ScramUser, ScramPassword),
		"--add-scram", fmt.Sprintf("SCRAM-SHA-256=[name=%s,password=%s]", ScramUser, ScramPassword))
	if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kafkacluster: node %d: format: %w\n%s", n.id, err, local.Tail(out, 2000))
	}
	return nil
}

// each runs f on all nodes at the same time and joins the errors.
func (c *Cluster) each(f func(*node) error) error {
	errs := make([]error, len(c.nodes))
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		wg.Go(func() { errs[i] = f(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// freePorts keeps all listeners open until there are enough ports, so that no
// port is returned twice.
func freePorts(nodes int) ([]ports, error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	out := make([]ports, nodes)
	for i := range out {
		p := &out[i]
		for _, port := range []*int{&p.plain, &p.controller, &p.sasl, &p.mtls, &p.proxied, &p.proxy} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, fmt.Errorf("kafkacluster: no free port: %w", err)
			}
			held = append(held, l)
			*port = l.Addr().(*net.TCPAddr).Port
		}
	}
	return out, nil
}

func (c *Cluster) addrs(port func(ports) int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]string, len(c.ports))
	for i, p := range c.ports {
		out[i] = fmt.Sprintf("127.0.0.1:%d", port(p))
	}
	return out
}

// Addrs returns the bootstrap addresses of the plain listeners.
func (c *Cluster) Addrs() []string { return c.addrs(func(p ports) int { return p.plain }) }

// SASLAddrs returns the addresses of the SASL_SSL listeners (PLAIN,
// SCRAM-SHA-256, SCRAM-SHA-512, and OAUTHBEARER with unsigned tokens).
func (c *Cluster) SASLAddrs() []string { return c.addrs(func(p ports) int { return p.sasl }) }

// MTLSAddrs returns the addresses of the listeners that require a client
// certificate.
func (c *Cluster) MTLSAddrs() []string { return c.addrs(func(p ports) int { return p.mtls }) }

// ProxiedAddrs returns the addresses where a [Proxy] must listen, one for each
// node. The brokers advertise these addresses.
func (c *Cluster) ProxiedAddrs() []string { return c.addrs(func(p ports) int { return p.proxy }) }

// ProxiedTargets returns the addresses to which a [Proxy] must forward.
func (c *Cluster) ProxiedTargets() []string { return c.addrs(func(p ports) int { return p.proxied }) }

// Len returns the number of nodes.
func (c *Cluster) Len() int { return len(c.nodes) }

func (c *Cluster) node(id int) (*node, error) {
	if id < 1 || id > len(c.nodes) {
		return nil, fmt.Errorf("kafkacluster: no node %d: there are 1 to %d", id, len(c.nodes))
	}
	return c.nodes[id-1], nil
}

// Kill ends a node with SIGKILL and returns when the process has ended.
func (c *Cluster) Kill(id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	return n.kill()
}

// Restart starts a killed or stopped node, and waits until the node is ready.
func (c *Cluster) Restart(ctx context.Context, id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	if err := n.start(); err != nil {
		return err
	}
	return n.ready(ctx)
}

// Stop ends a node with SIGTERM. If ctx ends first, Stop uses SIGKILL.
func (c *Cluster) Stop(ctx context.Context, id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	return n.stop(ctx)
}

// Pause freezes a node with SIGSTOP. The other nodes see a dead node. The
// frozen node notices no gap in time. [Cluster.Resume] continues the node.
func (c *Cluster) Pause(id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	return n.signal((*local.Process).Pause)
}

// Resume continues a paused node.
func (c *Cluster) Resume(id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	return n.signal((*local.Process).Resume)
}

// SetConfig writes one line into the server.properties of a node. The line
// takes effect at the next start of the node.
func (c *Cluster) SetConfig(id int, key, value string) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(n.dir, "server.properties"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("kafkacluster: %w", err)
	}
	// If a key occurs twice, the last line wins.
	_, err = fmt.Fprintf(f, "%s=%s\n", key, value)
	return errors.Join(err, f.Close())
}

// MovePort gives the plain listener of a node a new port. The port takes effect
// at the next start of the node, and [Cluster.Addrs] returns the new port at
// once.
func (c *Cluster) MovePort(id int) error {
	free, err := freePorts(1)
	if err != nil {
		return err
	}
	c.mu.Lock()
	p := &c.ports[id-1]
	p.plain = free[0].plain
	moved := *p
	c.mu.Unlock()
	return errors.Join(c.SetConfig(id, "listeners", moved.listeners()), c.SetConfig(id, "advertised.listeners", moved.advertised()))
}

// RenewCertificates gives the brokers a new key and a new certificate, signed
// by the same CA. A node uses the new certificate after its next start.
func (c *Cluster) RenewCertificates() error { return c.Certs.renew(filepath.Join(c.dir, "certs")) }

// SaveLogs copies the log of every node into dir.
func (c *Cluster) SaveLogs(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, n := range c.nodes {
		if err := n.saveLog(filepath.Join(dir, fmt.Sprintf("node-%d.log", n.id))); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all nodes and removes their data, unless [Dir] named the folder.
func (c *Cluster) Close() error {
	// Close kills all nodes at the same time. If nodes are stopped one by one,
	// the last node waits minutes for a controller.
	for _, n := range c.nodes {
		if p, err := n.running(); err == nil {
			if err := p.Kill(); err != nil {
				return fmt.Errorf("kafkacluster: node %d: %w", n.id, err)
			}
		}
	}
	if c.ownDir {
		return os.RemoveAll(c.dir)
	}
	return nil
}
