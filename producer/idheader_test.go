package producer_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// TestForeignSchemaIDHeaders checks that the producer removes a schema id
// header that was copied from a consumed message. The controls are the
// message's own header, and a header for a key that the caller framed.
func TestForeignSchemaIDHeaders(t *testing.T) {
	t.Parallel()
	foreign := []serde.Header{
		{Key: "__value_schema_id", Value: []byte("\x01foreign")},
		{Key: "kept", Value: []byte("x")},
		{Key: "__key_schema_id", Value: []byte("\x01foreign")},
		{Key: "apicurio.value.contentId", Value: make([]byte, 8)},
	}
	byText := producer.KeyBy(func(e *event) string { return "k" })
	byBytes := producer.KeyBytes(func(e *event, dst []byte) []byte { return append(dst, "framed"...) })
	byRecord := producer.KeyRecord(func(e *event) *secondRecord { return &secondRecord{} })
	inHeader := producer.WithValue(serde.IDInHeader())
	for name, c := range map[string]struct {
		key  producer.KeyFunc[*event]
		opts []producer.TopicOption
		want []string // header names, "own" for an own header
	}{
		"id in the prefix":      {byText, nil, []string{"kept"}},
		"a key record":          {byRecord, nil, []string{"kept"}},
		"a key of bytes":        {byBytes, nil, []string{"kept", "__key_schema_id"}},
		"id in the header":      {byText, []producer.TopicOption{inHeader}, []string{"own __value_schema_id", "kept"}},
		"headers by the record": {byText, []producer.TopicOption{producer.WithHeadersBy(func(_ *event, h []serde.Header) []serde.Header { return append(h, foreign...) })}, []string{"kept", "kept"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := brokers(t)
			topic := w.topic("events", 1)
			events := producer.NewTopic(topic, c.key, c.opts...)
			p := newProducer(t, w.addrs)
			if _, err := events.Send(waitCtx(t), p, producer.Message[*event]{Value: &event{Seq: 1}, Headers: foreign}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, h := range w.readAll(topic)[0].Headers {
				name := h.Key
				if len(h.Value) == 17 {
					name = "own " + name
				}
				got = append(got, name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
