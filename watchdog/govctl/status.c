#include "govctl/status.h"

#include <string.h>

#include "base/fact.h"
#include "base/finding.h"
#include "base/text.h"
#include "govctl/advice.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/standing.h"
#include "govctl/trials.h"
#include "govctl/verbs.h"
#include "govctl/watch.h"
#include "io/cleanup.h"

#define WINDOWS_MAX 4
#define FORETOLD_MOST USEC_PER_HOUR /* further away it says nothing */

static bool source_blind(const json_t *source)
{
        return source_state_from_name(field_text(source, "state")) == SOURCE_BLIND;
}

enum code status_code(const json_t *status)
{
        struct tally tally = count_agents(field(status, "agents"));
        size_t i;
        const json_t *source;

        if (tally.wrong > 0)
                return CODE_FINDING;
        if (field_true(status, "machine.safe_mode") || field_true(status, "machine.policy.bad"))
                return CODE_FINDING;
        if (json_array_size(field(status, "machine.incidents")) > 0)
                return CODE_FINDING;
        json_array_foreach ((json_t *)field(status, "sources"), i, source)
                if (source_blind(source))
                        return CODE_FINDING;
        return CODE_OK;
}

/* ---- the machine ---- */

/* Pieces of one line, joined by a dot; a piece that does not fit begins the next line. */
static void put_piece(struct page *page, enum tint tint, const char *text)
{
        const char *dot = page_mark(page, " · ", " | ");

        if (page->at > 0 && page->at + 3 + text_width(text) > page->width)
                page_end(page);
        if (page->at > 0)
                page_put(page, TINT_FAINT, dot);
        page_put(page, tint, text);
}

static void put_count(struct page *page, enum tint tint, unsigned n, const char *what)
{
        char text[64];

        if (n == 0)
                return;
        snprintf(text, sizeof text, "%u %s", n, what);
        put_piece(page, tint, text);
}

static void show_health(struct page *page, const json_t *status)
{
        struct tally tally = count_agents(field(status, "agents"));
        char text[96];

        if (tally.all == 0) {
                put_piece(page, TINT_WATCH, "no agents found");
                return;
        }
        snprintf(text, sizeof text, "%u of %u agents healthy", tally.by[STANDING_FINE], tally.all);
        put_piece(page, tally.wrong > 0 ? TINT_WATCH : TINT_GOOD, text);
        put_count(page, TINT_BAD, tally.wrong, tally.wrong == 1 ? "needs you" : "need you");
        put_count(page, TINT_WATCH, tally.by[STANDING_UNSETTLED], "unsettled");
        put_count(page, TINT_FAINT, tally.by[STANDING_OFF], "stopped");
}

static void show_cpu(struct page *page, const json_t *machine)
{
        const json_t *cpu = field(machine, "cpu");
        int64_t now = field_number(cpu, "now_permille"), steal = field_number(cpu, "steal_permille");
        char text[64];

        if (field_number(cpu, "over_s") <= 0)
                return;
        snprintf(text, sizeof text, "cpu %lld%%", (long long)(now + 5) / 10);
        put_piece(page, field_given(cpu, "incident") ? TINT_BAD : TINT_PLAIN, text);
        if (steal < 50) /* a neighbour's moment is not worth a word */
                return;
        snprintf(text, sizeof text, "%lld%% stolen by the host", (long long)steal / 10);
        put_piece(page, TINT_WATCH, text);
}

/* How far the floor is, and when it is reached if memory goes on to fall as it does. */
static enum tint say_floor(const json_t *floor, char *text, size_t size)
{
        usec_t reached_in = (usec_t)field_number(floor, "reached_in_s") * USEC_PER_SEC;
        char bytes[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        text_bytes(bytes, (uint64_t)field_number(floor, "floor_bytes"));
        if (field_true(floor, "below")) {
                bool clear = field_number(floor, "available_bytes") >= field_number(floor, "floor_bytes");

                text_append(text, size, clear ? ", not clear of its floor of %s yet" : ", below its floor of %s",
                            bytes);
                return TINT_BAD;
        }
        text_append(text, size, ", floor %s", bytes);
        if (!field_given(floor, "reached_in_s") || reached_in > FORETOLD_MOST)
                return TINT_PLAIN;
        text_append(text, size, " in %s at this pace", text_span(span, reached_in));
        return TINT_WATCH;
}

static void show_memory(struct page *page, const json_t *machine)
{
        uint64_t total = (uint64_t)field_number(machine, "memory_total_bytes");
        uint64_t available = (uint64_t)field_number(machine, "memory_available_bytes");
        char text[128], one[TEXT_BYTES_MAX], two[TEXT_BYTES_MAX];
        enum tint tint = available < total / 10 ? TINT_BAD : TINT_PLAIN;

        if (total == 0)
                return;
        snprintf(text, sizeof text, "memory %s free of %s", text_bytes(one, available), text_bytes(two, total));
        if (field_given(machine, "memory_floor.floor_bytes"))
                tint = say_floor(field(machine, "memory_floor"), text, sizeof text);
        put_piece(page, tint, text);
}

static void show_resources(struct page *page, const json_t *machine)
{
        char text[96], span[TEXT_SPAN_MAX];

        show_memory(page, machine);
        show_cpu(page, machine);
        if (field_given(machine, "load1_centi")) {
                snprintf(text, sizeof text, "load %.2f", (double)field_number(machine, "load1_centi") / 100);
                put_piece(page, TINT_PLAIN, text);
        }
        int64_t pressure = field_number(machine, "psi_memory_some_centi");

        if (pressure >= 100) { /* a calm machine has none: worth a word from 1 % on */
                snprintf(text, sizeof text, "memory pressure %d%%", (int)(pressure / 100));
                put_piece(page, pressure >= 1000 ? TINT_BAD : TINT_WATCH, text);
        }
        if (field_number(machine, "uptime_s") > 0) {
                snprintf(text, sizeof text, "up %s",
                         text_span(span, (usec_t)field_number(machine, "uptime_s") * USEC_PER_SEC));
                put_piece(page, TINT_PLAIN, text);
        }
}

static void show_policy(struct page *page, const json_t *machine)
{
        char text[96];
        int64_t rules = field_number(machine, "policy.rules");

        if (field_true(machine, "policy.bad"))
                put_piece(page, TINT_BAD, "the policy has errors: what was discovered is observed");
        else if (field_true(machine, "policy.discovered"))
                put_piece(page, TINT_PLAIN, "no policy: what was discovered is observed");
        else if (rules > 0) {
                snprintf(text, sizeof text, "policy of %d rule%s", (int)rules, rules == 1 ? "" : "s");
                put_piece(page, TINT_PLAIN, text);
        }
        int64_t most = field_number(machine, "actions.at_most"), spent = field_number(machine, "actions.spent");

        if (most > 0 && spent > 0) {
                char span[TEXT_SPAN_MAX];

                snprintf(text, sizeof text, "%d of %d actions in %s spent", (int)spent, (int)most,
                         text_span(span, (usec_t)field_number(machine, "actions.within_s") * USEC_PER_SEC));
                put_piece(page, spent >= most ? TINT_BAD : TINT_PLAIN, text);
        }
        snprintf(text, sizeof text, "governor %s", field_text(machine, "version"));
        put_piece(page, TINT_FAINT, text);
}

/* Who outside of this machine knows the audit log: root here can exchange everything else. */
static void show_anchor(struct page *page, const json_t *machine)
{
        const json_t *anchored = field(machine, "audit.anchored");
        char text[512], ago[PAGE_AGO_MAX];

        if (field_true(anchored, "unanchored")) {
                page_go(page, 2);
                page_put(page, TINT_WATCH, "UNANCHORED");
                page_wrap(
                        page, TINT_PLAIN, 4,
                        ": only this machine knows its audit log. Type: govctl audit witness add VKEY URL, or keep what "
                        "govctl audit checkpoint prints on another machine");
        } else if (field_number(anchored, "witnesses") > 0 && !field_given(anchored, "last.size")) {
                page_go(page, 2);
                page_put(page, TINT_WATCH, "NOT WITNESSED");
                page_wrap(page, TINT_PLAIN, 4,
                          ": nobody vouches for the audit log now, though witnesses are named. Type: govctl audit "
                          "witness push");
        } else if (field_given(anchored, "last.size")) {
                snprintf(text, sizeof text, "audit log of %lld records, %lld of them vouched for by witness %s %s",
                         (long long)field_number(machine, "audit.size"), (long long)field_number(anchored, "last.size"),
                         field_text(anchored, "last.name"),
                         page_ago(page, (usec_t)field_number(anchored, "last.at"), ago));
                page_go(page, 2);
                page_wrap(page, TINT_PLAIN, 4, text);
        }
}

/* It sees, and not all that it could. */
static void show_partial(struct page *page, const json_t *source)
{
        char text[512];

        if (source_state_from_name(field_text(source, "state")) != SOURCE_SEEING || !field_text(source, "why")[0])
                return;
        snprintf(text, sizeof text, "Sees %s in part: %s", field_text(source, "name"), field_text(source, "why"));
        page_go(page, 2);
        page_wrap(page, TINT_WATCH, 4, text);
}

static void show_sources(struct page *page, const json_t *sources)
{
        size_t i;
        const json_t *source;

        json_array_foreach ((json_t *)sources, i, source) {
                char span[TEXT_SPAN_MAX], text[512];
                usec_t since = (usec_t)field_number(source, "since");

                show_partial(page, source);
                if (!source_blind(source))
                        continue;
                snprintf(text, sizeof text, "Blind to %s for %s: %s", field_text(source, "name"),
                         text_span(span, usec_since(page->now, since)), field_text(source, "why"));
                page_go(page, 2);
                page_wrap(page, TINT_BAD, 4, text);
        }
}

/* What ends by itself soon; what is kept is no news (govctl trials). */
static void show_trials(struct page *page, const json_t *trials)
{
        const json_t *trial;
        size_t i;

        json_array_foreach ((json_t *)trials, i, trial) {
                if (trial_state_from_name(field_text(trial, "state")) == TRIAL_KEPT)
                        continue;
                page_go(page, 2);
                trial_show(page, trial);
        }
}

static void show_machine_incidents(struct page *page, const json_t *incidents)
{
        size_t i;
        const json_t *incident;

        json_array_foreach ((json_t *)incidents, i, incident) {
                char text[512];

                if (!incident_is_news(incident))
                        continue;

                const char *reason = json_string_value(json_array_get(field(incident, "evidence"), 0));

                snprintf(text, sizeof text, "%s %s: %s", field_text(incident, "id"), field_text(incident, "cause"),
                         reason ? reason : "");
                page_go(page, 2);
                page_wrap(page, TINT_BAD, 4, text);
        }
}

/* What rules say of their agents counts, not the default that none of them may use. */
static void show_mode(struct page *page, const json_t *status)
{
        const json_t *agents = field(status, "agents"), *machine = field(status, "machine");
        size_t i, n = json_array_size(agents), enforced = 0;
        const json_t *agent;
        char text[64];

        json_array_foreach ((json_t *)agents, i, agent)
                enforced += strcmp(field_text(agent, "mode"), "enforce") == 0;
        if (field_true(machine, "safe_mode"))
                put_piece(page, TINT_BAD, "safe mode");
        else if (field_true(machine, "disarmed"))
                put_piece(page, TINT_BAD, "disarmed");
        else if (n == 0)
                put_piece(page, TINT_PLAIN, field_text(machine, "mode"));
        else if (enforced == 0 || enforced == n)
                put_piece(page, TINT_PLAIN, enforced ? "enforce" : "observe");
        else {
                snprintf(text, sizeof text, "enforce for %zu of %zu", enforced, n);
                put_piece(page, TINT_PLAIN, text);
        }
}

void status_show_machine(struct page *page, const json_t *status)
{
        const json_t *machine = field(status, "machine");

        put_piece(page, TINT_STRONG, field_text(machine, "host"));
        show_mode(page, status);
        show_health(page, status);
        page_end(page);
        show_resources(page, machine);
        show_policy(page, machine);
        page_end(page);
        show_anchor(page, machine);
        show_sources(page, field(status, "sources"));
        show_trials(page, field(status, "trials"));
        show_machine_incidents(page, field(machine, "incidents"));
}

/* ---- the agents ---- */

enum {
        COLUMN_AGENT,
        COLUMN_MANAGER,
        COLUMN_CLAIMED,
        COLUMN_EFFECTIVE,
        COLUMN_RESTARTS,
        COLUMN_WINDOW,
        COLUMN_MEMORY = COLUMN_WINDOW + WINDOWS_MAX,
        COLUMN_CPU,
        COLUMN_UP,
        COLUMN_LAST,
        COLUMN_INCIDENT,
        COLUMN_N,
};

/* The windows that most people look at are those of the first agent; another rule's show in `govctl agents NAME`. */
static unsigned window_titles(const json_t *agents, const char *titles[WINDOWS_MAX])
{
        size_t i;
        const json_t *agent;
        unsigned n = 0;

        json_array_foreach ((json_t *)agents, i, agent) {
                const char *key;
                json_t *value;

                json_object_foreach ((json_t *)field(agent, "incarnations"), key, value)
                        if (n < WINDOWS_MAX)
                                titles[n++] = key;
                if (n > 0)
                        break;
        }
        return n;
}

static void cell_windows(struct grid *grid, const json_t *agent, const char *const *titles, unsigned n)
{
        for (unsigned w = 0; w < n; w++) {
                const json_t *count = json_object_get(field(agent, "incarnations"), titles[w]);
                const json_t *limit = json_object_get(field(agent, "limits"), titles[w]);
                int64_t seen = json_integer_value(count);
                bool over = json_is_integer(limit) && seen > json_integer_value(limit);

                if (count)
                        grid_cell(grid, COLUMN_WINDOW + w,
                                  over   ? TINT_BAD
                                  : seen ? TINT_PLAIN
                                         : TINT_FAINT,
                                  "%lld", (long long)seen);
        }
}

static void cell_last(struct grid *grid, const struct page *page, const json_t *agent)
{
        char words[ENDING_WORDS_MAX], ago[PAGE_AGO_MAX];
        const json_t *last = field(agent, "last");

        if (!ending_words(last, words)[0])
                return;
        grid_cell(grid, COLUMN_LAST, TINT_PLAIN, "%s, %s", words,
                  page_ago(page, (usec_t)field_number(last, "at"), ago));
        grid_cell_short(grid, COLUMN_LAST, words);
}

static void cell_numbers(struct grid *grid, const struct page *page, const json_t *agent)
{
        char bytes[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];
        int64_t memory = field_number(agent, "memory_bytes"), cpu = field_number(agent, "cpu_permille");
        usec_t since = (usec_t)field_number(agent, "since");

        if (field_given(agent, "restarts"))
                grid_cell(grid, COLUMN_RESTARTS, TINT_PLAIN, "%lld", (long long)field_number(agent, "restarts"));
        if (memory > 0)
                grid_cell(grid, COLUMN_MEMORY, TINT_PLAIN, "%s", text_bytes(bytes, (uint64_t)memory));
        if (field_number(agent, "pid") > 0 && since > 0) {
                grid_cell(grid, COLUMN_CPU, cpu >= 500 ? TINT_WATCH : TINT_PLAIN, "%d.%d%%", (int)(cpu / 10),
                          (int)(cpu % 10));
                grid_cell(grid, COLUMN_UP, TINT_PLAIN, "%s", text_span(span, usec_since(page->now, since)));
        }
}

static const char *standing_mark(const struct page *page, enum standing standing)
{
        switch (standing) {
        case STANDING_OFF: return page_mark(page, "○", "-");
        case STANDING_FINE: return page_mark(page, "●", "+");
        case STANDING_UNSETTLED: return page_mark(page, "◌", "o");
        default: return page_mark(page, "✗", "x");
        }
}

/* "inactive" for "inactive/dead", "waiting" for "waiting restart". */
static void cell_claimed(struct grid *grid, const json_t *agent)
{
        const char *word = field_text(agent, "word");
        char less[AGENT_WORD_MAX];

        if (word[0] == '\0')
                word = field_text(agent, "claimed");
        text_copy(less, sizeof less, word);
        less[strcspn(less, "/ ")] = '\0';
        grid_cell(grid, COLUMN_CLAIMED, TINT_PLAIN, "%s", word);
        grid_cell_short(grid, COLUMN_CLAIMED, less);
}

static void grid_agent(struct grid *grid, const struct page *page, const json_t *agent, const char *const *titles,
                       unsigned titles_n)
{
        enum standing standing = agent_standing(agent);
        int64_t instances = field_number(agent, "instances");
        char manager[MANAGER_WORDS_MAX], copies[32] = "";

        if (instances > 1)
                snprintf(copies, sizeof copies, " %s%d", page_mark(page, "×", "x"), (int)instances);
        grid_cell(grid, COLUMN_AGENT, standing >= STANDING_FINDING ? TINT_STRONG : TINT_PLAIN, "%s %s%s",
                  standing_mark(page, standing), field_text(agent, "name"), copies);
        grid_cell(grid, COLUMN_MANAGER, TINT_FAINT, "%s", manager_words(agent, manager));
        grid_cell_short(grid, COLUMN_MANAGER, field_text(agent, "manager"));
        cell_claimed(grid, agent);
        grid_cell(grid, COLUMN_EFFECTIVE, standing_tint(standing), "%s", field_text(agent, "effective"));
        cell_windows(grid, agent, titles, titles_n);
        cell_numbers(grid, page, agent);
        cell_last(grid, page, agent);
        if (field_given(agent, "incident")) {
                grid_cell(grid, COLUMN_INCIDENT, TINT_BAD, "%s %s", field_text(agent, "incident"),
                          field_text(agent, "cause"));
                grid_cell_short(grid, COLUMN_INCIDENT, field_text(agent, "incident"));
        }
        grid_end_row(grid);
}

static unsigned show_agents(struct page *page, const json_t *sorted, unsigned rows_max)
{
        const char *titles[WINDOWS_MAX] = { "", "", "", "" };
        unsigned titles_n = window_titles(sorted, titles);
        size_t i;
        const json_t *agent;
        /* clang-format off */
        const struct column columns[COLUMN_N] = {
                [COLUMN_AGENT]      = { "AGENT",     .rank = 0, .least = 14 },
                [COLUMN_MANAGER]    = { "MANAGER",   .rank = 7 },
                [COLUMN_CLAIMED]    = { "CLAIMED",   .rank = 2 },
                [COLUMN_EFFECTIVE]  = { "EFFECTIVE", .rank = 0 },
                [COLUMN_RESTARTS]   = { "RESTARTS",  .rank = 6, .right = true },
                [COLUMN_WINDOW]     = { titles[0],   .rank = 1, .right = true },
                [COLUMN_WINDOW + 1] = { titles[1],   .rank = 3, .right = true },
                [COLUMN_WINDOW + 2] = { titles[2],   .rank = 3, .right = true },
                [COLUMN_WINDOW + 3] = { titles[3],   .rank = 9, .right = true },
                [COLUMN_MEMORY]     = { "MEMORY",    .rank = 3, .right = true },
                [COLUMN_CPU]        = { "CPU",       .rank = 9, .right = true },
                [COLUMN_UP]         = { "UP",        .rank = 5, .right = true },
                [COLUMN_LAST]       = { "LAST END",  .rank = 4, .least = 10 },
                [COLUMN_INCIDENT]   = { "INCIDENT",  .rank = 8 },
        };
        /* clang-format on */
        _cleanup_(grid_freep) struct grid *grid = grid_new(columns, COLUMN_N);

        if (!grid)
                return (unsigned)json_array_size(sorted);
        json_array_foreach ((json_t *)sorted, i, agent)
                grid_agent(grid, page, agent, titles, titles_n);
        return grid_print(grid, page, rows_max);
}

/* ---- all of it ---- */

/* Lines around the table that a page of limited height must keep: machine, titles, what is left out, advice. */
#define LINES_AROUND 9

enum code status_show(struct page *page, const json_t *status)
{
        json_auto_t *sorted = agents_sorted(field(status, "agents"));
        unsigned rows_max = page->height > LINES_AROUND + 1 ? page->height - LINES_AROUND : 0;

        status_show_machine(page, status);
        if (json_array_size(sorted) > 0) {
                page_end(page);
                unsigned left_out = show_agents(page, sorted, rows_max);

                if (left_out > 0) {
                        page_text(page, TINT_FAINT, "  and %u more", left_out);
                        page_end(page);
                }
        }
        advice_show(page, status, sorted);
        return status_code(status);
}

static void set_cause(json_t *agents, const json_t *incident)
{
        size_t i;
        json_t *agent;

        json_array_foreach (agents, i, agent)
                if (strcmp(field_text(agent, "incident"), field_text(incident, "id")) == 0)
                        json_object_set(agent, "cause", json_object_get(incident, "cause"));
}

/* Agents get the cause of their incident; the incidents of no agent (common-cause, blind, audit-broken) are the machine's. */
static void add_incidents(json_t *status, const json_t *incidents)
{
        json_t *own = json_array();
        size_t i;
        json_t *incident;

        json_array_foreach ((json_t *)incidents, i, incident) {
                if (strcmp(field_text(incident, "state"), "open") != 0)
                        continue;
                if (field_text(incident, "agent")[0])
                        set_cause(json_object_get(status, "agents"), incident);
                else
                        json_array_append(own, incident);
        }
        json_object_set_new(json_object_get(status, "machine"), "incidents", own);
}

enum code status_ask(struct call *call, struct rpc *daemon, json_t **ret)
{
        json_auto_t *status = NULL, *incidents = NULL;
        enum code code = daemon_ask(call, daemon, "status", NULL, DAEMON_ANSWER, &status);

        if (code == CODE_OK)
                code = daemon_ask(call, daemon, "incidents", NULL, DAEMON_ANSWER, &incidents);
        if (code != CODE_OK)
                return code;
        add_incidents(status, field(incidents, "incidents"));
        *ret = json_incref(status);
        return CODE_OK;
}

enum code run_status(struct call *call)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        json_auto_t *status = NULL;
        enum code code;

        if (call->options.watch)
                return watch_status(call);
        code = daemon_open(call, &daemon);
        if (code == CODE_OK)
                code = status_ask(call, daemon, &status);
        if (code != CODE_OK)
                return code;
        return call->options.json ? call_print_json(call, status, status_code(status))
                                  : status_show(&call->page, status);
}
