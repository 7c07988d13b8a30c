package main

import (
	"errors"
	"net/http"
	"sync"

	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry/registrytest"
)

// embedded is a broker and a registry in this process. A person can try the
// service without other servers, and the tests use embedded. A copy of this
// example for production does not need this file.
type embedded struct {
	broker   *producertest.Broker
	registry *registrytest.Server

	mu      sync.Mutex
	restart func() // nil while the broker runs
}

func startEmbedded() (*embedded, error) {
	broker, err := producertest.NewBroker()
	if err != nil {
		return nil, err
	}
	server, err := registrytest.NewServer()
	if err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	return &embedded{broker: broker, registry: server}, nil
}

// control stops and starts the brokers, so that a person can watch the service
// during an outage.
func (e *embedded) control(w http.ResponseWriter, r *http.Request) {
	switch r.PathValue("do") {
	case "stop":
		e.stop()
	case "start":
		e.start()
	default:
		problem(w, http.StatusNotFound, "stop or start")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (e *embedded) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.restart == nil {
		e.restart = e.broker.Stop()
	}
}

func (e *embedded) start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.restart != nil {
		e.restart()
		e.restart = nil
	}
}

func (e *embedded) close() {
	e.start()
	_ = e.broker.Close()
	_ = e.registry.Close()
}
