// SPDX-License-Identifier: Apache-2.0
//
// A block of producer ids: reads who took the last one and takes the next by a conditional set, as Kafka does, so
// that no id is given out twice however many brokers ask and whenever one dies.
#include "broker/cluster/cluster_internal.h"

#include "base/logging.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

#define PAYLOAD_ARENA_LIMIT ((size_t)64 * 1024)

static void block_read(struct cluster *c, struct cluster_job *j);

static void finish(struct cluster *c, struct cluster_job *j)
{
    if (j->producer_id_count > 0) {
        log_debug("cluster", "producer ids %lld to %lld are taken", (long long)j->producer_id_first,
                  (long long)(j->producer_id_first + j->producer_id_count - 1));
    }
    job_finish(c, j, ERR_OK);
    jobs_next(c);
}

static void block_written(struct cluster *c, struct cluster_job *j, int32_t index, const struct zk_result *r)
{
    (void)c;
    (void)index;
    if (r->err == ERR_OK) {
        j->producer_id_count = ZNODE_PRODUCER_ID_BLOCK_SIZE;
    } else if (r->err != ERR_BAD_VERSION) { // then somebody was faster
        job_fail(j, r->err);
    }
}

static void write_done(struct cluster *c, struct cluster_job *j)
{
    if (j->producer_id_count > 0) {
        finish(c, j);
    } else {
        block_read(c, j);
    }
}

static void block_result(struct cluster *c, struct cluster_job *j, int32_t index, const struct zk_result *r)
{
    (void)index;
    struct arena a;
    arena_init(&a, PAYLOAD_ARENA_LIMIT);
    struct znode_producer_ids last = {.last = -1};
    enum err err = r->err != ERR_OK ? r->err : znode_producer_ids_decode(r->data, &a, &last);
    if (err == ERR_NOT_FOUND && r->err == ERR_OK) {
        last.last = -1; // nobody has taken a block yet
        err = ERR_OK;
    }
    if (err == ERR_OK && last.last > INT64_MAX - ZNODE_PRODUCER_ID_BLOCK_SIZE) {
        log_error("cluster", "all producer ids are used up");
        err = ERR_FULL;
    }
    struct znode_producer_ids next = {.broker_id =
                                          j->request.broker == JOB_OF_THIS_BROKER ? c->broker_id : j->request.broker,
                                      .first = last.last + 1,
                                      .last = last.last + ZNODE_PRODUCER_ID_BLOCK_SIZE};
    struct slice data = SLICE_NULL;
    if (err == ERR_OK) {
        err = znode_producer_ids_encode(&next, &a, &data);
    }
    if (err == ERR_OK) {
        j->producer_id_first = next.first;
        j->work->on_result = block_written; // of the set, which this outcome is followed by
        zk_set(c->zk, ZNODE_PRODUCER_IDS, data, r->stat.version, cluster_call_done, job_call(c, j, 0));
    } else {
        job_fail(j, err);
    }
    arena_release(&a);
}

static void block_read(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, block_result, write_done);
    zk_get(c->zk, ZNODE_PRODUCER_IDS, false, cluster_call_done, job_call(c, j, 0));
}

// A broker that asks the controller has to be the one that is registered.
static int16_t asker_check(const struct cluster *c, const struct cluster_job *j)
{
    int64_t epoch = j->request.broker == JOB_OF_THIS_BROKER ? j->request.broker_epoch
                                                            : controller_broker_epoch(c->controller, j->request.broker);
    return epoch < 0 && j->request.broker != JOB_OF_THIS_BROKER ? KAFKA_ERROR_BROKER_ID_NOT_REGISTERED
           : epoch != j->request.broker_epoch                   ? KAFKA_ERROR_STALE_BROKER_EPOCH
                                                                : KAFKA_ERROR_NONE;
}

void producer_ids_job_begin(struct cluster *c, struct cluster_job *j)
{
    j->request.error_code = asker_check(c, j);
    if (j->request.error_code != KAFKA_ERROR_NONE) {
        job_finish(c, j, ERR_OK);
    } else if (job_work_new(c, j, 0)) {
        block_read(c, j);
    }
}
