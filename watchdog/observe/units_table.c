#include "observe/units_table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "base/unit.h"
#include "io/cleanup.h"

/* ---- folders ------------------------------------------------------------------------------------------------------------- */

/* Names that a path is made of: what would be a pattern is not taken for a path. */
static bool is_literal(const char *path)
{
        return path[0] == '/' && strlen(path) < FILE_PATH_MAX && path_is_plain(path);
}

/* Files that are made anew each time systemd starts or is told to: what they are made from is what somebody declared. */
static bool is_made(const char *path)
{
        return strstr(path, "/systemd/generator") || strstr(path, "/systemd/transient");
}

static bool has_folder(const struct units_table *table, const char *folder)
{
        for (unsigned n = 0; n < table->folders_n; n++)
                if (strcmp(table->folders[n], folder) == 0)
                        return true;
        return false;
}

int units_table_add_folder(struct units_table *table, const char *folder)
{
        char real[PATH_MAX];

        if (!realpath(folder, real)) /* it may come later */
                text_copy(real, sizeof(real), folder);
        if (is_made(folder) || !is_literal(real) || has_folder(table, real) || table->folders_n == UNIT_FOLDERS_MAX)
                return 0;
        table->folders[table->folders_n] = strdup(real);
        if (!table->folders[table->folders_n])
                return -ENOMEM;
        table->folders_n++;
        return 1;
}

bool unit_file_is_in_force_at_once(const char *path)
{
        return strstr(path, "/systemd/system.control/") != NULL;
}

/* ---- which unit ---------------------------------------------------------------------------------------------------------- */

/* Where the name is, or would be. */
static size_t place_of(const struct units_table *table, const char *name)
{
        size_t low = 0, high = table->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(table->list[middle]->name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct governed *units_table_find(const struct units_table *table, const char *name)
{
        size_t place = place_of(table, name);

        return place < table->n && strcmp(table->list[place]->name, name) == 0 ? table->list[place] : NULL;
}

static bool has_elsewhere(const struct governed *unit, const char *path)
{
        for (size_t n = 0; n < unit->elsewhere_n; n++)
                if (strcmp(unit->elsewhere[n], path) == 0)
                        return true;
        return false;
}

/* How far down in systemd's list the folder is that the file lies in. */
static unsigned rank_of(const struct units_table *table, const char *path)
{
        unsigned n = 0;

        for (; n < table->folders_n; n++) {
                size_t length = strlen(table->folders[n]);

                if (strncmp(path, table->folders[n], length) == 0 && path[length] == '/')
                        break;
        }
        return n;
}

/* A unit's file further down the list than the one in force has no effect. Of a unit of the run before that is not known yet. */
static bool has_effect(const struct units_table *table, const struct governed *unit, const char *path)
{
        if (text_ends(path, ".conf"))
                return true;
        if (!unit->fragment)
                return config_files_find(table->files, path) != CONFIG_NO_FILE;
        return rank_of(table, path) <= rank_of(table, unit->fragment);
}

/* How much of the names of all its units a file's own name is: "zoo-@" of the template, "zoo-" of a prefix, else all of it. */
static size_t common_length(const char *of)
{
        size_t at = strcspn(of, "@");

        if (strcmp(of, "service") == 0)
                return 0;
        if (strcmp(of + at, "@.service") == 0)
                return at + 1;
        return text_ends(of, "-.service") ? strlen(of) - strlen(".service") : strlen(of);
}

static void count_user(struct unit_users *users, const struct governed *unit)
{
        if (users->n++ == 0)
                users->first = unit;
        users->all_heard &= unit->heard || unit->gone;
        users->any_stale |= unit->stale;
        users->any_known |= !unit->fresh;
        users->any_settled |= unit->settled;
}

struct unit_users units_table_users(const struct units_table *table, const char *path)
{
        struct unit_users users = { .all_heard = true };
        char of[UNIT_NAME_MAX];

        if (rank_of(table, path) == table->folders_n) {
                for (size_t n = 0; n < table->n; n++)
                        if (has_elsewhere(table->list[n], path))
                                count_user(&users, table->list[n]);
        } else if (unit_path_name(path, of)) {
                size_t length = common_length(of), n;

                of[length] = '\0';
                for (n = place_of(table, of); n < table->n && strncmp(table->list[n]->name, of, length) == 0; n++)
                        if (unit_has_path(table->list[n]->name, path) && has_effect(table, table->list[n], path))
                                count_user(&users, table->list[n]);
        }
        return users;
}

void unit_users_agent(const struct unit_users *users, char ret_agent[AGENT_ID_MAX])
{
        ret_agent[0] = '\0';
        if (users->n == 1)
                snprintf(ret_agent, AGENT_ID_MAX, "systemd:%s", users->first->name);
}

/* ---- units come and go ---------------------------------------------------------------------------------------------------- */

static struct governed *governed_free(struct governed *unit)
{
        if (!unit)
                return NULL;
        for (size_t n = 0; n < unit->elsewhere_n; n++)
                free(unit->elsewhere[n]);
        free(unit->elsewhere);
        free(unit->fragment);
        free(unit->name);
        free(unit);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct governed *, governed_free);

void units_table_remove(struct units_table *table, struct governed *unit)
{
        size_t place = place_of(table, unit->name);

        table->n--;
        memmove(table->list + place, table->list + place + 1, (table->n - place) * sizeof(*table->list));
        governed_free(unit);
}

int units_table_add(struct units_table *table, const char *name, struct governed **ret)
{
        _cleanup_(governed_freep) struct governed *unit = calloc(1, sizeof(*unit));
        size_t place = place_of(table, name);

        if (!unit || !(unit->name = strdup(name)))
                return -ENOMEM;
        if (table->n == table->room) {
                size_t room = table->room ? 2 * table->room : 32;
                struct governed **list = reallocarray(table->list, room, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                table->list = list;
                table->room = room;
        }
        unit->fresh = true;
        memmove(table->list + place + 1, table->list + place, (table->n - place) * sizeof(*table->list));
        table->n++;
        *ret = table->list[place] = TAKE_PTR(unit);
        return 0;
}

void units_table_done(struct units_table *table)
{
        for (size_t n = 0; n < table->n; n++)
                governed_free(table->list[n]);
        free(table->list);
        for (unsigned n = 0; n < table->folders_n; n++)
                free(table->folders[n]);
        *table = (struct units_table){ .n = 0 };
}

/* ---- its files ----------------------------------------------------------------------------------------------------------- */

static int add_elsewhere(const struct units_table *table, struct governed *unit, const char *path)
{
        char **list;

        if (rank_of(table, path) < table->folders_n || !is_literal(path) || is_made(path) || has_elsewhere(unit, path))
                return 0;
        list = reallocarray(unit->elsewhere, unit->elsewhere_n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        unit->elsewhere = list;
        list[unit->elsewhere_n] = strdup(path);
        if (!list[unit->elsewhere_n])
                return -ENOMEM;
        unit->elsewhere_n++;
        return 0;
}

/* By the folder's own name: one folder that systemd knows by two names holds each file once. */
static void without_links(const char *path, char ret[PATH_MAX])
{
        char folder[PATH_MAX], real[PATH_MAX];
        const char *name = strrchr(path, '/');

        text_copy(ret, PATH_MAX, path);
        if (!name || (size_t)(name - path) >= sizeof(folder))
                return;
        memcpy(folder, path, (size_t)(name - path));
        folder[name - path] = '\0';
        if (realpath(folder, real) && strlen(real) + strlen(name) < PATH_MAX) {
                text_copy(ret, PATH_MAX, real);
                text_append(ret, PATH_MAX, "%s", name);
        }
}

/* What lies outside of the folders, a link's own end among it. */
static int take_elsewhere(const struct units_table *table, struct governed *unit, const char *fragment,
                          const struct unit_files *files)
{
        char real[PATH_MAX];
        int r = add_elsewhere(table, unit, fragment);

        if (r >= 0 && realpath(fragment, real) && strcmp(real, "/dev/null") != 0)
                r = add_elsewhere(table, unit, real);
        if (r >= 0)
                r = add_elsewhere(table, unit, files->source);
        for (char *const *one = files->drop_ins; r >= 0 && one && *one; one++) {
                without_links(*one, real);
                r = add_elsewhere(table, unit, real);
        }
        return r;
}

static bool same_elsewhere(const struct governed *a, const struct governed *b)
{
        for (size_t i = 0; i < a->elsewhere_n; i++)
                if (!has_elsewhere(b, a->elsewhere[i]))
                        return false;
        return a->elsewhere_n == b->elsewhere_n;
}

int units_table_take_files(const struct units_table *table, struct governed *unit, const struct unit_files *files)
{
        struct governed before = *unit;
        char fragment[PATH_MAX];
        bool others;
        int r;

        without_links(files->fragment, fragment);
        unit->elsewhere = NULL;
        unit->elsewhere_n = 0;
        unit->fragment = strdup(fragment);
        r = unit->fragment ? take_elsewhere(table, unit, fragment, files) : -ENOMEM;
        if (!unit->fragment)
                unit->fragment = TAKE_PTR(before.fragment);
        others = r < 0 || !before.fragment || strcmp(before.fragment, unit->fragment) != 0 ||
                 !same_elsewhere(unit, &before);
        for (size_t n = 0; n < before.elsewhere_n; n++)
                free(before.elsewhere[n]);
        free(before.elsewhere);
        free(before.fragment);
        return r < 0 ? r : others;
}
