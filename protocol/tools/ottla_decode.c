// SPDX-License-Identifier: Apache-2.0
//
// ottla-decode prints a captured frame (without its size field) as JSON: its header on one line, its body on the next.
// A request says itself what it is; for a response, the key and the version of its request must be given.
#include "protocol/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARENA_LIMIT_BYTES = 1 << 30,
};

static const char usage[] = "usage: ottla-decode request HEX\n"
                            "       ottla-decode response KEY VERSION HEX\n"
                            "HEX is the frame without its size field; - reads it from the standard input.\n";

// The text of the standard input; free() it.
static char *read_input(void)
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t len = getdelim(&text, &cap, EOF, stdin);

    if (len < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Turns hex into bytes in place; white space is skipped. False for anything else.
static bool unhex(char *text, size_t *len)
{
    size_t digits = 0;
    unsigned value = 0;

    for (const char *c = text; *c != '\0'; c++) {
        int digit = hex_digit(*c);
        if (digit < 0 && strchr(" \t\r\n", *c) == NULL)
            return false;
        if (digit < 0)
            continue;
        value = value << 4 | (unsigned)digit;
        if (digits++ % 2 == 1)
            text[digits / 2 - 1] = (char)(uint8_t)value;
    }
    *len = digits / 2;
    return digits % 2 == 0;
}

static bool parse_int16(const char *text, int16_t *out)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    *out = (int16_t)value;
    return errno == 0 && end != text && *end == '\0' && value >= INT16_MIN && value <= INT16_MAX;
}

// Decodes one message and prints it as a line.
static enum err print_message(const struct message_desc *m, int16_t version, struct reader *r, struct arena *a)
{
    struct writer text;
    void *message = malloc(message_struct_size(m));
    enum err e = message != NULL ? message_decode(m, version, r, a, message) : ERR_NO_MEMORY;

    writer_init(&text, 4096, SIZE_MAX / 2);
    if (e == ERR_OK)
        e = message_print(m, version, message, &text);
    if (e == ERR_OK)
        printf("%s v%d %.*s\n", message_name(m), version, (int)text.len, (const char *)text.data);
    else
        fprintf(stderr, "ottla-decode: %s v%d: %s\n", message_name(m), version, err_text(e));
    writer_release(&text);
    free(message);
    return e;
}

static enum err print_frame(bool request, int16_t key, int16_t version, struct slice frame)
{
    const struct protocol_api *api = protocol_api_find(key);
    struct reader r = reader_of(frame);
    struct arena a;
    enum err e;

    if (api == NULL) {
        fprintf(stderr, "ottla-decode: no API has the key %d\n", key);
        return ERR_NOT_FOUND;
    }
    arena_init(&a, ARENA_LIMIT_BYTES);
    if (request)
        e = print_message(&request_header_desc, protocol_request_header_version(key, version), &r, &a);
    else
        e = print_message(&response_header_desc, protocol_response_header_version(key, version), &r, &a);
    if (e == ERR_OK)
        e = print_message(request ? api->request : api->response, version, &r, &a);
    if (e == ERR_OK && reader_left(&r) > 0)
        printf("%zu bytes left over\n", reader_left(&r));
    arena_release(&a);
    return e;
}

int main(int argc, char **argv)
{
    bool request = argc == 3 && strcmp(argv[1], "request") == 0;
    bool response = argc == 5 && strcmp(argv[1], "response") == 0;
    int16_t key = 0, version = 0;
    size_t len = 0;
    int status = 2;
    char *text = NULL;

    if (request || (response && parse_int16(argv[2], &key) && parse_int16(argv[3], &version)))
        text = strcmp(argv[argc - 1], "-") == 0 ? read_input() : strdup(argv[argc - 1]);
    if (text == NULL || !unhex(text, &len) || len < 4) {
        fputs(usage, stderr);
        goto out;
    }
    if (request) {
        key = (int16_t)load_be16(text);
        version = (int16_t)load_be16(text + 2);
    }
    status = print_frame(request, key, version, slice_of(text, len)) == ERR_OK ? 0 : 1;
out:
    free(text);
    return status;
}
