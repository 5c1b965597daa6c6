/* Limits of an agent's unit: proposed beside what is in force, tried, taken back. */
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "base/trial.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/machine.h"
#include "govctl/own_unit.h"
#include "govctl/trials.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "policy/amount.h"

#define TEXT_MAX 512

/* ---- what is asked for --------------------------------------------------------------------------------------------------- */

static enum code take_amount(const struct call *call, const char *option, enum form form, const char *given,
                             const char *key, json_t *limits)
{
        char what[96];
        uint64_t value;

        if (!given)
                return CODE_OK;
        if (!amount_read(form, given, &value) || value == 0 || value > INT64_MAX) {
                snprintf(what, sizeof what, "--%s takes a %s", option, form == FORM_SIZE ? "size" : "share of one CPU");
                return call_complain(call, CODE_USAGE, what, given, form == FORM_SIZE ? "such as 300M" : "such as 50%");
        }
        json_object_set_new(limits, key, json_integer((json_int_t)value));
        return CODE_OK;
}

/* Somebody's own limits; an empty object when none are given. */
static enum code take_limits(const struct call *call, json_t *limits)
{
        const struct options *options = &call->options;
        enum code code = take_amount(call, "memory-high", FORM_SIZE, options->memory_high, "memory_high", limits);

        if (code == CODE_OK)
                code = take_amount(call, "memory-max", FORM_SIZE, options->memory_max, "memory_max", limits);
        if (code == CODE_OK)
                code = take_amount(call, "cpu-quota", FORM_PERCENT, options->cpu_quota, "cpu_quota", limits);
        return code;
}

/* --for in seconds. */
static enum code take_span(const struct call *call, json_t *parameters)
{
        uint64_t span;

        if (!call->options.span)
                return CODE_OK;
        if (!amount_read(FORM_DURATION, call->options.span, &span) || span < TRIAL_SPAN_LEAST || span > TRIAL_SPAN_MOST)
                return call_complain(call, CODE_USAGE, "--for takes a duration from 10s to 1d", call->options.span,
                                     "such as --for 10m");
        json_object_set_new(parameters, "seconds", json_integer((json_int_t)(span / USEC_PER_SEC)));
        return CODE_OK;
}

/* ---- shown --------------------------------------------------------------------------------------------------------------- */

enum { COLUMN_NAME, COLUMN_NOW, COLUMN_ARROW, COLUMN_PROPOSED, COLUMN_WHY, COLUMN_N };

/* clang-format off */
static const struct column columns[COLUMN_N] = {
        [COLUMN_NAME]     = { "SETTING", .rank = 0 },
        [COLUMN_NOW]      = { "NOW",     .rank = 0, .right = true },
        [COLUMN_ARROW]    = { "",        .rank = 0 },
        [COLUMN_PROPOSED] = { "THEN",    .rank = 0 },
        [COLUMN_WHY]      = { "BECAUSE", .rank = 1, .least = 20 },
};
/* clang-format on */

/* Of somebody's own limits only those count, and they need no reason. */
static const char *wanted_of(const json_t *setting, enum limit limit, const json_t *own, char buffer[LIMIT_TEXT_MAX])
{
        static const char *const keys[LIMIT_N] = { "memory_high", "memory_max", NULL, "cpu_quota", NULL };
        const json_t *value = keys[limit] ? json_object_get(own, keys[limit]) : NULL;

        if (json_object_size(own) == 0)
                return field_text(setting, "proposed");
        return value ? limit_text(limit, (uint64_t)json_integer_value(value), buffer) : "";
}

static void show_settings(struct page *page, const json_t *answer, const json_t *own)
{
        _cleanup_(grid_freep) struct grid *grid = grid_new(columns, COLUMN_N);
        const json_t *setting;
        size_t i;

        json_array_foreach ((json_t *)(uintptr_t)field(answer, "settings"), i, setting) {
                char text[LIMIT_TEXT_MAX];
                const char *now = field_text(setting, "in_force");
                const char *wanted = i < LIMIT_N ? wanted_of(setting, (enum limit)i, own, text) : "";
                bool same = wanted[0] == '\0' || strcmp(wanted, now) == 0;

                if (!grid)
                        return;
                grid_cell(grid, COLUMN_NAME, same ? TINT_FAINT : TINT_STRONG, "%s", field_text(setting, "name"));
                grid_cell(grid, COLUMN_NOW, same ? TINT_FAINT : TINT_BAD, "%s%s", same ? "" : "-", now);
                grid_cell(grid, COLUMN_ARROW, TINT_FAINT, "%s", same ? "" : page_mark(page, "→", "->"));
                grid_cell(grid, COLUMN_PROPOSED, same ? TINT_FAINT : TINT_GOOD, "%s%s", same ? "" : "+",
                          same ? "as it is" : wanted);
                if (!same)
                        grid_cell(grid, COLUMN_WHY, TINT_PLAIN, "%s",
                                  json_object_size(own) > 0 ? "as you say" : field_text(setting, "why"));
                grid_end_row(grid);
        }
        grid_print(grid, page, 0);
}

/* Which file sets what is in force, as the files on disk say. */
static void show_origins(struct page *page, const char *name)
{
        static const enum unit_key keys[] = { UNIT_MEMORY_HIGH, UNIT_MEMORY_MAX, UNIT_MEMORY_SWAP_MAX, UNIT_CPU_QUOTA,
                                              UNIT_OOM_POLICY };
        struct machine machine = { .root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
                                   .here = true,
                                   .proc = { -EBADF } };
        struct unit *unit = NULL;
        char text[TEXT_MAX];

        if (machine.root >= 0)
                (void)unit_read(&machine, name, &unit);
        for (size_t i = 0; unit && i < sizeof keys / sizeof keys[0]; i++) {
                const struct setting *setting = unit_get(unit, keys[i]);

                if (!setting)
                        continue;
                snprintf(text, sizeof text, "%s=%s is set in %s:%u", limit_name((enum limit)i), setting->value,
                         setting->file, setting->line);
                page_wrap(page, TINT_FAINT, 2, text);
        }
        unit_free(unit);
        machine_done(&machine);
}

static void show_usage(struct page *page, const json_t *answer)
{
        const json_t *usage = field(answer, "usage");
        char text[TEXT_MAX], now[TEXT_BYTES_MAX], p999[TEXT_BYTES_MAX], most[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];
        int64_t seconds = field_number(usage, "history_s"), cpu = field_number(usage, "cpu_most_permille");

        snprintf(text, sizeof text, "It uses %s now.", text_bytes(now, (uint64_t)field_number(usage, "memory_bytes")));
        if (seconds > 0)
                text_append(text, sizeof text, " In the last %s: %s at most, p99.9 %s; CPU %lld.%lld%% at most.",
                            text_span(span, (usec_t)seconds * USEC_PER_SEC),
                            text_bytes(most, (uint64_t)field_number(usage, "memory_most_bytes")),
                            text_bytes(p999, (uint64_t)field_number(usage, "memory_p999_bytes")), (long long)(cpu / 10),
                            (long long)(cpu % 10));
        else
                text_append(text, sizeof text, " There is no history of it yet.");
        page_wrap(page, TINT_PLAIN, 0, text);
}

static void show_void(struct page *page, const json_t *answer)
{
        const json_t *list = field(answer, "void"), *name;
        char text[TEXT_MAX] = "Nothing would come of ";
        size_t i;

        if (json_array_size(list) == 0)
                return;
        json_array_foreach ((json_t *)(uintptr_t)list, i, name)
                text_append(text, sizeof text, "%s%s", i > 0 ? ", " : "", json_string_value(name));
        text_append(
                text, sizeof text,
                ": systemd would take it, and the kernel of this machine has no such controller in the cgroup v2 tree "
                "(govctl doctor).");
        page_wrap(page, TINT_BAD, 0, text);
}

static void show(struct call *call, const json_t *answer, const json_t *own)
{
        struct page *page = &call->page;
        char text[TEXT_MAX];
        const json_t *trial;
        size_t i;

        page_text(page, TINT_STRONG, "%s", field_text(answer, "unit"));
        page_end(page);
        show_settings(page, answer, own);
        show_origins(page, field_text(answer, "unit"));
        show_usage(page, answer);
        show_void(page, answer);
        if (field_true(answer, "stale"))
                page_wrap(page, TINT_WATCH, 0,
                          "Its unit files were changed since systemd read them: that would come into force too.");
        if (json_object_size(own) == 0 && field_text(answer, "advice")[0])
                page_wrap(page, TINT_WATCH, 0, field_text(answer, "advice"));
        json_array_foreach ((json_t *)(uintptr_t)field(answer, "trials"), i, trial)
                trial_show(page, trial);
        if (call->options.apply || (json_object_size(own) == 0 && json_object_size(field(answer, "limits")) <= 1))
                return;
        snprintf(text, sizeof text,
                 "To try it for 10m: the same with --apply. It is written to %s, and by govctl keep to %s.",
                 field_text(answer, "files.trial"), field_text(answer, "files.kept"));
        page_wrap(page, TINT_PLAIN, 0, text);
}

/* ---- begun --------------------------------------------------------------------------------------------------------------- */

static enum code apply(struct call *call, const json_t *answer, json_t *own)
{
        json_t *limits = json_object_size(own) > 0 ? own : json_object_get(answer, "limits");
        json_t *parameters = json_pack("{s:s, s:O, s:s*}", "agent", field_text(answer, "agent"), "limits", limits,
                                       "reason", call->options.reason);
        json_auto_t *begun = NULL;
        enum code code = take_span(call, parameters);

        if (code == CODE_OK && json_object_size(own) == 0 && json_object_size(limits) <= 1) /* its place alone */
                code = call_complain(call, CODE_FAILURE, "there is nothing to apply", field_text(answer, "advice"),
                                     "govctl limits AGENT --memory-max SIZE --apply");
        if (code != CODE_OK) {
                json_decref(parameters);
                return code;
        }
        code = daemon_ask_once(call, "limit", parameters, DAEMON_ORDER, &begun);
        if (code != CODE_OK)
                return code;
        return call->options.json ? call_print_json(call, begun, CODE_OK) : trial_say_begun(call, begun);
}

static enum code refused(struct call *call, const json_t *answer)
{
        if (field_text(answer, "unit")[0] == '\0')
                return own_unit_show(call, answer);
        if (call->options.json && !call->options.apply)
                return call_print_json(call, answer, CODE_DENIED);
        return call_complain(call, CODE_DENIED, "this unit gets no limits", field_text(answer, "refused"),
                             "govctl agents");
}

enum code run_limits(struct call *call)
{
        json_auto_t *answer = NULL, *own = json_object();
        enum code code = take_limits(call, own);

        if (code != CODE_OK)
                return code;
        if (call->options.remove && (call->options.apply || json_object_size(own) > 0))
                return call_complain(call, CODE_USAGE, "--remove takes limits back, and nothing else",
                                     "it goes with no other option about limits", "govctl limits AGENT --remove");
        if (call->options.remove)
                return run_undo(call);
        code = daemon_ask_once(call, "limits", json_pack("{s:s}", "agent", call_argument(call)), DAEMON_ANSWER,
                               &answer);
        if (code != CODE_OK)
                return code;
        if (field_given(answer, "refused"))
                return refused(call, answer);
        if (call->options.json && !call->options.apply)
                return call_print_json(call, answer, CODE_OK);
        if (!call->options.json)
                show(call, answer, own);
        return call->options.apply ? apply(call, answer, own) : CODE_OK;
}
