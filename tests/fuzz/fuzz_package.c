/* Whatever stands in dpkg's log: no news, or a name and versions of nothing but what Debian allows in them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_clean(const char *text)
{
        for (; *text; text++)
                if (*text <= ' ' || *text > '~' || strchr("'\"`$;&|<>()\\/", *text))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct package_line line;
        char *copy = malloc(size + 1); /* to its very end and not further */

        if (!copy)
                abort();
        memcpy(copy, data, size);
        if (package_parse(copy, size, &line)) {
                is_clean(line.name);
                is_clean(line.before);
                is_clean(line.after);
                if (line.change == PACKAGE_NONE || strlen(line.name) < 2)
                        abort();
        }
        free(copy);
        return 0;
}
