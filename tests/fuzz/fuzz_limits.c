/* What the kernel keeps of limits, and paths of drop-ins: read from whatever bytes. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "heal/drop_in.h"
#include "io/unit_limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1), unit[LIMITS_PATH_MAX], path[LIMITS_PATH_MAX];
        enum limits_place place;
        uint64_t value;

        memcpy(text, data, size);
        text[size] = '\0';
        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                (void)unit_limits_parse(limit, text, &value);
        (void)drop_in_is_ours(text);
        place = limits_place_of(text, unit);
        if (place != LIMITS_NOWHERE) /* then it is the one path that we would write to */
                assert(limits_path(place, unit, path) && strcmp(path, text) == 0);
        free(text);
        return 0;
}
