// SPDX-License-Identifier: Apache-2.0
//
// What LeaderAndIsr, StopReplica and UpdateMetadata share: the request goes to the control thread as it is, and the
// answer is what comes back from there. There is no time-out: the controller waits.
#ifndef OTTLA_API_CONTROL_REQUEST_H
#define OTTLA_API_CONTROL_REQUEST_H

#include "broker/api/request.h"

enum api_step control_request_run(struct request *r);

#endif
