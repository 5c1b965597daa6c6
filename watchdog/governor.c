#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/text.h"
#include "changes.h"
#include "governor_inside.h"
#include "io/cleanup.h"
#include "io/file.h"
#include "io/log.h"
#include "io/thrift.h"
#include "limiting.h"
#include "memory.h"
#include "observers.h"
#include "orders.h"
#include "rules.h"
#include "trials.h"
#include "versions.h"

#define TELL_EVERY (500 * USEC_PER_MSEC)
#define QUIET_AFTER (20 * USEC_PER_SEC) /* by then everything was listed once */

/* ---- the one flow ------------------------------------------------------------------------------------------------------ */

void governor_arm(struct governor *governor)
{
        usec_t deadline = judge_deadline(governor->judge);

        sd_event_source_set_time(governor->tick, clock_boottime(&governor->clock, deadline));
        sd_event_source_set_enabled(governor->tick, deadline == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* The status line follows what happens, at most once in TELL_EVERY. */
static void tell_soon(struct governor *governor)
{
        int enabled = SD_EVENT_OFF;
        usec_t now = 0;

        sd_event_source_get_enabled(governor->told, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        sd_event_now(governor->event, CLOCK_BOOTTIME, &now);
        sd_event_source_set_time(governor->told, now + TELL_EVERY);
        sd_event_source_set_enabled(governor->told, SD_EVENT_ONESHOT);
}

/* The few facts that the governor itself keeps, for status. */
static void keep(struct governor *governor, const struct fact *fact)
{
        struct source *source = NULL;

        if (fact->kind == FACT_HOST)
                governor->host = *fact;
        if (fact->kind != FACT_SOURCE)
                return;
        for (unsigned i = 0; i < governor->sources_n && !source; i++)
                if (strcmp(governor->sources[i].name, fact->source.name) == 0)
                        source = &governor->sources[i];
        if (!source && governor->sources_n < SOURCES_MAX)
                source = &governor->sources[governor->sources_n++];
        if (!source)
                return;
        if (source->state != fact->source.state)
                source->since = fact->at;
        source->state = fact->source.state;
        text_copy_safe(source->name, sizeof(source->name), fact->source.name);
        text_copy_safe(source->why, sizeof(source->why), fact->source.why ? fact->source.why : "");
}

static void log_decision(const struct decision *decision)
{
        char incident[INCIDENT_NAME_MAX] = "";
        const struct log_field fields[] = {
                { "GOVERNOR_AGENT", decision->agent },
                { "GOVERNOR_CAUSE", cause_name(decision->cause) },
                { "GOVERNOR_RULE", decision->rule },
                { "GOVERNOR_INCIDENT", decision->incident ? incident_name(incident, decision->incident) : NULL },
                { NULL, NULL },
        };
        const char *who = decision->agent[0] ? decision->agent : "machine";

        switch (decision->kind) {
        case DECIDE_ACT:
                log_with(LOG_NOTICE, fields, "%s: %s%s (%s): %s", who, decision->enforce ? "" : "would ",
                         action_name(decision->action), purpose_name(decision->purpose), decision->reason);
                break;
        case DECIDE_WITHHOLD:
                log_with(LOG_NOTICE, fields, "%s: no %s now: %s", who, action_name(decision->action), decision->reason);
                break;
        default:
                log_with(decision->kind == DECIDE_OPEN ? LOG_WARNING : LOG_NOTICE, fields, "%s: %s %s (%s): %s", who,
                         cause_name(decision->cause), decision_kind_name(decision->kind), incident, decision->reason);
        }
}

/* What the judge is about to decide rests on facts that were not recorded one by one: their sum is, before it decides. */
static void remember(struct governor *governor)
{
        struct remembered scratch;
        struct fact fact;

        while (judge_remember_due(governor->judge, &scratch, &fact)) {
                fact.at = clock_now(&governor->clock);
                governor_take(governor, &fact);
        }
}

/* The judge wants to know what restarts would free. */
static void weigh(struct governor *governor)
{
        const char *agent;
        uint32_t instance;

        if (governor->observers && judge_weighs(governor->judge, &agent, &instance))
                observers_weigh(governor->observers, agent, instance);
}

void governor_take(void *self, const struct fact *fact)
{
        struct governor *governor = self;
        struct decisions decisions = { .n = 0 };

        keep(governor, fact);
        if (governor->observers)
                observers_follow(governor->observers, fact);
        if (governor->perform)
                perform_follow(governor->perform, fact);
        changes_follow(governor, fact);
        versions_follow(governor, fact);
        judge_step(governor->judge, fact, &decisions);
        if (decisions.material && fact->kind != FACT_TICK && fact->kind != FACT_OUTCOME)
                chronicle_fact(governor->chronicle, fact);
        for (unsigned i = 0; i < decisions.n; i++) {
                log_decision(&decisions.list[i]);
                perform_decision(governor->perform, &decisions.list[i]);
        }
        if (fact->kind == FACT_OUTCOME)
                orders_outcome(governor, fact);
        if (decisions.n > 0 || (fact->kind == FACT_AGENT && fact->agent_is.first))
                tell_soon(governor);
        orders_expire(governor, fact->at);
        changes_expire(governor, fact->at);
        limiting_expire(governor, fact->at);
        trials_look(governor, fact->at);
        if (decisions.remember)
                remember(governor);
        if (decisions.weigh)
                weigh(governor);
        governor_arm(governor);
}

void governor_tick(struct governor *governor)
{
        struct fact tick = { .kind = FACT_TICK, .at = clock_now(&governor->clock), .agent = "" };

        governor_take(governor, &tick);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source, (void)usec;
        governor_tick(userdata);
        return 0;
}

/* ---- what is told outside ------------------------------------------------------------------------------------------------ */

void governor_line(struct governor *governor, char line[GOVERNOR_LINE_MAX])
{
        usec_t now = clock_now(&governor->clock);
        unsigned looping = 0, quarantined = 0, agents = judge_agents(governor->judge);
        struct agent_view view;

        for (unsigned i = 0; i < agents; i++) {
                judge_agent(governor->judge, i, now, &view);
                looping += view.effective == EFFECTIVE_CRASH_LOOPING || view.effective == EFFECTIVE_HOT_LOOPING;
                quarantined += view.quarantined;
        }
        snprintf(line, GOVERNOR_LINE_MAX, "Watching %u agents, %u looping, %u quarantined%s%s", agents, looping,
                 quarantined, governor->safe_mode ? "; safe mode" : "",
                 chronicle_healthy(governor->chronicle) ? "" : "; THE AUDIT LOG CANNOT BE WRITTEN");
}

static int on_told(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;
        char line[GOVERNOR_LINE_MAX];

        (void)source, (void)usec;
        governor_line(governor, line);
        sd_notifyf(false, "STATUS=%s", line);
        return 0;
}

static void on_committed(void *self)
{
        struct governor *governor = self;

        if (governor->control && control_has_subscribers(governor->control))
                answers_publish(governor);
}

/* The chain as a source: without it nothing can be proven, so nothing may be done. A trouble that passes is blindness; one that
 * lost or may have lost evidence is "audit chain", which the judge keeps open until a human has looked. */
static void tell_audit(struct governor *governor, enum source_state state, const char *why)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(&governor->clock),
                .agent = "",
                .source = { .name = governor->trouble_passes ? "audit" : "audit chain", .state = state, .why = why },
        };

        governor_take(governor, &fact);
}

static bool is_broken_open(const struct governor *governor)
{
        struct incident_view view;

        for (uint64_t below = UINT64_MAX; judge_incident_below(governor->judge, below, &view); below = view.incident)
                if (view.open && view.cause == CAUSE_AUDIT_BROKEN)
                        return true;
        return false;
}

static int on_trouble_told(sd_event_source *source, void *userdata)
{
        struct governor *governor = userdata;

        (void)source;
        if (governor->trouble_is_news && !is_broken_open(governor))
                tell_audit(governor, SOURCE_SEEING, ""); /* what a human acknowledged was the trouble before this one */
        governor->trouble_is_news = false;
        tell_audit(governor, governor->trouble[0] ? SOURCE_BLIND : SOURCE_SEEING, governor->trouble);
        return 0;
}

/* Told from the loop: trouble may come up while a decision is carried out, and the judge is not called within itself. */
void governor_audit_trouble(void *self, int error, const char *what)
{
        struct governor *governor = self;

        if (error < 0)
                log_failure(error, "Audit: %s", what);
        else
                log_error("Audit: %s", what);
        if (error < 0 && governor->trouble[0] && !governor->trouble_passes)
                return; /* what is there already waits for a human */
        governor->trouble_is_news = governor->trouble[0] && error == 0 && strcmp(governor->trouble, what) != 0;
        governor->trouble_passes = error < 0 && error != -EUCLEAN;
        text_copy_safe(governor->trouble, sizeof(governor->trouble), what);
        sd_event_source_set_enabled(governor->troubled, SD_EVENT_ONESHOT);
}

static void on_recovered(void *self)
{
        struct governor *governor = self;

        log_warning("The audit log can be written again");
        if (!governor->trouble_passes)
                return;
        governor->trouble[0] = '\0';
        sd_event_source_set_enabled(governor->troubled, SD_EVENT_ONESHOT);
}

static void tell_genesis(const struct governor *governor)
{
        if (governor->audit_how.genesis_anchor[0])
                log_info("A new audit log begins. Keep this line elsewhere, it is the trust anchor: %s",
                         governor->audit_how.genesis_anchor);
}

/* Records are counted anew, and nobody outside knows of them. */
static void begin_log(struct governor *governor)
{
        governor->published = 0;
        tell_genesis(governor);
        anchoring_again(governor);
        inspection_again(governor);
        archiving_again(governor);
}

/* What was open about the log before stays open when it is ended on purpose: that explains nothing. */
static void on_reopened(void *self, const struct audit_how *how)
{
        struct governor *governor = self;

        governor->audit_how = *how;
        if (how->start == AUDIT_CONTINUED)
                log_warning("The audit log is open again");
        else
                begin_log(governor);
        if (governor->trouble_passes) {
                governor->trouble[0] = '\0';
                sd_event_source_set_enabled(governor->troubled, SD_EVENT_ONESHOT);
        }
        if (how->start == AUDIT_SET_ASIDE)
                governor_audit_trouble(governor, 0, how->detail);
        approving_again(governor);
        memory_write(governor, true);
}

static void on_touched(void *self)
{
        inspection_now(self, "another program wrote to the log");
}

static void on_sealed(void *self)
{
        anchoring_sealed(self);
}

void governor_audit_explained(struct governor *governor, const char *who, const char *reason)
{
        struct incident_view view;

        for (uint64_t below = UINT64_MAX; judge_incident_below(governor->judge, below, &view); below = view.incident) {
                struct fact fact = {
                        .kind = FACT_ASKED,
                        .at = clock_now(&governor->clock),
                        .agent = "",
                        .asked = { .ask = ASK_ACKNOWLEDGE, .number = view.incident, .who = who, .reason = reason },
                };

                if (view.open && view.cause == CAUSE_AUDIT_BROKEN)
                        governor_take(governor, &fact);
        }
        if (governor->trouble_passes || !governor->trouble[0])
                return; /* it cannot be written now, which no word changes */
        governor->trouble[0] = '\0';
        sd_event_source_set_enabled(governor->troubled, SD_EVENT_ONESHOT);
}

/* ---- taking back what outlives us ---------------------------------------------------------------------------------------- */

struct taking_back {
        struct governor *governor;
        const char *reason;
        bool enforce;
};

static void bring_up(void *self, const char *agent)
{
        const struct taking_back *back = self;
        struct governor *governor = back->governor;
        struct decision start = {
                .kind = DECIDE_ACT,
                .at = clock_now(&governor->clock),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .manager = agent_manager(agent),
                .action = ACTION_START,
                .purpose = PURPOSE_TRIAL,
                .enforce = back->enforce,
                .rule = "",
                .rule_file = "",
        };

        if (!footprint_has(governor->footprint, "stopped", agent))
                return; /* it runs again already */
        text_copy(start.reason, sizeof(start.reason), back->reason);
        log_decision(&start);
        perform_decision(governor->perform, &start);
}

/* Agents that an earlier run took down, and whose story went with its log: nobody else would bring them up again. */
static void take_back_lost(struct governor *governor)
{
        struct taking_back back = {
                .governor = governor,
                .reason = "the footprint says that Governor stopped it, and the log that said why is lost",
                .enforce = !governor_only_observes(governor),
        };

        if (governor->left_behind)
                footprint_each(governor->left_behind, "stopped", bring_up, &back);
        governor->left_behind = footprint_free(governor->left_behind);
}

/* Everything that Governor holds down is let go, recorded step by step. */
static void take_back_all(struct governor *governor)
{
        struct taking_back back = {
                .governor = governor,
                .reason = "disarmed: what Governor took down is started again",
                .enforce = !governor->options.observe,
        };

        if (governor->footprint)
                footprint_each(governor->footprint, "stopped", bring_up, &back);
        trials_take_back(governor, "disarmed: what Governor limited is free again", true);
}

/* ---- modes -------------------------------------------------------------------------------------------------------------- */

bool governor_only_observes(const struct governor *governor)
{
        return governor->options.observe || governor->safe_mode || judge_is_disarmed(governor->judge);
}

static void ask(struct governor *governor, enum ask what, const char *who, const char *reason)
{
        struct fact fact = {
                .kind = FACT_ASKED,
                .at = clock_now(&governor->clock),
                .agent = "",
                .asked = { .ask = what, .who = who, .reason = reason },
        };

        governor_take(governor, &fact); /* safe mode and disarming are the judge's to remember */
}

void governor_set_safe_mode(struct governor *governor, bool on, const char *who, const char *reason)
{
        governor->safe_mode = on;
        ask(governor, on ? ASK_SAFE_MODE_ON : ASK_SAFE_MODE_OFF, who, reason);
}

void governor_disarm(struct governor *governor, const char *who)
{
        ask(governor, ASK_ENFORCE_OFF, who, "disarm --all");
        take_back_all(governor);
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------------ */

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct governor *governor = userdata;
        struct policy_messages messages = { 0 };

        (void)source;
        if (info->ssi_signo != SIGHUP)
                return sd_event_exit(governor->event, 0);
        sd_notify(false, "RELOADING=1");
        governor_reload(governor, &messages);
        policy_messages_done(&messages);
        sd_notify(false, "READY=1");
        return 0;
}

static int on_quiet(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;

        (void)source, (void)usec;
        take_back_lost(governor);
        trials_take_back(governor, "the footprint lists it, and no trial of it is known", false);
        thrift();
        return 0;
}

static int open_stores(struct governor *governor)
{
        struct chronicle_options options = {
                .state_dir = governor->options.state,
                .retention_days = governor->policy->audit.retention_days,
                .reason = "start",
                .committed = on_committed,
                .reopened = on_reopened,
                .troubled = governor_audit_trouble,
                .recovered = on_recovered,
                .touched = on_touched,
                .sealed = on_sealed,
                .self = governor,
        };
        int r;

        const char *slash = strrchr(governor->options.config, '/');

        if (asprintf(&governor->config_dir, "%.*s", slash ? (int)(slash - governor->options.config) : 1,
                     slash ? governor->options.config : ".") < 0 ||
            asprintf(&governor->database, "%s/audit.db", governor->options.state) < 0 ||
            asprintf(&governor->footprint_path, "%s/footprint", governor->options.state) < 0 ||
            asprintf(&governor->socket, "%s/governor.sock", governor->options.runtime) < 0 ||
            asprintf(&governor->courier_socket, "%s/courier.sock", governor->options.runtime) < 0)
                return -ENOMEM;
        r = file_make_directory(governor->options.state, 0700);
        if (r < 0)
                return log_failure(r, "Cannot make the state directory '%s'", governor->options.state);
        r = chronicle_new(governor->event, &options, &governor->audit_how, &governor->chronicle);
        if (r == -EBUSY)
                return log_failure(r, "Another governord writes the audit log in '%s'", governor->options.state);
        return r < 0 ? log_failure(r, "Cannot open the audit log in '%s'", governor->options.state) : 0;
}

static void on_left(void *self, unsigned client, uint64_t generation)
{
        changes_left(self, client, generation);
        requests_left(self, client, generation);
}

static int open_socket(struct governor *governor)
{
        struct control_options options = {
                .path = governor->socket,
                .group = "governor",
                .courier_path = governor->courier_socket,
                .courier = "governor-courier",
                .agent_path = governor->requests.socket,
                .calls = answers,
                .guard = approving_guard,
                .left = on_left,
                .self = governor,
        };
        int r = file_make_directory(governor->options.runtime, 0755);

        if (r >= 0)
                r = control_new(governor->event, &options, &governor->control);
        if (r == -EADDRINUSE)
                return log_failure(r, "Another governord answers on '%s'", governor->socket);
        if (r < 0)
                return log_failure(r, "Cannot listen on '%s'", governor->socket);
        r = control_hears_courier(governor->control);
        if (r == -ESRCH)
                log_info("There is no user governor-courier: nothing is carried to witnesses or phones");
        else if (r < 0)
                log_ignored(r, "Cannot listen for the courier on '%s'", governor->courier_socket);
        r = control_hears_agents(governor->control);
        if (r < 0)
                log_ignored(r, "Cannot listen for agents on '%s'", governor->requests.socket);
        return 0;
}

static int open_door(struct governor *governor)
{
        struct perform_options options = {
                .chronicle = governor->chronicle,
                .clock = &governor->clock,
                .sink = { governor_take, governor },
        };

        if (footprint_new(governor->footprint_path, &governor->footprint) < 0)
                log_warning("The footprint '%s' cannot be read: it is not kept", governor->footprint_path);
        if (governor->audit_how.start != AUDIT_CONTINUED && governor->footprint)
                (void)footprint_new(governor->footprint_path, &governor->left_behind);
        options.footprint = governor->footprint;
        observers_hands(governor->observers, options.hands, options.own);
        return perform_new(governor->event, &options, &governor->perform);
}

static int add_events(struct governor *governor)
{
        usec_t now;
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        sd_event_now(governor->event, CLOCK_BOOTTIME, &now);
        r = sd_event_add_signal(governor->event, NULL, SIGTERM, on_signal, governor);
        if (r >= 0)
                r = sd_event_add_signal(governor->event, NULL, SIGINT, on_signal, governor);
        if (r >= 0)
                r = sd_event_add_signal(governor->event, NULL, SIGHUP, on_signal, governor);
        if (r >= 0)
                r = sd_event_add_time(governor->event, &governor->tick, CLOCK_BOOTTIME, USEC_INFINITY,
                                      10 * USEC_PER_MSEC, on_tick, governor);
        if (r >= 0)
                r = sd_event_add_time(governor->event, &governor->remember, CLOCK_BOOTTIME, now + USEC_PER_DAY,
                                      USEC_PER_MINUTE, memory_on_day, governor);
        if (r >= 0)
                r = sd_event_add_time(governor->event, NULL, CLOCK_BOOTTIME, now + QUIET_AFTER, USEC_PER_SEC, on_quiet,
                                      governor);
        if (r >= 0)
                r = sd_event_add_time(governor->event, &governor->told, CLOCK_BOOTTIME, now + TELL_EVERY, 0, on_told,
                                      governor);
        if (r >= 0)
                r = sd_event_add_defer(governor->event, &governor->troubled, on_trouble_told, governor);
        if (r >= 0)
                r = sd_event_source_set_enabled(governor->troubled, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_set_watchdog(governor->event, true);
        return r < 0 ? log_failure(r, "Cannot set up the event loop") : 0;
}

static void on_settled(void *self)
{
        changes_settled(self);
}

static int make_observers(struct governor *governor)
{
        struct observers_options options = {
                .clock = &governor->clock,
                .sink = { governor_take, governor },
                .policy = (const struct policy *const *)&governor->policy,
                .judge = &governor->judge,
                .state = governor->options.state,
                .config = governor->options.config,
                .policies = governor->options.policies,
                .vault = governor->vault,
                .since = governor->left,
                .settled = on_settled,
                .self = governor,
        };

        return observers_new(governor->event, &options, &governor->observers);
}

/* Everything is open and nothing was looked at yet: the run begins in the chain, and what the last one left is closed. */
static void begin(struct governor *governor)
{
        judge_set_observe_only(governor->judge, governor->options.observe);
        anchoring_begin(governor);
        inspection_begin(governor);
        sampling_begin(governor);
        rules_record(governor, governor->policy_held  ? "refused at start: it is looser and no approver signed it"
                               : governor->policy_bad ? "refused at start: discovery in observe mode"
                                                      : "loaded");
        memory_write(governor, false);
        rules_keep(governor);
        memory_close_intents(governor);
        changes_begin(governor);
        requests_begin(governor);
        if (governor->fell_too_often && !governor->safe_mode)
                governor_set_safe_mode(governor, true, "governor", "three unclean ends within 10 minutes");
        if (!chronicle_healthy(governor->chronicle))
                governor_audit_trouble(governor, -EIO,
                                       "the audit log cannot be opened: nothing is done to any agent until it can");
        if (governor->audit_how.start == AUDIT_SET_ASIDE)
                governor_audit_trouble(governor, 0, governor->audit_how.detail);
        if (governor->audit_how.start != AUDIT_CONTINUED)
                tell_genesis(governor);
}

int governor_new(const struct governor_options *options, struct governor **ret)
{
        struct governor *governor = calloc(1, sizeof(*governor));
        int r;

        if (!governor)
                return log_failure(-ENOMEM, "Cannot start");
        governor->options = *options;
        r = sd_event_new(&governor->event);
        if (r >= 0)
                r = rules_load_first(governor);
        if (r >= 0)
                r = add_events(governor);
        if (r >= 0)
                r = open_stores(governor);
        if (r >= 0)
                r = memory_recall(governor);
        if (r >= 0)
                r = requests_new(governor);
        if (r >= 0)
                r = open_socket(governor);
        if (r >= 0)
                r = versions_begin(governor);
        if (r >= 0)
                r = make_observers(governor);
        if (r >= 0)
                r = open_door(governor);
        if (r < 0) {
                governor_free(governor);
                return r;
        }
        begin(governor);
        observers_start(governor->observers);
        *ret = governor;
        return 0;
}

int governor_run(struct governor *governor)
{
        char line[GOVERNOR_LINE_MAX];
        int r;

        governor_arm(governor);
        governor_line(governor, line);
        sd_notifyf(false, "READY=1\nSTATUS=%s", line);
        log_info("Governor is up: socket %s, %s", governor->socket,
                 governor->policy->discovered ? "no policy: observing what looks like an agent" : "policy loaded");
        r = sd_event_loop(governor->event);
        sd_notify(false, "STOPPING=1");
        if (r == 0)
                memory_write_end(governor);
        return r < 0 ? log_failure(r, "The event loop ended") : 0;
}

struct governor *governor_free(struct governor *governor)
{
        if (!governor)
                return NULL;
        sampling_end(governor);
        inspection_end(governor);
        archiving_end(governor);
        observers_free(governor->observers);
        versions_end(governor);
        changes_end(governor);
        requests_end(governor);
        limiting_end(governor);
        perform_free(governor->perform);
        control_free(governor->control);
        governor->control = NULL;
        chronicle_free(governor->chronicle);
        anchoring_end(governor);
        approving_end(governor);
        free(governor->judge_memory);
        policy_free(governor->policy);
        sd_event_source_disable_unref(governor->tick);
        sd_event_source_disable_unref(governor->remember);
        sd_event_source_disable_unref(governor->told);
        sd_event_source_disable_unref(governor->troubled);
        sd_event_unref(governor->event);
        free(governor->database);
        free(governor->config_dir);
        free(governor->socket);
        free(governor->courier_socket);
        footprint_free(governor->footprint);
        footprint_free(governor->left_behind);
        free(governor->footprint_path);
        free(governor);
        return NULL;
}
