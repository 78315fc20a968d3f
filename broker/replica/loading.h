// SPDX-License-Identifier: Apache-2.0
//
// Opening every log found in the log directories at the start, several at a time.
#ifndef OTTLA_REPLICA_LOADING_H
#define OTTLA_REPLICA_LOADING_H

#include "broker/replica/log_dirs.h"

struct loading {
    const struct os *os;
    struct log_dirs *dirs;
    int threads_per_dir; // num.recovery.threads.per.data.dir
    int64_t producer_id_expiration_ms;
    // Takes each log over, one after the other, also on failure; copies that moves have begun come last.
    enum err (*loaded)(void *ctx, struct log *log);
    void *ctx;
};

// A directory with a log that cannot be opened goes offline, and the others are loaded. ERR_INVALID: a folder in one is
// no partition's. ERR_NO_MEMORY, ERR_AGAIN (no descriptor free), and what `loaded` answers, end the loading.
enum err loading_run(const struct loading *l) WARN_UNUSED; // [disk]

#endif
