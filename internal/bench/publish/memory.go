package main

import (
	"fmt"
	"os"
	"strings"
)

// memory publishes with callbacks and prints the memory of the process,
// including the C heap, during the run.
func memory(addrs []string) {
	r := startOurs(true, none)(addrs)
	for i := range *count {
		if i%(*count/10) == 0 {
			fmt.Printf("%9d messages: %s\n", i, resident())
		}
		r.send(i)
	}
	r.wait(*count)
	r.stop()
	fmt.Printf("%9d messages: %s (closed)\n", *count, resident())
}

func resident() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(status)) {
		if rss, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(rss)
		}
	}
	return "unknown"
}
