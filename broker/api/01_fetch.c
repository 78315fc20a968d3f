// SPDX-License-Identifier: Apache-2.0
//
// Fetch (1), v0-17: finds record batches and sends them from the file without copying. Waits until min_bytes are there,
// a partition has an error, or max_wait has passed (long poll). Limits as KIP-74: the first non-empty partition of an
// answer gives at least its first batch whole. With a session (KIP-227) the request names only what changed and the
// answer holds only what is new (fetch_session.h). Versions 0-3
// know older message formats only: what they get is converted first (fetch_disk.h).
#include "broker/api/apis.h"
#include "broker/api/disk_wait.h"
#include "broker/api/errmap.h"
#include "broker/api/fetch_disk.h"
#include "broker/api/fetch_session.h"
#include "broker/api/key_map.h"

#define FETCH_FIRST_MAGIC_1_VERSION     2
#define FETCH_FIRST_UNCONVERTED_VERSION 4
#define FETCH_FIRST_STORAGE_ERROR       6 // before, clients are told to look for the leader
#define FETCH_FIRST_ZSTD_VERSION        10
#define FETCH_FIRST_SESSION_VERSION     7
#define FETCH_FIRST_ANY_REPLICA_VERSION 11 // consumers may read from followers (KIP-392)
#define FETCH_FIRST_TOPIC_ID_VERSION    13
#define FETCH_FIRST_LEADER_VERSION      16 // CurrentLeader and NodeEndpoints (KIP-951)

#define ISOLATION_READ_UNCOMMITTED 0
#define ISOLATION_READ_COMMITTED   1

// One partition that is read.
struct fetch_part {
    const struct fetch_want *want;
    const struct metadata_topic *topic;        // NULL when unknown
    struct fetch_response_partition_data *out; // run->outs has the same order
    struct partition *partition;               // referenced until the request ends
    struct wait_link link;
    struct partition_read read;
    int16_t refused; // error found before any log was touched, final
};

// r->state
struct fetch_run {
    struct fetch_session_use use; // the wants, in the order of the answer, and the session they are of
    struct fetch_part *parts;     // in that order, too
    struct fetch_response_partition_data *outs;
    int32_t parts_count;
    bool new_session; // one is wanted
    int32_t replica_id;
    enum partition_isolation isolation;
    size_t max_bytes;
    int64_t min_bytes;
    struct disk_wait conversion; // without a job when nothing is converted
    struct disk_wait warming;    // while it is under way
    bool warmed;                 // once is enough
};

static bool by_id(const struct request *r)
{
    return r->version >= FETCH_FIRST_TOPIC_ID_VERSION;
}

// ---------------------------------------------------------------------------------------------------------------
// What is read. Of a partition that a request names twice the last entry counts, in the place of the first.

static bool want_collect(struct request *r, struct fetch_session_use *use, struct key_map *partitions,
                         const struct fetch_want *like, const struct fetch_request_fetch_partition *in)
{
    int64_t *slot = key_map_pair_slot(partitions, like->topic_number, in->partition, &r->arena);
    if (slot == NULL) {
        return false;
    }
    if (*slot < 0) {
        *slot = use->count;
        use->wants[use->count++] = *like;
    }
    use->wants[*slot].in = in;
    return true;
}

static bool topics_collect(struct request *r, struct fetch_session_use *use, struct key_map *topics,
                           struct key_map *partitions)
{
    const struct fetch_request *in = r->in;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct fetch_request_fetch_topic *t = &in->topics[i];
        int64_t *number =
            key_map_slot(topics, by_id(r) ? slice_of(&t->topic_id, sizeof t->topic_id) : t->topic, &r->arena);
        if (number == NULL) {
            return false;
        }
        *number = *number < 0 ? i : *number;
        struct fetch_want like = {
            .topic = by_id(r) ? slice_str("") : t->topic, .topic_id = t->topic_id, .topic_number = *number};
        for (int32_t k = 0; k < t->partitions_count; k++) {
            if (!want_collect(r, use, partitions, &like, &t->partitions[k])) {
                return false;
            }
        }
    }
    return true;
}

// What the topics of the request itself say.
static bool wants_collect(struct request *r, struct fetch_session_use *use)
{
    const struct fetch_request *in = r->in;
    size_t n = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        n += (size_t)in->topics[i].partitions_count;
    }
    use->wants = arena_array(&r->arena, n, sizeof *use->wants);
    use->count = 0;
    if (use->wants == NULL) {
        return false;
    }
    struct key_map topics, partitions;
    key_map_init(&topics);
    key_map_init(&partitions);
    bool ok = topics_collect(r, use, &topics, &partitions);
    key_map_release(&topics);
    key_map_release(&partitions);
    return ok;
}

static int16_t want_refused(const struct request *r, const struct fetch_want *w, const struct metadata_topic *topic)
{
    if (topic == NULL) {
        return by_id(r) ? KAFKA_ERROR_UNKNOWN_TOPIC_ID : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return metadata_partition_find(topic, w->in->partition) == NULL ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                                                    : KAFKA_ERROR_NONE;
}

// Makes the parts: those that can be read first, then those that are refused, as Kafka answers.
static bool parts_make(struct request *r, struct fetch_run *run)
{
    struct fetch_want *sorted = arena_array(&r->arena, (size_t)run->use.count, sizeof *sorted);
    run->parts = arena_array(&r->arena, (size_t)run->use.count, sizeof *run->parts);
    run->outs = arena_array(&r->arena, (size_t)run->use.count, sizeof *run->outs);
    if (sorted == NULL || run->parts == NULL || run->outs == NULL) {
        return false;
    }
    for (int pass = 0; pass < 2; pass++) {
        const struct metadata_topic *topic = NULL;
        int64_t topic_number = -1;
        for (int32_t i = 0; i < run->use.count; i++) {
            const struct fetch_want *w = &run->use.wants[i];
            if (w->topic_number != topic_number) {
                topic_number = w->topic_number;
                topic = by_id(r) ? metadata_topic_find_id(r->metadata, &w->topic_id)
                                 : metadata_topic_find(r->metadata, w->topic);
            }
            int16_t refused = want_refused(r, w, topic);
            if ((refused != KAFKA_ERROR_NONE) != (pass == 1)) {
                continue;
            }
            sorted[run->parts_count] = *w;
            run->parts[run->parts_count] = (struct fetch_part){.want = &sorted[run->parts_count],
                                                               .topic = topic,
                                                               .out = &run->outs[run->parts_count],
                                                               .refused = refused};
            run->parts_count++;
        }
    }
    run->use.wants = sorted;
    return true;
}

static void run_limits(const struct request *r, struct fetch_run *run)
{
    const struct fetch_request *in = r->in;
    run->replica_id = r->version >= 15 ? in->replica_state.replica_id : in->replica_id;
    run->isolation = run->replica_id >= 0                              ? PARTITION_READ_LOG_END
                     : in->isolation_level == ISOLATION_READ_COMMITTED ? PARTITION_READ_COMMITTED
                                                                       : PARTITION_READ_UNCOMMITTED;
    int32_t max_bytes = r->version >= 3 ? in->max_bytes : INT32_MAX;
    run->max_bytes =
        (size_t)(max_bytes < r->ctx->options->fetch_max_bytes ? max_bytes : r->ctx->options->fetch_max_bytes);
    run->min_bytes = in->min_bytes < (int64_t)run->max_bytes ? in->min_bytes : (int64_t)run->max_bytes;
}

// Finds out what the request reads: its own topics, or with a session all that the session knows. The answer is
// Kafka's error code for the whole request. *ok false: no memory.
static int16_t run_collect(struct request *r, struct fetch_run *run, bool *ok)
{
    const struct fetch_request *in = r->in;
    struct fetch_sessions *sessions = r->ctx->fetch_sessions;
    int32_t epoch = r->version >= FETCH_FIRST_SESSION_VERSION ? in->session_epoch : FETCH_SESSION_EPOCH_NONE;
    run_limits(r, run);
    run->new_session = epoch == FETCH_SESSION_EPOCH_NEW;
    bool full = epoch == FETCH_SESSION_EPOCH_NONE || epoch == FETCH_SESSION_EPOCH_NEW;
    if (full && in->session_id != 0) {
        fetch_sessions_close(sessions, in->session_id);
    }
    int16_t error_code = KAFKA_ERROR_NONE;
    if (!full) {
        error_code = fetch_session_begin(sessions, in, by_id(r), loop_now_ms(request_loop(r)), &r->arena, &run->use);
    }
    *ok = true;
    if (error_code == KAFKA_ERROR_NONE) {
        *ok = (run->use.session != NULL || wants_collect(r, &run->use)) && parts_make(r, run);
    }
    return error_code;
}

// ---------------------------------------------------------------------------------------------------------------
// Reading

static void out_reset(struct fetch_response_partition_data *out, int32_t index)
{
    fetch_response_partition_data_init(out);
    out->partition_index = index;
    out->high_watermark = -1;
    out->aborted_transactions_count = -1; // null
    out->records.data = (const uint8_t *)"";
}

static void part_refuse(struct fetch_part *p, int16_t error_code)
{
    out_reset(p->out, p->want->in->partition);
    p->refused = error_code;
    p->out->error_code = error_code;
    p->out->aborted_transactions_count = 0;
}

static void part_release_file(struct fetch_part *p)
{
    if (p->read.read.file != NULL) {
        log_file_unref(p->read.read.file);
        p->read.read.file = NULL;
    }
}

static int16_t part_aborted(struct request *r, struct fetch_part *p)
{
    struct log_aborted_txn *aborted = NULL;
    int32_t count = 0;
    enum err err = partition_aborted(p->partition, &p->read, &r->arena, &aborted, &count);
    p->out->aborted_transactions = arena_array(&r->arena, (size_t)count, sizeof *p->out->aborted_transactions);
    if (err != ERR_OK || p->out->aborted_transactions == NULL) {
        return errmap_code(err != ERR_OK ? err : ERR_NO_MEMORY);
    }
    for (int32_t i = 0; i < count; i++) {
        fetch_response_aborted_transaction_init(&p->out->aborted_transactions[i]);
        p->out->aborted_transactions[i].producer_id = aborted[i].producer_id;
        p->out->aborted_transactions[i].first_offset = aborted[i].first_offset;
    }
    p->out->aborted_transactions_count = count;
    return KAFKA_ERROR_NONE;
}

// The partition was found by a name that a picture of the cluster gave for the id. Meanwhile the topic may have been
// deleted and created again: then the name is that of another topic. A log from before topic ids fits every id.
static bool topic_id_fits(const struct fetch_part *p)
{
    const struct uuid *id = partition_topic_id(p->partition);
    return uuid_is_zero(&p->want->topic_id) || uuid_is_zero(id) || uuid_equal(id, &p->want->topic_id);
}

static int16_t part_open(struct request *r, struct fetch_part *p)
{
    if (r->version >= 3 && ((const struct fetch_request *)r->in)->max_bytes < 0) {
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
    if (p->partition != NULL) {
        return KAFKA_ERROR_NONE;
    }
    enum err err =
        replica_manager_find(r->ctx->replicas, slice_str(p->topic->name), p->want->in->partition, &p->partition);
    if (err == ERR_OK && !topic_id_fits(p)) {
        partition_unref(p->partition);
        p->partition = NULL;
        return KAFKA_ERROR_INCONSISTENT_TOPIC_ID;
    }
    return err == ERR_OK ? KAFKA_ERROR_NONE : errmap_code(err);
}

struct rack {
    const struct metadata *metadata;
    struct slice name;
};

static bool rack_has(void *ctx, int32_t broker_id)
{
    const struct rack *rack = ctx;
    const struct metadata_broker *b = metadata_broker_find(rack->metadata, broker_id);
    return b != NULL && b->rack != NULL && slice_equal(slice_str(b->rack), rack->name);
}

// Whom a consumer that says where it stands reads from, if not from here (KIP-392): a replica in its rack, when this
// broker is not in it. -1 = from here.
static int32_t part_reader(const struct request *r, const struct fetch_run *run, const struct fetch_part *p)
{
    const struct fetch_request *in = r->in;
    struct rack rack = {.metadata = r->metadata, .name = in->rack_id};
    if (!r->ctx->options->rack_aware_reads || run->replica_id >= 0 || r->version < FETCH_FIRST_ANY_REPLICA_VERSION ||
        rack.name.len == 0 || rack_has(&rack, r->ctx->options->broker_id)) {
        return -1;
    }
    return partition_reader(p->partition, p->want->in->fetch_offset, rack_has, &rack);
}

// Reads one partition; *left is what the answer may still hold, *min_one whether the first batch may exceed that.
static void part_read(struct request *r, struct fetch_run *run, struct fetch_part *p, size_t *left, bool *min_one)
{
    out_reset(p->out, p->want->in->partition);
    int16_t error_code = part_open(r, p);
    if (error_code != KAFKA_ERROR_NONE) {
        p->out->error_code = error_code;
        return;
    }
    size_t wanted = p->want->in->partition_max_bytes > 0 ? (size_t)p->want->in->partition_max_bytes : 0;
    p->out->preferred_read_replica = part_reader(r, run, p);
    bool elsewhere = p->out->preferred_read_replica >= 0;
    p->read = (struct partition_read){
        .current_leader_epoch = p->want->in->current_leader_epoch < 0 ? -1 : p->want->in->current_leader_epoch,
        .last_fetched_epoch = p->want->in->last_fetched_epoch,
        .offset = p->want->in->fetch_offset,
        .isolation = run->isolation,
        .max_bytes = elsewhere        ? 0
                     : wanted < *left ? wanted
                                      : *left,
        .min_one = *min_one && !elsewhere,
        .any_replica = run->replica_id < 0 && r->version >= FETCH_FIRST_ANY_REPLICA_VERSION,
        .by_follower = run->replica_id >= 0,
        .noted = r->runs == 1,
        .follower = run->replica_id,
        .follower_start = p->want->in->log_start_offset,
    };
    enum err err = partition_fetch(p->partition, &p->read);
    if (err != ERR_OK) {
        out_reset(p->out, p->want->in->partition);
        p->out->error_code = errmap_code(err);
        return;
    }
    p->out->high_watermark = p->read.high_watermark;
    p->out->last_stable_offset = p->read.last_stable_offset;
    p->out->log_start_offset = p->read.log_start_offset;
    if (p->read.diverging) {
        p->out->diverging_epoch.epoch = p->read.diverging_epoch;
        p->out->diverging_epoch.end_offset = p->read.diverging_end;
        return;
    }
    if (run->isolation == PARTITION_READ_COMMITTED) {
        error_code = part_aborted(r, p);
    }
    if (error_code != KAFKA_ERROR_NONE) {
        part_release_file(p);
        out_reset(p->out, p->want->in->partition);
        p->out->error_code = error_code;
        return;
    }
    if (p->read.read.file != NULL) {
        p->out->records =
            (struct records){.len = p->read.read.len, .file = p->read.read.file, .position = p->read.read.position};
        *left -= p->read.read.len < *left ? p->read.read.len : *left;
        *min_one = false;
    }
}

// Gives back the files of an earlier round.
static void run_release_files(const struct fetch_run *run)
{
    for (int32_t i = 0; i < run->parts_count; i++) {
        part_release_file(&run->parts[i]);
    }
}

struct fetch_round {
    int64_t bytes;
    bool at_once; // an error, a diverging epoch or a better replica ends the wait for all
    bool any;     // there is a partition that was read at all
};

static struct fetch_round run_read(struct request *r, struct fetch_run *run)
{
    struct fetch_round round = {0};
    size_t left = run->max_bytes;
    bool min_one = r->version >= 3;
    run_release_files(run);
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct fetch_part *p = &run->parts[i];
        if (p->refused != KAFKA_ERROR_NONE) {
            continue;
        }
        part_read(r, run, p, &left, &min_one);
        round.any = true;
        round.bytes += (int64_t)p->read.read.len;
        round.at_once = round.at_once || p->out->error_code != KAFKA_ERROR_NONE || p->read.diverging ||
                        p->out->preferred_read_replica >= 0;
    }
    return round;
}

// ---------------------------------------------------------------------------------------------------------------
// Waiting

static void run_unlink(struct fetch_run *run)
{
    for (int32_t i = 0; i < run->parts_count; i++) {
        if (run->parts[i].partition != NULL) {
            partition_unlink(run->parts[i].partition, &run->parts[i].link);
        }
    }
}

// Links to every partition that was read. False: something has changed since, read again.
static bool run_link(struct request *r, struct fetch_run *run, int64_t missing)
{
    wait_arm(&r->wait, missing);
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct fetch_part *p = &run->parts[i];
        if (p->refused != KAFKA_ERROR_NONE || p->partition == NULL) {
            continue;
        }
        if (partition_wait_bytes(p->partition, &p->read, &p->link, &r->wait) != ERR_OK) {
            run_unlink(run);
            return false;
        }
    }
    return true;
}

// Reads until there is enough, or everything is linked for more.
static bool run_wait(struct request *r, struct fetch_run *run)
{
    for (;;) {
        struct fetch_round round = run_read(r, run);
        int64_t missing = run->min_bytes - round.bytes;
        if (r->expired || !round.any || round.at_once || missing <= 0) {
            return false;
        }
        if (run_link(r, run, missing)) {
            run_release_files(run);
            return true;
        }
        if (!wait_disarm(&r->wait)) {
            return true; // the wake is on its way: it runs the request again
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// What old versions do not know

// Takes back what was read: the client gets an error and null in the place of records.
static void part_withdraw(struct fetch_part *p, int16_t error_code)
{
    part_release_file(p);
    out_reset(p->out, p->want->in->partition);
    p->out->error_code = error_code;
    p->out->records.data = NULL;
}

static void part_check_formats(struct request *r, const struct fetch_run *run, struct fetch_part *p)
{
    if (r->version < FETCH_FIRST_STORAGE_ERROR && p->out->error_code == KAFKA_ERROR_KAFKA_STORAGE_ERROR) {
        p->out->error_code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    if (p->partition == NULL) {
        return;
    }
    struct partition_formats formats = partition_formats(p->partition);
    if (formats.zstd) {
        part_withdraw(p, KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE);
    } else if (r->version < FETCH_FIRST_UNCONVERTED_VERSION && !formats.downconversion && run->replica_id < 0) {
        part_withdraw(p, KAFKA_ERROR_UNSUPPORTED_VERSION);
    }
}

static void run_check_formats(struct request *r, struct fetch_run *run)
{
    for (int32_t i = 0; r->version < FETCH_FIRST_ZSTD_VERSION && i < run->parts_count; i++) {
        if (run->parts[i].out != NULL) {
            part_check_formats(r, run, &run->parts[i]);
        }
    }
}

static enum err conversion_collect(struct request *r, struct fetch_run *run)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < run->parts_count; i++) {
        bytes += run->parts[i].out->records.len;
    }
    if (bytes == 0) {
        return ERR_OK;
    }
    enum err err = fetch_convert_new(r->ctx->os, run->parts_count, bytes, &run->conversion.job);
    if (err != ERR_OK) {
        return err;
    }
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct fetch_part *p = &run->parts[i];
        if (p->read.read.file == NULL) {
            continue;
        }
        struct fetch_range *c = fetch_range_add(run->conversion.job, &p->read.read);
        c->part = i;
        c->records.magic = r->version < FETCH_FIRST_MAGIC_1_VERSION ? 0 : 1;
        c->records.first_offset = p->want->in->fetch_offset;
        log_file_unref(p->read.read.file);
        p->read.read.file = NULL; // nothing of it is sent as it is
    }
    return ERR_OK;
}

static int16_t conversion_error(enum err err)
{
    return err == ERR_UNSUPPORTED ? KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE : errmap_code(err);
}

static void conversion_finish(struct request *r, struct fetch_run *run)
{
    struct fetch_ranges *all = run->conversion.job->state;
    for (int32_t i = 0; i < all->count; i++) {
        struct fetch_range *c = &all->items[i];
        struct fetch_part *p = &run->parts[c->part];
        if (c->err == ERR_OK) {
            p->out->records = (struct records){.data = c->records.data, .len = c->records.data_len};
        } else {
            part_withdraw(p, conversion_error(c->err));
        }
        log_file_unref(c->records.file);
    }
    run->conversion.job->state = NULL; // what the job has made is the request's from here on
    arena_adopt(&r->arena, &run->conversion.job->arena);
    disk_wait_end(&run->conversion);
}

// ---------------------------------------------------------------------------------------------------------------
// What is not in memory

static bool part_is_cold(const struct request *r, const struct fetch_part *p)
{
    const struct log_read *read = &p->read.read;
    return read->file != NULL && !read->is_recent &&
           !log_file_is_warm(r->ctx->os, read->file, read->position, read->len);
}

// Whether the request waits until a disk thread has read what is to be sent. Without memory for that it does not.
static bool run_is_cold(struct request *r, struct fetch_run *run)
{
    for (int32_t i = 0; i < run->parts_count && !run->warmed; i++) {
        struct fetch_part *p = &run->parts[i];
        if (!part_is_cold(r, p)) {
            continue;
        }
        if (run->warming.job == NULL && fetch_warm_new(r->ctx->os, run->parts_count - i, &run->warming.job) != ERR_OK) {
            return false;
        }
        fetch_range_add(run->warming.job, &p->read.read);
    }
    run->warmed = true;
    return run->warming.job != NULL;
}

// ---------------------------------------------------------------------------------------------------------------
// The answer

static void run_fill_leader(struct request *r, struct fetch_part *p)
{
    struct fetch_response *out = r->out;
    if (p->topic == NULL || (p->out->error_code != KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER &&
                             p->out->error_code != KAFKA_ERROR_FENCED_LEADER_EPOCH)) {
        return;
    }
    struct request_leader leader;
    if (!request_leader_find(r, p->topic, p->want->in->partition, &leader)) {
        return;
    }
    p->out->current_leader.leader_id = leader.broker->id;
    p->out->current_leader.leader_epoch = leader.epoch;
    for (int32_t k = 0; k < out->node_endpoints_count; k++) {
        if (out->node_endpoints[k].node_id == leader.broker->id) {
            return;
        }
    }
    if (out->node_endpoints == NULL) {
        out->node_endpoints =
            arena_array(&r->arena, (size_t)metadata_brokers_count(r->metadata), sizeof *out->node_endpoints);
    }
    if (out->node_endpoints == NULL) {
        return;
    }
    struct fetch_response_node_endpoint *n = &out->node_endpoints[out->node_endpoints_count++];
    fetch_response_node_endpoint_init(n);
    n->node_id = leader.broker->id;
    n->host = slice_str(leader.endpoint->host);
    n->port = leader.endpoint->port;
    n->rack = leader.broker->rack == NULL ? SLICE_NULL : slice_str(leader.broker->rack);
}

// Drops the answers that an incremental answer need not repeat. The parts that are left keep their order.
static void run_keep(struct fetch_run *run, const bool *changed)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct fetch_part *p = &run->parts[i];
        if (changed[i]) {
            run->outs[kept] = *p->out;
            p->out = &run->outs[kept++];
        } else {
            p->out = NULL;
        }
    }
}

// What the session has to say about the answer. False: no memory.
static bool run_end_session(struct request *r, struct fetch_run *run)
{
    struct fetch_sessions *sessions = r->ctx->fetch_sessions;
    struct fetch_response *out = r->out;
    if (run->new_session) {
        fetch_sessions_create(sessions, run->replica_id >= 0, by_id(r), run->use.wants, run->outs, run->parts_count,
                              loop_now_ms(request_loop(r)), &out->session_id);
    }
    if (run->use.session == NULL) {
        return true;
    }
    bool *changed = arena_array(&r->arena, (size_t)run->parts_count, sizeof *changed);
    if (changed == NULL) {
        return false;
    }
    out->session_id = fetch_session_id(run->use.session);
    out->error_code = fetch_session_end(sessions, &run->use, r->in, run->outs, changed);
    run_keep(run, changed);
    return true;
}

// Neighbouring partitions of one topic share an entry.
static bool run_fill_topics(struct request *r, struct fetch_run *run)
{
    struct fetch_response *out = r->out;
    int64_t topic_number = -1;
    out->responses = arena_array(&r->arena, (size_t)run->parts_count, sizeof *out->responses);
    if (out->responses == NULL) {
        return false;
    }
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct fetch_part *p = &run->parts[i];
        if (p->out == NULL) {
            continue;
        }
        if (out->responses_count == 0 || p->want->topic_number != topic_number) {
            struct fetch_response_fetchable_topic_response *t = &out->responses[out->responses_count++];
            fetch_response_fetchable_topic_response_init(t);
            t->topic = p->want->topic;
            t->topic_id = p->want->topic_id;
            t->partitions = p->out;
            topic_number = p->want->topic_number;
        }
        out->responses[out->responses_count - 1].partitions_count++;
        if (r->version >= FETCH_FIRST_LEADER_VERSION) {
            run_fill_leader(r, p);
        }
    }
    return true;
}

static void run_release(struct request *r, struct fetch_run *run)
{
    disk_wait_end(&run->warming);
    disk_wait_end(&run->conversion);
    fetch_session_unref(r->ctx->fetch_sessions, run->use.session);
    run->use.session = NULL;
    for (int32_t i = 0; i < run->parts_count; i++) {
        if (run->parts[i].partition != NULL) {
            partition_unref(run->parts[i].partition);
            run->parts[i].partition = NULL;
        }
    }
}

// Of a follower's answer.
static void run_count_sent(const struct fetch_run *run)
{
    for (int32_t i = 0; i < run->parts_count; i++) {
        const struct fetch_part *p = &run->parts[i];
        if (p->out != NULL && p->out->records.len > 0) {
            partition_sent(p->partition, (int64_t)p->out->records.len);
        }
    }
}

static enum api_step run_answer(struct request *r, struct fetch_run *run)
{
    bool ok = run_end_session(r, run);
    if (ok && r->version >= FETCH_FIRST_UNCONVERTED_VERSION) {
        run_check_formats(r, run); // after the session, which goes by what was read
    }
    ok = ok && run_fill_topics(r, run);
    if (ok && run->replica_id >= 0) {
        run_count_sent(run);
    }
    run_release(r, run);
    return ok ? API_DONE : API_CLOSE;
}

// Everything is found: what is not in memory is read, what the version does not know is converted, then the answer is
// made.
static enum api_step run_finish(struct request *r, struct fetch_run *run)
{
    if (!wait_disarm(&r->wait)) {
        r->deadline_ms = REQUEST_NO_DEADLINE;
        return API_WAIT; // its deadline was faster than the wake that is on its way, and it may have to wait once more
    }
    if (r->version >= FETCH_FIRST_UNCONVERTED_VERSION) {
        return run_is_cold(r, run) ? disk_wait_begin(&run->warming, r) : run_answer(r, run);
    }
    run_check_formats(r, run);
    if (conversion_collect(r, run) != ERR_OK) {
        run_release(r, run);
        return API_CLOSE;
    }
    return run->conversion.job == NULL ? run_answer(r, run) : disk_wait_begin(&run->conversion, r);
}

// An isolation level nobody knows fails the request as a whole; topics are only told by name then.
static enum api_step answer_unknown_isolation(struct request *r, struct fetch_run *run)
{
    struct fetch_response *out = r->out;
    for (int32_t i = 0; i < run->parts_count; i++) {
        part_refuse(&run->parts[i], KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
        run->parts[i].out->records.data = NULL;
    }
    bool ok = by_id(r) || run_fill_topics(r, run);
    run_release(r, run);
    out->error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    return ok ? API_DONE : API_CLOSE;
}

// Sent, or dropped on the way.
static void fetch_release(struct request *r)
{
    run_release_files(r->state);
}

static enum api_step fetch_first_run(struct request *r)
{
    const struct fetch_request *in = r->in;
    struct fetch_response *out = r->out;
    struct fetch_run *run = arena_alloc(&r->arena, sizeof *run);
    bool ok = run != NULL;
    if (ok) {
        r->state = run;
        r->release = fetch_release;
        out->error_code = run_collect(r, run, &ok);
    }
    if (!ok) {
        if (run != NULL) {
            run_release(r, run);
        }
        return API_CLOSE;
    }
    if (out->error_code != KAFKA_ERROR_NONE) {
        return API_DONE;
    }
    if (in->isolation_level != ISOLATION_READ_UNCOMMITTED && in->isolation_level != ISOLATION_READ_COMMITTED) {
        return answer_unknown_isolation(r, run);
    }
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct fetch_part *p = &run->parts[i];
        if (p->refused != KAFKA_ERROR_NONE) {
            part_refuse(p, p->refused);
        }
    }
    r->expired = in->max_wait_ms <= 0;
    r->deadline_ms = loop_now_ms(request_loop(r)) + in->max_wait_ms;
    return run_wait(r, run) ? API_WAIT : run_finish(r, run);
}

enum api_step api_fetch(struct request *r)
{
    if (r->runs == 1) {
        return fetch_first_run(r);
    }
    struct fetch_run *run = r->state;
    if (run->warming.job != NULL) {
        if (!disk_job_done(run->warming.job)) {
            return API_WAIT; // cut short because the broker stops, but it is read already
        }
        disk_wait_end(&run->warming);
        return run_answer(r, run);
    }
    if (run->conversion.job != NULL) {
        if (!disk_job_done(run->conversion.job)) {
            return API_WAIT; // cut short because the broker stops, but it has been read already
        }
        conversion_finish(r, run);
        return run_answer(r, run);
    }
    run_unlink(run);
    return run_wait(r, run) ? API_WAIT : run_finish(r, run);
}

void api_fetch_abort(struct request *r)
{
    struct fetch_run *run = r->state;
    run_unlink(run);
    run_release(r, run);
}
