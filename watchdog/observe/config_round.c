#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "io/cleanup.h"
#include "observe/config_inside.h"

#define SWEEP_A_TURN 4096
#define ENTRIES_A_TURN 256
#define SWEEP_HEARD (10 * USEC_PER_MINUTE) /* where inotify hears everything: in case it does not */
#define SWEEP_DEAF (800 * USEC_PER_MSEC)   /* where it does not: a change is told within a second, */
#define SWEEP_SHARE 50                     /* but no more than a fiftieth of the time is spent on looking */
#define SWEEP_MISSING (5 * USEC_PER_SEC)   /* where there is nothing to watch yet, */
#define SWEEP_ABSENT USEC_PER_MINUTE       /* and where inotify will tell when there is */
#define AGAIN_AFTER (500 * USEC_PER_MSEC)  /* a file that was written to while it was read */

/* ---- looking at files ---------------------------------------------------------------------------------------------------- */

/* The file of that path under the pattern; NULL when there is no room for it. */
struct config_file *config_round_file(struct config *config, const char *path, uint32_t pattern)
{
        uint32_t slot = config_files_find(&config->book.files, path);
        int r = slot == CONFIG_NO_FILE ? config_files_add(&config->book.files, path, &slot) : 1;

        if (r < 0) {
                config->patterns.list[pattern].cut =
                        r == -ENOSPC ? "more than 16384 files are declared: the others are not watched"
                                     : "out of memory";
                return NULL;
        }
        if (r == 0) {
                config->book.files.list[slot].pattern = pattern;
                config->book.files.list[slot].rule = config->patterns.list[pattern].rule;
                config->book.files.list[slot].follow = config->patterns.list[pattern].plain;
        }
        return &config->book.files.list[slot];
}

void config_round_want(struct config *config, struct config_file *file)
{
        if (file->quiet_until > config_now(config) && !config->asked)
                config_patterns_due(&config->patterns, file->pattern, file->quiet_until);
        else
                config_reader_want(&config->reader, file);
}

static void look_at_file(struct config *config, const char *path, const struct stat *st, uint32_t pattern)
{
        struct config_file *file = config_round_file(config, path, pattern);

        if (!file)
                return;
        file->generation = config->patterns.list[file->pattern].generation;
        if (st->st_nlink > 1) /* it may be written to by its other name, of which nobody here tells */
                config->patterns.list[pattern].heard = false;
        if (config_file_untouched(file, st)) {
                config_book_calm(&config->book, file);
                return;
        }
        config_round_want(config, file);
}

static void on_found(void *self, const char *path, const struct stat *st)
{
        struct config *config = self;

        if (config_wants(config, path))
                look_at_file(config, path, st, config->walking);
}

static void watch_folder(struct config *config, const char *path)
{
        int r = config_watch_folder(&config->watch, path);

        if (r < 0)
                config->patterns.list[config->walking].heard = false;
}

static void on_folder(void *self, const char *path, int fd)
{
        (void)fd;
        watch_folder(self, path);
}

static void walk(struct config *config, const char *glob)
{
        config->walk.folder = on_folder;
        config->walk.file = on_found;
        config->walk.self = config;
        walk_begin(&config->walk, glob, config->options.entries_max);
}

/* The folder that a pattern begins in, or that is nearest to it and there; false when it is too long. */
static bool nearest_folder(const char *glob, char ret[FILE_PATH_MAX])
{
        size_t length = path_base(glob);

        if (length >= FILE_PATH_MAX)
                return false;
        memcpy(ret, glob, length);
        ret[length] = '\0';
        for (char *slash; access(ret, F_OK) < 0 && (slash = strrchr(ret, '/')) && slash > ret;)
                *slash = '\0';
        return true;
}

/* A folder that is not there yet comes to be in one that is. False: that would not be heard, or has happened just now. */
static bool watch_ancestor(struct config *config, const char *glob)
{
        char folder[FILE_PATH_MAX], again[FILE_PATH_MAX];

        return nearest_folder(glob, folder) && config_watch_folder(&config->watch, folder) >= 0 &&
               nearest_folder(glob, again) && strcmp(folder, again) == 0 && strlen(folder) < path_base(glob);
}

/* One path and no pattern. Where it is a link, what it leads to is what was declared, and nobody tells of changes there. */
static void look_at_plain(struct config *config, struct config_pattern *pattern)
{
        char folder[FILE_PATH_MAX];
        struct stat st;
        size_t base = path_base(pattern->glob);

        memcpy(folder, pattern->glob, base);
        folder[base] = '\0';
        config->missing = base > 0 && access(folder, F_OK) < 0;
        if (config->missing)
                return;
        watch_folder(config, base > 0 ? folder : "/");
        if (lstat(pattern->glob, &st) < 0)
                return;
        if (S_ISLNK(st.st_mode)) {
                pattern->heard = false;
                if (stat(pattern->glob, &st) < 0)
                        return;
        }
        if (S_ISDIR(st.st_mode))
                pattern->cut = "a folder is declared without a '/' at its end";
        else
                look_at_file(config, pattern->glob, &st, config->walking);
}

void config_round_begin(struct config *config, uint32_t n)
{
        struct config_pattern *pattern = &config->patterns.list[n];

        config->walking = n;
        pattern->began = config_now(config);
        pattern->due = USEC_INFINITY;
        pattern->generation++;
        pattern->heard = true;
        pattern->cut = NULL;
        config->sweeping = 0;
        if (pattern->plain)
                look_at_plain(config, pattern);
        else
                walk(config, pattern->glob);
}

/* Files that the walk did not meet are gone, if they really are: the walk may have been cut short. */
static bool sweep_on(struct config *config)
{
        const struct config_pattern *pattern = &config->patterns.list[config->walking];

        for (unsigned n = 0; n < SWEEP_A_TURN && config->sweeping < config->book.files.n; n++, config->sweeping++) {
                struct config_file *file = &config->book.files.list[config->sweeping];

                if (file->pattern == config->walking && file->generation != pattern->generation && file->seen.there)
                        config_reader_want(&config->reader, file);
        }
        return config->sweeping < config->book.files.n;
}

static void end_pattern(struct config *config)
{
        struct config_pattern *pattern = &config->patterns.list[config->walking];
        usec_t now = config_now(config), spent = usec_since(now, pattern->began);

        if (!pattern->plain && config->walk.cut)
                pattern->cut = config->walk.cut;
        if (!pattern->plain)
                config->missing = config->walk.missing;
        if (config->missing)
                config_patterns_due(&config->patterns, config->walking,
                                    now + (watch_ancestor(config, pattern->glob) ? SWEEP_ABSENT : SWEEP_MISSING));
        else if (pattern->heard)
                config_patterns_due(&config->patterns, config->walking, now + SWEEP_HEARD);
        else
                config_patterns_due(&config->patterns, config->walking,
                                    now + (spent * SWEEP_SHARE > SWEEP_DEAF ? spent * SWEEP_SHARE : SWEEP_DEAF));
        config->walking = config->patterns.n;
}

bool config_round_on(struct config *config)
{
        if (walk_on(&config->walk, ENTRIES_A_TURN) || sweep_on(config))
                return true;
        end_pattern(config);
        return false;
}

void config_round_end(struct config *config)
{
        walk_end(&config->walk);
        config->walking = config->patterns.n;
}

/* ---- what was read ------------------------------------------------------------------------------------------------------- */

static bool is_known(const struct config *config, const struct config_file *file)
{
        if (config->options.knows)
                return config->options.knows(config->options.self, file->path);
        return config->patterns.list[file->pattern].known;
}

static bool is_gone(int r, const struct config_found *found)
{
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || (r == 0 && S_ISDIR(found->st.st_mode));
}

void config_round_read(void *self, struct config_file *file, int r, struct config_found *found, usec_t spent)
{
        struct config *config = self;
        struct config_pattern *pattern = &config->patterns.list[file->pattern];
        struct file_state now = { .there = false };

        if (r == -EAGAIN) {
                file->fresh = true;
                config_patterns_due(&config->patterns, file->pattern,
                                    config_now(config) + (10 * spent > AGAIN_AFTER ? 10 * spent : AGAIN_AFTER));
                return;
        }
        if (r < 0 && !is_gone(r, found)) {
                pattern->cut = r == -ENODEV ? "a file of the kernel's own is declared" : "a file cannot be read";
                return;
        }
        if (!is_gone(r, found)) {
                file_state_take(&now, &found->st);
                memcpy(now.digest, found->digest, sizeof(now.digest));
                config_file_note(file, &found->st);
        }
        if (!file->read || file->kept != found->kept || !file_state_same(&file->seen, &now))
                config_together_note(config, file, file->seen.there && !now.there);
        file->read = true;
        file->kept = found->kept;
        config_book_take(&config->book, file, &now, TAKE_PTR(found->outline), is_known(config, file));
}
