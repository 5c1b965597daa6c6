/* What an agent's declared files were together, which of that was proven, and the way back to it. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/moment.h"
#include "govctl/options.h"
#include "govctl/verbs.h"
#include "govctl/words.h"
#include "io/cleanup.h"

#define NUMBER_MOST 1000000000

enum {
        COLUMN_NUMBER,
        COLUMN_SEEN,
        COLUMN_STATE,
        COLUMN_FILES,
        COLUMN_DIFFERS,
        COLUMN_N,
};

/* clang-format off */
static const struct column columns[COLUMN_N] = {
        [COLUMN_NUMBER]  = { "VERSION", .rank = 0, .right = true },
        [COLUMN_SEEN]    = { "SINCE",   .rank = 2 },
        [COLUMN_STATE]   = { "STATE",   .rank = 0, .least = 10 },
        [COLUMN_FILES]   = { "FILES",   .rank = 3, .right = true },
        [COLUMN_DIFFERS] = { "DIFFERS FROM THE ONE ABOVE", .rank = 1, .least = 20 },
};
/* clang-format on */

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

static void cell_state(struct grid *grid, const struct page *page, const json_t *version)
{
        usec_t healthy = moment_of(field(version, "healthy")), failed = moment_of(field(version, "failed"));
        const char *lacks = field_text(version, "lacks");
        char ago[PAGE_AGO_MAX];

        if (failed > healthy)
                grid_cell(grid, COLUMN_STATE, TINT_BAD, "failed %s%s%s", page_ago(page, failed, ago),
                          lacks[0] ? "; " : "", lacks);
        else if (healthy > 0)
                grid_cell(grid, COLUMN_STATE, TINT_GOOD, "proven %s%s%s", page_ago(page, healthy, ago),
                          lacks[0] ? "; " : "", lacks);
        else
                grid_cell(grid, COLUMN_STATE, TINT_PLAIN, "not proven%s%s", lacks[0] ? "; " : "", lacks);
}

/* "changed config.json and 2 more" */
static void cell_differs(struct grid *grid, const json_t *version)
{
        const json_t *first = json_array_get(field(version, "differences"), 0);
        const char *path = field_text(first, "path"), *slash = strrchr(path, '/');
        int64_t n = field_number(version, "differing");
        char more[32] = "";

        if (field_text(version, "unreadable")[0])
                grid_cell(grid, COLUMN_DIFFERS, TINT_BAD, "cannot be read: %s", field_text(version, "unreadable"));
        if (!first)
                return;
        if (n > 1)
                snprintf(more, sizeof more, " and %lld more", (long long)n - 1);
        grid_cell(grid, COLUMN_DIFFERS, TINT_PLAIN, "%s %s%s", field_text(first, "change"), slash ? slash + 1 : path,
                  more);
}

static void grid_version(struct grid *grid, const struct page *page, const json_t *version)
{
        char moment[PAGE_MOMENT_MAX];
        bool present = field_true(version, "present");

        grid_cell(grid, COLUMN_NUMBER, present ? TINT_STRONG : TINT_PLAIN, "%s%lld",
                  present ? page_mark(page, "▸ ", "> ") : "", (long long)field_number(version, "number"));
        grid_cell(grid, COLUMN_SEEN, TINT_FAINT, "%s", page_moment(page, moment_of(field(version, "seen")), moment));
        cell_state(grid, page, version);
        grid_cell(grid, COLUMN_FILES, TINT_PLAIN, "%lld", (long long)field_number(version, "files"));
        cell_differs(grid, version);
        grid_end_row(grid);
}

/* What a rollback would do now, or why there is none. */
static void show_way_back(struct page *page, const json_t *answer)
{
        const char *name = field_text(answer, "name"), *why = field_text(answer, "no_rollback");
        char text[512];

        if (field_given(answer, "rollback"))
                snprintf(text, sizeof text, "To go back to version %lld: govctl rollback %s --reason TEXT",
                         (long long)field_number(answer, "rollback"), name);
        else
                snprintf(text, sizeof text, "There is nothing to roll back to by itself: %s.", why);
        page_wrap(page, TINT_FAINT, 0, text);
}

enum code run_versions(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = daemon_ask_once(call, "versions", json_pack("{s:s}", "agent", call_argument(call)),
                                         DAEMON_ANSWER, &answer);
        _cleanup_(grid_freep) struct grid *grid = NULL;
        const json_t *version;
        size_t i;

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        grid = grid_new(columns, COLUMN_N);
        if (!grid)
                return call_out_of_memory(call);
        json_array_foreach ((json_t *)(uintptr_t)field(answer, "versions"), i, version)
                grid_version(grid, &call->page, version);
        if (i > 0)
                grid_print(grid, &call->page, 0);
        show_way_back(&call->page, answer);
        return CODE_OK;
}

/* ---- a comparison -------------------------------------------------------------------------------------------------------- */

/* ", mode 0644 to 0600", ", owner 0:0 to 1000:1000" */
static void say_states(const json_t *file, char *text, size_t size)
{
        const json_t *before = field(file, "before"), *after = field(file, "after");
        char of_before[TEXT_BYTES_MAX], of_after[TEXT_BYTES_MAX];

        if (json_is_null(before) || json_is_null(after))
                return;
        text_append(text, size, ", %s to %s", text_bytes(of_before, (uint64_t)field_number(before, "size")),
                    text_bytes(of_after, (uint64_t)field_number(after, "size")));
        if (strcmp(field_text(before, "mode"), field_text(after, "mode")) != 0)
                text_append(text, size, ", mode %s to %s", field_text(before, "mode"), field_text(after, "mode"));
        if (field_number(before, "uid") != field_number(after, "uid") ||
            field_number(before, "gid") != field_number(after, "gid"))
                text_append(text, size, ", owner %lld:%lld to %lld:%lld", (long long)field_number(before, "uid"),
                            (long long)field_number(before, "gid"), (long long)field_number(after, "uid"),
                            (long long)field_number(after, "gid"));
}

static enum tint tint_of(char kind)
{
        return kind == '+' ? TINT_GOOD : kind == '-' ? TINT_BAD : kind == '@' ? TINT_FAINT : TINT_PLAIN;
}

static void show_line(struct page *page, const json_t *line)
{
        const char *kind = json_string_value(json_array_get(line, 0)),
                   *text = json_string_value(json_array_get(line, 1));
        char both[1100];

        snprintf(both, sizeof both, "%s%s%s", kind[0] == '@' ? page_mark(page, "…", "...") : kind,
                 kind[0] == '@' && text[0] ? " " : "", text);
        page_put(page, tint_of(kind[0]), both);
        page_end(page);
}

static void show_file(struct page *page, const json_t *file)
{
        char text[1600];
        const json_t *line;
        size_t i;

        snprintf(text, sizeof text, "%s was %s", field_text(file, "path"), field_text(file, "change"));
        say_states(file, text, sizeof text);
        page_put(page, TINT_STRONG, text);
        page_end(page);
        if (field_text(file, "note")[0]) {
                page_text(page, TINT_FAINT, "  %s", field_text(file, "note"));
                page_end(page);
        }
        json_array_foreach ((json_t *)(uintptr_t)field(file, "lines"), i, line)
                show_line(page, line);
}

static void show_diff(struct page *page, const json_t *answer)
{
        int64_t hidden = 0, differing = field_number(answer, "differing");
        const json_t *file;
        size_t i;

        json_array_foreach ((json_t *)(uintptr_t)field(answer, "files"), i, file) {
                if (i > 0)
                        page_end(page);
                show_file(page, file);
                hidden += field_number(file, "hidden");
        }
        if (differing > (int64_t)i)
                page_text(page, TINT_FAINT, "and %lld more files that differ", (long long)differing - (long long)i),
                        page_end(page);
        if (differing == 0)
                page_put(page, TINT_PLAIN, "They do not differ."), page_end(page);
        if (hidden > 0)
                page_wrap(page, TINT_FAINT, 0, "What looks like a secret is shown as ***.");
}

/* The n-th argument as the number of a version. */
static enum code take_number(const struct call *call, unsigned n, json_int_t *ret)
{
        const char *at = call->arguments[n];
        uint64_t number;

        if (!text_digits(&at, NULL, &number) || *at || number < 1 || number > NUMBER_MOST)
                return call_complain(call, CODE_USAGE, "a version is a number from 1", call->arguments[n],
                                     "govctl versions AGENT");
        *ret = (json_int_t)number;
        return CODE_OK;
}

enum code run_versions_diff(struct call *call)
{
        json_auto_t *answer = NULL;
        json_int_t from = 0, to = 0;
        enum code code = take_number(call, 1, &from);

        if (code == CODE_OK)
                code = take_number(call, 2, &to);
        if (code == CODE_OK)
                code = daemon_ask_once(
                        call, "version-diff",
                        json_pack("{s:s, s:I, s:I}", "agent", call_argument(call), "from", from, "to", to),
                        DAEMON_ANSWER, &answer);
        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        show_diff(&call->page, answer);
        return CODE_OK;
}

/* ---- the way back -------------------------------------------------------------------------------------------------------- */

enum code run_rollback(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters;
        uint64_t to = 0;
        enum code code = options_number(call, "to", call->options.to, 1, NUMBER_MOST, &to);
        char text[2 * SUBJECT_WORDS_MAX + 512], name[SUBJECT_WORDS_MAX];

        if (code != CODE_OK)
                return code;
        parameters = json_pack("{s:s, s:s}", "agent", call_argument(call), "reason",
                               call->options.reason ? call->options.reason : "");
        if (to > 0)
                json_object_set_new(parameters, "to", json_integer((json_int_t)to));
        code = daemon_ask_once(call, "rollback", parameters, DAEMON_ORDER, &answer);
        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        subject_words(field_text(answer, "agent"), name);
        if (strcmp(field_text(answer, "outcome"), "dry") == 0)
                snprintf(text, sizeof text, "%s: nothing was done, Governor only observes now.", name);
        else
                snprintf(text, sizeof text, "%s: %s; restarted. Whether it stays up: govctl agents %s", name,
                         field_text(answer, "text"), name);
        page_wrap(&call->page, TINT_PLAIN, 0, text);
        return CODE_OK;
}
