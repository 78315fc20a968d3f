// SPDX-License-Identifier: Apache-2.0
//
// LeaderAndIsr (4), v0-7: the controller tells which partitions this broker hosts, who leads each and who is in sync.
// Carried out on the control thread (broker/cluster/control_receive.c).
#include "broker/api/apis.h"
#include "broker/api/control_request.h"

enum api_step api_leader_and_isr(struct request *r)
{
    return control_request_run(r);
}
