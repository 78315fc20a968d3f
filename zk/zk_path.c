// SPDX-License-Identifier: Apache-2.0
//
// Checks of znode paths. A path that passes here is safe to keep, to print and to send to a real ZooKeeper.
#include "zk/zk_path.h"

#include "zk/zk.h"

// Takes one UTF-8 character from p; 0 when it is malformed (overlong, surrogate, out of range, cut by the end mark).
static uint32_t utf8_take(const uint8_t **p)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *s = *p;
    int len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : 4;
    if (s[0] >= 0xf5 || (s[0] >= 0x80 && s[0] < 0xc2))
        return 0;
    uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    *p = s + len;
    return c < least[len] || c > 0x10ffff ? 0 : c;
}

static bool character_allowed(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && !(c >= 0xd800 && c <= 0xf8ff) && !(c >= 0xfff0 && c <= 0xffff);
}

static bool component_allowed(const char *s, size_t len)
{
    return len > 0 && !(len == 1 && s[0] == '.') && !(len == 2 && s[0] == '.' && s[1] == '.');
}

static bool components_allowed(const char *path, bool is_sequential)
{
    const char *s = path;
    while (*s == '/') {
        s++;
        size_t len = strcspn(s, "/");
        if (!component_allowed(s, len) && !(is_sequential && s[0] == '\0'))
            return false;
        s += len;
    }
    return *s == '\0';
}

enum err zk_path_check(const char *path, bool is_sequential)
{
    size_t max = ZK_PATH_MAX_BYTES - (is_sequential ? (size_t)ZK_SEQUENCE_DIGITS : 0);
    if (path[0] != '/')
        return ERR_INVALID;
    if (strnlen(path, max + 1) > max)
        return ERR_TOO_LARGE;
    for (const uint8_t *p = (const uint8_t *)path; *p != '\0';) {
        if (!character_allowed(utf8_take(&p)))
            return ERR_INVALID;
    }
    if (path[1] == '\0')
        return ERR_OK;
    return components_allowed(path, is_sequential) ? ERR_OK : ERR_INVALID;
}

struct slice zk_path_parent(struct slice path)
{
    size_t len = path.len;
    while (len > 0 && path.data[len - 1] != '/')
        len--;
    // Now it ends behind the slash, which belongs to the parent only when that is the root.
    if (len == path.len)
        return slice_of(path.data, 0);
    return slice_of(path.data, len == 1 ? 1 : len - 1);
}
