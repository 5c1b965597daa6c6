/* The decisions of the audit log made again from its facts: do they follow from them? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/local_policy.h"
#include "govctl/relive.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "govctl/words.h"

#define DIFFERENCES_SHOWN 20

/* A run of the daemon, from a judge.start to the next one that is not the same run's. */
struct run {
        uint64_t seq;
        usec_t at;
        uint64_t facts, decisions, same, differ, own, left; /* left: not compared */
        char policy[POLICY_DIGEST_MAX];
        const char *why; /* some were not compared */
        bool killed, ended;
};

struct replay {
        struct call *call;
        struct relive relive;
        bool living;         /* there is a judge to hold the log against */
        bool goes_on;        /* across the judge.start: it needs no memory of then */
        json_t *expected;    /* what the judge decided and the log has not shown yet, oldest first */
        json_t *differences; /* for people and scripts, the first of them */
        struct run *runs;
        size_t runs_n;
        struct run before; /* records that stand before the first judge.start */
        usec_t last;       /* judge time of the newest record */
        int failed;
};

static struct run *run_now(struct replay *replay)
{
        return replay->runs_n > 0 ? &replay->runs[replay->runs_n - 1] : &replay->before;
}

/* ---- what differs --------------------------------------------------------------------------------------------------------- */

enum side { SIDE_LOG, SIDE_REPLAY };

static void differ(struct replay *replay, enum side side, uint64_t seq, const json_t *decision)
{
        run_now(replay)->differ++;
        if (json_array_size(replay->differences) >= DIFFERENCES_SHOWN && !replay->call->options.json)
                return;
        json_t *difference =
                json_pack("{s:s, s:O}", "only_in", side == SIDE_LOG ? "log" : "replay", "decision", decision);

        if (side == SIDE_LOG)
                json_object_set_new(difference, "seq", json_integer((json_int_t)seq));
        json_array_append_new(replay->differences, difference);
}

/* What a judge decided and the log does not show; cut off by the end of the run, it is nobody's fault. */
static void flush_expected(struct replay *replay, usec_t end, bool killed)
{
        struct run *run = run_now(replay);
        const json_t *decision;
        size_t i;

        json_array_foreach (replay->expected, i, decision) {
                if (!killed && relive_at(decision) + RELIVE_AT_ONCE < end) {
                        differ(replay, SIDE_REPLAY, 0, decision);
                        continue;
                }
                run->left++;
                run->why = killed ? "the daemon was killed before it wrote them" : "the end of the log cut them off";
        }
        json_array_clear(replay->expected);
}

static void on_decided(void *self, const struct decision *decision)
{
        struct replay *replay = self;

        if (json_array_append_new(replay->expected, relive_of_decision(decision)) < 0)
                replay->failed = -ENOMEM;
}

/* ---- the log, record by record ---------------------------------------------------------------------------------------------- */

static int begin_run(struct replay *replay, const struct relive_start *start)
{
        struct run *runs = reallocarray(replay->runs, replay->runs_n + 1, sizeof *runs);

        if (!runs)
                return -ENOMEM;
        replay->runs = runs;
        runs[replay->runs_n++] = (struct run){ .seq = start->seq, .at = start->at };
        text_copy(run_now(replay)->policy, sizeof run_now(replay)->policy, start->digest);
        return 0;
}

/* The daemon ended before, one way or another. What its judge decided last may not have come into the log. */
static void end_run(struct replay *replay, usec_t at)
{
        struct run *run = run_now(replay);
        bool killed = replay->runs_n > 0 && !run->ended;

        run->killed = killed;
        if (replay->living && !killed)
                relive_tick_until(&replay->relive, at);
        flush_expected(replay, at, killed);
        replay->living = false;
}

/* The same run, its memory written down once more: our judge lives on as the daemon's did. */
static int go_on(struct replay *replay, const struct relive_start *start, struct policy *policy)
{
        replay->goes_on = true;
        relive_tick_until(&replay->relive, start->at);
        if (start->reloaded)
                relive_reload(&replay->relive, start->at, policy);
        else
                policy_free(policy);
        return replay->failed;
}

static int on_start(void *self, const struct relive_start *start)
{
        struct replay *replay = self;
        struct policy *policy;
        int r = 0;

        replay->goes_on = false;
        if (!start->again || replay->runs_n == 0) {
                end_run(replay, start->at);
                r = begin_run(replay, start);
        }
        policy = r < 0 ? NULL : local_policy_then(replay->call, start);
        if (!policy) {
                flush_expected(replay, 0, true);
                run_now(replay)->why = start->policy ? "its policy cannot be read any more"
                                                     : "the log does not hold its policy, and it is not the one here";
                replay->living = false;
                return r;
        }
        replay->last = start->at;
        if (replay->living)
                return go_on(replay, start, policy);
        replay->living = true;
        return relive_begin(&replay->relive, start, policy);
}

static int on_stop(void *self, usec_t at)
{
        struct replay *replay = self;

        if (replay->living)
                relive_tick_until(&replay->relive, at);
        flush_expected(replay, at, false);
        run_now(replay)->ended = true;
        replay->living = false;
        return replay->failed;
}

static int on_gap(void *self)
{
        struct replay *replay = self;

        flush_expected(replay, 0, true);
        run_now(replay)->why = "records were lost";
        replay->living = false;
        return replay->failed;
}

static int on_fact(void *self, const struct fact *fact, bool memory)
{
        struct replay *replay = self;

        run_now(replay)->facts += !memory;
        if (fact->at > replay->last)
                replay->last = fact->at;
        if (replay->living && !memory)
                relive_take(&replay->relive, fact);
        else if (replay->living && !replay->goes_on)
                relive_remember(&replay->relive, fact);
        return replay->failed;
}

/* What the governor takes back of its own accord is of no incident and was nobody's to decide. */
static bool is_own(const json_t *decision)
{
        const char *purpose = field_text(decision, "details.purpose");

        return text_starts(field_text(decision, "verb"), "agent.") && field_text(decision, "incident")[0] == '\0' &&
               (strcmp(purpose, "trial") == 0 ||
                (strcmp(purpose, "undo") == 0 && !field_given(decision, "details.trial")));
}

/* Where the record stands among what is expected; its size when it is not. */
static size_t place_of(const json_t *expected, const json_t *decision)
{
        const json_t *at;
        size_t i;

        json_array_foreach ((json_t *)expected, i, at)
                if (relive_is_same(at, decision))
                        return i;
        return json_array_size(expected);
}

/* What should have come into the log by now. What is of one moment may stand there in any order. */
static void miss_expected(struct replay *replay, usec_t now)
{
        while (json_array_size(replay->expected) > 0) {
                const json_t *oldest = json_array_get(replay->expected, 0);

                if (relive_at(oldest) + RELIVE_AT_ONCE >= now)
                        return;
                differ(replay, SIDE_REPLAY, 0, oldest);
                json_array_remove(replay->expected, 0);
        }
}

static int on_decision(void *self, uint64_t seq, usec_t at, const json_t *record)
{
        struct replay *replay = self;
        struct run *run = run_now(replay);
        json_auto_t *decision = relive_of_record(record);
        size_t place;

        run->decisions++;
        if (at > replay->last)
                replay->last = at;
        if (!replay->living) {
                run->left++;
                return 0;
        }
        if (is_own(decision)) {
                run->own++;
                return 0;
        }
        relive_tick_until(&replay->relive, at + 1);
        miss_expected(replay, at);
        place = place_of(replay->expected, decision);
        if (place == json_array_size(replay->expected)) {
                differ(replay, SIDE_LOG, seq, decision);
                return replay->failed;
        }
        json_array_remove(replay->expected, place);
        run->same++;
        return replay->failed;
}

/* ---- shown -------------------------------------------------------------------------------------------------------------- */

enum {
        COLUMN_BEGAN,
        COLUMN_SEQ,
        COLUMN_POLICY,
        COLUMN_FACTS,
        COLUMN_DECISIONS,
        COLUMN_SAME,
        COLUMN_DIFFER,
        COLUMN_LEFT,
        COLUMN_WHY,
        COLUMN_N
};

/* clang-format off */
static const struct column columns[COLUMN_N] = {
        [COLUMN_BEGAN]     = { "RUN BEGAN",    .rank = 0 },
        [COLUMN_SEQ]       = { "RECORD",       .rank = 3, .right = true },
        [COLUMN_POLICY]    = { "POLICY",       .rank = 4 },
        [COLUMN_FACTS]     = { "FACTS",        .rank = 2, .right = true },
        [COLUMN_DECISIONS] = { "DECISIONS",    .rank = 0, .right = true },
        [COLUMN_SAME]      = { "SAME",         .rank = 0, .right = true },
        [COLUMN_DIFFER]    = { "DIFFER",       .rank = 0, .right = true },
        [COLUMN_LEFT]      = { "NOT COMPARED", .rank = 0, .right = true },
        [COLUMN_WHY]       = { "BECAUSE",      .rank = 1, .least = 12 },
};
/* clang-format on */

static const char *why_of(const struct run *run)
{
        if (run->left > 0)
                return run->why ? run->why : "what the judge remembered then is not in this log";
        if (run->own > 0)
                return "takes back what it did, unasked";
        return run->killed ? "the daemon was killed" : "";
}

static void grid_run(struct grid *grid, const struct page *page, const struct run *run)
{
        char when[PAGE_MOMENT_MAX];
        bool first = run->at == 0;

        grid_cell(grid, COLUMN_BEGAN, TINT_PLAIN, "%s", first ? "before" : page_moment(page, run->at, when));
        grid_cell(grid, COLUMN_SEQ, TINT_FAINT, "%llu", (unsigned long long)run->seq);
        grid_cell(grid, COLUMN_POLICY, TINT_FAINT, "%.8s", run->policy);
        grid_cell(grid, COLUMN_FACTS, TINT_PLAIN, "%llu", (unsigned long long)run->facts);
        grid_cell(grid, COLUMN_DECISIONS, TINT_PLAIN, "%llu", (unsigned long long)run->decisions);
        grid_cell(grid, COLUMN_SAME, TINT_PLAIN, "%llu", (unsigned long long)run->same);
        grid_cell(grid, COLUMN_DIFFER, run->differ > 0 ? TINT_BAD : TINT_PLAIN, "%llu",
                  (unsigned long long)run->differ);
        grid_cell(grid, COLUMN_LEFT, run->left > 0 ? TINT_WATCH : TINT_PLAIN, "%llu",
                  (unsigned long long)run->left + run->own);
        grid_cell(grid, COLUMN_WHY, TINT_FAINT, "%s", why_of(run));
        grid_end_row(grid);
}

static struct run sum_of(const struct replay *replay)
{
        struct run sum = replay->before;

        for (size_t i = 0; i < replay->runs_n; i++) {
                const struct run *run = &replay->runs[i];

                sum.facts += run->facts;
                sum.decisions += run->decisions;
                sum.same += run->same;
                sum.differ += run->differ;
                sum.own += run->own;
                sum.left += run->left;
        }
        return sum;
}

/* Nothing was compared though there was something: nothing is proven. */
static enum code code_of(const struct run *sum)
{
        if (sum->differ > 0)
                return CODE_FINDING;
        return sum->same == 0 && sum->decisions > sum->own ? CODE_PENDING : CODE_OK;
}

static void show_difference(struct page *page, const json_t *difference)
{
        const json_t *decision = field(difference, "decision");
        char when[PAGE_MOMENT_MAX], subject[SUBJECT_WORDS_MAX], words[RECORD_WORDS_MAX];
        json_auto_t *record = relive_as_record(decision);

        if (field_given(difference, "seq"))
                page_text(page, TINT_BAD, "record %lld", (long long)field_number(difference, "seq"));
        else
                page_put(page, TINT_BAD, "no record");
        page_go(page, 14);
        page_text(page, TINT_FAINT, "%s  ", page_moment(page, relive_at(decision), when));
        page_text(page, TINT_STRONG, "%s  ", subject_words(field_text(decision, "subject"), subject));
        page_text(page, TINT_PLAIN, "%s%s", field_given(difference, "seq") ? "does not follow: " : "should follow: ",
                  record_words(record, words));
        page_end(page);
}

static void show_verdict(struct page *page, const struct run *sum)
{
        if (sum->differ > 0)
                page_text(page, TINT_BAD, "%llu decision%s from what the recorded facts lead to",
                          (unsigned long long)sum->differ, sum->differ == 1 ? " differs" : "s differ");
        else if (code_of(sum) == CODE_PENDING)
                page_put(page, TINT_WATCH, "Nothing could be compared");
        else if (sum->same == 0)
                page_put(page, TINT_GOOD, "Nothing was decided, and nothing follows from the recorded facts");
        else
                page_text(page, TINT_GOOD, "%llu decision%s again from %llu recorded facts: the same",
                          (unsigned long long)sum->same, sum->same == 1 ? " made" : "s made",
                          (unsigned long long)sum->facts);
        if (sum->left > 0)
                page_text(page, TINT_WATCH, "; %llu not compared", (unsigned long long)sum->left);
        page_end(page);
}

static enum code show(struct replay *replay, const struct run *sum)
{
        _cleanup_(grid_freep) struct grid *grid = grid_new(columns, COLUMN_N);
        struct page *page = &replay->call->page;
        const json_t *difference;
        size_t i;

        if (!grid)
                return call_out_of_memory(replay->call);
        if (replay->before.facts + replay->before.decisions > 0)
                grid_run(grid, page, &replay->before);
        for (i = 0; i < replay->runs_n; i++)
                grid_run(grid, page, &replay->runs[i]);
        grid_print(grid, page, 0);
        json_array_foreach (replay->differences, i, difference)
                show_difference(page, difference);
        if (sum->differ > i)
                page_text(page, TINT_FAINT, "and %llu more: --json has them all",
                          (unsigned long long)(sum->differ - i));
        if (page->at > 0)
                page_end(page);
        show_verdict(page, sum);
        return code_of(sum);
}

static json_t *run_json(const struct run *run)
{
        return json_pack("{s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "seq", (json_int_t)run->seq, "at",
                         (json_int_t)run->at, "policy", run->policy, "facts", (json_int_t)run->facts, "decisions",
                         (json_int_t)run->decisions, "same", (json_int_t)run->same, "differ", (json_int_t)run->differ,
                         "own", (json_int_t)run->own, "not_compared", (json_int_t)run->left, "killed", run->killed,
                         "because", why_of(run));
}

static enum code show_json(struct replay *replay, const struct run *sum)
{
        json_t *runs = json_array();

        if (replay->before.facts + replay->before.decisions > 0)
                json_array_append_new(runs, run_json(&replay->before));
        for (size_t i = 0; i < replay->runs_n; i++)
                json_array_append_new(runs, run_json(&replay->runs[i]));
        json_auto_t *json = json_pack("{s:i, s:I, s:I, s:I, s:o, s:O}", "schema_version", 1, "same",
                                      (json_int_t)sum->same, "differ", (json_int_t)sum->differ, "not_compared",
                                      (json_int_t)sum->left, "runs", runs, "differences", replay->differences);

        return json ? call_print_json(replay->call, json, code_of(sum)) : call_out_of_memory(replay->call);
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------- */

static int replay_read(struct replay *replay, struct audit_reader *audit)
{
        const struct relive_reader reader = { on_start, on_stop, on_gap, on_fact, on_decision, replay };
        int r = relive_read(audit, 0, &reader);

        if (r >= 0 && replay->living)
                relive_tick_until(&replay->relive, replay->last);
        if (r >= 0)
                flush_expected(replay, replay->last, false);
        return r < 0 ? r : replay->failed;
}

enum code run_replay(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *audit = NULL;
        struct replay replay = { .call = call, .expected = json_array(), .differences = json_array() };
        enum code code = state_open_log(call, &audit);
        struct run sum;
        int r;

        replay.relive.decided = on_decided;
        replay.relive.self = &replay;
        if (code == CODE_OK) {
                r = replay_read(&replay, audit);
                sum = sum_of(&replay);
                if (r < 0)
                        code = call_complain(call, CODE_FAILURE, "cannot read the audit log to its end", strerror(-r),
                                             "govctl audit verify");
                else
                        code = call->options.json ? show_json(&replay, &sum) : show(&replay, &sum);
        }
        relive_done(&replay.relive);
        json_decref(replay.expected);
        json_decref(replay.differences);
        free(replay.runs);
        return code;
}
