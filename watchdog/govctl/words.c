#include "govctl/words.h"

#include <string.h>

#include "base/agent.h"
#include "base/decision.h"
#include "base/fact.h"
#include "base/text.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/parameters.h"
#include "govctl/standing.h"

#define SUBJECT_COLUMN 16
#define WORDS_COLUMN 34

/* What an action is called before it, after it, and after it failed. The first row that fits counts. */
struct phrase {
        const char *action;  /* whole */
        const char *purpose; /* details.purpose; NULL: any */
        const char *before, *after, *failed;
        bool details; /* the numbers and short texts follow */
};

/* clang-format off */
static const struct phrase phrases[] = {
        { "agent.restart",       "asked",      "restarting it, as asked",    "restarted, as asked",     "could not be restarted" },
        { "agent.restart",       "flush",      "restarting it for the memory floor", "restarted for the memory floor", "could not be restarted" },
        { "agent.restart",       NULL,         "restarting it",              "restarted",               "could not be restarted" },
        { "agent.stop",          "quarantine", "putting it into quarantine", "put into quarantine",     "could not be put into quarantine" },
        { "agent.stop",          "backoff",    "stopping it for a pause",    "stopped for a pause",     "could not be stopped" },
        { "agent.stop",          NULL,         "stopping it",                "stopped",                 "could not be stopped" },
        { "agent.start",         "trial",      "starting it for a trial",    "started for a trial",     "could not be started for its trial" },
        { "agent.start",         "asked",      "starting it, as asked",      "started, as asked",       "could not be started" },
        { "agent.start",         NULL,         "starting it again",          "started again",           "could not be started" },
        { "agent.limit",         "keep",       "keeping its limits",         "its limits are kept",     "its limits could not be kept" },
        { "agent.limit",         "heal",       "limiting it",                "limited",                 "could not be limited" },
        { "agent.limit",         NULL,         "putting limits on trial",    "limits are on trial",     "limits could not be put on trial" },
        { "agent.unlimit",       NULL,         "taking its limits back",     "its limits are taken back", "ITS LIMITS COULD NOT BE TAKEN BACK" },
        { "agent.rollback",      "asked",      "putting its configuration back, as asked", "configuration put back, as asked", "configuration not put back" },
        { "agent.rollback",      NULL,         "putting its configuration back", "configuration put back", "configuration not put back" },
        { "file.restore",        NULL,         "putting a guarded file back", "guarded file put back",  "GUARDED FILE NOT PUT BACK" },
        { "change.open",         NULL,         "opening a change window",    "change window opened",    "no change window" },
        { "change.close",        NULL,         "closing a change window",    "change window closed",    "change window not closed" },
        { "approval.asked",      NULL,         "asking for an action",       "asked for an action",     "could not ask for an action" },
        { "approval.allowed",    NULL,         "allowing an action",         "an action was allowed by the policy", "an action was not allowed" },
        { "approval.denied",     NULL,         "denying an action",          "an action was denied by the policy", "an action was denied by the policy" },
        { "approval.approved",   NULL,         "approving an action",        "an action was approved",  "an action was not approved" },
        { "approval.modified",   NULL,         "approving an action with changes", "an action was approved with changes", "an action was not approved" },
        { "approval.rejected",   NULL,         "rejecting an action",        "an action was rejected",  "an action was rejected" },
        { "approval.expired",    NULL,         "nobody answers",             "nobody answered in time", "nobody answered in time" },
        { "approval.withdrawn",  NULL,         "taking a request back",      "a request was taken back", "a request was not taken back" },
        { "approval.lost",       NULL,         "requests are lost",          "requests were lost",      "requests were lost", true },
        { "policy.load",         NULL,         "loading the policy",         "policy loaded",           "policy not loaded" },
        { "policy.text",         NULL,         "the policy, word for word",  "the policy, word for word", "the policy is not kept" },
        { "judge.start",         NULL,         "Governor begins to judge",   "Governor begins to judge", "Governor could not begin" },
        { "judge.stop",          NULL,         "Governor ends",              "Governor ends",           "Governor could not end" },
        { "audit.genesis",       NULL,         "the log begins",             "the log begins",          "the log could not begin" },
        { "audit.start",         NULL,         "the log goes on",            "the log goes on",         "the log could not go on" },
        { "audit.heartbeat",     NULL,         "the log is alive",           "the log is alive",        "the log is not alive" },
        { "audit.archive",       NULL,         "archiving old records",      "old records were archived", "old records could not be archived", true },
        { "audit.rotate",        NULL,         "this log ends on purpose",   "this log ends on purpose", "this log could not be ended" },
        { "audit.restored",      NULL,         "explained by a human",       "explained by a human",    "could not be explained" },
        { "audit.nonce",         NULL,         "answering an auditor",       "an auditor was answered", "an auditor could not be answered", true },
        { "audit.witness",       NULL,         "changing the witnesses",     "the witnesses were changed", "the witnesses could not be changed", true },
        { "audit.anchor",        NULL,         "anchoring the log elsewhere", "a witness has cosigned", "no witness has cosigned for a day", true },
        { "audit.refused",       NULL,         "a witness refuses the log",  "a witness refuses the log", "a witness refuses the log" },
        { "audit.verified",      NULL,         "verifying the log",          "the log was verified",    "the log does not verify", true },
        { "audit.degraded",      NULL,         "the disk is full",           "the disk was full: only safety acts went on", "the disk was full" },
        { "audit.gap",           NULL,         "records were lost",          "records were lost while the disk was full", "records were lost", true },
        { "audit.foreign_write", NULL,         "somebody else wrote to it",  "somebody else wrote to it", "somebody else wrote to it" },
};

static const char *const withheld_words[WITHHELD_N] = {
        [WITHHELD_BUDGET]       = "the machine's budget of actions is spent",
        [WITHHELD_COMMON_CAUSE] = "many agents fail at once: the common cause comes first",
        [WITHHELD_TOO_MANY]     = "too large a share of the agents would be in quarantine",
        [WITHHELD_CRITICAL]     = "a critical agent is slowed, never quarantined",
        [WITHHELD_HUMAN]        = "a human acted on it in the last minutes, and humans go first",
        [WITHHELD_GRACE]        = "the machine or the agent has just started",
        [WITHHELD_BASE_FIRST]   = "an agent that it comes after is healed first",
        [WITHHELD_BLIND]        = "the evidence is incomplete",
        [WITHHELD_SAFE_MODE]    = "safe mode",
        [WITHHELD_ILL]          = "something is wrong with it that comes first",
        [WITHHELD_COOLING]      = "the same was done to it a short while ago",
        [WITHHELD_SHARED]       = "what would be limited is not the agent's alone",
        [WITHHELD_NO_VERSION]   = "there is no earlier configuration to go back to",
};
/* clang-format on */

static bool is(const json_t *record, const char *path, const char *text)
{
        return strcmp(field_text(record, path), text) == 0;
}

/* ---- facts ---- */

static void say_agent(const json_t *details, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "%s says \"%s\"", field_text(details, "manager"),
                    field_text(details, "word"));
        if (field_number(details, "pid") > 0)
                text_append(words, RECORD_WORDS_MAX, ", pid %lld", (long long)field_number(details, "pid"));
        text_append(words, RECORD_WORDS_MAX, ", restarts %lld%s", (long long)field_number(details, "restarts"),
                    field_true(details, "first") ? ", at first sight" : "");
}

static void say_started(const json_t *details, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "it %s as pid %lld",
                    field_true(details, "ordered") ? "was started" : "started",
                    (long long)field_number(details, "pid"));
}

static void say_ended(const json_t *details, char *words)
{
        char ending[ENDING_WORDS_MAX];

        text_append(words, RECORD_WORDS_MAX, "it ended: %s", ending_words(details, ending));
}

static void say_died(const json_t *details, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "process %lld is gone", (long long)field_number(details, "pid"));
}

static void say_depends(const json_t *details, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "it %s %s", field_text(details, "dependency"), field_text(details, "on"));
}

static void say_source(const json_t *details, char *words)
{
        const char *why = field_text(details, "why");
        enum source_state state = source_state_from_name(field_text(details, "state"));

        text_append(words, RECORD_WORDS_MAX, "%s %s%s%s", field_text(details, "name"),
                    state == SOURCE_SEEING   ? "is seen"
                    : state == SOURCE_ABSENT ? "is not there"
                                             : "is out of sight",
                    why[0] ? ": " : "", why);
}

static void say_planned(const json_t *details, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "restarts are planned by %s", field_text(details, "by"));
}

static void say_stray(const json_t *details, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "%s, pid %lld", field_text(details, "stray"),
                    (long long)field_number(details, "pid"));
}

static void say_asked(const json_t *details, char *words)
{
        const char *reason = field_text(details, "reason");

        text_append(words, RECORD_WORDS_MAX, "%s asked for %s%s%s", field_text(details, "who"),
                    field_text(details, "ask"), reason[0] ? ": " : "", reason);
}

/* What was changed by its two digests, which stand for what may not be told. */
static void say_config(const json_t *details, char *words)
{
        const char *what = field_text(details, "what"), *digest = field_text(details, "digest");
        enum config_of of = config_of_from_name(field_text(details, "of"));

        text_append(words, RECORD_WORDS_MAX, "%s %s%s%s",
                    of == CONFIG_OF_APP ? "what PM2 has of it" : field_text(details, "path"),
                    field_text(details, "change"), what[0] ? ": " : "", what);
        if (strcmp(field_text(details, "sealed"), digest) == 0) { /* as it should be */
                text_append(words, RECORD_WORDS_MAX, "%s", digest[0] ? "" : ": it is gone again");
                return;
        }
        if (of != CONFIG_OF_APP)
                text_append(words, RECORD_WORDS_MAX, ", %lld to %lld bytes",
                            (long long)field_number(details, "sealed_size"), (long long)field_number(details, "size"));
        text_append(words, RECORD_WORDS_MAX, ", %.12s to %.12s", field_text(details, "sealed"), digest);
}

static void say_change(const json_t *details, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "change window %lld%s%s: %s", (long long)field_number(details, "number"),
                    field_text(details, "pattern")[0] ? " for " : "", field_text(details, "pattern"),
                    field_text(details, "step"));
}

/* Numbers that a judge reads; people learn what they are about. */
static void say_baseline(const json_t *details, char *words)
{
        static const char *const about[BASELINE_OF_N] = {
                [BASELINE_SIZE] = "how large it is",
                [BASELINE_LOAD] = "how busy it is",
                [BASELINE_HABIT] = "how large its lives usually are",
                [BASELINE_FLOOR] = "how much memory the machine has left",
        };

        text_append(words, RECORD_WORDS_MAX, "noted: %s", about[baseline_of_from_name(field_text(details, "of"))]);
}

static void say_trial(const json_t *details, char *words)
{
        const char *reason = field_text(details, "reason");

        text_append(words, RECORD_WORDS_MAX, "trial %lld of its %s: %s, %s%s%s",
                    (long long)field_number(details, "number"), field_text(details, "of"), field_text(details, "step"),
                    field_text(details, "by"), reason[0] ? ": " : "", reason);
}

static void say_weight(const json_t *details, char *words)
{
        const char *name = field_text(details, "name");
        char bytes[TEXT_BYTES_MAX];

        if (strcmp(field_text(details, "how"), weighed_name(WEIGHED_NOT)) == 0)
                text_append(words, RECORD_WORDS_MAX, "what a restart of it frees could not be measured");
        else if (name[0])
                text_append(words, RECORD_WORDS_MAX, "%s (pid %lld), which is no agent, holds %s", name,
                            (long long)field_number(details, "pid"),
                            text_bytes(bytes, (uint64_t)field_number(details, "frees_bytes")));
        else
                text_append(words, RECORD_WORDS_MAX, "a restart of it frees about %s (of its %s, by %s)",
                            text_bytes(bytes, (uint64_t)field_number(details, "frees_bytes")),
                            field_text(details, "of"), field_text(details, "how"));
}

static void say_oom(const json_t *details, char *words)
{
        char held[TEXT_BYTES_MAX], limit[TEXT_BYTES_MAX];
        const char *comm = field_text(details, "comm"), *at = field_text(details, "limit");
        bool killed = strcmp(field_text(details, "what"), oom_what_name(OOM_KILLED)) == 0;

        if (killed && field_number(details, "pid") > 0)
                text_append(words, RECORD_WORDS_MAX, "process %lld%s%s%s killed for memory",
                            (long long)field_number(details, "pid"), comm[0] ? " (" : "", comm, comm[0] ? ")" : "");
        else if (killed)
                text_append(words, RECORD_WORDS_MAX, "%lld killed for memory",
                            (long long)field_number(details, "killed"));
        else
                text_append(words, RECORD_WORDS_MAX, "%s", at[0] ? at : "the machine");
        if (field_number(details, "held_bytes") > 0)
                text_append(words, RECORD_WORDS_MAX, "%s %s", killed ? ", held" : " holds",
                            text_bytes(held, (uint64_t)field_number(details, "held_bytes")));
        if (field_number(details, "limit_bytes") > 0)
                text_append(words, RECORD_WORDS_MAX, " of %s",
                            text_bytes(limit, (uint64_t)field_number(details, "limit_bytes")));
        if (killed)
                text_append(words, RECORD_WORDS_MAX, ", by %s", field_text(details, "by"));
}

static void say_package(const json_t *details, char *words)
{
        const char *before = field_text(details, "before"), *after = field_text(details, "after");

        text_append(words, RECORD_WORDS_MAX, "package %s %s", field_text(details, "name"),
                    field_text(details, "change"));
        if (before[0] || after[0])
                text_append(words, RECORD_WORDS_MAX, ": %s%s%s", before, before[0] && after[0] ? " to " : "", after);
        if (field_number(details, "more") > 0)
                text_append(words, RECORD_WORDS_MAX, ", and %lld more", (long long)field_number(details, "more"));
}

static void say_version(const json_t *details, char *words)
{
        const char *lacks = field_text(details, "lacks");

        text_append(words, RECORD_WORDS_MAX, "its configuration %.12s, %lld file%s, %s", field_text(details, "digest"),
                    (long long)field_number(details, "files"), field_number(details, "files") == 1 ? "" : "s",
                    strcmp(field_text(details, "step"), "healthy") == 0 ? "is proven"
                    : strcmp(field_text(details, "step"), "known") == 0 ? "is remembered"
                                                                        : "is in place");
        if (lacks[0])
                text_append(words, RECORD_WORDS_MAX, "; not kept whole: %s", lacks);
}

/* "by /usr/bin/node (pid 12, uid 1000)"; whoever it was that nobody knows. */
static void say_writer(const json_t *details, char *words)
{
        const char *exe = field_text(details, "exe");
        bool uid = json_is_integer(field(details, "writer"));

        if (strcmp(field_text(details, "by"), file_by_name(FILE_BY_UNKNOWN)) == 0) {
                text_append(words, RECORD_WORDS_MAX, ", by whom is not known");
                return;
        }
        text_append(words, RECORD_WORDS_MAX, ", by %s", exe[0] ? exe : "an unknown program");
        if (field_number(details, "pid") > 0)
                text_append(words, RECORD_WORDS_MAX, " (pid %lld", (long long)field_number(details, "pid"));
        if (field_number(details, "pid") > 0 && uid)
                text_append(words, RECORD_WORDS_MAX, ", uid %lld", (long long)field_number(details, "writer"));
        if (field_number(details, "pid") > 0)
                text_append(words, RECORD_WORDS_MAX, ")");
}

static void say_file(const json_t *details, char *words)
{
        const char *path = field_text(details, "path"), *rule = field_text(details, "rule"),
                   *why = field_text(details, "why"), *what = field_text(details, "what");
        enum file_event event = file_event_from_name(field_text(details, "event"));

        switch (event) {
        case FILE_LEVEL:
                text_append(words, RECORD_WORDS_MAX, "files of '%s' are guarded at level %s, before %s%s%s", rule,
                            field_text(details, "level"), field_text(details, "before"), why[0] ? ": " : "", why);
                return;
        case FILE_BACK: text_append(words, RECORD_WORDS_MAX, "%s is as it was sealed again", path); return;
        case FILE_DENIED:
                text_append(words, RECORD_WORDS_MAX, "a change of %s was refused", path);
                if (field_number(details, "times") > 1)
                        text_append(words, RECORD_WORDS_MAX, " %lld times", (long long)field_number(details, "times"));
                break;
        default:
                text_append(words, RECORD_WORDS_MAX, "guarded file %s %s%s%s", path,
                            event == FILE_BOUND ? "was mounted over" : field_text(details, "event"),
                            what[0] ? ": " : "", what);
        }
        say_writer(details, words);
}

/* clang-format off */
static void (*const fact_words[FACT_N])(const json_t *details, char *words) = {
        [FACT_AGENT]   = say_agent,
        [FACT_STARTED] = say_started,
        [FACT_ENDED]   = say_ended,
        [FACT_DIED]    = say_died,
        [FACT_DEPENDS] = say_depends,
        [FACT_SOURCE]  = say_source,
        [FACT_PLANNED] = say_planned,
        [FACT_STRAY]   = say_stray,
        [FACT_ASKED]   = say_asked,
        [FACT_CONFIG]  = say_config,
        [FACT_CHANGE]  = say_change,
        [FACT_BASELINE] = say_baseline,
        [FACT_TRIAL]   = say_trial,
        [FACT_WEIGHT]  = say_weight,
        [FACT_OOM]     = say_oom,
        [FACT_PACKAGE] = say_package,
        [FACT_VERSION] = say_version,
        [FACT_FILE]    = say_file,
};
/* clang-format on */

static enum fact_kind fact_kind_of(const json_t *record)
{
        const char *action = field_text(record, "action");

        return text_starts(action, "fact.") ? fact_kind_from_name(action + strlen("fact.")) : FACT_NONE;
}

/* ---- decisions and outcomes ---- */

static const struct phrase *phrase_for(const json_t *record)
{
        for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
                if (is(record, "action", phrases[i].action) &&
                    (!phrases[i].purpose || is(record, "details.purpose", phrases[i].purpose)))
                        return &phrases[i];
        return NULL;
}

const char *record_withheld(const json_t *record)
{
        const char *name = field_text(record, "details.withheld"), *reason = field_text(record, "details.reason");

        if (name[0] && reason[0])
                return reason; /* the judge knows more than the name of its reason says */
        for (unsigned i = WITHHELD_NOT + 1; i < WITHHELD_N; i++)
                if (strcmp(name, withheld_name((enum withheld)i)) == 0)
                        return withheld_words[i];
        return "";
}

/* "asked for an action: req-7 trade usd=1500" */
static void say_request(const json_t *record, char *words)
{
        const json_t *details = field(record, "details");
        char parameters[256];

        if (!text_starts(field_text(record, "action"), "approval.") || !field_given(details, "number"))
                return;
        text_append(words, RECORD_WORDS_MAX, ": req-%lld %s", (long long)field_number(details, "number"),
                    field_text(details, "act"));
        if (parameters_text(field(details, "parameters"), parameters, sizeof parameters)[0])
                text_append(words, RECORD_WORDS_MAX, " %s", parameters);
}

static void say_action(const json_t *record, char *words)
{
        const struct phrase *phrase = phrase_for(record);
        const char *said = field_text(record, "action"), *open = "";

        if (phrase &&
            (is(record, "outcome", "pending") || is(record, "details.outcome", "dry") || record_withheld(record)[0]))
                said = phrase->before;
        else if (phrase && is(record, "outcome", "unknown"))
                said = phrase->before, open = ", what came of it is not known";
        else if (phrase)
                said = is(record, "outcome", "fail") || is(record, "outcome", "denied") ? phrase->failed
                                                                                        : phrase->after;
        text_append(words, RECORD_WORDS_MAX, "%s%s", said, open);
        if (record_withheld(record)[0])
                text_append(words, RECORD_WORDS_MAX, ", withheld: %s", record_withheld(record));
        say_request(record, words);
}

static void say_finding(const json_t *record, char *words)
{
        text_append(words, RECORD_WORDS_MAX, "%s%s", field_text(record, "action") + strlen("finding."),
                    is(record, "details.state", "resolve")  ? " is over"
                    : is(record, "details.state", "worsen") ? " goes on"
                                                            : " found");
}

/* What is left to say of a record that has no words of its own: its numbers and short texts. */
static void say_details(const json_t *details, char *words)
{
        const char *key;
        json_t *value;
        bool any = false;

        json_object_foreach ((json_t *)details, key, value) {
                if (strcmp(key, "at") == 0)
                        continue;
                if (json_is_integer(value))
                        text_append(words, RECORD_WORDS_MAX, "%s%s=%lld", any ? " " : ": ", key,
                                    (long long)json_integer_value(value));
                else if (json_is_string(value) && json_string_length(value) > 0 && json_string_length(value) < 80)
                        text_append(words, RECORD_WORDS_MAX, "%s%s=%s", any ? " " : ": ", key,
                                    json_string_value(value));
                else
                        continue;
                any = true;
        }
}

char *record_words(const json_t *record, char buffer[RECORD_WORDS_MAX])
{
        const char *action = field_text(record, "action"), *told = field_text(record, "text");
        const char *reason = field_text(record, "details.reason"), *text = field_text(record, "details.text");
        enum fact_kind kind = fact_kind_of(record);

        buffer[0] = '\0';
        if (told[0]) {
                text_append(buffer, RECORD_WORDS_MAX, "%s", told);
                return buffer;
        }
        if (kind != FACT_NONE && fact_words[kind]) {
                fact_words[kind](field(record, "details"), buffer);
                return buffer;
        }
        if (text_starts(action, "finding."))
                say_finding(record, buffer);
        else
                say_action(record, buffer);
        if (is(record, "details.outcome", "dry"))
                return strcpy(buffer, "nothing was done: the rule only observes");
        if (reason[0] && !record_withheld(record)[0])
                text_append(buffer, RECORD_WORDS_MAX, ": %s", reason);
        if (text[0] && !text_ends(buffer, text)) /* "policy loaded: loaded" tells nothing more */
                text_append(buffer, RECORD_WORDS_MAX, ": %s", text);
        if (!reason[0] && !text[0] && (!phrase_for(record) || phrase_for(record)->details))
                say_details(field(record, "details"), buffer);
        return buffer;
}

bool record_is_fact(const json_t *record)
{
        return text_starts(field_text(record, "action"), "fact.");
}

/* What people asked for is a fact to the judge and news to other people; who was killed for memory too. */
bool record_is_noise(const json_t *record)
{
        enum fact_kind kind = fact_kind_of(record);

        if (kind == FACT_ASKED || kind == FACT_SOURCE || kind == FACT_OOM)
                return false;
        return record_is_fact(record) || is(record, "action", "audit.heartbeat") ||
               is(record, "action", "audit.standing") || is(record, "action", "judge.stop") ||
               is(record, "action", "policy.text");
}

enum tint record_tint(const json_t *record)
{
        if (is(record, "details.outcome", "dry"))
                return TINT_FAINT;
        if (record_withheld(record)[0])
                return TINT_WATCH;
        if (is(record, "outcome", "fail") || is(record, "outcome", "denied") || is(record, "outcome", "unknown"))
                return TINT_BAD;
        if (text_starts(field_text(record, "action"), "finding."))
                return is(record, "details.state", "resolve") ? TINT_GOOD : TINT_BAD;
        return record_is_noise(record) ? TINT_FAINT : TINT_PLAIN;
}

char *subject_words(const char *subject, char buffer[SUBJECT_WORDS_MAX])
{
        if (subject[0] == '\0')
                text_copy(buffer, SUBJECT_WORDS_MAX, "the machine");
        else if (agent_manager(subject) != MANAGER_NONE)
                agent_short_name(subject, buffer);
        else
                text_copy(buffer, SUBJECT_WORDS_MAX, subject);
        return buffer;
}

void record_show(struct page *page, const json_t *record)
{
        char moment[PAGE_MOMENT_MAX], subject[SUBJECT_WORDS_MAX], cut[SUBJECT_WORDS_MAX], words[RECORD_WORDS_MAX];
        const char *incident = field_text(record, "incident");
        bool narrow = page->width < 80;
        unsigned indent = narrow ? 4 : WORDS_COLUMN;

        page_put(page, TINT_FAINT, page_moment(page, moment_of(field(record, "ts")), moment));
        page_go(page, SUBJECT_COLUMN);
        text_cut(cut, sizeof cut, subject_words(field_text(record, "subject"), subject),
                 narrow ? page->width - SUBJECT_COLUMN : WORDS_COLUMN - SUBJECT_COLUMN - 2, page_mark(page, "…", "~"));
        page_put(page, TINT_STRONG, cut);
        if (narrow)
                page_end(page);
        page_go(page, indent);
        record_words(record, words);
        if (incident[0])
                text_append(words, sizeof words, " [%s]", incident);
        page_wrap(page, record_tint(record), indent, words);
}
