package codec

import (
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/bench/codec/events"
)

// These are the types for the other libraries. Each library is fastest with its
// type, and the library's own generator would write the same type. Ids are
// text, so these libraries format no uuid.

type peerClick struct {
	ID       string    `avro:"id"`
	At       time.Time `avro:"at"`
	User     string    `avro:"user"`
	URL      string    `avro:"url"`
	Status   int32     `avro:"status"`
	Score    float64   `avro:"score"`
	Mobile   bool      `avro:"mobile"`
	Referrer *string   `avro:"referrer"`
}

// peerUUIDClick has the id as a uuid, like avroline's type.
type peerUUIDClick struct {
	ID       uuid.UUID `avro:"id"`
	At       time.Time `avro:"at"`
	User     string    `avro:"user"`
	URL      string    `avro:"url"`
	Status   int32     `avro:"status"`
	Score    float64   `avro:"score"`
	Mobile   bool      `avro:"mobile"`
	Referrer *string   `avro:"referrer"`
}

type peerOrder struct {
	OrderID    string            `avro:"order_id"`
	Created    time.Time         `avro:"created"`
	Due        time.Time         `avro:"due"`
	Status     string            `avro:"status"`
	Customer   events.Customer   `avro:"customer"`
	Items      []peerItem        `avro:"items"`
	Attributes map[string]string `avro:"attributes"`
	Payment    any               `avro:"payment"`
	Note       any               `avro:"note"`
	Total      *big.Rat          `avro:"total"`
}

type peerItem struct {
	Sku      string   `avro:"sku"`
	Title    string   `avro:"title"`
	Quantity int32    `avro:"quantity"`
	Price    *big.Rat `avro:"price"`
	Discount *float64 `avro:"discount"`
}

func peerClickOf(v *events.Click) *peerClick {
	return &peerClick{
		ID: v.ID.String(), At: v.At, User: v.User, URL: v.URL,
		Status: v.Status, Score: v.Score, Mobile: v.Mobile, Referrer: v.Referrer,
	}
}

func peerOrderOf(v *events.Order) *peerOrder {
	o := &peerOrder{
		OrderID: v.OrderID.String(), Created: v.Created, Due: v.Due.Time(), Status: v.Status.String(),
		Customer: v.Customer, Attributes: v.Attributes,
		Payment: *v.Payment.(*events.Card), Note: v.Note.(events.OrderNoteString).Value, Total: v.Total.Rat(),
	}
	for _, x := range v.Items {
		o.Items = append(o.Items, peerItem{x.Sku, x.Title, x.Quantity, x.Price.Rat(), x.Discount})
	}
	return o
}
