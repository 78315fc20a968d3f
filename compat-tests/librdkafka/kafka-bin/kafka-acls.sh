#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Apache Kafka's own command for lists of access, called by some of the tests.
exec "$KAFKA_PATH/bin/kafka-run-class.sh" kafka.admin.AclCommand "$@"
