#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Apache Kafka's own command for topics, called by some of the tests.
exec "$KAFKA_PATH/bin/kafka-run-class.sh" org.apache.kafka.tools.TopicCommand "$@"
