#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A class of Apache Kafka's, as the script of this name in its distribution runs it; its jars are in $KAFKA_PATH/libs.
exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -cp "${CLASSPATH:+$CLASSPATH:}$KAFKA_PATH/libs/*" "$@"
