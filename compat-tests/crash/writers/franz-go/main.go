// SPDX-License-Identifier: Apache-2.0

// An idempotent writer of the crash test by franz-go. What it is told and says: ../../test.py.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const maxPadding = 800

func number(name string) int {
	value, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		panic(err)
	}
	return value
}

func makeValue(writer, partition, sequence int) []byte {
	front := []byte(fmt.Sprintf("%d %d %d ", writer, partition, sequence))
	size := (writer*7919 + partition*104729 + sequence*1299709) % maxPadding
	return append(front, bytes.Repeat(front, size/len(front)+1)[:size]...)
}

func main() {
	writer, partitions, perSecond := number("WRITER"), number("PARTITIONS"), number("PER_SECOND")
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("BOOTSTRAP")),
		kgo.DefaultProduceTopic(os.Getenv("TOPIC")),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()),
		kgo.ProducerLinger(2*time.Millisecond),
		kgo.MaxBufferedRecords(1000),
	)
	if err != nil {
		panic(err)
	}
	running, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	for i := 0; running.Err() == nil; i++ {
		partition, sequence := i%partitions, i/partitions
		record := &kgo.Record{
			Partition: int32(partition), Value: makeValue(writer, partition, sequence),
		}
		client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
			if err != nil {
				fmt.Println("error", err)
			} else {
				fmt.Println("ack", r.Partition, r.Offset, sequence)
			}
		})
		<-ticker.C
	}
	if err := client.Flush(context.Background()); err != nil {
		fmt.Println("error", err)
	}
	client.Close()
}
