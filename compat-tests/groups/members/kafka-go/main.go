// SPDX-License-Identifier: Apache-2.0

// A member of a group by segmentio/kafka-go. What it is told: ../../test.py.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// The reader keeps its generation to itself, but tells a logger when it has joined.
type generationLog struct{ generation atomic.Int32 }

func (l *generationLog) Printf(format string, args ...interface{}) {
	var member string
	var generation int32
	line := fmt.Sprintf(format, args...)
	told := "joined group " + os.Getenv("GROUP") + " as member %s in generation %d"
	if _, err := fmt.Sscanf(line, told, &member, &generation); err == nil {
		l.generation.Store(generation)
	}
}

func main() {
	sessionMs, err := strconv.Atoi(os.Getenv("SESSION_MS"))
	if err != nil {
		panic(err)
	}
	var log generationLog
	reader := kafka.NewReader(kafka.ReaderConfig{
		Logger:                 &log,
		Dialer:                 &kafka.Dialer{ClientID: os.Getenv("CLIENT_ID"), Timeout: 10 * time.Second},
		Brokers:                []string{os.Getenv("BOOTSTRAP")},
		GroupID:                os.Getenv("GROUP"),
		Topic:                  os.Getenv("TOPIC"),
		GroupBalancers:         []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		StartOffset:            kafka.FirstOffset,
		SessionTimeout:         time.Duration(sessionMs) * time.Millisecond,
		HeartbeatInterval:      300 * time.Millisecond,
		JoinGroupBackoff:       500 * time.Millisecond,
		WatchPartitionChanges:  true,
		PartitionWatchInterval: time.Second,
		MaxWait:                200 * time.Millisecond,
		ReadBackoffMin:         10 * time.Millisecond,
		ReadBackoffMax:         100 * time.Millisecond,
	})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		message, err := reader.FetchMessage(ctx)
		if err != nil {
			continue
		}
		fmt.Println("record", message.Partition, message.Offset, log.generation.Load())
		if err := reader.CommitMessages(context.Background(), message); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if err := reader.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
