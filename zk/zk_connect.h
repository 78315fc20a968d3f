// SPDX-License-Identifier: Apache-2.0
//
// The value of zookeeper.connect taken apart: "host:port,host:port/chroot", as ZooKeeper's own client reads it. One
// chroot, after the last host; a host without a port has 2181; an IPv6 address with a port stands in brackets.
#ifndef OTTLA_ZK_ZK_CONNECT_H
#define OTTLA_ZK_ZK_CONNECT_H

#include "base/err.h"

struct zk_connect {
    char *hosts;  // "host:port,..." with all ports, brackets kept
    char *chroot; // "" = none, else "/a/b"
};

// ERR_INVALID: no host, an empty host, a port that is none, a chroot that is no path. Release it in any case.
enum err zk_connect_parse(const char *text, struct zk_connect *out) WARN_UNUSED;
void zk_connect_release(struct zk_connect *c);

#endif
