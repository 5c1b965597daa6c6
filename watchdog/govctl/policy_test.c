/*
 * Another policy over the facts of the log and the sizes of the history: what would not have happened, and what would.
 *
 * Two judges live through them side by side, one by the policy of then and one by the other, and what differs between them is
 * told. The sizes of the history are coarser than those that the daemon saw; given to both, what they leave out is no
 * difference. They are given for agents alone whose limits are other ones: of all others the log holds what decisions rest on.
 * What is said not to happen must stand in the log.
 *
 * It is as if the other policy had been loaded at the moment that --since names. Up to there both go by the policy of then.
 */
#include "govctl/policy_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/field.h"
#include "govctl/local_policy.h"
#include "govctl/moment.h"
#include "govctl/samples.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "govctl/whatif.h"

#define SINCE_DEFAULT (7 * USEC_PER_DAY)

struct events *test_before(struct test *test)
{
        return test->then_lost ? &test->real : &test->before;
}

/* ---- sizes ---------------------------------------------------------------------------------------------------------------- */

static struct tried *tried_of(struct test *test, const char *agent)
{
        for (size_t i = 0; i < test->tried_n; i++)
                if (strcmp(test->tried[i].agent, agent) == 0)
                        return &test->tried[i];
        return NULL;
}

/* What no rule limits is measured like what no rule says otherwise of. */
static struct memory_limits limits_of(const struct policy *policy, const char *agent)
{
        const struct rule *rule = policy ? policy_rule(policy, agent) : NULL;

        return rule ? rule->memory : (struct memory_limits){ .of = MEMORY_OF_PROCESS };
}

static struct memory_limits limits_then(const struct test *test, const char *agent)
{
        return limits_of(test->then_lost ? test->policy : whatif_policy(test->then), agent);
}

static bool declares(const struct rule *rule, const char *pattern)
{
        for (unsigned n = 0; rule && n < rule->config_n; n++)
                if (strcmp(rule->config[n], pattern) == 0)
                        return true;
        return false;
}

/* Files that are declared now and were not: the log cannot know what became of them. */
static bool has_new_files(const struct test *test, const char *agent)
{
        const struct rule *was = test->then_lost ? NULL : policy_rule(whatif_policy(test->then), agent);
        const struct rule *is = policy_rule(test->policy, agent);

        for (unsigned n = 0; is && n < is->config_n; n++)
                if (!declares(was, is->config[n]))
                        return true;
        return false;
}

/* Whether this agent's sizes are a question at all. */
static void weigh(struct test *test, struct tried *tried)
{
        struct memory_limits was = limits_then(test, tried->agent), is = limits_of(test->policy, tried->agent);
        bool ceiling = is.ceiling_bytes > 0 && is.ceiling_bytes != was.ceiling_bytes;
        bool limited = is.ceiling_bytes > 0 || is.budget_bytes > 0;

        tried->sizes = is.ceiling_bytes != was.ceiling_bytes || is.budget_bytes != was.budget_bytes ||
                       (test->then_lost && limited);
        tried->of_changed |= was.of != is.of && limited;
        tried->files |= has_new_files(test, tried->agent);
        tried->limit = ceiling ? is.ceiling_bytes : is.budget_bytes;
        tried->limit_was = ceiling ? was.ceiling_bytes : was.budget_bytes;
        if (test->samples && samples_watch(test->samples, tried->agent, tried->sizes) < 0)
                test->failed = -ENOMEM;
}

static void meet(struct test *test, const char *agent)
{
        struct tried *grown;

        if (!*agent || tried_of(test, agent))
                return;
        grown = reallocarray(test->tried, test->tried_n + 1, sizeof *grown);
        if (!grown) {
                test->failed = -ENOMEM;
                return;
        }
        test->tried = grown;
        grown[test->tried_n] = (struct tried){ .sizes = false };
        text_copy(grown[test->tried_n].agent, sizeof grown->agent, agent);
        weigh(test, &grown[test->tried_n++]);
}

/* Above the limit, and not for as long as the history can tell. What was as high under a limit of then had its say then. */
static void note_peak(struct tried *tried, const struct sampled *sampled)
{
        uint64_t most = sampled->most_bytes;

        if (tried->limit == 0 || most <= tried->limit || sampled->sure_bytes > tried->limit ||
            (tried->limit_was > 0 && most > tried->limit_was))
                return;
        tried->peaks++;
        if (most <= tried->peak_bytes)
                return;
        tried->peak_bytes = most;
        tried->peak_at = sampled->since;
        tried->peak_step = sampled->step;
}

static void on_sample(void *self, const struct sampled *sampled)
{
        struct test *test = self;
        struct tried *tried = tried_of(test, sampled->agent);
        enum memory_of of = limits_then(test, sampled->agent).of;
        enum whatif_sample came;

        if (!test->then_lost)
                whatif_sample(test->then, sampled, of);
        came = whatif_sample(test->other, sampled, of);
        tried->sum |= came == WHATIF_SUM;
        if (came == WHATIF_TAKEN)
                note_peak(tried, sampled);
}

/* From here on the other policy rules; the judge of then hears that its own was loaded, too. */
static void load_other(struct test *test)
{
        if (!test->waiting)
                return;
        whatif_load(test->then, test->since, NULL);
        whatif_load(test->other, test->since, TAKE_PTR(test->waiting));
}

/* The history up to the moment of the record that comes now. */
static void live_until(struct test *test, usec_t at)
{
        int r = 0;

        if (at >= test->since)
                load_other(test);
        if (test->samples)
                r = samples_until(test->samples, at, on_sample, test);
        if (r < 0 && r != -ENOMEM) {
                test->samples = samples_close(test->samples);
                test->no_history = r == -EUCLEAN ? "it is damaged" : strerror(-r);
        } else if (r < 0) {
                test->failed = r;
        }
}

/* ---- the log -------------------------------------------------------------------------------------------------------------- */

/* The log's own acts are announced to the judge; its respect for that is our doing, not the policy's. */
static bool is_our_doing(const struct whatif *whatif, const struct decision *decision)
{
        return decision->kind == DECIDE_WITHHOLD && decision->withheld == WITHHELD_GRACE &&
               whatif_announced(whatif, decision->agent, decision->at);
}

static void on_decided_then(void *self, const struct decision *decision)
{
        struct test *test = self;

        if (decision->at >= test->since && !is_our_doing(test->then, decision))
                events_add_decision(&test->before, decision);
}

static void on_decided(void *self, const struct decision *decision)
{
        struct test *test = self;

        if (decision->at >= test->since && !is_our_doing(test->other, decision))
                events_add_decision(&test->after, decision);
}

/* Both judges are told of what the daemon did with its policy; while the other one waits, both go by it. */
static int start_both(struct test *test, const struct relive_start *start, bool changed)
{
        struct policy *policy = changed && !test->then_lost ? local_policy_then(test->call, start) : NULL;
        struct policy *again = policy && test->waiting ? local_policy_then(test->call, start) : NULL;
        bool loaded = changed || start->reloaded;
        int r = 0;

        test->then_lost |= changed && !policy;
        if (!test->then_lost)
                r = whatif_start(test->then, start, policy, loaded);
        else
                again = TAKE_PTR(test->waiting);
        if (r < 0)
                policy_free(again);
        else
                r = whatif_start(test->other, start, again, loaded);
        for (size_t i = 0; i < test->tried_n && r >= 0 && changed; i++)
                weigh(test, &test->tried[i]);
        return r;
}

static int on_start(void *self, const struct relive_start *start)
{
        struct test *test = self;
        bool changed = test->first == 0 || strcmp(test->digest, start->digest) != 0;
        int r;

        if (test->first > 0)
                live_until(test, start->at);
        r = start_both(test, start, changed);
        if (test->first == 0)
                test->first = start->at;
        text_copy(test->digest, sizeof test->digest, start->digest);
        return r;
}

static int failure_of(const struct test *test)
{
        bool failed = test->before.failed || test->after.failed || test->real.failed;

        return failed ? -ENOMEM : test->failed;
}

static int on_fact(void *self, const struct fact *fact, bool memory)
{
        struct test *test = self;

        test->facts += !memory && fact->at >= test->since;
        test->last = fact->at > test->last ? fact->at : test->last;
        if (test->first == 0)
                return 0;
        if (!memory)
                live_until(test, fact->at);
        if (!test->then_lost)
                whatif_fact(test->then, fact, memory);
        whatif_fact(test->other, fact, memory);
        meet(test, fact->agent);
        return failure_of(test);
}

static int on_decision(void *self, uint64_t seq, usec_t at, const json_t *record)
{
        struct test *test = self;

        test->last = at > test->last ? at : test->last;
        if (test->first == 0)
                return 0;
        live_until(test, at);
        if (at >= test->since)
                events_add_record(&test->real, record);
        if (!test->then_lost)
                whatif_decision(test->then, at, record);
        whatif_decision(test->other, at, record);
        return failure_of(test);
}

static int test_read(struct test *test, struct audit_reader *audit)
{
        const struct relive_reader reader = {
                .start = on_start, .fact = on_fact, .decision = on_decision, .self = test
        };
        uint64_t from = 0;
        int r = relive_look_back(audit, test->since, &from);

        if (r >= 0)
                r = relive_read(audit, from, &reader);
        if (r < 0 || test->first == 0)
                return r;
        live_until(test, test->last + 1);
        if (!test->then_lost)
                whatif_end(test->then, test->last);
        whatif_end(test->other, test->last);
        events_compare(test_before(test), &test->after, test->then_lost ? NULL : &test->real);
        return failure_of(test);
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------- */

static enum code load_new(struct call *call, struct policy **ret)
{
        struct policy_messages messages = { 0 };
        char text[POLICY_RENDER_MAX];
        enum code code = local_check_readable(call);
        int r;

        if (code != CODE_OK)
                return code;
        r = policy_load_files(call->arguments, call->arguments_n, ret, &messages);

        for (size_t i = 0; r == -EINVAL && i < messages.n; i++)
                fprintf(call->talk, "%s\n", policy_message_render(&messages.list[i], false, text));
        policy_messages_done(&messages);
        if (r == -EINVAL)
                return call_complain(call, CODE_FAILURE, "the policy has errors", "there is nothing to try",
                                     "govctl policy check FILE...");
        if (r < 0)
                return call_complain(call, r == -ENOENT ? CODE_NOT_FOUND : CODE_FAILURE, "cannot read the policy",
                                     strerror(-r), "govctl policy test FILE...");
        return CODE_OK;
}

static enum code take_since(struct call *call, usec_t *ret)
{
        *ret = call->page.now > SINCE_DEFAULT ? call->page.now - SINCE_DEFAULT : 0;
        if (call->options.since && !moment_parse_typed(call->options.since, call->page.now, ret))
                return call_complain(call, CODE_USAGE, "--since takes a time", call->options.since,
                                     "govctl policy test FILE --since 7d");
        return CODE_OK;
}

/* Beside a log that was named itself there is a history only by chance. */
static int open_samples(struct test *test)
{
        char path[PATH_MAX];
        int r;

        if (test->call->options.db) {
                test->no_history = "--db names a log alone: --state DIR takes the history beside it";
                return 0;
        }
        snprintf(path, sizeof path, "%s/history.db", state_directory(test->call));
        r = samples_open(path, test->since, &test->samples);
        if (r < 0)
                test->no_history = r == -ENOENT ? "there is none" : r == -EUCLEAN ? "it is damaged" : strerror(-r);
        return r == -ENOMEM ? r : 0;
}

static enum code run_test(struct test *test, struct audit_reader *audit)
{
        int r = open_samples(test);

        if (r >= 0)
                r = whatif_new(on_decided_then, test, &test->then);
        if (r >= 0)
                r = whatif_new(on_decided, test, &test->other);
        if (r >= 0)
                r = test_read(test, audit);
        if (r == -ENOMEM)
                return call_out_of_memory(test->call);
        if (r < 0)
                return call_complain(test->call, CODE_FAILURE, "cannot read the audit log to its end", strerror(-r),
                                     "govctl audit verify");
        if (test->first == 0)
                return call_complain(test->call, CODE_PENDING, "there is nothing to try it on",
                                     "the log holds no run of the daemon", "govctl log");
        return test_show(test);
}

static void test_done(struct test *test)
{
        samples_close(test->samples);
        whatif_free(test->then);
        whatif_free(test->other);
        policy_free(test->waiting);
        events_done(&test->before);
        events_done(&test->after);
        events_done(&test->real);
        free(test->tried);
}

enum code run_policy_test(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *audit = NULL;
        struct test test = { .call = call };
        enum code code = take_since(call, &test.since);

        if (code == CODE_OK)
                code = load_new(call, &test.waiting);
        test.policy = test.waiting;
        if (code == CODE_OK)
                code = state_open_log(call, &audit);
        if (code == CODE_OK)
                code = run_test(&test, audit);
        test_done(&test);
        return code;
}
