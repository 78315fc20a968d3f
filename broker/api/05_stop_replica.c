// SPDX-License-Identifier: Apache-2.0
//
// StopReplica (5), v0-4: the controller has replicas of this broker stopped, and deleted if it says so. Carried out on
// the control thread (broker/cluster/control_receive.c).
#include "broker/api/apis.h"
#include "broker/api/control_request.h"

enum api_step api_stop_replica(struct request *r)
{
    return control_request_run(r);
}
