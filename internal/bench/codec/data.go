package codec

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/avroline/avroline/internal/bench/codec/events"
	"github.com/avroline/avroline/serde/avrobin"
)

func clickData() *events.Click {
	return &events.Click{
		ID:   uuid.MustParse("0192f0c1-7a5e-7c3d-9b1a-5e2f4a6b8c0d"),
		At:   time.UnixMilli(1_790_000_000_123).UTC(),
		User: "visitor-204", URL: "https://shop.example.com/catalogue/boots?colour=brown&p=2a",
		Status: 200, Score: 0.7312, Mobile: true,
		Referrer: new("https://search.example.org/?q=boots+41"),
	}
}

func orderData() *events.Order {
	o := &events.Order{
		OrderID: uuid.MustParse("0192f0c1-7a5e-7c3d-9b1a-5e2f4a6b8c0e"),
		Created: time.UnixMicro(1_790_000_000_123_456).UTC(),
		Due:     avrobin.DateOf(time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)),
		Status:  events.OrderStatusPaid,
		Customer: events.Customer{
			ID: 918_273_645, Name: "Grace Hopper", Email: new("grace@example.com"),
			Address: events.Address{Street: "1 Compiler Street", City: "Arlington", Zip: "VA 22201", Country: "US"},
		},
		Attributes: map[string]string{"channel": "web", "campaign": "autumn-26", "locale": "en-US"},
		Payment:    &events.Card{Pan: "420000******0042", ExpMonth: 11, ExpYear: 2029},
		Note:       events.OrderNoteString{Value: "ring the bell twice"},
		Total:      decimal.New(1_234_567, -2),
	}
	for i := range 5 {
		x := events.LineItem{
			Sku: fmt.Sprintf("SKU-%06d", i*7919), Title: fmt.Sprintf("Walking boot, model %c", 'A'+i),
			Quantity: int32(i + 1), Price: decimal.New(int64(4999+i*1350), -2),
		}
		if i%2 == 0 {
			x.Discount = new(0.1)
		}
		o.Items = append(o.Items, x)
	}
	return o
}

func readingsData() *events.Readings {
	r := rand.New(rand.NewPCG(7, 7))
	v := &events.Readings{}
	for i := range 1000 {
		v.Points = append(v.Points, events.Point{
			ID: int64(i) * 1_000_003, Name: fmt.Sprintf("sensor-%04d", i), Value: r.Float64(), Flag: i%3 == 0,
		})
	}
	return v
}

func longsData() *events.Longs {
	r := rand.New(rand.NewPCG(9, 9))
	v := &events.Longs{}
	for range 1000 {
		v.Values = append(v.Values, int64(r.Uint64())>>r.IntN(62))
	}
	return v
}
