// SPDX-License-Identifier: Apache-2.0
//
// What is known about configs in tests of the pure parts: broker 1 with a short table of keys and one topic, "t".
#ifndef OTTLA_CLUSTER_TESTS_CONFIG_SCENE_H
#define OTTLA_CLUSTER_TESTS_CONFIG_SCENE_H

#include "broker/cluster/config_alter.h"

struct config_scene {
    struct topic_config defaults;
    struct znode_config broker;
    struct znode_config cluster;
    struct config_context x;
    struct arena a;
};

void config_scene_init(struct config_scene *s);
void config_scene_release(struct config_scene *s);
// An entry list of one.
struct znode_config config_scene_entry(struct config_scene *s, const char *key, const char *value);
// "key=value source, ..." of a description's synonyms.
const char *synonyms_text(const struct config_shown *shown, struct arena *a);

#endif
