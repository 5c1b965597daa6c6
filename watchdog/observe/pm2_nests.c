#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "observe/pm2_inside.h"

#define NESTS_MAX 128     /* users looked after; more are found by the search alone, within its minute */
#define FIRST_PERSON 1000 /* system users below it run no PM2 of their own; root does */
#define NOBODY_PERSON 65534
#define SETTLED (150 * USEC_PER_MSEC) /* from the first sign of a daemon to both of its sockets */

/* The places where a first PM2 daemon of a user will appear: HOME for .pm2, and then HOME/.pm2 for its sockets. */
struct pm2_nests {
        struct pm2 *pm2;
        size_t n;
        struct {
                char *path;
                sd_event_source *source;
        } list[2 * NESTS_MAX];
};

static int on_sign(sd_event_source *source, const struct inotify_event *event, void *self)
{
        struct pm2_nests *nests = self;
        static const char *const signs[] = { ".pm2", "rpc.sock", "pub.sock", "passwd" };
        bool sign = false;

        (void)source;
        for (size_t i = 0; event->len > 0 && i < sizeof(signs) / sizeof(signs[0]); i++)
                sign |= strcmp(event->name, signs[i]) == 0;
        if (!sign || nests->pm2->search_soon) /* never put off: signs may come without end */
                return 0;
        nests->pm2->search_soon = true;
        (void)sd_event_source_set_time(nests->pm2->search, pm2_now(nests->pm2) + SETTLED);
        return sd_event_source_set_enabled(nests->pm2->search, SD_EVENT_ONESHOT);
}

static bool is_watched(const struct pm2_nests *nests, const char *path)
{
        for (size_t i = 0; i < nests->n; i++)
                if (strcmp(nests->list[i].path, path) == 0)
                        return true;
        return false;
}

/* A place that cannot be watched, or is not there, is left to the search. */
static void watch_place(struct pm2_nests *nests, const char *path)
{
        sd_event_source *source;
        char *copy;

        if (nests->n == 2 * NESTS_MAX || is_watched(nests, path))
                return;
        if (sd_event_add_inotify(nests->pm2->event, &source, path, PM2_SIGNS, on_sign, nests) < 0)
                return;
        copy = strdup(path);
        if (!copy) {
                sd_event_source_disable_unref(source);
                return;
        }
        nests->list[nests->n].path = copy;
        nests->list[nests->n++].source = source;
}

void pm2_nests_look(struct pm2_nests *nests)
{
        _cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
        const struct passwd *person;
        char path[512];

        watch_place(nests, "/etc"); /* a new user has a new home */
        while (file && (person = fgetpwent(file))) {
                if (person->pw_uid != 0 && (person->pw_uid < FIRST_PERSON || person->pw_uid >= NOBODY_PERSON))
                        continue;
                watch_place(nests, person->pw_dir);
                if (snprintf(path, sizeof(path), "%s/.pm2", person->pw_dir) < (int)sizeof(path))
                        watch_place(nests, path);
        }
}

struct pm2_nests *pm2_nests_new(struct pm2 *pm2)
{
        struct pm2_nests *nests = calloc(1, sizeof(*nests));

        if (nests)
                nests->pm2 = pm2;
        return nests;
}

struct pm2_nests *pm2_nests_free(struct pm2_nests *nests)
{
        for (size_t i = 0; nests && i < nests->n; i++) {
                sd_event_source_disable_unref(nests->list[i].source);
                free(nests->list[i].path);
        }
        free(nests);
        return NULL;
}
