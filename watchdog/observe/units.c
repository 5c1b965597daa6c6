#include "observe/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/clock.h"
#include "observe/config.h"

#define PENDING_AFTER (2 * USEC_PER_SEC) /* who edits a unit reloads a moment later */
#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 20)

struct units {
        sd_event *event;
        struct units_options options;
        struct config *config;
        struct units_table table;
        bool undeclared;     /* what is declared is not what config was told */
        bool asked;          /* somebody waits for a look */
        usec_t reload_began; /* the newest, as files have their times */
        sd_event_source *soon, *check;
};

/* ---- what the observer of files asks -------------------------------------------------------------------------------------- */

static bool wants(void *self, const char *path)
{
        const struct units *units = self;

        return units_table_users(&units->table, path).n > 0;
}

/* What is new there was added when any of its units was looked at before. */
static bool knows(void *self, const char *path)
{
        const struct units *units = self;

        return units_table_users(&units->table, path).any_known;
}

static void owner_of(void *self, uint32_t rule, const char *path, char ret_agent[AGENT_ID_MAX])
{
        const struct units *units = self;
        struct unit_users users = units_table_users(&units->table, path);

        (void)rule;
        unit_users_agent(&users, ret_agent);
}

static bool is_planned(void *self, const struct fact *fact)
{
        const struct units *units = self;

        return units->options.planned(units->options.self, fact);
}

/* ---- what is in force ---------------------------------------------------------------------------------------------------- */

static usec_t now_of(const struct units *units)
{
        usec_t now = 0;

        sd_event_now(units->event, CLOCK_BOOTTIME, &now);
        return now;
}

static void arm(const struct units *units, sd_event_source *timer, usec_t wait)
{
        sd_event_source_set_time(timer, now_of(units) + wait);
        sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* Units come one by one, and are looked at together. */
static void look_soon(const struct units *units)
{
        arm(units, units->soon, units->options.patience / 20);
}

/* Words on other units, and files that were read meanwhile, may follow. */
static void check_soon(const struct units *units)
{
        arm(units, units->check, units->options.patience / 4);
}

static uint64_t mark_of(const struct file_state *state)
{
        uint64_t mark = 0;

        if (state->there)
                memcpy(&mark, state->digest, sizeof(mark));
        return mark;
}

/*
 * Files were read before they were loaded, so what systemd says of the whole unit is about those that changed meanwhile, or about
 * the unit's own. Only then is it asked: it overlooks new drop-ins, and calls a unit stale whose file is as it was, but younger.
 */
static bool go_by_systemd(const struct units *units, struct config_file *file)
{
        const struct unit_users users = units_table_users(&units->table, file->path);
        bool suspect = !file_state_same(&file->sealed, &file->seen) ||
                       (users.first && users.first->fragment && strcmp(users.first->fragment, file->path) == 0);

        if (users.n == 0 || !users.all_heard || !users.any_settled)
                return false;
        file->loaded_known = true;
        if (!users.any_stale || !suspect)
                file->loaded = mark_of(&file->seen);
        else if (file->loaded == 0 || file->loaded == mark_of(&file->seen)) /* what else it is nobody knows */
                file->loaded = ~mark_of(&file->seen);
        return true;
}

static void check(struct units *units)
{
        struct config_book *book = config_book_of(units->config);

        for (uint32_t n = 0; n < book->files.n; n++) {
                struct config_file *file = &book->files.list[n];

                if (unit_file_is_in_force_at_once(file->path) || (!file->loaded_known && !go_by_systemd(units, file)))
                        continue;
                config_book_set_pending(book, file, file->loaded != mark_of(&file->seen));
        }
}

static int on_check(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source, (void)usec;
        check(userdata);
        return 0;
}

/* What was written just before systemd read all units may be told just after that. */
static void note_change(struct units *units, const struct fact *fact)
{
        struct config_book *book = config_book_of(units->config);
        uint32_t slot = config_files_find(&book->files, fact->config.path);
        struct config_file *file = slot == CONFIG_NO_FILE ? NULL : &book->files.list[slot];

        if (!file)
                return;
        if (fact->config.change == CONFIG_SEALED ||
            (file->seen.there && units->reload_began > 0 && fact->config.modified < units->reload_began)) {
                file->loaded_known = true;
                file->loaded = mark_of(&file->seen);
        } else if (fact->config.change == CONFIG_ADDED && units_table_users(&units->table, file->path).any_settled) {
                file->loaded_known = true;
                file->loaded = 0;
        }
        arm(units, units->check, units->options.patience);
}

static void take_fact(void *self, const struct fact *fact)
{
        struct units *units = self;

        if (fact->kind == FACT_CONFIG && fact->config.change != CONFIG_PENDING && fact->config.change != CONFIG_LOADED)
                note_change(units, fact);
        units->options.sink.take(units->options.sink.self, fact);
}

/* ---- what is declared ----------------------------------------------------------------------------------------------------- */

static int add_pattern(struct config_declared *list, uint32_t *n, const char *folder, const char *glob)
{
        char *pattern;

        if (asprintf(&pattern, "%s%s", folder, glob) < 0)
                return -ENOMEM;
        list[(*n)++] = (struct config_declared){ .pattern = pattern };
        return 0;
}

/* Files by their own names first: what a link in a folder leads to is itself, and the link another thing. */
static int make_list(const struct units *units, struct config_declared *list, uint32_t *n)
{
        int r = 0;

        for (size_t i = 0; i < units->table.n; i++)
                for (size_t k = 0; r >= 0 && k < units->table.list[i]->elsewhere_n; k++)
                        r = add_pattern(list, n, units->table.list[i]->elsewhere[k], "");
        for (unsigned i = 0; r >= 0 && i < units->table.folders_n; i++) {
                r = add_pattern(list, n, units->table.folders[i], "/*.service");
                if (r >= 0)
                        r = add_pattern(list, n, units->table.folders[i], "/*.d/*.conf");
        }
        return r;
}

static int declare(struct units *units)
{
        struct config_declared *list;
        uint32_t n = 2 * UNIT_FOLDERS_MAX;
        int r;

        for (size_t i = 0; i < units->table.n; i++)
                n += (uint32_t)units->table.list[i]->elsewhere_n;
        list = calloc(n, sizeof(*list));
        if (!list)
                return -ENOMEM;
        n = 0;
        r = make_list(units, list, &n);
        if (r >= 0)
                r = config_declare(units->config, list, n);
        while (n > 0)
                free((char *)(uintptr_t)list[--n].pattern);
        free(list);
        return r;
}

static int on_soon(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct units *units = userdata;

        (void)source, (void)usec;
        if (units->table.folders_n == 0)
                return 0;
        if (units->undeclared && declare(units) == -ENOMEM) {
                arm(units, units->soon, USEC_PER_SEC);
                return 0;
        }
        units->undeclared = false;
        for (size_t n = 0; n < units->table.n; n++)
                units->table.list[n]->looked = true;
        config_look(units->config);
        return 0;
}

/* ---- units come and go ---------------------------------------------------------------------------------------------------- */

static bool is_name(void *self, const char *name)
{
        return strcmp(self, name) == 0;
}

static void remove_unit(struct units *units, struct governed *unit)
{
        (void)config_names_drop(&config_book_of(units->config)->known, is_name, unit->name);
        units_table_remove(&units->table, unit);
        units->undeclared = true;
        look_soon(units);
}

static int add_unit(struct units *units, const char *name, struct governed **ret)
{
        int r = units_table_add(&units->table, name, ret);

        if (r >= 0)
                (*ret)->fresh = !config_names_has(&config_book_of(units->config)->known, name);
        return r;
}

/* What set-property wrote makes systemd call the unit stale for ever. */
static bool is_stale(const struct unit_files *files)
{
        for (char *const *one = files->drop_ins; one && *one; one++)
                if (unit_file_is_in_force_at_once(*one))
                        return false;
        return files->stale;
}

int units_take(struct units *units, const struct unit_files *files)
{
        struct governed *unit = units_table_find(&units->table, files->name);
        int r = unit ? 0 : add_unit(units, files->name, &unit);

        if (r >= 0)
                r = units_table_take_files(&units->table, unit, files);
        if (r < 0)
                return r;
        units->undeclared |= r > 0;
        unit->gone = false;
        if (!unit->heard)
                unit->stale = is_stale(files);
        unit->heard = true;
        if (r > 0 || !unit->settled)
                look_soon(units);
        check_soon(units);
        return 0;
}

void units_drop(struct units *units, const char *name, bool for_good)
{
        struct governed *unit = units_table_find(&units->table, name);

        if (unit && for_good) {
                remove_unit(units, unit);
        } else if (unit) {
                unit->gone = true;
                unit->stale = false;
                check_soon(units);
        }
}

void units_keep(struct units *units, bool (*governed)(void *self, const char *name), void *self)
{
        for (size_t n = units->table.n; n-- > 0;)
                if (units->table.list[n]->gone && !governed(self, units->table.list[n]->name))
                        remove_unit(units, units->table.list[n]);
}

void units_reloading(struct units *units, bool active)
{
        struct config_book *book = config_book_of(units->config);

        if (active) {
                units->reload_began = clock_read(CLOCK_REALTIME);
                return;
        }
        for (size_t n = 0; n < units->table.n; n++)
                units->table.list[n]->heard = false;
        for (uint32_t n = 0; n < book->files.n; n++) {
                book->files.list[n].loaded_known = false;
                book->files.list[n].loaded = mark_of(&book->files.list[n].seen); /* unless it changed meanwhile */
        }
        look_soon(units);
}

/* ---- looking ------------------------------------------------------------------------------------------------------------- */

static void on_settled(void *self)
{
        struct units *units = self;
        struct config_book *book = config_book_of(units->config);

        for (size_t n = 0; n < units->table.n; n++) {
                struct governed *unit = units->table.list[n];

                if (!unit->looked)
                        continue;
                unit->settled = true;
                unit->fresh = false;
                if (config_names_add(&book->known, unit->name) > 0)
                        config_book_save_soon(book);
        }
        check_soon(units);
        if (units->asked)
                units->options.settled(units->options.self);
        units->asked = false;
}

void units_look(struct units *units)
{
        units->asked = true;
        config_look(units->config);
}

void units_seal(struct units *units, const char *agent)
{
        config_seal(units->config, agent);
}

void units_window_closed(struct units *units)
{
        config_window_closed(units->config);
}

/* ---- beginning and end ---------------------------------------------------------------------------------------------------- */

int units_add_folders(struct units *units, char *const *folders)
{
        int r = 0;

        for (char *const *one = folders; *one && r >= 0; one++) {
                r = units_table_add_folder(&units->table, *one);
                units->undeclared |= r > 0;
        }
        if (units->undeclared)
                look_soon(units);
        return r < 0 ? r : 0;
}

/* Units of the run before: their files are theirs also until systemd has told of them. */
static int remember(struct units *units)
{
        const struct config_names *known = &config_book_of(units->config)->known;
        int r = 0;

        for (uint32_t n = 0; r >= 0 && n < known->n; n++) {
                struct governed *unit;

                if (known->list[n][0] == '/' || !text_ends(known->list[n], ".service"))
                        continue;
                r = add_unit(units, known->list[n], &unit);
                if (r >= 0)
                        unit->gone = true;
        }
        return r;
}

static int add_timer(struct units *units, sd_event_source **timer, sd_event_time_handler_t handler)
{
        int r = sd_event_add_time(units->event, timer, CLOCK_BOOTTIME, USEC_INFINITY, 10 * USEC_PER_MSEC, handler,
                                  units);

        if (r >= 0)
                r = sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
        return r < 0 ? r : sd_event_source_set_priority(*timer, PRIORITY);
}

static int open_config(struct units *units)
{
        struct config_options options = {
                .clock = units->options.clock,
                .sink = { take_fact, units },
                .source = "units",
                .manifest = units->options.manifest,
                .of = CONFIG_OF_UNIT,
                .veil = units->options.veil,
                .planned = is_planned,
                .owner = owner_of,
                .wants = wants,
                .knows = knows,
                .settled = on_settled,
                .self = units,
                .deaf = units->options.deaf,
        };

        return config_new(units->event, &options, &units->config);
}

int units_new(sd_event *event, const struct units_options *options, struct units **ret)
{
        struct units *units = calloc(1, sizeof(*units));
        int r, damaged = 0;

        if (!units)
                return -ENOMEM;
        units->event = sd_event_ref(event);
        units->options = *options;
        if (options->patience == 0)
                units->options.patience = PENDING_AFTER;
        r = add_timer(units, &units->soon, on_soon);
        if (r >= 0)
                r = add_timer(units, &units->check, on_check);
        if (r >= 0)
                r = open_config(units);
        if (r >= 0) {
                units->table.files = &config_book_of(units->config)->files;
                damaged = config_load(units->config);
                r = remember(units);
        }
        if (r < 0) {
                units_free(units);
                return r;
        }
        *ret = units;
        return damaged < 0 ? 1 : 0;
}

struct units *units_free(struct units *units)
{
        if (!units)
                return NULL;
        config_free(units->config);
        sd_event_source_disable_unref(units->soon);
        sd_event_source_disable_unref(units->check);
        units_table_done(&units->table);
        sd_event_unref(units->event);
        free(units);
        return NULL;
}
