// SPDX-License-Identifier: Apache-2.0

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group by the Java client. What it is told: ../../../../../test.py. */
public final class GroupMember {
    private static final String PACKAGE = "org.apache.kafka.clients.consumer.";
    private static final Map<String, String> STRATEGIES =
            Map.of(
                    "range", PACKAGE + "RangeAssignor",
                    "roundrobin", PACKAGE + "RoundRobinAssignor",
                    "sticky", PACKAGE + "StickyAssignor",
                    "cooperative-sticky", PACKAGE + "CooperativeStickyAssignor");

    private GroupMember() {}

    private static Properties settings() {
        Map<String, String> told = System.getenv();
        Properties p = new Properties();
        p.put("bootstrap.servers", told.get("BOOTSTRAP"));
        p.put("group.id", told.get("GROUP"));
        p.put("client.id", told.get("CLIENT_ID"));
        p.put("partition.assignment.strategy", STRATEGIES.get(told.get("STRATEGY")));
        p.put("session.timeout.ms", told.get("SESSION_MS"));
        p.put("heartbeat.interval.ms", "300");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "true");
        p.put("auto.commit.interval.ms", "200");
        p.put("metadata.max.age.ms", "1000");
        p.put("key.deserializer", ByteArrayDeserializer.class.getName());
        p.put("value.deserializer", ByteArrayDeserializer.class.getName());
        if (told.containsKey("INSTANCE_ID")) {
            p.put("group.instance.id", told.get("INSTANCE_ID"));
        }
        return p;
    }

    public static void main(String[] args) {
        CountDownLatch closed = new CountDownLatch(1);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings())) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(consumer, closed)));
            consumer.subscribe(List.of(System.getenv("TOPIC")));
            while (true) {
                ConsumerRecords<byte[], byte[]> got = consumer.poll(Duration.ofMillis(200));
                int generation = consumer.groupMetadata().generationId();
                for (ConsumerRecord<byte[], byte[]> r : got) {
                    System.out.println(
                            "record " + r.partition() + " " + r.offset() + " " + generation);
                }
            }
        } catch (WakeupException stopped) {
            // SIGTERM: the consumer has been closed, which commits and leaves.
        } finally {
            closed.countDown();
        }
    }

    private static void stop(KafkaConsumer<byte[], byte[]> consumer, CountDownLatch closed) {
        consumer.wakeup();
        try {
            closed.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
