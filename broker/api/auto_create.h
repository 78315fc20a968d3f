// SPDX-License-Identifier: Apache-2.0
//
// Topics that come into being because somebody asks for them: any topic by a Metadata request, the internal ones by
// FindCoordinator, too. Nobody waits for the creation: the client's retry finds it done.
#ifndef OTTLA_API_AUTO_CREATE_H
#define OTTLA_API_AUTO_CREATE_H

#include "broker/api/request.h"

// Asks the control thread for a topic that does not exist. Internal topics get the settings of the broker's
// configuration (offsets.topic.*, transaction.state.log.*), others its defaults.
void auto_create_topic(struct request *r, struct slice name);

#endif
