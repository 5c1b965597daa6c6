/* All agents with their processes and rules, or all that is known of one. */
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/standing.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

#define LABEL_WIDTH 12

static enum code code_of(const json_t *agents)
{
        size_t i;
        const json_t *agent;

        json_array_foreach ((json_t *)agents, i, agent)
                if (agent_standing(agent) >= STANDING_FINDING)
                        return CODE_FINDING;
        return CODE_OK;
}

/* ---- all of them ---- */

enum { LIST_ID, LIST_EFFECTIVE, LIST_PID, LIST_MODE, LIST_RULE, LIST_INCIDENT, LIST_N };

/* clang-format off */
static const struct column list_columns[LIST_N] = {
        [LIST_ID]        = { "AGENT",     .rank = 0, .least = 12 },
        [LIST_EFFECTIVE] = { "EFFECTIVE", .rank = 0 },
        [LIST_PID]       = { "PID",       .rank = 3, .right = true },
        [LIST_MODE]      = { "MODE",      .rank = 2 },
        [LIST_RULE]      = { "RULE",      .rank = 4, .least = 12 },
        [LIST_INCIDENT]  = { "INCIDENT",  .rank = 1 },
};
/* clang-format on */

static void show_list(struct page *page, const json_t *agents)
{
        json_auto_t *sorted = agents_sorted(agents);
        _cleanup_(grid_freep) struct grid *grid = grid_new(list_columns, LIST_N);
        size_t i;
        const json_t *agent;

        if (!grid)
                return;
        json_array_foreach (sorted, i, agent) {
                char rule[RULE_WORDS_MAX];
                int64_t pid = field_number(agent, "pid");

                grid_cell(grid, LIST_ID, TINT_PLAIN, "%s", field_text(agent, "id"));
                grid_cell(grid, LIST_EFFECTIVE, standing_tint(agent_standing(agent)), "%s",
                          field_text(agent, "effective"));
                if (pid > 0)
                        grid_cell(grid, LIST_PID, TINT_PLAIN, "%lld", (long long)pid);
                grid_cell(grid, LIST_MODE, TINT_PLAIN, "%s", field_text(agent, "mode"));
                grid_cell(grid, LIST_RULE, TINT_FAINT, "%s", rule_words(field(agent, "rule"), false, rule));
                grid_cell(grid, LIST_INCIDENT, TINT_BAD, "%s", field_text(agent, "incident"));
                grid_end_row(grid);
        }
        grid_print(grid, page, 0);
}

/* ---- one ---- */

/* "   Manager: pm2 via pm2-root.service": the label right-aligned before its colon, as systemctl does. */
static void show_label(struct page *page, const char *label)
{
        page_go(page, LABEL_WIDTH - 2 - text_width(label));
        page_text(page, TINT_FAINT, "%s: ", label);
}

static void show_line(struct page *page, const char *label, enum tint tint, const char *text)
{
        if (text[0] == '\0')
                return;
        show_label(page, label);
        page_wrap(page, tint, LABEL_WIDTH, text);
}

static void show_headline(struct page *page, const json_t *agent)
{
        enum standing standing = agent_standing(agent);
        const char *effective = field_text(agent, "effective"), *word = field_text(agent, "word");
        bool bad = standing >= STANDING_FINDING;

        page_text(page, standing_tint(standing), "%s ", bad ? page_mark(page, "✗", "x") : page_mark(page, "●", "+"));
        page_put(page, TINT_STRONG, field_text(agent, "name"));
        page_put(page, TINT_PLAIN, " is ");
        page_put(page, standing_tint(standing), effective);
        if (word[0])
                page_text(page, TINT_PLAIN, "; %s says \"%s\"", field_text(agent, "manager"), word);
        page_end(page);
}

/* "61.4M of its tree (its cgroup is not accounted here), budget 65.0M, ceiling 200.0M" */
static void describe_memory(const json_t *agent, int64_t memory, char *text, size_t size)
{
        const json_t *limits = field(agent, "memory");
        const char *of = field_text(limits, "of"), *wanted = field_text(limits, "wanted_of");
        int64_t budget = field_number(limits, "budget_bytes"), ceiling = field_number(limits, "ceiling_bytes");
        char bytes[TEXT_BYTES_MAX];

        snprintf(text, size, "%s", text_bytes(bytes, (uint64_t)memory));
        if (of[0])
                text_append(text, size, " of its %s", of);
        if (strcmp(of, wanted) != 0)
                text_append(text, size, " (its %s is not accounted here)", wanted);
        if (budget > 0)
                text_append(text, size, ", budget %s", text_bytes(bytes, (uint64_t)budget));
        if (ceiling > 0)
                text_append(text, size, ", ceiling %s", text_bytes(bytes, (uint64_t)ceiling));
}

/* "60.0M to 71.0M at its age (9 lives)" */
static void show_usual(struct page *page, const json_t *usual)
{
        char text[128], bytes[TEXT_BYTES_MAX], words[LIVES_WORDS_MAX];

        if (!usual || json_is_null(usual))
                return;
        snprintf(text, sizeof text, "%s", text_bytes(bytes, (uint64_t)field_number(usual, "low_bytes")));
        text_append(text, sizeof text, " to %s at its age (%s)",
                    text_bytes(bytes, (uint64_t)field_number(usual, "high_bytes")), lives_words(usual, words));
        show_line(page, "Usual", TINT_FAINT, text);
}

/* "98.7%, 97.2% of one CPU over 10m, limit 50% for 10m" */
static void describe_cpu(const struct page *page, const json_t *agent, char *text, size_t size)
{
        const json_t *cpu = field(agent, "cpu");
        int64_t now = field_number(agent, "cpu_permille"), mean = field_number(cpu, "mean_permille");
        usec_t over = (usec_t)field_number(cpu, "over_s") * USEC_PER_SEC;
        usec_t lasting = (usec_t)field_number(cpu, "for_s") * USEC_PER_SEC;
        const char *of = field_text(cpu, "of");
        char span[TEXT_SPAN_MAX];

        snprintf(text, size, "%d.%d%%", (int)(now / 10), (int)(now % 10));
        if (over > 0)
                text_append(text, size, ", %d.%d%% of one CPU over %s", (int)(mean / 10), (int)(mean % 10),
                            text_span(span, over));
        if (over > 0 && of[0] && memory_of_from_name(of) != MEMORY_OF_PROCESS)
                text_append(text, size, " by its %s", of);
        if (field_number(cpu, "above_percent") > 0)
                text_append(text, size, ", limit %lld%% for %s", (long long)field_number(cpu, "above_percent"),
                            text_span(span, lasting));
        if (field_number(cpu, "held_percent") > 0)
                text_append(text, size, ", held to %lld%% for %s", (long long)field_number(cpu, "held_percent"),
                            text_span(span, usec_since(page->now, (usec_t)field_number(cpu, "held_since"))));
        else if (field_number(cpu, "quota_percent") > 0)
                text_append(text, size, ", then %lld%%", (long long)field_number(cpu, "quota_percent"));
}

static void show_process(struct page *page, const json_t *agent)
{
        char text[256] = "", span[TEXT_SPAN_MAX];
        int64_t pid = field_number(agent, "pid"), instances = field_number(agent, "instances");
        int64_t memory = field_number(agent, "memory_bytes");

        if (pid > 0)
                snprintf(text, sizeof text, "%lld, up %s", (long long)pid,
                         text_span(span, usec_since(page->now, (usec_t)field_number(agent, "since"))));
        if (instances > 1)
                text_append(text, sizeof text, ", the first of %d instances", (int)instances);
        show_line(page, "Process", TINT_PLAIN, pid > 0 ? text : "none");
        if (memory > 0) {
                describe_memory(agent, memory, text, sizeof text);
                show_line(page, "Memory", TINT_PLAIN, text);
                show_usual(page, field(agent, "memory.usual"));
                describe_cpu(page, agent, text, sizeof text);
                show_line(page, "CPU", TINT_PLAIN, text);
        }
}

static void show_restarts(struct page *page, const json_t *agent)
{
        const char *key;
        json_t *value;
        bool any = false;

        show_label(page, "Restarts");
        json_object_foreach ((json_t *)field(agent, "incarnations"), key, value) {
                const json_t *limit = json_object_get(field(agent, "limits"), key);
                bool over = json_is_integer(limit) && json_integer_value(value) > json_integer_value(limit);

                page_text(page, over ? TINT_BAD : TINT_PLAIN, "%s%lld in %s", any ? ", " : "",
                          (long long)json_integer_value(value), key);
                if (json_is_integer(limit))
                        page_text(page, TINT_FAINT, " (limit %lld)", (long long)json_integer_value(limit));
                any = true;
        }
        page_text(page, TINT_PLAIN, "%s%lld by the manager's own count", any ? "; " : "",
                  (long long)field_number(agent, "restarts"));
        page_end(page);
}

static void show_rule(struct page *page, const json_t *agent)
{
        char rule[RULE_WORDS_MAX], text[RULE_WORDS_MAX + 128];
        const char *name = field_text(agent, "rule.name");

        rule_words(field(agent, "rule"), true, rule);
        snprintf(text, sizeof text, "%s%s%s%s", rule[0] ? rule : "built-in defaults",
                 name[0] && strcmp(name, rule) ? ", " : "", strcmp(name, rule) ? name : "",
                 strcmp(field_text(agent, "mode"), "enforce") == 0 ? "; enforced" : "; observed, not acted on");
        show_line(page, "Rule", TINT_PLAIN, text);
}

static void show_times(struct page *page, const json_t *agent)
{
        char words[ENDING_WORDS_MAX], ago[PAGE_AGO_MAX], text[256];
        usec_t next = (usec_t)field_number(agent, "next");
        const char *waiting = field_text(agent, "waiting_for");

        if (ending_words(field(agent, "last"), words)[0]) {
                snprintf(text, sizeof text, "%s, %s", words,
                         page_ago(page, (usec_t)field_number(agent, "last.at"), ago));
                show_line(page, "Last end", TINT_PLAIN, text);
        }
        if (next > 0) {
                snprintf(text, sizeof text, "%s, %s", waiting_words(waiting), page_ago(page, next, ago));
                show_line(page, "Next", TINT_PLAIN, text);
        }
        if (field_given(agent, "incident")) {
                snprintf(text, sizeof text, "%s: govctl why %s", field_text(agent, "incident"),
                         field_text(agent, "name"));
                show_line(page, "Incident", TINT_BAD, text);
        }
}

static void show_one(struct page *page, const json_t *agent)
{
        char manager[MANAGER_WORDS_MAX];

        show_headline(page, agent);
        show_line(page, "Agent", TINT_PLAIN, field_text(agent, "id"));
        show_line(page, "Manager", TINT_PLAIN, manager_words(agent, manager));
        show_process(page, agent);
        show_restarts(page, agent);
        show_rule(page, agent);
        show_times(page, agent);
}

/* The same name under several managers or users. */
static enum code complain_ambiguous(const struct call *call, const json_t *agents)
{
        char what[256], candidates[512] = "";
        size_t i;
        const json_t *agent;

        json_array_foreach ((json_t *)agents, i, agent)
                text_append(candidates, sizeof candidates, "%s%s", i > 0 ? ", " : "", field_text(agent, "id"));
        snprintf(what, sizeof what, "'%.128s' is ambiguous", call_argument(call));
        return call_complain(call, CODE_USAGE, what, candidates, "govctl agents with one of these");
}

enum code run_agents(struct call *call)
{
        json_auto_t *answer = NULL;
        const char *name = call_argument(call);
        json_t *parameters = name[0] ? json_pack("{s:s}", "name", name) : NULL;
        enum code code = daemon_ask_once(call, "agents", parameters, DAEMON_ANSWER, &answer);

        if (code != CODE_OK)
                return code;

        const json_t *agents = field(answer, "agents");
        size_t i;
        const json_t *agent;

        if (name[0] && json_array_size(agents) > 1)
                return complain_ambiguous(call, agents);
        if (call->options.json)
                return call_print_json(call, answer, code_of(agents));
        if (name[0])
                json_array_foreach ((json_t *)agents, i, agent)
                        show_one(&call->page, agent);
        else
                show_list(&call->page, agents);
        return code_of(agents);
}
