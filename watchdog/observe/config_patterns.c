#include "observe/config_patterns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

void config_patterns_done(struct config_patterns *patterns)
{
        for (uint32_t n = 0; n < patterns->n; n++)
                free(patterns->list[n].glob);
        free(patterns->list);
        *patterns = (struct config_patterns){ .n = 0 };
}

int config_patterns_make(const struct config_declared *list, uint32_t n, const struct config_names *known,
                         struct config_patterns *ret)
{
        struct config_patterns patterns = { .list = calloc(n + 1, sizeof(*patterns.list)) };

        if (!patterns.list)
                return -ENOMEM;
        for (; patterns.n < n; patterns.n++) {
                patterns.list[patterns.n] = (struct config_pattern){
                        .glob = strdup(list[patterns.n].pattern),
                        .rule = list[patterns.n].rule,
                        .plain = path_is_plain(list[patterns.n].pattern),
                        .known = config_names_has(known, list[patterns.n].pattern),
                };
                if (!patterns.list[patterns.n].glob) {
                        config_patterns_done(&patterns);
                        return -ENOMEM;
                }
        }
        *ret = patterns;
        return 0;
}

bool config_patterns_has(const struct config_patterns *patterns, const char *glob)
{
        for (uint32_t n = 0; n < patterns->n; n++)
                if (strcmp(patterns->list[n].glob, glob) == 0)
                        return true;
        return false;
}

uint32_t config_patterns_of(const struct config_patterns *patterns, const char *path)
{
        uint32_t n = 0;

        while (n < patterns->n && !path_glob(patterns->list[n].glob, path))
                n++;
        return n;
}

uint32_t config_patterns_next(const struct config_patterns *patterns)
{
        uint32_t found = patterns->n;

        for (uint32_t n = 0; n < patterns->n; n++)
                if (found == patterns->n || patterns->list[n].due < patterns->list[found].due)
                        found = n;
        return found;
}

void config_patterns_due(struct config_patterns *patterns, uint32_t pattern, usec_t at)
{
        if (at < patterns->list[pattern].due)
                patterns->list[pattern].due = at;
}

void config_patterns_all_due(struct config_patterns *patterns, usec_t at)
{
        for (uint32_t n = 0; n < patterns->n; n++)
                config_patterns_due(patterns, n, at);
}

void config_patterns_folder_due(struct config_patterns *patterns, const char *folder)
{
        for (uint32_t n = 0; n < patterns->n; n++)
                if (path_may_lead(patterns->list[n].glob, folder))
                        patterns->list[n].due = 0;
}

const char *config_patterns_trouble(const struct config_patterns *patterns)
{
        const char *trouble = "";

        for (uint32_t n = 0; n < patterns->n; n++)
                if (patterns->list[n].cut)
                        trouble = patterns->list[n].cut;
        return trouble;
}
