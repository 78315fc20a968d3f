// SPDX-License-Identifier: Apache-2.0
//
// The choice of replicas: Kafka's own examples, with and without racks, and what holds whatever the chance.
#include "broker/cluster/replica_assign.h"

#include <string.h>

#include "base/tests/cmocka_all.h"
#include "broker/cluster/metadata_builder.h"

// A picture of so many brokers from this id on; racks NULL: without.
static const struct metadata *picture(int32_t first, int32_t count, const char *const *racks)
{
    struct metadata_builder *b = metadata_builder_new(NULL, "id");
    struct metadata_broker brokers[16];
    for (int32_t i = 0; i < count; i++) {
        brokers[i] = (struct metadata_broker){.id = first + i, .rack = racks == NULL ? NULL : racks[i]};
    }
    metadata_builder_set_brokers(b, brokers, count);
    return metadata_builder_finish(b);
}

static void expect(const struct znode_replicas *list, int i, const int32_t *expected, int32_t count)
{
    assert_int_equal(list[i].partition, i);
    assert_int_equal(list[i].replicas_count, count);
    assert_memory_equal(list[i].replicas, expected, (size_t)count * sizeof *expected);
}

static void test_without_racks(void **state)
{
    (void)state;
    static const int32_t expected[10][3] = {{0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 0}, {4, 0, 1},
                                            {0, 2, 3}, {1, 3, 4}, {2, 4, 0}, {3, 0, 1}, {4, 1, 2}};
    struct arena a;
    struct znode_replicas *list;
    arena_init(&a, 1024 * 1024);
    const struct metadata *m = picture(0, 5, NULL);
    assert_int_equal(replicas_assign(replica_sites_of(m, &a), 0, 10, 3, 0, 0, &a, &list), ERR_OK);
    for (int i = 0; i < 10; i++) {
        expect(list, i, expected[i], 3);
    }
    metadata_unref(m);
    m = picture(7, 1, NULL);
    assert_int_equal(replicas_assign(replica_sites_of(m, &a), 0, 4, 1, UINT32_MAX, UINT32_MAX, &a, &list), ERR_OK);
    assert_int_equal(list[3].replicas[0], 7);
    metadata_unref(m);
    arena_release(&a);
}

// The example of Kafka's AdminUtils.
static void test_racks(void **state)
{
    (void)state;
    static const char *const racks[] = {"rack1", "rack3", "rack3", "rack2", "rack2", "rack1"};
    static const int32_t expected[12][3] = {{0, 3, 1}, {3, 1, 5}, {1, 5, 4}, {5, 4, 2}, {4, 2, 0}, {2, 0, 3},
                                            {0, 4, 2}, {3, 2, 0}, {1, 0, 3}, {5, 3, 1}, {4, 1, 5}, {2, 5, 4}};
    struct arena a;
    struct znode_replicas *list;
    arena_init(&a, 1024 * 1024);
    const struct metadata *m = picture(0, 6, racks);
    assert_int_equal(replicas_assign(replica_sites_of(m, &a), 0, 12, 3, 0, 0, &a, &list), ERR_OK);
    for (int i = 0; i < 12; i++) {
        expect(list, i, expected[i], 3);
    }
    // More replicas than racks: every broker once.
    assert_int_equal(replicas_assign(replica_sites_of(m, &a), 0, 6, 6, 0, 0, &a, &list), ERR_OK);
    for (int i = 0; i < 6; i++) {
        unsigned seen = 0;
        for (int k = 0; k < 6; k++) {
            seen |= 1u << list[i].replicas[k];
        }
        assert_int_equal(seen, 63);
    }
    metadata_unref(m);
    arena_release(&a);
}

// One broker without a rack: none counts.
static void test_some_racks(void **state)
{
    (void)state;
    static const char *const racks[] = {"b", NULL, "a"};
    static const int32_t expected[3][2] = {{0, 1}, {1, 2}, {2, 0}};
    struct arena a;
    struct znode_replicas *list;
    arena_init(&a, 1024 * 1024);
    const struct metadata *m = picture(0, 3, racks);
    assert_int_equal(replicas_assign(replica_sites_of(m, &a), 0, 3, 2, 0, 0, &a, &list), ERR_OK);
    for (int i = 0; i < 3; i++) {
        expect(list, i, expected[i], 2);
    }
    metadata_unref(m);
    arena_release(&a);
}

// Whatever the chance: no broker twice, leaders spread evenly, as many racks as can be.
static void test_any_chance(void **state)
{
    (void)state;
    static const char *const racks[] = {"a", "b", "c", "a", "b", "c"};
    struct arena a;
    struct znode_replicas *list;
    arena_init(&a, 64 * 1024 * 1024);
    const struct metadata *m = picture(0, 6, racks);
    for (uint32_t seed = 0; seed < 50; seed++) {
        int leaders[6] = {0};
        assert_int_equal(replicas_assign(replica_sites_of(m, &a), 0, 60, 3, seed * 2654435761u, ~seed, &a, &list),
                         ERR_OK);
        for (int i = 0; i < 60; i++) {
            unsigned brokers = 0, used = 0;
            for (int k = 0; k < 3; k++) {
                brokers |= 1u << list[i].replicas[k];
                used |= 1u << (racks[list[i].replicas[k]][0] - 'a');
            }
            assert_int_equal(__builtin_popcount(brokers), 3);
            assert_int_equal(used, 7);
            leaders[list[i].replicas[0]]++;
        }
        for (int k = 0; k < 6; k++) {
            assert_int_equal(leaders[k], 10);
        }
    }
    metadata_unref(m);
    arena_release(&a);
}

static void test_place(void **state)
{
    (void)state;
    const struct metadata *m = picture(5, 3, NULL);
    assert_int_equal(replica_sites_find(m, 1), 0);
    assert_int_equal(replica_sites_find(m, 6), 1);
    assert_int_equal(replica_sites_find(m, 9), 0);
    metadata_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_racks), cmocka_unit_test(test_racks), cmocka_unit_test(test_some_racks),
        cmocka_unit_test(test_any_chance),    cmocka_unit_test(test_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
