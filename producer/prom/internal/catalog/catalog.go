// Package catalog lists the metrics of package prom. The collector, the
// dashboard, the alert rules and the table in the docs are made from the list.
package catalog

import "fmt"

// Metric describes a metric.
type Metric struct {
	Name   string
	Type   string // counter, gauge, histogram or summary
	Help   string
	Labels []string
}

// The types of metrics.
const (
	Counter   = "counter"
	Gauge     = "gauge"
	Histogram = "histogram"
	Summary   = "summary"
)

// The metrics. The first word of a name after avroline is the thing that the
// metric counts.
//
//nolint:gochecknoglobals // a table, never changed
var (
	Messages = add("messages_total", Counter,
		"Messages by outcome. In a transaction, delivered means that the message was written to the log, and aborted means that the write failed.", "topic", "outcome")
	Refused = add("messages_refused_total", Counter,
		"Messages that the producer refused before it took them.", "topic", "reason")
	MessageBytes = add("message_bytes_total", Counter,
		"Bytes of the keys, values and headers of the messages that the producer took.", "topic")
	Delivery = add("delivery_seconds", Histogram,
		"Time from taking a message to its delivery, for delivered messages.", "topic")
	OnWire = add("on_wire_seconds", Histogram,
		"Last part of the delivery time: from writing a message to the broker to its answer. The time before is the time in the buffer.", "topic")

	InFlight = add("in_flight_messages", Gauge,
		"Messages without an outcome.", "client")
	InFlightBytes = add("in_flight_bytes", Gauge,
		"Bytes of the keys, values and headers of the messages without an outcome.", "client")
	Oldest = add("oldest_in_flight_seconds", Gauge,
		"Longest time for which a partition with messages in flight has had no outcome.", "client")
	Stuck = add("stuck_partitions", Gauge,
		"Partitions that have messages in flight and had no outcome for 10 seconds.", "client")
	Ready = add("ready", Gauge,
		"1 if the client can publish as far as it knows, 0 if not.", "client")

	Transactions = add("transactions_total", Counter,
		"Transactions by result. A commit without an answer counts as in_doubt, and once more when its result is found.", "client", "result")
	Transaction = add("transaction_seconds", Histogram,
		"Time from the first message of a transaction to its commit or abort.", "client")
	Resolved = add("transactions_resolved_total", Counter,
		"Commits in doubt whose result was found.", "client")

	BrokerConnected = add("broker_connected", Gauge,
		"1 if the client has a connection to the broker, 0 if not. A client connects only to the brokers that it needs.", "client", "broker")
	BrokerUnreachable = add("broker_unreachable", Gauge,
		"1 if the last attempt to connect to the broker failed, 0 if not.", "client", "broker")
	BrokerRequests = add("broker_requests_total", Counter,
		"Requests sent to the broker.", "client", "broker")
	BrokerSent = add("broker_sent_bytes_total", Counter,
		"Bytes sent to the broker.", "client", "broker")
	BrokerReceived = add("broker_received_bytes_total", Counter,
		"Bytes received from the broker.", "client", "broker")
	BrokerErrors = add("broker_errors_total", Counter,
		"Requests that failed on the connection to the broker.", "client", "broker")
	BrokerTimeouts = add("broker_timeouts_total", Counter,
		"Requests that the broker did not answer in time.", "client", "broker")
	BrokerRetries = add("broker_retries_total", Counter,
		"Requests that were sent to the broker again.", "client", "broker")
	BrokerConnects = add("broker_connects_total", Counter,
		"Connections opened to the broker.", "client", "broker")
	BrokerDisconnects = add("broker_disconnects_total", Counter,
		"Connections to the broker that ended.", "client", "broker")
	BrokerQueued = add("broker_queued_requests", Gauge,
		"Requests that wait to be written to the broker.", "client", "broker")
	BrokerWaiting = add("broker_waiting_requests", Gauge,
		"Requests that wait for the broker's answer.", "client", "broker")
	BrokerRoundTrip = add("broker_round_trip_seconds", Summary,
		"Time from writing a request to the broker's answer. The quantiles describe the last interval of the statistics.", "client", "broker")
	BrokerThrottle = add("broker_throttle_seconds", Summary,
		"Delay that the broker asked for because of a quota.", "client", "broker")

	ProcessorLag = add("processor_lag_messages", Gauge,
		"Messages that the group has not committed, in the partitions of this processor. Known about every 10 seconds.", "client", "topic")
	ProcessorRecords = add("processor_records_total", Counter,
		"Messages that a processor handled, by result: ok, bad (given to the bad handler) or failed (ended the batch).", "client", "result")
	ProcessorRecord = add("processor_record_seconds", Histogram,
		"Time to handle a message of a processor, without the commit.", "client")
	ProcessorBatches = add("processor_batches_total", Counter,
		"Batches of a processor by result: committed or failed. A failed batch runs again, or ends the processor.", "client", "result")
	SourceLag = add("source_lag_items", Gauge,
		"Items of a source or relay that are not published yet, if the input knows.", "client")
	SourceStops = add("source_shard_stops_total", Counter,
		"Shards of a source or relay that stopped with an error. A stopped shard starts again.", "client")

	RegistryLookups = add("registry_lookups_total", Counter,
		"Look-ups by where the answer came from: memory, disk (the disk cache) or registry.", "client", "operation", "origin")
	RegistryErrors = add("registry_lookup_errors_total", Counter,
		"Look-ups that ended with an error.", "client", "operation")
	RegistryRequests = add("registry_requests_total", Counter,
		"Requests to the registry by result: ok, refused (an answer that is an error) or failed (no answer, or a status of 500 and above). All attempts of a request count once.", "client", "result")
	RegistryRequest = add("registry_request_seconds", Histogram,
		"Time of a request to the registry with all its attempts.", "client")
	RegistryRetries = add("registry_retries_total", Counter,
		"Attempts after the first attempt of a request.", "client")
	RegistryFailovers = add("registry_failovers_total", Counter,
		"Further URLs that requests needed.", "client")
)

// all is the list, in the order of the definitions.
var all []*Metric //nolint:gochecknoglobals // filled by the definitions above

func add(name, kind, help string, labels ...string) *Metric {
	m := &Metric{Name: "avroline_" + name, Type: kind, Help: help, Labels: labels}
	all = append(all, m)
	return m
}

// All returns every metric, in the order of the table in the docs.
func All() []*Metric { return append([]*Metric(nil), all...) }

// Find returns a metric by its name without "avroline_".
func Find(name string) (*Metric, error) {
	for _, m := range all {
		if m.Name == "avroline_"+name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no metric avroline_%s", name)
}
