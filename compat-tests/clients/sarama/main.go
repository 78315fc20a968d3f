// SPDX-License-Identifier: Apache-2.0

// The agent of sarama. What it is told: ../README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"ottla/compat-tests/agent"
)

type client struct {
	bootstrap []string
	admin     sarama.ClusterAdmin
	common    sarama.Client
	member    *member
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_9_0_0
	config.Producer.Return.Successes = true
	config.Consumer.MaxWaitTime = 50 * time.Millisecond
	return config
}

func code(err error) (int16, bool) {
	var topic *sarama.TopicError
	if errors.As(err, &topic) {
		return int16(topic.Err), true
	}
	var partition *sarama.TopicPartitionError
	if errors.As(err, &partition) {
		return int16(partition.Err), true
	}
	var refused sarama.KError
	if errors.As(err, &refused) {
		return int16(refused), true
	}
	var producing sarama.ProducerErrors
	if errors.As(err, &producing) {
		return code(producing[0].Err)
	}
	return 0, false
}

// A topic

func (c *client) CreateTopic(r *agent.Request) (agent.Answer, error) {
	configs := map[string]*string{}
	for name := range r.Configs {
		value := r.Configs[name]
		configs[name] = &value
	}
	return nil, c.admin.CreateTopic(r.Topic, &sarama.TopicDetail{NumPartitions: r.Partitions,
		ReplicationFactor: r.Replicas, ConfigEntries: configs}, false)
}

func (c *client) ListTopics(*agent.Request) (agent.Answer, error) {
	if err := c.common.RefreshMetadata(); err != nil {
		return nil, err
	}
	names, err := c.common.Topics()
	leaders := map[string]int{}
	for _, name := range names {
		with, err := c.common.WritablePartitions(name)
		if err != nil {
			return nil, err
		}
		leaders[name] = len(with)
	}
	return agent.Answer{"topics": leaders}, err
}

func (c *client) DeleteTopic(r *agent.Request) (agent.Answer, error) {
	return nil, c.admin.DeleteTopic(r.Topic)
}

func (c *client) CreatePartitions(r *agent.Request) (agent.Answer, error) {
	return nil, c.admin.CreatePartitions(r.Topic, int32(r.Count), nil, false)
}

func (c *client) DescribeConfig(r *agent.Request) (agent.Answer, error) {
	found, err := c.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: r.Topic})
	configs := map[string]string{}
	for _, config := range found {
		configs[config.Name] = config.Value
	}
	return agent.Answer{"configs": configs}, err
}

func (c *client) AlterConfig(r *agent.Request) (agent.Answer, error) {
	change := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet,
		Value: &r.Value}
	return nil, c.admin.IncrementalAlterConfig(sarama.TopicResource, r.Topic,
		map[string]sarama.IncrementalAlterConfigsEntry{r.Name: change}, false)
}

func (c *client) DescribeCluster(*agent.Request) (agent.Answer, error) {
	brokers, controller, err := c.admin.DescribeCluster()
	var ids []int32
	for _, broker := range brokers {
		ids = append(ids, broker.ID())
	}
	return agent.Answer{"brokers": ids, "controller": controller}, err
}

func (c *client) DeleteRecords(r *agent.Request) (agent.Answer, error) {
	return nil, c.admin.DeleteRecords(r.Topic, map[int32]int64{r.Partition: r.Offset})
}

func (c *client) Offsets(r *agent.Request) (agent.Answer, error) {
	earliest, err := c.common.GetOffset(r.Topic, r.Partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	latest, err := c.common.GetOffset(r.Topic, r.Partition, sarama.OffsetNewest)
	return agent.Answer{"earliest": earliest, "latest": latest}, err
}

func (c *client) OffsetAt(r *agent.Request) (agent.Answer, error) {
	offset, err := c.common.GetOffset(r.Topic, r.Partition, r.Timestamp)
	if offset == -1 {
		return agent.Answer{"offset": nil}, err
	}
	return agent.Answer{"offset": offset}, err
}

// Records

func toMessage(topic string, r *agent.Record) *sarama.ProducerMessage {
	out := &sarama.ProducerMessage{Topic: topic, Partition: r.Partition,
		Timestamp: time.UnixMilli(r.Timestamp)}
	if r.Key != nil {
		out.Key = sarama.ByteEncoder(r.Key)
	}
	if r.Value != nil {
		out.Value = sarama.ByteEncoder(r.Value)
	}
	for _, header := range r.Headers {
		out.Headers = append(out.Headers,
			sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
	}
	return out
}

func fromMessage(m *sarama.ConsumerMessage) agent.Record {
	out := agent.Record{Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value,
		Timestamp: m.Timestamp.UnixMilli()}
	for _, header := range m.Headers {
		out.Headers = append(out.Headers, agent.Header{Name: string(header.Key), Value: header.Value})
	}
	return out
}

func (c *client) openProducer(r *agent.Request) (sarama.SyncProducer, error) {
	config := settings()
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Producer.Flush.Bytes = 30000
	config.Producer.Idempotent = r.Idempotent
	config.Net.MaxOpenRequests = 1
	acks := map[string]sarama.RequiredAcks{"all": sarama.WaitForAll, "1": sarama.WaitForLocal,
		"0": sarama.NoResponse}
	config.Producer.RequiredAcks = acks[r.Acks]
	if err := config.Producer.Compression.UnmarshalText([]byte(r.Codec)); err != nil {
		return nil, err
	}
	return sarama.NewSyncProducer(c.bootstrap, config)
}

func (c *client) Produce(r *agent.Request) (agent.Answer, error) {
	producer, err := c.openProducer(r)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for i := range r.Records {
		messages = append(messages, toMessage(r.Topic, &r.Records[i]))
	}
	if err := producer.SendMessages(messages); err != nil {
		return nil, err
	}
	var offsets []int64
	for _, message := range messages {
		offsets = append(offsets, message.Offset)
	}
	return agent.Answer{"offsets": offsets}, nil
}

// take reads from an offset on; a consumer of a partition begins where it is opened.
func take(consumer sarama.Consumer, r *agent.Request, start int64) ([]agent.Record, error) {
	reader, err := consumer.ConsumePartition(r.Topic, r.Partition, start)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	taken := []agent.Record{}
	late := time.After(agent.Timeout)
	for len(taken) < r.Count {
		select {
		case message := <-reader.Messages():
			taken = append(taken, fromMessage(message))
		case err := <-reader.Errors():
			return nil, err
		case <-late:
			return nil, fmt.Errorf("only %d records in %v", len(taken), agent.Timeout)
		}
	}
	return taken, nil
}

func (c *client) Read(r *agent.Request) (agent.Answer, error) {
	config := settings()
	config.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer(c.bootstrap, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var reads [][]agent.Record
	for _, start := range r.Starts {
		taken, err := take(consumer, r, start)
		if err != nil {
			return nil, err
		}
		reads = append(reads, taken)
	}
	return agent.Answer{"reads": reads}, nil
}

// A group

// member keeps what it is given until it is polled; what was polled is marked for the next commit.
type member struct {
	group    sarama.ConsumerGroup
	stop     context.CancelFunc
	messages chan *sarama.ConsumerMessage
	mu       sync.Mutex
	session  sarama.ConsumerGroupSession
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = session
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.messages <- message
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) run(ctx context.Context, topic string) {
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{topic}, m); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (c *client) Join(r *agent.Request) (agent.Answer, error) {
	config := settings()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	group, err := sarama.NewConsumerGroup(c.bootstrap, r.Group, config)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c.member = &member{group: group, stop: stop, messages: make(chan *sarama.ConsumerMessage, 10000)}
	go c.member.run(ctx, r.Topic)
	return nil, nil
}

func (c *client) Poll(r *agent.Request) (agent.Answer, error) {
	records := []agent.Record{}
	late := time.After(r.Wait())
	for {
		select {
		case message := <-c.member.messages:
			records = append(records, fromMessage(message))
			c.member.mu.Lock()
			c.member.session.MarkMessage(message, "")
			c.member.mu.Unlock()
			if len(c.member.messages) > 0 {
				continue
			}
		case <-late:
		}
		return agent.Answer{"records": records}, nil
	}
}

func (c *client) Commit(*agent.Request) (agent.Answer, error) {
	c.member.mu.Lock()
	defer c.member.mu.Unlock()
	c.member.session.Commit()
	return nil, nil
}

func (c *client) Leave(*agent.Request) (agent.Answer, error) {
	c.member.stop()
	return nil, c.member.group.Close()
}

func (c *client) ListGroups(*agent.Request) (agent.Answer, error) {
	found, err := c.admin.ListConsumerGroups()
	groups := []string{}
	for name := range found {
		groups = append(groups, name)
	}
	return agent.Answer{"groups": groups}, err
}

func (c *client) DescribeGroup(r *agent.Request) (agent.Answer, error) {
	found, err := c.admin.DescribeConsumerGroups([]string{r.Group})
	if err != nil {
		return nil, err
	}
	return agent.Answer{"state": found[0].State, "members": len(found[0].Members)}, nil
}

func (c *client) Committed(r *agent.Request) (agent.Answer, error) {
	found, err := c.admin.ListConsumerGroupOffsets(r.Group, nil)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for partition, block := range found.Blocks[r.Topic] {
		offsets[partition] = block.Offset
	}
	return agent.Answer{"offsets": offsets}, nil
}

func (c *client) AlterOffsets(r *agent.Request) (agent.Answer, error) {
	wanted := map[int32]sarama.OffsetAndMetadata{}
	for partition, offset := range r.Offsets {
		wanted[partition] = sarama.OffsetAndMetadata{Offset: offset, LeaderEpoch: -1}
	}
	_, err := c.admin.AlterConsumerGroupOffsets(r.Group,
		map[string]map[int32]sarama.OffsetAndMetadata{r.Topic: wanted}, nil)
	return nil, err
}

func (c *client) DeleteOffsets(r *agent.Request) (agent.Answer, error) {
	return nil, c.admin.DeleteConsumerGroupOffset(r.Group, r.Topic, 0)
}

func (c *client) DeleteGroup(r *agent.Request) (agent.Answer, error) {
	return nil, c.admin.DeleteConsumerGroup(r.Group)
}

func main() {
	bootstrap := []string{os.Args[len(os.Args)-1]}
	common, err := sarama.NewClient(bootstrap, settings())
	if err != nil {
		panic(err)
	}
	admin, err := sarama.NewClusterAdmin(bootstrap, settings())
	if err != nil {
		panic(err)
	}
	c := &client{bootstrap: bootstrap, admin: admin, common: common}
	a := agent.Agent{
		Client: "sarama " + agent.ModuleVersion("github.com/IBM/sarama"),
		Code:   code,
		Lacks:  map[string]string{},
		Verbs:  agent.VerbsOf(c),
	}
	a.Serve()
}
