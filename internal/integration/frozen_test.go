//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/verify"
	"github.com/avroline/avroline/internal/workload"
)

// frozenRun is an environment variable. If the variable is set, the test binary
// is a producer of [TestFaultsFrozen]. The value lists the topic and then the
// brokers.
const frozenRun = "AVROLINE_FROZEN_RUN"

// TestFaultsFrozen freezes the process of a producer with SIGSTOP for 20 s. The
// leaders move in the meantime. The process notices no gap in time. The brokers
// may close the connections of the process. With librdkafka, a gap in the
// sequence numbers may end the client, and leave outcomes unknown.
func TestFaultsFrozen(t *testing.T) {
	if !*whole {
		t.Skip("part of the whole matrix: -whole")
	}
	s := &stage{t: t, c: cluster(t), topic: topic(t, 6, nil)}
	args := []string{"-test.run", "^TestFrozenChild$", fmt.Sprintf("-franz=%t", *franz), fmt.Sprintf("-seed=%d", *seed)}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), frozenRun+"="+strings.Join(append([]string{s.topic}, s.c.Addrs()...), ","))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	freezes := 0
	for range 2 {
		pause(t.Context(), 3*time.Second)
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Error(err)
			continue
		}
		pause(t.Context(), 10*time.Second)
		if err := s.c.MoveLeaders(t.Context(), s.topic); err != nil {
			t.Error(err)
		}
		pause(t.Context(), 10*time.Second)
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
			continue
		}
		freezes++
	}
	err := cmd.Wait()
	_, line, found := strings.Cut(out.String(), "RESULT ")
	if err != nil || !found {
		t.Fatalf("the producer: %v\n%s", err, out.String())
	}
	var r frozenResult
	if err := json.NewDecoder(strings.NewReader(line)).Decode(&r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	result := &workload.Result{Report: &r.Report}
	fault{name: "the producer frozen twice for 20 s"}.record(t, result, time.Since(began))
	if freezes != 2 || r.Wrong != "" || r.GaveUp != "" || r.Seconds < 40 {
		t.Errorf("%d freezes, wrong %q, %q, %.0f s", freezes, r.Wrong, r.GaveUp, r.Seconds)
	}
}

// frozenResult is the report of the frozen process.
type frozenResult struct {
	verify.Report
	Wrong   string // the verifier's finding
	GaveUp  string // see [gaveUp]
	Seconds float64
}

// TestFrozenChild is the body of the process that TestFaultsFrozen freezes.
func TestFrozenChild(t *testing.T) {
	topic, brokers, ok := strings.Cut(os.Getenv(frozenRun), ",")
	if !ok {
		t.Skip("TestFaultsFrozen runs it in a process of its own")
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	run := workload.Run{
		Brokers: strings.Split(brokers, ","), Topic: topic, Name: topic, Seed: *seed,
		Messages: 200_000, Rate: 5_000, Pad: 100, Options: chosen(), CloseWithin: 2 * time.Minute,
	}
	r, err := run.Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	result := frozenResult{Report: *r.Report, GaveUp: gaveUp(r, !*franz), Seconds: time.Since(began).Seconds()}
	if err := r.Err(); err != nil {
		result.Wrong = err.Error()
	}
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("RESULT %s\n", text)
}
