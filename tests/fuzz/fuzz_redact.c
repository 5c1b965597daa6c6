/* Any line is shown within its bounds, and a key that is put behind a telling name, or has a known shape, never is. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/redact.h"

#define KEY "sk-fixture-0a7e2f9c81d34b6590"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const char *line, size_t length)
{
        char *shown = malloc(2 * REDACT_LINE_MAX);
        char *small = malloc(7);
        bool inside = false;

        if (!shown || !small)
                abort();
        (void)redact_line(line, length, shown, 2 * REDACT_LINE_MAX);
        if (strstr(shown, KEY))
                abort();
        (void)redact_line(line, length, small, 7);
        if (strlen(small) > 6)
                abort();
        (void)redact_is_armoured(line, length, &inside);
        free(shown);
        free(small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const before[] = { " ", "\nTOKEN=", " \"api_key\": \"", "," };
        char *line = malloc(size + 64);

        if (!line)
                abort();
        for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
                memcpy(line, data, size);
                for (size_t n = 0; n < size; n++) /* the key itself is not what is being fuzzed in */
                        line[n] = line[n] == 's' ? 'S' : line[n];
                size_t length = size + (size_t)sprintf(line + size, "%s" KEY, before[i]);
                show(line, length);
        }
        free(line);
        return 0;
}
