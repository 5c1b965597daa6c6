#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "observe/pm2_inside.h"

#define LIST_EVERY USEC_PER_MINUTE
#define LIST_GAP (300 * USEC_PER_MSEC)
#define LIST_GAP_MAX (2 * USEC_PER_SEC) /* in a storm; a pid that only a list tells must not be missing for long */
#define PING_EVERY (10 * USEC_PER_SEC)
#define RETRY_EVERY (5 * USEC_PER_SEC) /* while a daemon does not answer */
#define BACKOFF_FIRST (50 * USEC_PER_MSEC)
#define BACKOFF_MOST (5 * USEC_PER_SEC)
#define BACKOFF_NUDGED USEC_PER_MINUTE /* ... when inotify will tell of its return */
#define CONNECTION_COSTS 50 /* facts: one that hangs up again and again is no better than one that talks too much */
#define PAUSE_FIRST USEC_PER_MINUTE /* for a daemon that tells too much */
#define PAUSE_MOST (60 * USEC_PER_MINUTE)
#define READ_BYTES 16384
#define READS_MAX 64

static const usec_t sweep_after[] = { 200 * USEC_PER_MSEC, USEC_PER_SEC, 2 * USEC_PER_SEC, 5 * USEC_PER_SEC };
#define SWEEPS (sizeof(sweep_after) / sizeof(*sweep_after))

static void connect_now(struct pm2_watch *watch);

static void say(struct pm2_watch *watch, enum source_state state, const char *why)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .agent = "",
                .instance = INSTANCE_ALL,
                .source = {
                        .name = watch->source,
                        .state = state,
                        .why = why,
                        .pid = watch->home->god,
                        .start = watch->home->god_start,
                        .suffixed = watch->home->suffixed,
                },
        };

        if (watch->state == state)
                return;
        watch->state = state;
        pm2_tell(watch->pm2, &fact);
}

/* ---- when what is due ---- */

static usec_t least(usec_t a, usec_t b)
{
        return a < b ? a : b;
}

static void arm(struct pm2_watch *watch)
{
        usec_t due = least(least(watch->list_due, watch->ping_due), least(watch->connect_due, watch->sweep_due));
        usec_t ahead = usec_since(due, pm2_now(watch->pm2));

        if (due == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
                return;
        }
        /* what is far off need not be exact: it may share a wakeup with others */
        (void)sd_event_source_set_time_accuracy(watch->timer, ahead > 10 * USEC_PER_SEC ? USEC_PER_SEC : USEC_PER_MSEC);
        (void)sd_event_source_set_time(watch->timer, due);
        (void)sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

void pm2_watch_want_list(struct pm2_watch *watch, struct pm2_instance *instance, usec_t delay)
{
        usec_t due = pm2_now(watch->pm2) + delay;

        if (instance)
                instance->doubt = true;
        else
                watch->doubt = true;

        if (watch->fd < 0)
                return;
        if (due < watch->listed_at + watch->list_gap)
                due = watch->listed_at + watch->list_gap;
        watch->list_due = least(watch->list_due, due);
        arm(watch);
}

/* ---- the daemon is not there, or does not answer ---- */

static int on_nudge(sd_event_source *source, const struct inotify_event *event, void *self)
{
        struct pm2_watch *watch = self;

        if (event->len == 0 || strcmp(event->name, "pub.sock") != 0)
                return 0;
        watch->backoff = BACKOFF_FIRST;
        watch->connect_due = pm2_now(watch->pm2);
        arm(watch);
        return 0;
}

static void expect_return(struct pm2_watch *watch)
{
        usec_t most = watch->nudge ? BACKOFF_NUDGED : BACKOFF_MOST;

        if (!watch->nudge)
                (void)sd_event_add_inotify(watch->pm2->event, &watch->nudge, watch->home->path, PM2_SIGNS, on_nudge,
                                           watch);
        watch->connect_due = pm2_now(watch->pm2) + watch->backoff;
        watch->backoff = least(2 * watch->backoff, most);
        arm(watch);
}

static const char *why_not(int r)
{
        switch (r) {
        case -ENOENT: return "no PM2 daemon runs in this home";
        case -ECONNREFUSED: return "the PM2 daemon was killed: its sockets are stale";
        case -EPERM: return "the socket belongs to a process of another user than the home";
        case -EACCES: return "no permission to reach the PM2 daemon";
        default: return "the PM2 daemon takes no connection";
        }
}

static void close_connection(struct pm2_watch *watch)
{
        watch->io = sd_event_source_disable_unref(watch->io);
        watch->fd = close_fd(watch->fd);
        watch->list = pm2_call_free(watch->list);
        watch->ping = pm2_call_free(watch->ping);
        watch->list_due = watch->ping_due = USEC_INFINITY;
        watch->to_look = watch->looks = false;
        pm2_looked(watch->pm2);
}

/* The connection ended: the daemon is gone, or speaks something else. */
static void lost(struct pm2_watch *watch, const char *why)
{
        close_connection(watch);
        watch->state = SOURCE_UNKNOWN; /* also a blind one has lost more now */
        say(watch, SOURCE_BLIND, why);
        pm2_apps_daemon_gone(watch);
        watch->last_god = watch->home->god;
        watch->last_start = watch->home->god_start;
        watch->home->god = 0;
        watch->home->god_start = 0;
        pm2_apps_sweep(watch);
        watch->sweeps = 0;
        watch->sweep_due = pm2_now(watch->pm2) + sweep_after[0];
        watch->backoff = BACKOFF_FIRST;
        expect_return(watch);
}

static void too_much(struct pm2_watch *watch)
{
        struct pm2_meter *meter = &watch->meter;

        lost(watch, "it tells more than a PM2 daemon can do, and is not listened to for a while");
        meter->spent = false;
        meter->pause = meter->pause ? least(2 * meter->pause, PAUSE_MOST) : PAUSE_FIRST;
        watch->nudge = sd_event_source_disable_unref(watch->nudge);
        watch->connect_due = pm2_now(watch->pm2) + meter->pause;
        arm(watch);
}

static void hung(struct pm2_watch *watch)
{
        say(watch, SOURCE_BLIND, "God does not answer: SIGSTOP or overload");
        watch->ping_due = pm2_now(watch->pm2) + RETRY_EVERY;
        arm(watch);
}

/* ---- its events ---- */

static void take_event(void *self, const struct pm2_event *event)
{
        struct pm2_watch *watch = self;

        if (event->topic == PM2_TOPIC_KILL)
                watch->killed = true;
        else
                pm2_apps_event(watch, event);
}

/* Reads what is there; 0 when that was all, -EAGAIN when there may be more, another errno when the connection ended. */
static int drain(struct pm2_watch *watch)
{
        const struct pm2_event_sink sink = { .take = take_event, .self = watch };
        char data[READ_BYTES];
        int r = -EAGAIN;

        pm2_meter_fill(&watch->meter, pm2_now(watch->pm2), watch->home->n_instances);
        for (unsigned i = 0; r == -EAGAIN && i < READS_MAX; i++) {
                ssize_t n = read(watch->fd, data, sizeof(data));

                if (n > 0) {
                        watch->heard_at = pm2_now(watch->pm2);
                        r = pm2_event_feed(&watch->reader, data, (size_t)n, &sink);
                        if (r == 0 && watch->meter.spent)
                                r = -EDQUOT;
                        if (r == 0)
                                r = (size_t)n < sizeof(data) ? 0 : -EAGAIN;
                } else if (n == 0) {
                        r = -ECONNRESET;
                } else {
                        r = errno == EAGAIN ? 0 : errno == EINTR ? -EAGAIN : -errno;
                }
        }
        explicit_bzero(data, sizeof(data));
        return r;
}

static void end_of_events(struct pm2_watch *watch, int r)
{
        if (r == -EDQUOT)
                too_much(watch);
        else if (r == -EBADMSG || r == -E2BIG)
                lost(watch, "what comes from the PM2 daemon is not PM2's protocol");
        else
                lost(watch, watch->killed ? "the PM2 daemon was ended: pm2 kill, pm2 update or SIGTERM"
                                          : "the PM2 daemon died: killed or crashed");
}

static int on_events(sd_event_source *source, int fd, uint32_t events, void *self)
{
        struct pm2_watch *watch = self;
        int r = drain(watch);

        if (r < 0 && r != -EAGAIN)
                end_of_events(watch, r);
        return 0;
}

/* ---- its lists ---- */

static void take_list(struct pm2_watch *watch, int result, const struct pm2_reply *reply)
{
        int r;

        if (result == -ETIMEDOUT) {
                hung(watch);
                return;
        }
        if (result < 0 || reply->failed) {
                if (result != -ECONNRESET) /* its end is told by the other connection */
                        say(watch, SOURCE_BLIND, "the PM2 daemon's list cannot be read");
                watch->ping_due = pm2_now(watch->pm2) + RETRY_EVERY;
                arm(watch);
                return;
        }

        /* The list may be newer than events that still wait: those first, or they would seem to end what it shows. */
        r = drain(watch);
        if (r == -EAGAIN) {
                pm2_watch_want_list(watch, NULL, USEC_PER_SEC);
                watch->to_look |= watch->looks;
                return;
        }
        if (r < 0) {
                end_of_events(watch, r);
                return;
        }

        watch->heard_at = pm2_now(watch->pm2);
        watch->ping_due = watch->heard_at + PING_EVERY;
        watch->list_due = least(watch->list_due, watch->heard_at + LIST_EVERY);
        say(watch, SOURCE_SEEING, "");
        pm2_apps_list(watch, reply->apps, reply->n_apps);
        if (watch->meter.spent)
                too_much(watch);
        arm(watch);
}

static void on_list(void *self, int result, const struct pm2_reply *reply)
{
        struct pm2_watch *watch = self;
        _cleanup_(pm2_call_freep) struct pm2_call *call = TAKE_PTR(watch->list);

        take_list(watch, result, reply);
        watch->looks = false;
        if (watch->to_look) /* it was asked for when this one was under way */
                pm2_watch_list_now(watch);
        pm2_looked(watch->pm2);
}

static struct pm2_question question(const struct pm2_watch *watch, enum pm2_request request)
{
        return (struct pm2_question){
                .home = watch->home->path,
                .owner = watch->home->uid,
                .request = request,
                .within = watch->pm2->options.answer,
                .veil = request == PM2_LIST && watch->pm2->options.listed ? watch->pm2->options.listed->veil : NULL,
        };
}

static void ask_failed(struct pm2_watch *watch, int r)
{
        if (r == -EAGAIN)
                hung(watch);
        else
                say(watch, SOURCE_BLIND, why_not(r));
        watch->ping_due = pm2_now(watch->pm2) + RETRY_EVERY;
        arm(watch);
}

void pm2_watch_list_now(struct pm2_watch *watch)
{
        struct pm2_question ask = question(watch, PM2_LIST);
        usec_t now = pm2_now(watch->pm2);
        int r;

        if (watch->fd < 0)
                return;
        if (watch->list) { /* what made this one wanted may be newer than the one under way */
                pm2_watch_want_list(watch, NULL, LIST_GAP);
                return;
        }

        /* lists that follow each other closely mean that much happens: then they get rarer */
        watch->list_gap =
                now < watch->listed_at + 2 * watch->list_gap ? least(2 * watch->list_gap, LIST_GAP_MAX) : LIST_GAP;
        watch->listed_at = now;
        watch->list_due = USEC_INFINITY;
        watch->doubt = false;
        watch->list_sent = watch->events;
        watch->looks = watch->to_look;
        watch->to_look = false;
        r = pm2_call_new(watch->pm2->event, &ask, on_list, watch, &watch->list);
        if (r < 0) {
                watch->looks = false;
                ask_failed(watch, r);
        }
}

/* ---- its pulse ---- */

static void on_ping(void *self, int result, const struct pm2_reply *reply)
{
        struct pm2_watch *watch = self;

        watch->ping = pm2_call_free(watch->ping);
        if (result == -ETIMEDOUT) {
                hung(watch);
                return;
        }
        if (result < 0) {
                ask_failed(watch, result);
                return;
        }
        watch->heard_at = pm2_now(watch->pm2);
        watch->ping_due = watch->heard_at + PING_EVERY;
        if (watch->state != SOURCE_SEEING)
                pm2_watch_list_now(watch); /* it is back: what happened meanwhile? */
        arm(watch);
}

static void ping_now(struct pm2_watch *watch)
{
        struct pm2_question ask = question(watch, PM2_PING);
        usec_t quiet = usec_since(pm2_now(watch->pm2), watch->heard_at);
        int r;

        if (watch->fd < 0 || watch->ping || watch->list)
                return;
        if (watch->state == SOURCE_SEEING && quiet < PING_EVERY) { /* its events are pulse enough */
                watch->ping_due = watch->heard_at + PING_EVERY;
                return;
        }
        r = pm2_call_new(watch->pm2->event, &ask, on_ping, watch, &watch->ping);
        if (r < 0)
                ask_failed(watch, r);
}

/* ---- the watch ---- */

static void no_god(struct pm2_watch *watch, int r)
{
        say(watch, r == -ENOENT && !watch->had_god ? SOURCE_ABSENT : SOURCE_BLIND, why_not(r));
        expect_return(watch);
}

/* A daemon that began moments ago brings its apps up one by one: what its list lacks is not gone yet. */
static void settle(struct pm2_watch *watch, pid_t god)
{
        const struct pm2_options *options = &watch->pm2->options;
        struct pm2_home *home = watch->home;
        struct proc_stat stat = { 0 };
        usec_t age = 0;

        home->god = god;
        if (god > 0 && proc_stat(&options->directory->proc, god, &stat) == 0)
                age = usec_since(clock_now(options->clock), clock_of_ticks(options->clock, stat.start));
        home->god_start = stat.start;
        watch->settle_until = pm2_now(watch->pm2) + usec_since(options->settle, age);
        watch->blind_gap = true;
        if (god != watch->last_god || stat.start != watch->last_start)
                pm2_apps_let_go(watch);
        watch->sweep_due = watch->settle_until;
}

static void connect_now(struct pm2_watch *watch)
{
        pid_t god;
        int r;

        watch->connect_due = USEC_INFINITY;
        r = pm2_connect(watch->home->path, "pub.sock", watch->home->uid, &god);
        if (r < 0) {
                no_god(watch, r);
                return;
        }

        watch->fd = r;
        r = sd_event_add_io(watch->pm2->event, &watch->io, watch->fd, EPOLLIN, on_events, watch);
        if (r < 0) {
                close_connection(watch);
                no_god(watch, r);
                return;
        }
        watch->nudge = sd_event_source_disable_unref(watch->nudge);
        watch->reader = (struct pm2_event_reader){ 0 };
        watch->backoff = BACKOFF_FIRST;
        watch->killed = false;
        watch->had_god = true;
        watch->listed_at = 0;
        watch->list_gap = LIST_GAP;
        settle(watch, god);
        pm2_meter_fill(&watch->meter, pm2_now(watch->pm2), watch->home->n_instances);
        pm2_meter_take(&watch->meter, CONNECTION_COSTS);
        if (watch->meter.spent)
                too_much(watch);
        else
                pm2_watch_list_now(watch);
}

/* Events may have answered meanwhile what the list was wanted for: an app that ended was begun again. */
static bool in_doubt(const struct pm2_watch *watch)
{
        const struct pm2_directory *directory = watch->pm2->options.directory;

        for (size_t i = 0; i < directory->n_instances; i++)
                if (directory->instances[i]->doubt && directory->instances[i]->home == watch->home)
                        return true;
        return watch->doubt || pm2_now(watch->pm2) >= watch->listed_at + LIST_EVERY;
}

static void list_if_needed(struct pm2_watch *watch)
{
        if (in_doubt(watch))
                pm2_watch_list_now(watch);
        else
                watch->list_due = watch->listed_at + LIST_EVERY;
}

/* What lives on without its daemon once this is over will go on doing so: whether none came back or a new one settled. */
static void sweep_now(struct pm2_watch *watch)
{
        if (watch->fd < 0) {
                pm2_apps_sweep(watch);
                if (++watch->sweeps < SWEEPS) {
                        watch->sweep_due = pm2_now(watch->pm2) + sweep_after[watch->sweeps];
                        return;
                }
                pm2_apps_let_go(watch);
        }
        pm2_strays_scan(watch->pm2);
}

static bool is_due(usec_t *due, usec_t now)
{
        if (*due > now)
                return false;
        *due = USEC_INFINITY;
        return true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *self)
{
        struct pm2_watch *watch = self;
        usec_t now = pm2_now(watch->pm2);

        if (is_due(&watch->connect_due, now))
                connect_now(watch);
        if (is_due(&watch->sweep_due, now))
                sweep_now(watch);
        if (is_due(&watch->list_due, now))
                list_if_needed(watch);
        if (is_due(&watch->ping_due, now))
                ping_now(watch);
        arm(watch);
        return 0;
}

int pm2_watch_new(struct pm2 *pm2, struct pm2_home *home, struct pm2_watch **ret)
{
        struct pm2_watch *watch;
        int r;

        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return -ENOMEM;
        watch->pm2 = pm2;
        watch->home = home;
        watch->fd = -EBADF;
        watch->backoff = BACKOFF_FIRST;
        watch->list_due = watch->ping_due = watch->connect_due = watch->sweep_due = USEC_INFINITY;
        (void)snprintf(watch->source, sizeof(watch->source), "pm2:%s@%s", home->user, home->path);

        r = sd_event_add_time(pm2->event, &watch->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_timer, watch);
        if (r < 0) {
                free(watch);
                return r;
        }
        (void)sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
        connect_now(watch);
        *ret = watch;
        return 0;
}

struct pm2_watch *pm2_watch_free(struct pm2_watch *watch)
{
        if (!watch)
                return NULL;

        close_connection(watch);
        sd_event_source_disable_unref(watch->timer);
        sd_event_source_disable_unref(watch->nudge);
        explicit_bzero(watch, sizeof(*watch));
        free(watch);
        return NULL;
}
