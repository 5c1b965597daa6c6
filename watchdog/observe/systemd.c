#include "observe/systemd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "observe/systemd_known.h"
#include "observe/systemd_unit.h"

#define LIST_EVERY USEC_PER_MINUTE
#define LIST_SLACK (10 * USEC_PER_SEC)
#define LIST_SOON (200 * USEC_PER_MSEC)  /* a burst of new units, or a storm of reloads, is one list */
#define LIST_AT_LEAST (2 * USEC_PER_SEC) /* however long the storm lasts */
#define CALL_MOST (10 * USEC_PER_SEC)
#define SOURCE "systemd"
#define ASK_AT_ONCE 32 /* dbus-daemon refuses the 129th call of a connection that waits for its answer */

/* Services with random names (systemd-run) come and go for ever; beyond this many those that went are forgotten. */
#define STRANGERS_MOST 1024

struct systemd {
        struct systemd_options options;
        struct systemd_world world;
        struct bus_watcher watcher;
        sd_bus *connection; /* a loan, NULL while there is none */
        sd_bus_slot *properties, *signals, *subscribing, *listing;
        sd_event_source *list_timer, *settle_timer, *absent;
        struct systemd_files files;
        int cgroups; /* directory of the cgroup tree */
        struct known_table known;
        size_t to_ask_n, asking_n;
        usec_t list_by;  /* a list is due soon, at the latest then; 0 none */
        bool list_after; /* one became due while another was under way, which may not have seen what is new */
        bool listed;     /* on this connection: what appears from now on was loaded before our eyes */
        bool reloading;  /* between Reloading(true) and (false): every unit is "removed" and "new" */
        bool look_again; /* the next list reads every wanted unit anew: something may have been missed */
        enum source_state state;
};

DEFINE_CLEANUP_FUNC(struct systemd *, systemd_free);

/* ---- what is known --------------------------------------------------------------------------------------------------- */

static void drop_known(struct systemd *systemd, size_t at)
{
        systemd->to_ask_n -= systemd->known.list[at]->to_ask;
        systemd->asking_n -= systemd->known.list[at]->asking != NULL;
        known_drop(&systemd->known, at);
}

/* ---- facts ----------------------------------------------------------------------------------------------------------- */

static usec_t now_of(const struct systemd *systemd)
{
        return clock_now(systemd->options.clock);
}

static void tell_source(struct systemd *systemd, enum source_state state, const char *why)
{
        struct fact fact = { .kind = FACT_SOURCE, .at = now_of(systemd), .manager = MANAGER_SYSTEMD, .agent = "" };

        if (state == systemd->state)
                return;
        systemd->state = state;
        fact.source.name = SOURCE;
        fact.source.state = state;
        fact.source.why = why;
        systemd->options.sink.take(systemd->options.sink.self, &fact);
}

static void tell_depends(struct systemd *systemd, const struct known *known, const struct known *base,
                         enum dependency dependency)
{
        struct fact fact = { .kind = FACT_DEPENDS, .at = now_of(systemd), .manager = MANAGER_SYSTEMD };

        fact.agent = known->unit->agent;
        fact.depends.on = base->unit->agent;
        fact.depends.dependency = dependency;
        systemd->options.sink.take(systemd->options.sink.self, &fact);
}

/* The strongest tie that `known` has to `base`. */
static enum dependency tie_between(const struct known *known, const struct known *base)
{
        static const enum dependency strongest_first[] = { DEPENDENCY_BINDS, DEPENDENCY_REQUIRES, DEPENDENCY_PART };

        for (size_t i = 0; i < 3; i++)
                for (char **one = known->bases[strongest_first[i]]; one && *one; one++)
                        if (strcmp(*one, base->name) == 0)
                                return strongest_first[i];
        return DEPENDENCY_NONE;
}

/* Ties between wanted services, in both directions: either of the two may have become known first. */
static void tell_ties(struct systemd *systemd, const struct known *known)
{
        for (size_t i = 0; i < systemd->known.n; i++) {
                const struct known *other = systemd->known.list[i];
                enum dependency tie;

                if (other == known || !other->unit)
                        continue;
                if ((tie = tie_between(known, other)) != DEPENDENCY_NONE)
                        tell_depends(systemd, known, other, tie);
                if ((tie = tie_between(other, known)) != DEPENDENCY_NONE)
                        tell_depends(systemd, other, known, tie);
        }
}

static bool world_began(void *self, pid_t pid, uint64_t *ret_start, usec_t *ret_since)
{
        struct systemd *systemd = self;
        struct proc_stat stat;

        if (proc_stat(systemd->options.proc, pid, &stat) < 0)
                return false;
        *ret_start = stat.start;
        *ret_since = clock_of_ticks(systemd->options.clock, stat.start);
        return true;
}

static bool world_package_run(void *self)
{
        struct systemd *systemd = self;

        return systemd->options.package_run && systemd->options.package_run(systemd->options.self);
}

/* ---- timers ---------------------------------------------------------------------------------------------------------- */

static void settle_arm(struct systemd *systemd, usec_t at)
{
        uint64_t armed = 0;
        int enabled = SD_EVENT_OFF;

        if (at == 0)
                return;
        at = clock_boottime(systemd->options.clock, at);
        (void)sd_event_source_get_enabled(systemd->settle_timer, &enabled);
        (void)sd_event_source_get_time(systemd->settle_timer, &armed);
        if (enabled != SD_EVENT_OFF && armed <= at)
                return;
        (void)sd_event_source_set_time(systemd->settle_timer, at);
        (void)sd_event_source_set_enabled(systemd->settle_timer, SD_EVENT_ONESHOT);
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct systemd *systemd = userdata;
        usec_t now = now_of(systemd), next = USEC_INFINITY;

        for (size_t i = 0; i < systemd->known.n; i++) {
                struct systemd_unit *unit = systemd->known.list[i]->unit;

                if (!unit)
                        continue;
                systemd_unit_settle(unit, now, &systemd->world);
                if (unit->settle != 0 && unit->settle < next)
                        next = unit->settle;
        }
        if (next != USEC_INFINITY)
                settle_arm(systemd, next);
        return 0;
}

static void list_arm(struct systemd *systemd, usec_t wait, usec_t slack)
{
        (void)sd_event_source_set_time_accuracy(systemd->list_timer, slack);
        (void)sd_event_source_set_time_relative(systemd->list_timer, wait);
        (void)sd_event_source_set_enabled(systemd->list_timer, SD_EVENT_ONESHOT);
}

/* A list for what is new. One that is due already is soon enough, but for a storm of reloads it waits until that is over. */
static void list_soon(struct systemd *systemd, bool storm)
{
        usec_t now = now_of(systemd);

        if (systemd->list_by != 0 && !storm)
                return;
        if (systemd->list_by == 0)
                systemd->list_by = now + LIST_AT_LEAST;
        list_arm(systemd, now + LIST_SOON < systemd->list_by ? LIST_SOON : usec_since(systemd->list_by, now), 1);
}

/* ---- one unit -------------------------------------------------------------------------------------------------------- */

static int keep(char **at, const char *value)
{
        char *copy = strdup(value ? value : "");

        if (!copy)
                return -ENOMEM;
        free(*at);
        *at = copy;
        return 0;
}

static int keep_looks(struct known *known, struct systemd_change *change)
{
        const char *slash = change->exec_start ? strrchr(change->exec_start, '/') : NULL;
        int r;

        if ((r = keep(&known->looks.fragment, change->fragment)) < 0 ||
            (r = keep(&known->looks.type, change->type)) < 0 ||
            (r = keep(&known->looks.executable, slash ? slash + 1 : "")) < 0)
                return r;
        bases_done(known);
        known->bases[DEPENDENCY_REQUIRES] = TAKE_PTR(change->requires);
        known->bases[DEPENDENCY_BINDS] = TAKE_PTR(change->binds_to);
        known->bases[DEPENDENCY_PART] = TAKE_PTR(change->part_of);
        return 0;
}

static bool is_loaded_as(const struct systemd_change *change, const char *load)
{
        return change->load && strcmp(change->load, load) == 0;
}

static bool is_masked(const struct systemd_change *change)
{
        return is_loaded_as(change, "masked");
}

static bool is_wanted(const struct known *known, bool masked)
{
        struct unit_looks looks = {
                .name = known->name,
                .fragment = known->looks.fragment,
                .type = known->looks.type,
                .executable = known->looks.executable,
                .masked = masked,
        };

        return known->systemd->options.wants(known->systemd->options.self, &looks);
}

static void known_gone(struct known *known)
{
        struct systemd *systemd = known->systemd;

        if (known->unit)
                systemd_unit_gone(known->unit, now_of(systemd), &systemd->world);
        else if (known->remembered)
                systemd_unit_missing(known->name, now_of(systemd), &systemd->world);
        free(known->unit);
        known->unit = NULL;
        known->remembered = false;
}

/* All properties of a unit came: first sight, or a look at what may have been missed. */
static int known_take(struct known *known, struct systemd_change *change)
{
        struct systemd *systemd = known->systemd;
        int r = keep_looks(known, change);

        if (r < 0)
                return r;
        if (!is_wanted(known, is_masked(change)) || (known->remembered && is_loaded_as(change, "not-found"))) {
                if (known->unit)
                        systemd_files_lost(&systemd->files, known->name, !is_masked(change));
                known_gone(known);
                looks_done(&known->looks);
                bases_done(known);
                return 0;
        }
        if (known->unit) {
                systemd_unit_change(known->unit, change, true, now_of(systemd), &systemd->world);
                settle_arm(systemd, known->unit->settle);
                systemd_files_tell(&systemd->files, known->name, change);
                return 0;
        }
        known->unit = calloc(1, sizeof(*known->unit));
        if (!known->unit)
                return -ENOMEM;
        known->remembered = false;
        systemd_unit_first(known->unit, known->name, change, known->fresh, now_of(systemd), &systemd->world);
        tell_ties(systemd, known);
        systemd_files_tell(&systemd->files, known->name, change);
        return 0;
}

static void ask_more(struct systemd *systemd);

static int on_properties(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(systemd_change_done) struct systemd_change change = { .has = 0 };
        struct known *known = userdata;
        struct systemd *systemd = known->systemd;

        known->asking = sd_bus_slot_unref(known->asking);
        systemd->asking_n--;
        /* unloaded meanwhile, no answer in time, out of memory: not judged, so the next list asks again */
        known->judged = !sd_bus_message_is_method_error(message, NULL) && systemd_change_read(message, &change) >= 0 &&
                        known_take(known, &change) >= 0;
        ask_more(systemd);
        return 0;
}

/* GetAll with an empty interface is one message that holds the unit's and the service's properties of one moment. */
static int known_ask(struct known *known)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        sd_bus *connection = known->systemd->connection;
        int r;

        if ((r = sd_bus_message_new_method_call(connection, &call, BUS_SYSTEMD, known->path,
                                                "org.freedesktop.DBus.Properties", "GetAll")) < 0 ||
            (r = sd_bus_message_append(call, "s", "")) < 0)
                return r;
        return sd_bus_call_async(connection, &known->asking, call, on_properties, known, CALL_MOST);
}

static void ask_more(struct systemd *systemd)
{
        for (size_t i = 0; i < systemd->known.n && systemd->to_ask_n > 0 && systemd->asking_n < ASK_AT_ONCE; i++) {
                struct known *known = systemd->known.list[i];

                if (!known->to_ask || !systemd->connection)
                        continue;
                known->to_ask = false;
                systemd->to_ask_n--;
                if (known_ask(known) >= 0)
                        systemd->asking_n++;
                else
                        known->judged = false;
        }
}

static void known_to_ask(struct known *known)
{
        if (known->to_ask || known->asking)
                return;
        known->to_ask = true;
        known->systemd->to_ask_n++;
}

/* ---- frozen units ----------------------------------------------------------------------------------------------------- */

/* -errno where the cgroup or the file is not there: then nothing is known, and nothing is told. */
static int read_frozen(const struct systemd *systemd, pid_t pid)
{
        char cgroup[PROC_CGROUP_MAX], path[PROC_CGROUP_MAX + 16], text[256];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;
        int r = proc_cgroup(systemd->options.proc, pid, cgroup);

        if (r < 0)
                return r;
        snprintf(path, sizeof(path), ".%s/cgroup.events", cgroup);
        fd = openat(systemd->cgroups, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        return strstr(text, "frozen 1") != NULL;
}

static void look_for_frost(struct systemd *systemd)
{
        for (size_t i = 0; i < systemd->known.n; i++) {
                struct systemd_unit *unit = systemd->known.list[i]->unit;
                int frozen = unit && unit->main_pid > 0 ? read_frozen(systemd, unit->main_pid) : -ESRCH;

                if (frozen >= 0 && unit->frozen != (frozen > 0))
                        systemd_unit_frozen(unit, frozen > 0, now_of(systemd), &systemd->world);
        }
}

/* ---- the list -------------------------------------------------------------------------------------------------------- */

struct listed {
        const char *name, *load, *active, *sub, *path;
        uint32_t job;
};

/* Whether an administrator has put a file for it by now; it had none when it was found not to be wanted. */
static bool has_own_file(const char *name)
{
        static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/system" };
        char path[PROC_UNIT_MAX + 32];

        for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
                snprintf(path, sizeof(path), "%s/%.255s", folders[i], name);
                if (access(path, F_OK) >= 0)
                        return true;
        }
        return false;
}

static bool needs_asking(const struct known *known, const struct listed *listed)
{
        if (!known->judged)
                return true;
        if (!known->unit)
                return known->systemd->look_again && has_own_file(known->name);
        return known->systemd->look_again || strcmp(known->unit->active, listed->active) != 0 ||
               strcmp(known->unit->sub, listed->sub) != 0;
}

static void take_listed(struct systemd *systemd, const struct listed *listed)
{
        struct known *known = known_find(&systemd->known, listed->path);

        if (unit_is_untouchable(listed->name) || strcmp(listed->load, "not-found") == 0)
                return;
        if (!known) {
                if (known_add(&systemd->known, listed->name, listed->path, &known) < 0)
                        return; /* out of memory: once more at the next list */
                known->systemd = systemd;
                known->fresh = systemd->listed;
        }
        known->loaded = true;
        if (needs_asking(known, listed))
                known_to_ask(known);
}

/* Not loaded any more: gone when its file is, else stopped, which is what systemd says by forgetting it. */
static void known_unloaded(struct known *known)
{
        struct systemd *systemd = known->systemd;
        const struct systemd_change dead = {
                .has = 1 << PROPERTY_ACTIVE_STATE | 1 << PROPERTY_SUB_STATE | 1 << PROPERTY_MAIN_PID,
                .active = "inactive",
                .sub = "dead",
        };

        if (!known->unit)
                return;
        systemd_files_lost(&systemd->files, known->name, false);
        if (!*known->looks.fragment || access(known->looks.fragment, F_OK) < 0) {
                known_gone(known);
                return;
        }
        systemd_unit_change(known->unit, &dead, true, now_of(systemd), &systemd->world);
        settle_arm(systemd, known->unit->settle);
}

static void forget_unloaded(struct systemd *systemd)
{
        for (size_t i = systemd->known.n; i-- > 0;) {
                struct known *known = systemd->known.list[i];
                bool was_wanted = known->unit;

                if (known->loaded)
                        continue;
                if (known->remembered) {
                        known_to_ask(known); /* to answer, systemd looks whether there is still such a unit */
                        continue;
                }
                known_unloaded(known);
                if (!known->unit && (was_wanted || systemd->look_again || systemd->known.n > STRANGERS_MOST))
                        drop_known(systemd, i); /* what was not wanted is judged anew when it comes back */
        }
}

static int take_list(struct systemd *systemd, sd_bus_message *message)
{
        int r = sd_bus_message_enter_container(message, 'a', "(ssssssouso)");

        for (size_t i = 0; i < systemd->known.n; i++)
                systemd->known.list[i]->loaded = false;
        while (r >= 0) {
                const char *skip;
                struct listed listed;

                r = sd_bus_message_read(message, "(ssssssouso)", &listed.name, &skip, &listed.load, &listed.active,
                                        &listed.sub, &skip, &listed.path, &listed.job, &skip, &skip);
                if (r <= 0)
                        break;
                take_listed(systemd, &listed);
        }
        if (r < 0)
                return r;
        forget_unloaded(systemd);
        systemd->look_again = false;
        systemd->listed = true;
        ask_more(systemd);
        return 0;
}

static void list_failed(struct systemd *systemd, int r)
{
        char why[160];

        snprintf(why, sizeof(why), "systemd does not list its units: %s", strerror(-r));
        tell_source(systemd, SOURCE_BLIND, why);
        systemd->look_again = true;
        if (r == -ETIMEDOUT || r == -ECONNRESET)
                bus_reset(systemd->options.bus, r);
        else
                list_arm(systemd, LIST_AT_LEAST, USEC_PER_SEC);
}

static int on_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct systemd *systemd = userdata;
        int r;

        systemd->listing = sd_bus_slot_unref(systemd->listing);
        if (systemd->list_after)
                list_soon(systemd, false);
        else if (systemd->list_by == 0) /* otherwise the timer is set for what came while we waited */
                list_arm(systemd, LIST_EVERY, LIST_SLACK);
        systemd->list_after = false;
        r = sd_bus_message_is_method_error(message, NULL) ? -sd_bus_message_get_errno(message)
                                                          : take_list(systemd, message);
        if (r < 0) {
                list_failed(systemd, r);
                return 0;
        }
        tell_source(systemd, SOURCE_SEEING, "");
        look_for_frost(systemd);
        return 0;
}

static int list_now(struct systemd *systemd)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        systemd->list_by = 0;
        if (!systemd->connection)
                return 0;
        if (systemd->listing) {
                systemd->list_after = true;
                return 0;
        }
        if ((r = sd_bus_message_new_method_call(systemd->connection, &call, BUS_SYSTEMD, BUS_OBJECT, BUS_MANAGER,
                                                "ListUnitsByPatterns")) < 0 ||
            (r = sd_bus_message_append(call, "asas", 0, 1, "*.service")) < 0)
                return r;
        return sd_bus_call_async(systemd->connection, &systemd->listing, call, on_list, systemd, CALL_MOST);
}

static int on_list_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct systemd *systemd = userdata;
        int r;

        systemd->reloading = false; /* whoever began to reload and never said it was over */
        r = list_now(systemd);
        if (r < 0)
                list_failed(systemd, r);
        return 0;
}

/* ---- signals --------------------------------------------------------------------------------------------------------- */

static int on_properties_changed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(systemd_change_done) struct systemd_change change = { .has = 0 };
        struct systemd *systemd = userdata;
        const struct known *known = known_find(&systemd->known, sd_bus_message_get_path(message));
        const char *interface;

        if (!known || !known->unit || !bus_signal_is_genuine(message) ||
            sd_bus_message_read(message, "s", &interface) < 0)
                return 0;
        if (strcmp(interface, BUS_UNIT) != 0 && strcmp(interface, BUS_SERVICE) != 0)
                return 0;
        if (systemd_change_read(message, &change) < 0)
                return 0; /* not what systemd sends; the next list sees what it was about */
        systemd_unit_change(known->unit, &change, false, now_of(systemd), &systemd->world);
        settle_arm(systemd, known->unit->settle);
        return 0;
}

static struct systemd_unit *unit_of_job(struct systemd *systemd, const char *name)
{
        const struct known *known = known_by_name(&systemd->known, name);

        return known ? known->unit : NULL;
}

static void take_job(struct systemd *systemd, sd_bus_message *message, bool removed)
{
        struct systemd_unit *unit;
        const char *path, *name;
        uint32_t id;

        if (sd_bus_message_read(message, "uos", &id, &path, &name) < 0 || !(unit = unit_of_job(systemd, name)))
                return;
        if (removed)
                systemd_unit_job_removed(unit, id);
        else
                systemd_unit_job_new(unit, id);
}

static void take_unit(struct systemd *systemd, sd_bus_message *message, bool removed)
{
        const char *name, *path;
        const struct known *known;

        if (systemd->reloading || sd_bus_message_read(message, "so", &name, &path) < 0 || unit_is_untouchable(name))
                return;
        known = known_find(&systemd->known, path);
        if (removed ? known && known->unit : !known)
                list_soon(systemd, false);
}

static void take_reloading(struct systemd *systemd, sd_bus_message *message)
{
        int active;

        if (sd_bus_message_read(message, "b", &active) < 0)
                return;
        systemd->reloading = active;
        systemd->look_again = true;
        systemd_files_reloading(&systemd->files, active);
        if (!active)
                list_soon(systemd, true);
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct systemd *systemd = userdata;
        const char *member = sd_bus_message_get_member(message);

        if (!bus_signal_is_genuine(message) || !member)
                return 0;
        if (strcmp(member, "JobNew") == 0 || strcmp(member, "JobRemoved") == 0)
                take_job(systemd, message, member[3] == 'R');
        else if (strcmp(member, "UnitNew") == 0 || strcmp(member, "UnitRemoved") == 0)
                take_unit(systemd, message, member[4] == 'R');
        else if (strcmp(member, "Reloading") == 0)
                take_reloading(systemd, message);
        return 0;
}

/* ---- the connection -------------------------------------------------------------------------------------------------- */

static int on_subscribed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct systemd *systemd = userdata;

        systemd->subscribing = sd_bus_slot_unref(systemd->subscribing);
        if (sd_bus_message_is_method_error(message, NULL) &&
            !sd_bus_message_is_method_error(message, BUS_SYSTEMD ".AlreadySubscribed"))
                list_failed(systemd, -sd_bus_message_get_errno(message));
        return 0;
}

/* Matches before Subscribe before the list: what happens in between is then told twice, never lost. */
static int subscribe(struct systemd *systemd)
{
        sd_bus *connection = systemd->connection;
        int r;

        if ((r = sd_bus_add_match_async(connection, &systemd->properties,
                                        "type='signal',sender='" BUS_SYSTEMD "',"
                                        "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                                        "path_namespace='" BUS_UNIT_PATH "'",
                                        on_properties_changed, NULL, systemd)) < 0 ||
            (r = sd_bus_add_match_async(connection, &systemd->signals,
                                        "type='signal',sender='" BUS_SYSTEMD "',interface='" BUS_MANAGER "',"
                                        "path='" BUS_OBJECT "'",
                                        on_signal, NULL, systemd)) < 0 ||
            (r = sd_bus_call_method_async(connection, &systemd->subscribing, BUS_SYSTEMD, BUS_OBJECT, BUS_MANAGER,
                                          "Subscribe", on_subscribed, systemd, NULL)) < 0 ||
            (r = systemd_files_ask(&systemd->files, connection)) < 0)
                return r;
        return list_now(systemd);
}

static void on_up(void *self, sd_bus *connection)
{
        struct systemd *systemd = self;
        int r;

        systemd->connection = connection;
        systemd->look_again = true;
        systemd->listed = systemd->list_after = false;
        r = subscribe(systemd);
        if (r < 0)
                list_failed(systemd, r);
}

static void drop_slots(struct systemd *systemd)
{
        systemd->properties = sd_bus_slot_unref(systemd->properties);
        systemd->signals = sd_bus_slot_unref(systemd->signals);
        systemd->subscribing = sd_bus_slot_unref(systemd->subscribing);
        systemd->listing = sd_bus_slot_unref(systemd->listing);
        systemd_files_forget(&systemd->files);
        for (size_t i = 0; i < systemd->known.n; i++) {
                systemd->known.list[i]->asking = sd_bus_slot_unref(systemd->known.list[i]->asking);
                systemd->known.list[i]->to_ask = false;
        }
        systemd->asking_n = systemd->to_ask_n = 0;
}

static void on_down(void *self, int reason)
{
        struct systemd *systemd = self;
        char why[160];

        drop_slots(systemd);
        systemd->connection = NULL;
        systemd->reloading = false;
        for (size_t i = 0; i < systemd->known.n; i++)
                if (systemd->known.list[i]->unit) /* its end will not be heard */
                        systemd_unit_job_removed(systemd->known.list[i]->unit, systemd->known.list[i]->unit->job);
        (void)sd_event_source_set_enabled(systemd->list_timer, SD_EVENT_OFF);
        snprintf(why, sizeof(why), "no connection to systemd: %s", strerror(-reason));
        tell_source(systemd, SOURCE_BLIND, why);
}

static int on_absent(sd_event_source *source, void *userdata)
{
        tell_source(userdata, SOURCE_ABSENT, "this machine was not booted with systemd");
        return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

static int timers_new(struct systemd *systemd)
{
        sd_event *event = systemd->options.event;
        int r;

        if ((r = sd_event_add_time(event, &systemd->list_timer, CLOCK_BOOTTIME, 0, 1, on_list_timer, systemd)) < 0 ||
            (r = sd_event_source_set_enabled(systemd->list_timer, SD_EVENT_OFF)) < 0 ||
            (r = sd_event_add_time(event, &systemd->settle_timer, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_settle,
                                   systemd)) < 0)
                return r;
        return sd_event_source_set_enabled(systemd->settle_timer, SD_EVENT_OFF);
}

int systemd_new(const struct systemd_options *options, struct systemd **ret)
{
        _cleanup_(systemd_freep) struct systemd *systemd = calloc(1, sizeof(*systemd));
        int r;

        if (!systemd)
                return -ENOMEM;
        systemd->options = *options;
        systemd->files = (struct systemd_files){ .sink = options->files };
        systemd->cgroups =
                open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC); /* none: no unit is told as frozen */
        systemd->world = (struct systemd_world){
                .sink = options->sink,
                .began = world_began,
                .package_run = world_package_run,
                .self = systemd,
        };
        r = timers_new(systemd);
        if (r < 0)
                return r;
        if (sd_booted() <= 0) {
                r = sd_event_add_defer(options->event, &systemd->absent, on_absent, systemd);
                if (r < 0)
                        return r;
        } else {
                systemd->watcher = (struct bus_watcher){ .up = on_up, .down = on_down, .self = systemd };
                bus_watch(options->bus, &systemd->watcher);
        }
        *ret = TAKE_PTR(systemd);
        return 0;
}

struct systemd *systemd_free(struct systemd *systemd)
{
        if (!systemd)
                return NULL;
        if (systemd->watcher.self)
                bus_unwatch(systemd->options.bus, &systemd->watcher);
        drop_slots(systemd);
        sd_event_source_disable_unref(systemd->list_timer);
        sd_event_source_disable_unref(systemd->settle_timer);
        sd_event_source_disable_unref(systemd->absent);
        for (size_t i = 0; i < systemd->known.n; i++)
                known_free(systemd->known.list[i]);
        free(systemd->known.list);
        close_fd(systemd->cgroups);
        free(systemd);
        return NULL;
}

int systemd_remember(struct systemd *systemd, const char *name)
{
        _cleanup_free_ char *path = NULL;
        struct known *known;
        int r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", name, &path);

        if (r < 0)
                return r;
        known = known_find(&systemd->known, path);
        if (!known && (r = known_add(&systemd->known, name, path, &known)) < 0)
                return r;
        known->systemd = systemd;
        known->remembered = !known->unit;
        return 0;
}

void systemd_again(struct systemd *systemd)
{
        for (size_t i = systemd->known.n; i-- > 0;)
                if (!systemd->known.list[i]->unit && !systemd->known.list[i]->remembered)
                        drop_known(systemd, i);
        systemd->look_again = true;
        list_soon(systemd, false);
}
