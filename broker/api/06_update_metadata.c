// SPDX-License-Identifier: Apache-2.0
//
// UpdateMetadata (6), v0-8: the controller tells who lives and how partitions stand; this is what Metadata answers
// from. Carried out on the control thread (broker/cluster/control_metadata.c).
#include "broker/api/apis.h"
#include "broker/api/control_request.h"

enum api_step api_update_metadata(struct request *r)
{
    return control_request_run(r);
}
