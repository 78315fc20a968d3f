// SPDX-License-Identifier: Apache-2.0
//
// Producer ids for idempotent producers (KIP-98): taken one by one from blocks of 1000 that the controller hands out
// (/latest_producer_id_block). No id is ever given twice, also across restarts: what is left of a block is dropped.
// Thread safe.
#ifndef OTTLA_TXN_PRODUCER_IDS_H
#define OTTLA_TXN_PRODUCER_IDS_H

#include "broker/cluster/cluster.h"

struct producer_ids;

enum err producer_ids_new(struct cluster *c, struct producer_ids **out) WARN_UNUSED;
void producer_ids_free(struct producer_ids *p);
// ERR_OK: *id. ERR_AGAIN: the block is used up and the next one is being fetched; *job is it, referenced for the
// caller, to wait for before asking again. Other errors: no block can be had now.
enum err producer_ids_take(struct producer_ids *p, int64_t *id, struct cluster_job **job) WARN_UNUSED;

#endif
