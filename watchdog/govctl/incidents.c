/* What is wrong now, and what was. */
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/moment.h"
#include "govctl/standing.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

enum { COLUMN_ID, COLUMN_AGENT, COLUMN_CAUSE, COLUMN_COUNT, COLUMN_OPENED, COLUMN_STATE, COLUMN_RULE, COLUMN_N };

/* clang-format off */
static const struct column columns[COLUMN_N] = {
        [COLUMN_ID]     = { "INCIDENT", .rank = 0 },
        [COLUMN_AGENT]  = { "AGENT",    .rank = 0, .least = 10 },
        [COLUMN_CAUSE]  = { "CAUSE",    .rank = 0 },
        [COLUMN_COUNT]  = { "COUNT",    .rank = 2, .right = true },
        [COLUMN_OPENED] = { "OPENED",   .rank = 1 },
        [COLUMN_STATE]  = { "STATE",    .rank = 3, .least = 8 },
        [COLUMN_RULE]   = { "RULE",     .rank = 4, .least = 12 },
};
/* clang-format on */

static bool is_open(const json_t *incident)
{
        return strcmp(field_text(incident, "state"), "open") == 0;
}

static enum code code_of(const json_t *incidents)
{
        size_t i;
        const json_t *incident;

        json_array_foreach ((json_t *)incidents, i, incident)
                if (is_open(incident))
                        return CODE_FINDING;
        return CODE_OK;
}

/* The file without its directories: the whole path is for `govctl why`. */
static const char *short_rule(const json_t *incident)
{
        const char *rule = field_text(incident, "rule"), *slash = strrchr(rule, '/');

        return slash ? slash + 1 : rule;
}

static void grid_incident(struct grid *grid, const struct page *page, const json_t *incident)
{
        char agent[AGENT_ID_MAX], when[PAGE_AGO_MAX], span[TEXT_SPAN_MAX];
        const char *id = field_text(incident, "agent");
        usec_t opened = moment_of(field(incident, "opened")), resolved = moment_of(field(incident, "resolved"));
        bool open = is_open(incident);

        agent_short_name(id, agent);
        grid_cell(grid, COLUMN_ID, open ? TINT_STRONG : TINT_FAINT, "%s", field_text(incident, "id"));
        grid_cell(grid, COLUMN_AGENT, TINT_PLAIN, "%s", id[0] ? agent : "the machine");
        grid_cell(grid, COLUMN_CAUSE, open ? TINT_BAD : TINT_PLAIN, "%s", field_text(incident, "cause"));
        grid_cell(grid, COLUMN_COUNT, TINT_PLAIN, "%lld", (long long)field_number(incident, "count"));
        grid_cell(grid, COLUMN_OPENED, TINT_PLAIN, "%s", page_ago(page, opened, when));
        if (open)
                grid_cell(grid, COLUMN_STATE, TINT_BAD, "open");
        else
                grid_cell(grid, COLUMN_STATE, TINT_GOOD, "over after %s",
                          text_span(span, usec_since(resolved, opened)));
        grid_cell(grid, COLUMN_RULE, TINT_FAINT, "%s", short_rule(incident));
        grid_end_row(grid);
}

static void show(struct page *page, const json_t *incidents, bool all)
{
        _cleanup_(grid_freep) struct grid *grid = grid_new(columns, COLUMN_N);
        size_t i, n = json_array_size(incidents);
        const json_t *incident;

        if (n == 0) {
                page_wrap(page, TINT_GOOD, 0, all ? "No incidents so far." : "No open incidents.");
                return;
        }
        if (!grid)
                return;
        json_array_foreach ((json_t *)incidents, i, incident)
                grid_incident(grid, page, incident);
        grid_print(grid, page, 0);
        page_end(page);
        page_put(page, TINT_STRONG, page_mark(page, "→ ", "> "));
        page_text(page, TINT_STRONG, "govctl why %s tells what happened",
                  field_text(json_array_get(incidents, 0), "id"));
        page_end(page);
}

enum code run_incidents(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{s:b}", "all", call->options.all);
        enum code code = daemon_ask_once(call, "incidents", parameters, DAEMON_ANSWER, &answer);

        if (code != CODE_OK)
                return code;

        const json_t *incidents = field(answer, "incidents");

        if (call->options.json)
                return call_print_json(call, answer, code_of(incidents));
        show(&call->page, incidents, call->options.all);
        return code_of(incidents);
}
