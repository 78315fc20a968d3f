// SPDX-License-Identifier: Apache-2.0
//
// Counts times by size with a resolution of 1/64 over the whole range (the layout of HdrHistogram): 64 cells for each
// doubling. A percentile is the upper edge of its cell, so it is at most 1.6 % too high and never too low.
#ifndef OTTLA_BENCH_HISTOGRAM_H
#define OTTLA_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_CELLS (59 * 64)

struct histogram {
    uint64_t cells[HISTOGRAM_CELLS]; // all zero: empty
    uint64_t count;
    uint64_t max_ns;
};

void histogram_add(struct histogram *h, int64_t value_ns); // below zero counts as zero

// The value that `part` (0 to 1) of all are not above; 0 when empty.
double histogram_percentile_us(const struct histogram *h, double part);

// The fields "p50_us" to "max_us" of a JSON object on standard output, each with a comma before it; none when empty.
void histogram_print(const struct histogram *h);

#endif
