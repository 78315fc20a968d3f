// SPDX-License-Identifier: Apache-2.0
//
// What a read found, in an older format (KIP-283). The answer's length is fixed by the first batch that becomes
// anything: that of the data as stored, or more when this batch alone is larger. What does not fit is cut off; what is
// missing is filled with the head of a batch that is longer than all that follows, which clients take for incomplete.
#include <stdlib.h>

#include "log/convert.h"
#include "log/log.h"
#include "log/scan.h"
#include "log/segment.h"

#define FILLER_HEAD_BYTES   12          // offset and length
#define CONVERTED_BATCH_MAX (256 << 20) // messages of old formats are larger, but not that much

struct down {
    struct log_conversion *c;
    struct arena *arena;
    struct codec_pool *pool;
    struct writer batch; // one converted batch
    size_t used;         // of c->data
    bool any;            // there was a batch at all
};

// Adds what one batch became. NOT_FOUND: the answer is full.
static enum err down_add(struct down *d)
{
    struct log_conversion *c = d->c;
    if (d->batch.len == 0) {
        return ERR_OK;
    }
    if (c->data == NULL) {
        size_t len = d->batch.len > c->len ? d->batch.len : c->len;
        c->data = arena_alloc(d->arena, len);
        if (c->data == NULL) {
            return ERR_NO_MEMORY;
        }
        c->data_len = len;
    }
    size_t room = c->data_len - d->used;
    size_t n = d->batch.len < room ? d->batch.len : room;
    memcpy(c->data + d->used, d->batch.data, n);
    d->used += n;
    return d->used == c->data_len ? ERR_NOT_FOUND : ERR_OK;
}

static enum err down_batches(struct down *d, struct batch_scan *scan)
{
    struct batch b;
    int64_t position;
    const uint8_t *data;
    enum err err;
    while ((err = batch_scan_next_whole(scan, &b, &position, &data)) == ERR_OK) {
        d->any = true;
        d->batch.len = 0;
        err = batch_crc_ok(data, &b) ? convert_down(d->pool, data, &b, d->c->magic, d->c->first_offset, &d->batch)
                                     : ERR_CORRUPT; // the client could not tell: it gets a sum over what we make of it
        if (!err) {
            err = down_add(d);
        }
        if (err) {
            return err;
        }
    }
    return err;
}

static enum err down_fill(struct down *d)
{
    struct log_conversion *c = d->c;
    if (c->data == NULL) {
        c->data_len = d->any ? FILLER_HEAD_BYTES : 0;
        c->data = arena_alloc(d->arena, c->data_len);
        if (c->data == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    uint8_t head[FILLER_HEAD_BYTES];
    size_t rest = c->data_len - d->used;
    store_be64(head, UINT64_MAX);
    store_be32(head + 8, rest + 1 < BATCH_HEADER_SIZE ? BATCH_HEADER_SIZE : (uint32_t)rest + 1);
    memcpy(c->data + d->used, head, rest < sizeof head ? rest : sizeof head);
    return ERR_OK;
}

enum err log_convert_down(const struct os *os, struct log_conversion *c, struct arena *a)
{
    struct down d = {.c = c, .arena = a, .pool = codec_pool_new()};
    c->data = NULL;
    c->data_len = 0;
    if (d.pool == NULL) {
        return ERR_NO_MEMORY;
    }
    writer_init(&d.batch, 0, CONVERTED_BATCH_MAX);
    struct batch_scan scan;
    batch_scan_init(&scan, os, c->file->fd, c->position, c->position + (int64_t)c->len, SCAN_CHUNK_ALL);
    enum err err = down_batches(&d, &scan);
    batch_scan_release(&scan);
    writer_release(&d.batch);
    codec_pool_free(d.pool);
    if (err == ERR_NO_MEMORY || (c->data == NULL && err != ERR_NOT_FOUND && err != ERR_TRUNCATED)) {
        return err; // what stops it later is met again by the fetch that begins there
    }
    return down_fill(&d);
}
