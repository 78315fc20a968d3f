// SPDX-License-Identifier: Apache-2.0
//
// Names and sentences of enum err, and the translation of errno. Everything here is constant data.
#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *const names[] = {
#define ERR_NAME(name, text) [ERR_##name] = #name,
    ERR_TABLE(ERR_NAME)
#undef ERR_NAME
};

static const char *const texts[] = {
#define ERR_TEXT(name, text) [ERR_##name] = text,
    ERR_TABLE(ERR_TEXT)
#undef ERR_TEXT
};

static const size_t err_count = sizeof names / sizeof names[0];

const char *err_name(enum err e)
{
    return (size_t)e < err_count ? names[e] : "UNKNOWN";
}

const char *err_text(enum err e)
{
    return (size_t)e < err_count ? texts[e] : "unknown error";
}

const char *err_explain(enum err e)
{
    return e == ERR_IO && errno != 0 ? strerror(errno) : err_text(e);
}

enum err err_from_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case ENOMEM:
        return ERR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return ERR_AGAIN;
    default:
        return ERR_IO;
    }
}
