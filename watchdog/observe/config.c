#include "observe/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/text.h"
#include "io/cleanup.h"
#include "io/file.h"
#include "observe/config_files.h"
#include "observe/config_read.h"
#include "observe/config_walk.h"
#include "observe/config_watch.h"

#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 20) /* behind whatever is about processes */
#define TURN (5 * USEC_PER_MSEC)                 /* what one turn of the loop may cost */
#define SWEEP_A_TURN 4096
#define ENTRIES_A_TURN 256
#define SETTLE (100 * USEC_PER_MSEC)       /* an editor writes in several steps */
#define SWEEP_HEARD (10 * USEC_PER_MINUTE) /* where inotify hears everything: in case it does not */
#define SWEEP_DEAF (800 * USEC_PER_MSEC)   /* where it does not: a change is told within a second, */
#define SWEEP_SHARE 50                     /* but no more than a fiftieth of the time is spent on looking */
#define SWEEP_MISSING (5 * USEC_PER_SEC)   /* where there is nothing to watch yet */
#define FULL_EVERY (6 * USEC_PER_HOUR)     /* everything is read again, whatever stat() says */
#define SAVE_AFTER (1 * USEC_PER_SEC)
#define SAVE_AGAIN (30 * USEC_PER_SEC)
#define AGAIN_AFTER (500 * USEC_PER_MSEC) /* a file that was written to while it was read */
#define QUIET_LEAST (1 * USEC_PER_SEC)    /* between two changes of one file: doubled each time */
#define QUIET_DOUBLED_MAX 9
#define MANIFEST_MAX (64 << 20)

struct pattern {
        char *glob;
        uint32_t rule;
        uint32_t generation;
        bool plain;
        bool known; /* it was looked at before: what is new under it was added */
        bool heard; /* inotify hears all that happens to it */
        bool missing;
        const char *cut; /* why not all of it is watched */
        usec_t due, began;
};

struct config {
        sd_event *event;
        struct config_options options;
        char *manifest;
        struct config_files files;
        struct pattern *patterns;
        uint32_t patterns_n;

        struct config_watch watch;
        struct config_walk walk;
        struct config_read reading;
        uint32_t walking;  /* the pattern that is looked at, patterns_n: none */
        uint32_t sweeping; /* its files behind this one may be gone */
        uint32_t read_file;
        usec_t read_began;
        uint32_t queue_at, queue_n;
        bool asked; /* somebody waits until everything was looked at */
        usec_t full_at;
        const char *trouble; /* as last told */

        sd_event_source *due, *step, *heard, *settle, *save;
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

/* ---- the manifest -------------------------------------------------------------------------------------------------------- */

static int save(struct config *config)
{
        struct config_manifest manifest = { .files = &config->files };
        _cleanup_free_ char **known = calloc(config->patterns_n + 1, sizeof(*known));
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (!known)
                return -ENOMEM;
        for (uint32_t n = 0; n < config->patterns_n; n++)
                if (config->patterns[n].known)
                        known[manifest.patterns_n++] = config->patterns[n].glob;
        manifest.patterns = known;
        r = config_manifest_write(&manifest, &text, &size);
        if (r >= 0)
                r = file_write_atomic(config->manifest, text, size, 0600);
        if (r >= 0)
                sd_event_source_set_enabled(config->save, SD_EVENT_OFF);
        return r;
}

/* What is not written down yet. */
static bool is_unsaved(const struct config *config)
{
        int enabled = SD_EVENT_OFF;

        if (config->save)
                sd_event_source_get_enabled(config->save, &enabled);
        return enabled != SD_EVENT_OFF;
}

static void save_soon(struct config *config)
{
        if (!is_unsaved(config))
                set_timer(config->save, now_of(config) + SAVE_AFTER);
}

/* ---- telling ------------------------------------------------------------------------------------------------------------- */

static void tell_source(struct config *config, const char *trouble)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(config->options.clock),
                .agent = "",
                .source = { .name = "config", .state = trouble[0] ? SOURCE_BLIND : SOURCE_SEEING, .why = trouble },
        };

        if (config->trouble && strcmp(config->trouble, trouble) == 0)
                return;
        config->trouble = trouble;
        config->options.sink.take(config->options.sink.self, &fact);
}

static void tell_troubles(struct config *config)
{
        const char *trouble = "";

        for (uint32_t n = 0; n < config->patterns_n; n++)
                if (config->patterns[n].cut)
                        trouble = config->patterns[n].cut;
        if (config->patterns_n > 0 || config->trouble)
                tell_source(config, trouble);
}

static bool differs(const struct config_file *file)
{
        return !config_state_same(&file->sealed, &file->seen);
}

/* Counted when it is needed: changes are rare, and a count that is kept can be wrong. */
static uint32_t count_differing(const struct config *config, uint32_t rule)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < config->files.n; i++)
                n += config->files.list[i].rule == rule && differs(&config->files.list[i]);
        return n;
}

static void tell(struct config *config, const struct config_file *file, enum config_change change,
                 const struct config_state *sealed)
{
        char agent[AGENT_ID_MAX] = "", digest[DIGEST_HEX_MAX] = "", before[DIGEST_HEX_MAX] = "";
        struct fact fact = {
                .kind = FACT_CONFIG,
                .at = clock_now(config->options.clock),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .config = { .change = change,
                            .path = file->path,
                            .digest = digest,
                            .sealed = before,
                            .size = file->seen.size,
                            .sealed_size = sealed->size,
                            .mode = file->seen.mode,
                            .sealed_mode = sealed->mode,
                            .uid = file->seen.uid,
                            .sealed_uid = sealed->uid,
                            .gid = file->seen.gid,
                            .sealed_gid = sealed->gid,
                            .modified = file->seen.there ? (usec_t)file->modified_ns / 1000 : 0,
                            .differing = count_differing(config, file->rule) },
        };

        config->options.owner(config->options.self, file->rule, agent);
        fact.manager = agent_manager(agent);
        if (file->seen.there)
                digest_to_hex(file->seen.digest, digest);
        if (sealed->there)
                digest_to_hex(sealed->digest, before);
        config->options.sink.take(config->options.sink.self, &fact);
}

static enum config_change change_of(const struct config_file *file)
{
        return !differs(file)        ? CONFIG_RESTORED
               : !file->seen.there   ? CONFIG_REMOVED
               : !file->sealed.there ? CONFIG_ADDED
                                     : CONFIG_CHANGED;
}

/* What the file is now is known. What is new to us altogether is right as it is; else it is told when it changed. */
static void conclude(struct config *config, struct config_file *file, const struct config_state *now)
{
        struct config_state sealed = file->sealed;
        enum config_change change;
        bool first = !file->sealed.there && !file->seen.there && !config->patterns[file->pattern].known;

        file->fresh = false;
        if (config_state_same(&file->seen, now))
                return;
        file->seen = *now;
        save_soon(config);
        if (first) {
                file->sealed = *now;
                return;
        }
        change = change_of(file);
        if (config->options.planned(config->options.self, file->path))
                file->sealed = *now;
        file->quiet_until = now_of(config) + (QUIET_LEAST << file->told_n);
        file->told_n += file->told_n < QUIET_DOUBLED_MAX;
        tell(config, file, change, &sealed);
}

/* ---- looking at files ---------------------------------------------------------------------------------------------------- */

static void enqueue(struct config *config, struct config_file *file)
{
        if (!file->queued)
                config->queue_n++;
        file->queued = true;
}

static void pattern_due(struct config *config, uint32_t n, usec_t at)
{
        if (at < config->patterns[n].due)
                config->patterns[n].due = at;
}

/* The file of that path under the pattern; NULL when there is no room for it. */
static struct config_file *file_of(struct config *config, const char *path, uint32_t pattern)
{
        uint32_t slot = config_files_find(&config->files, path);
        int r = slot == CONFIG_NO_FILE ? config_files_add(&config->files, path, &slot) : 1;

        if (r < 0) {
                config->patterns[pattern].cut =
                        r == -ENOSPC ? "more than 16384 files are declared: the others are not watched"
                                     : "out of memory";
                return NULL;
        }
        if (r == 0) {
                config->files.list[slot].pattern = pattern;
                config->files.list[slot].rule = config->patterns[pattern].rule;
        }
        return &config->files.list[slot];
}

static void look_at_file(struct config *config, const char *path, const struct stat *st, uint32_t pattern)
{
        struct config_file *file = file_of(config, path, pattern);
        usec_t now = now_of(config);

        if (!file)
                return;
        file->generation = config->patterns[file->pattern].generation;
        if (config_file_untouched(file, st)) {
                if (file->told_n > 0 && file->quiet_until + (QUIET_LEAST << QUIET_DOUBLED_MAX) < now)
                        file->told_n = 0;
                return;
        }
        if (file->quiet_until > now && !config->asked)
                pattern_due(config, file->pattern, file->quiet_until);
        else
                enqueue(config, file);
}

static void on_found(void *self, const char *path, const struct stat *st)
{
        struct config *config = self;

        look_at_file(config, path, st, config->walking);
}

static void watch_folder(struct config *config, const char *path)
{
        int r = config_watch_folder(&config->watch, path);

        if (r < 0)
                config->patterns[config->walking].heard = false;
}

static void on_folder(void *self, const char *path, int fd)
{
        (void)fd;
        watch_folder(self, path);
}

/* One path and no pattern. Where it is a link, what it leads to is what was declared, and nobody tells of changes there. */
static void look_at_plain(struct config *config, struct pattern *pattern)
{
        char folder[FILE_PATH_MAX];
        struct stat st;
        size_t base = path_base(pattern->glob);

        memcpy(folder, pattern->glob, base);
        folder[base] = '\0';
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
        struct pattern *pattern = &config->patterns[n];

        config->walking = n;
        pattern->began = now_of(config);
        pattern->due = USEC_INFINITY;
        pattern->generation++;
        pattern->heard = true;
        pattern->missing = false;
        pattern->cut = NULL;
        config->sweeping = 0;
        if (pattern->plain)
                look_at_plain(config, pattern);
        else
                config_walk_begin(&config->walk, pattern->glob);
}

/* Files that the walk did not meet are gone, if they really are: the walk may have been cut short. */
static bool sweep_on(struct config *config)
{
        const struct pattern *pattern = &config->patterns[config->walking];

        for (unsigned n = 0; n < SWEEP_A_TURN && config->sweeping < config->files.n; n++, config->sweeping++) {
                struct config_file *file = &config->files.list[config->sweeping];

                if (file->pattern == config->walking && file->generation != pattern->generation && file->seen.there)
                        enqueue(config, file);
        }
        return config->sweeping < config->files.n;
}

static void end_pattern(struct config *config)
{
        struct pattern *pattern = &config->patterns[config->walking];
        usec_t now = now_of(config), spent = usec_since(now, pattern->began);

        if (!pattern->plain && config->walk.cut)
                pattern->cut = config->walk.cut;
        if (!pattern->plain && config->walk.missing)
                pattern_due(config, config->walking, now + SWEEP_MISSING);
        else if (pattern->heard)
                pattern_due(config, config->walking, now + SWEEP_HEARD);
        else
                pattern_due(config, config->walking,
                            now + (spent * SWEEP_SHARE > SWEEP_DEAF ? spent * SWEEP_SHARE : SWEEP_DEAF));
        config->walking = config->patterns_n;
}

/* ---- reading them -------------------------------------------------------------------------------------------------------- */

static bool is_plain(const struct config *config, const struct config_file *file)
{
        return config->patterns[file->pattern].plain;
}

static void read_ended(struct config *config, struct config_file *file, int r, const struct stat *st,
                       const uint8_t digest[DIGEST_SIZE])
{
        struct config_state now = { .there = false };
        usec_t spent = usec_since(now_of(config), config->read_began);

        config->read_file = CONFIG_NO_FILE;
        if (r == -EAGAIN) {
                file->fresh = true;
                pattern_due(config, file->pattern,
                            now_of(config) + (10 * spent > AGAIN_AFTER ? 10 * spent : AGAIN_AFTER));
                return;
        }
        if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP) {
                config->patterns[file->pattern].cut = "a file cannot be read";
                return;
        }
        if (r == 0) {
                config_state_take(&now, st);
                memcpy(now.digest, digest, sizeof(now.digest));
                config_file_note(file, st);
        }
        conclude(config, file, &now);
}

static void read_next(struct config *config)
{
        struct config_file *file;
        struct stat st;
        uint8_t digest[DIGEST_SIZE];
        int r;

        while (!config->files.list[config->queue_at % config->files.n].queued)
                config->queue_at++;
        config->queue_at %= config->files.n;
        file = &config->files.list[config->queue_at];
        file->queued = false;
        config->queue_n--;
        config->read_file = config->queue_at;
        config->read_began = now_of(config);
        r = config_read_begin(&config->reading, file->path, is_plain(config, file), &st, digest);
        if (r <= 0)
                read_ended(config, file, r, &st, digest);
}

static void read_on(struct config *config)
{
        struct stat st;
        uint8_t digest[DIGEST_SIZE];
        int r = config_read_on(&config->reading, &st, digest);

        if (r != 1)
                read_ended(config, &config->files.list[config->read_file], r, &st, digest);
}

static void read_some(struct config *config)
{
        usec_t began = clock_now(config->options.clock);

        do {
                if (config->read_file != CONFIG_NO_FILE)
                        read_on(config);
                else if (config->queue_n > 0)
                        read_next(config);
                else
                        return;
        } while (usec_since(clock_now(config->options.clock), began) < TURN);
}

/* ---- the loop ------------------------------------------------------------------------------------------------------------ */

static bool is_nothing(void *self, const struct config_file *file)
{
        (void)self;
        return !file->sealed.there && !file->seen.there;
}

static uint32_t next_due(const struct config *config)
{
        uint32_t found = config->patterns_n;

        for (uint32_t n = 0; n < config->patterns_n; n++)
                if (found == config->patterns_n || config->patterns[n].due < config->patterns[found].due)
                        found = n;
        return found;
}

/* All that was due was looked at. */
static void rest(struct config *config)
{
        uint32_t next = next_due(config);

        for (uint32_t n = 0; n < config->patterns_n; n++)
                if (!config->patterns[n].known) {
                        config->patterns[n].known = true;
                        save_soon(config);
                }
        config_files_drop(&config->files, is_nothing, NULL);
        sd_event_source_set_enabled(config->step, SD_EVENT_OFF);
        set_timer(config->due, next < config->patterns_n ? config->patterns[next].due : USEC_INFINITY);
        tell_troubles(config);
        if (config->asked) {
                config->asked = false;
                if (is_unsaved(config))
                        (void)save(config);
                config->options.settled(config->options.self);
        }
}

static int on_step(sd_event_source *source, void *userdata)
{
        struct config *config = userdata;
        uint32_t next;

        (void)source;
        if (config->read_file != CONFIG_NO_FILE || config->queue_n > 0) {
                read_some(config);
        } else if (config->walking < config->patterns_n) {
                if (!config_walk_on(&config->walk, ENTRIES_A_TURN) && !sweep_on(config))
                        end_pattern(config);
        } else {
                next = next_due(config);
                if (next < config->patterns_n && config->patterns[next].due <= now_of(config))
                        begin_pattern(config, next);
                else
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
                for (uint32_t n = 0; n < config->files.n; n++)
                        config->files.list[n].fresh = true;
                for (uint32_t n = 0; n < config->patterns_n; n++)
                        config->patterns[n].due = now;
        }
        step_soon(config);
        return 0;
}

static int on_save(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct config *config = userdata;

        (void)source, (void)usec;
        if (save(config) < 0) /* the disk may be full for now */
                set_timer(config->save, now_of(config) + SAVE_AGAIN);
        return 0;
}

/* ---- hearing ------------------------------------------------------------------------------------------------------------- */

static void heard_folder(struct config *config, const char *path)
{
        for (uint32_t n = 0; n < config->patterns_n; n++)
                if (!config->patterns[n].plain && path_may_lead(config->patterns[n].glob, path))
                        config->patterns[n].due = 0;
}

/* The first pattern that it matches has it, as in a walk. */
static void heard_file(struct config *config, const char *path)
{
        char safe[FILE_PATH_MAX];
        struct config_file *file = NULL;
        usec_t now = now_of(config);

        for (uint32_t n = 0; n < config->patterns_n && !file; n++)
                if (path_glob(config->patterns[n].glob, path)) {
                        if (!text_copy_safe(safe, sizeof(safe), path) || strcmp(safe, path) != 0)
                                return;
                        file = file_of(config, path, n);
                }
        if (file && file->quiet_until > now && !config->asked)
                pattern_due(config, file->pattern, file->quiet_until);
        else if (file)
                enqueue(config, file);
}

static void on_heard_name(void *self, const char *folder, const char *name, bool is_folder)
{
        struct config *config = self;
        char path[FILE_PATH_MAX];
        int n = snprintf(path, sizeof(path), "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);

        if (n < 0 || (size_t)n >= sizeof(path))
                return;
        if (is_folder)
                heard_folder(config, path);
        else
                heard_file(config, path);
}

/* Listens on only after a pause: who writes a log into a watched folder does not wake us each time. */
static int on_heard(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct config *config = userdata;

        (void)fd, (void)events;
        if (!config_watch_take(&config->watch, on_heard_name, config))
                for (uint32_t n = 0; n < config->patterns_n; n++)
                        config->patterns[n].due = 0;
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        set_timer(config->settle, now_of(config) + SETTLE);
        return 0;
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct config *config = userdata;

        (void)source, (void)usec;
        sd_event_source_set_enabled(config->heard, SD_EVENT_ON);
        if (config->queue_n > 0 || config->patterns[next_due(config)].due <= now_of(config))
                step_soon(config);
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
        if (r >= 0)
                r = add_timer(config, &config->save, USEC_PER_SEC, on_save);
        return r;
}

/* Without inotify everything is looked at more often. */
static void listen(struct config *config)
{
        config->heard = sd_event_source_disable_unref(config->heard);
        config_watch_done(&config->watch);
        if (config->patterns_n == 0 || config->options.deaf || config_watch_init(&config->watch) < 0)
                return;
        if (sd_event_add_io(config->event, &config->heard, config->watch.fd, EPOLLIN, on_heard, config) < 0)
                config_watch_done(&config->watch);
        else
                sd_event_source_set_priority(config->heard, PRIORITY);
}

static void free_patterns(struct pattern *patterns, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                free(patterns[i].glob);
        free(patterns);
}

/* A manifest that cannot be used is as good as none: all is taken as it is now, which is said. */
static int load(struct config *config, struct config_manifest *manifest)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = file_read(config->manifest, MANIFEST_MAX, &text, &size);

        if (r >= 0)
                r = config_manifest_read(manifest, text, size);
        return r;
}

int config_new(sd_event *event, const struct config_options *options, struct config **ret)
{
        struct config *config = calloc(1, sizeof(*config));
        int r;

        if (!config)
                return -ENOMEM;
        config->event = sd_event_ref(event);
        config->options = *options;
        config->watch.fd = config->reading.fd = -1;
        config->read_file = CONFIG_NO_FILE;
        config->manifest = strdup(options->manifest);
        r = config->manifest ? config_read_init(&config->reading) : -ENOMEM;
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
        if (is_unsaved(config))
                (void)save(config);
        config_walk_end(&config->walk);
        config_read_done(&config->reading);
        sd_event_source_disable_unref(config->due);
        sd_event_source_disable_unref(config->step);
        sd_event_source_disable_unref(config->heard);
        sd_event_source_disable_unref(config->settle);
        sd_event_source_disable_unref(config->save);
        config_watch_done(&config->watch);
        config_files_done(&config->files);
        free_patterns(config->patterns, config->patterns_n);
        free(config->manifest);
        sd_event_unref(config->event);
        free(config);
        return NULL;
}

/* ---- what is declared ---------------------------------------------------------------------------------------------------- */

static bool has_pattern(const struct config *config, const struct config_manifest *manifest, const char *glob)
{
        for (uint32_t n = 0; n < config->patterns_n; n++)
                if (config->patterns[n].known && strcmp(config->patterns[n].glob, glob) == 0)
                        return true;
        for (uint32_t n = 0; n < manifest->patterns_n; n++)
                if (strcmp(manifest->patterns[n], glob) == 0)
                        return true;
        return false;
}

static int make_patterns(const struct config *config, const struct config_manifest *manifest,
                         const struct config_declared *list, uint32_t n, struct pattern **ret)
{
        struct pattern *patterns = calloc(n + 1, sizeof(*patterns));

        if (!patterns)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                patterns[i] = (struct pattern){
                        .glob = strdup(list[i].pattern),
                        .rule = list[i].rule,
                        .plain = path_is_plain(list[i].pattern),
                        .known = has_pattern(config, manifest, list[i].pattern),
                };
                if (!patterns[i].glob) {
                        free_patterns(patterns, i);
                        return -ENOMEM;
                }
        }
        *ret = patterns;
        return 0;
}

/* Each file goes to the first pattern that it matches. */
static bool is_undeclared(void *self, const struct config_file *file)
{
        const struct config *config = self;

        return file->pattern == config->patterns_n;
}

static void assign(struct config *config)
{
        for (uint32_t i = 0; i < config->files.n; i++) {
                struct config_file *file = &config->files.list[i];

                file->queued = false;
                file->generation = 0;
                for (file->pattern = 0; file->pattern < config->patterns_n; file->pattern++)
                        if (path_glob(config->patterns[file->pattern].glob, file->path))
                                break;
                if (file->pattern < config->patterns_n)
                        file->rule = config->patterns[file->pattern].rule;
        }
        config_files_drop(&config->files, is_undeclared, config);
}

int config_declare(struct config *config, const struct config_declared *list, uint32_t n)
{
        struct config_manifest manifest = { .files = &config->files };
        struct pattern *patterns;
        int r = config->patterns ? 0 : load(config, &manifest), damaged = r == -ENOENT ? 0 : r;

        r = make_patterns(config, &manifest, list, n, &patterns);
        config_manifest_done(&manifest);
        if (r < 0)
                return r;
        config_walk_end(&config->walk);
        config_read_end(&config->reading);
        free_patterns(config->patterns, config->patterns_n);
        config->patterns = patterns;
        config->patterns_n = n;
        config->walking = n;
        config->read_file = CONFIG_NO_FILE;
        config->queue_at = config->queue_n = 0;
        config->walk.folder = on_folder;
        config->walk.file = on_found;
        config->walk.self = config;
        assign(config);
        listen(config);
        if (n > 0 || config->files.n > 0)
                step_soon(config);
        return damaged;
}

void config_look(struct config *config)
{
        config->asked = true;
        for (uint32_t n = 0; n < config->patterns_n; n++)
                config->patterns[n].due = 0;
        if (config->walking < config->patterns_n) { /* what it has passed may have changed since */
                config_walk_end(&config->walk);
                config->walking = config->patterns_n;
        }
        step_soon(config);
}

void config_seal(struct config *config, uint32_t rule)
{
        for (uint32_t n = 0; n < config->files.n; n++) {
                struct config_file *file = &config->files.list[n];
                struct config_state before = file->sealed;

                if (file->rule != rule || !differs(file))
                        continue;
                file->sealed = file->seen;
                file->told_n = 0;
                tell(config, file, CONFIG_SEALED, &before);
        }
        (void)save(config);
        step_soon(config);
}

uint32_t config_count(const struct config *config)
{
        return config->files.n;
}
