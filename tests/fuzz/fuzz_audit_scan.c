/* The canonical scanner against a parser that shares no code with it: what it accepts, jansson reads and our encoder
 * writes again byte by byte. */

#include "audit/genesis.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const char *text, size_t length)
{
        static char space[1 << 20];
        struct audit_out out = { .bytes = space, .room = sizeof(space) };
        json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);

        if (!value || audit_out_json(&out, value, 1) != 0 || out.full || out.length != length ||
            memcmp(space, text, length) != 0)
                abort();
        json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* An exact copy, so that the sanitizer sees a read past the end. */
        char *text = malloc(size ?: 1);
        struct audit_genesis genesis;
        struct audit_view view;
        int64_t integer;

        if (!text)
                return 0;
        memcpy(text, data, size);
        if (audit_is_canonical(text, size))
                check_round_trip(text, size);
        if (audit_view(text, size, &view) == 0) {
                if (!audit_is_canonical(text, size))
                        abort();
                audit_view_integer(&view, "intent", &integer);
        }
        audit_genesis_parse(text, size, &genesis);
        free(text);
        return 0;
}
