#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "observe/pm2_inside.h"

#define SOON (150 * USEC_PER_MSEC)     /* a cluster worker writes its pid file a moment after it is online */
#define DELIVERY (500 * USEC_PER_MSEC) /* most that an event is underway when nothing is wrong */
#define AFTERWARDS USEC_PER_SEC        /* what became of an app that ended and was not begun again */
#define PLANNED_FOR (60 * USEC_PER_SEC)
#define STARTED_WITHIN (5 * USEC_PER_SEC) /* after the old process is gone */
#define CRON_SLACK_MS 300                 /* PM2's timer fires this close behind the second */

/* ---- what is told ---- */

static void tell(struct pm2_watch *watch, const struct pm2_instance *instance, struct fact *fact)
{
        pm2_meter_take(&watch->meter, 1);
        fact->agent = instance->agent;
        fact->instance = instance->pm_id;
        pm2_tell(watch->pm2, fact);
}

/* The manager's word, told when it is another than last time. */
static void say(struct pm2_watch *watch, struct pm2_instance *instance, enum claimed claimed, const char *word,
                pid_t pid, int64_t restarts)
{
        struct fact fact = {
                .kind = FACT_AGENT,
                .agent_is = {
                        .claimed = claimed,
                        .word = instance->word,
                        .pid = pid,
                        .restarts = (uint64_t)restarts,
                        .result = "",
                        .first = !instance->said,
                },
        };

        if (instance->said && instance->claimed_pid == pid && instance->restarts == restarts &&
            strcmp(instance->word, word) == 0)
                return;
        instance->said = true;
        instance->claimed = claimed;
        instance->claimed_pid = pid;
        instance->restarts = restarts;
        (void)text_copy_safe(instance->word, sizeof(instance->word), word);
        tell(watch, instance, &fact);
}

/* Events tell no pid: that we have not learned it yet does not mean that there is none. */
static pid_t pid_or_unknown(pid_t pid)
{
        return pid > 0 ? pid : -1;
}

static void say_word(struct pm2_watch *watch, struct pm2_instance *instance, const char *word, pid_t pid,
                     int64_t restarts)
{
        say(watch, instance, pm2_claimed(word), word, pid, restarts);
}

static void started(struct pm2_watch *watch, struct pm2_instance *instance, pid_t pid, uint64_t start, usec_t since)
{
        struct fact fact = {
                .kind = FACT_STARTED,
                .started = { .pid = pid,
                             .start = start,
                             .since = since,
                             .ordered = instance->ordered,
                             .by_hand = instance->by_hand },
        };

        instance->pid = pid;
        instance->start = start;
        instance->up = true;
        instance->ordered = false;
        instance->by_hand = false;
        instance->died = false;
        if (!instance->busy)
                instance->ours = false;
        tell(watch, instance, &fact);
}

static void ended(struct pm2_watch *watch, struct pm2_instance *instance, enum ending ending, int code, int signal)
{
        struct fact fact = {
                .kind = FACT_ENDED,
                .ended = {
                        .pid = instance->pid,
                        .start = instance->start,
                        .ending = ending,
                        .code = code,
                        .signal = signal,
                },
        };

        instance->ordered = !ending_is_death(ending);
        instance->died = ending_is_death(ending);
        instance->pid = 0;
        instance->start = 0;
        instance->up = false;
        instance->by_memory = false;
        instance->by_cron = false;
        instance->has_exit = false;
        if (ending == ENDING_GOVERNOR && !instance->busy)
                instance->ours = false;
        tell(watch, instance, &fact);
}

/* An end that somebody ordered: ourselves, PM2's own rules, or else a person. */
static enum ending ordered_ending(const struct pm2_instance *instance, enum ending otherwise)
{
        if (instance->ours)
                return ENDING_GOVERNOR;
        if (instance->by_memory)
                return ENDING_MEMORY;
        return instance->by_cron ? ENDING_CRON : otherwise;
}

/* An end that nobody ordered: PM2's event lacks the signal, its log line just before has it. */
static void ended_by_itself(struct pm2_watch *watch, struct pm2_instance *instance, const struct pm2_app *app)
{
        if (instance->has_exit && instance->exit_signal > 0)
                ended(watch, instance, ENDING_SIGNAL, 0, instance->exit_signal);
        else if (instance->has_exit)
                ended(watch, instance, ENDING_EXIT, instance->exit_code, 0);
        else if (app->has_exit_code && app->exit_code != 0)
                ended(watch, instance, ENDING_EXIT, app->exit_code, 0);
        else
                ended(watch, instance, ENDING_UNKNOWN, 0, 0);
}

static void gone(struct pm2_watch *watch, struct pm2_instance *instance)
{
        if (instance->up)
                ended(watch, instance, ordered_ending(instance, ENDING_MANUAL), 0, 0);
        say(watch, instance, CLAIMED_GONE, "gone", 0, instance->restarts);
        pm2_directory_remove(watch->pm2->options.directory, instance);
}

/* The process behind `pid`, if it is this daemon's child and alive. */
static bool child_of_daemon(const struct pm2_watch *watch, pid_t pid, uint64_t *ret_start)
{
        struct proc_stat stat;

        if (pid <= 0 || proc_stat(&watch->pm2->options.directory->proc, pid, &stat) < 0)
                return false;
        if (stat.parent != watch->home->god || stat.state == 'Z' || stat.state == 'X')
                return false;
        *ret_start = stat.start;
        return true;
}

/* The process that an event says has begun; 0 when it is not known yet: a cluster worker writes its pid file later. */
static pid_t begun_process(const struct pm2_watch *watch, const struct pm2_event *event, uint64_t *ret_start)
{
        pid_t pid = pm2_proc_pid_file(watch->home->path, event->pid_file);
        usec_t age, asked_ago;

        if (!child_of_daemon(watch, pid, ret_start))
                return 0;

        /* younger than the order to begin: else it is what the file held before */
        age = usec_since(clock_now(watch->pm2->options.clock), clock_of_ticks(watch->pm2->options.clock, *ret_start));
        asked_ago =
                (usec_t)(event->at_ms > event->app.began_ms ? event->at_ms - event->app.began_ms : 0) * USEC_PER_MSEC;
        return age <= asked_ago + DELIVERY ? pid : 0;
}

/* ---- events ---- */

static struct pm2_instance *instance_of(struct pm2_watch *watch, const struct pm2_app *app)
{
        struct pm2_directory *directory = watch->pm2->options.directory;
        struct pm2_instance *instance = pm2_directory_find(directory, watch->home, app->pm_id);

        if (instance && strcmp(instance->name, app->name) != 0) { /* the number was given to another app */
                gone(watch, instance);
                instance = NULL;
        }
        if (!instance && pm2_directory_add(directory, watch->home, app, &instance) < 0)
                return NULL;

        instance->kill_timeout = app->kill_timeout;
        instance->cluster = app->cluster;
        instance->cron = app->cron;
        instance->cron_seconds = app->cron_seconds;
        return instance;
}

static void on_begin(struct pm2_watch *watch, struct pm2_instance *instance, const struct pm2_event *event)
{
        const struct pm2_app *app = &event->app;
        bool automatic = instance->died && app->restarts != instance->restarts; /* a start by hand is not counted */
        bool declared =
                watch->pm2->options.listed && !automatic; /* somebody may have told PM2 to begin another thing */
        uint64_t start;
        pid_t pid;

        if (instance->up && app->restarts == instance->restarts) { /* a list has told of it already */
                say_word(watch, instance, app->status, pid_or_unknown(instance->pid), app->restarts);
                return;
        }
        if (instance->up) /* the new worker comes before the old one goes: a reload, also PM2's own for memory */
                ended(watch, instance, ordered_ending(instance, ENDING_RELOAD), 0, 0);
        instance->up = true;
        /* a young daemon begins all of them; and of what began as we came the end, which would explain it, was not heard */
        instance->ordered =
                !automatic && pm2_now(watch->pm2) >= watch->settle_until && (!watch->blind_gap || instance->ordered);
        instance->died = false;
        instance->doubt = false;

        pid = begun_process(watch, event, &start);
        say_word(watch, instance, app->status, pid_or_unknown(pid), app->restarts);
        if (pid > 0)
                started(watch, instance, pid, start, clock_now(watch->pm2->options.clock));
        if (pid == 0 || declared)
                pm2_watch_want_list(watch, instance, SOON);
}

static void on_end(struct pm2_watch *watch, struct pm2_instance *instance, const struct pm2_app *app)
{
        if (strcmp(app->status, "stopping") == 0) {
                if (instance->up)
                        ended(watch, instance, ordered_ending(instance, ENDING_MANUAL), 0, 0);
                instance->ordered = true;
        } else if (!instance->up && instance->ordered) { /* the second notice of an ordered end */
                if (instance->ours) /* a person's may be the first half of a restart: the list will tell */
                        say_word(watch, instance, app->status, 0, app->restarts);
        } else if (instance->up || instance->has_exit) {
                ended_by_itself(watch, instance, app);
        }
        instance->has_exit = false;

        if (strcmp(app->status, "errored") == 0)
                say_word(watch, instance, app->status, 0, app->restarts);
        pm2_watch_want_list(watch, instance, AFTERWARDS);
}

static void on_process(struct pm2_watch *watch, const struct pm2_event *event)
{
        const struct pm2_app *app = &event->app;
        struct pm2_instance *instance;

        if (!app->has_id || app->old) /* what a reload replaces was told of when it was replaced */
                return;
        instance = instance_of(watch, app);
        if (!instance)
                return;
        instance->touched = ++watch->events;

        if (strcmp(event->what, "online") == 0)
                on_begin(watch, instance, event);
        else if (strcmp(event->what, "exit") == 0)
                on_end(watch, instance, app);
        else
                say_word(watch, instance, app->status, pid_or_unknown(instance->pid), app->restarts);
}

/* God's own words about an app: they come just before or after the events that lack them. */
static void on_line(struct pm2_watch *watch, const struct pm2_event *event)
{
        struct pm2_instance *instance;
        bool on_time;

        if (event->line == PM2_LINE_NONE || event->app.old)
                return;
        instance = pm2_directory_find(watch->pm2->options.directory, watch->home, event->app.pm_id);
        if (!instance)
                return;

        switch (event->line) {
        case PM2_LINE_EXITED:
                instance->has_exit = true;
                instance->exit_code = event->app.exit_code;
                instance->exit_signal = event->signal;
                break;
        case PM2_LINE_ONLINE:
                say_word(watch, instance, "online", pid_or_unknown(instance->pid), instance->restarts);
                break;
        case PM2_LINE_STOPPING:
                on_time = event->at_ms % 1000 < CRON_SLACK_MS;
                instance->by_cron =
                        instance->cron && on_time && (instance->cron_seconds || event->at_ms / 1000 % 60 == 0);
                break;
        case PM2_LINE_MEMORY: instance->by_memory = true; break;
        default: break;
        }
}

void pm2_apps_event(struct pm2_watch *watch, const struct pm2_event *event)
{
        if (watch->meter.spent)
                return;
        if (event->topic == PM2_TOPIC_PROCESS)
                on_process(watch, event);
        else
                on_line(watch, event);
}

/* ---- lists ---- */

/* An incarnation ended and no event told of it. */
static void missed_end(struct pm2_watch *watch, struct pm2_instance *instance)
{
        const struct proc *proc = &watch->pm2->options.directory->proc;
        enum ending ending = ordered_ending(instance, ENDING_UNKNOWN);

        if (watch->blind_gap)
                ending = ENDING_MANAGER;
        else if (pm2_proc_lives(proc, instance->pid, instance->start)) /* it is about to make room for the new worker */
                ending = ordered_ending(instance, ENDING_RELOAD);
        ended(watch, instance, ending, 0, 0);
}

/* An incarnation that the list shows; an event may have told of its start, but not of its pid. */
static void found_running(struct pm2_watch *watch, struct pm2_instance *instance, pid_t pid, uint64_t start, bool first)
{
        const struct clock *clock = watch->pm2->options.clock;
        usec_t since = clock_of_ticks(clock, start), now = clock_now(clock);

        if (instance->up && instance->pid > 0)
                missed_end(watch, instance);
        if (!instance->up) /* no event at all: somebody's order only where neither a death nor our blindness explains it */
                instance->ordered = !first && !watch->blind_gap && !instance->died;
        started(watch, instance, pid, start, since < now ? since : now);
}

/*
 * PM2 keeps when somebody last ordered a start; where this life began then, after a stop at most, it is that one. So does a new
 * daemon with all that it brings up, which the judge knows of.
 */
static bool begun_by_hand(const struct pm2_app *app)
{
        int64_t gap = app->began_ms - app->created_ms;

        return app->created_ms > 0 && gap >= 0 && (usec_t)gap * USEC_PER_MSEC <= app->kill_timeout + STARTED_WITHIN;
}

static void take_row(struct pm2_watch *watch, struct pm2_instance *instance, const struct pm2_app *app)
{
        const struct proc *proc = &watch->pm2->options.directory->proc;
        uint64_t start;
        bool running = child_of_daemon(watch, app->pid, &start);
        enum claimed claimed = pm2_claimed(app->status);
        bool at_rest = claimed == CLAIMED_STOPPED || claimed == CLAIMED_FAILED || claimed == CLAIMED_WAITING;
        bool first = !instance->said;

        if (first)
                say_word(watch, instance, app->status, app->pid, app->restarts);
        instance->by_hand = running && first && begun_by_hand(app);
        if (running && (app->pid != instance->pid || start != instance->start))
                found_running(watch, instance, app->pid, start, first);
        else if (!running && instance->up && (at_rest || watch->blind_gap) &&
                 !pm2_proc_lives(proc, instance->pid, instance->start))
                missed_end(watch, instance); /* one that PM2 still calls online is told of by an event to come */
        say_word(watch, instance, app->status, app->pid, app->restarts);
}

/* A young daemon has not brought all of them up: who needs all of them asks again when it is older. */
static bool is_too_young(struct pm2_watch *watch)
{
        usec_t now = pm2_now(watch->pm2);

        if (now >= watch->settle_until)
                return false;
        pm2_watch_want_list(watch, NULL, watch->settle_until - now);
        return true;
}

/* What the list lacks is gone. */
static void drop_unlisted(struct pm2_watch *watch)
{
        struct pm2_directory *directory = watch->pm2->options.directory;

        for (size_t i = directory->n_instances; i-- > 0;) {
                struct pm2_instance *instance = directory->instances[i];

                if (instance->home != watch->home || instance->listed || instance->touched > watch->list_sent)
                        continue;
                if (!is_too_young(watch))
                        gone(watch, instance);
        }
}

/* What is declared of them. */
static void pass_on(struct pm2_watch *watch, const struct pm2_app *apps, size_t n)
{
        const struct pm2_directory *directory = watch->pm2->options.directory;
        const struct pm2_listed_sink *sink = watch->pm2->options.listed;
        _cleanup_free_ struct app_listed *list = NULL;
        size_t listed = 0;
        usec_t wait;

        if (!sink || is_too_young(watch) || !(list = calloc(n + 1, sizeof(*list))))
                return;
        for (size_t i = 0; i < n; i++) {
                const struct pm2_instance *instance = pm2_directory_find(directory, watch->home, apps[i].pm_id);

                if (instance && apps[i].outline && strcmp(instance->name, apps[i].name) == 0)
                        list[listed++] = (struct app_listed){ instance->agent, apps[i].outline };
        }
        wait = sink->take(sink->self, watch->home->path, list, listed, watch->looks);
        if (wait != USEC_INFINITY)
                pm2_watch_want_list(watch, NULL, wait);
}

static void say_complete(struct pm2_watch *watch)
{
        const struct pm2_options *options = &watch->pm2->options;

        if (watch->complete || !options->complete || is_too_young(watch))
                return;
        watch->complete = true;
        options->complete(options->self, watch->home);
}

void pm2_apps_list(struct pm2_watch *watch, const struct pm2_app *apps, size_t n)
{
        struct pm2_directory *directory = watch->pm2->options.directory;

        for (size_t i = 0; i < directory->n_instances; i++)
                if (directory->instances[i]->home == watch->home)
                        directory->instances[i]->listed = false;

        for (size_t i = 0; i < n; i++) {
                struct pm2_instance *instance = instance_of(watch, &apps[i]);

                if (!instance)
                        continue;
                instance->listed = true;
                instance->doubt = false;
                if (instance->touched <= watch->list_sent)
                        take_row(watch, instance, &apps[i]);
                else /* it changed while the list was on its way */
                        pm2_watch_want_list(watch, instance, AFTERWARDS);
        }
        drop_unlisted(watch);
        say_complete(watch);
        watch->blind_gap = false;
        pass_on(watch, apps, n);
}

/* ---- the daemon is gone ---- */

void pm2_apps_daemon_gone(struct pm2_watch *watch)
{
        const struct pm2_directory *directory = watch->pm2->options.directory;

        for (size_t i = 0; i < directory->n_instances; i++) {
                struct pm2_instance *instance = directory->instances[i];
                struct fact fact = {
                        .kind = FACT_PLANNED,
                        .planned = {
                                .ending = ENDING_MANAGER,
                                .until = clock_now(watch->pm2->options.clock) + PLANNED_FOR,
                                .by = "PM2 announced its end (pm2 kill, pm2 update or SIGTERM)",
                        },
                };

                if (instance->home != watch->home)
                        continue;
                if (watch->killed)
                        tell(watch, instance, &fact);
                say(watch, instance, CLAIMED_UNKNOWN, "no daemon", 0, instance->restarts);
        }
}

void pm2_apps_sweep(struct pm2_watch *watch)
{
        const struct pm2_directory *directory = watch->pm2->options.directory;

        for (size_t i = 0; i < directory->n_instances; i++) {
                struct pm2_instance *instance = directory->instances[i];

                if (instance->home == watch->home && instance->up &&
                    !pm2_proc_lives(&directory->proc, instance->pid, instance->start))
                        ended(watch, instance, ENDING_MANAGER, 0, 0);
        }
}

void pm2_apps_let_go(struct pm2_watch *watch)
{
        const struct pm2_directory *directory = watch->pm2->options.directory;

        pm2_apps_sweep(watch);
        for (size_t i = 0; i < directory->n_instances; i++) {
                struct pm2_instance *instance = directory->instances[i];

                if (instance->home != watch->home)
                        continue;
                instance->up = false;
                instance->pid = 0;
                instance->start = 0;
        }
}
