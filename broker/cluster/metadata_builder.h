// SPDX-License-Identifier: Apache-2.0
//
// Making the next picture of the cluster out of the last one, on the control thread. Topics that do not change are
// shared between pictures, so a change costs a pointer per topic and the lookup tables, not a copy of everything.
#ifndef OTTLA_CLUSTER_METADATA_BUILDER_H
#define OTTLA_CLUSTER_METADATA_BUILDER_H

#include "broker/cluster/metadata.h"

struct metadata_builder;

// Begins with what `from` holds (NULL: with nothing) and the next version; the builder does not keep `from`.
struct metadata_builder *metadata_builder_new(const struct metadata *from, const char *cluster_id);
void metadata_builder_set_controller(struct metadata_builder *b, int32_t broker_id);
// Replaces all brokers. Copied; need not be sorted.
void metadata_builder_set_brokers(struct metadata_builder *b, const struct metadata_broker *brokers, int32_t count);
// Adds the topic or replaces the one of that name. Copied; its partitions are sorted and without gaps.
void metadata_builder_put_topic(struct metadata_builder *b, const struct metadata_topic *t);
// The same for some partitions of a topic: the others stay as they are, as long as the topic has the same id. Ascending
// by index; numbers nobody has said anything of yet are partitions without replicas.
void metadata_builder_put_partitions(struct metadata_builder *b, const struct metadata_topic *t);
// Nothing when there is no such topic.
void metadata_builder_remove_topic(struct metadata_builder *b, const char *name);
// The picture with one reference, for the caller; the builder is gone.
const struct metadata *metadata_builder_finish(struct metadata_builder *b);

#endif
