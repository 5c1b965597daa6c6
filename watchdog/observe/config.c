#include "observe/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "observe/config_book.h"
#include "observe/config_patterns.h"
#include "observe/config_reader.h"
#include "observe/config_walk.h"
#include "observe/config_watch.h"

#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 20) /* behind whatever is about processes */
#define SWEEP_A_TURN 4096
#define ENTRIES_A_TURN 256
#define SETTLE (100 * USEC_PER_MSEC)       /* an editor writes in several steps */
#define SWEEP_HEARD (10 * USEC_PER_MINUTE) /* where inotify hears everything: in case it does not */
#define SWEEP_DEAF (800 * USEC_PER_MSEC)   /* where it does not: a change is told within a second, */
#define SWEEP_SHARE 50                     /* but no more than a fiftieth of the time is spent on looking */
#define SWEEP_MISSING (5 * USEC_PER_SEC)   /* where there is nothing to watch yet */
#define FULL_EVERY (6 * USEC_PER_HOUR)     /* everything is read again, whatever stat() says */
#define AGAIN_AFTER (500 * USEC_PER_MSEC)  /* a file that was written to while it was read */

struct config {
        sd_event *event;
        struct config_options options;
        struct config_book book;
        struct config_patterns patterns;
        bool loaded;

        struct config_watch watch;
        struct config_walk walk;
        struct config_reader reader;
        uint32_t walking;  /* the pattern that is looked at, patterns.n: none */
        uint32_t sweeping; /* its files behind this one may be gone */
        bool missing;      /* the folder that it begins in is not there */
        bool asked;        /* somebody waits until everything was looked at */
        bool closed;       /* a window was */
        usec_t full_at;
        const char *trouble; /* as last told */

        sd_event_source *due, *step, *heard, *settle;
};

static usec_t now_of(const struct config *config)
{
        usec_t now = 0;

        sd_event_now(config->event, CLOCK_BOOTTIME, &now);
        return now;
}

static void set_timer(sd_event_source *timer, usec_t at)
{
        sd_event_source_set_time(timer, at);
        sd_event_source_set_enabled(timer, at == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void step_soon(struct config *config)
{
        sd_event_source_set_enabled(config->step, SD_EVENT_ON);
}

/* ---- telling ------------------------------------------------------------------------------------------------------------- */

static void tell_source(struct config *config, const char *trouble)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(config->options.clock),
                .agent = "",
                .source = { .name = config->options.source,
                            .state = trouble[0] ? SOURCE_BLIND : SOURCE_SEEING,
                            .why = trouble },
        };

        if (config->trouble && strcmp(config->trouble, trouble) == 0)
                return;
        config->trouble = trouble;
        config->options.sink.take(config->options.sink.self, &fact);
}

static void tell_troubles(struct config *config)
{
        if (config->patterns.n > 0 || config->trouble)
                tell_source(config, config_patterns_trouble(&config->patterns));
}

static void find_owner(void *self, const struct config_file *file, char ret_agent[AGENT_ID_MAX])
{
        const struct config *config = self;

        config->options.owner(config->options.self, file->rule, file->path, ret_agent);
}

static bool is_planned(void *self, const struct fact *fact)
{
        const struct config *config = self;

        return config->options.planned(config->options.self, fact);
}

static void describe(void *self, const struct config_file *file, char what[CONFIG_WHAT_MAX])
{
        const struct config *config = self;

        config->options.describe(config->options.self, file->path, what);
}

static bool is_wanted(const struct config *config, const char *path)
{
        return !config->options.wants || config->options.wants(config->options.self, path);
}

static bool is_known(const struct config *config, const struct config_file *file)
{
        if (config->options.knows)
                return config->options.knows(config->options.self, file->path);
        return config->patterns.list[file->pattern].known;
}

/* ---- looking at files ---------------------------------------------------------------------------------------------------- */

/* The file of that path under the pattern; NULL when there is no room for it. */
static struct config_file *file_of(struct config *config, const char *path, uint32_t pattern)
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

static void look_at_file(struct config *config, const char *path, const struct stat *st, uint32_t pattern)
{
        struct config_file *file = file_of(config, path, pattern);
        usec_t now = now_of(config);

        if (!file)
                return;
        file->generation = config->patterns.list[file->pattern].generation;
        if (st->st_nlink > 1) /* it may be written to by its other name, of which nobody here tells */
                config->patterns.list[pattern].heard = false;
        if (config_file_untouched(file, st)) {
                config_book_calm(&config->book, file);
                return;
        }
        if (file->quiet_until > now && !config->asked)
                config_patterns_due(&config->patterns, file->pattern, file->quiet_until);
        else
                config_reader_want(&config->reader, file);
}

static void on_found(void *self, const char *path, const struct stat *st)
{
        struct config *config = self;

        if (is_wanted(config, path))
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

/* A folder that is not there yet comes to be in one that is. */
static void watch_ancestor(struct config *config, const char *glob)
{
        char folder[FILE_PATH_MAX];
        size_t length = path_base(glob);

        if (length >= sizeof(folder))
                return;
        memcpy(folder, glob, length);
        folder[length] = '\0';
        for (char *slash; (slash = strrchr(folder, '/')) && slash > folder;) {
                *slash = '\0';
                if (access(folder, F_OK) == 0) {
                        (void)config_watch_folder(&config->watch, folder);
                        return;
                }
        }
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

static void begin_pattern(struct config *config, uint32_t n)
{
        struct config_pattern *pattern = &config->patterns.list[n];

        config->walking = n;
        pattern->began = now_of(config);
        pattern->due = USEC_INFINITY;
        pattern->generation++;
        pattern->heard = true;
        pattern->cut = NULL;
        config->sweeping = 0;
        if (pattern->plain)
                look_at_plain(config, pattern);
        else
                config_walk_begin(&config->walk, pattern->glob, config->options.entries_max);
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
        usec_t now = now_of(config), spent = usec_since(now, pattern->began);

        if (!pattern->plain && config->walk.cut)
                pattern->cut = config->walk.cut;
        if (!pattern->plain)
                config->missing = config->walk.missing;
        if (config->missing)
                watch_ancestor(config, pattern->glob);
        if (config->missing)
                config_patterns_due(&config->patterns, config->walking, now + SWEEP_MISSING);
        else if (pattern->heard)
                config_patterns_due(&config->patterns, config->walking, now + SWEEP_HEARD);
        else
                config_patterns_due(&config->patterns, config->walking,
                                    now + (spent * SWEEP_SHARE > SWEEP_DEAF ? spent * SWEEP_SHARE : SWEEP_DEAF));
        config->walking = config->patterns.n;
}

/* ---- what was read ------------------------------------------------------------------------------------------------------- */

static bool is_gone(int r, const struct config_found *found)
{
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || (r == 0 && S_ISDIR(found->st.st_mode));
}

static void on_read(void *self, struct config_file *file, int r, struct config_found *found, usec_t spent)
{
        struct config *config = self;
        struct config_pattern *pattern = &config->patterns.list[file->pattern];
        struct config_state now = { .there = false };

        if (r == -EAGAIN) {
                file->fresh = true;
                config_patterns_due(&config->patterns, file->pattern,
                                    now_of(config) + (10 * spent > AGAIN_AFTER ? 10 * spent : AGAIN_AFTER));
                return;
        }
        if (r < 0 && !is_gone(r, found)) {
                pattern->cut = r == -ENODEV ? "a file of the kernel's own is declared" : "a file cannot be read";
                return;
        }
        if (!is_gone(r, found)) {
                config_state_take(&now, &found->st);
                memcpy(now.digest, found->digest, sizeof(now.digest));
                config_file_note(file, &found->st);
        }
        config_book_take(&config->book, file, &now, TAKE_PTR(found->outline), is_known(config, file));
}

/* ---- the loop ------------------------------------------------------------------------------------------------------------ */

static bool is_nothing(void *self, const struct config_file *file)
{
        (void)self;
        return !file->sealed.there && !file->seen.there;
}

static void arm(struct config *config)
{
        uint32_t next = config_patterns_next(&config->patterns);

        set_timer(config->due, next < config->patterns.n ? config->patterns.list[next].due : USEC_INFINITY);
}

/* What is new under them from now on was added. */
static void know_patterns(struct config *config)
{
        for (uint32_t n = 0; n < config->patterns.n; n++) {
                struct config_pattern *pattern = &config->patterns.list[n];

                if (!pattern->known && config_names_add(&config->book.known, pattern->glob) > 0)
                        config_book_save_soon(&config->book);
                pattern->known = true;
        }
}

/* All that was due was looked at. */
static void rest(struct config *config)
{
        know_patterns(config);
        config_book_drop(&config->book, is_nothing, NULL);
        sd_event_source_set_enabled(config->step, SD_EVENT_OFF);
        arm(config);
        tell_troubles(config);
        if (config->closed)
                config_book_tell_hushed(&config->book);
        config->closed = false;
        if (config->asked) {
                config->asked = false;
                config_book_save(&config->book);
                config->options.settled(config->options.self);
        }
}

static int on_step(sd_event_source *source, void *userdata)
{
        struct config *config = userdata;
        uint32_t next = config_patterns_next(&config->patterns);

        (void)source;
        if (config_reader_has_small(&config->reader)) {
                config_reader_turn(&config->reader);
        } else if (config->walking < config->patterns.n) {
                if (!config_walk_on(&config->walk, ENTRIES_A_TURN) && !sweep_on(config))
                        end_pattern(config);
        } else if (next < config->patterns.n && config->patterns.list[next].due <= now_of(config)) {
                begin_pattern(config, next);
        } else if (config_reader_has_large(&config->reader)) {
                config_reader_turn(&config->reader);
        } else {
                rest(config);
        }
        return 0;
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct config *config = userdata;
        usec_t now = now_of(config);

        (void)source, (void)usec;
        if (config->full_at <= now) {
                config->full_at = now + FULL_EVERY;
                for (uint32_t n = 0; n < config->book.files.n; n++)
                        config->book.files.list[n].fresh = true;
                config_patterns_all_due(&config->patterns, now);
        }
        step_soon(config);
        return 0;
}

/* ---- hearing ------------------------------------------------------------------------------------------------------------- */

/* The first pattern that it matches has it, as in a walk. */
static void heard_file(struct config *config, const char *path)
{
        uint32_t pattern = config_patterns_of(&config->patterns, path);
        char safe[FILE_PATH_MAX];
        struct config_file *file;

        if (pattern == config->patterns.n || !is_wanted(config, path) || !text_copy_safe(safe, sizeof(safe), path) ||
            strcmp(safe, path) != 0)
                return;
        file = file_of(config, path, pattern);
        if (file && file->quiet_until > now_of(config) && !config->asked)
                config_patterns_due(&config->patterns, file->pattern, file->quiet_until);
        else if (file)
                config_reader_want(&config->reader, file);
}

static void on_heard_name(void *self, const char *folder, const char *name, bool is_folder)
{
        struct config *config = self;
        char path[FILE_PATH_MAX];
        int n = snprintf(path, sizeof(path), "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);

        if (n < 0 || (size_t)n >= sizeof(path))
                return;
        if (is_folder)
                config_patterns_folder_due(&config->patterns, path);
        else
                heard_file(config, path);
}

/* Listens on only after a pause: who writes a log into a watched folder does not wake us each time. */
static int on_heard(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct config *config = userdata;

        (void)fd, (void)events;
        if (!config_watch_take(&config->watch, on_heard_name, config))
                config_patterns_all_due(&config->patterns, 0);
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        set_timer(config->settle, now_of(config) + config->options.settle);
        return 0;
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct config *config = userdata;

        (void)source, (void)usec;
        sd_event_source_set_enabled(config->heard, SD_EVENT_ON);
        if (config_reader_has_small(&config->reader))
                step_soon(config);
        else
                arm(config);
        return 0;
}

/* ---- beginning and end ---------------------------------------------------------------------------------------------------- */

static int add_timer(struct config *config, sd_event_source **timer, uint64_t accuracy, sd_event_time_handler_t handler)
{
        int r = sd_event_add_time(config->event, timer, CLOCK_BOOTTIME, USEC_INFINITY, accuracy, handler, config);

        if (r >= 0)
                r = sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
        return r < 0 ? r : sd_event_source_set_priority(*timer, PRIORITY);
}

static int add_sources(struct config *config)
{
        int r = sd_event_add_defer(config->event, &config->step, on_step, config);

        if (r >= 0)
                r = sd_event_source_set_enabled(config->step, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(config->step, PRIORITY);
        if (r >= 0)
                r = add_timer(config, &config->due, 50 * USEC_PER_MSEC, on_due);
        if (r >= 0)
                r = add_timer(config, &config->settle, 10 * USEC_PER_MSEC, on_settle);
        return r;
}

/* Without inotify everything is looked at more often. */
static void listen(struct config *config)
{
        config->heard = sd_event_source_disable_unref(config->heard);
        config_watch_done(&config->watch);
        if (config->patterns.n == 0 || config->options.deaf || config_watch_init(&config->watch) < 0)
                return;
        if (sd_event_add_io(config->event, &config->heard, config->watch.fd, EPOLLIN, on_heard, config) < 0)
                config_watch_done(&config->watch);
        else
                sd_event_source_set_priority(config->heard, PRIORITY);
}

int config_new(sd_event *event, const struct config_options *options, struct config **ret)
{
        struct config *config = calloc(1, sizeof(*config));
        struct config_book_options book = {
                .clock = options->clock,
                .sink = options->sink,
                .manifest = options->manifest,
                .of = options->of,
                .needs_loading = options->needs_loading,
                .planned = is_planned,
                .owner = find_owner,
                .describe = options->describe ? describe : NULL,
                .self = config,
        };
        int r;

        if (!config)
                return -ENOMEM;
        config->event = sd_event_ref(event);
        config->options = *options;
        if (options->settle == 0)
                config->options.settle = SETTLE;
        config->watch.fd = -1;
        config->reader.clock = config->options.clock;
        config->reader.files = &config->book.files;
        config->reader.ended = on_read;
        config->reader.self = config;
        r = config_book_init(&config->book, event, &book, PRIORITY);
        if (r >= 0)
                r = config_reader_init(&config->reader, options->veil);
        if (r >= 0)
                r = add_sources(config);
        if (r < 0) {
                config_free(config);
                return r;
        }
        config->full_at = now_of(config) + FULL_EVERY;
        *ret = config;
        return 0;
}

struct config *config_free(struct config *config)
{
        if (!config)
                return NULL;
        config_walk_end(&config->walk);
        config_reader_done(&config->reader);
        sd_event_source_disable_unref(config->due);
        sd_event_source_disable_unref(config->step);
        sd_event_source_disable_unref(config->heard);
        sd_event_source_disable_unref(config->settle);
        config_watch_done(&config->watch);
        config_book_done(&config->book);
        config_patterns_done(&config->patterns);
        sd_event_unref(config->event);
        free(config);
        return NULL;
}

/* ---- what is declared ---------------------------------------------------------------------------------------------------- */

static bool is_undeclared(void *self, const struct config_file *file)
{
        const struct config *config = self;

        return file->pattern == config->patterns.n || !is_wanted(config, file->path);
}

static bool is_unknown(void *self, const char *name)
{
        const struct config *config = self;

        return name[0] == '/' && !config_patterns_has(&config->patterns, name);
}

/* Each file goes to the first pattern that it matches. */
static void assign(struct config *config)
{
        for (uint32_t i = 0; i < config->book.files.n; i++) {
                struct config_file *file = &config->book.files.list[i];

                file->generation = 0;
                file->pattern = config_patterns_of(&config->patterns, file->path);
                file->rule = UINT32_MAX;
                if (file->pattern == config->patterns.n)
                        continue;
                file->rule = config->patterns.list[file->pattern].rule;
                file->follow = config->patterns.list[file->pattern].plain;
        }
        config_book_drop(&config->book, is_undeclared, config);
        config_names_drop(&config->book.known, is_unknown, config);
}

/* Whatever was under way is not about what is declared now. */
static void take_over(struct config *config, const struct config_patterns *patterns)
{
        config_walk_end(&config->walk);
        config_reader_forget(&config->reader);
        config_patterns_done(&config->patterns);
        config->patterns = *patterns;
        config->walking = patterns->n;
        config->walk.folder = on_folder;
        config->walk.file = on_found;
        config->walk.self = config;
        assign(config);
        listen(config);
        if (patterns->n > 0 || config->book.files.n > 0)
                step_soon(config);
}

int config_load(struct config *config)
{
        uint64_t mark = config->options.veil ? veil_mark(config->options.veil) : 0;

        if (config->loaded)
                return 0;
        config->loaded = true;
        return config_book_load(&config->book, mark);
}

int config_declare(struct config *config, const struct config_declared *list, uint32_t n)
{
        struct config_patterns patterns;
        int damaged = config_load(config), r;

        r = config_patterns_make(list, n, &config->book.known, &patterns);
        if (r < 0)
                return r;
        take_over(config, &patterns);
        return damaged;
}

void config_look(struct config *config)
{
        config->asked = true;
        config_patterns_all_due(&config->patterns, 0);
        if (config->walking < config->patterns.n) { /* what it has passed may have changed since */
                config_walk_end(&config->walk);
                config->walking = config->patterns.n;
        }
        step_soon(config);
}

void config_seal(struct config *config, const char *agent)
{
        config_book_seal(&config->book, agent, false);
        step_soon(config);
}

/* All of it is looked at as if it never was. */
void config_loaded(struct config *config)
{
        config_book_seal(&config->book, NULL, true);
        config_reader_forget(&config->reader);
        config_files_done(&config->book.files);
        for (uint32_t n = 0; n < config->patterns.n; n++)
                config->patterns.list[n].known = false;
        config_look(config);
}

void config_window_closed(struct config *config)
{
        config->closed = true;
        config_look(config);
}

struct config_book *config_book_of(struct config *config)
{
        return &config->book;
}

uint32_t config_count(const struct config *config)
{
        return config->book.files.n;
}
