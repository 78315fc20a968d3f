// SPDX-License-Identifier: Apache-2.0

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java client (kafka-clients) against a broker: argument 1 is its address.
 *
 * <p>Creates a topic, produces with every codec, with and without idempotence and without
 * acknowledgement, reads from the beginning and by time, lists offsets, deletes the topic.
 */
public final class JavaClient {
    private static final int PARTITIONS = 3;
    private static final int STEP_MS = 1000;
    private static final long TIMEOUT_S = 30;
    private static final Duration TIMEOUT = Duration.ofSeconds(TIMEOUT_S);
    private static final int CLIENT_TIMEOUT_MS = 10_000;

    /** What came back is not what was written. */
    private static final class Mismatch extends RuntimeException {
        private static final long serialVersionUID = 1;

        Mismatch(String text) {
            super(text);
        }
    }

    /** A part of the row of records, and the settings of its producer. */
    private static final class Pass {
        final String codec;
        final boolean idempotent;
        final String acks;
        final int count;

        Pass(String codec, boolean idempotent, String acks, int count) {
            this.codec = codec;
            this.idempotent = idempotent;
            this.acks = acks;
            this.count = count;
        }

        @Override
        public String toString() {
            return codec + (idempotent ? ", idempotent" : "") + ", acks=" + acks;
        }
    }

    private final String bootstrap;
    private final String topic = "compat-java-" + UUID.randomUUID().toString().substring(0, 8);
    private final List<List<ProducerRecord<byte[], byte[]>>> wrote = new ArrayList<>();

    private JavaClient(String bootstrap) {
        this.bootstrap = bootstrap;
        for (int p = 0; p < PARTITIONS; p++) {
            wrote.add(new ArrayList<>());
        }
    }

    private static List<Pass> passes() {
        List<Pass> out = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            out.add(new Pass(codec, true, "all", 150));
            out.add(new Pass(codec, false, "1", 60));
        }
        out.add(new Pass("none", false, "0", 30));
        return out;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] makeKey(int number) {
        switch (number % 4) {
            case 0: return bytes("key-" + number);
            case 1: return null;
            case 2: return new byte[0];
            default: return new byte[] {0, (byte) 255, (byte) number, 10, 13};
        }
    }

    private static byte[] makeValue(int number) {
        byte[] out;
        switch (number % 5) {
            case 0:
                return bytes(("record " + number + ", told again and again. ")
                        .repeat(number % 40 + 1));
            case 1: return null;
            case 2: return new byte[0];
            case 3:
                out = new byte[256];
                for (int b = 0; b < 256; b++) {
                    out[b] = (byte) b;
                }
                return out;
            default:
                out = new byte[10_000];
                new Random(number).nextBytes(out);
                return out;
        }
    }

    /** Every shape of key, value and headers that is easily lost on the way. */
    private ProducerRecord<byte[], byte[]> makeRecord(int number, long baseMs) {
        ProducerRecord<byte[], byte[]> out = new ProducerRecord<>(topic, number % PARTITIONS,
                baseMs + (long) number * STEP_MS, makeKey(number), makeValue(number));
        if (number % 3 == 1) {
            out.headers().add("number", bytes("" + number));
        } else if (number % 3 == 2) {
            out.headers().add("same", bytes("1")).add("same", bytes("2"))
                    .add("empty", new byte[0]).add("null", null)
                    .add("n\u00e4me", bytes("w\u00e9rt"));
        }
        return out;
    }

    private static void expect(String what, Object expected, Object got) {
        if (!expected.equals(got)) {
            throw new Mismatch(what + ": expected " + expected + ", got " + got);
        }
    }

    private static String show(byte[] data) {
        if (data == null) {
            return "null";
        }
        String text = new String(data, 0, Math.min(data.length, 60), StandardCharsets.ISO_8859_1);
        return "'" + text + "' (" + data.length + " bytes)";
    }

    private static void compareBytes(String what, byte[] expected, byte[] got) {
        if (!Arrays.equals(expected, got)) {
            throw new Mismatch(what + ": wrote " + show(expected) + ", read " + show(got));
        }
    }

    private void compare(ConsumerRecord<byte[], byte[]> read) {
        String where = "partition " + read.partition() + " offset " + read.offset();
        List<ProducerRecord<byte[], byte[]>> all = wrote.get(read.partition());
        if (read.offset() >= all.size()) {
            throw new Mismatch(where + ": more records than were written");
        }
        ProducerRecord<byte[], byte[]> record = all.get((int) read.offset());
        compareBytes(where + ": key", record.key(), read.key());
        compareBytes(where + ": value", record.value(), read.value());
        expect(where + ": timestamp", record.timestamp(), read.timestamp());
        expect(where + ": timestamp type", TimestampType.CREATE_TIME, read.timestampType());
        Header[] a = record.headers().toArray();
        Header[] b = read.headers().toArray();
        expect(where + ": number of headers", a.length, b.length);
        for (int i = 0; i < a.length; i++) {
            expect(where + ": header name", a[i].key(), b[i].key());
            compareBytes(where + ": header " + a[i].key(), a[i].value(), b[i].value());
        }
    }

    private void produce(Pass pass, List<ProducerRecord<byte[], byte[]>> batch) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, pass.codec);
        config.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, pass.idempotent);
        config.put(ProducerConfig.ACKS_CONFIG, pass.acks);
        config.put(ProducerConfig.LINGER_MS_CONFIG, 5);
        config.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, CLIENT_TIMEOUT_MS);
        config.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, (int) TIMEOUT.toMillis());
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config,
                new ByteArraySerializer(), new ByteArraySerializer())) {
            for (ProducerRecord<byte[], byte[]> record : batch) {
                answers.add(producer.send(record));
            }
        }
        for (int i = 0; i < batch.size(); i++) {
            RecordMetadata answer = answers.get(i).get(TIMEOUT_S, TimeUnit.SECONDS);
            List<ProducerRecord<byte[], byte[]>> all = wrote.get(batch.get(i).partition());
            if (!pass.acks.equals("0")) {
                expect(pass + ": acknowledged place", batch.get(i).partition() + "-" + all.size(),
                        answer.partition() + "-" + answer.offset());
            }
            all.add(batch.get(i));
        }
    }

    private KafkaConsumer<byte[], byte[]> openConsumer() {
        Map<String, Object> config = new HashMap<>();
        config.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        config.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 50);
        config.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int) TIMEOUT.toMillis());
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
    }

    private List<TopicPartition> places() {
        List<TopicPartition> out = new ArrayList<>();
        for (int p = 0; p < PARTITIONS; p++) {
            out.add(new TopicPartition(topic, p));
        }
        return out;
    }

    private void readAll() {
        int left = wrote.stream().mapToInt(List::size).sum();
        long[] next = new long[PARTITIONS];
        long until = System.nanoTime() + TIMEOUT.toNanos();
        try (KafkaConsumer<byte[], byte[]> consumer = openConsumer()) {
            consumer.assign(places());
            consumer.seekToBeginning(places());
            while (left > 0) {
                if (System.nanoTime() > until) {
                    throw new Mismatch("reading from the beginning: " + left
                            + " records are missing; read up to " + Arrays.toString(next));
                }
                for (ConsumerRecord<byte[], byte[]> read : consumer.poll(Duration.ofSeconds(1))) {
                    expect("partition " + read.partition() + ": next offset",
                            next[read.partition()], read.offset());
                    compare(read);
                    next[read.partition()]++;
                    left--;
                }
            }
        }
    }

    private void readByTime() {
        try (KafkaConsumer<byte[], byte[]> consumer = openConsumer()) {
            for (TopicPartition place : places()) {
                consumer.assign(List.of(place));
                List<ProducerRecord<byte[], byte[]>> all = wrote.get(place.partition());
                int middle = all.size() / 2;
                int last = all.size() - 1;
                askByTime(consumer, place, all.get(0).timestamp() - 1, 0);
                askByTime(consumer, place, all.get(0).timestamp(), 0);
                askByTime(consumer, place, all.get(middle).timestamp(), middle);
                askByTime(consumer, place, all.get(middle).timestamp() + 1, middle + 1);
                askByTime(consumer, place, all.get(last).timestamp(), last);
                OffsetAndTimestamp none = consumer.offsetsForTimes(
                        Map.of(place, all.get(last).timestamp() + 1)).get(place);
                if (none != null) {
                    throw new Mismatch(place + ": a time behind the last record has " + none);
                }
            }
        }
    }

    private void askByTime(KafkaConsumer<byte[], byte[]> consumer, TopicPartition place,
            long timestampMs, long offset) {
        String where = place + ", offset for time " + timestampMs;
        OffsetAndTimestamp answer = consumer.offsetsForTimes(Map.of(place, timestampMs)).get(place);
        if (answer == null) {
            throw new Mismatch(where + ": no answer instead of " + offset);
        }
        expect(where, offset, answer.offset());
        expect(where + ": timestamp", wrote.get(place.partition()).get((int) offset).timestamp(),
                answer.timestamp());
        consumer.seek(place, answer.offset());
        List<ConsumerRecord<byte[], byte[]>> read = consumer.poll(TIMEOUT).records(place);
        if (read.isEmpty()) {
            throw new Mismatch(where + ": no record");
        }
        expect(where + ": first record", offset, read.get(0).offset());
        compare(read.get(0));
    }

    private void listOffsets(Admin admin) throws Exception {
        for (TopicPartition place : places()) {
            long count = wrote.get(place.partition()).size();
            expect(place + ": earliest", 0L, listOffset(admin, place, OffsetSpec.earliest()));
            expect(place + ": latest", count, listOffset(admin, place, OffsetSpec.latest()));
            expect(place + ": highest timestamp", count - 1,
                    listOffset(admin, place, OffsetSpec.maxTimestamp()));
        }
    }

    private static long listOffset(Admin admin, TopicPartition place, OffsetSpec spec)
            throws Exception {
        ListOffsetsResultInfo answer = admin.listOffsets(Map.of(place, spec))
                .partitionResult(place).get(TIMEOUT_S, TimeUnit.SECONDS);
        return answer.offset();
    }

    private void createTopic(Admin admin) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1))).all()
                .get(TIMEOUT_S, TimeUnit.SECONDS);
        long until = System.nanoTime() + TIMEOUT.toNanos();
        while (!isListed(admin) || leaders(admin) != PARTITIONS) {
            if (System.nanoTime() > until) {
                throw new Mismatch(topic + " does not have leaders for all its partitions");
            }
            Thread.sleep(50);
        }
    }

    private boolean isListed(Admin admin) throws Exception {
        return admin.listTopics().names().get(TIMEOUT_S, TimeUnit.SECONDS).contains(topic);
    }

    private long leaders(Admin admin) throws Exception {
        TopicDescription description = admin.describeTopics(List.of(topic)).allTopicNames()
                .get(TIMEOUT_S, TimeUnit.SECONDS).get(topic);
        return description.partitions().stream().filter(p -> p.leader() != null).count();
    }

    private void deleteTopic(Admin admin) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get(TIMEOUT_S, TimeUnit.SECONDS);
        long until = System.nanoTime() + TIMEOUT.toNanos();
        while (isListed(admin)) {
            if (System.nanoTime() > until) {
                throw new Mismatch(topic + " was deleted and is still listed");
            }
            Thread.sleep(50);
        }
    }

    private void run() throws Exception {
        Map<String, Object> config = Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
                AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, CLIENT_TIMEOUT_MS);
        int number = 0;
        try (Admin admin = Admin.create(config)) {
            createTopic(admin);
            // An hour ago: explicit, and yet inside every default for retention and clock skew.
            long baseMs = System.currentTimeMillis() - 3_600_000;
            for (Pass pass : passes()) {
                List<ProducerRecord<byte[], byte[]>> batch = new ArrayList<>();
                for (int i = 0; i < pass.count; i++) {
                    batch.add(makeRecord(number++, baseMs));
                }
                produce(pass, batch);
            }
            readAll();
            readByTime();
            listOffsets(admin);
            deleteTopic(admin);
        }
        System.out.println("kafka-clients: " + number + " records");
    }

    public static void main(String[] arguments) throws Exception {
        try {
            new JavaClient(arguments[0]).run();
        } catch (Mismatch problem) {
            System.err.println("java: " + problem.getMessage());
            System.exit(1);
        }
    }
}
