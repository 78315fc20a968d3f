// SPDX-License-Identifier: Apache-2.0
//
// The API table: one row per API this broker serves. Dispatch, the ApiVersions answer and the handlers' prototypes all
// come from the rows. docs/ADDING_AN_API.md says how to add one.
//
//   X(key, name, min version, max version, handler, abort or NULL, overtakable)
//
// The versions are those of Kafka 3.9; a version outside them closes the connection, as in Kafka. An overtakable API
// lets later requests of its connection run while one of its requests waits (their answers still keep the order):
// right where nothing after the first run changes what later requests would see.
#ifndef OTTLA_API_APIS_H
#define OTTLA_API_APIS_H

#include "broker/api/request.h"

#define API_TABLE(X)                                                                                                   \
    X(0, Produce, 0, 11, api_produce, api_produce_abort, true)                                                         \
    X(1, Fetch, 0, 17, api_fetch, api_fetch_abort, false)                                                              \
    X(2, ListOffsets, 0, 9, api_list_offsets, api_list_offsets_abort, false)                                           \
    X(3, Metadata, 0, 12, api_metadata, NULL, false)                                                                   \
    X(18, ApiVersions, 0, 4, api_versions, NULL, false)                                                                \
    X(19, CreateTopics, 0, 7, api_create_topics, topic_job_end, false)                                                 \
    X(20, DeleteTopics, 0, 6, api_delete_topics, topic_job_end, false)                                                 \
    X(22, InitProducerId, 0, 5, api_init_producer_id, api_init_producer_id_abort, false)

#define API_KEY_VERSIONS 18

enum api_step api_produce(struct request *r);
void api_produce_abort(struct request *r);
enum api_step api_fetch(struct request *r);
void api_fetch_abort(struct request *r);
enum api_step api_list_offsets(struct request *r);
void api_list_offsets_abort(struct request *r);
enum api_step api_metadata(struct request *r);
enum api_step api_versions(struct request *r);
enum api_step api_create_topics(struct request *r);
enum api_step api_delete_topics(struct request *r);
void topic_job_end(struct request *r); // the abort of both (topic_job.h)
enum api_step api_init_producer_id(struct request *r);
void api_init_producer_id_abort(struct request *r);

// The rows, in ascending order of their keys.
int api_count(void);
const struct api *api_at(int i);
// NULL when the API is not served.
const struct api *api_find(int16_t key);

#endif
