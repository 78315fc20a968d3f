// SPDX-License-Identifier: Apache-2.0
//
// What is resident without being of a file, less what is in use, is what the heaps hold (stacks of threads are small).
// The C library's own count of free bytes goes on counting what has been given back.
#include "base/heaps.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
#define HEAPS_OF_GLIBC 1
#endif
#endif

#ifdef HEAPS_OF_GLIBC
// -1 when /proc does not tell.
static int64_t idle_bytes(void)
{
    long long size, resident, of_files;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL) {
        return -1;
    }
    int found = fscanf(statm, "%lld %lld %lld", &size, &resident, &of_files);
    fclose(statm);
    struct mallinfo2 info = mallinfo2();
    int64_t anonymous = (int64_t)(resident - of_files) * sysconf(_SC_PAGESIZE);
    return found == 3 ? anonymous - (int64_t)(info.uordblks + info.hblkhd) : -1;
}
#endif

void heaps_setup(void)
{
#ifdef HEAPS_OF_GLIBC
    // Told once: the C library then no longer moves these limits by what it sees freed.
    (void)mallopt(M_TRIM_THRESHOLD, HEAPS_KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, HEAPS_KEPT_BYTES);
#endif
}

bool heaps_give_back(struct heaps *h)
{
#ifdef HEAPS_OF_GLIBC
    if (idle_bytes() > h->idle_bytes + HEAPS_IDLE_MAX_BYTES) {
        (void)malloc_trim(0);
        int64_t left = idle_bytes();
        h->idle_bytes = left > 0 ? left : 0;
        return true;
    }
#else
    (void)h;
#endif
    return false;
}
