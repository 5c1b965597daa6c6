#include "observe/apps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "observe/apps_group.h"
#include "observe/config_book.h"

#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 20)
#define PATIENCE (2 * USEC_PER_SEC)

struct apps {
        sd_event *event;
        struct apps_options options;
        struct config_book book; /* by the agents' ids; `rule` is the home, `generation` the list that last had it */
        struct digest *digest;
        uint32_t lists;
        bool asked; /* the list under way: nothing waits for another one */
};

/* ---- what the book asks --------------------------------------------------------------------------------------------------- */

static void owner_of(void *self, const struct config_file *file, char ret_agent[AGENT_ID_MAX])
{
        (void)self;
        text_copy(ret_agent, AGENT_ID_MAX, file->path);
}

static bool is_planned(void *self, const struct fact *fact)
{
        const struct apps *apps = self;

        return apps->options.planned(apps->options.self, fact);
}

static void describe(void *self, const struct config_file *file, char what[CONFIG_WHAT_MAX])
{
        (void)self;
        apps_group_difference(file->sealed_outline, file->seen_outline ? file->seen_outline : file->sealed_outline,
                              what, CONFIG_WHAT_MAX);
}

/* ---- one app --------------------------------------------------------------------------------------------------------------- */

static usec_t now_of(const struct apps *apps)
{
        usec_t now = 0;

        sd_event_now(apps->event, CLOCK_BOOTTIME, &now);
        return now;
}

/* What counts of it is how it compares, and that no digest can say: what compares as the same has the same. */
static struct file_state state_of(const struct apps *apps, const struct config_file *file, const char *group)
{
        struct file_state state = { .there = true, .size = apps_group_count(group) };

        if (file->sealed.there && apps_group_same(file->sealed_outline, group))
                return file->sealed;
        if (file->seen.there && file->seen_outline && apps_group_same(file->seen_outline, group))
                return file->seen;
        digest_begin(apps->digest);
        digest_add(apps->digest, group, strlen(group));
        digest_end(apps->digest, state.digest);
        return state;
}

/* Instances come and go one by one; their number is believed when it stands. Returns how long it must go on doing so. */
static usec_t must_stand(const struct apps *apps, struct config_file *file, const char *known, const char *group)
{
        usec_t now = now_of(apps), since = (usec_t)file->modified_ns;

        if (!apps_group_same_but_count(known, group))
                return 0;
        if (since == 0)
                since = now;
        file->modified_ns = (int64_t)since;
        return usec_since(since + apps->options.patience, now);
}

/* ... and nobody gets to fill the log by telling PM2 something else again and again. */
static usec_t must_wait(const struct apps *apps, struct config_file *file, const char *group)
{
        const char *known = file->seen_outline ? file->seen_outline : file->sealed_outline;
        usec_t stand, quiet;

        if (!file->sealed.there || apps_group_same(known, group)) {
                file->modified_ns = 0;
                config_book_calm(&apps->book, file);
                return 0;
        }
        stand = must_stand(apps, file, known, group);
        quiet = usec_since(file->quiet_until, now_of(apps));
        return apps->asked ? 0 : stand > quiet ? stand : quiet;
}

static struct config_file *file_of(struct apps *apps, const char *agent, bool *ret_known)
{
        uint32_t slot = config_files_find(&apps->book.files, agent);

        *ret_known = slot != CONFIG_NO_FILE;
        if (slot == CONFIG_NO_FILE && config_files_add(&apps->book.files, agent, &slot) < 0)
                return NULL;
        return &apps->book.files.list[slot];
}

static usec_t take_app(struct apps *apps, const char *agent, uint32_t home, const char *const *outlines, size_t n)
{
        _cleanup_free_ char *group = apps_group_of(outlines, n);
        struct file_state state;
        struct config_file *file;
        bool known;
        usec_t wait;

        file = group ? file_of(apps, agent, &known) : NULL;
        if (!file)
                return USEC_INFINITY;
        file->rule = home;
        file->generation = apps->lists;
        wait = must_wait(apps, file, group);
        if (wait > 0)
                return wait;
        state = state_of(apps, file, group);
        config_book_take(&apps->book, file, &state, TAKE_PTR(group), known);
        return USEC_INFINITY;
}

/* ---- a list ---------------------------------------------------------------------------------------------------------------- */

static int compare_listed(const void *a, const void *b)
{
        const struct app_listed *one = a, *other = b;
        int r = strcmp(one->agent, other->agent);

        return r ? r : strcmp(one->outline, other->outline);
}

/* An app that is not listed any more is nobody's drift, but is known again when it comes back. */
static void leave_unlisted(struct apps *apps, uint32_t home)
{
        for (uint32_t n = 0; n < apps->book.files.n; n++) {
                struct config_file *file = &apps->book.files.list[n];

                if (file->rule == home && file->generation > 0 && file->generation != apps->lists)
                        config_book_leave(&apps->book, file);
        }
}

static bool is_ungoverned(void *self, const struct config_file *file)
{
        const struct apps *apps = self;

        return !apps->options.governs(apps->options.self, file->path);
}

/* Names of apps are anybody's to choose: those that went make room for those that came. */
static bool is_unlisted(void *self, const struct config_file *file)
{
        (void)self;
        return file->generation == 0;
}

usec_t apps_take(struct apps *apps, const char *home, struct app_listed *list, size_t n, bool asked)
{
        const char **outlines = calloc(n + 1, sizeof(*outlines));
        uint32_t number = text_hash(home);
        usec_t wait = USEC_INFINITY;

        if (!outlines)
                return USEC_INFINITY;
        apps->lists++;
        apps->asked = asked;
        qsort(list, n, sizeof(*list), compare_listed);
        for (size_t i = 0, first; i < n;) {
                usec_t one;

                for (first = i; i < n && strcmp(list[i].agent, list[first].agent) == 0; i++)
                        outlines[i - first] = list[i].outline;
                if (!apps->options.governs(apps->options.self, list[first].agent))
                        continue;
                one = take_app(apps, list[first].agent, number, outlines, i - first);
                wait = one < wait ? one : wait;
        }
        free(outlines);
        leave_unlisted(apps, number);
        if (apps->book.files.n > CONFIG_FILES_MAX / 2)
                config_book_drop(&apps->book, is_unlisted, NULL);
        return wait;
}

void apps_seal(struct apps *apps, const char *agent)
{
        config_book_seal(&apps->book, agent, false);
}

void apps_again(struct apps *apps)
{
        config_book_drop(&apps->book, is_ungoverned, apps);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------------------- */

/* What was digested with another key cannot be compared. */
static bool has_no_outline(void *self, const struct config_file *file)
{
        (void)self;
        return !file->sealed_outline;
}

int apps_new(sd_event *event, const struct apps_options *options, struct apps **ret)
{
        struct apps *apps = calloc(1, sizeof(*apps));
        const struct config_book_options book = {
                .clock = options->clock,
                .sink = options->sink,
                .manifest = options->manifest,
                .of = CONFIG_OF_APP,
                .planned = is_planned,
                .owner = owner_of,
                .describe = describe,
                .self = apps,
        };
        int r, damaged;

        if (!apps)
                return -ENOMEM;
        apps->event = sd_event_ref(event);
        apps->options = *options;
        if (options->patience == 0)
                apps->options.patience = PATIENCE;
        r = config_book_init(&apps->book, event, &book, PRIORITY);
        if (r >= 0)
                r = digest_new(&apps->digest);
        if (r < 0) {
                apps_free(apps);
                return r;
        }
        damaged = config_book_load(&apps->book, veil_mark(options->veil));
        config_book_drop(&apps->book, has_no_outline, NULL);
        *ret = apps;
        return damaged < 0;
}

struct apps *apps_free(struct apps *apps)
{
        if (!apps)
                return NULL;
        config_book_done(&apps->book);
        digest_free(apps->digest);
        sd_event_unref(apps->event);
        free(apps);
        return NULL;
}
