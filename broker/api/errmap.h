// SPDX-License-Identifier: Apache-2.0
//
// The one place where the broker's errors become Kafka's codes. A handler that needs another code for an error in its
// own context decides that before it asks here.
#ifndef OTTLA_API_ERRMAP_H
#define OTTLA_API_ERRMAP_H

#include <stdint.h>

#include "base/err.h"

int16_t errmap_code(enum err e);

#endif
