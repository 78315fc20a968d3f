// SPDX-License-Identifier: Apache-2.0

import java.util.Collections;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeReplicaLogDirsResult.ReplicaLogDirInfo;
import org.apache.kafka.common.TopicPartitionReplica;

/**
 * Has one replica move to another log directory and waits until it is there: arguments are the
 * bootstrap address, broker id, topic, partition and the directory.
 */
public final class MoveReplica {
    private static final long TIMEOUT_MS = 60_000;
    private static final long POLL_MS = 20;

    private MoveReplica() {}

    public static void main(String[] arguments) throws Exception {
        TopicPartitionReplica replica = new TopicPartitionReplica(
                arguments[2], Integer.parseInt(arguments[3]), Integer.parseInt(arguments[1]));
        String directory = arguments[4];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]))) {
            admin.alterReplicaLogDirs(Map.of(replica, directory)).all().get();
            long until = System.currentTimeMillis() + TIMEOUT_MS;
            while (!isThere(admin, replica, directory)) {
                if (System.currentTimeMillis() > until) {
                    throw new IllegalStateException(replica + " has not come to " + directory);
                }
                Thread.sleep(POLL_MS);
            }
        }
    }

    private static boolean isThere(Admin admin, TopicPartitionReplica replica, String directory)
            throws Exception {
        ReplicaLogDirInfo info = admin.describeReplicaLogDirs(Collections.singleton(replica))
                .values().get(replica).get();
        return directory.equals(info.getCurrentReplicaLogDir())
                && info.getFutureReplicaLogDir() == null;
    }
}
