package main

import (
	"fmt"
	"strconv"
	"strings"

	c "github.com/avroline/avroline/producer/prom/internal/catalog"
)

// alert is one alert rule.
type alert struct {
	name     string
	expr     string
	wait     string // the time that the expression must be true
	severity string // "critical" (act at once) or "warning" (look soon)
	meaning  string // one sentence for the summary and the docs
	do       string
	shows    string // the value in the description, a template of Prometheus
}

// alerts returns the rules. Each rule reports one kind of trouble.
func alerts() []alert {
	return []alert{
		{
			"AvrolineNotReady", c.Ready.Name + " == 0", "1m", "critical",
			"A client cannot publish.",
			"Ask the readiness page or the log for the reason. The messages wait, and none is lost.",
			"Client {{ $labels.client }} of {{ $labels.instance }} is not ready.",
		},
		{
			"AvrolineBrokerUnreachable", c.BrokerUnreachable.Name + " == 1", "2m", "warning",
			"A client cannot connect to one broker.",
			"Look after the broker and the way to it. The partitions of other brokers go on.",
			"Client {{ $labels.client }} cannot connect to {{ $labels.broker }}.",
		},
		{
			"AvrolineDeliverySlow", fmt.Sprintf("(histogram_quantile(0.99, sum by (job, topic, le) (rate(%[1]s_bucket[5m]))) or histogram_quantile(0.99, sum by (job, topic) (rate(%[1]s[5m])))) > 5", c.Delivery.Name), "5m", "warning",
			"One delivery of 100 takes longer than 5 seconds.",
			"Compare with the round trip of the brokers. A full buffer, a slow disk or a quota are common reasons.",
			"The 99th percentile of topic {{ $labels.topic }} is {{ $value | humanizeDuration }}.",
		},
		{
			"AvrolineDeliveryStalled", c.Oldest.Name + " > 30", "1m", "critical",
			"A partition has had no delivery for 30 seconds, although messages wait.",
			"Look for a partition without leader or with too few replicas in sync. The health names the partition.",
			"Client {{ $labels.client }} waits since {{ $value | humanizeDuration }}.",
		},
		{
			"AvrolinePartitionStuck", c.Stuck.Name + " > 0", "2m", "warning",
			"Partitions do not move, and other partitions of the client may.",
			"Look after the leaders of the partitions that the health names.",
			"{{ $value }} partitions of client {{ $labels.client }} do not move.",
		},
		{
			"AvrolineOutcomeUnknown", grew(c.Messages.Name + `{outcome="unknown"}`), "0m", "critical",
			"Nobody can know whether some messages are in the log.",
			"Compare these messages with the topic, or send them again if the readers drop duplicates. docs/producer.md tells more.",
			"{{ $value | printf \"%.0f\" }} messages of topic {{ $labels.topic }} have an unknown outcome.",
		},
		{
			"AvrolineNotSent", grew(c.Messages.Name + `{outcome="not_sent"}`), "0m", "warning",
			"Accepted messages are in no log.",
			"The outcome of each message has the reason. The program decides whether to send them again.",
			"{{ $value | printf \"%.0f\" }} messages of topic {{ $labels.topic }} were not sent.",
		},
		{
			"AvrolineRefused", fmt.Sprintf("sum by (job, topic, reason) (rate(%s{reason!~\"context|closed\"}[5m])) > 0", c.Refused.Name), "5m", "warning",
			"The producer refuses messages.",
			"The label reason says why. registry: look after the registry. buffer_full: the brokers are too slow or away.",
			"Topic {{ $labels.topic }} refuses {{ $value | printf \"%.2g\" }} messages a second: {{ $labels.reason }}.",
		},
		{
			"AvrolineTransactionsAborted", fmt.Sprintf("sum by (job, client) (rate(%[1]s{result=\"aborted\"}[10m])) / sum by (job, client) (rate(%[1]s{result=~\"committed|aborted\"}[10m])) > 0.2", c.Transactions.Name), "10m", "warning",
			"More than a fifth of the transactions abort.",
			"The log has the reasons, as transaction_again.",
			"{{ $value | humanizePercentage }} of the transactions of client {{ $labels.client }} abort.",
		},
		{
			"AvrolineTransactionsInDoubt", fmt.Sprintf("sum by (job, client) (increase(%s{result=\"in_doubt\"}[15m])) - sum by (job, client) (increase(%s[15m])) > 0.5", c.Transactions.Name, c.Resolved.Name), "5m", "critical",
			"The result of a commit is still not known.",
			"Look after the transaction coordinator. A program without a resolver must compare with the topic.",
			"Client {{ $labels.client }} has commits in doubt.",
		},
		{
			"AvrolineThrottled", fmt.Sprintf("sum by (job, client, broker) (rate(%s_sum[5m])) > 0.1", c.BrokerThrottle.Name), "10m", "warning",
			"A broker slows a client down, because the client exceeds a quota.",
			"Raise the quota, or publish less.",
			"{{ $labels.broker }} delays client {{ $labels.client }} by {{ $value | humanizePercentage }} of the time.",
		},
		{
			"AvrolineRequestsFail", fmt.Sprintf("sum by (job, client, broker) (rate(%s[5m]) + rate(%s[5m])) > 0.1", c.BrokerTimeouts.Name, c.BrokerErrors.Name), "5m", "warning",
			"Requests to a broker fail or time out again and again.",
			"Look after the broker and the network. The client repeats the requests, and no message is lost.",
			"{{ $value | printf \"%.2g\" }} requests a second of client {{ $labels.client }} to {{ $labels.broker }} fail.",
		},
		{
			"AvrolineLagGrows", fmt.Sprintf("(deriv(%[1]s[10m]) > 0 and %[1]s > 1000) or (deriv(%[2]s[10m]) > 0 and %[2]s > 1000)", c.ProcessorLag.Name, c.SourceLag.Name), "15m", "warning",
			"A processor, source or relay falls behind its input.",
			"Start more instances if there are partitions or shards left. Look for slow functions, failed batches and slow deliveries.",
			"The lag of client {{ $labels.client }} is {{ $value | humanize }} more each second, and it has grown for 15 minutes.",
		},
		{
			"AvrolineRegistryAway", fmt.Sprintf("sum by (job, instance, client) (increase(%[1]s{result=\"failed\"}[5m])) > 0 unless sum by (job, instance, client) (increase(%[1]s{result!=\"failed\"}[5m])) > 0", c.RegistryRequests.Name), "2m", "critical",
			"The registry does not answer.",
			"Look after the registry. Known schemas go on. A program that starts, or that needs a new schema, waits or refuses.",
			"Client {{ $labels.client }} of {{ $labels.instance }} gets no answer of the registry.",
		},
	}
}

// grew returns the growth of a counter in 10 minutes, if there is any. increase
// does not see the first sample of a series. For example, the first message of
// a topic fails, and the series begins with 1. So a series that is new counts
// with its value. A series that was only not scraped for a time is not new.
func grew(counter string) string {
	return fmt.Sprintf("increase(%[1]s[10m]) > 0 or (%[1]s > 0 unless last_over_time(%[1]s[1h] offset 10m))", counter)
}

// alertRules writes the rules as a Prometheus rules file.
func alertRules() []byte {
	var b strings.Builder
	b.WriteString("# Code generated by go generate ./producer/prom. DO NOT EDIT.\ngroups:\n  - name: avroline\n    rules:\n")
	for _, a := range alerts() {
		fmt.Fprintf(&b, "      - alert: %s\n        expr: %s\n", a.name, strconv.Quote(a.expr))
		if a.wait != "0m" {
			fmt.Fprintf(&b, "        for: %s\n", a.wait)
		}
		fmt.Fprintf(&b, "        labels:\n          severity: %s\n        annotations:\n          summary: %s\n          description: %s\n          action: %s\n",
			a.severity, strconv.Quote(a.meaning), strconv.Quote(a.shows), strconv.Quote(a.do))
	}
	return []byte(b.String())
}
