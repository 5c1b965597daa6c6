#include "heal/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "heal/drop_in.h"
#include "io/cleanup.h"
#include "io/unit_limits.h"

#define ID_PREFIX "systemd:"
#define TEXT_MAX 512
#define ANSWER_MOST (10 * USEC_PER_SEC) /* a property */
#define RELOAD_MOST (60 * USEC_PER_SEC) /* all units of the machine are read again */
#define ERRAND_MOST (90 * USEC_PER_SEC) /* all of it, the wait for a connection too */
#define KERNEL_MOST (3 * USEC_PER_SEC)  /* systemd tells the kernel some time after it has answered */
#define KERNEL_AGAIN (100 * USEC_PER_MSEC)
#define PROCS_MAX (64 * 1024)
#define UNHEARD "systemd has not said whether it read the file"

enum stage {
        STAGE_WAITING,   /* for its turn, or for a connection */
        STAGE_LOOKING,   /* whether the unit may be limited */
        STAGE_RELOADING, /* the files are as wanted */
        STAGE_CHECKING,  /* that it came out so */
        STAGE_UNDOING,   /* it did not: the files are as they were, and systemd reads them */
};

struct task {
        struct limits_hand *hand;
        struct errand *errand;
        struct task *next;
        const char *unit; /* a loan from the errand's agent */
        enum stage stage;
        sd_bus_slot *slot;
        sd_event_source *deadline, *again;
        usec_t kernel_since;            /* when the kernel was looked at first; 0: not yet */
        char *before[LIMITS_PLACE_N];   /* our files as they were */
        bool was_there[LIMITS_PLACE_N]; /* `before` is known, NULL meaning none */
        bool written, reloaded;
        bool taken;          /* systemd has read what we wrote */
        char text[TEXT_MAX]; /* what went wrong */
};

struct limits_hand {
        sd_event *event;
        struct limits_hand_options options;
        struct bus_watcher watcher;
        sd_bus *connection;
        struct task *tasks; /* oldest first: only that one is under way */
};

static void task_begin(struct task *task);
static void task_reload(struct task *task);

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static struct task *task_free(struct task *task)
{
        if (!task)
                return NULL;
        sd_bus_slot_unref(task->slot);
        sd_event_source_disable_unref(task->deadline);
        sd_event_source_disable_unref(task->again);
        for (unsigned place = 0; place < LIMITS_PLACE_N; place++)
                free(task->before[place]);
        free(task);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct task *, task_free);

/* The first in the row is under way, so whoever ends is the first. */
static void task_end(struct task *task, enum outcome outcome, const char *text)
{
        struct limits_hand *hand = task->hand;
        struct errand *errand = task->errand;
        char said[TEXT_MAX];

        text_copy_safe(said, sizeof(said), text);
        for (struct task **at = &hand->tasks; *at; at = &(*at)->next)
                if (*at == task) {
                        *at = task->next;
                        break;
                }
        task_free(task);
        if (hand->tasks && hand->tasks->stage == STAGE_WAITING)
                task_begin(hand->tasks);
        errand->hand = NULL;
        errand->done(errand, outcome, said);
}

static bool is_unlimit(const struct task *task)
{
        return task->errand->action == ACTION_UNLIMIT;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct task *task = userdata;

        (void)source, (void)usec;
        if (task->written && task->stage == STAGE_WAITING)
                task_end(task, OUTCOME_FAILED,
                         "the file is gone, and there is no connection to systemd to tell it: systemctl daemon-reload");
        else if (task->stage == STAGE_WAITING || task->stage == STAGE_LOOKING)
                task_end(task, OUTCOME_FAILED,
                         task->hand->connection ? "systemd does not answer" : "no connection to systemd");
        else
                task_end(task, OUTCOME_TIMEOUT, UNHEARD);
        return 0;
}

/* ---- the files ------------------------------------------------------------------------------------------------------- */

static int set_file(struct task *task, enum limits_place place, const char *text)
{
        char path[LIMITS_PATH_MAX];
        int r;

        if (!limits_path(place, task->unit, path))
                return -EINVAL;
        if (!task->was_there[place]) {
                r = drop_in_read(task->hand->options.root, path, &task->before[place]);
                if (r < 0)
                        return r;
                task->was_there[place] = true;
        }
        return drop_in_set(task->hand->options.root, path, text);
}

static int write_files(struct task *task)
{
        const struct errand *errand = task->errand;
        const struct drop_in drop_in = {
                .unit = task->unit,
                .limits = &errand->limits,
                .trial = errand->trial,
                .why = errand->why ? errand->why : "",
                .at = (usec_t)time(NULL) * USEC_PER_SEC,
        };
        _cleanup_free_ char *text = is_unlimit(task) ? NULL : drop_in_text(&drop_in);
        int r;

        if (!text && !is_unlimit(task))
                return -ENOMEM;
        r = set_file(task, errand->limits.place, text);
        if (r >= 0 && errand->limits.place == LIMITS_KEPT && !is_unlimit(task)) /* what is kept is on trial no more */
                r = set_file(task, LIMITS_TRIAL, NULL);
        return r;
}

/* Everything as it was; what fails here is said, and rescue.sh knows the file too. */
static void restore_files(struct task *task)
{
        char path[LIMITS_PATH_MAX];

        for (enum limits_place place = LIMITS_NOWHERE + 1; place < LIMITS_PLACE_N; place++)
                if (task->was_there[place] && limits_path(place, task->unit, path) &&
                    drop_in_set(task->hand->options.root, path, task->before[place]) < 0)
                        text_append(task->text, sizeof(task->text), "; '%s' could not be put back", path);
}

static void describe_write(struct task *task, int r)
{
        char path[LIMITS_PATH_MAX] = "";

        limits_path(task->errand->limits.place, task->unit, path);
        if (r == -EEXIST)
                snprintf(task->text, sizeof(task->text), "'%s' is not Governor's: it is left as it is", path);
        else
                snprintf(task->text, sizeof(task->text), "cannot write '%s': %s", path, strerror(-r));
}

/* It did not come out as wanted: back to what was. Of a taking back there is nothing to undo, it is tried again. */
static void task_fail(struct task *task)
{
        if (is_unlimit(task) || task->stage == STAGE_UNDOING || !task->written) {
                task_end(task, OUTCOME_FAILED, task->text);
                return;
        }
        restore_files(task);
        task->stage = STAGE_UNDOING;
        task_reload(task);
}

static void fail_with(struct task *task, const char *what, const sd_bus_error *error)
{
        snprintf(task->text, sizeof(task->text), "%s%s%s", what, error && error->message ? ": " : "",
                 error && error->message ? error->message : "");
        task_fail(task);
}

/* ---- the check ------------------------------------------------------------------------------------------------------- */

static void append_names(char *text, unsigned limits)
{
        const char *between = "";

        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                if (limits & 1u << limit) {
                        text_append(text, TEXT_MAX, "%s%s", between, limit_name(limit));
                        between = ", ";
                }
}

static void describe_done(const struct task *task, unsigned possible, char *text)
{
        unsigned without = task->errand->limits.set & ~possible & ~(1u << LIMIT_OOM_POLICY);

        if (is_unlimit(task)) {
                snprintf(text, TEXT_MAX, "%s",
                         "taken back, and systemd and the kernel have what the unit's other files say");
                return;
        }
        snprintf(text, TEXT_MAX, "%s", "in force");
        if (without == 0)
                return;
        text_append(text, TEXT_MAX, "; BUT nothing comes of ");
        append_names(text, without);
        text_append(text, TEXT_MAX, " on this machine: its kernel keeps no such limit in the cgroup v2 tree");
}

static void complain_of_systemd(struct task *task, const struct unit_limits *now, unsigned differing)
{
        char is[LIMIT_TEXT_MAX], wanted[LIMIT_TEXT_MAX];

        for (enum limit limit = 0; limit < LIMIT_N; limit++) {
                if (!(differing & 1u << limit))
                        continue;
                snprintf(task->text, sizeof(task->text),
                         "%s is %s and not %s: another drop-in of the unit has the last word (systemctl cat %s)",
                         limit_name(limit), limit_text(limit, now->limits.value[limit], is),
                         limit_text(limit, task->errand->limits.value[limit], wanted), task->unit);
                return;
        }
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata);

/* Asked once more in a moment; false when there was enough of that. */
static bool look_again(struct task *task)
{
        usec_t now = 0;
        int r;

        sd_event_now(task->hand->event, CLOCK_BOOTTIME, &now);
        if (task->kernel_since == 0)
                task->kernel_since = now;
        if (now - task->kernel_since >= task->hand->options.kernel_most)
                return false;
        task->again = sd_event_source_disable_unref(task->again);
        r = sd_event_add_time_relative(task->hand->event, &task->again, CLOCK_BOOTTIME, KERNEL_AGAIN, 1, on_again,
                                       task);
        return r >= 0;
}

/* What the kernel has otherwise than systemd, and what it has no file for although it could. */
struct against {
        unsigned differing, missing;
};

/* Of what is taken back there need be no file any more. */
static struct against against_kernel(const struct task *task, const struct unit_limits *now, unsigned possible)
{
        unsigned ours = task->errand->limits.set;
        struct against against = { 0 };
        struct limits kernel;

        if (!now->control_group[0])
                return against;
        unit_limits_kernel(task->hand->options.cgroups, now->control_group, &kernel);
        against.differing = unit_limits_differing(&now->limits, &kernel) & (ours ? ours : ~0u);
        if (!is_unlimit(task))
                against.missing = ours & possible & ~kernel.set;
        return against;
}

/* A human is told which of the limits do nothing; a step of healing that does nothing is none. */
static bool is_for_nothing(const struct task *task, unsigned possible)
{
        return task->errand->limits.place == LIMITS_QUOTA && !is_unlimit(task) &&
               !(task->errand->limits.set & possible);
}

static void check_kernel(struct task *task, const struct unit_limits *now)
{
        unsigned possible = unit_limits_possible(task->hand->options.cgroups);
        struct against against = against_kernel(task, now, possible);
        char text[TEXT_MAX];

        if ((against.differing || against.missing) && look_again(task))
                return;
        if (against.differing) {
                snprintf(task->text, sizeof(task->text), "systemd took it, and the kernel did not: ");
                append_names(task->text, against.differing);
                task_fail(task);
                return;
        }
        possible &= ~against.missing;
        if (is_for_nothing(task, possible)) {
                snprintf(task->text, sizeof(task->text),
                         "taken back at once: this kernel keeps no CPU quota in the cgroup v2 tree");
                task_fail(task);
                return;
        }
        describe_done(task, possible, text);
        task_end(task, OUTCOME_OK, text);
}

static void check(struct task *task, const struct unit_limits *now)
{
        enum limits_place place = task->errand->limits.place;
        unsigned differing = unit_limits_differing(&task->errand->limits, &now->limits);
        bool is_read = now->read & 1u << place;

        if (is_unlimit(task) && is_read && !task->reloaded) {
                task_reload(task);
        } else if (is_unlimit(task) && is_read) {
                text_copy(task->text, sizeof(task->text), "systemd still has the file that is gone");
                task_fail(task);
        } else if (is_unlimit(task) && !now->loaded) {
                task_end(task, OUTCOME_OK, "taken back; the unit itself is gone");
        } else if (!is_unlimit(task) && (!now->loaded || !is_read)) {
                text_copy(task->text, sizeof(task->text), "systemd did not read the file");
                task_fail(task);
        } else if (!is_unlimit(task) && differing) {
                complain_of_systemd(task, now, differing);
                task_fail(task);
        } else {
                check_kernel(task, now);
        }
}

static int on_checked(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct task *task = userdata;
        struct unit_limits now;

        (void)ret_error;
        if (sd_bus_message_is_method_error(message, NULL))
                fail_with(task, "systemd does not say what it made of it", sd_bus_message_get_error(message));
        else if (unit_limits_read(message, task->unit, &now) < 0)
                fail_with(task, "systemd's answer cannot be read", NULL);
        else
                check(task, &now);
        return 0;
}

static void task_check(struct task *task)
{
        int r = -ENOTCONN;

        task->stage = STAGE_CHECKING;
        task->slot = sd_bus_slot_unref(task->slot);
        if (task->hand->connection)
                r = unit_limits_ask(task->hand->connection, task->unit, ANSWER_MOST, on_checked, task, &task->slot);
        if (r < 0)
                fail_with(task, strerror(-r), NULL);
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source, (void)usec;
        task_check(userdata);
        return 0;
}

/* ---- systemd reads its files ------------------------------------------------------------------------------------------ */

/* No answer is no refusal: systemd may have read the files. */
static bool is_silence(const sd_bus_error *error)
{
        return sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_DISCONNECTED);
}

static int on_reloaded(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct task *task = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(message);
        bool failed = sd_bus_message_is_method_error(message, NULL);

        (void)ret_error;
        if (failed && is_silence(error)) {
                task_end(task, OUTCOME_TIMEOUT, UNHEARD);
        } else if (task->stage == STAGE_UNDOING && failed && task->taken) {
                text_append(task->text, sizeof(task->text), "; the file is taken back, and systemd does not read that");
                task_end(task, OUTCOME_TIMEOUT, task->text);
        } else if (task->stage == STAGE_UNDOING) {
                task_end(task, OUTCOME_FAILED, task->text);
        } else if (failed) {
                fail_with(task, "systemd does not read its files again", error);
        } else {
                task->taken = true;
                task_check(task);
        }
        return 0;
}

static void task_reload(struct task *task)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        sd_bus *connection = task->hand->connection;
        int r = connection ? 0 : -ENOTCONN;

        task->slot = sd_bus_slot_unref(task->slot);
        if (r >= 0)
                r = sd_bus_message_new_method_call(connection, &call, BUS_SYSTEMD, BUS_OBJECT, BUS_MANAGER, "Reload");
        if (r >= 0)
                r = sd_bus_call_async(connection, &task->slot, call, on_reloaded, task, RELOAD_MOST);
        task->reloaded = true;
        if (task->stage != STAGE_UNDOING)
                task->stage = STAGE_RELOADING;
        if (r < 0)
                fail_with(task, strerror(-r), NULL);
}

/* False when the errand ended with it. */
static bool task_write(struct task *task)
{
        int r = write_files(task);

        task->written = r >= 0;
        if (r >= 0)
                return true;
        describe_write(task, r);
        restore_files(task);
        /* nothing of ours is left where somebody else's file stands now */
        task_end(task, r == -EEXIST && is_unlimit(task) ? OUTCOME_OK : OUTCOME_FAILED, task->text);
        return false;
}

/* ---- whether it may be ------------------------------------------------------------------------------------------------- */

/* A limit on the group of a PM2 daemon would be one on all of its apps. */
static pid_t find_god(const struct task *task, const char *control_group)
{
        const struct limits_hand *hand = task->hand;
        char path[PROC_CGROUP_MAX + 32];
        _cleanup_free_ char *list = malloc(PROCS_MAX);
        struct proc_stat stat;

        if (!list || hand->options.cgroups->fd < 0 || strlen(control_group) < 2)
                return 0;
        snprintf(path, sizeof(path), "%s/cgroup.procs", control_group + 1);
        if (proc_read(hand->options.cgroups, path, list, PROCS_MAX) < 0)
                return 0;
        for (char *rest = list, *line; (line = strsep(&rest, "\n"));) {
                pid_t pid = (pid_t)strtol(line, NULL, 10);

                if (pid > 0 && proc_stat(hand->options.proc, pid, &stat) >= 0 && text_starts(stat.comm, "PM2 v"))
                        return pid;
        }
        return 0;
}

static void look(struct task *task, const struct unit_limits *now)
{
        char text[TEXT_MAX];
        pid_t god;

        if (!now->loaded) {
                task_end(task, OUTCOME_FAILED, "there is no such unit");
                return;
        }
        god = find_god(task, now->control_group);
        if (god > 0) {
                snprintf(text, sizeof(text), "never touched: a PM2 daemon (pid %d) and all of its apps live in it",
                         (int)god);
                task_end(task, OUTCOME_REFUSED, text);
                return;
        }
        if (task_write(task))
                task_reload(task);
}

static int on_looked(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct task *task = userdata;
        struct unit_limits now;

        (void)ret_error;
        if (sd_bus_message_is_method_error(message, NULL))
                fail_with(task, "systemd does not tell of the unit", sd_bus_message_get_error(message));
        else if (unit_limits_read(message, task->unit, &now) < 0)
                fail_with(task, "systemd's answer cannot be read", NULL);
        else
                look(task, &now);
        return 0;
}

/* Taking back asks nobody and waits for nobody: the file goes first. One that was not there needs no reading again. */
static void take_back(struct task *task)
{
        enum limits_place place = task->errand->limits.place;

        if (!task->written && !task_write(task))
                return;
        if (!task->hand->connection)
                return;
        if (task->before[place])
                task_reload(task);
        else
                task_check(task);
}

/* Without a connection it waits for one, or for its deadline. */
static void task_begin(struct task *task)
{
        int r;

        if (is_unlimit(task)) {
                take_back(task);
                return;
        }
        if (!task->hand->connection)
                return;
        task->stage = STAGE_LOOKING;
        r = unit_limits_ask(task->hand->connection, task->unit, ANSWER_MOST, on_looked, task, &task->slot);
        if (r < 0)
                fail_with(task, strerror(-r), NULL);
}

/* `done` is never called from inside limits_hand_act(). */
static int on_begin(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct task *task = userdata;

        (void)source, (void)usec;
        if (task->hand->tasks == task && task->stage == STAGE_WAITING)
                task_begin(task);
        return 0;
}

int limits_hand_act(void *self, struct errand *errand)
{
        _cleanup_(task_freep) struct task *task = NULL;
        struct limits_hand *hand = self;
        char path[LIMITS_PATH_MAX];
        struct task **last;
        int r;

        if (!action_is_of_limits(errand->action) || !text_starts(errand->agent, ID_PREFIX) ||
            !limits_path(errand->limits.place, errand->agent + strlen(ID_PREFIX), path))
                return -EINVAL;
        task = calloc(1, sizeof(*task));
        if (!task)
                return -ENOMEM;
        task->hand = hand;
        task->errand = errand;
        task->unit = errand->agent + strlen(ID_PREFIX);
        r = sd_event_add_time_relative(hand->event, &task->deadline, CLOCK_BOOTTIME, ERRAND_MOST, USEC_PER_SEC,
                                       on_deadline, task);
        if (r >= 0)
                r = sd_event_add_time_relative(hand->event, &task->again, CLOCK_BOOTTIME, 0, 1, on_begin, task);
        if (r < 0)
                return r;
        for (last = &hand->tasks; *last;)
                last = &(*last)->next;
        errand->hand = task;
        *last = TAKE_PTR(task);
        return 0;
}

/* ---- the connection -------------------------------------------------------------------------------------------------- */

static void on_up(void *self, sd_bus *connection)
{
        struct limits_hand *hand = self;

        hand->connection = connection;
        if (hand->tasks && hand->tasks->stage == STAGE_WAITING)
                task_begin(hand->tasks);
}

/* What was on its way is lost; those that only wait go on waiting. */
static void on_down(void *self, int reason)
{
        struct limits_hand *hand = self;
        struct task *task = hand->tasks;

        (void)reason;
        hand->connection = NULL;
        if (!task || task->stage == STAGE_WAITING)
                return;
        task->slot = sd_bus_slot_unref(task->slot);
        if (task->stage == STAGE_LOOKING)
                task_end(task, OUTCOME_FAILED, "no connection to systemd");
        else
                task_end(task, OUTCOME_TIMEOUT, UNHEARD);
}

int limits_hand_new(sd_event *event, const struct limits_hand_options *options, struct limits_hand **ret)
{
        struct limits_hand *hand = calloc(1, sizeof(*hand));

        if (!hand)
                return -ENOMEM;
        hand->event = sd_event_ref(event);
        hand->options = *options;
        if (hand->options.kernel_most == 0)
                hand->options.kernel_most = KERNEL_MOST;
        hand->watcher = (struct bus_watcher){ .up = on_up, .down = on_down, .self = hand };
        bus_watch(options->bus, &hand->watcher);
        *ret = hand;
        return 0;
}

struct limits_hand *limits_hand_free(struct limits_hand *hand)
{
        if (!hand)
                return NULL;
        bus_unwatch(hand->options.bus, &hand->watcher);
        hand->connection = NULL;
        while (hand->tasks) {
                struct task *task = hand->tasks;
                struct errand *errand = task->errand;

                hand->tasks = task->next;
                task_free(task);
                errand->done(errand, OUTCOME_UNKNOWN, "Governor ended before systemd had read the file");
        }
        sd_event_unref(hand->event);
        free(hand);
        return NULL;
}
