// SPDX-License-Identifier: Apache-2.0

// A member of a group by segmentio/kafka-go. What it is told: ../../test.py.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	sessionMs, err := strconv.Atoi(os.Getenv("SESSION_MS"))
	if err != nil {
		panic(err)
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers:           []string{os.Getenv("BOOTSTRAP")},
		GroupID:           os.Getenv("GROUP"),
		Topic:             os.Getenv("TOPIC"),
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		StartOffset:       kafka.FirstOffset,
		SessionTimeout:    time.Duration(sessionMs) * time.Millisecond,
		HeartbeatInterval: 300 * time.Millisecond,
		JoinGroupBackoff:  500 * time.Millisecond,
		MaxWait:           200 * time.Millisecond,
		ReadBackoffMin:    10 * time.Millisecond,
		ReadBackoffMax:    100 * time.Millisecond,
	})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		message, err := reader.FetchMessage(ctx)
		if err != nil {
			continue
		}
		fmt.Println("record", message.Partition, message.Offset)
		if err := reader.CommitMessages(context.Background(), message); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if err := reader.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
