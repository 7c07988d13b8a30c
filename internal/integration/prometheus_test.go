//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/registry/registrytest"
)

var picture = flag.String("picture", "", "write the dashboard of TestPrometheus as a page to this `FILE`")

// TestPrometheus lets Prometheus servers scrape examples/service while a broker
// is killed. Each query of the dashboard must be valid for Prometheus. The
// alert for a broker that is away must become active.
func TestPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("AVROLINE_TEST_REQUIRE_REAL") != "" {
			t.Fatal(err)
		}
		t.Skip("Debian's package prometheus is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := cluster(t)
	service := startService(ctx, t, c.Addrs(), registrytest.Start(t).URL)
	classic := startPrometheus(ctx, t, program, service)
	native := startPrometheus(ctx, t, program, service, "--enable-feature=native-histograms")

	begun := time.Now()
	classic.until(ctx, t, "orders", `sum(avroline_messages_total{topic="orders",outcome="delivered"}) > 200`)
	classic.until(ctx, t, "three brokers", `count(count by (broker) (avroline_broker_connected)) == 3`)
	if *picture != "" {
		linger(ctx, 40*time.Second)
	}
	leader, err := c.Leader(ctx, "orders", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(leader); err != nil {
		t.Fatal(err)
	}
	classic.until(ctx, t, "the broker is away", `max(avroline_broker_unreachable) == 1`)
	classic.until(ctx, t, "the alert begins", `ALERTS{alertname="AvrolineBrokerUnreachable",alertstate="pending"} == 1`)
	if *picture != "" {
		linger(ctx, 20*time.Second)
	}
	if err := c.Restart(ctx, leader); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	classic.until(ctx, t, "the broker is back", `max(avroline_broker_unreachable) == 0`)
	classic.until(ctx, t, "deliveries go on", `sum(rate(avroline_messages_total{topic="orders",outcome="delivered"}[5s])) > 10 and on() sum(avroline_ready) == 2`)
	classic.until(ctx, t, "nothing was lost", `sum(avroline_messages_total{outcome=~"unknown|not_sent"}) == 0`)
	if *picture != "" {
		linger(ctx, 40*time.Second)
	}

	for name, p := range map[string]*promServer{"classic": classic, "native": native} {
		p.until(ctx, t, name+" quantile", `(histogram_quantile(0.99, sum by (le) (rate(avroline_delivery_seconds_bucket[1m]))) or histogram_quantile(0.99, sum(rate(avroline_delivery_seconds[1m])))) > 0`)
	}
	board := readDashboard(t)
	shown := board.query(ctx, t, classic, begun)
	for _, p := range board.Panels {
		switch p.Title {
		case "Refused per second by reason", "Look-ups that failed per second", "Source lag", "Shards that stopped per second":
			continue // nothing of this kind has happened
		}
		if p.Type != "row" && shown[p.ID] == 0 {
			t.Errorf("the panel %q is empty", p.Title)
		}
	}
	if *picture != "" {
		if err := os.WriteFile(*picture, board.page(ctx, t, classic, begun), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func linger(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// startService runs examples/service in a separate process, and returns
// host:port of the service.
func startService(ctx context.Context, t *testing.T, brokers []string, registry string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "service")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "../../examples/service").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, bin, "--listen", "127.0.0.1:0", "--brokers", strings.Join(brokers, ","), "--registry", registry, "--load", "100")
	lines, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for in := bufio.NewScanner(lines); in.Scan(); {
			if _, rest, ok := strings.Cut(in.Text(), "msg=serving url=http://"); ok {
				host, _, _ := strings.Cut(rest, " ")
				address <- host
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-read
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	select {
	case a := <-address:
		return a
	case <-ctx.Done():
		t.Fatal("the service does not start")
		return ""
	}
}

// promServer is a Prometheus server.
type promServer struct{ url string }

func startPrometheus(ctx context.Context, t *testing.T, program, target string, flags ...string) *promServer {
	t.Helper()
	rules, err := filepath.Abs("../../docs/observability/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n  - job_name: orders\n    static_configs: [{targets: [%q]}]\n", rules, target)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(ctx, program, append([]string{
		"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address, "--log.level=error",
	}, flags...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	return &promServer{"http://" + address}
}

// series is one time series of an answer.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
	Values [][2]any          `json:"values"`
}

// ask calls the HTTP API. ask returns an error if the server reports one, for
// example for a query that does not parse.
func (p *promServer) ask(ctx context.Context, path string, v url.Values) ([]series, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/"+path+"?"+v.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var a struct {
		Status, Error string
		Data          struct{ Result []series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return nil, err
	}
	if a.Status != "success" {
		return nil, fmt.Errorf("prometheus: %s", a.Error)
	}
	return a.Data.Result, nil
}

// until waits until a query has a result.
func (p *promServer) until(ctx context.Context, t *testing.T, what, query string) {
	t.Helper()
	for {
		result, err := p.ask(ctx, "query", url.Values{"query": {query}})
		if err == nil && len(result) > 0 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("waited in vain for %s: %s: %v", what, query, err)
		}
		linger(ctx, 250*time.Millisecond)
	}
}

// board is the part of the dashboard that the test needs.
type board struct {
	Panels []struct {
		ID          int
		Type, Title string
		Description string
		GridPos     struct{ X, Y, W, H int }
		FieldConfig struct{ Defaults struct{ Unit string } }
		Targets     []struct{ Expr, LegendFormat string }
	}
}

func readDashboard(t *testing.T) board {
	t.Helper()
	text, err := os.ReadFile("../../docs/observability/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var b board
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// fill replaces the variables in a query of the dashboard.
func fill(expr string) string {
	return strings.NewReplacer("$__rate_interval", "10s", "$__range", "10m", "$job", ".*", "$instance", ".*", "$client", ".*", "$topic", ".*").Replace(expr)
}

// query runs the queries of all panels, and returns the number of lines in each
// panel.
func (b board) query(ctx context.Context, t *testing.T, p *promServer, since time.Time) map[int]int {
	t.Helper()
	lines := map[int]int{}
	for _, panel := range b.Panels {
		for _, target := range panel.Targets {
			result, err := p.ask(ctx, "query_range", span(fill(target.Expr), since, time.Now()))
			if err != nil {
				t.Errorf("panel %q: %v: %s", panel.Title, err, target.Expr)
			}
			lines[panel.ID] += len(result)
		}
	}
	return lines
}

func span(query string, from, to time.Time) url.Values {
	seconds := func(at time.Time) []string { return []string{strconv.FormatInt(at.Unix(), 10)} }
	return url.Values{"query": {query}, "start": seconds(from), "end": seconds(to), "step": {"1"}}
}
