// SPDX-License-Identifier: Apache-2.0

// franz-go (kgo and kadm) against a broker: argument 1 is its address.
//
// Creates a topic, produces with every codec, with and without idempotence and without
// acknowledgement, reads from the beginning and by time, lists offsets, deletes the topic.
package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 3
	stepMs     = 1000
	timeout    = 60 * time.Second
)

// pass is a part of the row of records, and the settings of its producer.
type pass struct {
	codec      string
	idempotent bool
	acks       kgo.Acks
	count      int
}

func passes() []pass {
	var out []pass
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		out = append(out, pass{codec, true, kgo.AllISRAcks(), 150})
		out = append(out, pass{codec, false, kgo.LeaderAck(), 60})
	}
	return append(out, pass{"none", false, kgo.NoAck(), 30})
}

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

// makeRecord gives every shape of key, value and headers that is easily lost on the way.
func makeRecord(topic string, number int, baseMs int64) *kgo.Record {
	r := &kgo.Record{
		Topic:     topic,
		Partition: int32(number % partitions),
		Timestamp: time.UnixMilli(baseMs + int64(number)*stepMs),
	}
	switch number % 4 {
	case 0:
		r.Key = []byte(fmt.Sprintf("key-%d", number))
	case 2:
		r.Key = []byte{}
	case 3:
		r.Key = []byte{0, 255, byte(number), 10, 13}
	}
	switch number % 5 {
	case 0:
		r.Value = bytes.Repeat([]byte(fmt.Sprintf("record %d, told again and again. ", number)),
			number%40+1)
	case 2:
		r.Value = []byte{}
	case 3:
		for b := 0; b < 256; b++ {
			r.Value = append(r.Value, byte(b))
		}
	case 4:
		r.Value = make([]byte, 10000)
		rand.New(rand.NewSource(int64(number))).Read(r.Value)
	}
	switch number % 3 {
	case 1:
		r.Headers = []kgo.RecordHeader{{Key: "number", Value: []byte(fmt.Sprint(number))}}
	case 2:
		r.Headers = []kgo.RecordHeader{{Key: "same", Value: []byte("1")},
			{Key: "same", Value: []byte("2")}, {Key: "empty", Value: []byte{}}, {Key: "null"},
			{Key: "n\u00e4me", Value: []byte("w\u00e9rt")}}
	}
	return r
}

func produce(ctx context.Context, bootstrap string, p pass, batch []*kgo.Record,
	nextOffset []int64) error {
	options := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecOf(p.codec)),
		kgo.ProducerBatchMaxBytes(30000),
		kgo.RequiredAcks(p.acks),
		kgo.ProducerLinger(5 * time.Millisecond),
	}
	if !p.idempotent {
		options = append(options, kgo.DisableIdempotentWrite(),
			kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	failed := make(chan error, len(batch))
	for _, record := range batch {
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed <- err
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return fmt.Errorf("%+v: %w", p, err)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("%+v: %w", p, err)
	default:
	}
	for _, record := range batch {
		wanted := nextOffset[record.Partition]
		if p.acks != kgo.NoAck() && record.Offset != wanted {
			return fmt.Errorf("%+v: partition %d: acknowledged at offset %d instead of %d", p,
				record.Partition, record.Offset, wanted)
		}
		nextOffset[record.Partition]++
	}
	return nil
}

// sameBytes tells null and empty apart.
func sameBytes(a, b []byte) bool {
	return (a == nil) == (b == nil) && bytes.Equal(a, b)
}

func sameHeaders(a, b []kgo.RecordHeader) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || !sameBytes(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

func compare(wrote, read *kgo.Record) error {
	where := fmt.Sprintf("partition %d offset %d", read.Partition, read.Offset)
	if !sameBytes(wrote.Key, read.Key) {
		return fmt.Errorf("%s: key: wrote %.100q, read %.100q", where, wrote.Key, read.Key)
	}
	if !sameBytes(wrote.Value, read.Value) {
		return fmt.Errorf("%s: value: wrote %.100q (%d bytes), read %.100q (%d bytes)", where,
			wrote.Value, len(wrote.Value), read.Value, len(read.Value))
	}
	if !sameHeaders(wrote.Headers, read.Headers) {
		return fmt.Errorf("%s: headers: wrote %q, read %q", where, wrote.Headers, read.Headers)
	}
	if !wrote.Timestamp.Equal(read.Timestamp) {
		return fmt.Errorf("%s: timestamp: wrote %v, read %v", where, wrote.Timestamp,
			read.Timestamp)
	}
	if read.Attrs.TimestampType() != 0 {
		return fmt.Errorf("%s: timestamp type %d instead of CreateTime", where,
			read.Attrs.TimestampType())
	}
	return nil
}

func consumer(bootstrap, topic string, offsets map[int32]kgo.Offset) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.FetchMaxWait(50*time.Millisecond))
}

func readAll(ctx context.Context, bootstrap, topic string, wrote [][]*kgo.Record) error {
	offsets := map[int32]kgo.Offset{}
	left := 0
	for p := range wrote {
		offsets[int32(p)] = kgo.NewOffset().AtStart()
		left += len(wrote[p])
	}
	client, err := consumer(bootstrap, topic, offsets)
	if err != nil {
		return err
	}
	defer client.Close()
	next := make([]int, partitions)
	check := func(read *kgo.Record) error {
		wanted := next[read.Partition]
		if read.Offset != int64(wanted) {
			return fmt.Errorf("partition %d: offset %d where %d is next", read.Partition,
				read.Offset, wanted)
		}
		if wanted >= len(wrote[read.Partition]) {
			return fmt.Errorf("partition %d: more records than were written", read.Partition)
		}
		next[read.Partition]++
		left--
		return compare(wrote[read.Partition][wanted], read)
	}
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading from the beginning, %d records are missing: %w", left, err)
		}
		for _, read := range fetches.Records() {
			if err := check(read); err != nil {
				return err
			}
		}
	}
	return nil
}

// listed is the offset that an answer of kadm holds for a partition.
func listed(offsets kadm.ListedOffsets, err error, topic string, partition int32) (int64, error) {
	if err != nil {
		return 0, err
	}
	found, ok := offsets.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("no answer for partition %d", partition)
	}
	return found.Offset, found.Err
}

func readByTime(ctx context.Context, bootstrap, topic string, admin *kadm.Client,
	partition int32, wrote []*kgo.Record) error {
	middle := len(wrote) / 2
	last := len(wrote) - 1
	none := len(wrote) // kadm answers the end offset where no record is that young.
	questions := []struct {
		at     time.Time
		offset int
	}{
		{wrote[0].Timestamp.Add(-time.Millisecond), 0},
		{wrote[0].Timestamp, 0},
		{wrote[middle].Timestamp, middle},
		{wrote[middle].Timestamp.Add(time.Millisecond), middle + 1},
		{wrote[last].Timestamp, last},
		{wrote[last].Timestamp.Add(time.Millisecond), none},
	}
	for _, q := range questions {
		ms := q.at.UnixMilli()
		offsets, err := admin.ListOffsetsAfterMilli(ctx, ms, topic)
		offset, err := listed(offsets, err, topic, partition)
		if err != nil || offset != int64(q.offset) {
			return fmt.Errorf("partition %d, offset for time %d: %d instead of %d, error %v",
				partition, ms, offset, q.offset, err)
		}
		if q.offset == none {
			continue
		}
		client, err := consumer(bootstrap, topic,
			map[int32]kgo.Offset{partition: kgo.NewOffset().AfterMilli(ms)})
		if err != nil {
			return err
		}
		fetches := client.PollRecords(ctx, 1)
		client.Close()
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("partition %d from time %d: %w", partition, ms, err)
		}
		read := fetches.Records()[0]
		if read.Offset != int64(q.offset) {
			return fmt.Errorf("partition %d from time %d: first offset is %d instead of %d",
				partition, ms, read.Offset, q.offset)
		}
		if err := compare(wrote[q.offset], read); err != nil {
			return err
		}
	}
	return nil
}

func listOffsets(ctx context.Context, admin *kadm.Client, topic string,
	wrote [][]*kgo.Record) error {
	for p := range wrote {
		partition, count := int32(p), int64(len(wrote[p]))
		start, startErr := admin.ListStartOffsets(ctx, topic)
		end, endErr := admin.ListEndOffsets(ctx, topic)
		earliest, err := listed(start, startErr, topic, partition)
		if err != nil {
			return fmt.Errorf("partition %d: earliest offset: %w", p, err)
		}
		latest, err := listed(end, endErr, topic, partition)
		if err != nil {
			return fmt.Errorf("partition %d: latest offset: %w", p, err)
		}
		if earliest != 0 || latest != count {
			return fmt.Errorf("partition %d: offsets %d to %d instead of 0 to %d", p, earliest,
				latest, count)
		}
	}
	return nil
}

// awaitListed asks until the topic has a leader for so many partitions (0: until it is gone).
func awaitListed(ctx context.Context, admin *kadm.Client, topic string, wanted int) error {
	for {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			return err
		}
		leaders := 0
		for _, p := range topics[topic].Partitions {
			if p.Leader >= 0 {
				leaders++
			}
		}
		if leaders == wanted && (wanted > 0 || !topics.Has(topic)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topic %s has %d leaders in the metadata, not %d", topic, leaders,
				wanted)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func run(ctx context.Context, bootstrap string) error {
	topic := fmt.Sprintf("compat-franz-go-%08x", rand.New(rand.NewSource(time.Now().UnixNano())).Uint32())
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return fmt.Errorf("creating the topic: %w", err)
	}
	if err := awaitListed(ctx, admin, topic, partitions); err != nil {
		return err
	}
	// An hour ago: explicit, and yet inside every default for retention and for clock skew.
	baseMs := time.Now().Add(-time.Hour).UnixMilli()
	wrote := make([][]*kgo.Record, partitions)
	nextOffset := make([]int64, partitions)
	number := 0
	for _, p := range passes() {
		var batch []*kgo.Record
		for i := 0; i < p.count; i++ {
			record := makeRecord(topic, number, baseMs)
			batch = append(batch, record)
			wrote[record.Partition] = append(wrote[record.Partition], record)
			number++
		}
		if err := produce(ctx, bootstrap, p, batch, nextOffset); err != nil {
			return err
		}
	}
	if err := readAll(ctx, bootstrap, topic, wrote); err != nil {
		return err
	}
	for p := range wrote {
		if err := readByTime(ctx, bootstrap, topic, admin, int32(p), wrote[p]); err != nil {
			return err
		}
	}
	if err := listOffsets(ctx, admin, topic, wrote); err != nil {
		return err
	}
	deleted, err := admin.DeleteTopics(ctx, topic)
	if err != nil {
		return fmt.Errorf("deleting the topic: %w", err)
	}
	if err := deleted[topic].Err; err != nil {
		return fmt.Errorf("deleting the topic: %w", err)
	}
	if err := awaitListed(ctx, admin, topic, 0); err != nil {
		return err
	}
	fmt.Printf("franz-go: %d records\n", number)
	return nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "franz-go:", err)
		os.Exit(1)
	}
}
