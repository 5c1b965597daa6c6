#include "observe/systemd_known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/cleanup.h"

char **strings_free(char **strings)
{
        for (char **one = strings; one && *one; one++)
                free(*one);
        free(strings);
        return NULL;
}

void looks_done(struct looks *looks)
{
        free(looks->fragment);
        free(looks->type);
        free(looks->executable);
        *looks = (struct looks){ .fragment = NULL };
}

void bases_done(struct known *known)
{
        for (enum dependency i = 0; i < DEPENDENCY_N; i++)
                known->bases[i] = strings_free(known->bases[i]);
}

struct known *known_free(struct known *known)
{
        if (!known)
                return NULL;
        sd_bus_slot_unref(known->asking);
        looks_done(&known->looks);
        bases_done(known);
        free(known->unit);
        free(known->name);
        free(known->path);
        free(known);
        return NULL;
}

/* Where `path` stands or would have to stand. */
static size_t place_of(const struct known_table *table, const char *path)
{
        size_t low = 0, high = table->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(table->list[middle]->path, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct known *known_find(const struct known_table *table, const char *path)
{
        size_t at = place_of(table, path);

        return at < table->n && strcmp(table->list[at]->path, path) == 0 ? table->list[at] : NULL;
}

struct known *known_by_name(const struct known_table *table, const char *name)
{
        for (size_t i = 0; i < table->n; i++)
                if (strcmp(table->list[i]->name, name) == 0)
                        return table->list[i];
        return NULL;
}

int known_add(struct known_table *table, const char *name, const char *path, struct known **ret)
{
        _cleanup_(known_freep) struct known *known = calloc(1, sizeof(*known));
        size_t at = place_of(table, path);

        if (!known || !(known->path = strdup(path)) || !(known->name = strdup(name)))
                return -ENOMEM;
        if (table->n == table->space) {
                size_t space = table->space ? table->space * 2 : 64;
                struct known **all = reallocarray(table->list, space, sizeof(*all));

                if (!all)
                        return -ENOMEM;
                table->list = all;
                table->space = space;
        }
        memmove(table->list + at + 1, table->list + at, (table->n - at) * sizeof(*table->list));
        table->n++;
        *ret = table->list[at] = TAKE_PTR(known);
        return 0;
}

void known_drop(struct known_table *table, size_t at)
{
        known_free(table->list[at]);
        table->n--;
        memmove(table->list + at, table->list + at + 1, (table->n - at) * sizeof(*table->list));
}
