// SPDX-License-Identifier: Apache-2.0
//
// InitProducerId through a broker: ids are given out once, and who asks for transactions is told at once that there are
// none, by the one error that all clients take as final.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#include <unistd.h>

#define INIT_PRODUCER_ID 22

static const struct init_producer_id_response *ask(struct api_rig *rig, int fd, int16_t version, const char *id,
                                                   int64_t producer_id, int16_t producer_epoch)
{
    struct init_producer_id_request in;
    init_producer_id_request_init(&in);
    in.transactional_id = id == NULL ? SLICE_NULL : slice_str(id);
    in.transaction_timeout_ms = 60000;
    in.producer_id = producer_id;
    in.producer_epoch = producer_epoch;
    return rig_call(rig, fd, INIT_PRODUCER_ID, version, &in);
}

static void refused(const struct init_producer_id_response *out, int16_t error_code)
{
    assert_int_equal(out->error_code, error_code);
    assert_int_equal(out->producer_id, -1);
    assert_int_equal(out->producer_epoch, -1);
}

static void test_who_gets_an_id(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    int64_t last = -1;
    for (int16_t version = 0; version <= 5; version++) {
        const struct init_producer_id_response *out = ask(&rig, fd, version, NULL, -1, -1);
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_true(out->producer_id > last);
        assert_int_equal(out->producer_epoch, 0);
        last = out->producer_id;
        refused(ask(&rig, fd, version, "transactional", -1, -1), KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        refused(ask(&rig, fd, version, "", -1, -1), KAFKA_ERROR_INVALID_REQUEST);
    }
    refused(ask(&rig, fd, 5, NULL, 7, -1), KAFKA_ERROR_INVALID_REQUEST); // an id without its epoch
    refused(ask(&rig, fd, 5, NULL, -1, 0), KAFKA_ERROR_INVALID_REQUEST);
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gets_an_id),
    };
    return cmocka_run_group_tests_name("api/22_init_producer_id", tests, NULL, NULL);
}
