/* What agents asked for, and the answers of humans. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/moment.h"
#include "govctl/parameters.h"
#include "govctl/proof.h"
#include "govctl/verbs.h"
#include "govctl/words.h"
#include "io/cleanup.h"

enum {
        COLUMN_REQUEST,
        COLUMN_STATE,
        COLUMN_ASKER,
        COLUMN_ACTION,
        COLUMN_PARAMETERS,
        COLUMN_WHY,
        COLUMN_N,
};

/* clang-format off */
static const struct column columns[COLUMN_N] = {
        [COLUMN_REQUEST]    = { "REQUEST",    .rank = 0 },
        [COLUMN_STATE]      = { "STATE",      .rank = 0 },
        [COLUMN_ASKER]      = { "ASKED BY",   .rank = 2, .least = 10 },
        [COLUMN_ACTION]     = { "ACTION",     .rank = 0 },
        [COLUMN_PARAMETERS] = { "PARAMETERS", .rank = 1, .least = 12 },
        [COLUMN_WHY]        = { "WHY",        .rank = 3, .least = 16 },
};
/* clang-format on */

/* Who asked, as far as that is known. */
static const char *asker_words(const json_t *request, char buffer[SUBJECT_WORDS_MAX])
{
        if (field_text(request, "agent")[0])
                return subject_words(field_text(request, "agent"), buffer);
        snprintf(buffer, SUBJECT_WORDS_MAX, "uid %lld", (long long)field_number(request, "uid"));
        return buffer;
}

static enum tint tint_of(const json_t *request)
{
        if (strcmp(field_text(request, "state"), "open") == 0)
                return TINT_WATCH;
        return field_true(request, "granted") ? TINT_GOOD : TINT_PLAIN;
}

/* What holds for it now: what was granted, else what was asked for. */
static const json_t *present_parameters(const json_t *request)
{
        return field_given(request, "granted_params") ? field(request, "granted_params") : field(request, "params");
}

static void grid_request(struct grid *grid, const json_t *request)
{
        char asker[SUBJECT_WORDS_MAX], parameters[GRID_CELL_MAX], span[TEXT_SPAN_MAX];
        const char *state = field_text(request, "state");

        grid_cell(grid, COLUMN_REQUEST, TINT_STRONG, "%s", field_text(request, "request"));
        if (strcmp(state, "open") == 0)
                grid_cell(grid, COLUMN_STATE, tint_of(request), "open, %s left",
                          text_span(span, (usec_t)field_number(request, "seconds_left") * USEC_PER_SEC));
        else
                grid_cell(grid, COLUMN_STATE, tint_of(request), "%s", state);
        grid_cell(grid, COLUMN_ASKER, TINT_PLAIN, "%s", asker_words(request, asker));
        grid_cell(grid, COLUMN_ACTION, TINT_PLAIN, "%s", field_text(request, "action"));
        grid_cell(grid, COLUMN_PARAMETERS, TINT_PLAIN, "%s",
                  parameters_text(present_parameters(request), parameters, sizeof parameters));
        grid_cell(grid, COLUMN_WHY, TINT_FAINT, "%s", field_text(request, "why"));
        grid_end_row(grid);
}

enum code run_requests(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = call->options.all ? json_pack("{s:b}", "all", 1) : NULL;
        enum code code = daemon_ask_once(call, "requests", parameters, DAEMON_ANSWER, &answer);
        _cleanup_(grid_freep) struct grid *grid = NULL;
        const json_t *request;
        size_t i;

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        grid = grid_new(columns, COLUMN_N);
        if (!grid)
                return call_out_of_memory(call);
        json_array_foreach ((json_t *)(uintptr_t)field(answer, "requests"), i, request)
                grid_request(grid, request);
        if (i > 0)
                grid_print(grid, &call->page, 0);
        else
                page_wrap(&call->page, TINT_PLAIN, 0,
                          call->options.all ? "Nothing was asked for." : "No request waits for an answer.");
        return CODE_OK;
}

/* ---- one of them ---------------------------------------------------------------------------------------------------------- */

static void show_line(struct page *page, const char *label, const char *text)
{
        if (!text[0])
                return;
        page_put(page, TINT_FAINT, label);
        page_go(page, 14);
        page_wrap(page, TINT_PLAIN, 14, text);
}

/* "usd: 1500, granted 500" beside those that stayed as they were. */
static void show_parameters(struct page *page, const json_t *request)
{
        const json_t *granted = field(request, "granted_params");
        const char *name;
        json_t *value;

        json_object_foreach ((json_t *)(uintptr_t)field(request, "params"), name, value) {
                const char *was = json_string_value(value), *is = field_text(granted, name);
                char text[2200];

                if (granted && strcmp(was, is) != 0)
                        snprintf(text, sizeof text, "%s=%s, granted %s", name, was, is);
                else
                        snprintf(text, sizeof text, "%s=%s", name, was);
                show_line(page, "parameter", text);
        }
}

static void show_request(struct page *page, const json_t *request)
{
        char text[1200], asker[SUBJECT_WORDS_MAX], ago[PAGE_AGO_MAX];

        page_text(page, TINT_STRONG, "%s", field_text(request, "request"));
        page_text(page, tint_of(request), " %s", field_text(request, "state"));
        page_end(page);
        show_line(page, "action", field_text(request, "action"));
        show_parameters(page, request);
        snprintf(text, sizeof text, "%s, uid %lld, pid %lld%s%s, %s", asker_words(request, asker),
                 (long long)field_number(request, "uid"), (long long)field_number(request, "pid"),
                 field_text(request, "exe")[0] ? ", " : "", field_text(request, "exe"),
                 page_ago(page, moment_of(field(request, "created")), ago));
        show_line(page, "asked by", text);
        show_line(page, "it says", field_text(request, "reason"));
        show_line(page, "rule", field_text(request, "rule"));
        show_line(page, "why", field_text(request, "why"));
        if (strcmp(field_text(request, "state"), "open") == 0)
                show_line(page, "expires", page_ago(page, moment_of(field(request, "expires")), ago));
        show_line(page, "answered by", field_text(request, "by"));
        show_line(page, "answer", field_text(request, "answer"));
        if (field_text(request, "doubt")[0])
                page_wrap(page, TINT_BAD, 0, field_text(request, "doubt"));
}

enum code run_request_show(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{s:s, s:b}", "request", call_argument(call), "full", (int)call->options.full);
        enum code code = daemon_ask_once(call, "request-show", parameters, DAEMON_ANSWER, &answer);

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        show_request(&call->page, answer);
        return CODE_OK;
}

/* ---- answers -------------------------------------------------------------------------------------------------------------- */

static enum code answer_it(struct call *call, const char *method)
{
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{s:s}", "request", call_argument(call));
        enum code code = parameters_take(call, parameters);

        if (code != CODE_OK) {
                json_decref(parameters);
                return code;
        }
        if (strcmp(method, "modify") == 0 && call->options.parameters.n == 0)
                json_object_set_new(parameters, "params", json_object()); /* the daemon says what is missing */
        if (call->options.reason)
                json_object_set_new(parameters, "reason", json_string(call->options.reason));
        code = proof_ask_once(call, method, parameters, DAEMON_ANSWER, &answer);
        if (code != CODE_OK || !answer)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        page_text(&call->page, TINT_GOOD, "%s %s", field_text(answer, "request"), field_text(answer, "state"));
        page_end(&call->page);
        return CODE_OK;
}

enum code run_approve(struct call *call)
{
        return answer_it(call, "approve");
}

enum code run_reject(struct call *call)
{
        return answer_it(call, "reject");
}

enum code run_modify(struct call *call)
{
        return answer_it(call, "modify");
}
