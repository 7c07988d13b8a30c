//go:build integration

package integration

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/internal/logread"
	"github.com/avroline/avroline/internal/otherclients"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/serde"
)

var codecs = []producer.Compression{producer.NoCompression, producer.Gzip, producer.Snappy, producer.LZ4, producer.Zstd}

// compressions maps a codec to its number in Kafka's record batch.
var compressions = map[producer.Compression]uint8{producer.NoCompression: 0, producer.Gzip: 1, producer.Snappy: 2, producer.LZ4: 3, producer.Zstd: 4}

func install(t *testing.T, f func(context.Context) (*otherclients.Client, error)) *otherclients.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c, err := f(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPartitionerAgreesWithJava checks that our partitioner and Java's default
// partitioner choose the same partitions.
func TestPartitionerAgreesWithJava(t *testing.T) {
	java := install(t, otherclients.Java)
	rnd := rand.New(rand.NewPCG(*seed, 1))
	keys := make([]string, 10_000)
	for i := range keys {
		key := make([]byte, rnd.IntN(64))
		for j := range key {
			key[j] = byte(rnd.Uint32())
		}
		keys[i] = hex.EncodeToString(key)
	}
	for _, count := range []int32{1, 6, 97} {
		lines, err := java.Run(t.Context(), keys, "partition", strconv.Itoa(int(count)))
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) != len(keys) {
			t.Fatalf("Java answered %d of %d keys", len(lines), len(keys))
		}
		ours := producer.Murmur2()
		for i, l := range lines {
			key, _ := hex.DecodeString(keys[i])
			if got := ours(key, count); strconv.Itoa(int(got)) != l {
				t.Fatalf("key %s of %d partitions: ours %d, Java's %s", keys[i], count, got, l)
			}
		}
	}
}

func click(n int) *clicks.ClickEvent {
	e := clicks.NewClickEvent()
	e.EventID = uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n))
	e.At = time.UnixMilli(1_760_000_000_000 + int64(n)).UTC()
	e.Visitor, e.IP = fmt.Sprintf("v-%d", n%7), "2001:db8::1"
	e.Method, e.Path, e.Protocol, e.Status = "GET", "/caf\u00e9/\U0001f600", "HTTP/1.1", 200
	if n%2 == 0 {
		agent, size := `a "quoted" agent`, int64(n)<<20
		e.UserAgent, e.Bytes = &agent, &size
	}
	e.SourceFile, e.SourceLine = "access.log", int64(n)
	return &e
}

func clients(t *testing.T) (*registry.Client, *serde.Serializer) {
	t.Helper()
	reg, err := registry.New([]string{schemas(t).URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	ser, err := serde.NewSerializer(reg)
	if err != nil {
		t.Fatal(err)
	}
	return reg, ser
}

func clickTopic(name string) *producer.Topic[*clicks.ClickEvent] {
	return producer.NewTopic(name, producer.KeyBy(func(e *clicks.ClickEvent) string { return e.Visitor }))
}

const events = 60

// publish writes the events. If transactional is true, publish aborts every
// second transaction.
func publish(t *testing.T, name string, codec producer.Compression, transactional bool) {
	t.Helper()
	_, ser := clients(t)
	clicksTopic := clickTopic(name)
	if !transactional {
		p, err := producer.New(cluster(t).Addrs(), ser, producer.WithCompression(codec))
		if err != nil {
			t.Fatal(err)
		}
		batch := make([]*clicks.ClickEvent, events)
		for i := range batch {
			batch[i] = click(i)
		}
		if _, err := clicksTopic.PublishAll(t.Context(), p, batch); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	tp, err := producer.NewTransactional(cluster(t).Addrs(), "tx-"+name, ser, producer.WithCompression(codec))
	if err != nil {
		t.Fatal(err)
	}
	give := fmt.Errorf("thrown away")
	for n := 0; n < events; {
		abort := n%20 == 10 && !t.Failed()
		err := tp.InTx(t.Context(), func(tx *producer.Tx) error {
			for i := range 10 {
				e := click(n + i)
				if abort {
					e = click(100_000 + i)
				}
				if err := clicksTopic.Add(t.Context(), tx, e); err != nil {
					return err
				}
			}
			if abort {
				return give
			}
			return nil
		})
		if abort {
			if err == nil {
				t.Fatal("an aborted transaction answered nil")
			}
			err = tp.InTx(t.Context(), func(tx *producer.Tx) error {
				for i := range 10 {
					if err := clicksTopic.Add(t.Context(), tx, click(n+i)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		n += 10
	}
	if err := tp.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOthersReadOurs lets every client read our messages. Our producer writes
// with each codec, with and without transactions.
func TestOthersReadOurs(t *testing.T) {
	java, python, node := install(t, otherclients.Java), install(t, otherclients.Python), install(t, otherclients.Node)
	asJSON, err := serde.NewGeneric(clicks.ClickEventSchema)
	if err != nil {
		t.Fatal(err)
	}
	for i, codec := range codecs {
		for _, transactional := range []bool{false, true} {
			if transactional && i != len(codecs)-1 {
				continue // one codec is enough in transactions
			}
			t.Run(fmt.Sprintf("%s transactional=%t", codec, transactional), func(t *testing.T) {
				name := topic(t, 3, nil)
				publish(t, name, codec, transactional)
				check := func(client *otherclients.Client, same func(n int, got json.RawMessage) error, schema ...string) {
					t.Helper()
					records, err := client.Read(t.Context(), cluster(t).Addrs(), name, schemas(t).URL, schema...)
					if err != nil {
						t.Fatal(err)
					}
					if len(records) != events {
						t.Fatalf("%s read %d records, want %d", client.Name, len(records), events)
					}
					for _, r := range records {
						var line struct {
							N int64 `json:"source_line"`
						}
						if err := json.Unmarshal(r.Value, &line); err != nil {
							t.Fatal(err)
						}
						if r.Key == nil || *r.Key != click(int(line.N)).Visitor {
							t.Errorf("%s: key %v of event %d", client.Name, r.Key, line.N)
						}
						if err := same(int(line.N), r.Value); err != nil {
							t.Errorf("%s: event %d: %v", client.Name, line.N, err)
						}
					}
				}
				check(java, func(n int, got json.RawMessage) error {
					data, err := click(n).AppendAvro(nil)
					if err != nil {
						return err
					}
					want, err := asJSON.AppendJSON(nil, data)
					if err != nil {
						return err
					}
					return sameJSON(got, want)
				})
				loose := func(n int, got json.RawMessage) error {
					var v struct {
						Path string  `json:"path"`
						UA   *string `json:"user_agent"`
						Size *int64  `json:"bytes"`
					}
					if err := json.Unmarshal(got, &v); err != nil {
						return err
					}
					if want := click(n); v.Path != want.Path || !reflect.DeepEqual(v.UA, want.UserAgent) || !reflect.DeepEqual(v.Size, want.Bytes) {
						return fmt.Errorf("read as %s", got)
					}
					return nil
				}
				check(python, loose)
				check(node, loose)
			})
		}
	}
	t.Run("Java, evolved", func(t *testing.T) {
		name := topic(t, 3, nil)
		publish(t, name, producer.Zstd, false)
		const newer = `{"type":"record","name":"ClickEvent","namespace":"web.clicks","fields":[` +
			`{"name":"source_line","type":"double"},{"name":"page","aliases":["path"],"type":"string"},{"name":"shop","type":"string","default":"main"}]}`
		records, err := java.Read(t.Context(), cluster(t).Addrs(), name, schemas(t).URL, newer)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := serde.Resolve(clicks.ClickEventSchema, newer)
		if err != nil {
			t.Fatal(err)
		}
		generic, err := serde.NewGeneric(newer)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != events {
			t.Fatalf("%d records, want %d", len(records), events)
		}
		for _, r := range records {
			var line struct {
				N float64 `json:"source_line"`
			}
			if err := json.Unmarshal(r.Value, &line); err != nil {
				t.Fatal(err)
			}
			data, err := click(int(line.N)).AppendAvro(nil)
			if err != nil {
				t.Fatal(err)
			}
			if data, err = plan.Append(nil, data); err != nil {
				t.Fatal(err)
			}
			want, err := generic.AppendJSON(nil, data)
			if err != nil {
				t.Fatal(err)
			}
			if err := sameJSON(r.Value, want); err != nil {
				t.Error(err)
			}
		}
	})
}

func sameJSON(got, want []byte) error {
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		return err
	}
	if err := json.Unmarshal(want, &b); err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("read as %s, want %s", got, want)
	}
	return nil
}

// TestWeReadOthers reads the messages of every client, with every codec.
func TestWeReadOthers(t *testing.T) {
	java, python, node := install(t, otherclients.Java), install(t, otherclients.Python), install(t, otherclients.Node)
	// The writer uses an older version of the event. Our type reads it through
	// a plan.
	const older = `{"type":"record","name":"ClickEvent","namespace":"web.clicks","fields":[` +
		`{"name":"path","type":"string"},{"name":"status","type":"int"},{"name":"visitor","type":"string"},` +
		`{"name":"event_id","type":"string"},{"name":"at","type":"long"},{"name":"ip","type":"string"},` +
		`{"name":"method","type":"string"},{"name":"protocol","type":"string"},{"name":"old","type":"int"}]}`
	value := func(n int) string {
		return fmt.Sprintf(`{"path":"/é/%d","status":404,"visitor":"v","event_id":"%s","at":%d,"ip":"h","method":"GET","protocol":"p","old":%d}`,
			n, uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)), 1_760_000_000_000+n, n)
	}
	input := []string{older}
	for n := range events {
		input = append(input, value(n))
	}
	try := func(client *otherclients.Client, codec producer.Compression) {
		t.Run(client.Name+" "+string(codec), func(t *testing.T) {
			name := topic(t, 3, nil)
			if _, err := client.Run(t.Context(), input, "write", strings.Join(cluster(t).Addrs(), ","), name, schemas(t).URL, string(codec)); err != nil {
				t.Fatal(err)
			}
			reg, _ := clients(t)
			des, err := serde.NewDeserializer[clicks.ClickEvent](reg)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for r, err := range logread.All(t.Context(), cluster(t).Addrs(), name, kgo.FetchMaxWait(100*time.Millisecond)) {
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Attrs.CompressionType(); got != compressions[codec] {
					t.Fatalf("compressed as %d, want %s", got, codec)
				}
				e, err := des.Decode(t.Context(), serde.Input{Topic: name, Data: r.Value})
				if err != nil {
					t.Fatal(err)
				}
				k, _ := strconv.Atoi(string(r.Key))
				if e.Path != fmt.Sprintf("/é/%d", k) || e.At.UnixMilli() != 1_760_000_000_000+int64(k) || e.EventID != uuid.NewSHA1(uuid.Nil, fmt.Append(nil, k)) || e.Bytes != nil {
					t.Errorf("record %d is read as %+v", k, e)
				}
				n++
			}
			if n != events {
				t.Errorf("%d records, want %d", n, events)
			}
		})
	}
	for _, codec := range codecs {
		for _, client := range []*otherclients.Client{java, python, node} {
			try(client, codec)
		}
	}
}
