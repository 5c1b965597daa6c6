/* What another policy would have changed, as people and scripts read it. */
#include <stdarg.h>
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/field.h"
#include "govctl/policy_test.h"
#include "govctl/samples.h"

#define NOTE_MAX 512

static enum code code_of(const struct test *test)
{
        for (enum what what = 0; what < WHAT_N; what++)
                if (what_words[what].matters && events_count(&test->after, what, TURN_NEW) > 0)
                        return CODE_FINDING;
        return CODE_OK;
}

/* ---- what differs --------------------------------------------------------------------------------------------------------- */

/* "531M > 512M", or what the judge said. */
static void show_evidence(struct page *page, const struct event *event)
{
        char is[TEXT_BYTES_MAX], limit[TEXT_BYTES_MAX];

        if (event->bytes == 0) {
                page_wrap(page, TINT_FAINT, 6, event->reason);
                return;
        }
        page_text(page, TINT_PLAIN, "%s > %s ", text_bytes(is, event->bytes), text_bytes(limit, event->limit_bytes));
        page_wrap(page, TINT_FAINT, 6, event->cause);
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
        show_evidence(page, event);
}

static bool show_changes(struct page *page, const struct events *events, enum what what, enum turn turn,
                         const char *text)
{
        const struct what_words *words = &what_words[what];
        unsigned n = events_count(events, what, turn);

        if (n == 0)
                return false;
        page_text(page, turn == TURN_NEW && words->matters ? TINT_BAD : TINT_PLAIN, "%u %s %s:", n,
                  n == 1 ? words->one : words->many, text);
        page_end(page);
        for (size_t i = 0; i < events->n; i++)
                if (events->list[i].what == what && events->list[i].turn == turn)
                        show_event(page, &events->list[i]);
        return true;
}

/* "3 restarts would not have happened, 1 new; 1 quarantine new" */
static void sum_up(struct test *test, char *text, size_t size)
{
        for (enum what what = 0; what < WHAT_N; what++) {
                const struct what_words *words = &what_words[what];
                unsigned gone = events_count(test_before(test), what, TURN_GONE);
                unsigned new = events_count(&test->after, what, TURN_NEW);

                if (!words->matters || gone + new == 0)
                        continue;
                text_append(text, size, "%s", text[0] ? "; " : "");
                if (gone > 0)
                        text_append(text, size, "%u %s would not have happened%s", gone,
                                    gone == 1 ? words->one : words->many, new > 0 ? ", " : "");
                if (new > 0 && gone > 0)
                        text_append(text, size, "%u new", new);
                else if (new > 0)
                        text_append(text, size, "%u %s new", new, new == 1 ? words->one : words->many);
        }
        if (!text[0])
                text_append(text, size, "No restart, quarantine or denial would be another");
}

/* ---- what cannot be said -------------------------------------------------------------------------------------------------- */

struct notes {
        void (*take)(void *self, const char *note);
        void *self;
};

__attribute__((format(printf, 2, 3))) static void note(const struct notes *notes, const char *format, ...)
{
        char text[NOTE_MAX];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        notes->take(notes->self, text);
}

static void note_resolution(const struct test *test, const struct notes *notes)
{
        const usec_t hours = samples_since(test->samples, 3600), tens = samples_since(test->samples, 600),
                     minutes = samples_since(test->samples, 60);
        char at[PAGE_MOMENT_MAX], text[NOTE_MAX] = "";

        if (samples_told(test->samples) == 0) {
                note(notes, "the history holds no size of an agent whose limits are other ones: sizes are known only "
                            "where the log tells of them");
                return;
        }
        if (hours > 0)
                text_append(text, sizeof text, "by the hour from %s, ", page_moment(&test->call->page, hours, at));
        if (tens > 0)
                text_append(text, sizeof text, "by ten minutes from %s, ", page_moment(&test->call->page, tens, at));
        if (minutes > 0)
                text_append(text, sizeof text, "by the minute from %s, ", page_moment(&test->call->page, minutes, at));
        note(notes, "the history holds sizes %sand a peak that was shorter counts as what lasted", text);
}

static void note_sizes(const struct test *test, const struct notes *notes)
{
        bool asked = false;

        for (size_t i = 0; i < test->tried_n; i++)
                asked |= test->tried[i].sizes;
        if (!asked)
                return;
        if (test->no_history)
                note(notes, "the history cannot be read (%s): sizes are known only where the log tells of them",
                     test->no_history);
        else
                note_resolution(test, notes);
}

static unsigned restarts_for_size(const struct events *events, enum turn turn)
{
        unsigned n = 0;

        for (size_t i = 0; i < events->n; i++)
                n += events->list[i].turn == turn && events->list[i].what == WHAT_RESTART && events->list[i].bytes > 0;
        return n;
}

static void note_lives(struct test *test, const struct notes *notes)
{
        if (restarts_for_size(test_before(test), TURN_GONE) > 0)
                note(notes, "how large an agent would have become without the restarts that it had is not known");
        if (restarts_for_size(&test->after, TURN_NEW) > 0)
                note(notes,
                     "how large an agent would have been after a restart that it did not have is not known: a new "
                     "one is told once for each life");
}

static void note_agents(const struct test *test, const struct notes *notes)
{
        for (size_t i = 0; i < test->tried_n; i++) {
                const struct tried *tried = &test->tried[i];
                char name[AGENT_ID_MAX];

                agent_short_name(tried->agent, name);
                if (tried->of_changed)
                        note(notes, "%s: its memory would be counted in another way, and is judged as it was counted",
                             name);
                if (tried->files)
                        note(notes, "%s: of files that nobody watched then the log knows nothing", name);
                if (tried->sum)
                        note(notes, "%s: the history holds the sum of its instances, which says nothing of any one",
                             name);
        }
}

static void note_log(const struct test *test, const struct notes *notes)
{
        unsigned unexplained = 0;

        for (size_t i = 0; i < test->real.n; i++)
                unexplained += !test->real.list[i].matched;
        if (test->then_lost)
                note(notes,
                     "the policy of then is not in the log: compared with what happened, which the history's coarser "
                     "sizes may not lead to again");
        else if (unexplained > 0)
                note(notes, "%u of what the log has does not follow from its facts again, see govctl replay",
                     unexplained);
}

static void note_all(struct test *test, const struct notes *notes)
{
        note_sizes(test, notes);
        note_lives(test, notes);
        note_agents(test, notes);
        note_log(test, notes);
}

/* ---- for people ----------------------------------------------------------------------------------------------------------- */

/* Peaks that may have been restarts. */
static void show_possible(const struct test *test)
{
        struct page *page = &test->call->page;

        for (size_t i = 0; i < test->tried_n; i++) {
                const struct tried *tried = &test->tried[i];
                char name[AGENT_ID_MAX], when[PAGE_MOMENT_MAX], peak[TEXT_BYTES_MAX], limit[TEXT_BYTES_MAX],
                        span[TEXT_SPAN_MAX];

                if (tried->peaks == 0)
                        continue;
                agent_short_name(tried->agent, name);
                page_put(page, TINT_WATCH, "Possible: ");
                page_put(page, TINT_STRONG, name);
                page_text(page, TINT_PLAIN, " at %s: %s > %s", page_moment(page, tried->peak_at, when),
                          text_bytes(peak, tried->peak_bytes), text_bytes(limit, tried->limit));
                page_text(page, TINT_FAINT, ", for less than %s",
                          text_span(span, (usec_t)tried->peak_step * USEC_PER_SEC));
                if (tried->peaks > 1)
                        page_text(page, TINT_FAINT, ", the highest of %u such peaks", tried->peaks);
                page_end(page);
        }
}

static void show_note(void *self, const char *text)
{
        struct page *page = self;

        page_put(page, TINT_FAINT, "Note: ");
        page_wrap(page, TINT_FAINT, 6, text);
}

static void show_verdict(struct test *test, bool any)
{
        struct page *page = &test->call->page;
        char from[PAGE_MOMENT_MAX], to[PAGE_MOMENT_MAX], sum[NOTE_MAX] = "";

        sum_up(test, sum, sizeof sum);
        page_text(page,
                  code_of(test) == CODE_FINDING ? TINT_BAD
                  : any                         ? TINT_WATCH
                                                : TINT_GOOD,
                  "%s", any ? sum : "Nothing would have been different");
        page_text(page, TINT_FAINT, " over %llu recorded facts", (unsigned long long)test->facts);
        if (test->samples && samples_told(test->samples) > 0)
                page_text(page, TINT_FAINT, " and %llu sizes", (unsigned long long)samples_told(test->samples));
        page_text(page, TINT_FAINT, ", %s to %s",
                  page_moment(page, test->first > test->since ? test->first : test->since, from),
                  page_moment(page, test->last, to));
        page_end(page);
}

static enum code show(struct test *test)
{
        struct page *page = &test->call->page;
        const struct notes notes = { show_note, page };
        bool any = false;

        for (enum what what = 0; what < WHAT_N; what++) {
                any |= show_changes(page, test_before(test), what, TURN_GONE, "would not have happened");
                any |= show_changes(page, &test->after, what, TURN_NEW, "new");
                any |= show_changes(page, test_before(test), what, TURN_MOVED, "would have come earlier or later");
        }
        show_possible(test);
        note_all(test, &notes);
        show_verdict(test, any);
        return code_of(test);
}

/* ---- for scripts ---------------------------------------------------------------------------------------------------------- */

static void list_changes(json_t *list, const struct events *events)
{
        for (size_t i = 0; i < events->n; i++) {
                const struct event *event = &events->list[i];
                json_t *json;

                if (event->turn == TURN_NONE)
                        continue;
                json = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "change", turn_name(event->turn), "what",
                                 what_words[event->what].name, "agent", event->agent, "at", (json_int_t)event->at,
                                 "cause", event->cause, "reason", event->reason);
                if (event->turn == TURN_MOVED)
                        json_object_set_new(json, "would_be_at", json_integer((json_int_t)event->other));
                if (event->bytes > 0) {
                        json_object_set_new(json, "bytes", json_integer((json_int_t)event->bytes));
                        json_object_set_new(json, "limit_bytes", json_integer((json_int_t)event->limit_bytes));
                }
                json_array_append_new(list, json);
        }
}

static json_t *list_possible(const struct test *test)
{
        json_t *list = json_array();

        for (size_t i = 0; i < test->tried_n; i++) {
                const struct tried *tried = &test->tried[i];

                if (tried->peaks > 0)
                        json_array_append_new(list, json_pack("{s:s, s:i, s:I, s:i, s:I, s:I}", "agent", tried->agent,
                                                              "peaks", (int)tried->peaks, "at",
                                                              (json_int_t)tried->peak_at, "step", (int)tried->peak_step,
                                                              "bytes", (json_int_t)tried->peak_bytes, "limit_bytes",
                                                              (json_int_t)tried->limit));
        }
        return list;
}

static json_t *list_counts(struct test *test)
{
        const struct events *before = test_before(test);
        json_t *counts = json_object();

        for (enum what what = 0; what < WHAT_N; what++)
                json_object_set_new(counts, what_words[what].name,
                                    json_pack("{s:i, s:i, s:i, s:i}", "same", events_count(before, what, TURN_NONE),
                                              "gone", events_count(before, what, TURN_GONE), "new",
                                              events_count(&test->after, what, TURN_NEW), "moved",
                                              events_count(before, what, TURN_MOVED)));
        return counts;
}

static void list_note(void *self, const char *text)
{
        json_array_append_new(self, json_string(text));
}

static enum code show_json(struct test *test)
{
        json_t *changes = json_array(), *list = json_array();
        const struct notes notes = { list_note, list };

        list_changes(changes, test_before(test));
        list_changes(changes, &test->after);
        note_all(test, &notes);
        json_auto_t *json =
                json_pack("{s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "schema_version", 1, "since",
                          (json_int_t)test->since, "until", (json_int_t)test->last, "facts", (json_int_t)test->facts,
                          "samples", (json_int_t)(test->samples ? samples_told(test->samples) : 0), "counts",
                          list_counts(test), "changes", changes, "possible", list_possible(test), "notes", list);

        return json ? call_print_json(test->call, json, code_of(test)) : call_out_of_memory(test->call);
}

enum code test_show(struct test *test)
{
        return test->call->options.json ? show_json(test) : show(test);
}
