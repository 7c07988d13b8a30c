package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// report is the result of a run. The JSON names are a contract with the scripts
// that read the report.
type report struct {
	Lines      int64 `json:"lines"`
	Rejected   int64 `json:"rejected"`
	Delivered  int64 `json:"delivered"`
	NotSent    int64 `json:"not_sent"`
	Unknown    int64 `json:"unknown"`
	ReadBack   int64 `json:"read_back"`
	Lost       int64 `json:"lost"`
	Twice      int64 `json:"twice"`
	OutOfOrder int64 `json:"out_of_order"`
	// Contradicted counts events in the log that were reported as not sent.
	Contradicted int64 `json:"contradicted"`
	UnknownInLog int64 `json:"unknown_in_log"`
	// Remaining counts the lines that an interrupted or failed run leaves to
	// the next run (--resume).
	Remaining int64 `json:"remaining,omitempty"`

	Files       int    `json:"files"`
	RejectsFile string `json:"rejects_file,omitempty"`
	Send        string `json:"send"`
	Acks        string `json:"acks"`
	Interrupted bool   `json:"interrupted"`
	// Compared says that the topic was read to its end. Otherwise, ReadBack is
	// too small, and Lost is no loss.
	Compared bool `json:"compared"`

	Seconds         float64 `json:"seconds"`
	EventsPerSecond float64 `json:"events_per_second"`
	LatencyP50      float64 `json:"latency_p50_ms"`
	LatencyP99      float64 `json:"latency_p99_ms"`
	AvroBytes       float64 `json:"avro_bytes_per_event"`
	JSONBytes       float64 `json:"json_bytes_per_event"`

	Topic      string          `json:"topic"`
	Partitions map[int32]int64 `json:"partitions"`
	Subject    string          `json:"subject"`
	SchemaID   int             `json:"schema_id"`
	Version    int             `json:"schema_version"`
}

// balanced reports whether every line has an outcome, and the log has the same
// events.
func (r *report) balanced() bool {
	return r.Compared && r.Lines == r.Rejected+r.Delivered && r.ReadBack == r.Delivered &&
		r.NotSent == 0 && r.Unknown == 0 && r.Lost == 0 && r.Twice == 0 && r.OutOfOrder == 0 && r.Contradicted == 0
}

func (r *report) writeJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// writeText writes the report of a run. err is the error of the run, or nil.
func (r *report) writeText(out io.Writer, err error) error {
	w := new(bytes.Buffer)
	switch {
	case r.Interrupted:
		fmt.Fprint(w, "clickstream: interrupted; this is what was done\n\n")
	case err != nil:
		fmt.Fprint(w, "clickstream: failed; this is what was done\n\n")
	case r.balanced():
		fmt.Fprint(w, "clickstream: the accounts balance\n\n")
	default:
		fmt.Fprint(w, "clickstream: THE ACCOUNTS DO NOT BALANCE\n\n")
	}
	row := func(name, value, note string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-14s%12s   %s", name, value, note), " "))
	}
	n := func(name string, v int64, note string) { row(name, grouped(v), note) }
	n("lines", r.Lines, fmt.Sprintf("read from %d %s", r.Files, plural(r.Files, "file")))
	if r.RejectsFile != "" {
		n("rejected", r.Rejected, "each with its reason in "+r.RejectsFile)
	} else {
		n("rejected", r.Rejected, "")
	}
	n("delivered", r.Delivered, r.sent())
	if r.Remaining > 0 {
		n("remaining", r.Remaining, "for the next run with --resume")
	}
	if r.NotSent > 0 {
		n("not sent", r.NotSent, "in no log")
	}
	if r.Unknown > 0 {
		n("unknown", r.Unknown, fmt.Sprintf("of them %s in the log", grouped(r.UnknownInLog)))
	}
	if r.Compared {
		n("read back", r.ReadBack, "by another client, read_committed, to the end")
		n("lost", r.Lost, "")
	} else {
		n("read back", r.ReadBack, "by another client; the topic could not be read to its end")
	}
	n("twice", r.Twice, "")
	n("out of order", r.OutOfOrder, "per visitor")
	if r.Contradicted > 0 {
		n("contradicted", r.Contradicted, "reported as not sent, yet in the log")
	}
	fmt.Fprintln(w)
	row("events/s", grouped(int64(r.EventsPerSecond)), fmt.Sprintf("in %.1f s", r.Seconds))
	if r.LatencyP50 > 0 {
		row("latency", fmt.Sprintf("%.1f ms", r.LatencyP50), fmt.Sprintf("p50; p99 %.1f ms", r.LatencyP99))
	}
	if r.AvroBytes > 0 {
		row("bytes/event", fmt.Sprintf("%.0f", r.AvroBytes), fmt.Sprintf("as JSON %.0f, %.1f times as much", r.JSONBytes, r.JSONBytes/r.AvroBytes))
	}
	row("partitions", fmt.Sprint(len(r.Partitions)), r.spread())
	row("schema", fmt.Sprintf("id %d", r.SchemaID), fmt.Sprintf("version %d of %s", r.Version, r.Subject))
	_, err = out.Write(w.Bytes())
	return err
}

func (r *report) sent() string {
	switch {
	case r.Acks == "0":
		return "handed to the network: acks 0 promises no more"
	case r.Acks == "1":
		return "by " + r.Send + ", to the leader alone: idempotence is given up"
	default:
		return "by " + r.Send + ", acks all, idempotent"
	}
}

// spread lists the number of events in each partition. If there are many
// partitions, spread lists only the smallest and the largest number.
func (r *report) spread() string {
	var ids []int32
	for id := range r.Partitions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return ""
	}
	counts := make([]string, len(ids))
	low, high := r.Partitions[ids[0]], r.Partitions[ids[0]]
	for i, id := range ids {
		v := r.Partitions[id]
		low, high = min(low, v), max(high, v)
		counts[i] = grouped(v)
	}
	if len(ids) > 8 {
		return fmt.Sprintf("between %s and %s events each", grouped(low), grouped(high))
	}
	return "of " + strings.Join(counts, ", ") + " events"
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	digits := strings.TrimPrefix(s, "-")
	sign := s[:len(s)-len(digits)]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
