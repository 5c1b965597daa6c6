#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "io/record.h"

/* How one member of a fact is written. Enums are written by name, so that a record reads by itself. */
enum field_type {
        FIELD_U32,
        FIELD_U64,
        FIELD_UID, /* null: unknown, which is nobody, and not root */
        FIELD_INT,
        FIELD_BOOL,
        FIELD_TEXT,
        FIELD_ENUM,
        FIELD_DEATHS,
        FIELD_MORE,
        FIELD_LIMITS,
};

struct field {
        enum fact_kind kind;
        const char *name;
        enum field_type type;
        size_t offset;
        const char *(*name_of)(unsigned value);
        unsigned (*from_name)(const char *name);
};

/* The name calls take their own enum; these take a number, so that one table can hold them all. */
#define NAMES_FOR(noun)                                  \
        static const char *noun##_of(unsigned value)     \
        {                                                \
                return noun##_name((enum noun)value);    \
        }                                                \
        static unsigned noun##_from(const char *name)    \
        {                                                \
                return (unsigned)noun##_from_name(name); \
        }

NAMES_FOR(claimed)
NAMES_FOR(ending)
NAMES_FOR(cause)
NAMES_FOR(source_state)
NAMES_FOR(dependency)
NAMES_FOR(stray)
NAMES_FOR(ask)
NAMES_FOR(memory_of)
NAMES_FOR(config_change)
NAMES_FOR(config_of)
NAMES_FOR(change_step)
NAMES_FOR(baseline_of)
NAMES_FOR(trial_step)
NAMES_FOR(trial_of)
NAMES_FOR(trial_state)
NAMES_FOR(weighed)
NAMES_FOR(oom_what)
NAMES_FOR(oom_by)
NAMES_FOR(package_change)
NAMES_FOR(version_step)
NAMES_FOR(file_event)
NAMES_FOR(file_by)
NAMES_FOR(file_level)

#define AT(member) offsetof(struct fact, member)
#define IN(member) offsetof(struct remembered, member)
#define NAMED(noun) noun##_of, noun##_from

/* clang-format off */
static const struct field fields[] = {
        { FACT_AGENT,      "claimed",    FIELD_ENUM, AT(agent_is.claimed),     NAMED(claimed) },
        { FACT_AGENT,      "word",       FIELD_TEXT, AT(agent_is.word) },
        { FACT_AGENT,      "pid",        FIELD_INT,  AT(agent_is.pid) },
        { FACT_AGENT,      "restarts",   FIELD_U64,  AT(agent_is.restarts) },
        { FACT_AGENT,      "result",     FIELD_TEXT, AT(agent_is.result) },
        { FACT_AGENT,      "first",      FIELD_BOOL, AT(agent_is.first) },
        { FACT_STARTED,    "pid",        FIELD_INT,  AT(started.pid) },
        { FACT_STARTED,    "start",      FIELD_U64,  AT(started.start) },
        { FACT_STARTED,    "since",      FIELD_U64,  AT(started.since) },
        { FACT_STARTED,    "ordered",    FIELD_BOOL, AT(started.ordered) },
        { FACT_STARTED,    "by_hand",    FIELD_BOOL, AT(started.by_hand) },
        { FACT_ENDED,      "pid",        FIELD_INT,  AT(ended.pid) },
        { FACT_ENDED,      "start",      FIELD_U64,  AT(ended.start) },
        { FACT_ENDED,      "ending",     FIELD_ENUM, AT(ended.ending),         NAMED(ending) },
        { FACT_ENDED,      "code",       FIELD_INT,  AT(ended.code) },
        { FACT_ENDED,      "signal",     FIELD_INT,  AT(ended.signal) },
        { FACT_DIED,       "pid",        FIELD_INT,  AT(ended.pid) },
        { FACT_DIED,       "start",      FIELD_U64,  AT(ended.start) },
        { FACT_DIED,       "ending",     FIELD_ENUM, AT(ended.ending),         NAMED(ending) },
        { FACT_DIED,       "code",       FIELD_INT,  AT(ended.code) },
        { FACT_DIED,       "signal",     FIELD_INT,  AT(ended.signal) },
        { FACT_SAMPLE,     "pid",        FIELD_INT,  AT(sample.pid) },
        { FACT_SAMPLE,     "start",      FIELD_U64,  AT(sample.start) },
        { FACT_SAMPLE,     "memory_bytes", FIELD_U64, AT(sample.memory_bytes) },
        { FACT_SAMPLE,     "of",         FIELD_ENUM, AT(sample.of),            NAMED(memory_of) },
        { FACT_SAMPLE,     "most_pid",   FIELD_INT,  AT(sample.most_pid) },
        { FACT_SAMPLE,     "most_bytes", FIELD_U64,  AT(sample.most_bytes) },
        { FACT_SAMPLE,     "cpu",        FIELD_U64,  AT(sample.cpu) },
        { FACT_SAMPLE,     "cpu_of",     FIELD_ENUM, AT(sample.cpu_of),        NAMED(memory_of) },
        { FACT_SAMPLE,     "voluntary",  FIELD_U64,  AT(sample.voluntary) },
        { FACT_SAMPLE,     "involuntary", FIELD_U64, AT(sample.involuntary) },
        { FACT_HOST,       "total_bytes", FIELD_U64, AT(host.total_bytes) },
        { FACT_HOST,       "available_bytes", FIELD_U64, AT(host.available_bytes) },
        { FACT_HOST,       "swap_free_bytes", FIELD_U64, AT(host.swap_free_bytes) },
        { FACT_HOST,       "memory_some_avg10", FIELD_U32, AT(host.memory_some_avg10) },
        { FACT_HOST,       "memory_full_avg10", FIELD_U32, AT(host.memory_full_avg10) },
        { FACT_HOST,       "cpu_some_avg10", FIELD_U32, AT(host.cpu_some_avg10) },
        { FACT_HOST,       "load1",      FIELD_U32,  AT(host.load1) },
        { FACT_HOST,       "cpus",       FIELD_U32,  AT(host.cpus) },
        { FACT_HOST,       "uptime",     FIELD_U64,  AT(host.uptime) },
        { FACT_HOST,       "cpu_busy",   FIELD_U64,  AT(host.cpu_busy) },
        { FACT_HOST,       "cpu_given",  FIELD_U64,  AT(host.cpu_given) },
        { FACT_HOST,       "cpu_steal",  FIELD_U64,  AT(host.cpu_steal) },
        { FACT_HOST,       "switches",   FIELD_U64,  AT(host.switches) },
        { FACT_DEPENDS,    "on",         FIELD_TEXT, AT(depends.on) },
        { FACT_DEPENDS,    "dependency", FIELD_ENUM, AT(depends.dependency),   NAMED(dependency) },
        { FACT_SOURCE,     "name",       FIELD_TEXT, AT(source.name) },
        { FACT_SOURCE,     "state",      FIELD_ENUM, AT(source.state),         NAMED(source_state) },
        { FACT_SOURCE,     "why",        FIELD_TEXT, AT(source.why) },
        { FACT_SOURCE,     "pid",        FIELD_INT,  AT(source.pid) },
        { FACT_SOURCE,     "start",      FIELD_U64,  AT(source.start) },
        { FACT_SOURCE,     "suffixed",   FIELD_BOOL, AT(source.suffixed) },
        { FACT_PLANNED,    "ending",     FIELD_ENUM, AT(planned.ending),       NAMED(ending) },
        { FACT_PLANNED,    "until",      FIELD_U64,  AT(planned.until) },
        { FACT_PLANNED,    "by",         FIELD_TEXT, AT(planned.by) },
        { FACT_STRAY,      "stray",      FIELD_ENUM, AT(stray.stray),          NAMED(stray) },
        { FACT_STRAY,      "pid",        FIELD_INT,  AT(stray.pid) },
        { FACT_STRAY,      "start",      FIELD_U64,  AT(stray.start) },
        { FACT_ASKED,      "ask",        FIELD_ENUM, AT(asked.ask),            NAMED(ask) },
        { FACT_ASKED,      "number",     FIELD_U64,  AT(asked.number) },
        { FACT_ASKED,      "who",        FIELD_TEXT, AT(asked.who) },
        { FACT_ASKED,      "reason",     FIELD_TEXT, AT(asked.reason) },
        { FACT_CONFIG,     "change",      FIELD_ENUM, AT(config.change), NAMED(config_change) },
        { FACT_CONFIG,     "path",        FIELD_TEXT, AT(config.path) },
        { FACT_CONFIG,     "digest",      FIELD_TEXT, AT(config.digest) },
        { FACT_CONFIG,     "sealed",      FIELD_TEXT, AT(config.sealed) },
        { FACT_CONFIG,     "size",        FIELD_U64,  AT(config.size) },
        { FACT_CONFIG,     "sealed_size", FIELD_U64,  AT(config.sealed_size) },
        { FACT_CONFIG,     "mode",        FIELD_U32,  AT(config.mode) },
        { FACT_CONFIG,     "sealed_mode", FIELD_U32,  AT(config.sealed_mode) },
        { FACT_CONFIG,     "uid",         FIELD_U32,  AT(config.uid) },
        { FACT_CONFIG,     "sealed_uid",  FIELD_U32,  AT(config.sealed_uid) },
        { FACT_CONFIG,     "gid",         FIELD_U32,  AT(config.gid) },
        { FACT_CONFIG,     "sealed_gid",  FIELD_U32,  AT(config.sealed_gid) },
        { FACT_CONFIG,     "modified",    FIELD_U64,  AT(config.modified) },
        { FACT_CONFIG,     "differing",   FIELD_U32,  AT(config.differing) },
        { FACT_CONFIG,     "of",          FIELD_ENUM, AT(config.of), NAMED(config_of) },
        { FACT_CONFIG,     "what",        FIELD_TEXT, AT(config.what) },
        { FACT_CONFIG,     "again",       FIELD_BOOL, AT(config.again) },
        { FACT_CHANGE,     "step",        FIELD_ENUM, AT(change.step), NAMED(change_step) },
        { FACT_CHANGE,     "number",      FIELD_U64,  AT(change.number) },
        { FACT_CHANGE,     "pattern",     FIELD_TEXT, AT(change.pattern) },
        { FACT_CHANGE,     "since",       FIELD_U64,  AT(change.since) },
        { FACT_CHANGE,     "until",       FIELD_U64,  AT(change.until) },
        { FACT_CHANGE,     "by",          FIELD_TEXT, AT(change.by) },
        { FACT_CHANGE,     "reason",      FIELD_TEXT, AT(change.reason) },
        { FACT_TRIAL,      "step",        FIELD_ENUM, AT(trial.step), NAMED(trial_step) },
        { FACT_TRIAL,      "of",          FIELD_ENUM, AT(trial.of), NAMED(trial_of) },
        { FACT_TRIAL,      "number",      FIELD_U64,  AT(trial.number) },
        { FACT_TRIAL,      "state",       FIELD_ENUM, AT(trial.state), NAMED(trial_state) },
        { FACT_TRIAL,      "span",        FIELD_U64,  AT(trial.span) },
        { FACT_TRIAL,      "since",       FIELD_U64,  AT(trial.since) },
        { FACT_TRIAL,      "until",       FIELD_U64,  AT(trial.until) },
        { FACT_TRIAL,      "limits",      FIELD_LIMITS, AT(trial.limits) },
        { FACT_TRIAL,      "by",          FIELD_TEXT, AT(trial.by) },
        { FACT_TRIAL,      "reason",      FIELD_TEXT, AT(trial.reason) },
        { FACT_TRIAL,      "due",         FIELD_U64,  AT(trial.due) },
        { FACT_TRIAL,      "tries",       FIELD_U32,  AT(trial.tries) },
        { FACT_TRIAL,      "incident",    FIELD_U64,  AT(trial.incident) },
        { FACT_TRIAL,      "why",         FIELD_TEXT, AT(trial.why) },
        { FACT_TRIAL,      "began",       FIELD_U64,  AT(trial.began) },
        { FACT_TRIAL,      "input",       FIELD_U32,  AT(trial.input) },
        { FACT_WEIGHT,     "pid",        FIELD_INT,  AT(weight.pid) },
        { FACT_WEIGHT,     "start",      FIELD_U64,  AT(weight.start) },
        { FACT_WEIGHT,     "frees_bytes", FIELD_U64, AT(weight.frees_bytes) },
        { FACT_WEIGHT,     "swap_bytes", FIELD_U64,  AT(weight.swap_bytes) },
        { FACT_WEIGHT,     "of",         FIELD_ENUM, AT(weight.of), NAMED(memory_of) },
        { FACT_WEIGHT,     "how",        FIELD_ENUM, AT(weight.how), NAMED(weighed) },
        { FACT_WEIGHT,     "carries",    FIELD_BOOL, AT(weight.carries) },
        { FACT_WEIGHT,     "left",       FIELD_U32,  AT(weight.left) },
        { FACT_WEIGHT,     "name",       FIELD_TEXT, AT(weight.name) },
        { FACT_CHANGE,     "deploy",      FIELD_BOOL, AT(change.deploy) },
        { FACT_CHANGE,     "exited",      FIELD_BOOL, AT(change.exited) },
        { FACT_CHANGE,     "exit",        FIELD_INT,  AT(change.exit) },
        { FACT_PACKAGE,    "change",      FIELD_ENUM, AT(package.change), NAMED(package_change) },
        { FACT_PACKAGE,    "name",        FIELD_TEXT, AT(package.name) },
        { FACT_PACKAGE,    "before",      FIELD_TEXT, AT(package.before) },
        { FACT_PACKAGE,    "after",       FIELD_TEXT, AT(package.after) },
        { FACT_PACKAGE,    "since",       FIELD_U64,  AT(package.since) },
        { FACT_PACKAGE,    "more",        FIELD_U32,  AT(package.more) },
        { FACT_VERSION,    "step",        FIELD_ENUM, AT(version.step), NAMED(version_step) },
        { FACT_VERSION,    "digest",      FIELD_TEXT, AT(version.digest) },
        { FACT_VERSION,    "since",       FIELD_U64,  AT(version.since) },
        { FACT_VERSION,    "files",       FIELD_U32,  AT(version.files) },
        { FACT_VERSION,    "lacks",       FIELD_TEXT, AT(version.lacks) },
        { FACT_VERSION,    "number",      FIELD_U64,  AT(version.number) },
        { FACT_VERSION,    "seen",        FIELD_U64,  AT(version.seen) },
        { FACT_VERSION,    "healthy",     FIELD_U64,  AT(version.healthy) },
        { FACT_VERSION,    "failed",      FIELD_U64,  AT(version.failed) },
        { FACT_VERSION,    "present",     FIELD_BOOL, AT(version.present) },
        { FACT_REMEMBERED, "state",      FIELD_U32,  IN(state) },
        { FACT_REMEMBERED, "rung",       FIELD_U32,  IN(rung) },
        { FACT_REMEMBERED, "attempts",   FIELD_U32,  IN(attempts) },
        { FACT_REMEMBERED, "flags",      FIELD_U32,  IN(flags) },
        { FACT_REMEMBERED, "until",      FIELD_U64,  IN(until) },
        { FACT_REMEMBERED, "since",      FIELD_U64,  IN(since) },
        { FACT_REMEMBERED, "human_at",   FIELD_U64,  IN(human_at) },
        { FACT_REMEMBERED, "backoff",    FIELD_U64,  IN(backoff) },
        { FACT_REMEMBERED, "incident",   FIELD_U64,  IN(incident) },
        { FACT_REMEMBERED, "cause",      FIELD_ENUM, IN(cause),                NAMED(cause) },
        { FACT_REMEMBERED, "opened",     FIELD_U64,  IN(opened) },
        { FACT_REMEMBERED, "count",      FIELD_U64,  IN(count) },
        { FACT_REMEMBERED, "restarts",   FIELD_U64,  IN(restarts) },
        { FACT_REMEMBERED, "pid",        FIELD_INT,  IN(pid) },
        { FACT_REMEMBERED, "start",      FIELD_U64,  IN(start) },
        { FACT_REMEMBERED, "started_at", FIELD_U64,  IN(started_at) },
        { FACT_REMEMBERED, "deaths",     FIELD_DEATHS, 0 },
        { FACT_REMEMBERED, "more",       FIELD_MORE, 0 },
        { FACT_BASELINE,   "of",         FIELD_ENUM, IN(state),                NAMED(baseline_of) },
        { FACT_BASELINE,   "pid",        FIELD_INT,  IN(pid) },
        { FACT_BASELINE,   "start",      FIELD_U64,  IN(start) },
        { FACT_BASELINE,   "numbers",    FIELD_MORE, 0 },
        { FACT_OOM,        "what",         FIELD_ENUM, AT(oom.what),             NAMED(oom_what) },
        { FACT_OOM,        "by",           FIELD_ENUM, AT(oom.by),               NAMED(oom_by) },
        { FACT_OOM,        "killed",       FIELD_U32,  AT(oom.killed) },
        { FACT_OOM,        "pid",          FIELD_INT,  AT(oom.pid) },
        { FACT_OOM,        "comm",         FIELD_TEXT, AT(oom.comm) },
        { FACT_OOM,        "cgroup",       FIELD_TEXT, AT(oom.cgroup) },
        { FACT_OOM,        "limit",        FIELD_TEXT, AT(oom.limit) },
        { FACT_OOM,        "limit_bytes",  FIELD_U64,  AT(oom.limit_bytes) },
        { FACT_OOM,        "held_bytes",   FIELD_U64,  AT(oom.held_bytes) },
        { FACT_OOM,        "before_bytes", FIELD_U64,  AT(oom.before_bytes) },
        { FACT_OOM,        "before",       FIELD_U64,  AT(oom.before) },
        { FACT_OOM,        "pressure",     FIELD_U32,  AT(oom.pressure) },
        { FACT_OOM,        "pushes",       FIELD_U32,  AT(oom.pushes) },
        { FACT_OOM,        "swap_free_bytes", FIELD_U64, AT(oom.swap_free_bytes) },
        { FACT_OOM,        "others",       FIELD_TEXT, AT(oom.others) },
        { FACT_FILE,       "event",        FIELD_ENUM, AT(file.event), NAMED(file_event) },
        { FACT_FILE,       "path",         FIELD_TEXT, AT(file.path) },
        { FACT_FILE,       "rule",         FIELD_TEXT, AT(file.rule) },
        { FACT_FILE,       "digest",       FIELD_TEXT, AT(file.digest) },
        { FACT_FILE,       "sealed",       FIELD_TEXT, AT(file.sealed) },
        { FACT_FILE,       "size",         FIELD_U64,  AT(file.size) },
        { FACT_FILE,       "sealed_size",  FIELD_U64,  AT(file.sealed_size) },
        { FACT_FILE,       "mode",         FIELD_U32,  AT(file.mode) },
        { FACT_FILE,       "sealed_mode",  FIELD_U32,  AT(file.sealed_mode) },
        { FACT_FILE,       "uid",          FIELD_U32,  AT(file.uid) },
        { FACT_FILE,       "sealed_uid",   FIELD_U32,  AT(file.sealed_uid) },
        { FACT_FILE,       "gid",          FIELD_U32,  AT(file.gid) },
        { FACT_FILE,       "sealed_gid",   FIELD_U32,  AT(file.sealed_gid) },
        { FACT_FILE,       "what",         FIELD_TEXT, AT(file.what) },
        { FACT_FILE,       "times",        FIELD_U32,  AT(file.times) },
        { FACT_FILE,       "differing",    FIELD_U32,  AT(file.differing) },
        { FACT_FILE,       "by",           FIELD_ENUM, AT(file.by), NAMED(file_by) },
        { FACT_FILE,       "pid",          FIELD_INT,  AT(file.pid) },
        { FACT_FILE,       "start",        FIELD_U64,  AT(file.start) },
        { FACT_FILE,       "exe",          FIELD_TEXT, AT(file.exe) },
        { FACT_FILE,       "writer",       FIELD_UID,  AT(file.writer) },
        { FACT_FILE,       "cgroup",       FIELD_TEXT, AT(file.cgroup) },
        { FACT_FILE,       "level",        FIELD_ENUM, AT(file.level), NAMED(file_level) },
        { FACT_FILE,       "before",       FIELD_ENUM, AT(file.before), NAMED(file_level) },
        { FACT_FILE,       "why",          FIELD_TEXT, AT(file.why) },
};
/* clang-format on */

/* The chain's integers end at 2^53 - 1; "never" is written as 0 nowhere, so the largest one stands for infinity. */
#define RECORD_INFINITY ((json_int_t)9007199254740991)

static json_t *json_u64(uint64_t value)
{
        return json_integer(value > (uint64_t)RECORD_INFINITY ? RECORD_INFINITY : (json_int_t)value);
}

static uint64_t u64_of(json_int_t value)
{
        return value == RECORD_INFINITY ? UINT64_MAX : (uint64_t)value;
}

static json_t *json_text(const char *text)
{
        char safe[1024];

        text_copy_safe(safe, sizeof(safe), text ? text : "");
        return json_string(safe);
}

static json_t *json_list(const uint64_t *numbers, unsigned n)
{
        json_t *list = json_array();

        for (unsigned i = 0; i < n; i++)
                json_array_append_new(list, json_u64(numbers[i]));
        return list;
}

/* The chain's keys are lower case. */
static const char *const limit_keys[LIMIT_N] = {
        [LIMIT_MEMORY_HIGH] = "memory_high",         [LIMIT_MEMORY_MAX] = "memory_max",
        [LIMIT_MEMORY_SWAP_MAX] = "memory_swap_max", [LIMIT_CPU_QUOTA] = "cpu_quota",
        [LIMIT_OOM_POLICY] = "oom_policy",
};

json_t *record_of_limits(const struct limits *limits)
{
        json_t *object = json_pack("{s:s}", "place", limits_place_name(limits->place));

        for (enum limit limit = 0; limit < LIMIT_N; limit++) {
                uint64_t value = limits->value[limit];

                if (limits_have(limits, limit))
                        json_object_set_new(object, limit_keys[limit],
                                            limit == LIMIT_OOM_POLICY
                                                    ? json_string(oom_policy_name((enum oom_policy)value))
                                                    : json_u64(value));
        }
        return object;
}

static json_t *field_write(const struct field *field, const void *base)
{
        const char *at = (const char *)base + field->offset;
        unsigned value;

        switch (field->type) {
        case FIELD_U32: memcpy(&value, at, sizeof(value)); return json_integer(value);
        case FIELD_UID:
                memcpy(&value, at, sizeof(value));
                return value == UINT32_MAX ? json_null() : json_integer(value);
        case FIELD_U64: return json_u64(*(const uint64_t *)(const void *)at);
        case FIELD_INT: return json_integer(*(const int *)(const void *)at);
        case FIELD_BOOL: return json_boolean(*(const bool *)(const void *)at);
        case FIELD_TEXT: return json_text(*(const char *const *)(const void *)at);
        case FIELD_ENUM: memcpy(&value, at, sizeof(value)); return json_string(field->name_of(value));
        case FIELD_DEATHS:
                return json_list(((const struct remembered *)base)->deaths,
                                 ((const struct remembered *)base)->deaths_n);
        case FIELD_MORE:
                return json_list(((const struct remembered *)base)->more, ((const struct remembered *)base)->more_n);
        case FIELD_LIMITS: return record_of_limits((const struct limits *)(const void *)at);
        }
        return NULL;
}

json_t *record_of_fact(const struct fact *fact, char verb[RECORD_VERB_MAX])
{
        const void *base = fact_is_memory(fact->kind) ? (const void *)fact->remembered : fact;
        json_t *details = json_object();

        snprintf(verb, RECORD_VERB_MAX, "fact.%s", fact_kind_name(fact->kind));
        json_object_set_new(details, "at", json_u64(fact->at));
        json_object_set_new(details, "manager", json_string(manager_name(fact->manager)));
        json_object_set_new(details, "instance", json_integer(fact->instance));
        for (size_t i = 0; i < NAMES_N(fields); i++)
                if (fields[i].kind == fact->kind)
                        json_object_set_new(details, fields[i].name, field_write(&fields[i], base));
        return details;
}

/* What every decision says of itself. */
static json_t *decision_details(const struct decision *decision)
{
        json_t *details = json_object();

        json_object_set_new(details, "at", json_u64(decision->at));
        json_object_set_new(details, "cause", json_string(cause_name(decision->cause)));
        json_object_set_new(details, "effective", json_string(effective_name(decision->effective)));
        json_object_set_new(details, "enforce", json_boolean(decision->enforce));
        json_object_set_new(details, "reason", json_text(decision->reason));
        json_object_set_new(details, "rule", json_text(decision->rule));
        if (decision->rule_file && decision->rule_file[0]) {
                json_object_set_new(details, "rule_file", json_text(decision->rule_file));
                json_object_set_new(details, "rule_line", json_integer(decision->rule_line));
        }
        return details;
}

static void details_add_act(json_t *details, const struct decision *decision)
{
        json_object_set_new(details, "purpose", json_string(purpose_name(decision->purpose)));
        json_object_set_new(details, "instance", json_integer(decision->instance));
        json_object_set_new(details, "pid", json_integer(decision->pid));
        json_object_set_new(details, "start", json_u64(decision->start));
        if (decision->kind == DECIDE_WITHHOLD)
                json_object_set_new(details, "withheld", json_string(withheld_name(decision->withheld)));
        if (decision->trial)
                json_object_set_new(details, "trial", json_u64(decision->trial));
        if (decision->limits.place != LIMITS_NOWHERE)
                json_object_set_new(details, "limits", record_of_limits(&decision->limits));
        if (decision->to) {
                json_object_set_new(details, "version", json_u64(decision->version));
                json_object_set_new(details, "to", json_text(decision->to));
                json_object_set_new(details, "from", json_text(decision->from));
        }
        if (decision->path)
                json_object_set_new(details, "path", json_text(decision->path));
}

json_t *record_of_decision(const struct decision *decision, char verb[RECORD_VERB_MAX])
{
        json_t *details = decision_details(decision);

        if (decision->kind == DECIDE_ACT || decision->kind == DECIDE_WITHHOLD) {
                action_verb(decision->action, verb);
                details_add_act(details, decision);
        } else {
                snprintf(verb, RECORD_VERB_MAX, "finding.%s", cause_name(decision->cause));
                json_object_set_new(details, "state", json_string(decision_kind_name(decision->kind)));
        }
        return details;
}

json_t *record_of_outcome(const struct fact *fact, uint64_t intent)
{
        json_t *details = json_object();

        json_object_set_new(details, "at", json_u64(fact->at));
        json_object_set_new(details, "instance", json_integer(fact->instance));
        json_object_set_new(details, "intent", json_u64(intent));
        json_object_set_new(details, "manager", json_string(manager_name(fact->manager)));
        json_object_set_new(details, "outcome", json_string(outcome_name(fact->outcome.outcome)));
        json_object_set_new(details, "purpose", json_string(purpose_name(fact->outcome.purpose)));
        json_object_set_new(details, "text", json_text(fact->outcome.text));
        if (fact->outcome.trial)
                json_object_set_new(details, "trial", json_u64(fact->outcome.trial));
        if (fact->outcome.path && *fact->outcome.path)
                json_object_set_new(details, "path", json_text(fact->outcome.path));
        return details;
}

/* ---- back again ---------------------------------------------------------------------------------------------------- */

static int list_read(const json_t *list, size_t most, uint64_t *numbers, uint32_t *ret_n)
{
        size_t n = json_array_size(list);

        if (n > most)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++)
                numbers[i] = u64_of(json_integer_value(json_array_get(list, i)));
        *ret_n = (uint32_t)n;
        return 0;
}

/* A value that makes no sense is not taken: what remains is still known to be limited. */
struct limits record_to_limits(const json_t *object)
{
        struct limits limits = {
                .place = limits_place_from_name(json_string_value(json_object_get(object, "place"))),
        };

        for (enum limit limit = 0; limit < LIMIT_N; limit++) {
                const json_t *value = json_object_get(object, limit_keys[limit]);
                enum oom_policy policy = oom_policy_from_name(json_string_value(value));

                if (limit == LIMIT_OOM_POLICY && policy != OOM_POLICY_NONE)
                        limits_put(&limits, limit, policy);
                else if (limit != LIMIT_OOM_POLICY && json_is_integer(value))
                        limits_put(&limits, limit, u64_of(json_integer_value(value)));
        }
        return limits;
}

static int field_read(const struct field *field, const json_t *value, void *base)
{
        char *at = (char *)base + field->offset;
        struct remembered *remembered = base;
        unsigned number;

        switch (field->type) {
        case FIELD_U32:
                number = (unsigned)json_integer_value(value);
                memcpy(at, &number, sizeof(number));
                return 0;
        case FIELD_UID:
                number = json_is_integer(value) ? (unsigned)json_integer_value(value) : UINT32_MAX;
                memcpy(at, &number, sizeof(number));
                return 0;
        case FIELD_U64: *(uint64_t *)(void *)at = u64_of(json_integer_value(value)); return 0;
        case FIELD_INT: *(int *)(void *)at = (int)json_integer_value(value); return 0;
        case FIELD_BOOL: *(bool *)(void *)at = json_is_true(value); return 0;
        case FIELD_TEXT: *(const char **)(void *)at = json_is_string(value) ? json_string_value(value) : ""; return 0;
        case FIELD_ENUM:
                number = field->from_name(json_string_value(value));
                memcpy(at, &number, sizeof(number));
                return 0;
        case FIELD_DEATHS: return list_read(value, FACT_DEATHS_MAX, remembered->deaths, &remembered->deaths_n);
        case FIELD_MORE: return list_read(value, REMEMBERED_MORE_MAX, remembered->more, &remembered->more_n);
        case FIELD_LIMITS: *(struct limits *)(void *)at = record_to_limits(value); return 0;
        }
        return -EBADMSG;
}

/* Records of actions that name an intent are outcomes; the intents themselves are not facts. */
static int outcome_to_fact(const char *verb, const json_t *details, struct fact *fact)
{
        if (!json_object_get(details, "intent"))
                return -ENOENT;
        fact->kind = FACT_OUTCOME;
        fact->outcome.action = action_from_verb(verb);
        fact->outcome.outcome = outcome_from_name(json_string_value(json_object_get(details, "outcome")));
        fact->outcome.purpose = purpose_from_name(json_string_value(json_object_get(details, "purpose")));
        fact->outcome.text = json_string_value(json_object_get(details, "text"));
        if (!fact->outcome.text)
                fact->outcome.text = "";
        fact->outcome.path = json_string_value(json_object_get(details, "path"));
        fact->outcome.trial = u64_of(json_integer_value(json_object_get(details, "trial")));
        return fact->outcome.action == ACTION_NONE ? -EBADMSG : 0;
}

int record_to_fact(const char *verb, const char *subject, const json_t *details, struct remembered *scratch,
                   struct fact *ret)
{
        struct fact fact = {
                .at = u64_of(json_integer_value(json_object_get(details, "at"))),
                .manager = manager_from_name(json_string_value(json_object_get(details, "manager"))),
                .agent = subject,
                .instance = (uint32_t)json_integer_value(json_object_get(details, "instance")),
        };
        void *base = &fact;

        if (action_is_verb(verb)) {
                int r = outcome_to_fact(verb, details, &fact);
                if (r == 0)
                        *ret = fact;
                return r;
        }
        if (!text_starts(verb, "fact."))
                return -ENOENT;
        fact.kind = fact_kind_from_name(verb + strlen("fact."));
        if (fact.kind == FACT_NONE)
                return -EBADMSG;
        if (fact_is_memory(fact.kind)) {
                memset(scratch, 0, sizeof(*scratch));
                fact.remembered = scratch;
                base = scratch;
        }
        for (size_t i = 0; i < NAMES_N(fields); i++) {
                if (fields[i].kind != fact.kind)
                        continue;
                int r = field_read(&fields[i], json_object_get(details, fields[i].name), base);
                if (r < 0)
                        return r;
        }
        *ret = fact;
        return 0;
}

/* ---- memory --------------------------------------------------------------------------------------------------------------- */

#define WRITTEN_WITHIN (5 * USEC_PER_SEC) /* the memory of thousands of agents, all at one go */

void record_memory_begin(struct record_memory *memory, const json_t *start)
{
        const json_t *count = json_object_get(start, "memory");

        *memory = (struct record_memory){
                .counted = json_is_integer(count),
                .left = u64_of(json_integer_value(count)),
                .at = u64_of(json_integer_value(json_object_get(start, "at"))),
        };
}

/* In this order: what the judge of then saw of the world, then what it made of it. */
static bool looks_like_memory(struct record_memory *memory, const struct fact *fact)
{
        bool agents = fact_is_memory(fact->kind);
        bool world = fact->kind == FACT_SOURCE || fact->kind == FACT_DEPENDS || fact->kind == FACT_CHANGE ||
                     fact_is_recalled(fact);

        memory->agents |= agents;
        return (agents || (world && !memory->agents)) && fact->at >= memory->at &&
               fact->at - memory->at <= WRITTEN_WITHIN;
}

bool record_is_memory(struct record_memory *memory, const struct fact *fact)
{
        if (memory->counted)
                memory->ended = memory->left == 0;
        else if (fact)
                memory->ended |= !looks_like_memory(memory, fact);
        if (memory->counted && memory->left > 0)
                memory->left--;
        return !memory->ended;
}
