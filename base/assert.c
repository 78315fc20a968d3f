// SPDX-License-Identifier: Apache-2.0
//
// What happens when an invariant does not hold: one log line, then abort, so that a core file shows the place.
#include "base/assert.h"

#include "base/logging.h"
#include <stdlib.h>

void assert_failed(const char *cond, const char *file, int line, const char *func)
{
    log_error("base", "assertion failed: %s at %s:%d in %s", cond, file, line, func);
    abort();
}
