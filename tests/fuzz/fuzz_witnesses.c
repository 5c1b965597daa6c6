/* Whatever stands in the file of the witnesses: a list, or a refusal that can be shown. */
#include <stdlib.h>
#include <string.h>

#include "witnesses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An @ is plain in a path; before the host it would part a password from it. */
static bool holds_a_user(const char *url)
{
        const char *host = strstr(url, "://") + strlen("://");

        return memchr(host, '@', strcspn(host, "/")) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct witnesses list;
        char why[WITNESS_WHY_MAX] = "", name[AUDIT_ORIGIN_MAX];
        char *text = malloc(size + 1);

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        if (witnesses_parse(text, size, &list, why) == 0) {
                for (size_t i = 0; i < list.n; i++)
                        if (!list.list[i].key.name[0] || strpbrk(list.list[i].url, " \n?#") ||
                            holds_a_user(list.list[i].url))
                                abort();
        } else if (strlen(why) == 0 || strpbrk(why, "\n\x1b")) {
                abort();
        }
        witness_name_in(text, name);
        free(text);
        return 0;
}
