// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "broker/api/disk_wait.h"

enum api_step disk_wait_begin(struct disk_wait *w, struct request *r)
{
    wait_arm(&r->wait, 1);
    disk_job_start(w->job, r->ctx->pool, &w->link, &r->wait);
    request_await_thread(r);
    return API_WAIT;
}

void disk_wait_end(struct disk_wait *w)
{
    if (w->job != NULL) {
        disk_job_unlink(w->job, &w->link);
        disk_job_unref(w->job);
        w->job = NULL;
    }
}
