// SPDX-License-Identifier: Apache-2.0
//
// See histogram.h. A value below 128 is its own cell; above, its leading 7 bits name the cell within its doubling.
#include "bench/histogram.h"

#include <stdio.h>

#define SUB_BITS 6

static unsigned cell_of(uint64_t value)
{
    if (value < (2u << SUB_BITS)) {
        return (unsigned)value;
    }
    unsigned shift = 63 - SUB_BITS - (unsigned)__builtin_clzll(value);
    return (shift << SUB_BITS) + (unsigned)(value >> shift);
}

static uint64_t upper_edge(unsigned cell)
{
    if (cell < (2u << SUB_BITS)) {
        return cell;
    }
    unsigned shift = (cell >> SUB_BITS) - 1;
    return ((uint64_t)(cell - (shift << SUB_BITS) + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t value_ns)
{
    uint64_t value = value_ns > 0 ? (uint64_t)value_ns : 0;
    h->cells[cell_of(value)]++;
    h->count++;
    if (value > h->max_ns) {
        h->max_ns = value;
    }
}

double histogram_percentile_us(const struct histogram *h, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)h->count);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
        seen += h->cells[i];
        if (seen > wanted || (seen == h->count && seen > 0)) {
            uint64_t edge = upper_edge(i);
            return (double)(edge < h->max_ns ? edge : h->max_ns) / 1e3;
        }
    }
    return 0;
}

void histogram_print(const struct histogram *h)
{
    if (h->count == 0) {
        return;
    }
    printf(", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f", histogram_percentile_us(h, 0.5),
           histogram_percentile_us(h, 0.99), histogram_percentile_us(h, 0.999), (double)h->max_ns / 1e3);
}
