/* Whatever the vault has for a version: refused, or written again to the same letter, and its files found. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct version *version)
{
        const struct version none = { .n = 0 };
        const struct version_file *a, *b;
        struct version_walk at = { 0 };
        uint32_t n = 0;

        while (version_next(version, &none, &at, &a, &b))
                if (!a || b || a != &version->list[n++])
                        abort();
        at = (struct version_walk){ 0 };
        while (version_next(version, version, &at, &a, &b))
                if (a != b)
                        abort();
        for (n = 0; n < version->n; n++)
                if (version_find(version, version->list[n].path) != &version->list[n])
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct version version = { .n = 0 };
        char *text;
        size_t length;

        if (version_read((const char *)data, size, &version) < 0) {
                if (version.list || version.text)
                        abort();
                return 0;
        }
        walk(&version);
        if (version_write(version.list, version.n, &text, &length) >= 0) {
                if (length != size || memcmp(text, data, size) != 0)
                        abort();
                free(text);
        }
        version_done(&version);
        return 0;
}
