package open

import (
	"context"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
)

func TestDetectProtocol(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		version *kversion.Versions
		want    transport.Protocol
	}{
		{"0.11", kversion.V0_11_0(), transport.ClassicProtocol}, // the broker does not know version 3 of ApiVersions
		{"2.8", kversion.V2_8_0(), transport.ClassicProtocol},
		{"3.9", kversion.V3_9_0(), transport.ClassicProtocol},
		{"4.0", kversion.V4_0_0(), transport.ConsumerProtocol},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(tc.version))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			c, err := settings.New(settings.ForProcessor, append([]string{"127.0.0.1:1"}, cluster.ListenAddrs()...), "id", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := DetectProtocol(t.Context(), c, nil); got != tc.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

// TestChooseProtocolWithoutAnswer asks a server that is no broker, and an
// address without an answer. Both must give the protocol that every broker
// supports.
func TestChooseProtocolWithoutAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	c, err := settings.New(settings.ForProcessor, []string{"127.0.0.1:1", l.Addr().String()}, "id", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ChooseProtocol(t.Context(), c); got != transport.ClassicProtocol || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ChooseProtocol(ctx, c); err == nil {
		t.Error("the context has ended, and there is no error")
	}
}
