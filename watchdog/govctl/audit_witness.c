/* Witnesses: who cosigns the checkpoints of this log somewhere else, so that it cannot be told in two ways. */
#include <string.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/moment.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

enum { COLUMN_NAME, COLUMN_SIZE, COLUMN_WHEN, COLUMN_URL, COLUMN_N };

/* clang-format off */
static const struct column columns[COLUMN_N] = {
        [COLUMN_NAME] = { "WITNESS",  .rank = 0, .least = 12 },
        [COLUMN_SIZE] = { "COSIGNED", .rank = 1, .right = true },
        [COLUMN_WHEN] = { "WHEN",     .rank = 0 },
        [COLUMN_URL]  = { "URL",      .rank = 2, .least = 16 },
};
/* clang-format on */

static void grid_witness(struct grid *grid, const struct page *page, const json_t *witness)
{
        char ago[PAGE_AGO_MAX];
        usec_t last = moment_of(field(witness, "last_at"));

        grid_cell(grid, COLUMN_NAME, TINT_STRONG, "%s", field_text(witness, "name"));
        if (last) {
                grid_cell(grid, COLUMN_SIZE, TINT_PLAIN, "%lld", (long long)field_number(witness, "last_size"));
                grid_cell(grid, COLUMN_WHEN, TINT_PLAIN, "%s", page_ago(page, last, ago));
        } else
                grid_cell(grid, COLUMN_WHEN, TINT_WATCH, "never yet");
        grid_cell(grid, COLUMN_URL, TINT_FAINT, "%s", field_text(witness, "url"));
        grid_end_row(grid);
}

enum code run_audit_witness_list(struct call *call)
{
        json_auto_t *answer = NULL;
        _cleanup_(grid_freep) struct grid *grid = grid_new(columns, COLUMN_N);
        enum code code = daemon_ask_once(call, "witnesses", NULL, DAEMON_ANSWER, &answer);
        const json_t *witnesses = field(answer, "witnesses"), *witness;
        size_t i;

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (!grid)
                return call_out_of_memory(call);
        if (field_text(answer, "why")[0])
                call_tell(call, field_text(answer, "why"));
        if (json_array_size(witnesses) == 0) {
                page_wrap(&call->page, TINT_WATCH, 0,
                          "No witness knows this log: whoever holds its keys could tell it in two ways.");
                return CODE_OK;
        }
        json_array_foreach ((json_t *)witnesses, i, witness)
                grid_witness(grid, &call->page, witness);
        grid_print(grid, &call->page, 0);
        return CODE_OK;
}

static enum code order(struct call *call, const char *method, json_t *parameters, const char *done)
{
        json_auto_t *answer = NULL;
        enum code code = daemon_ask_once(call, method, parameters, DAEMON_ANSWER, &answer);

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        page_wrap(&call->page, TINT_PLAIN, 0, done);
        return CODE_OK;
}

enum code run_audit_witness_add(struct call *call)
{
        const char *vkey = call->arguments[0], *url = call->arguments[1];
        char done[512];

        snprintf(done, sizeof done, "%.*s is a witness of this log from its next checkpoint on.",
                 (int)strcspn(vkey, "+"), vkey);
        return order(call, "witness-add", json_pack("{s:s, s:s}", "vkey", vkey, "url", url), done);
}

enum code run_audit_witness_remove(struct call *call)
{
        const char *name = call_argument(call);
        char done[512];

        snprintf(done, sizeof done, "%s is asked no more. What it has cosigned stays in the log.", name);
        return order(call, "witness-remove", json_pack("{s:s}", "name", name), done);
}
