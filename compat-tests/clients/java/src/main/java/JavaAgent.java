// SPDX-License-Identifier: Apache-2.0

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The agent of the Java client (kafka-clients). What it is told: ../../../../README.md. */
public final class JavaAgent {
    private static final long TIMEOUT_S = 45;
    private static final int CLIENT_TIMEOUT_MS = 30_000;
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Does what a request asks for; null: the answer has no fields. */
    private interface Verb {
        ObjectNode run(JsonNode request) throws Exception;
    }

    private final String bootstrap;
    private final Admin admin;
    private final Map<String, Verb> verbs = new HashMap<>();
    private KafkaConsumer<byte[], byte[]> member;

    private JavaAgent(String bootstrap) {
        this.bootstrap = bootstrap;
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap,
                "default.api.timeout.ms", CLIENT_TIMEOUT_MS));
        verbs.put("about", request -> about());
        verbs.put("create-topic", this::createTopic);
        verbs.put("list-topics", request -> listTopics());
        verbs.put("delete-topic", this::deleteTopic);
        verbs.put("create-partitions", this::createPartitions);
        verbs.put("describe-config", this::describeConfig);
        verbs.put("alter-config", this::alterConfig);
        verbs.put("describe-cluster", request -> describeCluster());
        verbs.put("delete-records", this::deleteRecords);
        verbs.put("offsets", this::offsets);
        verbs.put("offset-at", this::offsetAt);
        verbs.put("produce", this::produce);
        verbs.put("read", this::read);
        verbs.put("join", this::join);
        verbs.put("poll", this::poll);
        verbs.put("commit", request -> commit());
        verbs.put("leave", request -> leave());
        verbs.put("list-groups", request -> listGroups());
        verbs.put("describe-group", this::describeGroup);
        verbs.put("committed", this::committed);
        verbs.put("alter-offsets", this::alterOffsets);
        verbs.put("delete-offsets", this::deleteOffsets);
        verbs.put("delete-group", this::deleteGroup);
    }

    private static <T> T get(Future<T> future) throws Exception {
        return future.get(TIMEOUT_S, TimeUnit.SECONDS);
    }

    private static ObjectNode answer(String name, JsonNode value) {
        return JSON.createObjectNode().set(name, value);
    }

    private static ObjectNode about() throws IOException {
        Properties build = new Properties();
        build.load(Admin.class.getResourceAsStream("/kafka/kafka-version.properties"));
        ObjectNode out = JSON.createObjectNode()
                .put("client", "kafka-clients " + build.getProperty("version"));
        out.putObject("lacks");
        return out;
    }

    // A topic

    private ObjectNode createTopic(JsonNode request) throws Exception {
        Map<String, String> configs = new HashMap<>();
        request.get("configs").fields().forEachRemaining(one -> configs.put(one.getKey(), one.getValue().asText()));
        NewTopic topic = new NewTopic(request.get("topic").asText(), request.get("partitions").asInt(),
                (short) request.get("replicas").asInt());
        get(admin.createTopics(List.of(topic.configs(configs))).all());
        return null;
    }

    private ObjectNode listTopics() throws Exception {
        Set<String> names = get(admin.listTopics().names());
        ObjectNode leaders = JSON.createObjectNode();
        for (TopicDescription topic : get(admin.describeTopics(names).allTopicNames()).values()) {
            leaders.put(topic.name(), topic.partitions().stream().filter(p -> p.leader() != null).count());
        }
        return answer("topics", leaders);
    }

    private ObjectNode deleteTopic(JsonNode request) throws Exception {
        get(admin.deleteTopics(List.of(request.get("topic").asText())).all());
        return null;
    }

    private ObjectNode createPartitions(JsonNode request) throws Exception {
        get(admin.createPartitions(Map.of(request.get("topic").asText(),
                NewPartitions.increaseTo(request.get("count").asInt()))).all());
        return null;
    }

    private static ConfigResource resource(JsonNode request) {
        return new ConfigResource(ConfigResource.Type.TOPIC, request.get("topic").asText());
    }

    private ObjectNode describeConfig(JsonNode request) throws Exception {
        ConfigResource resource = resource(request);
        Config found = get(admin.describeConfigs(List.of(resource)).all()).get(resource);
        ObjectNode configs = JSON.createObjectNode();
        found.entries().forEach(entry -> configs.put(entry.name(), entry.value()));
        return answer("configs", configs);
    }

    private ObjectNode alterConfig(JsonNode request) throws Exception {
        ConfigEntry entry = new ConfigEntry(request.get("name").asText(), request.get("value").asText());
        get(admin.incrementalAlterConfigs(Map.of(resource(request),
                List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET)))).all());
        return null;
    }

    private ObjectNode describeCluster() throws Exception {
        DescribeClusterResult found = admin.describeCluster();
        ArrayNode brokers = JSON.createArrayNode();
        for (Node node : get(found.nodes())) {
            brokers.add(node.id());
        }
        return answer("brokers", brokers).put("controller", get(found.controller()).id());
    }

    private static TopicPartition place(JsonNode request) {
        return new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
    }

    private ObjectNode deleteRecords(JsonNode request) throws Exception {
        get(admin.deleteRecords(Map.of(place(request),
                RecordsToDelete.beforeOffset(request.get("offset").asLong()))).all());
        return null;
    }

    private long listOffset(TopicPartition place, OffsetSpec spec) throws Exception {
        return get(admin.listOffsets(Map.of(place, spec)).partitionResult(place)).offset();
    }

    private ObjectNode offsets(JsonNode request) throws Exception {
        return JSON.createObjectNode().put("earliest", listOffset(place(request), OffsetSpec.earliest()))
                .put("latest", listOffset(place(request), OffsetSpec.latest()));
    }

    private ObjectNode offsetAt(JsonNode request) {
        try (KafkaConsumer<byte[], byte[]> consumer = openConsumer(Map.of())) {
            OffsetAndTimestamp found = consumer.offsetsForTimes(
                    Map.of(place(request), request.get("timestamp").asLong())).get(place(request));
            return JSON.createObjectNode().put("offset", found == null ? null : (Long) found.offset());
        }
    }

    // Records

    private static byte[] bytes(JsonNode node) throws IOException {
        return node.isNull() ? null : node.binaryValue();
    }

    private static ProducerRecord<byte[], byte[]> toRecord(String topic, JsonNode record) throws IOException {
        ProducerRecord<byte[], byte[]> out = new ProducerRecord<>(topic, record.get("partition").asInt(),
                record.get("timestamp").asLong(), bytes(record.get("key")), bytes(record.get("value")));
        for (JsonNode header : record.get("headers")) {
            out.headers().add(header.get("name").asText(), bytes(header.get("value")));
        }
        return out;
    }

    private static ObjectNode fromRecord(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode out = JSON.createObjectNode().put("partition", record.partition())
                .put("offset", record.offset()).put("key", record.key()).put("value", record.value())
                .put("timestamp", record.timestamp());
        ArrayNode headers = out.putArray("headers");
        for (Header header : record.headers()) {
            headers.addObject().put("name", header.key()).put("value", header.value());
        }
        return out;
    }

    private ObjectNode produce(JsonNode request) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, request.get("codec").asText());
        config.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, request.get("idempotent").asBoolean());
        config.put(ProducerConfig.ACKS_CONFIG, request.get("acks").asText());
        config.put(ProducerConfig.LINGER_MS_CONFIG, 5);
        config.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, CLIENT_TIMEOUT_MS / 3);
        config.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, CLIENT_TIMEOUT_MS);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config,
                new ByteArraySerializer(), new ByteArraySerializer())) {
            for (JsonNode record : request.get("records")) {
                sent.add(producer.send(toRecord(request.get("topic").asText(), record)));
            }
        }
        ArrayNode offsets = JSON.createArrayNode();
        for (Future<RecordMetadata> one : sent) {
            offsets.add(get(one).offset());
        }
        return answer("offsets", offsets);
    }

    private KafkaConsumer<byte[], byte[]> openConsumer(Map<String, Object> settings) {
        Map<String, Object> config = new HashMap<>(settings);
        config.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        config.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 50);
        config.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, CLIENT_TIMEOUT_MS);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Exactly so many records from where the consumer stands; what a poll brings beyond them is dropped. */
    private static ArrayNode take(KafkaConsumer<byte[], byte[]> consumer, int count) {
        ArrayNode taken = JSON.createArrayNode();
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_S);
        while (taken.size() < count) {
            if (System.nanoTime() > until) {
                throw new IllegalStateException("only " + taken.size() + " records in " + TIMEOUT_S + " s");
            }
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                if (taken.size() < count) {
                    taken.add(fromRecord(record));
                }
            }
        }
        return taken;
    }

    private ObjectNode read(JsonNode request) {
        ArrayNode reads = JSON.createArrayNode();
        try (KafkaConsumer<byte[], byte[]> consumer = openConsumer(Map.of("auto.offset.reset", "none"))) {
            consumer.assign(List.of(place(request)));
            for (JsonNode start : request.get("starts")) {
                consumer.seek(place(request), start.asLong());
                reads.add(take(consumer, request.get("count").asInt()));
            }
        }
        return answer("reads", reads);
    }

    // A group

    private ObjectNode join(JsonNode request) {
        member = openConsumer(Map.of("group.id", request.get("group").asText(),
                "auto.offset.reset", "earliest", "heartbeat.interval.ms", 300));
        member.subscribe(List.of(request.get("topic").asText()));
        return null;
    }

    private ObjectNode poll(JsonNode request) {
        ArrayNode records = JSON.createArrayNode();
        member.poll(Duration.ofMillis(request.get("wait_ms").asLong()))
                .forEach(record -> records.add(fromRecord(record)));
        return answer("records", records);
    }

    private ObjectNode commit() {
        member.commitSync();
        return null;
    }

    private ObjectNode leave() {
        member.close();
        return null;
    }

    private ObjectNode listGroups() throws Exception {
        ArrayNode groups = JSON.createArrayNode();
        for (ConsumerGroupListing group : get(admin.listConsumerGroups().all())) {
            groups.add(group.groupId());
        }
        return answer("groups", groups);
    }

    private ObjectNode describeGroup(JsonNode request) throws Exception {
        String group = request.get("group").asText();
        ConsumerGroupDescription found = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
        return JSON.createObjectNode().put("state", found.state().toString())
                .put("members", found.members().size());
    }

    private ObjectNode committed(JsonNode request) throws Exception {
        ObjectNode offsets = JSON.createObjectNode();
        get(admin.listConsumerGroupOffsets(request.get("group").asText()).partitionsToOffsetAndMetadata())
                .forEach((place, found) -> offsets.put("" + place.partition(), found.offset()));
        return answer("offsets", offsets);
    }

    private ObjectNode alterOffsets(JsonNode request) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        request.get("offsets").fields().forEachRemaining(one -> wanted.put(
                new TopicPartition(request.get("topic").asText(), Integer.parseInt(one.getKey())),
                new OffsetAndMetadata(one.getValue().asLong())));
        get(admin.alterConsumerGroupOffsets(request.get("group").asText(), wanted).all());
        return null;
    }

    private ObjectNode deleteOffsets(JsonNode request) throws Exception {
        get(admin.deleteConsumerGroupOffsets(request.get("group").asText(),
                Set.of(new TopicPartition(request.get("topic").asText(), 0))).all());
        return null;
    }

    private ObjectNode deleteGroup(JsonNode request) throws Exception {
        get(admin.deleteConsumerGroups(List.of(request.get("group").asText())).all());
        return null;
    }

    // Requests and answers

    /** Kafka's error code; null when it is not Kafka's. */
    private static Short code(Throwable problem) {
        if (problem instanceof OffsetOutOfRangeException) {
            return Errors.OFFSET_OUT_OF_RANGE.code();
        }
        Errors error = Errors.forException(problem);
        return error == Errors.UNKNOWN_SERVER_ERROR ? null : (Short) error.code();
    }

    private ObjectNode answerTo(JsonNode request) {
        try {
            ObjectNode found = verbs.get(request.get("verb").asText()).run(request);
            return answer("ok", found == null ? JSON.createObjectNode() : found);
        } catch (Exception e) {
            Throwable problem = e instanceof ExecutionException ? e.getCause() : e;
            return answer("error", JSON.createObjectNode().put("code", code(problem))
                    .put("text", problem.toString()));
        }
    }

    public static void main(String[] arguments) throws IOException {
        JavaAgent agent = new JavaAgent(arguments[arguments.length - 1]);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            System.out.println(JSON.writeValueAsString(agent.answerTo(JSON.readTree(line))));
        }
        System.exit(0);
    }
}
