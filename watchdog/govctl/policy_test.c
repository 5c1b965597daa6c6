/* Another policy over the facts of the log: what would not have happened, and what would. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/field.h"
#include "govctl/local_policy.h"
#include "govctl/moment.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "govctl/whatif.h"

#define SINCE_DEFAULT (7 * USEC_PER_DAY)
#define MOVED_AT_MOST (10 * USEC_PER_MINUTE) /* further apart it is another one */

/* What people would notice. */
enum what { WHAT_RESTART, WHAT_QUARANTINE, WHAT_DENIAL, WHAT_TRIAL, WHAT_FINDING, WHAT_N };

static const struct {
        const char *name, *one, *many;
        bool matters; /* a new one ends with 3 */
} whats[WHAT_N] = {
        [WHAT_RESTART] = { "restart", "restart", "restarts", true },
        [WHAT_QUARANTINE] = { "quarantine", "quarantine", "quarantines", true },
        [WHAT_DENIAL] = { "denial", "denied action", "denied actions", true },
        [WHAT_TRIAL] = { "trial", "trial", "trials", false },
        [WHAT_FINDING] = { "finding", "finding", "findings", false },
};

enum turn { TURN_NONE, TURN_GONE, TURN_NEW, TURN_MOVED };

struct event {
        enum what what;
        usec_t at;
        usec_t other; /* where it was moved to */
        char *agent, *key, *reason;
        enum turn turn;
        bool matched;
};

struct events {
        struct event *list;
        size_t n;
        bool failed;
};

struct test {
        struct call *call;
        struct whatif *whatif;
        struct events before, after;
        usec_t since, first, last;
        uint64_t facts;
};

/* ---- events --------------------------------------------------------------------------------------------------------------- */

static void events_done(struct events *events)
{
        for (size_t i = 0; i < events->n; i++) {
                free(events->list[i].agent);
                free(events->list[i].key);
                free(events->list[i].reason);
        }
        free(events->list);
}

/* A pause that Governor makes before a start is a restart, only slower. */
static enum what what_of(const json_t *decision)
{
        const char *verb = field_text(decision, "verb"), *purpose = field_text(decision, "details.purpose");

        if (strcmp(field_text(decision, "details.state"), "open") == 0)
                return WHAT_FINDING;
        if (!text_starts(verb, "agent."))
                return WHAT_N;
        if (!field_true(decision, "details.enforce") || strcmp(purpose, "asked") == 0)
                return WHAT_N;
        if (field_given(decision, "details.withheld"))
                return WHAT_DENIAL;
        if (strcmp(verb, "agent.stop") == 0)
                return strcmp(purpose, "quarantine") == 0 ? WHAT_QUARANTINE : WHAT_RESTART;
        if (strcmp(verb, "agent.restart") == 0)
                return WHAT_RESTART;
        return strcmp(purpose, "trial") == 0 ? WHAT_TRIAL : WHAT_N;
}

static void events_add(struct events *events, const struct test *test, const json_t *decision)
{
        usec_t at = relive_at(decision);
        enum what what = what_of(decision);
        struct event *list;
        int r;

        if (what == WHAT_N || at < test->since || events->failed)
                return;
        list = reallocarray(events->list, events->n + 1, sizeof *list);
        if (!list) {
                events->failed = true;
                return;
        }
        events->list = list;
        list[events->n] = (struct event){
                .what = what,
                .at = at,
                .agent = strdup(field_text(decision, "subject")),
                .reason = strdup(field_text(decision, "details.reason")),
        };
        r = asprintf(&list[events->n].key, "%s %s", field_text(decision, "details.cause"),
                     field_text(decision, "details.withheld"));
        if (r < 0)
                list[events->n].key = NULL;
        events->failed = r < 0 || !list[events->n].agent || !list[events->n].reason;
        events->n++;
}

static bool is_same(const struct event *a, const struct event *b, usec_t apart)
{
        usec_t between = a->at > b->at ? a->at - b->at : b->at - a->at;

        return a->what == b->what && between <= apart && strcmp(a->agent, b->agent) == 0 &&
               (a->what != WHAT_FINDING || strcmp(a->key, b->key) == 0);
}

/* First those of the same moment, then those that only came earlier or later. */
static void match(struct events *before, struct events *after, usec_t apart)
{
        for (size_t i = 0; i < before->n; i++)
                for (size_t k = 0; k < after->n && !before->list[i].matched; k++) {
                        struct event *was = &before->list[i], *is = &after->list[k];

                        if (is->matched || !is_same(was, is, apart))
                                continue;
                        was->matched = is->matched = true;
                        was->turn = apart == RELIVE_AT_ONCE ? TURN_NONE : TURN_MOVED;
                        was->other = is->at;
                }
}

static void compare(struct test *test)
{
        match(&test->before, &test->after, RELIVE_AT_ONCE);
        match(&test->before, &test->after, MOVED_AT_MOST);
        for (size_t i = 0; i < test->before.n; i++)
                if (!test->before.list[i].matched)
                        test->before.list[i].turn = TURN_GONE;
        for (size_t i = 0; i < test->after.n; i++)
                if (!test->after.list[i].matched)
                        test->after.list[i].turn = TURN_NEW;
}

/* ---- the log -------------------------------------------------------------------------------------------------------------- */

static void on_decided(void *self, const struct decision *decision)
{
        struct test *test = self;
        json_auto_t *json = relive_of_decision(decision);

        /* the log's own acts are announced to the judge; its respect for that is our doing, not the policy's */
        if (decision->kind == DECIDE_WITHHOLD && decision->withheld == WITHHELD_GRACE &&
            whatif_announced(test->whatif, decision->agent, decision->at))
                return;

        events_add(&test->after, test, json);
}

static int on_start(void *self, const struct relive_start *start)
{
        struct test *test = self;

        if (test->first == 0)
                test->first = start->at;
        return whatif_start(test->whatif, start);
}

static int on_fact(void *self, const struct fact *fact, bool memory)
{
        struct test *test = self;

        test->facts += !memory;
        test->last = fact->at > test->last ? fact->at : test->last;
        whatif_fact(test->whatif, fact, memory);
        return test->after.failed ? -ENOMEM : 0;
}

static int on_decision(void *self, uint64_t seq, usec_t at, const json_t *record)
{
        struct test *test = self;
        json_auto_t *json = relive_of_record(record);

        test->last = at > test->last ? at : test->last;
        if (test->first > 0)
                events_add(&test->before, test, json);
        whatif_decision(test->whatif, at, record);
        return test->before.failed ? -ENOMEM : 0;
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
        if (r < 0)
                return r;
        whatif_end(test->whatif, test->last);
        compare(test);
        return 0;
}

/* ---- shown ---------------------------------------------------------------------------------------------------------------- */

static unsigned count(const struct events *events, enum what what, enum turn turn)
{
        unsigned n = 0;

        for (size_t i = 0; i < events->n; i++)
                n += events->list[i].what == what && events->list[i].turn == turn;
        return n;
}

static enum code code_of(const struct test *test)
{
        for (enum what what = 0; what < WHAT_N; what++)
                if (whats[what].matters && count(&test->after, what, TURN_NEW) > 0)
                        return CODE_FINDING;
        return CODE_OK;
}

static void show_event(struct page *page, const struct event *event)
{
        char when[PAGE_MOMENT_MAX], then[PAGE_MOMENT_MAX], name[AGENT_ID_MAX] = "the machine";

        if (event->agent[0])
                agent_short_name(event->agent, name);
        page_go(page, 2);
        page_put(page, TINT_STRONG, name);
        page_text(page, TINT_PLAIN, " at %s", page_moment(page, event->at, when));
        if (event->turn == TURN_MOVED)
                page_text(page, TINT_PLAIN, " would be at %s", page_moment(page, event->other, then));
        page_put(page, TINT_FAINT, ": ");
        page_wrap(page, TINT_FAINT, 6, event->reason);
}

__attribute__((format(printf, 5, 6))) static bool show_changes(struct page *page, const struct events *events,
                                                               enum what what, enum turn turn, const char *format, ...)
{
        unsigned n = count(events, what, turn);
        char text[160];
        va_list arguments;

        if (n == 0)
                return false;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        page_text(page, turn == TURN_NEW && whats[what].matters ? TINT_BAD : TINT_PLAIN, "%u %s %s:", n,
                  n == 1 ? whats[what].one : whats[what].many, text);
        page_end(page);
        for (size_t i = 0; i < events->n; i++)
                if (events->list[i].what == what && events->list[i].turn == turn)
                        show_event(page, &events->list[i]);
        return true;
}

static enum code show(struct test *test)
{
        struct page *page = &test->call->page;
        char from[PAGE_MOMENT_MAX], to[PAGE_MOMENT_MAX];
        bool any = false;

        for (enum what what = 0; what < WHAT_N; what++) {
                any |= show_changes(page, &test->before, what, TURN_GONE, "would not have happened");
                any |= show_changes(page, &test->after, what, TURN_NEW, "new");
                any |= show_changes(page, &test->before, what, TURN_MOVED, "would have come earlier or later");
        }
        page_text(page, any ? TINT_FAINT : TINT_GOOD, "%s over %llu recorded facts, %s to %s",
                  any ? "This is what would differ" : "Nothing would have been different",
                  (unsigned long long)test->facts,
                  page_moment(page, test->first > test->since ? test->first : test->since, from),
                  page_moment(page, test->last, to));
        page_end(page);
        return code_of(test);
}

static void list_changes(json_t *list, const struct events *events)
{
        static const char *const changes[] = { "same", "gone", "new", "moved" };

        for (size_t i = 0; i < events->n; i++) {
                const struct event *event = &events->list[i];
                json_t *json;

                if (event->turn == TURN_NONE)
                        continue;
                json = json_pack("{s:s, s:s, s:s, s:I, s:s}", "change", changes[event->turn], "what",
                                 whats[event->what].name, "agent", event->agent, "at", (json_int_t)event->at, "reason",
                                 event->reason);
                if (event->turn == TURN_MOVED)
                        json_object_set_new(json, "would_be_at", json_integer((json_int_t)event->other));
                json_array_append_new(list, json);
        }
}

static enum code show_json(struct test *test)
{
        json_t *changes = json_array(), *counts = json_object();

        list_changes(changes, &test->before);
        list_changes(changes, &test->after);
        for (enum what what = 0; what < WHAT_N; what++)
                json_object_set_new(counts, whats[what].name,
                                    json_pack("{s:i, s:i, s:i, s:i}", "same", count(&test->before, what, TURN_NONE),
                                              "gone", count(&test->before, what, TURN_GONE), "new",
                                              count(&test->after, what, TURN_NEW), "moved",
                                              count(&test->before, what, TURN_MOVED)));
        json_auto_t *json = json_pack("{s:i, s:I, s:I, s:I, s:o, s:o}", "schema_version", 1, "since",
                                      (json_int_t)test->since, "until", (json_int_t)test->last, "facts",
                                      (json_int_t)test->facts, "counts", counts, "changes", changes);

        return json ? call_print_json(test->call, json, code_of(test)) : call_out_of_memory(test->call);
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

static enum code run_test(struct test *test, struct audit_reader *audit)
{
        int r = test_read(test, audit);

        if (r < 0)
                return call_complain(test->call, CODE_FAILURE, "cannot read the audit log to its end", strerror(-r),
                                     "govctl audit verify");
        if (test->first == 0)
                return call_complain(test->call, CODE_PENDING, "there is nothing to try it on",
                                     "the log holds no run of the daemon", "govctl log");
        return test->call->options.json ? show_json(test) : show(test);
}

enum code run_policy_test(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *audit = NULL;
        struct test test = { .call = call };
        struct policy *policy = NULL;
        enum code code = take_since(call, &test.since);

        if (code == CODE_OK)
                code = load_new(call, &policy);
        if (code == CODE_OK)
                code = state_open_log(call, &audit);
        if (code != CODE_OK) {
                policy_free(policy);
                return code;
        }
        if (whatif_new(policy, on_decided, &test, &test.whatif) < 0)
                return call_out_of_memory(call);
        code = run_test(&test, audit);
        whatif_free(test.whatif);
        events_done(&test.before);
        events_done(&test.after);
        return code;
}
