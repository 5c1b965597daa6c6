/* A saved list of apps of anything: refused, or outlines in which no value stands that may be a secret. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/pm2_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Variables and arguments stand there by what stands for them. */
static int check_saved(void *self, const struct pm2_saved *saved)
{
        char words[160];

        (void)self;
        for (const char *at = saved->outline; *at;) {
                size_t length = strcspn(at, "\t"), name = strcspn(at, "=#\t");
                const char *from = at + (at[0] == '?');

                if (name == length)
                        abort();
                if ((strncmp(from, "env ", 4) == 0 || strncmp(from, "args#", 4) == 0) && at[name] != '#')
                        abort();
                at += length + (at[length] == '\t');
        }
        if (!outline_same(saved->outline, saved->outline))
                abort();
        outline_difference(NULL, saved->outline, words, sizeof(words));
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct veil *veil;

        if (veil || veil_new(&veil) >= 0)
                (void)pm2_dump_read((const char *)data, size, veil, check_saved, NULL);
        return 0;
}
