// SPDX-License-Identifier: Apache-2.0

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Members of consumer groups, each on a thread of its own, which stay until they are told to leave. */
final class Members {
  private static final Duration POLL = Duration.ofMillis(100);

  private static final class Member extends Thread {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final String topic;
    private final CountDownLatch assigned = new CountDownLatch(1);

    Member(KafkaConsumer<byte[], byte[]> consumer, String topic) {
      this.consumer = consumer;
      this.topic = topic;
    }

    @Override
    public void run() {
      consumer.subscribe(List.of(topic));
      try {
        while (true) {
          consumer.poll(POLL);
          if (!consumer.assignment().isEmpty()) {
            assigned.countDown();
          }
        }
      } catch (WakeupException e) {
        consumer.close();
      }
    }
  }

  private final String bootstrap;
  private final Map<String, Member> members = new HashMap<>();

  Members(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  /** Returns when the group has given partitions of the topic to the new member. It commits nothing. */
  void join(String group, String client, String topic) {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", bootstrap, "group.id", group, "client.id", client, "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "heartbeat.interval.ms", 500);
    Member member =
        new Member(new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer()), topic);
    members.put(group + " " + client, member);
    member.start();
    try {
      member.assigned.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  void leave(String group, String client) {
    Member member = members.remove(group + " " + client);
    member.consumer.wakeup();
    try {
      member.join();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  void leaveAll() {
    for (String name : List.copyOf(members.keySet())) {
      leave(name.substring(0, name.indexOf(' ')), name.substring(name.indexOf(' ') + 1));
    }
  }
}
