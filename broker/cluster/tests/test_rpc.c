// SPDX-License-Identifier: Apache-2.0
//
// Frames between brokers: what is encoded decodes to the same; an answer to something else is not taken.
#include "broker/cluster/rpc.h"

#include <stdlib.h>

#include "base/tests/cmocka_all.h"

static const struct rpc rpc = {.key = 7, .version = 3, .correlation_id = 41, .client_id = "2"}; // ControlledShutdown

static void test_request(void **state)
{
    (void)state;
    struct controlled_shutdown_request in, out;
    struct request_header header;
    struct arena arena;
    uint8_t *frame;
    size_t len;
    controlled_shutdown_request_init(&in);
    in.broker_id = 2;
    in.broker_epoch = 77;
    assert_int_equal(rpc_encode(&rpc, &in, &frame, &len), ERR_OK);
    arena_init(&arena, 1 << 16);
    assert_int_equal(load_be32(frame), len - 4);
    struct reader r = reader_of(slice_of(frame + 4, len - 4));
    assert_int_equal(message_decode(&request_header_desc, 2, &r, &arena, &header), ERR_OK);
    assert_int_equal(header.request_api_key, 7);
    assert_int_equal(header.request_api_version, 3);
    assert_int_equal(header.correlation_id, 41);
    assert_true(slice_equal(header.client_id, slice_str("2")));
    assert_int_equal(message_decode(&controlled_shutdown_request_desc, 3, &r, &arena, &out), ERR_OK);
    assert_int_equal(out.broker_id, 2);
    assert_int_equal(out.broker_epoch, 77);
    assert_int_equal(reader_left(&r), 0);
    arena_release(&arena);
    free(frame);
}

static enum err answer(int32_t correlation_id, size_t cut, int16_t *error_code)
{
    struct controlled_shutdown_response out;
    struct response_header header;
    struct arena arena;
    struct writer w;
    arena_init(&arena, 1 << 16);
    writer_init(&w, 64, 1024);
    response_header_init(&header);
    header.correlation_id = correlation_id;
    controlled_shutdown_response_init(&out);
    out.error_code = 11;
    assert_int_equal(message_encode(&response_header_desc, 1, &header, &w, NULL), ERR_OK);
    assert_int_equal(message_encode(&controlled_shutdown_response_desc, 3, &out, &w, NULL), ERR_OK);
    out.error_code = 0;
    enum err err = rpc_decode(&rpc, slice_of(w.data, w.len - cut), &arena, &out);
    *error_code = out.error_code;
    writer_release(&w);
    arena_release(&arena);
    return err;
}

static void test_answer(void **state)
{
    (void)state;
    int16_t error_code;
    assert_int_equal(answer(41, 0, &error_code), ERR_OK);
    assert_int_equal(error_code, 11);
    assert_int_equal(answer(42, 0, &error_code), ERR_CORRUPT);
    assert_int_equal(answer(41, 3, &error_code), ERR_TRUNCATED);
    assert_int_equal(answer(41, 8, &error_code), ERR_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
