package franz

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// refresh makes the client ask the brokers for the leaders soon.
func (c *client) refresh() {
	select {
	case c.stale <- struct{}{}:
	default:
	}
}

// metadataTimeout bounds one question for the leaders.
const metadataTimeout = 30 * time.Second

// keepMetadata asks for the leaders of the used topics, regularly and after
// refresh, until the client ends. The wire reads the answer (see readTopics).
func (c *client) keepMetadata() {
	pause := min(max(c.config.RetryBackoff, 10*time.Millisecond), c.config.MetadataMaxAge)
	age := time.NewTimer(c.config.MetadataMaxAge)
	defer age.Stop()
	for {
		select {
		case <-c.stale:
		case <-age.C:
		case <-c.alive.Done():
			return
		}
		age.Reset(c.config.MetadataMaxAge)
		req := kmsg.NewPtrMetadataRequest()
		var names []string
		for name := range c.topics.Range {
			names = append(names, name.(string))
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(name.(string))
			req.Topics = append(req.Topics, topic)
		}
		if len(req.Topics) == 0 {
			continue
		}
		number := c.asked.Add(1)
		asking, cancel := context.WithTimeout(c.alive, metadataTimeout)
		_, err := req.RequestWith(asking, bounded{c.kgo})
		cancel()
		if err == nil {
			c.answered.Store(number)
			c.wakeAll()
			c.forgetMetadata(names...)
		} else {
			c.refresh()
		}
		select {
		case <-time.After(pause):
		case <-c.alive.Done():
			return
		}
	}
}

// forgetMetadata makes kgo forget its own copy of the metadata, which has some
// 300 bytes for each partition. The wire has read what the client needs. kgo
// may wait for a request of its own, so a goroutine waits. One is enough,
// because the next answer brings the next call.
func (c *client) forgetMetadata(topics ...string) {
	if c.forgetting.CompareAndSwap(false, true) {
		c.background.Go(func() {
			c.kgo.PurgeTopicsFromClient(topics...)
			c.forgetting.Store(false)
		})
	}
}

// wakeAll lets every partition go on that waits for a leader, a producer id or
// the end of an abort.
func (c *client) wakeAll() {
	for _, t := range c.topics.Range {
		t.(*topic).each((*partition).dispatch)
	}
}
