// SPDX-License-Identifier: Apache-2.0

// A member of a group by sarama. What it is told: ../../test.py.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

func balancer(name string) sarama.BalanceStrategy {
	switch name {
	case "roundrobin":
		return sarama.NewBalanceStrategyRoundRobin()
	case "sticky":
		return sarama.NewBalanceStrategySticky()
	}
	return sarama.NewBalanceStrategyRange()
}

type reader struct{}

func (reader) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (reader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			fmt.Println("record", message.Partition, message.Offset, session.GenerationID())
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func main() {
	sessionMs, err := strconv.Atoi(os.Getenv("SESSION_MS"))
	if err != nil {
		panic(err)
	}
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.ClientID = os.Getenv("CLIENT_ID")
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = time.Duration(sessionMs) * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{balancer(os.Getenv("STRATEGY"))}
	config.Consumer.Group.InstanceId = os.Getenv("INSTANCE_ID")
	config.Metadata.RefreshFrequency = time.Second
	group, err := sarama.NewConsumerGroup([]string{os.Getenv("BOOTSTRAP")}, os.Getenv("GROUP"), config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{os.Getenv("TOPIC")}, reader{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	if err := group.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
