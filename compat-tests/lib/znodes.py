# SPDX-License-Identifier: Apache-2.0
"""The tree in a ZooKeeper, as a client of it sees it, and two such trees side by side."""

import collections
import json

import kazoo.client

Node = collections.namedtuple("Node", "data version cversion ephemeral acl")

TIMEOUT_S = 20


def client(address):
    """A client of the tree at host:port/chroot, for a with statement."""
    return _Client(hosts=address, timeout=TIMEOUT_S)


class _Client(kazoo.client.KazooClient):
    def __enter__(self):
        self.start(TIMEOUT_S)
        return self

    def __exit__(self, *_):
        self.stop()
        self.close()


def dump(address):
    """{path: Node} of all that lies below host:port/chroot, without ZooKeeper's own nodes."""
    found = {}
    with client(address) as zookeeper:
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            for name in zookeeper.get_children(path):
                waiting.append(path.rstrip("/") + "/" + name)
            data, stat = zookeeper.get(path)
            acl = ",".join(str(entry) for entry in zookeeper.get_acls(path)[0])
            if path != "/" and not path.startswith("/zookeeper"):
                found[path] = Node(None if data is None else data.decode(), stat.version,
                                   stat.cversion, stat.ephemeralOwner != 0, acl)
    return found


def value(node):
    """What a node says, whatever order its keys were written in; None is null data."""
    try:
        return json.loads(node.data or "")
    except ValueError:
        return node.data
