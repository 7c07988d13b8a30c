package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
)

//go:embed page.html
var page []byte

// routes returns the HTTP handler. inside is nil if the service uses real
// brokers.
func (s *service) routes(inside *embedded) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", s.traces.handler(http.HandlerFunc(s.placeOrder)))
	mux.Handle("DELETE /orders/{id}", s.traces.handler(http.HandlerFunc(s.cancelOrder)))

	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}))
	mux.Handle("GET /ready", s.health.Ready())
	mux.Handle("GET /live", s.health.Live())

	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /figures", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, struct {
			Figures  []second `json:"figures"`
			Health   any      `json:"health"`
			Embedded bool     `json:"embedded"`
		}{s.figures.all(), s.health.Report(), inside != nil})
	})
	if inside != nil {
		mux.HandleFunc("POST /brokers/{do}", inside.control)
	}
	return mux
}

// order is the body of POST /orders.
type order struct {
	Customer   string  `json:"customer"`
	TotalCents int64   `json:"total_cents"`
	Channel    *string `json:"channel"`
}

// placed is the answer to a published event.
type placed struct {
	OrderID   uuid.UUID `json:"order_id"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
}

// publishWait limits the time that a request waits for the delivery of its
// event.
const publishWait = 5 * time.Second

func (s *service) placeOrder(w http.ResponseWriter, r *http.Request) {
	var o order
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	in.DisallowUnknownFields()
	if err := in.Decode(&o); err != nil {
		problem(w, http.StatusBadRequest, "the body is not an order: "+err.Error())
		return
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		problem(w, http.StatusBadRequest, "the body is not an order: there is text after the object")
		return
	}
	if o.Customer == "" || o.TotalCents <= 0 {
		problem(w, http.StatusBadRequest, "an order needs a customer and total_cents of at least 1")
		return
	}
	e := &orders.OrderCreated{OrderID: uuid.New(), Customer: o.Customer, TotalCents: o.TotalCents, Channel: o.Channel, At: time.Now()}
	ctx, cancel := context.WithTimeout(r.Context(), publishWait)
	defer cancel()
	d, err := s.created.Publish(ctx, s.orders, e)
	s.answerPublish(ctx, w, http.StatusCreated, e.OrderID, d, err)
}

func (s *service) cancelOrder(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		problem(w, http.StatusBadRequest, "the id is not a UUID")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), publishWait)
	defer cancel()
	d, err := s.canceled.Publish(ctx, s.orders, &orders.OrderCancelled{OrderID: id, Reason: r.URL.Query().Get("reason")})
	s.answerPublish(ctx, w, http.StatusOK, id, d, err)
}

// answerPublish turns the outcome of an event into an HTTP answer.
//
//   - Delivered means that the event is in the log, once.
//   - Not sent means that the event is in no log. The client may try again,
//     unless the cause is the content of the request.
//   - Unknown means that the event is in the log at most once. The client
//     must not simply try again, because a second try has a new order id.
func (s *service) answerPublish(ctx context.Context, w http.ResponseWriter, ok int, id uuid.UUID, d producer.Delivery, err error) {
	switch {
	case err == nil:
		answer(w, ok, placed{id, d.Topic, d.Partition, d.Offset})
	case errors.Is(err, producer.ErrOutcomeUnknown):
		s.log.WarnContext(ctx, "order_unknown", "order", id, "err", err)
		problem(w, http.StatusAccepted, "the order may be placed, ask for it later: "+id.String())
	case isContent(producer.ReasonOf(err)):
		s.log.InfoContext(ctx, "order_not_valid", "order", id, "err", err)
		problem(w, http.StatusBadRequest, "the request cannot be published: it is too large, or has text that is not UTF-8")
	default:
		s.log.WarnContext(ctx, "order_refused", "order", id, "err", err)
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusServiceUnavailable, "the order is not placed, try again")
	}
}

// isContent reports whether a message failed because of its content. The same
// message would fail again.
func isContent(r producer.Reason) bool {
	return r == producer.ReasonEncode || r == producer.ReasonTooLarge
}

func problem(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"problem": text})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
