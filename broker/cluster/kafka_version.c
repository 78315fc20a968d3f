// SPDX-License-Identifier: Apache-2.0
//
// The table is that of Kafka 3.9, which knows no later release than itself.
#include "broker/cluster/kafka_version.h"

#include <ctype.h>
#include <string.h>

#include "base/java_text.h"

// The releases, with the number of their -IV<n> variants.
// clang-format off
static const struct {
    const char *release;
    int variants;
} releases[] = {
    {"0.8.0", 0}, {"0.8.1", 0}, {"0.8.2", 0}, {"0.9.0", 0}, {"0.10.0", 2}, {"0.10.1", 3}, {"0.10.2", 1}, {"0.11.0", 3},
    {"1.0", 1}, {"1.1", 1}, {"2.0", 2}, {"2.1", 3}, {"2.2", 2}, {"2.3", 2}, {"2.4", 2}, {"2.5", 1}, {"2.6", 1},
    {"2.7", 3}, {"2.8", 2}, {"3.0", 2}, {"3.1", 1}, {"3.2", 1}, {"3.3", 4}, {"3.4", 1}, {"3.5", 3}, {"3.6", 3},
    {"3.7", 5}, {"3.8", 1}, {"3.9", 1},
};
// clang-format on

bool kafka_version_is_known(const char *s)
{
    for (size_t i = 0; i < sizeof releases / sizeof releases[0]; i++) {
        size_t len = strlen(releases[i].release);
        if (strncmp(s, releases[i].release, len) != 0 || isdigit((unsigned char)s[len])) {
            continue;
        }
        const char *rest = s + len;
        if (strncmp(rest, "-IV", 3) != 0) {
            return *rest == '\0' || *rest == '.';
        }
        int64_t variant;
        return java_integer_parse(rest + 3, &variant) && variant >= 0 && variant < releases[i].variants;
    }
    return false;
}
