/* What an agent used and how often it began anew, drawn in the terminal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/agent.h"
#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/past.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "io/history.h"

#define SINCE_DEFAULT USEC_PER_DAY
#define LABEL_COLUMNS 10
#define VALUE_COLUMNS 16
#define CURVE_MAX 400
#define LEVELS 8
#define LISTED_MAX 10 /* incidents, in words */

/* One column of the drawing: all that lies in its stretch of time. */
struct stretch {
        uint64_t memory, most, cpu, starts;
        unsigned n; /* samples; 0: nothing is known of it */
        enum { CALM, TROUBLED, TROUBLE_BEGINS } incident;
};

struct curve {
        struct stretch stretches[CURVE_MAX];
        unsigned n;
        usec_t from, until;
        uint64_t highest, peak, busiest,
                starts;       /* of all stretches: the highest memory, on average and at all; the most CPU */
        uint64_t memory, cpu; /* of the newest sample ... */
        usec_t newest;        /* ... and when that was */
};

/* ---- from the file, where no daemon answers ---------------------------------------------------------------------------------- */

static void list_sample(void *self, const struct history_sample *sample)
{
        json_array_append_new(self, json_pack("{s:I, s:i, s:I, s:I, s:i, s:i}", "at", (json_int_t)sample->at, "step",
                                              (int)sample->step, "memory_bytes", (json_int_t)sample->memory_bytes,
                                              "memory_most", (json_int_t)sample->memory_most, "cpu_permille",
                                              (int)sample->cpu_permille, "starts", (int)sample->starts));
}

/* Names are short: the agent of the log's findings that answers to this one. The file itself knows ids alone. */
static void take_name(void *self, const char *agent)
{
        const char *const *asked = self;
        char *id = (char *)(uintptr_t)asked[1];

        if (agent_answers_to(agent, asked[0]))
                text_copy(id, AGENT_ID_MAX, agent);
}

static enum code complain_file(struct call *call, int error, const char *path)
{
        char what[PATH_MAX + 32];

        snprintf(what, sizeof what, "cannot read %s", path);
        if (error == -ENOENT)
                return call_complain(call, CODE_NOT_FOUND, what,
                                     "there is no history yet: the first comes after ten minutes", "govctl status");
        if (error == -EACCES || error == -EPERM)
                return call_complain(call, CODE_DENIED, what,
                                     "the daemon does not answer, and the file is root's alone", "the same with sudo");
        return call_complain(call, CODE_FAILURE, what,
                             error == -EUCLEAN ? "it is damaged; the daemon will begin it anew" : strerror(-error),
                             "govctl doctor");
}

static enum code read_file(struct call *call, usec_t since, json_t **ret)
{
        const char *word = call_argument(call);
        char path[PATH_MAX], id[AGENT_ID_MAX] = HISTORY_MACHINE;
        const char *asked[2] = { word, id };
        json_auto_t *samples = json_array();
        int r;

        snprintf(path, sizeof path, "%s/history.db", state_directory(call));
        r = history_agents(path, take_name, asked);
        if (r < 0)
                return complain_file(call, r, path);
        if (id[0] == '\0' && strcmp(word, "machine") != 0)
                return call_complain(call, CODE_NOT_FOUND, "there is no history of that agent", word, "govctl agents");
        r = history_read(path, id, since / USEC_PER_SEC, list_sample, samples);
        if (r < 0)
                return complain_file(call, r, path);
        *ret = json_pack("{s:i, s:s, s:I, s:O, s:[]}", "schema_version", 1, "agent", id, "since",
                         (json_int_t)(since / USEC_PER_SEC), "samples", samples, "incidents");
        return *ret ? CODE_OK : call_out_of_memory(call);
}

/* Whoever may read the log is told of all incidents, others of those that the daemon remembers. */
static void add_past(struct call *call, usec_t since, const json_t *history)
{
        _cleanup_(audit_reader_closep) struct audit_reader *audit = NULL;
        char path[PATH_MAX];

        if (state_is_daemons(call) || call->options.state)
                if (state_try_log(call, path, &audit) >= 0)
                        (void)past_incidents(audit, field_text(history, "agent"), since,
                                             json_object_get(history, "incidents"));
}

/* The daemon knows the newest minutes; its file is for when it is away. */
static enum code fetch(struct call *call, usec_t since, json_t **ret)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        enum code code = state_is_daemons(call) ? daemon_open_quietly(call, &daemon) : CODE_UNREACHABLE;

        if (code != CODE_OK)
                code = read_file(call, since, ret);
        else
                code = daemon_ask(call, daemon, "history",
                                  json_pack("{s:s, s:I}", "agent", call_argument(call), "since",
                                            (json_int_t)(since / USEC_PER_SEC)),
                                  DAEMON_ANSWER, ret);
        if (code == CODE_OK)
                add_past(call, since, *ret);
        return code;
}

/* ---- drawn ------------------------------------------------------------------------------------------------------------------- */

static struct stretch *stretch_at(struct curve *curve, usec_t at)
{
        usec_t width = (curve->until - curve->from) / curve->n;
        usec_t place = at < curve->from ? 0 : (at - curve->from) / (width > 0 ? width : 1);

        return &curve->stretches[place < curve->n ? place : curve->n - 1];
}

static void add_sample(struct curve *curve, const json_t *sample)
{
        usec_t at = (usec_t)field_number(sample, "at") * USEC_PER_SEC;
        usec_t step = (usec_t)field_number(sample, "step") * USEC_PER_SEC;
        struct stretch *first = stretch_at(curve, at), *last = stretch_at(curve, at + step - 1);

        if (at + step <= curve->from || at >= curve->until)
                return;
        first->starts += (uint64_t)field_number(sample, "starts");
        for (struct stretch *stretch = first; stretch <= last; stretch++) {
                uint64_t most = (uint64_t)field_number(sample, "memory_most");

                stretch->memory += (uint64_t)field_number(sample, "memory_bytes");
                stretch->most = most > stretch->most ? most : stretch->most;
                stretch->cpu += (uint64_t)field_number(sample, "cpu_permille");
                stretch->n++;
        }
        if (at < curve->newest)
                return;
        curve->newest = at;
        curve->memory = (uint64_t)field_number(sample, "memory_bytes");
        curve->cpu = (uint64_t)field_number(sample, "cpu_permille");
}

static void keep_most(uint64_t *most, uint64_t value)
{
        *most = value > *most ? value : *most;
}

/* Sums become averages. */
static void sum_up(struct curve *curve, struct stretch *stretch)
{
        if (stretch->n == 0)
                return;
        stretch->memory /= stretch->n;
        stretch->cpu /= stretch->n;
        keep_most(&curve->highest, stretch->memory);
        keep_most(&curve->peak, stretch->most);
        keep_most(&curve->busiest, stretch->cpu);
        curve->starts += stretch->starts;
}

/* Marked where it began, and for as long as it lasted. */
static void mark(struct curve *curve, const json_t *incident)
{
        usec_t opened = moment_of(field(incident, "opened")), resolved = moment_of(field(incident, "resolved"));
        struct stretch *last;

        resolved = resolved > 0 ? resolved : curve->until;
        if (opened >= curve->until || resolved < curve->from)
                return;
        last = stretch_at(curve, resolved);
        for (struct stretch *stretch = stretch_at(curve, opened); stretch <= last; stretch++)
                if (stretch->incident == CALM)
                        stretch->incident = TROUBLED;
        if (opened >= curve->from)
                stretch_at(curve, opened)->incident = TROUBLE_BEGINS;
}

static void curve_make(struct curve *curve, const json_t *history, usec_t from, usec_t until, unsigned columns)
{
        const json_t *item;
        size_t i;

        *curve = (struct curve){ .n = columns, .from = from, .until = until };
        json_array_foreach ((json_t *)field(history, "samples"), i, item)
                add_sample(curve, item);
        for (unsigned k = 0; k < curve->n; k++)
                sum_up(curve, &curve->stretches[k]);
        json_array_foreach ((json_t *)field(history, "incidents"), i, item)
                mark(curve, item);
}

static uint64_t memory_of(const struct stretch *stretch)
{
        return stretch->memory;
}
static uint64_t most_of(const struct stretch *stretch)
{
        return stretch->most;
}
static uint64_t cpu_of(const struct stretch *stretch)
{
        return stretch->cpu;
}

/* A column that stands for hours hides in its average what mattered in it. */
static bool has_peaks(const struct curve *curve)
{
        for (unsigned i = 0; i < curve->n; i++)
                if (curve->stretches[i].most > curve->stretches[i].memory / 4 * 5)
                        return true;
        return false;
}

/* What is not known is a gap; the lowest block still says that something was there. */
static void put_level(struct page *page, const struct stretch *stretch, uint64_t value, uint64_t highest)
{
        static const char *const blocks[LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
        static const char *const plain[LEVELS] = { "_", ".", ":", "-", "=", "+", "*", "#" };
        uint64_t level = highest > 0 ? (value * LEVELS + highest - 1) / highest : 0;

        level = level > 0 ? level - 1 : 0;
        page_put(page, TINT_PLAIN, stretch->n == 0 ? " " : page_mark(page, blocks[level], plain[level]));
}

static void draw(struct page *page, const struct curve *curve, const char *label,
                 uint64_t (*value_of)(const struct stretch *), uint64_t highest, const char *value)
{
        page_put(page, TINT_FAINT, label);
        page_go(page, LABEL_COLUMNS);
        for (unsigned i = 0; i < curve->n; i++)
                put_level(page, &curve->stretches[i], value_of(&curve->stretches[i]), highest);
        page_text(page, TINT_FAINT, "  %s", value);
        page_end(page);
}

/* Starts as digits, one that is too many for a digit as '+'. */
static void draw_starts(struct page *page, const struct curve *curve)
{
        page_put(page, TINT_FAINT, "restarts");
        page_go(page, LABEL_COLUMNS);
        for (unsigned i = 0; i < curve->n; i++) {
                const struct stretch *stretch = &curve->stretches[i];

                if (stretch->starts == 0)
                        page_put(page, TINT_FAINT, stretch->n == 0 ? " " : page_mark(page, "·", "."));
                else if (stretch->starts < 10)
                        page_text(page, TINT_WATCH, "%u", (unsigned)stretch->starts);
                else
                        page_put(page, TINT_BAD, "+");
        }
        page_text(page, TINT_FAINT, "  %llu", (unsigned long long)curve->starts);
        page_end(page);
}

static void draw_incidents(struct page *page, const struct curve *curve)
{
        const char *const marks[] = { " ", page_mark(page, "─", "-"), page_mark(page, "▲", "^") };
        unsigned end = 0;

        for (unsigned i = 0; i < curve->n; i++)
                end = curve->stretches[i].incident != CALM ? i + 1 : end;
        if (end == 0)
                return;
        page_put(page, TINT_FAINT, "incidents");
        page_go(page, LABEL_COLUMNS);
        for (unsigned i = 0; i < end; i++)
                page_put(page, TINT_BAD, marks[curve->stretches[i].incident]);
        page_end(page);
}

static void draw_times(struct page *page, const struct curve *curve)
{
        char from[PAGE_MOMENT_MAX], until[PAGE_MOMENT_MAX];
        unsigned width;

        page_moment(page, curve->from, from);
        page_moment(page, curve->until, until);
        width = text_width(until);
        page_go(page, LABEL_COLUMNS);
        page_put(page, TINT_FAINT, from);
        page_go(page, LABEL_COLUMNS + (curve->n > width ? curve->n - width : 0));
        page_put(page, TINT_FAINT, until);
        page_end(page);
}

static void list_incident(struct page *page, const json_t *incident)
{
        usec_t opened = moment_of(field(incident, "opened")), resolved = moment_of(field(incident, "resolved"));
        char when[PAGE_MOMENT_MAX], span[TEXT_SPAN_MAX];

        page_put(page, TINT_STRONG, field_text(incident, "id"));
        page_go(page, LABEL_COLUMNS);
        page_text(page, TINT_PLAIN, "%s  %s, ", page_moment(page, opened, when), field_text(incident, "cause"));
        if (strcmp(field_text(incident, "state"), "open") == 0)
                page_put(page, TINT_BAD, "open");
        else
                page_text(page, TINT_PLAIN, "over after %s", text_span(span, usec_since(resolved, opened)));
        page_end(page);
}

/* What the curves are held against. */
static void list_limits(struct page *page, const json_t *history)
{
        int64_t percent = field_number(history, "cpu_limit_percent");

        if (percent <= 0)
                return;
        page_put(page, TINT_FAINT, "limit");
        page_go(page, LABEL_COLUMNS);
        page_text(page, TINT_PLAIN, "cpu %lld%% of %s", (long long)percent,
                  field_text(history, "agent")[0] ? "one CPU" : "all CPUs");
        page_end(page);
}

static void list_incidents(struct page *page, const json_t *history)
{
        const json_t *incidents = field(history, "incidents");
        size_t n = json_array_size(incidents);

        for (size_t i = 0; i < n && i < LISTED_MAX; i++)
                list_incident(page, json_array_get(incidents, i));
        if (n <= LISTED_MAX)
                return;
        page_text(page, TINT_FAINT, "and %zu more: --json has them all", n - LISTED_MAX);
        page_end(page);
}

static void draw_memory(struct page *page, const struct curve *curve)
{
        char now[TEXT_BYTES_MAX], most[TEXT_BYTES_MAX], text[64];
        bool peaks = has_peaks(curve);

        text_bytes(now, curve->memory);
        text_bytes(most, curve->peak);
        if (!peaks)
                snprintf(text, sizeof text, "%s, most %s", now, most);
        draw(page, curve, "memory", memory_of, peaks ? curve->peak : curve->highest, peaks ? now : text);
        if (!peaks)
                return;
        snprintf(text, sizeof text, "most %s", most);
        draw(page, curve, "  at most", most_of, curve->peak, text);
}

static enum code show(struct call *call, const json_t *history, usec_t since)
{
        struct page *page = &call->page;
        bool machine = !field_text(history, "agent")[0];
        char cpu[64];
        unsigned columns =
                page->width > LABEL_COLUMNS + VALUE_COLUMNS + 10 ? page->width - LABEL_COLUMNS - VALUE_COLUMNS : 10;
        struct curve curve;

        if (json_array_size(field(history, "samples")) == 0) {
                page_put(page, TINT_WATCH, "Nothing was sampled in that time");
                page_end(page);
                list_incidents(page, history);
                return CODE_OK;
        }
        curve_make(&curve, history, since, page->now, columns < CURVE_MAX ? columns : CURVE_MAX);
        snprintf(cpu, sizeof cpu, "%llu.%llu%%, most %llu.%llu%%", (unsigned long long)curve.cpu / 10,
                 (unsigned long long)curve.cpu % 10, (unsigned long long)curve.busiest / 10,
                 (unsigned long long)curve.busiest % 10);
        draw_memory(page, &curve);
        draw(page, &curve, "cpu", cpu_of, curve.busiest, cpu);
        if (!machine)
                draw_starts(page, &curve);
        draw_incidents(page, &curve);
        draw_times(page, &curve);
        list_limits(page, history);
        list_incidents(page, history);
        return CODE_OK;
}

enum code run_history(struct call *call)
{
        usec_t since = call->page.now > SINCE_DEFAULT ? call->page.now - SINCE_DEFAULT : 0;
        json_auto_t *history = NULL;
        enum code code;

        if (call->options.since && !moment_parse_typed(call->options.since, call->page.now, &since))
                return call_complain(call, CODE_USAGE, "--since takes a time", call->options.since,
                                     "govctl history AGENT --since 24h");
        if (call->options.ascii)
                call->page.utf8 = false;
        code = fetch(call, since, &history);
        if (code != CODE_OK)
                return code;
        return call->options.json ? call_print_json(call, history, CODE_OK) : show(call, history, since);
}
