package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/registrytest"
)

// TestMain runs the program if the environment variable is set. So a test can
// start the program as a separate process, and kill the process.
func TestMain(m *testing.M) {
	if os.Getenv("AVROLINE_TEST_CLICKSTREAM") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// addresses returns the embedded servers of this process, or the real servers
// of the environment.
func addresses(t *testing.T) (brokers, registry string) {
	t.Helper()
	if brokers := os.Getenv("AVROLINE_TEST_BROKERS"); brokers != "" {
		return brokers, os.Getenv("AVROLINE_TEST_REGISTRY")
	}
	b := producertest.Start(t)
	return strings.Join(b.Addrs(), ","), registrytest.Start(t).URL
}

func program(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "AVROLINE_TEST_CLICKSTREAM=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	return cmd, &out, &errs
}

// TestResumeAfterKills kills the program at random moments and starts it again.
// Meanwhile the log grows and is rotated. At the end, every line is in the
// topic exactly once.
func TestResumeAfterKills(t *testing.T) {
	t.Parallel()
	brokers, registry := addresses(t)
	dir := t.TempDir()
	current, rotated := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	extend := func(lines int, seed uint64) {
		t.Helper()
		f, err := os.OpenFile(current, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := writeSample(f, lines, seed); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{
		"--brokers", brokers, "--registry", registry, "--topic", fmt.Sprintf("clicks-%d", time.Now().UnixNano()), "--partitions", "3",
		"--send", "transaction", "--resume", "--json", "--quiet", "--rejects", filepath.Join(dir, "rejects"), "--input", current,
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	kill := func() {
		t.Helper()
		cmd, _, errs := program(t, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		alarm := time.AfterFunc(time.Duration(100+rnd.IntN(600))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		defer alarm.Stop()
		if err := cmd.Wait(); err != nil && cmd.ProcessState.Exited() {
			t.Fatalf("%v\n%s", err, errs)
		}
	}
	extend(12_000, 1)
	kill()
	kill()
	extend(6_000, 2) // the log grows
	kill()
	if err := os.Rename(current, rotated); err != nil { // and is rotated
		t.Fatal(err)
	}
	args = append(args, "--input", rotated)
	extend(4_000, 3)
	kill()
	kill()

	cmd, out, errs := program(t, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("the last run: %v\n%s\n%s", err, out, errs)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if !r.balanced() || r.Lines != 22_000 || r.Rejected == 0 || r.Delivered != r.Lines-r.Rejected {
		t.Errorf("%+v", r)
	}

	// A run with nothing to do changes nothing.
	cmd, out, errs = program(t, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("a run with nothing to do: %v\n%s\n%s", err, out, errs)
	}
	var again report
	if err := json.Unmarshal(out.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	if again.ReadBack != r.ReadBack || !again.balanced() {
		t.Errorf("%+v", again)
	}

	// The control publishes the same files again without --resume. The account
	// of the next resumed run must show the additional events.
	var plain []string
	for _, a := range args {
		if a != "--resume" {
			plain = append(plain, a)
		}
	}
	cmd, out, errs = program(t, plain...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("without --resume: %v\n%s\n%s", err, out, errs)
	}
	cmd, out, _ = program(t, args...)
	if err := cmd.Run(); err == nil {
		t.Error("the events are in the topic twice, and the account balances")
	}
	var twice report
	if err := json.Unmarshal(out.Bytes(), &twice); err != nil {
		t.Fatal(err)
	}
	if twice.Twice != r.Delivered {
		t.Errorf("%d twice, want %d", twice.Twice, r.Delivered)
	}
}

// TestResumeWhileLogGrows appends lines to the log when the run has read the
// log, before the run makes the account. The next run publishes the lines.
func TestResumeWhileLogGrows(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t)
	log := filepath.Join(t.TempDir(), "log")
	extend := func(lines int, seed uint64) {
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			err = errors.Join(writeSample(f, lines, seed), f.Close())
		}
		if err != nil {
			t.Error(err)
		}
	}
	extend(300, 1)
	var late sync.Once
	b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1, When: func(kmsg.Request) bool {
		late.Do(func() { extend(100, 2) })
		return true
	}})
	o, err := parseOptions([]string{
		"--brokers", b.Addrs()[0], "--registry", registrytest.Start(t).URL, "--partitions", "3", "--send", "transaction", "--resume", "--quiet",
		"--rejects", filepath.Join(t.TempDir(), "rejects"), "--input", log,
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, lines := range []int64{300, 400} {
		r, err := run(t.Context(), o)
		if err != nil || !r.balanced() || r.Lines != lines || r.Lost != 0 {
			t.Errorf("want %d lines: %+v, %v", lines, r, err)
		}
	}
}

// TestResumeInsideField continues a file of CSV inside of a field, and after an
// aborted transaction again. The rest of the field is no event.
func TestResumeInsideField(t *testing.T) {
	t.Parallel()
	lines := []string{"at,ip,path,user_agent", "1,h,/a,ua", `1,h,/b,"ua`, "9,6.6.6.6,/forged,ua", `end"`, "1,h,/c,ua"}
	file := writeText(t, filepath.Join(t.TempDir(), "clicks.csv"), strings.Join(lines, "\n"))
	in, err := openInputs([]string{file}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := lineParser{in: in, format: "auto"}
	header := line{file: file, no: 1, text: []byte(lines[0])}
	got := ""
	for _, no := range []int64{4, 5, 6, 2, 3, 4, 2, 6} {
		_, reason, err := p.event(t.Context(), line{file: file, no: no, text: []byte(lines[no-1])}, header)
		if err != nil {
			t.Fatal(err)
		}
		if reason == nil {
			got += strconv.FormatInt(no, 10)
		}
	}
	if want := "6226"; got != want {
		t.Errorf("the events are in the lines %s, want %s", got, want)
	}
}

// TestResumeFails checks the report of a run that fails. No event is lost,
// because the next run publishes the missing events.
func TestResumeFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	event := `h - - [17/May/2015:10:05:0%d +0000] "GET / HTTP/1.0" 200 5` + "\n"
	first := writeText(t, filepath.Join(dir, "first.log"), fmt.Sprintf(event, 1)+fmt.Sprintf(event, 2)+"no event\n")
	second := writeText(t, filepath.Join(dir, "second.log"), fmt.Sprintf(event, 3))
	b := producertest.Start(t)
	args := []string{
		"--brokers", b.Addrs()[0], "--registry", registrytest.Start(t).URL, "--partitions", "3", "--send", "transaction", "--resume", "--quiet",
		"--rejects", filepath.Join(dir, "rejects"), "--input", first, "--input", second,
	}
	o, err := parseOptions(append(args, "--strict"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(t.Context(), o)
	if err == nil || r == nil || r.Lost != 0 || r.Remaining != 3 || r.Delivered != 0 {
		t.Errorf("%+v, %v", r, err)
	}

	// The second file is incomplete. The events of the first file are counted.
	packed := gzipped(t, strings.Repeat(fmt.Sprintf(event, 4), 500))
	writeText(t, second, packed[:len(packed)-9])
	o, err = parseOptions(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err = run(t.Context(), o)
	if err == nil || r == nil || r.Lost != 0 || r.Delivered < 2 || r.ReadBack != r.Delivered || r.Files != 2 {
		t.Errorf("%+v, %v", r, err)
	}

	// The second file is damaged. Its lines may be wrong, so they do not count.
	damaged := []byte(gzipped(t, strings.Repeat(fmt.Sprintf(event, 5), 500)))
	damaged[len(damaged)-6]++ // the checksum
	writeText(t, second, string(damaged))
	r, err = run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "is damaged") || r == nil || r.Lines != 3 || r.Delivered != 2 || r.Remaining != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
