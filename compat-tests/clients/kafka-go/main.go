// SPDX-License-Identifier: Apache-2.0

// The agent of segmentio/kafka-go. What it is told: ../README.md.
package main

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"ottla/compat-tests/agent"
)

type client struct {
	bootstrap string
	address   net.Addr
	admin     *kafka.Client
	member    *kafka.Reader
	polled    map[int]kafka.Message // the last of each partition that is not committed yet
}

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), agent.Timeout)
}

func code(err error) (int16, bool) {
	var refused kafka.Error
	if errors.As(err, &refused) {
		return int16(refused), true
	}
	var large kafka.MessageTooLargeError
	if errors.As(err, &large) {
		return int16(kafka.MessageSizeTooLarge), true
	}
	var writing kafka.WriteErrors
	if errors.As(err, &writing) {
		for _, one := range writing {
			if found, has := code(one); has {
				return found, true
			}
		}
	}
	return 0, false
}

// A topic

func (c *client) CreateTopic(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	topic := kafka.TopicConfig{Topic: r.Topic, NumPartitions: int(r.Partitions),
		ReplicationFactor: int(r.Replicas)}
	for name, value := range r.Configs {
		topic.ConfigEntries = append(topic.ConfigEntries,
			kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	answer, err := c.admin.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err == nil {
		err = answer.Errors[r.Topic]
	}
	return nil, err
}

func (c *client) ListTopics(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	found, err := c.admin.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	leaders := map[string]int{}
	for _, topic := range found.Topics {
		for _, p := range topic.Partitions {
			if p.Leader.Host != "" {
				leaders[topic.Name]++
			}
		}
	}
	return agent.Answer{"topics": leaders}, nil
}

func (c *client) DeleteTopic(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{r.Topic}})
	if err == nil {
		err = answer.Errors[r.Topic]
	}
	return nil, err
}

func (c *client) CreatePartitions(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: r.Topic, Count: int32(r.Count)}}})
	if err == nil {
		err = answer.Errors[r.Topic]
	}
	return nil, err
}

func (c *client) DescribeConfig(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	found, err := c.admin.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: r.Topic}}})
	if err != nil {
		return nil, err
	}
	configs := map[string]string{}
	for _, config := range found.Resources[0].ConfigEntries {
		configs[config.ConfigName] = config.ConfigValue
	}
	return agent.Answer{"configs": configs}, found.Resources[0].Error
}

func (c *client) AlterConfig(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	change := kafka.IncrementalAlterConfigsRequestConfig{Name: r.Name, Value: r.Value,
		ConfigOperation: kafka.ConfigOperationSet}
	answer, err := c.admin.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: r.Topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{change}}}})
	if err == nil {
		err = answer.Resources[0].Error
	}
	return nil, err
}

func (c *client) DescribeCluster(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	found, err := c.admin.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, broker := range found.Brokers {
		ids = append(ids, broker.ID)
	}
	return agent.Answer{"brokers": ids, "controller": found.Controller.ID}, nil
}

func (c *client) listOffsets(r *agent.Request, asked ...kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{r.Topic: asked}})
	if err != nil {
		return kafka.PartitionOffsets{}, err
	}
	found := answer.Topics[r.Topic][0]
	return found, found.Error
}

func (c *client) Offsets(r *agent.Request) (agent.Answer, error) {
	partition := int(r.Partition)
	found, err := c.listOffsets(r, kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition))
	return agent.Answer{"earliest": found.FirstOffset, "latest": found.LastOffset}, err
}

func (c *client) OffsetAt(r *agent.Request) (agent.Answer, error) {
	found, err := c.listOffsets(r, kafka.TimeOffsetOf(int(r.Partition), time.UnixMilli(r.Timestamp)))
	for offset := range found.Offsets {
		if offset >= 0 {
			return agent.Answer{"offset": offset}, err
		}
	}
	return agent.Answer{"offset": nil}, err
}

// Records

func toMessage(number int, r *agent.Record) kafka.Message {
	out := kafka.Message{Key: r.Key, Value: r.Value, Time: time.UnixMilli(r.Timestamp),
		WriterData: place{number, int(r.Partition)}}
	for _, header := range r.Headers {
		out.Headers = append(out.Headers, kafka.Header{Key: header.Name, Value: header.Value})
	}
	return out
}

func fromMessage(m *kafka.Message) agent.Record {
	out := agent.Record{Partition: int32(m.Partition), Offset: m.Offset, Key: m.Key, Value: m.Value,
		Timestamp: m.Time.UnixMilli()}
	for _, header := range m.Headers {
		out.Headers = append(out.Headers, agent.Header{Name: header.Key, Value: header.Value})
	}
	return out
}

// place is which record of a request a message is, and where it goes.
type place struct{ number, partition int }

func (c *client) Produce(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	offsets := make([]int64, len(r.Records))
	acks := map[string]kafka.RequiredAcks{"all": kafka.RequireAll, "1": kafka.RequireOne, "0": kafka.RequireNone}
	codecs := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4,
		"zstd": kafka.Zstd}
	writer := &kafka.Writer{
		Addr: c.address, Topic: r.Topic, BatchTimeout: 5 * time.Millisecond, BatchBytes: 30000,
		RequiredAcks: acks[r.Acks], Compression: codecs[r.Codec], MaxAttempts: 3, Transport: c.admin.Transport,
		Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int {
			return m.WriterData.(place).partition
		}),
		Completion: func(messages []kafka.Message, err error) {
			for _, m := range messages {
				offsets[m.WriterData.(place).number] = m.Offset
			}
		},
	}
	var messages []kafka.Message
	for i := range r.Records {
		messages = append(messages, toMessage(i, &r.Records[i]))
	}
	if err := writer.WriteMessages(ctx, messages...); err != nil {
		return nil, err
	}
	return agent.Answer{"offsets": offsets}, writer.Close()
}

func (c *client) Read(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{c.bootstrap}, Topic: r.Topic,
		Partition: int(r.Partition), MaxWait: 50 * time.Millisecond, OffsetOutOfRangeError: true})
	defer reader.Close()
	var reads [][]agent.Record
	for _, start := range r.Starts {
		if err := reader.SetOffset(start); err != nil {
			return nil, err
		}
		taken := []agent.Record{}
		for len(taken) < r.Count {
			message, err := reader.ReadMessage(ctx)
			if err != nil {
				return nil, err
			}
			taken = append(taken, fromMessage(&message))
		}
		reads = append(reads, taken)
	}
	return agent.Answer{"reads": reads}, nil
}

// A group

func (c *client) Join(r *agent.Request) (agent.Answer, error) {
	c.polled = map[int]kafka.Message{}
	c.member = kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{c.bootstrap}, GroupID: r.Group, Topic: r.Topic,
		StartOffset: kafka.FirstOffset, HeartbeatInterval: 300 * time.Millisecond,
		JoinGroupBackoff: 300 * time.Millisecond, MaxWait: 50 * time.Millisecond,
		ReadBackoffMin: 10 * time.Millisecond, ReadBackoffMax: 100 * time.Millisecond,
	})
	return nil, nil
}

func (c *client) Poll(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.Wait())
	defer cancel()
	records := []agent.Record{}
	for {
		message, err := c.member.FetchMessage(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return agent.Answer{"records": records}, nil
		}
		if err != nil {
			return nil, err
		}
		records = append(records, fromMessage(&message))
		c.polled[message.Partition] = message
	}
}

func (c *client) Commit(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	var last []kafka.Message
	for _, message := range c.polled {
		last = append(last, message)
	}
	c.polled = map[int]kafka.Message{}
	return nil, c.member.CommitMessages(ctx, last...)
}

func (c *client) Leave(*agent.Request) (agent.Answer, error) {
	return nil, c.member.Close()
}

func (c *client) ListGroups(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	found, err := c.admin.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	groups := []string{}
	for _, group := range found.Groups {
		groups = append(groups, group.GroupID)
	}
	return agent.Answer{"groups": groups}, found.Error
}

func (c *client) DescribeGroup(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{r.Group}})
	if err != nil {
		return nil, err
	}
	found := answer.Groups[0]
	return agent.Answer{"state": found.GroupState, "members": len(found.Members)}, found.Error
}

func (c *client) Committed(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: r.Group})
	if err != nil {
		return nil, err
	}
	offsets := map[int]int64{}
	for _, found := range answer.Topics[r.Topic] {
		offsets[found.Partition] = found.CommittedOffset
	}
	return agent.Answer{"offsets": offsets}, answer.Error
}

func (c *client) AlterOffsets(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	var wanted []kafka.OffsetCommit
	for partition, offset := range r.Offsets {
		wanted = append(wanted, kafka.OffsetCommit{Partition: int(partition), Offset: offset})
	}
	answer, err := c.admin.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: r.Group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{r.Topic: wanted}})
	if err != nil {
		return nil, err
	}
	for _, partition := range answer.Topics[r.Topic] {
		if partition.Error != nil {
			return nil, partition.Error
		}
	}
	return nil, nil
}

func (c *client) DeleteOffsets(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: r.Group,
		Topics: map[string][]int{r.Topic: {0}}})
	if err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, answer.Error
	}
	return nil, answer.Topics[r.Topic][0].Error
}

func (c *client) DeleteGroup(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{r.Group}})
	if err == nil {
		err = answer.Errors[r.Group]
	}
	return nil, err
}

func main() {
	bootstrap := os.Args[len(os.Args)-1]
	// The transport keeps what it knows of the topics for so long.
	address, transport := kafka.TCP(bootstrap), &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	c := &client{bootstrap: bootstrap, address: address,
		admin: &kafka.Client{Addr: address, Timeout: agent.Timeout, Transport: transport}}
	a := agent.Agent{
		Client: "kafka-go " + agent.ModuleVersion("github.com/segmentio/kafka-go"),
		Code:   code,
		Lacks: map[string]string{
			"idempotent":     "the client has no idempotent producer",
			"empty":          "the client reads what is empty as null",
			"delete-records": "the client has no call for it",
		},
		Verbs: agent.VerbsOf(c),
	}
	a.Serve()
}
