// SPDX-License-Identifier: Apache-2.0
//
// The one place where errors of the broker become Kafka's error codes.
#ifndef OTTLA_API_ERRMAP_H
#define OTTLA_API_ERRMAP_H

#include "base/err.h"
#include "protocol/protocol.h"

// The code clients act rightly on: retriable ones for what passes, fatal ones for what does not.
int16_t errmap_code(enum err e);

#endif
