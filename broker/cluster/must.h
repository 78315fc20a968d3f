// SPDX-License-Identifier: Apache-2.0
//
// Memory for the control plane. A controller that acts on half of what it knows is worse than one that is gone: what
// it decides is durable step by step, so a restart goes on where it stopped (controller.h), while a change that was
// dropped for want of memory would be missed for good. So these never answer NULL: without memory they say so and
// abort. Sizes that come from a peer are checked against named bounds before they get here.
#ifndef OTTLA_CLUSTER_MUST_H
#define OTTLA_CLUSTER_MUST_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

void *must_alloc(size_t size);                 // zeroed
void *must_array(size_t count, size_t size);   // zeroed; count 0 gives a valid pointer
void *must_copy(const void *data, size_t len); // len 0 gives a valid pointer
char *must_strdup(const char *s);
// Room for one more element than count in an array that grows by doubling: pass the capacity along.
void *must_grow(void *array, int32_t count, int32_t *capacity, size_t size);
// The same for what lives in an arena (whose limit is the caller's to choose).
void *must_arena_array(struct arena *a, size_t count, size_t size);
void *must_arena_copy(struct arena *a, const void *data, size_t len);
// Passes on what an arena function gave.
void *must_have(const void *p);

#endif
