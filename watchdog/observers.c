#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "absence.h"
#include "base/text.h"
#include "base/unit.h"
#include "declared.h"
#include "heal/limits.h"
#include "heal/pm2.h"
#include "heal/rollback.h"
#include "heal/systemd.h"
#include "io/bus.h"
#include "io/log.h"
#include "io/pm2_directory.h"
#include "io/proc.h"
#include "io/unit_limits.h"
#include "observe/extent.h"
#include "observe/host.h"
#include "observe/oom.h"
#include "observe/package.h"
#include "observe/pm2.h"
#include "observe/process.h"
#include "observe/scales.h"
#include "observe/systemd.h"
#include "observers.h"

#define CGROUPS "/sys/fs/cgroup"

struct observers {
        sd_event *event;
        struct observers_options options;
        struct proc proc, cgroups;
        struct pm2_directory directory;
        struct bus *bus;
        struct systemd *systemd;
        struct systemd_hand *systemd_hand;
        struct limits_hand *limits_hand;
        struct pm2 *pm2;
        struct pm2_hand *pm2_hand;
        struct rollback_hand *rollback_hand;
        struct hands by_manager[MANAGER_N];
        struct process *process;
        struct host *host;
        struct scales *scales;
        struct oom *oom;
        struct declared *declared;
        struct package *package;
};

/*
 * The policy decides what is watched; without one, whatever looks like an agent. What we hold down is watched until it is up
 * again, whatever became of its rule: else it would be forgotten, and stay down.
 */
static bool wants(void *self, const struct unit_looks *looks)
{
        const struct observers *observers = self;
        const struct policy *policy = *observers->options.policy;
        char id[AGENT_ID_MAX];

        snprintf(id, sizeof(id), "systemd:%s", looks->name);
        if (policy->discovered)
                return unit_looks_like_agent(looks) || judge_holds(*observers->options.judge, id);
        return (policy_wants(policy, id) || judge_holds(*observers->options.judge, id)) &&
               !unit_is_untouchable(looks->name);
}

static bool package_run(void *self)
{
        const struct observers *observers = self;

        return observers->host && host_package_run(observers->host);
}

/* An observer that cannot start is a source that is blind from the first moment. */
static void tell_blind(struct observers *observers, const char *name, int error)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(observers->options.clock),
                .agent = "",
                .source = { .name = name, .state = SOURCE_BLIND, .why = strerror(-error) },
        };

        log_failure(error, "Cannot watch '%s'", name);
        observers->options.sink.take(observers->options.sink.self, &fact);
}

/* Whose memory counts and how much is too much stands in the agent's rule. */
static struct measure measure(void *self, const char *agent)
{
        const struct observers *observers = self;
        const struct rule *rule = policy_rule(*observers->options.policy, agent);

        if (!rule)
                return (struct measure){ 0 };
        return (struct measure){ .of = rule->memory.of,
                                 .ceiling_bytes = rule->memory.ceiling_bytes,
                                 .unit_cpu = rule->cpu.quota_percent > 0 };
}

static int start_process(struct observers *observers)
{
        struct process_options options = {
                .clock = observers->options.clock,
                .proc = &observers->proc,
                .cgroups = &observers->cgroups,
                .sink = observers->options.sink,
                .measure = measure,
                .self = observers,
        };

        return process_new(observers->event, &options, &observers->process);
}

static struct host_watch watch_memory(void *self)
{
        const struct observers *observers = self;
        struct floor_view view;

        judge_floor(*observers->options.judge, &view);
        return (struct host_watch){ .floor_bytes = view.floor_bytes, .closely = view.closely };
}

static int start_host(struct observers *observers)
{
        struct host_options options = {
                .clock = observers->options.clock,
                .proc = &observers->proc,
                .sink = observers->options.sink,
                .watch = watch_memory,
                .self = observers,
        };

        return host_new(observers->event, &options, &observers->host);
}

static int start_package(struct observers *observers)
{
        usec_t now = clock_now(observers->options.clock);
        struct package_options options = {
                .clock = observers->options.clock,
                .sink = observers->options.sink,
                .since = observers->options.since ? observers->options.since : usec_since(now, USEC_PER_HOUR),
        };

        return package_new(observers->event, &options, &observers->package);
}

/* ---- what restarts would free --------------------------------------------------------------------------------------------- */

static int start_scales(struct observers *observers)
{
        struct scales_options options = {
                .clock = observers->options.clock,
                .proc = &observers->proc,
                .cgroups = &observers->cgroups,
                .sink = observers->options.sink,
        };

        return scales_new(observers->event, &options, &observers->scales);
}

struct subjects {
        const struct policy *policy;
        struct scales_subject *list;
        size_t n, only;
        const char *agent; /* the only one */
        uint32_t instance;
};

static void add_subject(void *self, const char *agent, uint32_t instance, pid_t pid, uint64_t start)
{
        struct subjects *subjects = self;
        const struct rule *rule = policy_rule(subjects->policy, agent);

        if (*subjects->agent && instance == subjects->instance && strcmp(agent, subjects->agent) == 0)
                subjects->only = subjects->n;
        subjects->list[subjects->n++] = (struct scales_subject){
                .agent = agent, .instance = instance, .pid = pid, .start = start, .spared = rule && rule->critical
        };
}

static size_t list_gods(const struct observers *observers, pid_t gods[PM2_HOMES_MAX])
{
        size_t n = 0;

        for (size_t i = 0; i < observers->directory.n_homes && n < PM2_HOMES_MAX; i++)
                if (observers->directory.homes[i]->god > 0)
                        gods[n++] = observers->directory.homes[i]->god;
        return n;
}

static int weigh(struct observers *observers, struct subjects *subjects)
{
        pid_t gods[PM2_HOMES_MAX];
        struct scales_question question = { .gods = gods, .gods_n = list_gods(observers, gods) };

        process_each(observers->process, add_subject, subjects);
        if (*subjects->agent && subjects->only == SIZE_MAX)
                return 0; /* it does not run: there is nothing to weigh */
        question.subjects = subjects->list;
        question.n = subjects->n;
        question.only = subjects->only;
        return scales_weigh(observers->scales, &question);
}

void observers_weigh(struct observers *observers, const char *agent, uint32_t instance)
{
        struct subjects subjects = {
                .policy = *observers->options.policy, .only = SIZE_MAX, .agent = agent, .instance = instance
        };
        int r = -ENOMEM;

        if (!observers->process || !observers->scales)
                return;
        subjects.list = calloc(process_count(observers->process) + 1, sizeof(*subjects.list));
        if (subjects.list)
                r = weigh(observers, &subjects);
        free(subjects.list);
        if (r < 0)
                log_ignored(r, "Cannot measure what restarts would free");
}

static int start_oom(struct observers *observers)
{
        struct oom_options options = {
                .clock = observers->options.clock,
                .proc = &observers->proc,
                .cgroups = &observers->cgroups,
                .bus = observers->bus,
                .sink = observers->options.sink,
                .log = oom_open_log(),
        };

        return oom_new(observers->event, &options, &observers->oom);
}

/* ---- who was there when we left -------------------------------------------------------------------------------------- */

static struct absence absence_of(const struct observers *observers)
{
        return (struct absence){ *observers->options.judge, observers->options.clock, observers->options.sink };
}

static void on_complete(void *self, const struct pm2_home *home)
{
        struct observers *observers = self;
        const struct absence absence = absence_of(observers);

        absence_apps(&absence, &observers->directory, home);
}

static int start_systemd(struct observers *observers)
{
        struct systemd_options options = {
                .event = observers->event,
                .bus = observers->bus,
                .clock = observers->options.clock,
                .proc = &observers->proc,
                .sink = observers->options.sink,
                .wants = wants,
                .package_run = package_run,
                .files = observers->declared ? declared_units(observers->declared) : NULL,
                .self = observers,
        };
        const struct absence absence = absence_of(observers);
        int r;

        r = systemd_new(&options, &observers->systemd);
        if (r >= 0)
                absence_units(&absence, observers->systemd);
        return r;
}

static int start_pm2(struct observers *observers)
{
        const struct policy *policy = *observers->options.policy;
        const char **homes = calloc(policy->daemon.pm2_homes_n + 1, sizeof(*homes));
        struct pm2_options options = {
                .clock = observers->options.clock,
                .sink = observers->options.sink,
                .directory = &observers->directory,
                .homes = homes,
                .listed = observers->declared ? declared_apps(observers->declared) : NULL,
                .complete = on_complete,
                .self = observers,
        };
        int r;

        if (!homes)
                return -ENOMEM;
        for (unsigned i = 0; i < policy->daemon.pm2_homes_n; i++)
                homes[i] = policy->daemon.pm2_homes[i];
        r = pm2_new(observers->event, &options, &observers->pm2);
        free(homes);
        return r;
}

/* ---- what is declared ---------------------------------------------------------------------------------------------------- */

static void on_settled(void *self)
{
        const struct observers *observers = self;

        observers->options.settled(observers->options.self);
}

static bool look_at_apps(void *self)
{
        const struct observers *observers = self;

        if (observers->pm2)
                pm2_look(observers->pm2);
        return observers->pm2 != NULL;
}

static int start_declared(struct observers *observers)
{
        const struct declared_options options = {
                .clock = observers->options.clock,
                .sink = observers->options.sink,
                .policy = observers->options.policy,
                .judge = observers->options.judge,
                .state = observers->options.state,
                .config = observers->options.config,
                .folder = observers->options.policies,
                .look_at_apps = look_at_apps,
                .settled = on_settled,
                .vault = observers->options.vault,
                .self = observers,
        };
        int r = declared_new(observers->event, &options, &observers->declared);

        return r < 0 ? r : declared_start(observers->declared);
}

bool observers_look(struct observers *observers)
{
        return observers->declared && declared_look(observers->declared);
}

void observers_seal(struct observers *observers, enum config_of of, const char *agent)
{
        if (observers->declared)
                declared_seal(observers->declared, of, agent);
}

static int start_limits_hand(struct observers *observers)
{
        const struct limits_hand_options options = {
                .bus = observers->bus,
                .proc = &observers->proc,
                .cgroups = &observers->cgroups,
                .root = "",
        };

        return limits_hand_new(observers->event, &options, &observers->limits_hand);
}

/* Our own hand changed it: it is sealed so before anybody can take that for a drift. */
static void on_put_back(void *self, const char *path, const struct file_state *now)
{
        const struct observers *observers = self;

        if (observers->declared)
                declared_accept(observers->declared, path, now);
}

static void on_put_back_all(void *self)
{
        const struct observers *observers = self;

        if (observers->declared)
                declared_accepted(observers->declared);
}

static int start_rollback_hand(struct observers *observers)
{
        struct rollback_options options = {
                .vault = observers->options.vault,
                .hands = observers->by_manager,
                .changed = on_put_back,
                .changed_all = on_put_back_all,
                .self = observers,
        };

        observers->by_manager[MANAGER_SYSTEMD] = (struct hands){ systemd_hand_act, observers->systemd_hand };
        observers->by_manager[MANAGER_PM2] = (struct hands){ pm2_hand_act, observers->pm2_hand };
        return rollback_hand_new(observers->event, &options, &observers->rollback_hand);
}

/* What everything else stands on: without it there is nothing to start. */
static int start_base(struct observers *observers)
{
        int r = proc_open(&observers->proc, "/proc");

        if (r >= 0)
                r = pm2_directory_init(&observers->directory, "/proc");
        if (r >= 0)
                r = bus_new(observers->event, &observers->bus);
        if (r >= 0)
                r = systemd_hand_new(observers->event, observers->bus, &observers->proc, &observers->systemd_hand);
        if (r >= 0)
                r = start_limits_hand(observers);
        if (r >= 0)
                r = pm2_hand_new(observers->event, &observers->directory, &observers->pm2_hand);
        return r < 0 ? r : start_rollback_hand(observers);
}

int observers_new(sd_event *event, const struct observers_options *options, struct observers **ret)
{
        struct observers *observers = calloc(1, sizeof(*observers));
        int r;

        if (!observers)
                return -ENOMEM;
        observers->event = sd_event_ref(event);
        observers->options = *options;
        observers->proc.fd = observers->cgroups.fd = -1;
        (void)proc_open(&observers->cgroups, CGROUPS); /* without it trees are counted, and status says so */
        r = start_base(observers);
        if (r < 0) {
                observers_free(observers);
                return r;
        }
        *ret = observers;
        return 0;
}

void observers_start(struct observers *observers)
{
        static const struct {
                const char *name;
                int (*start)(struct observers *observers);
        } all[] = {
                { "process", start_process }, { "host", start_host },       { "oom", start_oom },
                { "config", start_declared }, { "systemd", start_systemd }, { "pm2", start_pm2 },
                { "scales", start_scales },   { "package", start_package },
        };

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
                int r = all[i].start(observers);

                if (r < 0)
                        tell_blind(observers, all[i].name, r);
        }
}

struct observers *observers_free(struct observers *observers)
{
        if (!observers)
                return NULL;
        systemd_free(observers->systemd);
        pm2_free(observers->pm2);
        declared_free(observers->declared);
        process_free(observers->process);
        host_free(observers->host);
        scales_free(observers->scales);
        oom_free(observers->oom);
        package_free(observers->package);
        systemd_hand_free(observers->systemd_hand);
        limits_hand_free(observers->limits_hand);
        pm2_hand_free(observers->pm2_hand);
        rollback_hand_free(observers->rollback_hand); /* after those that restart for it */
        bus_free(observers->bus);
        pm2_directory_done(&observers->directory);
        proc_done(&observers->proc);
        proc_done(&observers->cgroups);
        sd_event_unref(observers->event);
        free(observers);
        return NULL;
}

/* A unit has two hands: one for its jobs, one for its limits. */
static int act_on_unit(void *self, struct errand *errand)
{
        struct observers *observers = self;

        if (action_is_of_limits(errand->action))
                return limits_hand_act(observers->limits_hand, errand);
        return systemd_hand_act(observers->systemd_hand, errand);
}

void observers_hands(struct observers *observers, struct hands hands[MANAGER_N], struct hands own[ACTION_N])
{
        hands[MANAGER_SYSTEMD] = (struct hands){ act_on_unit, observers };
        hands[MANAGER_PM2] = (struct hands){ pm2_hand_act, observers->pm2_hand };
        own[ACTION_ROLLBACK] = (struct hands){ rollback_hand_act, observers->rollback_hand };
}

void observers_keep_again(struct observers *observers)
{
        if (observers->declared)
                declared_keep_again(observers->declared);
}

sd_bus *observers_bus(struct observers *observers)
{
        return bus_connection(observers->bus);
}

int observers_working_set(struct observers *observers, const char *agent, pid_t pid, uint64_t *ret_bytes)
{
        struct extent extent;
        uint64_t own;
        int r = proc_memory(&observers->proc, pid, &own);

        if (r < 0)
                return r;
        extent_read(&observers->proc, &observers->cgroups, agent, MEMORY_OF_CGROUP,
                    &(struct extent_main){ .pid = pid, .bytes = own }, &extent);
        *ret_bytes = extent.bytes;
        return 0;
}

unsigned observers_limits_possible(const struct observers *observers)
{
        return unit_limits_possible(&observers->cgroups);
}

bool observers_lives_in(struct observers *observers, pid_t pid, const char *unit)
{
        char its[PROC_UNIT_MAX];

        return proc_unit(&observers->proc, pid, its) >= 0 && strcmp(its, unit) == 0;
}

struct belonging {
        pid_t pid;
        char *agent;
        char unit[AGENT_ID_MAX];
};

static void is_main_process(void *self, const char *agent, uint32_t instance, pid_t pid, uint64_t start)
{
        struct belonging *belonging = self;

        (void)instance, (void)start;
        if (pid == belonging->pid)
                text_copy(belonging->agent, AGENT_ID_MAX, agent);
}

static void is_watched_unit(void *self, const char *agent, uint32_t instance, pid_t pid, uint64_t start)
{
        struct belonging *belonging = self;

        (void)instance, (void)pid, (void)start;
        if (strcmp(agent, belonging->unit) == 0)
                text_copy(belonging->agent, AGENT_ID_MAX, agent);
}

#define ANCESTORS_MAX 64

bool observers_agent_of(struct observers *observers, pid_t pid, char ret[AGENT_ID_MAX])
{
        struct belonging belonging = { .pid = pid, .agent = ret };
        char unit[PROC_UNIT_MAX];
        struct proc_stat stat;

        ret[0] = '\0';
        for (int n = 0; observers->process && !ret[0] && n < ANCESTORS_MAX && belonging.pid > 1; n++) {
                process_each(observers->process, is_main_process, &belonging);
                if (proc_stat(&observers->proc, belonging.pid, &stat) < 0)
                        break;
                belonging.pid = stat.parent;
        }
        if (observers->process && !ret[0] && proc_unit(&observers->proc, pid, unit) >= 0) {
                text_append(belonging.unit, sizeof(belonging.unit), "systemd:%s", unit);
                process_each(observers->process, is_watched_unit, &belonging);
        }
        return ret[0] != '\0';
}

bool observers_exe_of(struct observers *observers, pid_t pid, char *ret, size_t size)
{
        char path[32], exe[PATH_MAX];
        ssize_t n;

        snprintf(path, sizeof(path), "%d/exe", (int)pid);
        n = readlinkat(observers->proc.fd, path, exe, sizeof(exe) - 1);
        if (n <= 0)
                return false;
        exe[n] = '\0';
        text_copy_safe(ret, size, exe);
        return true;
}

void observers_follow(struct observers *observers, const struct fact *fact)
{
        if (observers->oom)
                oom_follow(observers->oom, fact);
        if (observers->declared)
                declared_follow(observers->declared, fact);
        if (!observers->process)
                return;
        if (fact->kind == FACT_STARTED)
                process_watch(observers->process, fact->agent, fact->instance, fact->started.pid, fact->started.start);
        if (fact->kind == FACT_ENDED || fact->kind == FACT_DIED)
                process_forget(observers->process, fact->ended.pid, fact->ended.start);
}

void observers_again(struct observers *observers)
{
        if (observers->process)
                process_measure_again(observers->process);
        if (observers->host)
                host_again(observers->host);
        if (observers->systemd)
                systemd_again(observers->systemd);
        if (observers->pm2)
                pm2_relist(observers->pm2);
        if (observers->declared && declared_again(observers->declared) < 0)
                tell_blind(observers, "config", -ENOMEM);
}
