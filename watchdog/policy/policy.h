#pragma once
/* Checked rules: what should be happening on this machine. Everything in it is plain data, made once, never changed. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/agent.h"
#include "base/usec.h"

#define POLICY_WINDOWS_MAX 4
#define POLICY_LADDER_MAX 8
#define POLICY_FILES_MAX 256    /* file rules */
#define POLICY_AMOUNTS_MAX 8    /* limits of one action rule */
#define POLICY_ACTIONS_MAX 256  /* action rules */
#define POLICY_MORE_THAN_MAX 63 /* the judge keeps 64 deaths exactly */
#define POLICY_DIGEST_MAX 65    /* hex SHA-256 of the normalised policy, and NUL */

enum mode {
        MODE_OBSERVE,
        MODE_ENFORCE,
        MODE_N,
};

enum rung {
        RUNG_RESTART,
        RUNG_ROLLBACK, /* skipped where there is nothing to go back to */
        RUNG_QUARANTINE,
        RUNG_N,
};

/* "more than 2 in 60 s" */
struct window {
        uint32_t more_than;
        usec_t within;
};

struct heal {
        enum rung ladder[POLICY_LADDER_MAX];
        unsigned ladder_n;
        usec_t backoff_first;
        usec_t backoff_most;
        usec_t trial_after;
        usec_t proven_after; /* a life of this length without a finding proves what it runs with */
};

struct memory_limits {
        uint64_t budget_bytes;  /* 0: none */
        uint64_t ceiling_bytes; /* 0: none */
        enum memory_of of;
};

/* More CPU than this on average, for so long without a break. above_percent 0: no limit. */
struct cpu_limits {
        uint64_t above_percent; /* of one CPU: 150 is one and a half; of the machine: of all CPUs */
        usec_t lasting;
        uint64_t quota_percent; /* of one CPU, what it gets once it was above; 0: it is only told */
};

struct policy_origin {
        const char *file;
        unsigned line;
};

/* One row of `agents:`; the first matching rule owns an agent. */
struct rule {
        const char *name;
        enum manager manager;
        const char *
                pattern; /* glob over the unit ("agent-lily.service"; ".service" may be left out) or "USER/APP" or "APP" */
        enum mode mode;
        bool critical;
        bool agent_class; /* a class was given */
        const char *class_name;
        const char **after; /* agents healed before this one: names as a person types them */
        unsigned after_n;
        struct window restarts[POLICY_WINDOWS_MAX];
        unsigned restarts_n;
        struct memory_limits memory;
        struct cpu_limits cpu;
        struct heal heal;
        const char **config; /* files and patterns whose change is told */
        unsigned config_n;
        struct policy_origin origin;
        /* health, heartbeat are checked by the key table; the issues that act on them bring their fields */
};

enum file_kind {
        FILE_UNTOUCHABLE, /* nobody changes them outside of a maintenance window */
        FILE_PROTECTED,   /* a change waits for an approver */
        FILE_KIND_N,
};

enum approver {
        APPROVER_KEY,
        APPROVER_PHONE,
        APPROVER_N,
};

enum packages {
        PACKAGES_REFUSE,
        PACKAGES_ALLOW,
        PACKAGES_N,
};

/* What a change of a guarded file has for consequences besides that it is restored. Each includes those before it. */
enum on_breach {
        BREACH_RECORD,
        BREACH_ALERT,
        BREACH_N,
};

struct approval {
        enum approver by[POLICY_LADDER_MAX]; /* no entry twice */
        unsigned by_n;
        usec_t within;
        bool phone_despite_root;
};

/* One row of `files:`. Where two match a file, an untouchable one owns it, and else the first. */
struct file_rule {
        const char *name;
        enum file_kind kind;
        enum mode mode;
        const char **paths; /* as path_glob() reads them */
        unsigned paths_n;
        const char **except; /* as path_excepted() reads them */
        unsigned except_n;
        struct approval approve; /* of protected files */
        enum packages packages;
        bool folders;    /* folders that hold nothing but guarded files are made immutable too */
        bool deny_opens; /* opens for writing wait for a verdict */
        enum on_breach on_breach;
        struct policy_origin origin;
};

/* A parameter of an action, and what is too much of it. */
struct amount_limit {
        const char *name;
        int64_t millionths; /* not negative */
};

/* One row of `actions:`: what agents ask for before they do it. */
struct action_rule {
        const char *name;
        struct amount_limit ask_above[POLICY_AMOUNTS_MAX]; /* none: each is asked for */
        unsigned ask_above_n;
        struct amount_limit deny_above[POLICY_AMOUNTS_MAX];
        unsigned deny_above_n;
        struct approval approve;
        struct policy_origin origin;
};

struct machine_rule {
        uint64_t memory_floor_bytes; /* MemAvailable that is too little; 0: none */
        uint32_t actions_at_most;    /* the global budget: at most this many actions ... */
        usec_t actions_within;       /* ... within this time */
        struct cpu_limits cpu;
        struct policy_origin origin;
};

struct daemon_rule {
        uint32_t agents_max;    /* default 512, at most 4,096 */
        const char **pm2_homes; /* configured homes, beside the discovered ones */
        unsigned pm2_homes_n;
};

struct audit_rule {
        uint32_t retention_days; /* read only at init */
};

struct policy {
        bool discovered; /* there was no policy file (or none that is right): observe what looks like an agent */
        enum mode mode;  /* governor.yaml's default */
        struct rule *rules;
        unsigned rules_n;
        struct file_rule *files;
        unsigned files_n;
        struct action_rule *actions;
        unsigned actions_n;
        struct rule fallback; /* for agents that no rule matches when `discovered`; defaults of all keys */
        struct machine_rule machine;
        struct daemon_rule daemon;
        struct audit_rule audit;
        char digest[POLICY_DIGEST_MAX];
        struct policy_arena *arena;
};

/* One error or warning, ready to print in compiler style (file:line:column: error: ..., source line, caret). */
struct policy_message {
        const char *file;
        unsigned line, column, length; /* 1-based; 0 when it is about the whole file */
        bool warning;
        const char *text;   /* "unknown key 'max_per_hor'; did you mean 'max_per_hour'?" */
        const char *source; /* the source line, or NULL */
};

struct policy_messages {
        struct policy_message *list;
        size_t n, errors;
        struct policy_arena *arena;
};

/*
 * Reads `governor.yaml` (NULL or absent: none) and then `directory`/ *.yaml in name order (NULL or absent: none).
 * Returns 0 and the policy, or -EINVAL with all errors in `ret_messages` (warnings come there in both cases).
 * With no file at all the policy is a discovered one. Free both with their calls below.
 */
int policy_load(const char *config, const char *directory, struct policy **ret, struct policy_messages *ret_messages);

/* As policy_load() for the files named, in that order, as `govctl policy check FILE...` does. */
int policy_load_files(const char *const *files, size_t n, struct policy **ret, struct policy_messages *ret_messages);

/* As policy_load_files() for files that are in memory, in that order. */
struct policy_text {
        const char *name, *text;
};
int policy_load_texts(const struct policy_text *texts, size_t n, struct policy **ret,
                      struct policy_messages *ret_messages);

/* As policy_load_files() for one file that is in memory; it is governor.yaml when `name` ends so. */
int policy_load_text(const char *name, const char *text, size_t size, struct policy **ret,
                     struct policy_messages *ret_messages);

/* The policy of a machine without one: observe whatever looks like an agent. */
int policy_discovered(struct policy **ret);

struct policy *policy_free(struct policy *policy);
void policy_messages_done(struct policy_messages *messages);

/* Writes a message as a compiler would into a fixed buffer (cut at its end); returns `buffer`. */
#define POLICY_RENDER_MAX 2048
char *policy_message_render(const struct policy_message *message, bool colour, char buffer[POLICY_RENDER_MAX]);

/*
 * The rule that owns the agent, or NULL when none does (then it is not governed). Pure: the judge calls it.
 * In a discovered policy every agent gets the fallback rule.
 */
const struct rule *policy_rule(const struct policy *policy, const char *agent);

/* Whether the unit is one to watch: some rule matches it. Discovery by looks is decided elsewhere. */
bool policy_wants(const struct policy *policy, const char *agent);

/* Whether the rule's `after` names this agent, by one of its own names or by the name of the rule that owns it. Pure. */
bool policy_comes_after(const struct policy *policy, const struct rule *rule, const char *base);

/* The rule that owns the file, or NULL when none does. Pure. */
const struct file_rule *policy_file_rule(const struct policy *policy, const char *path);

/* Whether such an approver may say yes. Pure. */
bool approval_is_by(const struct approval *approval, enum approver approver);

/* Whether proposals for the rule's files may be approved so. Pure. */
bool policy_approves(const struct file_rule *rule, enum approver approver);

/* The rule of the action, or NULL when none names it. Pure. */
const struct action_rule *policy_action(const struct policy *policy, const char *name);

const char *mode_name(enum mode mode);
const char *rung_name(enum rung rung);
const char *file_kind_name(enum file_kind kind);

/* The policy as one text in which nothing but its meaning is left (no comments, order or defaults): what is digested. Allocated. */
int policy_normalise(const struct policy *policy, char **ret);

/* As policy_normalise(), only what the judge goes by: what the audit log holds, and replay loads. Allocated. */
int policy_judged(const struct policy *policy, char **ret);

/* The policy that rules, as YAML that loads again; with_origin: each value with "# file:line". Allocated. */
int policy_show(const struct policy *policy, bool with_origin, char **ret);
