// SPDX-License-Identifier: Apache-2.0
//
// Walking over batches: chunks of any size, ends of any kind, old formats, control records.
#include "log/scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/tests/batch_builder.h"

struct scan_file {
    char *dir;
    int fd;
    int64_t size;
    size_t sizes[20]; // of the batches
    int count;
};

// Batches of growing size.
static void scan_start(struct scan_file *f)
{
    char path[TEST_PATH_MAX_BYTES];
    *f = (struct scan_file){.dir = test_dir_new(), .count = 20};
    test_path(path, f->dir, "log");
    f->fd = open(path, O_RDWR | O_CREAT, 0644);
    assert_true(f->fd >= 0);
    for (int i = 0; i < f->count; i++) {
        uint8_t *data = test_simple_batch(PACK_NONE, 1, (size_t)(i * i * 40), &f->sizes[i]);
        batch_set_base_offset(data, i);
        assert_int_equal(pwrite(f->fd, data, f->sizes[i], f->size), f->sizes[i]);
        f->size += (int64_t)f->sizes[i];
        free(data);
    }
}

static void scan_stop(struct scan_file *f)
{
    close(f->fd);
    test_dir_remove(f->dir);
}

static void test_all_chunk_sizes(void **state)
{
    (void)state;
    static const size_t chunks[] = {1, BATCH_HEADER_SIZE, 100, SCAN_CHUNK_LOOKUP, SCAN_CHUNK_ALL};
    struct scan_file f;
    scan_start(&f);
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        for (int whole = 0; whole <= 1; whole++) {
            struct batch_scan s;
            struct batch b;
            int64_t position;
            int64_t expected = 0;
            const uint8_t *data;
            batch_scan_init(&s, os_real(), f.fd, 0, f.size, chunks[c]);
            for (int i = 0; i < f.count; i++) {
                enum err err =
                    whole ? batch_scan_next_whole(&s, &b, &position, &data) : batch_scan_next(&s, &b, &position);
                assert_int_equal(err, ERR_OK);
                assert_int_equal(b.base_offset, i);
                assert_int_equal(position, expected);
                assert_true(!whole || batch_crc_ok(data, &b));
                expected += (int64_t)f.sizes[i];
            }
            assert_int_equal(batch_scan_next(&s, &b, &position), ERR_NOT_FOUND);
            batch_scan_release(&s);
        }
    }
    scan_stop(&f);
}

static void test_ends_inside_a_batch(void **state)
{
    (void)state;
    struct scan_file f;
    scan_start(&f);
    int64_t last = f.size - (int64_t)f.sizes[f.count - 1];
    for (int64_t end = last + 1; end < f.size; end += 97) {
        struct batch_scan s;
        struct batch b;
        int64_t position;
        batch_scan_init(&s, os_real(), f.fd, last, end, SCAN_CHUNK_LOOKUP);
        assert_int_equal(batch_scan_next(&s, &b, &position), ERR_TRUNCATED);
        assert_int_equal(s.position, last);
        batch_scan_release(&s);
    }
    // The file is shorter than it was said to be.
    struct batch_scan s;
    struct batch b;
    int64_t position;
    const uint8_t *data;
    assert_int_equal(ftruncate(f.fd, f.size - 1), 0);
    batch_scan_init(&s, os_real(), f.fd, last, f.size, SCAN_CHUNK_LOOKUP);
    assert_int_equal(batch_scan_next_whole(&s, &b, &position, &data), ERR_TRUNCATED);
    batch_scan_release(&s);
    scan_stop(&f);
}

static void test_impossible_headers(void **state)
{
    (void)state;
    size_t len;
    struct batch b;
    uint8_t *data = test_simple_batch(PACK_NONE, 3, 10, &len);
    assert_int_equal(scan_header(data, len, &b), ERR_OK);
    assert_int_equal(scan_header(data, BATCH_HEADER_SIZE - 1, &b), ERR_TRUNCATED);
    batch_set_base_offset(data, -1);
    assert_int_equal(scan_header(data, len, &b), ERR_CORRUPT);
    batch_set_base_offset(data, INT64_MAX - 1);
    assert_int_equal(scan_header(data, len, &b), ERR_CORRUPT); // its last offset does not fit
    batch_set_base_offset(data, INT64_MAX - 3);
    assert_int_equal(scan_header(data, len, &b), ERR_OK);
    store_be32(data + 23, (uint32_t)-1);
    assert_int_equal(scan_header(data, len, &b), ERR_CORRUPT); // lastOffsetDelta
    store_be32(data + 23, 2);
    store_be32(data + 8, BATCH_HEADER_SIZE - BATCH_OVERHEAD - 1);
    assert_int_equal(scan_header(data, len, &b), ERR_CORRUPT); // shorter than its header
    data[16] = 3;
    assert_int_equal(scan_header(data, len, &b), ERR_CORRUPT);
    free(data);
}

static void test_old_formats(void **state)
{
    (void)state;
    uint8_t data[64] = {0};
    struct batch b;
    store_be64(data, 17);
    store_be32(data + 8, 22); // the shortest there can be
    data[16] = 1;
    assert_int_equal(scan_header(data, sizeof data, &b), ERR_OK);
    data[17] = 0x0a; // LogAppendTime, snappy
    store_be64(data + 18, 123456);
    assert_int_equal(scan_header(data, sizeof data, &b), ERR_OK);
    assert_int_equal(b.base_offset, 17);
    assert_int_equal(batch_last_offset(&b), 17);
    assert_int_equal(b.max_timestamp, 123456);
    assert_int_equal(b.leader_epoch, -1);
    assert_int_equal(b.producer_id, -1);
    assert_int_equal(batch_codec(&b), 2);
    assert_false(scan_has_marker(&b));
    assert_int_equal(scan_header(data, 33, &b), ERR_TRUNCATED);
    store_be32(data + 8, 21);
    assert_int_equal(scan_header(data, sizeof data, &b), ERR_CORRUPT);
    data[16] = 0;
    store_be32(data + 8, 14);
    assert_int_equal(scan_header(data, sizeof data, &b), ERR_OK);
    assert_int_equal(b.max_timestamp, -1);
    assert_int_equal(scan_header(data, 25, &b), ERR_TRUNCATED);
}

static void check_marker(struct slice key, struct slice value, enum err expected, struct marker *m)
{
    struct writer records;
    struct batch h = test_header(1);
    size_t len;
    struct batch b;
    h.attributes = BATCH_ATTR_CONTROL;
    writer_init(&records, 64, 1024);
    test_add_record(&records, 0, 0, key, value, 0);
    uint8_t *data = test_batch(&h, PACK_NONE, writer_slice(&records), &len);
    assert_int_equal(scan_header(data, len, &b), ERR_OK);
    assert_true(scan_has_marker(&b));
    assert_int_equal(scan_marker(data, &b, m), expected);
    writer_release(&records);
    free(data);
}

static void test_markers(void **state)
{
    (void)state;
    struct marker m;
    check_marker(slice_of("\0\0\0\0", 4), slice_of("\0\0\0\0\1\2", 6), ERR_OK, &m);
    assert_true(m.is_end_txn && !m.commit);
    assert_int_equal(m.coordinator_epoch, 0x102);
    check_marker(slice_of("\0\0\0\1", 4), slice_of("\0\0\0\0\0\7", 6), ERR_OK, &m);
    assert_true(m.is_end_txn && m.commit);
    assert_int_equal(m.coordinator_epoch, 7);
    check_marker(slice_of("\0\0\0\4", 4), SLICE_NULL, ERR_OK, &m); // not about transactions
    assert_false(m.is_end_txn);
    check_marker(slice_of("\0\0\0", 3), slice_of("\0\0\0\0\0\0", 6), ERR_CORRUPT, &m);
    check_marker(SLICE_NULL, slice_of("\0\0\0\0\0\0", 6), ERR_CORRUPT, &m);
    check_marker(slice_of("\0\0\0\1", 4), slice_of("\0\0\0\0\0", 5), ERR_CORRUPT, &m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_chunk_sizes),
        cmocka_unit_test(test_ends_inside_a_batch),
        cmocka_unit_test(test_impossible_headers),
        cmocka_unit_test(test_old_formats),
        cmocka_unit_test(test_markers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
