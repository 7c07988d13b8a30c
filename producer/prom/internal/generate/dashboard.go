package main

import (
	"encoding/json"
	"fmt"

	c "github.com/avroline/avroline/producer/prom/internal/catalog"
)

// row is a row of panels on the dashboard.
type row struct {
	title  string
	panels []panel
}

// panel is one graph, or one number.
type panel struct {
	title string
	help  string
	unit  string // a unit of Grafana
	stat  bool   // a number instead of a graph
	lines []line
}

// line is a query and the legend of the lines that the query returns.
type line struct{ expr, legend string }

// of returns a metric with the dashboard's filter. suffix is a suffix of a
// histogram or a summary, or empty.
func of(m *c.Metric, suffix string, matchers ...string) string {
	filter := `job=~"$job",instance=~"$instance"`
	for _, label := range m.Labels {
		if label == "topic" {
			filter += `,topic=~"$topic"`
		}
		if label == "client" {
			filter += `,client=~"$client"`
		}
	}
	for _, more := range matchers {
		filter += "," + more
	}
	return m.Name + suffix + "{" + filter + "}"
}

// rate returns the sum of a counter's rates by a label.
func rate(by string, m *c.Metric, suffix string, matchers ...string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s[$__rate_interval]))", by, of(m, suffix, matchers...))
}

// sum returns the sum of a gauge by a label.
func sum(by string, m *c.Metric) string { return fmt.Sprintf("sum by (%s) (%s)", by, of(m, "")) }

// quantile returns a quantile of a histogram by a label. The query reads the
// classic and the native buckets, because a Prometheus server stores only one
// kind.
func quantile(q float64, by string, m *c.Metric) string {
	return fmt.Sprintf("histogram_quantile(%[1]g, %[2]s) or histogram_quantile(%[1]g, %[3]s)", q, rate(by+", le", m, "_bucket"), rate(by, m, ""))
}

// mean returns the mean of a summary or histogram by a label.
func mean(by string, m *c.Metric) string {
	classic := rate(by, m, "_sum") + " / " + rate(by, m, "_count")
	if m.Type == c.Summary {
		return classic
	}
	return fmt.Sprintf("%[1]s or histogram_sum(%[2]s) / histogram_count(%[2]s)", classic, rate(by, m, ""))
}

func rows() []row {
	return []row{
		{"Overview", []panel{
			{"Ready", "1 if every client can publish.", "none", true, []line{{fmt.Sprintf("min by (client) (%s)", of(c.Ready, "")), "{{client}}"}}},
			{"Delivered per second", "", "cps", true, []line{{rate("job", c.Messages, "", `outcome="delivered"`), "delivered"}}},
			{"Delivery, 99th percentile", "", "s", true, []line{{quantile(0.99, "job", c.Delivery), "p99"}}},
			{"Unknown outcomes in the range", "Nobody can know whether these messages are in the log.", "none", true, []line{{fmt.Sprintf("sum(increase(%s[$__range]))", of(c.Messages, "", `outcome="unknown"`)), "unknown"}}},
		}},
		{"Messages", []panel{
			{"Outcomes per second", "", "cps", false, []line{{rate("outcome", c.Messages, ""), "{{outcome}}"}}},
			{"Delivered per second by topic", "", "cps", false, []line{{rate("topic", c.Messages, "", `outcome="delivered"`), "{{topic}}"}}},
			{"Refused per second by reason", "The producer did not take these messages.", "cps", false, []line{{rate("reason", c.Refused, ""), "{{reason}}"}}},
			{"Delivery time", "From taking a message to its delivery. on the wire: the last part, from writing the message to the broker's answer.", "s", false, []line{
				{quantile(0.5, "job", c.Delivery), "p50"},
				{quantile(0.99, "job", c.Delivery), "p99"},
				{mean("job", c.Delivery), "mean"},
				{quantile(0.99, "job", c.OnWire), "p99 on the wire"},
			}},
			{"Bytes per second", "Keys, values and headers, before compression.", "Bps", false, []line{{rate("topic", c.MessageBytes, ""), "{{topic}}"}}},
		}},
		{"Waiting", []panel{
			{"Messages in flight", "", "none", false, []line{{sum("client", c.InFlight), "{{client}}"}}},
			{"Bytes in flight", "", "bytes", false, []line{{sum("client", c.InFlightBytes), "{{client}}"}}},
			{"Oldest in flight", "How long a partition with messages in flight has had no outcome.", "s", false, []line{{fmt.Sprintf("max by (client) (%s)", of(c.Oldest, "")), "{{client}}"}}},
			{"Stuck partitions", "No outcome for 10 seconds.", "none", false, []line{{sum("client", c.Stuck), "{{client}}"}}},
		}},
		{"Transactions", []panel{
			{"Transactions per second", "", "cps", false, []line{{rate("result", c.Transactions, ""), "{{result}}"}}},
			{"Transaction time", "From the first message to the end.", "s", false, []line{{quantile(0.5, "client", c.Transaction), "{{client}} p50"}, {quantile(0.99, "client", c.Transaction), "{{client}} p99"}}},
			{"Commits in doubt", "Without an answer, and the results that were found later.", "cps", false, []line{
				{rate("client", c.Transactions, "", `result="in_doubt"`), "{{client}} in doubt"}, {rate("client", c.Resolved, ""), "{{client}} resolved"},
			}},
		}},
		{"Brokers", []panel{
			{"Connected", "Clients with a connection.", "none", false, []line{{sum("broker", c.BrokerConnected), "{{broker}}"}}},
			{"Unreachable", "Clients whose last attempt to connect failed.", "none", false, []line{{sum("broker", c.BrokerUnreachable), "{{broker}}"}}},
			{"Round trip, mean", "From writing a request to the answer.", "s", false, []line{{mean("broker", c.BrokerRoundTrip), "{{broker}}"}}},
			{"Round trip, 99th percentile", "Only librdkafka reports quantiles.", "s", false, []line{{fmt.Sprintf("max by (broker) (%s)", of(c.BrokerRoundTrip, "", `quantile="0.99"`)), "{{broker}}"}}},
			{"Requests per second", "", "reqps", false, []line{{rate("broker", c.BrokerRequests, ""), "{{broker}}"}}},
			{"Trouble per second", "Requests that failed, had no answer in time, or were repeated.", "cps", false, []line{
				{rate("broker", c.BrokerErrors, ""), "{{broker}} failed"}, {rate("broker", c.BrokerTimeouts, ""), "{{broker}} timed out"}, {rate("broker", c.BrokerRetries, ""), "{{broker}} repeated"},
			}},
			{"Requests that wait", "", "none", false, []line{{sum("broker", c.BrokerWaiting), "{{broker}} for the answer"}, {sum("broker", c.BrokerQueued), "{{broker}} to be written"}}},
			{"Throttled", "Share of the time for which a broker asked to wait.", "percentunit", false, []line{{rate("broker", c.BrokerThrottle, "_sum"), "{{broker}}"}}},
			{"Traffic", "", "Bps", false, []line{{rate("broker", c.BrokerSent, ""), "{{broker}} sent"}, {rate("broker", c.BrokerReceived, ""), "{{broker}} received"}}},
			{"Connections per second", "", "cps", false, []line{{rate("broker", c.BrokerConnects, ""), "{{broker}} opened"}, {rate("broker", c.BrokerDisconnects, ""), "{{broker}} ended"}}},
		}},
		{"Processors and sources", []panel{
			{"Processor lag", "Messages that the group has not committed.", "none", false, []line{{sum("client, topic", c.ProcessorLag), "{{client}} {{topic}}"}}},
			{"Messages handled per second", "", "cps", false, []line{{rate("result", c.ProcessorRecords, ""), "{{result}}"}}},
			{"Time to handle a message", "", "s", false, []line{{quantile(0.5, "client", c.ProcessorRecord), "{{client}} p50"}, {quantile(0.99, "client", c.ProcessorRecord), "{{client}} p99"}}},
			{"Batches per second", "", "cps", false, []line{{rate("result", c.ProcessorBatches, ""), "{{result}}"}}},
			{"Source lag", "Items that are not published yet.", "none", false, []line{{sum("client", c.SourceLag), "{{client}}"}}},
			{"Shards that stopped per second", "", "cps", false, []line{{rate("client", c.SourceStops, ""), "{{client}}"}}},
		}},
		{"Registry", []panel{
			{"Look-ups per second by origin", "memory and disk are caches.", "cps", false, []line{{rate("origin", c.RegistryLookups, ""), "{{origin}}"}}},
			{"Requests per second", "failed: the registry did not answer.", "reqps", false, []line{{rate("result", c.RegistryRequests, ""), "{{result}}"}}},
			{"Request time", "With all attempts.", "s", false, []line{{quantile(0.5, "client", c.RegistryRequest), "{{client}} p50"}, {quantile(0.99, "client", c.RegistryRequest), "{{client}} p99"}}},
			{"Look-ups that failed per second", "", "cps", false, []line{{rate("operation", c.RegistryErrors, ""), "{{operation}}"}}},
			{"Retries and failovers per second", "", "cps", false, []line{{rate("client", c.RegistryRetries, ""), "{{client}} retries"}, {rate("client", c.RegistryFailovers, ""), "{{client}} failovers"}}},
		}},
	}
}

// object is a JSON object.
type object = map[string]any

// dashboard writes the dashboard in Grafana's model.
func dashboard() ([]byte, error) {
	source := object{"type": "prometheus", "uid": "${datasource}"}
	var panels []object
	id, y := 0, 0
	for _, r := range rows() {
		id++
		panels = append(panels, object{"id": id, "type": "row", "title": r.title, "collapsed": false, "panels": []any{}, "gridPos": object{"x": 0, "y": y, "w": 24, "h": 1}})
		y++
		width, height := 8, 8
		if r.panels[0].stat {
			width, height = 24/len(r.panels), 4
		}
		x := 0
		for _, p := range r.panels {
			if x+width > 24 {
				x, y = 0, y+height
			}
			id++
			panels = append(panels, p.json(id, source, object{"x": x, "y": y, "w": width, "h": height}))
			x += width
		}
		y += height
	}
	variable := func(name string, m *c.Metric) object {
		return object{
			"name": name, "label": name, "type": "query", "datasource": source, "refresh": 2, "multi": true, "includeAll": true, "allValue": ".*",
			"current": object{"text": "All", "value": "$__all"},
			"query":   object{"query": fmt.Sprintf("label_values(%s, %s)", m.Name, name), "refId": name},
		}
	}
	board := object{
		"uid": "avroline", "title": "avroline", "tags": []string{"avroline", "kafka"}, "schemaVersion": 39, "version": 1, "editable": true,
		"description": "Generated by go generate ./producer/prom.",
		"refresh":     "30s", "time": object{"from": "now-1h", "to": "now"}, "timezone": "browser",
		"templating": object{"list": []object{
			{"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus", "current": object{}},
			variable("job", c.Ready), variable("instance", c.Ready), variable("client", c.Ready), variable("topic", c.Messages),
		}},
		"panels": panels,
	}
	text, err := json.MarshalIndent(board, "", "  ")
	return append(text, '\n'), err
}

func (p panel) json(id int, source, place object) object {
	kind, options := "timeseries", object{
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}
	custom := object{"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false}
	if p.stat {
		kind, custom = "stat", object{}
		options = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
	}
	var targets []object
	for i, l := range p.lines {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": l.expr, "legendFormat": l.legend, "range": true, "editorMode": "code"})
	}
	return object{
		"id": id, "type": kind, "title": p.title, "description": p.help, "datasource": source, "gridPos": place, "targets": targets, "options": options,
		"fieldConfig": object{"defaults": object{"unit": p.unit, "min": 0, "custom": custom}, "overrides": []any{}},
	}
}
