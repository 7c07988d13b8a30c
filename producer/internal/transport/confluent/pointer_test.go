//go:build cgo

package confluent

import (
	"testing"

	"github.com/avroline/avroline/producer/internal/settings"
	"github.com/avroline/avroline/producer/internal/transport"
	"github.com/avroline/avroline/producer/producertest"
)

// TestBytesForLibraryAreOnHeap gives an array of a function to C. The compiler
// must allocate the array, because a goroutine's stack may move during the
// call.
func TestBytesForLibraryAreOnHeap(t *testing.T) { //nolint:paralleltest // it counts the allocations of the whole process
	b := producertest.Start(t, producertest.WithTopic("events", 1))
	config, err := settings.New(settings.ForProducer, b.Addrs(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := open(config, config.BatchBytes, ignoringHandler{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if !k.plugin {
		t.Fatal("the client has no plugin")
	}
	handle, err := k.hub.topic("events")
	if err != nil {
		t.Fatal(err)
	}
	defer handle.free()
	// The closures call produce directly, because an indirect call would keep
	// the array off the stack anyway.
	for name, produce := range map[string]func(){
		"key": func() {
			var array [64]byte
			handle.produce(0, &transport.Message{Key: array[:]}, 0)
		},
		"value": func() {
			var array [64]byte
			handle.produce(0, &transport.Message{Value: array[:]}, 0)
		},
	} {
		if allocations := testing.AllocsPerRun(1000, produce); allocations < 1 {
			t.Errorf("the bytes of a %s are on the stack", name)
		}
	}
}
