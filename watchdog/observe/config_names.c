#include "observe/config_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void config_names_done(struct config_names *names)
{
        for (uint32_t n = 0; n < names->n; n++)
                free(names->list[n]);
        free(names->list);
        *names = (struct config_names){ .n = 0 };
}

/* Where the name is, or would be. */
static uint32_t place_of(const struct config_names *names, const char *name)
{
        uint32_t low = 0, high = names->n;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (strcmp(names->list[middle], name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool is_at(const struct config_names *names, uint32_t place, const char *name)
{
        return place < names->n && strcmp(names->list[place], name) == 0;
}

bool config_names_has(const struct config_names *names, const char *name)
{
        return is_at(names, place_of(names, name), name);
}

static int make_room(struct config_names *names)
{
        uint32_t room = names->room ? 2 * names->room : 16;
        char **list;

        if (names->n < names->room)
                return 0;
        if (names->n == CONFIG_NAMES_MAX)
                return -ENOSPC;
        list = reallocarray(names->list, room, sizeof(*list));
        if (!list)
                return -ENOMEM;
        names->list = list;
        names->room = room;
        return 0;
}

int config_names_add(struct config_names *names, const char *name)
{
        uint32_t place = place_of(names, name);
        char *copy;
        int r;

        if (is_at(names, place, name))
                return 0;
        r = make_room(names);
        if (r < 0)
                return r;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        memmove(names->list + place + 1, names->list + place, (names->n - place) * sizeof(*names->list));
        names->list[place] = copy;
        names->n++;
        return 1;
}

bool config_names_drop(struct config_names *names, bool (*unwanted)(void *self, const char *name), void *self)
{
        uint32_t kept = 0, before = names->n;

        for (uint32_t n = 0; n < names->n; n++)
                if (unwanted(self, names->list[n]))
                        free(names->list[n]);
                else
                        names->list[kept++] = names->list[n];
        names->n = kept;
        return kept < before;
}
