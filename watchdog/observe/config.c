#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "observe/config_inside.h"

#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 20) /* behind whatever is about processes */
#define SETTLE (100 * USEC_PER_MSEC)             /* an editor writes in several steps */
#define FULL_EVERY (6 * USEC_PER_HOUR)           /* everything is read again, whatever stat() says */

usec_t config_now(const struct config *config)
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

static bool keeps(void *self, const struct config_file *file)
{
        const struct config *config = self;

        return !config->options.keeps || config->options.keeps(config->options.self, file->rule);
}

bool config_wants(const struct config *config, const char *path)
{
        return !config->options.wants || config->options.wants(config->options.self, path);
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
        config_together_tell(config);
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
                (void)config_round_on(config);
        } else if (next < config->patterns.n && config->patterns.list[next].due <= config_now(config)) {
                config_round_begin(config, next);
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
        usec_t now = config_now(config);

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
        struct stat st;

        if (pattern == config->patterns.n || !config_wants(config, path) || !text_copy_safe(safe, sizeof(safe), path) ||
            strcmp(safe, path) != 0)
                return;
        if (config_files_find(&config->book.files, path) == CONFIG_NO_FILE && lstat(path, &st) < 0)
                return; /* it came and went: an editor's name, or our own hand's */
        file = config_round_file(config, path, pattern);
        if (file)
                config_round_want(config, file);
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
        set_timer(config->settle, config_now(config) + config->options.settle);
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
        config->reader.ended = config_round_read;
        config->reader.vault = config->options.vault;
        config->reader.keeps = keeps;
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
        config->full_at = config_now(config) + FULL_EVERY;
        *ret = config;
        return 0;
}

struct config *config_free(struct config *config)
{
        if (!config)
                return NULL;
        walk_end(&config->walk);
        config_reader_done(&config->reader);
        sd_event_source_disable_unref(config->due);
        sd_event_source_disable_unref(config->step);
        sd_event_source_disable_unref(config->heard);
        sd_event_source_disable_unref(config->settle);
        config_watch_done(&config->watch);
        config_book_done(&config->book);
        config_patterns_done(&config->patterns);
        free(config->together);
        sd_event_unref(config->event);
        free(config);
        return NULL;
}

/* ---- what is declared ---------------------------------------------------------------------------------------------------- */

static bool is_undeclared(void *self, const struct config_file *file)
{
        const struct config *config = self;

        return file->pattern == config->patterns.n || !config_wants(config, file->path);
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
        walk_end(&config->walk);
        config_reader_forget(&config->reader);
        config_patterns_done(&config->patterns);
        config->patterns = *patterns;
        config->walking = patterns->n;
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
        struct config_together *together;
        uint32_t together_n;
        int damaged = config_load(config), r;

        r = config_together_make(config, list, n, &together, &together_n);
        if (r < 0)
                return r;
        r = config_patterns_make(list, n, &config->book.known, &patterns);
        if (r < 0) {
                free(together);
                return r;
        }
        free(config->together);
        config->together = together;
        config->together_n = together_n;
        take_over(config, &patterns);
        return damaged;
}

void config_look(struct config *config)
{
        config->asked = true;
        config_patterns_all_due(&config->patterns, 0);
        config_round_end(config); /* what it has passed may have changed since */
        step_soon(config);
}

void config_seal(struct config *config, const char *agent)
{
        config_book_seal(&config->book, agent, false);
        step_soon(config);
}

/* Known without a look, so that nobody acts meanwhile on what was there before. */
static void take_accepted(struct config *config, struct config_file *file, const struct file_state *now)
{
        config_reader_again(&config->reader, file);
        if (!file->read || file->kept != 0 || !file_state_same(&file->seen, now))
                config_together_note(config, file, file->seen.there && !now->there);
        file->read = true;
        file->kept = 0;
        file->changed_ns = (int64_t)clock_now(config->options.clock) * 1000;
        config_book_accept(&config->book, file, now);
}

void config_accept(struct config *config, const char *path, const struct file_state *now)
{
        uint32_t slot = config_files_find(&config->book.files, path);
        uint32_t pattern = config_patterns_of(&config->patterns, path);
        struct config_file *file = slot != CONFIG_NO_FILE         ? &config->book.files.list[slot]
                                   : pattern < config->patterns.n ? config_round_file(config, path, pattern)
                                                                  : NULL;

        if (file)
                take_accepted(config, file, now);
}

void config_accepted(struct config *config)
{
        config_together_tell(config);
}

/* What the vault has lost, or had no room for. */
static bool is_to_be_kept(const struct config *config, const struct config_file *file)
{
        if (!file->seen.there || !config->options.vault)
                return false;
        if (file->kept == 0)
                return (S_ISREG(file->seen.mode) || S_ISLNK(file->seen.mode)) &&
                       !vault_has(config->options.vault, file->seen.digest);
        return file->kept == -ENOSPC || file->kept == -EDQUOT;
}

void config_keep_again(struct config *config)
{
        for (uint32_t n = 0; n < config->book.files.n; n++)
                if (is_to_be_kept(config, &config->book.files.list[n]))
                        config_reader_want(&config->reader, &config->book.files.list[n]);
        for (uint32_t rule = 0; rule < config->together_n; rule++)
                config->together[rule].due = true; /* the lists of the versions are in the vault as well */
        step_soon(config);
}

void config_owners(struct config *config)
{
        if (config_together_is_due(config))
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
