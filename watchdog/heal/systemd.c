#include "heal/systemd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "io/cleanup.h"

#define ID_PREFIX "systemd:"
#define TEXT_MAX 200
#define ASK_MOST (10 * USEC_PER_SEC)
#define JOB_MARGIN (5 * USEC_PER_SEC)
#define JOB_MOST (10 * USEC_PER_MINUTE)   /* for units without a timeout of their own */
#define TIMEOUT_USUAL (90 * USEC_PER_SEC) /* systemd's default, where the unit's cannot be read */

/* One errand on its way: ask who runs, order, wait for the job. */
struct task {
        struct systemd_hand *hand;
        struct errand *errand;
        struct task *next;
        const char *unit; /* a loan from the errand's agent */
        char *path;       /* of the unit's object */
        char *job;        /* path of the job, once there is one */
        sd_bus_slot *slot;
        sd_event_source *deadline;
        bool begun, ordered;
        pid_t main_pid;
        usec_t timeout_stop, timeout_start;
};

struct systemd_hand {
        sd_event *event;
        struct bus *bus;
        const struct proc *proc;
        struct bus_watcher watcher;
        sd_bus *connection;
        sd_bus_slot *jobs, *subscribing;
        struct task *tasks; /* oldest first */
};

/* clang-format off */
static const struct order {
        const char *method;
        bool forgive; /* ResetFailedUnit before it: the start limit would refuse it, after the stop was already done */
} orders[ACTION_N] = {
        [ACTION_RESTART] = { "RestartUnit", true  },
        [ACTION_START]   = { "StartUnit",   true  },
        [ACTION_STOP]    = { "StopUnit",    false },
};

static const struct {
        const char *result;
        enum outcome outcome;
        const char *text;
} results[] = {
        { "done",        OUTCOME_OK,     "done" },
        { "failed",      OUTCOME_FAILED, "the unit failed" },
        { "canceled",    OUTCOME_FAILED, "somebody else's order replaced it" },
        { "timeout",     OUTCOME_FAILED, "systemd's own timeout ran out" },
        { "dependency",  OUTCOME_FAILED, "a unit that it needs failed" },
        { "skipped",     OUTCOME_FAILED, "there was nothing to do in its state" },
        { "assert",      OUTCOME_FAILED, "an Assert= of the unit does not hold" },
        { "unsupported", OUTCOME_FAILED, "this kind of unit is not supported here" },
        { "collected",   OUTCOME_FAILED, "the unit was unloaded meanwhile" },
        { "once",        OUTCOME_FAILED, "the unit may run only once a boot" },
};
/* clang-format on */

static void task_begin(struct task *task);

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static struct task *task_free(struct task *task)
{
        if (!task)
                return NULL;
        sd_bus_slot_unref(task->slot);
        sd_event_source_disable_unref(task->deadline);
        free(task->path);
        free(task->job);
        free(task);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct task *, task_free);

static void task_unlink(struct task *task)
{
        for (struct task **at = &task->hand->tasks; *at; at = &(*at)->next)
                if (*at == task) {
                        *at = task->next;
                        return;
                }
}

static struct task *next_of_unit(struct systemd_hand *hand, const char *unit)
{
        for (struct task *task = hand->tasks; task; task = task->next)
                if (strcmp(task->unit, unit) == 0)
                        return task;
        return NULL;
}

/* Tells what came of it. `done` may give the next errand, also for this unit; what waited for its turn goes first. */
static void task_end(struct task *task, enum outcome outcome, const char *text)
{
        struct systemd_hand *hand = task->hand;
        struct errand *errand = task->errand;
        struct task *waiting;

        task_unlink(task);
        waiting = next_of_unit(hand, task->unit);
        task_free(task);
        if (waiting && !waiting->begun)
                task_begin(waiting);
        errand->hand = NULL;
        errand->done(errand, outcome, text);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct task *task = userdata;
        struct systemd_hand *hand = task->hand;
        bool ordered = task->ordered;

        task_end(task, OUTCOME_TIMEOUT, ordered ? "systemd is still at it" : "systemd does not answer");
        if (!ordered && hand->connection)
                bus_reset(hand->bus, -ETIMEDOUT); /* a property is answered at once or the bus hangs */
        return 0;
}

static void task_wait(struct task *task, usec_t most)
{
        (void)sd_event_source_set_time_relative(task->deadline, most);
        (void)sd_event_source_set_enabled(task->deadline, SD_EVENT_ONESHOT);
}

static void task_fail(struct task *task, const sd_bus_error *error)
{
        char text[TEXT_MAX];

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED)) {
                task_end(task, OUTCOME_FAILED, "not permitted");
                return;
        }
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) || sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT)) {
                task_end(task, OUTCOME_TIMEOUT, "systemd does not answer");
                return;
        }
        (void)text_copy_safe(text, sizeof(text), error && error->message ? error->message : "systemd refused");
        task_end(task, OUTCOME_FAILED, text);
}

/* ---- the order ------------------------------------------------------------------------------------------------------- */

static int on_ordered(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct task *task = userdata;
        const char *job;

        if (sd_bus_message_is_method_error(message, NULL)) {
                task_fail(task, sd_bus_message_get_error(message));
                return 0;
        }
        if (sd_bus_message_read(message, "o", &job) < 0 || !(task->job = strdup(job)))
                task_end(task, OUTCOME_UNKNOWN, "systemd took the order, but its answer cannot be read");
        return 0;
}

static usec_t patience(const struct task *task)
{
        usec_t most = JOB_MARGIN;

        if (task->errand->action != ACTION_START)
                most = usec_add(most, task->timeout_stop);
        if (task->errand->action != ACTION_STOP)
                most = usec_add(most, task->timeout_start);
        return most < JOB_MOST ? most : JOB_MOST;
}

/* The reset goes out first on the same connection, so it is done first; it has no failure that matters. */
static void task_order(struct task *task)
{
        const struct order *order = &orders[task->errand->action];
        sd_bus *connection = task->hand->connection;
        int r;

        task->ordered = true;
        task->slot = sd_bus_slot_unref(task->slot);
        if (order->forgive)
                (void)sd_bus_call_method_async(connection, NULL, BUS_SYSTEMD, BUS_OBJECT, BUS_MANAGER,
                                               "ResetFailedUnit", NULL, NULL, "s", task->unit);
        r = sd_bus_call_method_async(connection, &task->slot, BUS_SYSTEMD, BUS_OBJECT, BUS_MANAGER, order->method,
                                     on_ordered, task, "ss", task->unit, "replace");
        if (r < 0)
                task_end(task, OUTCOME_FAILED, strerror(-r));
        else
                task_wait(task, patience(task));
}

/* ---- who runs now ---------------------------------------------------------------------------------------------------- */

static int read_one(sd_bus_message *message, struct task *task)
{
        const char *name;
        uint32_t pid;
        int r = sd_bus_message_read(message, "s", &name);

        if (r < 0)
                return r;
        if (strcmp(name, "MainPID") == 0) {
                r = sd_bus_message_read(message, "v", "u", &pid);
                task->main_pid = r < 0 ? 0 : (pid_t)pid;
                return r;
        }
        if (strcmp(name, "TimeoutStopUSec") == 0)
                return sd_bus_message_read(message, "v", "t", &task->timeout_stop);
        if (strcmp(name, "TimeoutStartUSec") == 0)
                return sd_bus_message_read(message, "v", "t", &task->timeout_start);
        return sd_bus_message_skip(message, "v");
}

static int read_unit(sd_bus_message *message, struct task *task)
{
        int r = sd_bus_message_enter_container(message, 'a', "{sv}");

        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0)
                if ((r = read_one(message, task)) < 0 || (r = sd_bus_message_exit_container(message)) < 0)
                        return r;
        return r;
}

/* Whether the incarnation that the decision was about is the one that runs. */
static bool is_the_one_meant(const struct task *task)
{
        struct proc_stat stat;

        if (task->errand->pid <= 0 || task->errand->start == 0)
                return true;
        return task->main_pid == task->errand->pid && proc_stat(task->hand->proc, task->main_pid, &stat) >= 0 &&
               stat.start == task->errand->start;
}

static int on_unit(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct task *task = userdata;
        int r;

        if (sd_bus_message_is_method_error(message, NULL)) {
                task_fail(task, sd_bus_message_get_error(message));
                return 0;
        }
        r = read_unit(message, task);
        if (r < 0)
                task_end(task, OUTCOME_FAILED, "systemd's answer cannot be read");
        else if (!is_the_one_meant(task))
                task_end(task, OUTCOME_STALE, "the process it was meant for is gone");
        else
                task_order(task);
        return 0;
}

static int on_cannot_begin(sd_event_source *source, uint64_t usec, void *userdata)
{
        task_end(userdata, OUTCOME_FAILED, "no connection to systemd");
        return 0;
}

static void task_begin(struct task *task)
{
        sd_bus *connection = task->hand->connection;
        int r = -ENOTCONN;

        task->begun = true;
        if (connection)
                r = sd_bus_call_method_async(connection, &task->slot, BUS_SYSTEMD, task->path,
                                             "org.freedesktop.DBus.Properties", "GetAll", on_unit, task, "s",
                                             BUS_SERVICE);
        if (r >= 0) {
                task_wait(task, ASK_MOST);
                return;
        }
        sd_event_source_disable_unref(task->deadline); /* `done` is never called from inside the hand */
        task->deadline = NULL;
        r = sd_event_add_time_relative(task->hand->event, &task->deadline, CLOCK_BOOTTIME, 0, 1, on_cannot_begin, task);
        assert(r >= 0);
}

int systemd_hand_act(void *self, struct errand *errand)
{
        _cleanup_(task_freep) struct task *task = NULL;
        struct systemd_hand *hand = self;
        struct task **last, *earlier;
        int r;

        if (!text_starts(errand->agent, ID_PREFIX) || errand->action >= ACTION_N || !orders[errand->action].method)
                return -EINVAL;
        if (!hand->connection)
                return -ENOTCONN;
        task = calloc(1, sizeof(*task));
        if (!task)
                return -ENOMEM;
        task->hand = hand;
        task->errand = errand;
        task->unit = errand->agent + strlen(ID_PREFIX);
        task->timeout_stop = task->timeout_start = TIMEOUT_USUAL;
        if ((r = sd_bus_path_encode(BUS_UNIT_PATH, task->unit, &task->path)) < 0 ||
            (r = sd_event_add_time_relative(hand->event, &task->deadline, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_deadline,
                                            task)) < 0 ||
            (r = sd_event_source_set_enabled(task->deadline, SD_EVENT_OFF)) < 0)
                return r;
        earlier = next_of_unit(hand, task->unit);
        for (last = &hand->tasks; *last;)
                last = &(*last)->next;
        errand->hand = task;
        *last = TAKE_PTR(task);
        if (!earlier)
                task_begin(*last);
        return 0;
}

/* ---- the connection -------------------------------------------------------------------------------------------------- */

static void job_removed(struct systemd_hand *hand, const char *job, const char *result)
{
        for (struct task *task = hand->tasks; task; task = task->next) {
                if (!task->job || strcmp(task->job, job) != 0)
                        continue;
                for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
                        if (strcmp(results[i].result, result) == 0) {
                                task_end(task, results[i].outcome, results[i].text);
                                return;
                        }
                task_end(task, OUTCOME_UNKNOWN, "systemd ended the job in a way that is not known here");
                return;
        }
}

static int on_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const char *job, *unit, *result;
        uint32_t id;

        if (bus_signal_is_genuine(message) && sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) >= 0)
                job_removed(userdata, job, result);
        return 0;
}

static int on_subscribed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return 0; /* most often the observer was there first: AlreadySubscribed */
}

static void on_up(void *self, sd_bus *connection)
{
        struct systemd_hand *hand = self;

        if (sd_bus_add_match_async(connection, &hand->jobs,
                                   "type='signal',sender='" BUS_SYSTEMD "',interface='" BUS_MANAGER "',"
                                   "path='" BUS_OBJECT "',member='JobRemoved'",
                                   on_job_removed, NULL, hand) < 0 ||
            sd_bus_call_method_async(connection, &hand->subscribing, BUS_SYSTEMD, BUS_OBJECT, BUS_MANAGER, "Subscribe",
                                     on_subscribed, hand, NULL) < 0)
                return; /* out of memory: without its signals it does not act */
        hand->connection = connection;
}

static void on_down(void *self, int reason)
{
        struct systemd_hand *hand = self;

        hand->connection = NULL;
        hand->jobs = sd_bus_slot_unref(hand->jobs);
        hand->subscribing = sd_bus_slot_unref(hand->subscribing);
        for (struct task *task = hand->tasks; task; task = task->next)
                task->slot = sd_bus_slot_unref(task->slot);
        while (hand->tasks) {
                bool ordered = hand->tasks->ordered;

                task_end(hand->tasks, ordered ? OUTCOME_TIMEOUT : OUTCOME_FAILED,
                         ordered ? "the connection to systemd broke before the job ended" : "no connection to systemd");
        }
}

int systemd_hand_new(sd_event *event, struct bus *bus, const struct proc *proc, struct systemd_hand **ret)
{
        struct systemd_hand *hand = calloc(1, sizeof(*hand));

        if (!hand)
                return -ENOMEM;
        hand->event = sd_event_ref(event);
        hand->bus = bus;
        hand->proc = proc;
        hand->watcher = (struct bus_watcher){ .up = on_up, .down = on_down, .self = hand };
        bus_watch(bus, &hand->watcher);
        *ret = hand;
        return 0;
}

struct systemd_hand *systemd_hand_free(struct systemd_hand *hand)
{
        if (!hand)
                return NULL;
        bus_unwatch(hand->bus, &hand->watcher);
        hand->connection = NULL;
        while (hand->tasks) {
                struct task *task = hand->tasks;
                struct errand *errand = task->errand;

                hand->tasks = task->next;
                task_free(task);
                errand->done(errand, OUTCOME_UNKNOWN, "Governor ended before the job did");
        }
        sd_bus_slot_unref(hand->jobs);
        sd_bus_slot_unref(hand->subscribing);
        sd_event_unref(hand->event);
        free(hand);
        return NULL;
}
