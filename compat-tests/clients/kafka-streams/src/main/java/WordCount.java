// SPDX-License-Identifier: Apache-2.0

import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Counts the words of the topic {@code lines} into the topic {@code counts}, until it gets SIGTERM. Arguments: its
 * application id, the folder of its state, the broker's address.
 */
public final class WordCount {
    private static Properties settings(String[] arguments) {
        Properties out = new Properties();
        out.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[0]);
        out.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);
        out.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[2]);
        out.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        out.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        out.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        out.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
        out.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        out.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        out.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6000);
        out.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 1000);
        return out;
    }

    public static void main(String[] arguments) throws InterruptedException {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream("lines")
                .flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.as("words"))
                .count(Materialized.as("counted"))
                .toStream()
                .to("counts", Produced.with(Serdes.String(), Serdes.Long()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments));
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(30));
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }

    private WordCount() {}
}
