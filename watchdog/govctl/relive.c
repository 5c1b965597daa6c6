#include "govctl/relive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/field.h"
#include "io/cleanup.h"
#include "io/record.h"

#define TICKS_MAX 100000 /* between two records: a judge that wants more is broken, and must not hang us */

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

/* A judge.start whose policy is being read. */
struct opening {
        bool open;
        struct relive_start start;
        char digest[POLICY_DIGEST_MAX];
        char *policy;
        size_t length;
        int64_t parts; /* read so far */
};

struct reading {
        const struct relive_reader *reader;
        struct opening opening;
        struct record_memory memory;
        bool reloaded; /* a policy was loaded since the last judge.start */
};

static void open_start(struct reading *reading, uint64_t seq, const json_t *details)
{
        struct opening *opening = &reading->opening;

        free(opening->policy);
        *opening = (struct opening){
                .open = true,
                .start = { .seq = seq,
                           .at = (usec_t)field_number(details, "at"),
                           .seed = (uint64_t)field_number(details, "seed"),
                           .agents_max = (uint32_t)field_number(details, "agents_max"),
                           .again = field_true(details, "again"),
                           .reloaded = reading->reloaded },
        };
        record_memory_begin(&reading->memory, details);
        reading->reloaded = false;
        text_copy_safe(opening->digest, sizeof opening->digest, field_text(details, "policy"));
}

static int tell_start(struct reading *reading, bool whole)
{
        struct opening *opening = &reading->opening;
        int r;

        if (!opening->open)
                return 0;
        opening->open = false;
        opening->start.digest = opening->digest;
        opening->start.policy = whole ? opening->policy : NULL;
        r = reading->reader->start ? reading->reader->start(reading->reader->self, &opening->start) : 0;
        free(opening->policy);
        opening->policy = NULL;
        return r;
}

/* One part of the policy's words; with the last one the run begins. */
static int take_policy(struct reading *reading, const json_t *details)
{
        struct opening *opening = &reading->opening;
        const char *text = field_text(details, "yaml");
        size_t length = strlen(text);
        char *grown;

        if (!opening->open || field_number(details, "part") != opening->parts + 1)
                return 0;
        grown = realloc(opening->policy, opening->length + length + 1);
        if (!grown)
                return -ENOMEM;
        memcpy(grown + opening->length, text, length + 1);
        opening->policy = grown;
        opening->length += length;
        opening->parts++;
        return opening->parts == field_number(details, "parts") ? tell_start(reading, true) : 0;
}

static bool is_decision(const char *verb, const json_t *details)
{
        return text_starts(verb, "finding.") || (action_is_verb(verb) && !json_object_get(details, "intent"));
}

static int take_fact(struct reading *reading, const char *verb, const char *subject, const json_t *details)
{
        struct remembered scratch;
        struct fact fact;
        bool known = record_to_fact(verb, subject, details, &scratch, &fact) >= 0, memory;

        if (!known && !text_starts(verb, "fact."))
                return 0;
        memory = record_is_memory(&reading->memory, known ? &fact : NULL);
        return known && reading->reader->fact ? reading->reader->fact(reading->reader->self, &fact, memory) : 0;
}

/* What neither is a fact nor a decision is the log's own business. */
static int take_other(struct reading *reading, uint64_t seq, const char *verb, const char *subject,
                      const json_t *record)
{
        const struct relive_reader *reader = reading->reader;
        const json_t *details = field(record, "details");

        if (strcmp(verb, "policy.load") == 0)
                reading->reloaded |= strcmp(field_text(details, "text"), "loaded") == 0;
        if (strcmp(verb, "judge.stop") == 0)
                return reader->stop ? reader->stop(reader->self, (usec_t)field_number(details, "at")) : 0;
        if (strcmp(verb, "audit.gap") == 0)
                return reader->gap ? reader->gap(reader->self) : 0;
        if (is_decision(verb, details))
                return reader->decision
                               ? reader->decision(reader->self, seq, (usec_t)field_number(details, "at"), record)
                               : 0;
        return take_fact(reading, verb, subject, details);
}

static int take_item(struct reading *reading, const struct audit_item *item)
{
        json_auto_t *record = json_loadb(item->body, item->length, 0, NULL);
        const char *verb = field_text(record, "action");
        int r = 0;

        if (!record)
                return -EBADMSG;
        if (strcmp(verb, "policy.text") == 0)
                return take_policy(reading, field(record, "details"));
        if (text_starts(verb, "audit.") && strcmp(verb, "audit.gap") != 0)
                return 0;
        r = tell_start(reading, false);
        if (r >= 0 && strcmp(verb, "judge.start") == 0)
                open_start(reading, item->seq, field(record, "details"));
        else if (r >= 0)
                r = take_other(reading, item->seq, verb, field_text(record, "subject"), record);
        return r;
}

int relive_read(struct audit_reader *audit, uint64_t from, const struct relive_reader *reader)
{
        struct reading reading = { .reader = reader, .memory = { .ended = true } };
        const struct audit_range range = { .from = from, .to = UINT64_MAX };
        struct audit_item item;
        int r = audit_reader_seek(audit, &range);

        while (r >= 0 && (r = audit_reader_next(audit, &item)) > 0)
                r = take_item(&reading, &item);
        if (r >= 0)
                r = tell_start(&reading, false);
        free(reading.opening.policy);
        return r;
}

int relive_look_back(struct audit_reader *audit, usec_t since, uint64_t *ret_from)
{
        const struct audit_range range = { .to = UINT64_MAX, .newest_first = true };
        struct audit_item item;
        struct audit_view view;
        int r = audit_reader_seek(audit, &range);

        while (r >= 0 && (r = audit_reader_next(audit, &item)) > 0) {
                int64_t at = 0;

                if (audit_view(item.body, item.length, &view) < 0 || view.action.length != strlen("judge.start") ||
                    memcmp(view.action.text, "judge.start", strlen("judge.start")) != 0 ||
                    !audit_view_integer(&view, "at", &at))
                        continue;
                *ret_from = item.seq;
                if ((usec_t)at <= since)
                        return 0;
        }
        return r;
}

/* ---- living ------------------------------------------------------------------------------------------------------------- */

int relive_begin(struct relive *relive, const struct relive_start *start, struct policy *policy)
{
        const struct judge_limits limits = judge_limits_for(start->agents_max);

        relive_done(relive);
        relive->policy = policy;
        relive->memory = calloc(1, judge_size(&limits));
        if (!relive->memory)
                return -ENOMEM;
        relive->judge = judge_init(relive->memory, &limits, policy, start->seed);
        return 0;
}

void relive_done(struct relive *relive)
{
        free(relive->memory);
        policy_free(relive->policy);
        relive->policy = NULL;
        relive->memory = relive->judge = NULL;
}

static void remember(struct relive *relive, usec_t at)
{
        struct remembered scratch;
        struct decisions decisions;
        struct fact fact;

        while (judge_remember_due(relive->judge, &scratch, &fact)) {
                fact.at = at;
                judge_step(relive->judge, &fact, &decisions);
        }
}

static void step(struct relive *relive, const struct fact *fact)
{
        struct decisions decisions = { .n = 0 };

        judge_step(relive->judge, fact, &decisions);
        for (unsigned i = 0; i < decisions.n; i++)
                relive->decided(relive->self, &decisions.list[i]);
        if (decisions.remember && relive->remembers)
                remember(relive, fact->at);
}

void relive_tick_until(struct relive *relive, usec_t at)
{
        for (unsigned i = 0; i < TICKS_MAX && judge_deadline(relive->judge) < at; i++) {
                struct fact tick = { .kind = FACT_TICK, .at = judge_deadline(relive->judge), .agent = "" };

                step(relive, &tick);
        }
}

void relive_take(struct relive *relive, const struct fact *fact)
{
        relive_tick_until(relive, fact->at);
        step(relive, fact);
}

void relive_reload(struct relive *relive, usec_t at, struct policy *policy)
{
        const struct fact tick = { .kind = FACT_TICK, .at = at, .agent = "" };
        struct policy *old = relive->policy;

        relive_take(relive, &tick);
        judge_set_policy(relive->judge, policy ? policy : old);
        if (!policy)
                return;
        relive->policy = policy;
        policy_free(old);
}

void relive_remember(struct relive *relive, const struct fact *fact)
{
        step(relive, fact);
}

/* ---- the same or not ------------------------------------------------------------------------------------------------------ */

/* The files of a policy have lines, its words in the log have others; that a record was written late is the log's affair. */
static json_t *in_common(const char *subject, const char *verb, const char *incident, json_t *details)
{
        json_int_t at = field_number(details, "at");

        json_object_del(details, "rule_file");
        json_object_del(details, "rule_line");
        json_object_del(details, "late");
        json_object_del(details, "at");
        return json_pack("{s:I, s:s, s:s, s:s, s:o}", "at", at, "subject", subject, "verb", verb, "incident", incident,
                         "details", details);
}

json_t *relive_of_decision(const struct decision *decision)
{
        char verb[RECORD_VERB_MAX], incident[INCIDENT_NAME_MAX] = "";
        json_t *details = record_of_decision(decision, verb);

        if (decision->incident)
                incident_name(incident, decision->incident);
        return in_common(decision->agent, verb, incident, details);
}

json_t *relive_of_record(const json_t *record)
{
        json_t *details = json_deep_copy(field(record, "details"));

        return in_common(field_text(record, "subject"), field_text(record, "action"), field_text(record, "incident"),
                         details ? details : json_object());
}

usec_t relive_at(const json_t *decision)
{
        return (usec_t)field_number(decision, "at");
}

bool relive_is_same(const json_t *a, const json_t *b)
{
        static const char *const members[] = { "verb", "subject", "incident", "details" };
        usec_t at_a = relive_at(a), at_b = relive_at(b);

        for (unsigned i = 0; i < sizeof members / sizeof members[0]; i++)
                if (!json_equal(field(a, members[i]), field(b, members[i])))
                        return false;
        return (at_a > at_b ? at_a - at_b : at_b - at_a) <= RELIVE_AT_ONCE;
}

json_t *relive_as_record(const json_t *decision)
{
        bool withheld = field_given(decision, "details.withheld");
        bool act = action_is_verb(field_text(decision, "verb"));

        return json_pack("{s:s, s:s, s:s, s:s, s:O}", "action", field_text(decision, "verb"), "subject",
                         field_text(decision, "subject"), "incident", field_text(decision, "incident"), "outcome",
                         audit_outcome_name(withheld ? AUDIT_DENIED
                                            : act    ? AUDIT_PENDING
                                                     : AUDIT_INFO),
                         "details", field(decision, "details"));
}
