// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's command line tools in one virtual machine, because each start of one takes a second.
 *
 * <p>Reads commands from standard input, one a line: a tool's name and its arguments, with tabs between them. After each
 * it writes what the tool wrote, standard output and errors as they came, and a line that ends with the exit code:
 * {@code <mark> 0}. Commands more than the tools there are: {@code produce TOPIC PARTITION COUNT}, records of one batch
 * with fixed times; {@code reassign TOPIC PARTITION REPLICAS}, with commas between these, which unlike the tool takes
 * brokers that are away; {@code join GROUP CLIENT TOPIC} and {@code leave GROUP CLIENT}, see {@link Members}.
 */
public final class RunTools {
  private static final Map<String, String> TOOLS =
      Map.of(
          "kafka-topics", "org.apache.kafka.tools.TopicCommand",
          "kafka-configs", "kafka.admin.ConfigCommand",
          "kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
          "kafka-reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
          "kafka-leader-election", "org.apache.kafka.tools.LeaderElectionCommand",
          "kafka-log-dirs", "org.apache.kafka.tools.LogDirsCommand",
          "kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand",
          "kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell",
          "kafka-broker-api-versions", "kafka.admin.BrokerApiVersionsCommand",
          "kafka-cluster", "org.apache.kafka.tools.ClusterTool");
  private static final long FIRST_TIMESTAMP_MS = 1700000000000L;
  private static final int RECORD_BYTES = 100;

  /** Thrown in the place of the end of the process; some tools catch it and would go on. */
  private static final class Ended extends Error {
    private static final long serialVersionUID = 1L;
  }

  /**
   * What a tool says until it would have ended. Scala keeps the standard output of its first use, so it stays the same
   * for all.
   */
  private static final class Saying extends OutputStream {
    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private Integer code;

    @Override
    public synchronized void write(int b) {
      if (code == null) {
        said.write(b);
      }
    }

    synchronized void end(int exitCode) {
      if (code == null) {
        code = exitCode;
      }
    }

    synchronized int code() {
      return code;
    }

    synchronized String take() {
      String text = said.toString(StandardCharsets.UTF_8);
      said.reset();
      code = null;
      return text;
    }
  }

  public static void main(String[] args) throws IOException {
    String mark = args[0];
    String bootstrap = args[1];
    PrintStream answers = System.out;
    Saying saying = new Saying();
    PrintStream stream = new PrintStream(saying, true, StandardCharsets.UTF_8);
    System.setOut(stream);
    System.setErr(stream);
    Exit.setExitProcedure(
        (code, message) -> {
          stream.flush();
          saying.end(code);
          throw new Ended();
        });
    BufferedReader commands =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Members members = new Members(bootstrap);
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      run(List.of(line.split("\t")), bootstrap, members);
      stream.flush();
      saying.end(0);
      int code = saying.code();
      String text = saying.take();
      answers.print(text + (text.isEmpty() || text.endsWith("\n") ? "" : "\n"));
      answers.println(mark + " " + code);
      answers.flush();
    }
    members.leaveAll();
  }

  private static void run(List<String> command, String bootstrap, Members members) {
    switch (command.get(0)) {
      case "produce":
        produce(bootstrap, command.get(1), Integer.parseInt(command.get(2)), Integer.parseInt(command.get(3)));
        break;
      case "reassign":
        reassign(bootstrap, command.get(1), Integer.parseInt(command.get(2)), command.get(3));
        break;
      case "join":
        members.join(command.get(1), command.get(2), command.get(3));
        break;
      case "leave":
        members.leave(command.get(1), command.get(2));
        break;
      default:
        runTool(command, bootstrap);
    }
  }

  private static void runTool(List<String> command, String bootstrap) {
    List<String> arguments = new ArrayList<>(command.subList(1, command.size()));
    arguments.addAll(List.of("--bootstrap-server", bootstrap));
    try {
      Class.forName(TOOLS.get(command.get(0)))
          .getMethod("main", String[].class)
          .invoke(null, (Object) arguments.toArray(new String[0]));
    } catch (InvocationTargetException e) {
      if (!(e.getCause() instanceof Ended)) {
        System.err.println("thrown by the tool: " + e.getCause());
      }
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void produce(String bootstrap, String topic, int partition, int count) {
    Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "linger.ms", 60000, "batch.size", 1 << 20);
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int i = 0; i < count; i++) {
        byte[] key = Integer.toString(i).getBytes(StandardCharsets.UTF_8);
        producer.send(new ProducerRecord<>(topic, partition, FIRST_TIMESTAMP_MS + i, key, new byte[RECORD_BYTES]));
      }
      producer.flush();
    }
  }

  private static void reassign(String bootstrap, String topic, int partition, String replicas) {
    List<Integer> wanted = Arrays.stream(replicas.split(",")).map(Integer::valueOf).collect(Collectors.toList());
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      admin
          .alterPartitionReassignments(
              Map.of(new TopicPartition(topic, partition), Optional.of(new NewPartitionReassignment(wanted))))
          .all()
          .get();
    } catch (InterruptedException | ExecutionException e) {
      System.err.println(e.getMessage());
    }
  }

  private RunTools() {}
}
