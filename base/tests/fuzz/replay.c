// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target on a corpus: fuzz_<target> FILE [LINE]. The file holds one input a line, in hexadecimal; a line
// that begins with '#' is a comment. Each input runs as it is, and then changed a little, always in the same ways. The
// number of each line is written before it is run, so the last one is the one that failed; alone it is run by LINE.
#include "base/tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define CHANGED_COPIES 8 // of each input

// The same numbers in every run.
struct chance {
    uint64_t state;
};

static size_t chance_below(struct chance *c, size_t bound)
{
    c->state = c->state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(c->state >> 33) % bound;
}

static void bytes_change(struct chance *c, uint8_t *bytes, size_t len)
{
    static const uint8_t favourites[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe};
    for (size_t changes = 1 + chance_below(c, 4); changes > 0 && len > 0; changes--) {
        size_t at = chance_below(c, len);
        if (chance_below(c, 3) == 0) {
            bytes[at] ^= (uint8_t)(1u << chance_below(c, 8));
        } else if (chance_below(c, 2) == 0) {
            bytes[at] = favourites[chance_below(c, sizeof favourites)];
        } else {
            bytes[at] = (uint8_t)chance_below(c, 256);
        }
    }
}

// In an allocation of just the size, so that a sanitizer sees every read beyond it.
static void input_run(const uint8_t *input, size_t len, struct chance *c)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    ASSERT(copy != NULL);
    if (len > 0) {
        memcpy(copy, input, len);
    }
    if (c != NULL) {
        bytes_change(c, copy, len);
    }
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

// Turns the line's hexadecimal digits into bytes, in place, and runs them.
static void line_run(char *line)
{
    uint8_t *bytes = (uint8_t *)line;
    size_t digits = strcspn(line, "\r\n");
    struct chance c = {digits};
    ASSERT(digits % 2 == 0 && strspn(line, "0123456789abcdef") == digits);
    for (size_t i = 0; i < digits / 2; i++) {
        char byte[3] = {line[2 * i], line[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    input_run(bytes, digits / 2, NULL);
    for (int i = 0; i < CHANGED_COPIES; i++) {
        size_t len = i % 4 == 3 ? chance_below(&c, digits / 2 + 1) : digits / 2;
        input_run(bytes, len, &c);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: %s CORPUS [LINE]\n", argv[0]);
        return 2;
    }
    FILE *file = fopen(argv[1], "r");
    if (file == NULL) {
        perror(argv[1]);
        return 1;
    }
    int wanted = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;
    int ran = 0;
    char *line = NULL;
    size_t cap = 0;
    for (int number = 1; getline(&line, &cap, file) > 0; number++) {
        if (line[0] != '#' && (wanted == 0 || wanted == number)) {
            printf("%d\n", number);
            fflush(stdout);
            line_run(line);
            ran++;
        }
    }
    free(line);
    fclose(file);
    return ran > 0 ? 0 : 1;
}
