#include "observe/pm2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "observe/pm2_inside.h"

#define SEARCH_EVERY USEC_PER_MINUTE
#define STRAYS_EVERY 5 /* searches */
#define ANSWER_DEFAULT (3 * USEC_PER_SEC)
#define SETTLE_DEFAULT (10 * USEC_PER_SEC)

usec_t pm2_now(const struct pm2 *pm2)
{
        uint64_t now = 0;

        (void)sd_event_now(pm2->event, CLOCK_MONOTONIC, &now);
        return now;
}

void pm2_tell(const struct pm2 *pm2, struct fact *fact)
{
        fact->at = clock_now(pm2->options.clock);
        fact->manager = MANAGER_PM2;
        pm2->options.sink.take(pm2->options.sink.self, fact);
}

static int watch_home(struct pm2 *pm2, const char *path)
{
        struct pm2_watch **watches;
        struct pm2_home *home;
        int r;

        r = pm2_directory_add_home(pm2->options.directory, path, &home);
        if (r < 0)
                return r;
        for (size_t i = 0; i < pm2->n_watches; i++)
                if (pm2->watches[i]->home == home)
                        return 0;

        watches = reallocarray(pm2->watches, pm2->n_watches + 1, sizeof(struct pm2_watch *));
        if (!watches)
                return -ENOMEM;
        pm2->watches = watches;
        r = pm2_watch_new(pm2, home, &pm2->watches[pm2->n_watches]);
        if (r >= 0)
                pm2->n_watches++;
        return r;
}

static int found(void *self, const char *path)
{
        (void)watch_home(self, path); /* one that cannot be watched is tried again at the next search */
        return 0;
}

/* Without any home there is nothing to see: that is said once, and taken back when there is one. */
static void tell_absent(struct pm2 *pm2)
{
        bool absent = pm2->n_watches == 0;
        struct fact fact = {
                .kind = FACT_SOURCE,
                .agent = "",
                .instance = INSTANCE_ALL,
                .source = {
                        .name = "pm2",
                        .state = absent ? SOURCE_ABSENT : SOURCE_SEEING,
                        .why = absent ? "no PM2 daemon was found on this machine" : "",
                },
        };

        if (pm2->absent == absent)
                return;
        pm2->absent = absent;
        pm2_tell(pm2, &fact);
}

static void search(struct pm2 *pm2)
{
        for (const char *const *home = pm2->options.homes; home && *home; home++)
                (void)watch_home(pm2, *home);
        if (!pm2->options.only_these) {
                (void)pm2_search(pm2, found, pm2);
                if (pm2->nests)
                        pm2_nests_look(pm2->nests);
        }
        tell_absent(pm2);
}

static int on_search(sd_event_source *source, uint64_t usec, void *self)
{
        struct pm2 *pm2 = self;

        pm2->search_soon = false;
        search(pm2);
        if (++pm2->searches % STRAYS_EVERY == 0)
                pm2_strays_scan(pm2);

        (void)sd_event_source_set_time_accuracy(source, 5 * USEC_PER_SEC); /* may share a wakeup */
        (void)sd_event_source_set_time(source, pm2_now(pm2) + SEARCH_EVERY);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static char **copy_texts(const char *const *texts)
{
        size_t n = 0;
        char **copies;

        while (texts && texts[n])
                n++;
        copies = calloc(n + 1, sizeof(*copies));
        for (size_t i = 0; copies && i < n; i++)
                copies[i] = strdup(texts[i]);
        return copies;
}

/* ---- a look that somebody waits for --------------------------------------------------------------------------------------- */

static int on_look_done(sd_event_source *source, void *self)
{
        struct pm2 *pm2 = self;

        (void)source;
        pm2->options.listed->looked(pm2->options.listed->self);
        return 0;
}

void pm2_looked(struct pm2 *pm2)
{
        if (!pm2->looking)
                return;
        for (size_t i = 0; i < pm2->n_watches; i++)
                if (pm2->watches[i]->to_look || pm2->watches[i]->looks)
                        return;
        pm2->looking = false;
        (void)sd_event_source_set_enabled(pm2->look_done, SD_EVENT_ONESHOT);
}

void pm2_look(struct pm2 *pm2)
{
        pm2->looking = true;
        for (size_t i = 0; i < pm2->n_watches; i++) {
                pm2->watches[i]->to_look = pm2->watches[i]->fd >= 0;
                if (!pm2->watches[i]->list)
                        pm2_watch_list_now(pm2->watches[i]);
        }
        pm2_looked(pm2);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------------------- */

int pm2_new(sd_event *event, const struct pm2_options *options, struct pm2 **ret)
{
        _cleanup_(pm2_freep) struct pm2 *pm2 = NULL;
        int r;

        pm2 = calloc(1, sizeof(*pm2));
        if (!pm2)
                return -ENOMEM;
        pm2->event = sd_event_ref(event);
        pm2->options = *options;
        pm2->options.homes = (const char *const *)copy_texts(options->homes);
        if (!pm2->options.homes)
                return -ENOMEM;
        if (pm2->options.answer == 0)
                pm2->options.answer = ANSWER_DEFAULT;
        if (pm2->options.settle == 0)
                pm2->options.settle = SETTLE_DEFAULT;

        if (pm2->options.listed) {
                r = sd_event_add_defer(event, &pm2->look_done, on_look_done, pm2);
                if (r >= 0)
                        r = sd_event_source_set_enabled(pm2->look_done, SD_EVENT_OFF);
                if (r < 0)
                        return r;
        }
        pm2->nests = pm2->options.only_these ? NULL : pm2_nests_new(pm2);
        r = sd_event_add_time_relative(event, &pm2->search, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_search, pm2);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(pm2);
        return 0;
}

struct pm2 *pm2_free(struct pm2 *pm2)
{
        if (!pm2)
                return NULL;

        pm2->looking = false;
        sd_event_source_disable_unref(pm2->search);
        sd_event_source_disable_unref(pm2->look_done);
        pm2_nests_free(pm2->nests);
        pm2_strays_done(pm2);
        for (size_t i = 0; i < pm2->n_watches; i++)
                pm2_watch_free(pm2->watches[i]);
        free(pm2->watches);
        for (size_t i = 0; pm2->options.homes && pm2->options.homes[i]; i++)
                free((char *)pm2->options.homes[i]);
        free((char **)pm2->options.homes);
        sd_event_unref(pm2->event);
        free(pm2);
        return NULL;
}

void pm2_relist(struct pm2 *pm2)
{
        search(pm2);
        for (size_t i = 0; i < pm2->n_watches; i++)
                pm2_watch_list_now(pm2->watches[i]);
}
