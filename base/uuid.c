// SPDX-License-Identifier: Apache-2.0
//
// Ids of 16 bytes and their base64 text. 128 bits fill 21 characters and two bits of the 22nd; the other four bits of
// the last character are zero, so each id has exactly one text.
#include "base/uuid.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_is_zero(const struct uuid *u)
{
    static const struct uuid zero;
    return uuid_equal(u, &zero);
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

void uuid_random(const struct os *os, struct uuid *out)
{
    char text[UUID_TEXT_LEN + 1];
    do {
        os->random(os, out->b, sizeof out->b);
        // Version and variant bits make the two reserved ids (zero and one) impossible.
        out->b[6] = (uint8_t)((out->b[6] & 0x0f) | 0x40);
        out->b[8] = (uint8_t)((out->b[8] & 0x3f) | 0x80);
        uuid_format(out, text);
    } while (text[0] == '-'); // command line tools would take it for an option
}

void uuid_format(const struct uuid *u, char text[UUID_TEXT_LEN + 1])
{
    unsigned bits = 0;
    int n_bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < sizeof u->b; i++) {
        bits = bits << 8 | u->b[i];
        n_bits += 8;
        while (n_bits >= 6) {
            n_bits -= 6;
            text[n++] = alphabet[bits >> n_bits & 0x3f];
        }
    }
    text[n++] = alphabet[bits << (6 - n_bits) & 0x3f];
    text[n] = '\0';
}

enum err uuid_parse(const char *text, struct uuid *out)
{
    if (strnlen(text, UUID_TEXT_LEN + 1) != UUID_TEXT_LEN) {
        return ERR_INVALID;
    }
    struct uuid u;
    unsigned bits = 0;
    int n_bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        const char *found = strchr(alphabet, text[i]);
        if (!found) {
            return ERR_INVALID;
        }
        bits = bits << 6 | (unsigned)(found - alphabet);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            u.b[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    if ((bits & ((1U << n_bits) - 1)) != 0) {
        return ERR_INVALID;
    }
    *out = u;
    return ERR_OK;
}
