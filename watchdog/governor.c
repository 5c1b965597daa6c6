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
#include "governor_inside.h"
#include "io/cleanup.h"
#include "io/digest.h"
#include "io/file.h"
#include "io/log.h"
#include "observers.h"
#include "orders.h"
#include "recall.h"

#define UNCLEAN_ENDS_MAX 3 /* within 10 minutes: then safe mode */
#define INSTANCES_PER_AGENT 2
#define INCIDENTS_PER_AGENT 2
#define INCIDENTS_MIN 64

/* ---- the one flow ------------------------------------------------------------------------------------------------------ */

static void arm(struct governor *governor)
{
        usec_t deadline = judge_deadline(governor->judge);

        sd_event_source_set_time(governor->tick, clock_boottime(&governor->clock, deadline));
        sd_event_source_set_enabled(governor->tick, deadline == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
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

        if (decision->kind == DECIDE_ACT)
                log_with(LOG_NOTICE, fields, "%s: %s%s (%s): %s", who, decision->enforce ? "" : "would ",
                         action_name(decision->action), purpose_name(decision->purpose), decision->reason);
        else
                log_with(decision->kind == DECIDE_OPEN ? LOG_WARNING : LOG_NOTICE, fields, "%s: %s %s%s: %s", who,
                         cause_name(decision->cause), decision_kind_name(decision->kind), incident[0] ? " " : "",
                         decision->reason);
}

void governor_take(void *self, const struct fact *fact)
{
        struct governor *governor = self;
        struct decisions decisions = { .n = 0 };

        keep(governor, fact);
        if (governor->observers)
                observers_follow(governor->observers, fact);
        judge_step(governor->judge, fact, &decisions);
        if (decisions.material && fact->kind != FACT_TICK && fact->kind != FACT_OUTCOME)
                chronicle_fact(governor->chronicle, fact);
        for (unsigned i = 0; i < decisions.n; i++) {
                log_decision(&decisions.list[i]);
                perform_decision(governor->perform, &decisions.list[i]);
        }
        if (fact->kind == FACT_OUTCOME)
                orders_outcome(governor, fact);
        if (decisions.n > 0)
                sd_event_source_set_enabled(governor->told, SD_EVENT_ONESHOT);
        orders_expire(governor, fact->at);
        arm(governor);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;
        struct fact tick = { .kind = FACT_TICK, .at = clock_now(&governor->clock), .agent = "" };

        (void)source, (void)usec;
        governor_take(governor, &tick);
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

static int on_told(sd_event_source *source, void *userdata)
{
        struct governor *governor = userdata;
        char line[GOVERNOR_LINE_MAX];

        (void)source;
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

static void on_troubled(void *self, int error, const char *what)
{
        struct governor *governor = self;
        struct fact fact = {
                .kind = FACT_SOURCE,
                .agent = "",
                .source = { .name = "audit", .state = SOURCE_BLIND, .why = what },
        };

        log_failure(error, "Audit: %s", what);
        if (!governor->judge)
                return;
        fact.at = clock_now(&governor->clock);
        governor_take(governor, &fact);
}

/* ---- modes -------------------------------------------------------------------------------------------------------------- */

bool governor_only_observes(const struct governor *governor)
{
        return governor->options.observe || governor->safe_mode || governor->disarmed;
}

static void ask(struct governor *governor, enum ask what, const char *who, const char *reason)
{
        struct fact fact = {
                .kind = FACT_ASKED,
                .at = clock_now(&governor->clock),
                .agent = "",
                .asked = { .ask = what, .who = who, .reason = reason },
        };

        chronicle_fact(governor->chronicle, &fact); /* always recorded, whatever the judge makes of it */
        judge_set_observe_only(governor->judge, governor_only_observes(governor));
        governor_take(governor, &fact);
}

void governor_set_safe_mode(struct governor *governor, bool on, const char *who, const char *reason)
{
        governor->safe_mode = on;
        ask(governor, on ? ASK_SAFE_MODE_ON : ASK_SAFE_MODE_OFF, who, reason);
}

void governor_disarm(struct governor *governor, const char *who)
{
        governor->disarmed = true;
        ask(governor, ASK_ENFORCE_OFF, who, "disarm --all");
}

/* ---- policy ------------------------------------------------------------------------------------------------------------- */

static int digest_policy(struct policy *policy)
{
        _cleanup_free_ char *text = NULL;
        int r = policy_normalise(policy, &text);

        if (r < 0)
                return r;
        digest_hex(text, strlen(text), policy->digest);
        return 0;
}

static void log_messages(const struct policy_messages *messages)
{
        char text[POLICY_RENDER_MAX];

        for (size_t i = 0; i < messages->n; i++)
                log_with(messages->list[i].warning ? LOG_WARNING : LOG_ERR, NULL, "%s",
                         policy_message_render(&messages->list[i], false, text));
}

/* At start a policy that is wrong means discovery in observe mode, said loudly. */
static int load_first_policy(struct governor *governor)
{
        struct policy_messages messages = { 0 };
        int r = policy_load(governor->options.config, governor->options.policies, &governor->policy, &messages);

        log_messages(&messages);
        policy_messages_done(&messages);
        if (r == -EINVAL) {
                log_error("The policy has errors: governing by discovery, in observe mode, until it is right");
                governor->policy_bad = true;
                r = policy_discovered(&governor->policy);
        }
        return r < 0 ? r : digest_policy(governor->policy);
}

static void record_policy(struct governor *governor, const char *outcome_text)
{
        json_t *details =
                json_pack("{s:s, s:b, s:i, s:s}", "digest", governor->policy->digest, "discovered",
                          governor->policy->discovered, "rules", (int)governor->policy->rules_n, "text", outcome_text);
        struct audit_entry entry = {
                .action = "policy.load",
                .subject = "policy",
                .outcome = AUDIT_INFO,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

/* judge.start and what the judge remembers: from here on the chain can be lived through again. */
static void record_judge(struct governor *governor, bool again)
{
        json_t *details = json_pack("{s:I, s:b, s:i, s:s, s:b, s:I}", "at", (json_int_t)clock_now(&governor->clock),
                                    "again", again, "agents_max", (int)governor->policy->daemon.agents_max, "policy",
                                    governor->policy->digest, "safe_mode", governor->safe_mode, "seed",
                                    (json_int_t)governor->seed);
        struct audit_entry entry = {
                .action = "judge.start",
                .subject = "judge",
                .outcome = AUDIT_INFO,
                .details = details,
        };
        struct remembered scratch;
        struct fact fact;
        uint32_t cursor = 0;

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
        while (judge_remember(governor->judge, &cursor, &scratch, &fact)) {
                fact.at = clock_now(&governor->clock);
                chronicle_fact(governor->chronicle, &fact);
        }
}

static void record_stop(struct governor *governor)
{
        json_t *details = json_pack("{s:I}", "at", (json_int_t)clock_now(&governor->clock));
        struct audit_entry entry = {
                .action = "judge.stop",
                .subject = "judge",
                .outcome = AUDIT_INFO,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

static int on_remember(sd_event_source *source, uint64_t usec, void *userdata)
{
        record_judge(userdata, true);
        sd_event_source_set_time(source, usec + USEC_PER_DAY);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* An action that a crash cut off: what came of it is unknown, and the judge hears so. */
static void close_intent(void *self, const struct open_intent *intent)
{
        struct governor *governor = self;
        struct fact fact = {
                .kind = FACT_OUTCOME,
                .at = clock_now(&governor->clock),
                .manager = agent_manager(intent->agent),
                .agent = intent->agent,
                .instance = intent->instance,
                .outcome = { .action = intent->action,
                             .purpose = intent->purpose,
                             .outcome = OUTCOME_UNKNOWN,
                             .text = "the daemon ended before the outcome was known" },
        };

        chronicle_outcome(governor->chronicle, &fact, intent->seq, incident_from_name(intent->incident));
        governor_take(governor, &fact);
}

static int judge_begin(struct governor *governor)
{
        uint32_t agents = governor->policy->daemon.agents_max;
        struct judge_limits limits = {
                .agents_max = agents,
                .instances_max = agents * INSTANCES_PER_AGENT,
                .incidents_max = agents * INCIDENTS_PER_AGENT + INCIDENTS_MIN,
        };

        governor->judge_memory = calloc(1, judge_size(&limits));
        if (!governor->judge_memory)
                return -ENOMEM;
        governor->judge = judge_init(governor->judge_memory, &limits, governor->policy, governor->seed);
        return 0;
}

/* Clock, judge and modes continue where the chain says that they were. */
static int remember(struct governor *governor)
{
        struct recall recall = { .from = UINT64_MAX };
        int r = recall_look_back(governor->database, &recall);

        if (r < 0)
                log_ignored(r, "Cannot look back through the audit log");
        clock_init(&governor->clock, recall.last);
        governor->seed = recall.seed ? recall.seed : (clock_now(&governor->clock) & 0xffffffff) | 1;
        r = judge_begin(governor);
        if (r < 0)
                return log_failure(r, "Cannot make room for %u agents", governor->policy->daemon.agents_max);
        r = recall_live(governor->database, &recall, governor->judge, &recall.last);
        if (r < 0)
                log_ignored(r, "Cannot live through all of the audit log again");
        governor->recalled_from = recall.from;
        governor->safe_mode = recall.safe_mode;
        governor->fell_too_often = recall.unclean >= UNCLEAN_ENDS_MAX;
        return 0;
}

/* Everything is open and nothing was looked at yet: the run begins in the chain, and what the last one left is closed. */
static void begin(struct governor *governor)
{
        judge_set_observe_only(governor->judge, governor_only_observes(governor));
        record_policy(governor, governor->policy_bad ? "refused at start: discovery in observe mode" : "loaded");
        record_judge(governor, false);
        if (governor->recalled_from != UINT64_MAX)
                recall_open_intents(governor->database, governor->recalled_from, close_intent, governor);
        if (governor->fell_too_often && !governor->safe_mode)
                governor_set_safe_mode(governor, true, "governor", "three unclean ends within 10 minutes");
        if (governor->audit_how.start == AUDIT_SET_ASIDE)
                on_troubled(governor, 0, governor->audit_how.detail);
        if (governor->audit_how.start == AUDIT_CREATED)
                log_info("A new audit log begins. Keep this line elsewhere, it is the trust anchor: %s",
                         governor->audit_how.genesis_anchor);
}

/* ---- reload --------------------------------------------------------------------------------------------------------------- */

int governor_reload(struct governor *governor, struct policy_messages *ret_messages)
{
        struct policy *policy = NULL, *old = governor->policy;
        int r = policy_load(governor->options.config, governor->options.policies, &policy, ret_messages);

        log_messages(ret_messages);
        if (r >= 0)
                r = digest_policy(policy);
        if (r < 0) {
                policy_free(policy);
                record_policy(governor, "refused: it has errors, the old policy stays");
                log_error("The policy has errors: the old one stays");
                return r;
        }
        policy->daemon.agents_max = old->daemon.agents_max; /* capacities are fixed for the life of the daemon */
        governor->policy = policy;
        governor->policy_bad = false;
        governor->disarmed = false;
        judge_set_policy(governor->judge, policy);
        judge_set_observe_only(governor->judge, governor_only_observes(governor));
        policy_free(old);
        record_policy(governor, "loaded");
        record_judge(governor, true);
        observers_again(governor->observers);
        arm(governor);
        log_info("Policy loaded: %u rules", policy->rules_n);
        return 0;
}

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

/* ---- beginning and end ------------------------------------------------------------------------------------------------------ */

static int open_stores(struct governor *governor)
{
        struct chronicle_options options = {
                .state_dir = governor->options.state,
                .retention_days = governor->policy->audit.retention_days,
                .reason = "start",
                .committed = on_committed,
                .troubled = on_troubled,
                .self = governor,
        };
        int r;

        if (asprintf(&governor->database, "%s/audit.db", governor->options.state) < 0 ||
            asprintf(&governor->footprint, "%s/footprint", governor->options.state) < 0 ||
            asprintf(&governor->socket, "%s/governor.sock", governor->options.runtime) < 0)
                return -ENOMEM;
        r = file_make_directory(governor->options.state, 0700);
        if (r < 0)
                return log_failure(r, "Cannot make the state directory '%s'", governor->options.state);
        r = chronicle_new(governor->event, &options, &governor->audit_how, &governor->chronicle);
        if (r == -EBUSY)
                return log_failure(r, "Another governord writes the audit log in '%s'", governor->options.state);
        return r < 0 ? log_failure(r, "Cannot open the audit log in '%s'", governor->options.state) : 0;
}

static int open_socket(struct governor *governor)
{
        struct control_options options = {
                .path = governor->socket,
                .group = "governor",
                .calls = answers,
                .self = governor,
        };
        int r = file_make_directory(governor->options.runtime, 0755);

        if (r >= 0)
                r = control_new(governor->event, &options, &governor->control);
        if (r == -EADDRINUSE)
                return log_failure(r, "Another governord answers on '%s'", governor->socket);
        return r < 0 ? log_failure(r, "Cannot listen on '%s'", governor->socket) : 0;
}

static int open_door(struct governor *governor)
{
        struct perform_options options = {
                .chronicle = governor->chronicle,
                .clock = &governor->clock,
                .sink = { governor_take, governor },
                .footprint = governor->footprint,
        };

        observers_hands(governor->observers, options.hands);
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
                                      USEC_PER_MINUTE, on_remember, governor);
        if (r >= 0)
                r = sd_event_add_defer(governor->event, &governor->told, on_told, governor);
        if (r >= 0)
                r = sd_event_set_watchdog(governor->event, true);
        return r < 0 ? log_failure(r, "Cannot set up the event loop") : 0;
}

static int start_observers(struct governor *governor)
{
        struct observers_options options = {
                .clock = &governor->clock,
                .sink = { governor_take, governor },
                .policy = (const struct policy *const *)&governor->policy,
        };

        return observers_new(governor->event, &options, &governor->observers);
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
                r = load_first_policy(governor);
        if (r >= 0)
                r = add_events(governor);
        if (r >= 0)
                r = open_stores(governor);
        if (r >= 0)
                r = remember(governor);
        if (r >= 0)
                r = open_socket(governor);
        if (r >= 0)
                r = start_observers(governor);
        if (r >= 0)
                r = open_door(governor);
        if (r < 0) {
                governor_free(governor);
                return r;
        }
        begin(governor);
        *ret = governor;
        return 0;
}

int governor_run(struct governor *governor)
{
        char line[GOVERNOR_LINE_MAX];
        int r;

        arm(governor);
        governor_line(governor, line);
        sd_notifyf(false, "READY=1\nSTATUS=%s", line);
        log_info("Governor is up: socket %s, %s", governor->socket,
                 governor->policy->discovered ? "no policy: observing what looks like an agent" : "policy loaded");
        r = sd_event_loop(governor->event);
        sd_notify(false, "STOPPING=1");
        if (r == 0)
                record_stop(governor);
        return r < 0 ? log_failure(r, "The event loop ended") : 0;
}

struct governor *governor_free(struct governor *governor)
{
        if (!governor)
                return NULL;
        observers_free(governor->observers);
        perform_free(governor->perform);
        control_free(governor->control);
        governor->control = NULL;
        chronicle_free(governor->chronicle);
        free(governor->judge_memory);
        policy_free(governor->policy);
        sd_event_source_disable_unref(governor->tick);
        sd_event_source_disable_unref(governor->remember);
        sd_event_source_disable_unref(governor->told);
        sd_event_unref(governor->event);
        free(governor->database);
        free(governor->socket);
        free(governor->footprint);
        free(governor);
        return NULL;
}
