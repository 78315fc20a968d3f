// SPDX-License-Identifier: Apache-2.0

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** An idempotent writer of the crash test by the Java client. What it is told and says: test.py. */
public final class CrashWriter {
    private static final int MAX_PADDING = 800;
    private static final int STOP_TIMEOUT_S = 60;

    private CrashWriter() {}

    private static int number(String name) {
        return Integer.parseInt(System.getenv(name));
    }

    private static byte[] makeValue(long writer, long partition, long sequence) {
        String front = writer + " " + partition + " " + sequence + " ";
        int size = (int) ((writer * 7919 + partition * 104729 + sequence * 1299709) % MAX_PADDING);
        String padding = front.repeat(size / front.length() + 1).substring(0, size);
        return (front + padding).getBytes(StandardCharsets.US_ASCII);
    }

    private static Properties settings(Map<String, String> told) {
        Properties p = new Properties();
        p.put("bootstrap.servers", told.get("BOOTSTRAP"));
        p.put("enable.idempotence", "true");
        p.put("acks", "all");
        p.put("compression.type", "lz4");
        p.put("linger.ms", "2");
        p.put("delivery.timeout.ms", String.valueOf(Integer.MAX_VALUE));
        p.put("max.block.ms", String.valueOf(Integer.MAX_VALUE));
        p.put("request.timeout.ms", "10000");
        p.put("retry.backoff.ms", "20");
        p.put("reconnect.backoff.ms", "10");
        p.put("reconnect.backoff.max.ms", "200");
        p.put("buffer.memory", String.valueOf(1 << 20));
        p.put("key.serializer", ByteArraySerializer.class.getName());
        p.put("value.serializer", ByteArraySerializer.class.getName());
        return p;
    }

    public static void main(String[] args) throws InterruptedException {
        String topic = System.getenv("TOPIC");
        int writer = number("WRITER");
        int partitions = number("PARTITIONS");
        long pauseMs = 1000L / number("PER_SECOND");
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch flushed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            asked.countDown();
            try {
                flushed.await(STOP_TIMEOUT_S, TimeUnit.SECONDS);
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
        }));
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings(System.getenv()))) {
            for (long i = 0; !asked.await(pauseMs, TimeUnit.MILLISECONDS); i++) {
                int partition = (int) (i % partitions);
                long sequence = i / partitions;
                producer.send(
                        new ProducerRecord<>(
                                topic, partition, null, makeValue(writer, partition, sequence)),
                        (metadata, error) -> System.out.println(
                                error != null ? "error " + error
                                        : "ack " + partition + " " + metadata.offset() + " "
                                                + sequence));
            }
            producer.flush();
        } finally {
            flushed.countDown();
        }
    }
}
