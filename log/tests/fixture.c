// SPDX-License-Identifier: Apache-2.0
//
// Copies, JSON and decoded records for the tests.
#include "log/tests/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/tests/cmocka_all.h"
#include "log/compress.h"
#include "log/scan.h"
#include "log/tests/batch_builder.h"

void fixture_copy_file(const char *from, const char *to)
{
    size_t len;
    char *data = test_file(from, &len);
    FILE *f = fopen(to, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    free(data);
}

bool fixture_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void copy_into(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char source[TEST_PATH_MAX_BYTES];
        char target[TEST_PATH_MAX_BYTES];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        test_path(source, from, e->d_name);
        test_path(target, to, e->d_name);
        assert_int_equal(stat(source, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            assert_int_equal(mkdir(target, 0755), 0);
            copy_into(source, target);
        } else {
            fixture_copy_file(source, target);
        }
    }
    closedir(dir);
}

char *fixture_copy(const char *from)
{
    char *to = test_dir_new();
    copy_into(from, to);
    return to;
}

json_t *fixture_json(const char *path)
{
    json_error_t error;
    json_t *j = json_load_file(path, 0, &error);
    if (j == NULL) {
        fail_msg("%s: %s", path, error.text);
    }
    return j;
}

json_t *fixture_json_lines(const char *path)
{
    size_t len;
    char *text = test_file(path, &len);
    json_t *list = json_array();
    size_t at = 0;
    while (at < len) {
        json_error_t error;
        json_t *j = json_loadb(text + at, len - at, JSON_DISABLE_EOF_CHECK, &error);
        assert_non_null(j);
        json_array_append_new(list, j);
        at += (size_t)error.position;
        at += strspn(text + at, " \n");
    }
    free(text);
    return list;
}

uint8_t *fixture_bytes(int fd, int64_t position, size_t len)
{
    uint8_t *data = malloc(len + 1);
    assert_non_null(data);
    assert_int_equal(os_pread_full(os_real(), fd, data, len, position), ERR_OK);
    return data;
}

static bool name_ends(const char *name, const char *suffix)
{
    size_t n = strlen(name);
    size_t k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

static int count_files(const char *path, const char *suffix)
{
    int n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        n += e->d_name[0] != '.' && name_ends(e->d_name, suffix);
    }
    closedir(dir);
    return n;
}

void fixture_assert_same_files(const char *a, const char *b, const char *suffix)
{
    DIR *dir = opendir(a);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path_a[TEST_PATH_MAX_BYTES];
        char path_b[TEST_PATH_MAX_BYTES];
        if (e->d_name[0] == '.' || !name_ends(e->d_name, suffix)) {
            continue;
        }
        test_path(path_a, a, e->d_name);
        test_path(path_b, b, e->d_name);
        if (!fixture_exists(path_b)) {
            fail_msg("%s is missing", path_b);
        }
        size_t len_a;
        size_t len_b;
        char *data_a = test_file(path_a, &len_a);
        char *data_b = test_file(path_b, &len_b);
        if (len_a != len_b || memcmp(data_a, data_b, len_a) != 0) {
            fail_msg("%s (%zu bytes) differs from %s (%zu bytes)", path_a, len_a, path_b, len_b);
        }
        free(data_a);
        free(data_b);
    }
    closedir(dir);
    assert_int_equal(count_files(a, suffix), count_files(b, suffix));
}

// ---- records -------------------------------------------------------------------------------------------------------

// "name" or, when it is not printable ASCII, "nameHex".
static void set_bytes(json_t *object, const char *name, struct slice s)
{
    bool printable = true;
    for (size_t i = 0; i < s.len && s.data != NULL; i++) {
        printable = printable && s.data[i] >= 0x20 && s.data[i] < 0x7f;
    }
    if (s.data == NULL) {
        json_object_set_new(object, name, json_null());
    } else if (printable) {
        json_object_set_new(object, name, json_stringn((const char *)s.data, s.len));
    } else {
        char key[32];
        char *hex = malloc(2 * s.len + 1);
        assert_non_null(hex);
        for (size_t i = 0; i < s.len; i++) {
            snprintf(hex + 2 * i, 3, "%02x", s.data[i]);
        }
        snprintf(key, sizeof key, "%sHex", name);
        json_object_set_new(object, key, json_string(hex));
        free(hex);
    }
}

static struct slice read_nullable(struct reader *r)
{
    int32_t len = reader_varint(r);
    return len < 0 ? SLICE_NULL : reader_bytes(r, (size_t)len);
}

static json_t *decode_record(struct reader *r, const struct batch *b)
{
    bool append_time = batch_is(b, BATCH_ATTR_APPEND_TIME);
    json_t *record = json_object();
    reader_varint(r); // length
    reader_u8(r);     // attributes
    int64_t timestamp = b->base_timestamp + reader_varlong(r);
    json_object_set_new(record, "offset", json_integer(b->base_offset + reader_varint(r)));
    json_object_set_new(record, "timestamp", json_integer(append_time ? b->max_timestamp : timestamp));
    json_object_set_new(record, "type", json_string(append_time ? "LogAppendTime" : "CreateTime"));
    json_object_set_new(record, "epoch", json_integer(b->leader_epoch));
    set_bytes(record, "key", read_nullable(r));
    set_bytes(record, "value", read_nullable(r));
    int32_t n = reader_varint(r);
    json_t *headers = json_array();
    for (int32_t i = 0; i < n && !r->bad; i++) {
        json_t *header = json_object();
        struct slice name = read_nullable(r);
        json_object_set_new(header, "name", json_stringn((const char *)name.data, name.len));
        set_bytes(header, "value", read_nullable(r));
        json_array_append_new(headers, header);
    }
    if (n > 0) {
        json_object_set(record, "headers", headers);
    }
    json_decref(headers);
    assert_false(r->bad);
    return record;
}

json_t *fixture_decode_batch(const uint8_t *data, const struct batch *b)
{
    struct slice records = slice_of(data + BATCH_HEADER_SIZE, batch_size(b) - BATCH_HEADER_SIZE);
    struct writer unpacked;
    writer_init(&unpacked, 1024, 64 << 20);
    if (batch_codec(b) == CODEC_NONE) {
        writer_bytes(&unpacked, records.data, records.len);
    } else {
        struct decoder *d;
        struct slice piece;
        assert_int_equal(decoder_open(NULL, batch_codec(b), records, &d), ERR_OK);
        do {
            assert_int_equal(decoder_next(d, &piece), ERR_OK);
            writer_bytes(&unpacked, piece.data, piece.len);
        } while (piece.len > 0);
        decoder_close(d);
    }
    assert_false(unpacked.bad);
    struct reader r = reader_of(writer_slice(&unpacked));
    json_t *list = json_array();
    for (int32_t i = 0; i < b->count; i++) {
        json_array_append_new(list, decode_record(&r, b));
    }
    assert_int_equal(reader_left(&r), 0);
    writer_release(&unpacked);
    return list;
}

void fixture_consume(struct log *l, int64_t offset, int64_t max_offset, size_t max_bytes, fixture_batch_fn *fn,
                     void *ctx)
{
    for (;;) {
        struct log_read r = {.offset = offset, .max_offset = max_offset, .max_bytes = max_bytes, .min_one = true};
        assert_int_equal(log_read(l, &r), ERR_OK);
        if (r.file == NULL) {
            assert_int_equal(r.len, 0);
            return;
        }
        uint8_t *data = fixture_bytes(log_file_fd(r.file), r.position, r.len);
        struct batch b;
        size_t at = 0;
        while (scan_header(data + at, r.len - at, &b) == ERR_OK && batch_size(&b) <= r.len - at) {
            assert_true(batch_last_offset(&b) >= offset);
            fn(ctx, &r, r.position + (int64_t)at, data + at, &b);
            offset = batch_last_offset(&b) + 1;
            at += batch_size(&b);
        }
        assert_true(at > 0);
        free(data);
        log_file_unref(r.file);
    }
}
