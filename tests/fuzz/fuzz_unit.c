/* Unit files as the doctor reads them: whatever is in them, values stay readable and spans and sizes parse or do not. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "govctl/check.h"
#include "govctl/unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct unit *unit)
{
        char word[SHELL_WORD_MAX];
        uint64_t bytes;
        usec_t span;

        for (enum unit_key key = 0; key < UNIT_KEY_N; key++)
                for (const struct setting *s = NULL; (s = unit_next(unit, key, s));) {
                        (void)unit_parse_span(s->value, &span);
                        (void)unit_parse_bytes(s->value, &bytes);
                        shell_word(s->value, word);
                        assert(!strchr(s->value, '\n') && !strchr(word, '\n'));
                        assert(unit_get(unit, key));
                }
        (void)unit_names(unit, UNIT_WANTS, "a.service");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct unit *unit = calloc(1, sizeof *unit);
        char *text = malloc(size + 1);

        assert(unit && text);
        memcpy(text, data, size);
        text[size] = '\0';
        unit->name = strdup("fuzz.service");
        if (unit_parse(unit, "/fuzz.service", text) == 0)
                look_at(unit);
        unit_free(unit);
        free(text);
        return 0;
}
