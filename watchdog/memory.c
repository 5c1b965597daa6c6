#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/cleanup.h"
#include "io/log.h"
#include "memory.h"
#include "recall.h"
#include "rules.h"

#define UNCLEAN_ENDS_MAX 3    /* within 10 minutes: then safe mode */
#define POLICY_PART_MAX 16384 /* of its text in one record: escaped it may be thrice as long */

static void write_policy_part(struct governor *governor, const char *text, size_t length, unsigned part, unsigned parts)
{
        json_t *details = json_pack("{s:i, s:i, s:s%}", "part", (int)part, "parts", (int)parts, "yaml", text, length);
        struct audit_entry entry = {
                .action = "policy.text",
                .subject = "policy",
                .outcome = AUDIT_INFO,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

/* Where a part ends: behind a line, so that no character is cut in two. */
static size_t part_length(const char *text)
{
        size_t length = strnlen(text, POLICY_PART_MAX);
        const char *line = text[length] ? memrchr(text, '\n', length) : NULL;

        return line ? (size_t)(line - text) + 1 : length;
}

/* What the judge goes by: a decision whose rules are not in the chain could not be made again. */
static void write_policy(struct governor *governor)
{
        _cleanup_free_ char *text = NULL;
        unsigned parts = 0, part = 0;
        int r = policy_judged(governor->policy, &text);

        if (r < 0) {
                log_ignored(r, "Cannot write the policy into the audit log");
                return;
        }
        for (const char *at = text; *at; at += part_length(at))
                parts++;
        for (const char *at = text; *at; at += part_length(at))
                write_policy_part(governor, at, part_length(at), ++part, parts);
}

/* Facts that follow a judge.start: whoever lives through the chain again must know where they end. */
static uint64_t count_memory(const struct governor *governor)
{
        struct remembered scratch;
        struct fact fact;
        uint32_t cursor = 0;
        uint64_t n = 0;

        while (judge_remember(governor->judge, &cursor, &scratch, &fact))
                n++;
        return n;
}

/* judge.start and what the judge remembers: from here on the chain can be lived through again. A judge that lives on is where
 * it was: what a new policy leads to at once is dated so. */
void memory_write(struct governor *governor, bool again)
{
        usec_t at = again ? judge_now(governor->judge) : clock_now(&governor->clock);
        json_t *details = json_pack("{s:I, s:b, s:i, s:b, s:s, s:b, s:I, s:I}", "at", (json_int_t)at, "again", again,
                                    "agents_max", (int)governor->policy->daemon.agents_max, "approvers",
                                    approving_stands(governor), "policy", governor->policy->digest, "safe_mode",
                                    governor->safe_mode, "seed", (json_int_t)governor->seed, "memory",
                                    (json_int_t)count_memory(governor));
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
        write_policy(governor);
        while (judge_remember(governor->judge, &cursor, &scratch, &fact)) {
                fact.at = clock_now(&governor->clock);
                chronicle_fact(governor->chronicle, &fact);
        }
        anchoring_write(governor);
        approving_write(governor);
}

/* How large agents usually are is learned over days: what came in since the memory was written is not lost with this run. */
static void write_sizes(struct governor *governor)
{
        struct remembered scratch;
        struct fact fact;
        uint32_t cursor = 0;

        while (judge_remember(governor->judge, &cursor, &scratch, &fact)) {
                fact.at = clock_now(&governor->clock);
                if (fact.kind == FACT_BASELINE)
                        chronicle_fact(governor->chronicle, &fact);
        }
}

void memory_write_end(struct governor *governor)
{
        json_t *details = json_pack("{s:I}", "at", (json_int_t)clock_now(&governor->clock));
        struct audit_entry entry = {
                .action = "judge.stop",
                .subject = "judge",
                .outcome = AUDIT_INFO,
                .details = details,
        };

        write_sizes(governor);
        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

int memory_on_day(sd_event_source *source, uint64_t usec, void *userdata)
{
        memory_write(userdata, true);
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
                             .text = "the daemon ended before the outcome was known",
                             .trial = intent->trial,
                             .path = intent->path },
        };

        chronicle_outcome(governor->chronicle, &fact, intent->seq, incident_from_name(intent->incident));
        governor_take(governor, &fact);
}

static int judge_begin(struct governor *governor)
{
        struct judge_limits limits = judge_limits_for(governor->policy->daemon.agents_max);

        governor->judge_memory = calloc(1, judge_size(&limits));
        if (!governor->judge_memory)
                return -ENOMEM;
        governor->judge = judge_init(governor->judge_memory, &limits, governor->policy, governor->seed);
        return 0;
}

/* Clock, judge and modes continue where the chain says that they were. */
int memory_recall(struct governor *governor)
{
        struct recall recall = { .from = UINT64_MAX };
        int r = recall_look_back(governor->database, &recall);

        if (r < 0)
                log_ignored(r, "Cannot look back through the audit log");
        clock_init(&governor->clock, recall.last);
        approving_begin(
                governor); /* before there is a judge: who may have changed the policy decides which one it gets */
        rules_hold(governor);
        governor->seed = recall.seed ? recall.seed : (clock_now(&governor->clock) & 0xffffffff) | 1;
        r = judge_begin(governor);
        if (r < 0)
                return log_failure(r, "Cannot make room for %u agents", governor->policy->daemon.agents_max);
        r = recall_live(governor->database, &recall, governor->judge, &recall.last);
        if (r < 0)
                log_ignored(r, "Cannot live through all of the audit log again");
        judge_resume(governor->judge, clock_now(&governor->clock));
        governor->recalled_from = recall.from;
        governor->left = recall.last;
        governor->safe_mode = recall.safe_mode;
        governor->fell_too_often = recall.unclean >= UNCLEAN_ENDS_MAX;
        return 0;
}

void memory_close_intents(struct governor *governor)
{
        if (governor->recalled_from != UINT64_MAX)
                recall_open_intents(governor->database, governor->recalled_from, close_intent, governor);
}
