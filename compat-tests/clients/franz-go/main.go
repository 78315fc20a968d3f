// SPDX-License-Identifier: Apache-2.0

// The agent of franz-go (kgo and kadm). What it is told: ../README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"ottla/compat-tests/agent"
)

type client struct {
	bootstrap string
	admin     *kadm.Client
	member    *kgo.Client
}

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), agent.Timeout)
}

func code(err error) (int16, bool) {
	var refused *kerr.Error
	if errors.As(err, &refused) {
		return refused.Code, true
	}
	return 0, false
}

// A topic

func (c *client) CreateTopic(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	configs := map[string]*string{}
	for name := range r.Configs {
		value := r.Configs[name]
		configs[name] = &value
	}
	_, err := c.admin.CreateTopic(ctx, r.Partitions, r.Replicas, configs, r.Topic)
	return nil, err
}

func (c *client) ListTopics(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	topics, err := c.admin.ListTopics(ctx)
	leaders := map[string]int{}
	for name, topic := range topics {
		for _, p := range topic.Partitions {
			if p.Leader >= 0 {
				leaders[name]++
			}
		}
	}
	return agent.Answer{"topics": leaders}, err
}

func (c *client) DeleteTopic(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.DeleteTopics(ctx, r.Topic)
	if err == nil {
		err = answer[r.Topic].Err
	}
	return nil, err
}

func (c *client) CreatePartitions(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.UpdatePartitions(ctx, r.Count, r.Topic)
	if err == nil {
		err = answer[r.Topic].Err
	}
	return nil, err
}

func (c *client) DescribeConfig(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	found, err := c.admin.DescribeTopicConfigs(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	configs := map[string]*string{}
	for _, config := range found[0].Configs {
		configs[config.Key] = config.Value
	}
	return agent.Answer{"configs": configs}, found[0].Err
}

func (c *client) AlterConfig(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	change := kadm.AlterConfig{Op: kadm.SetConfig, Name: r.Name, Value: &r.Value}
	answer, err := c.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, r.Topic)
	if err == nil {
		err = answer[0].Err
	}
	return nil, err
}

func (c *client) DescribeCluster(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	found, err := c.admin.BrokerMetadata(ctx)
	return agent.Answer{"brokers": found.Brokers.NodeIDs(), "controller": found.Controller}, err
}

func (c *client) DeleteRecords(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	var before kadm.Offsets
	before.AddOffset(r.Topic, r.Partition, r.Offset, -1)
	answer, err := c.admin.DeleteRecords(ctx, before)
	if err == nil {
		err = answer[r.Topic][r.Partition].Err
	}
	return nil, err
}

// listed is the offset that an answer of kadm holds for a partition.
func listed(offsets kadm.ListedOffsets, err error, r *agent.Request) (kadm.ListedOffset, error) {
	if err != nil {
		return kadm.ListedOffset{}, err
	}
	found, ok := offsets.Lookup(r.Topic, r.Partition)
	if !ok {
		return found, fmt.Errorf("no answer for partition %d", r.Partition)
	}
	return found, found.Err
}

func (c *client) Offsets(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	offsets, err := c.admin.ListStartOffsets(ctx, r.Topic)
	earliest, err := listed(offsets, err, r)
	if err != nil {
		return nil, err
	}
	offsets, err = c.admin.ListEndOffsets(ctx, r.Topic)
	latest, err := listed(offsets, err, r)
	return agent.Answer{"earliest": earliest.Offset, "latest": latest.Offset}, err
}

func (c *client) OffsetAt(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	offsets, err := c.admin.ListOffsetsAfterMilli(ctx, r.Timestamp, r.Topic)
	found, err := listed(offsets, err, r)
	if err == nil && found.Timestamp == -1 { // kadm answers the end offset where no record is that young
		return agent.Answer{"offset": nil}, nil
	}
	return agent.Answer{"offset": found.Offset}, err
}

// Records

func codecOf(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func toRecord(topic string, r *agent.Record) *kgo.Record {
	out := &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value,
		Timestamp: time.UnixMilli(r.Timestamp)}
	for _, header := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
	}
	return out
}

func fromRecords(records []*kgo.Record) []agent.Record {
	out := []agent.Record{}
	for _, r := range records {
		one := agent.Record{Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value,
			Timestamp: r.Timestamp.UnixMilli()}
		for _, header := range r.Headers {
			one.Headers = append(one.Headers, agent.Header{Name: header.Key, Value: header.Value})
		}
		out = append(out, one)
	}
	return out
}

func (c *client) openProducer(r *agent.Request) (*kgo.Client, error) {
	acks := map[string]kgo.Acks{"all": kgo.AllISRAcks(), "1": kgo.LeaderAck(), "0": kgo.NoAck()}
	options := []kgo.Opt{
		kgo.SeedBrokers(c.bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecOf(r.Codec)),
		kgo.ProducerBatchMaxBytes(30000),
		kgo.RequiredAcks(acks[r.Acks]),
		kgo.ProducerLinger(5 * time.Millisecond),
	}
	if !r.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	return kgo.NewClient(options...)
}

func (c *client) Produce(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	producer, err := c.openProducer(r)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var records []*kgo.Record
	for i := range r.Records {
		records = append(records, toRecord(r.Topic, &r.Records[i]))
	}
	if err := producer.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return nil, err
	}
	var offsets []int64
	for _, record := range records {
		offsets = append(offsets, record.Offset)
	}
	return agent.Answer{"offsets": offsets}, nil
}

// take reads exactly so many records.
func take(ctx context.Context, consumer *kgo.Client, count int) ([]*kgo.Record, error) {
	var taken []*kgo.Record
	for len(taken) < count {
		fetches := consumer.PollRecords(ctx, count-len(taken))
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d records: %w", len(taken), err)
		}
		taken = append(taken, fetches.Records()...)
	}
	return taken, nil
}

func (c *client) Read(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	begin := map[int32]kgo.Offset{r.Partition: kgo.NewOffset().At(r.Starts[0])}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.bootstrap), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: begin}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var reads [][]agent.Record
	for i, start := range r.Starts {
		if i > 0 {
			consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{
				r.Topic: {r.Partition: {Epoch: -1, Offset: start}}})
		}
		taken, err := take(ctx, consumer, r.Count)
		if err != nil {
			return nil, err
		}
		reads = append(reads, fromRecords(taken))
	}
	return agent.Answer{"reads": reads}, nil
}

// A group

func (c *client) Join(r *agent.Request) (agent.Answer, error) {
	member, err := kgo.NewClient(kgo.SeedBrokers(c.bootstrap), kgo.ConsumerGroup(r.Group),
		kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.FetchMaxWait(50*time.Millisecond))
	c.member = member
	return nil, err
}

func (c *client) Poll(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.Wait())
	defer cancel()
	fetches := c.member.PollRecords(ctx, 1000)
	if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	return agent.Answer{"records": fromRecords(fetches.Records())}, nil
}

func (c *client) Commit(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	return nil, c.member.CommitUncommittedOffsets(ctx)
}

func (c *client) Leave(*agent.Request) (agent.Answer, error) {
	c.member.Close()
	return nil, nil
}

func (c *client) ListGroups(*agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	found, err := c.admin.ListGroups(ctx)
	return agent.Answer{"groups": found.Groups()}, err
}

func (c *client) DescribeGroup(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.DescribeGroups(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	found := answer[r.Group]
	return agent.Answer{"state": found.State, "members": len(found.Members)}, found.Err
}

func (c *client) Committed(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.FetchOffsets(ctx, r.Group)
	offsets := map[int32]int64{}
	for partition, found := range answer[r.Topic] {
		offsets[partition] = found.At
	}
	return agent.Answer{"offsets": offsets}, err
}

func (c *client) AlterOffsets(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	var wanted kadm.Offsets
	for partition, offset := range r.Offsets {
		wanted.AddOffset(r.Topic, partition, offset, -1)
	}
	return nil, c.admin.CommitAllOffsets(ctx, r.Group, wanted)
}

func (c *client) DeleteOffsets(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	var set kadm.TopicsSet
	set.Add(r.Topic, 0)
	answer, err := c.admin.DeleteOffsets(ctx, r.Group, set)
	if err == nil {
		err = answer[r.Topic][0]
	}
	return nil, err
}

func (c *client) DeleteGroup(r *agent.Request) (agent.Answer, error) {
	ctx, cancel := bounded()
	defer cancel()
	answer, err := c.admin.DeleteGroups(ctx, r.Group)
	if err == nil {
		err = answer[r.Group].Err
	}
	return nil, err
}

func main() {
	bootstrap := os.Args[len(os.Args)-1]
	common, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		panic(err)
	}
	c := &client{bootstrap: bootstrap, admin: kadm.NewClient(common)}
	a := agent.Agent{
		Client: "franz-go " + agent.ModuleVersion("github.com/twmb/franz-go"),
		Code:   code,
		Lacks:  map[string]string{},
		Verbs:  agent.VerbsOf(c),
	}
	a.Serve()
}
