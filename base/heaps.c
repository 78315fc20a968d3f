// SPDX-License-Identifier: Apache-2.0
//
// What is resident without being of a file, less what is in use, is what the heaps hold (stacks of threads are small).
// The C library's own count of free bytes goes on counting what has been given back. What is in use without having been
// touched makes the answer too small, never too large.
#include "base/heaps.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define LONGEST_US 1000000 // that counts

#ifdef HEAPS_OF_GLIBC

// 0 also when /proc does not tell.
static int64_t idle_now(void)
{
    long long size, resident, of_files; // pages
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL) {
        return 0;
    }
    bool found = fscanf(statm, "%lld %lld %lld", &size, &resident, &of_files) == 3;
    fclose(statm);
    if (!found) {
        return 0;
    }
    struct mallinfo2 info = mallinfo2(); // blocks that are mappings of their own are not among uordblks
    int64_t idle = (int64_t)(resident - of_files) * sysconf(_SC_PAGESIZE) - (int64_t)(info.uordblks + info.hblkhd);
    return idle > 0 ? idle : 0;
}

static void give_back(void)
{
    (void)malloc_trim(0);
}

void heaps_setup(void)
{
    // Told once: the C library then no longer moves these limits by what it sees freed.
    (void)mallopt(M_TRIM_THRESHOLD, HEAPS_KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, HEAPS_KEPT_BYTES);
}

#else

static int64_t idle_now(void)
{
    return 0;
}

static void give_back(void)
{
}

void heaps_setup(void)
{
}

#endif

void heaps_init(struct heaps *h, const struct os *os)
{
    *h = (struct heaps){.os = os, .look_ms = HEAPS_LOOK_MS};
}

bool heaps_note(struct heaps *h, int64_t idle_bytes)
{
    int64_t lasting = idle_bytes < h->idle_bytes ? idle_bytes : h->idle_bytes;
    h->idle_bytes = idle_bytes;
    if (h->stuck_bytes > idle_bytes) {
        h->stuck_bytes = idle_bytes;
    }
    return lasting > h->stuck_bytes + HEAPS_IDLE_MAX_BYTES;
}

void heaps_given(struct heaps *h, int64_t idle_bytes)
{
    h->idle_bytes = idle_bytes;
    h->stuck_bytes = idle_bytes;
}

static int64_t rest_ms(int64_t took_us)
{
    int64_t us = took_us < LONGEST_US ? took_us : LONGEST_US;
    int64_t ms = us * us / 1000 * HEAPS_REST_MS / 1000;
    return ms > HEAPS_LOOK_MS ? ms : HEAPS_LOOK_MS;
}

bool heaps_look(struct heaps *h)
{
    int64_t began_us = os_mono_us(h->os);
    bool worth_it = heaps_note(h, idle_now());
    if (worth_it) {
        give_back();
        heaps_given(h, idle_now());
    }
    h->look_ms = rest_ms(os_mono_us(h->os) - began_us);
    return worth_it;
}
