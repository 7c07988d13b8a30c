//go:build cgo

package confluent

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// almostLeastResume is a little less than the timeout of a call that resumes an
// earlier call, because a test machine may be slow.
const almostLeastResume = leastResume - 50*time.Millisecond

// ignoringHandler is a handler that ignores every report.
type ignoringHandler struct{}

func (ignoringHandler) Outcomes([]transport.Outcome)            {}
func (ignoringHandler) Trouble(*transport.Error)                {}
func (ignoringHandler) Refused(string, int32, *transport.Error) {}
func (ignoringHandler) Fatal(*transport.Error)                  {}

// TestResumedCallHasEnoughTime checks that a blocking call that resumes an
// earlier call has enough time, no matter when the context ends.
func TestResumedCallHasEnoughTime(t *testing.T) {
	t.Parallel()
	b := producertest.Start(t)
	never := b.DelayAnswers(time.Hour, producertest.InitProducerID)
	defer never.Stop()
	c, err := settings.New(settings.ForTransactional, b.Addrs(), "taken-up", nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := open(c, c.BatchBytes, ignoringHandler{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, beyond := range []time.Duration{-time.Second, -950 * time.Millisecond, 0, time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 1100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second+beyond)
		var slices []time.Duration
		begun := time.Now()
		err := client.call(ctx, func(slice context.Context) error {
			end, _ := slice.Deadline()
			slices = append(slices, end.Sub(begun))
			<-slice.Done()
			begun = end
			return client.kafka.InitTransactions(slice)
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v beyond a second: %v", beyond, err)
		}
		for i, slice := range slices {
			if i > 0 && slice < almostLeastResume {
				t.Errorf("%v beyond a second: call %d got %v", beyond, i, slice)
			}
		}
		if beyond >= 300*time.Millisecond && len(slices) == 1 {
			t.Errorf("%v beyond a second: one call of %v, which would not hear of a cancelled context", beyond, slices)
		}
	}
}

const resumeEnv = "AVROLINE_TEST_RESUME"

// TestControlShortResume shows the fault that [TestResumedCallHasEnoughTime]
// prevents. If a call resumes a commit with a timeout of zero, the commit's
// answer ends the process. If this test fails, librdkafka has fixed the fault,
// and leastResume is unnecessary.
func TestControlShortResume(t *testing.T) {
	if os.Getenv(resumeEnv) != "" {
		shortResume(t)
		return
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestControlShortResume$", "-test.v")
	cmd.Env = append(os.Environ(), resumeEnv+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGABRT || !strings.Contains(string(out), "rd_kafka_txn_set_state") {
		t.Errorf("the process ended with %v: %s", err, out)
	}
}

func shortResume(t *testing.T) {
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": b.Addrs()[0], "transactional.id": "short"})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range p.Events() { // the events must be read, or the commit does not go on
		}
	}()
	topic := "events"
	for _, step := range []func() error{
		func() error { return p.InitTransactions(t.Context()) },
		p.BeginTransaction,
		func() error {
			return p.Produce(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic}, Value: []byte("v")}, nil)
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	slow := b.DelayAnswers(3*time.Second, producertest.EndTxn)
	defer slow.Stop()
	for slow.Hits() == 0 { // until the commit is in flight
		short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := p.CommitTransaction(short)
		cancel()
		if err == nil {
			t.Fatal("the commit was not slow")
		}
	}
	past, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	for { // until the client has forgotten the commit; before, the client refuses to abort
		err := p.CommitTransaction(past)
		var kerr kafka.Error
		if !errors.As(err, &kerr) || kerr.Code() != kafka.ErrTimedOut {
			t.Fatalf("the commit taken up: %v", err)
		}
		if err = p.AbortTransaction(past); !errors.As(err, &kerr) || kerr.Code() != kafka.ErrConflict {
			t.Logf("forgotten: %v", err)
			break
		}
	}
	<-time.After(10 * time.Second) // time for the answer
}
