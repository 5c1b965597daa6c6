#include <string.h>

#include "base/text.h"
#include "base/usec.h"
#include "govctl/field.h"
#include "govctl/learn.h"
#include "govctl/standing.h"

#define LABEL_WIDTH 12

static void line(struct page *page, const char *label, enum tint tint, const char *text)
{
        if (text[0] == '\0')
                return;
        page_go(page, LABEL_WIDTH - 2 - text_width(label));
        page_text(page, TINT_FAINT, "%s%s ", label, label[0] ? ":" : " ");
        page_wrap(page, tint, LABEL_WIDTH, text);
}

static char *bytes_of(const json_t *object, const char *path, char buffer[TEXT_BYTES_MAX])
{
        return text_bytes(buffer, (uint64_t)field_number(object, path));
}

static const char *times(int64_t n, char buffer[32])
{
        if (n == 1)
                return "once";
        if (n == 2)
                return "twice";
        snprintf(buffer, 32, "%lld times", (long long)n);
        return buffer;
}

/* ---- one agent ---------------------------------------------------------------------------------------------------------- */

static void show_title(struct page *page, const json_t *agent)
{
        char span[TEXT_SPAN_MAX];
        usec_t ran = (usec_t)field_number(agent, "ran_s") * USEC_PER_SEC;

        page_end(page);
        page_put(page, TINT_STRONG, field_text(agent, "name"));
        page_text(page, TINT_FAINT, " (%s)", field_text(agent, "id"));
        if (ran > 0)
                page_text(page, TINT_PLAIN, ", seen running for %s", text_span(span, ran));
        page_end(page);
}

/* "4 began; 2 ended with exit 1, one by hand" */
static void show_lives(struct page *page, const json_t *agent)
{
        char text[640], words[ENDING_WORDS_MAX];
        int64_t lives = field_number(agent, "lives"), told = field_number(agent, "lives_told");
        const json_t *end;
        size_t i;

        snprintf(text, sizeof text, "%lld began", (long long)lives);
        if (told < lives)
                text_append(text, sizeof text, ", %lld of them told one by one", (long long)told);
        json_array_foreach ((json_t *)field(agent, "ends"), i, end)
                text_append(text, sizeof text, "%s%lld ended: %s%s", i == 0 ? "; " : ", ",
                            (long long)field_number(end, "n"), ending_words(end, words),
                            field_true(end, "planned") ? " (planned)" : "");
        line(page, "Lives", TINT_PLAIN, text);
}

static void show_windows(struct page *page, const json_t *agent)
{
        char text[320] = "", span[TEXT_SPAN_MAX];
        const json_t *window;
        bool over = false;
        size_t i;

        if (field_number(agent, "deaths") == 0)
                return;
        json_array_foreach ((json_t *)field(agent, "windows"), i, window) {
                int64_t most = field_number(window, "most"), more_than = field_number(window, "more_than");

                over |= most > more_than;
                text_append(text, sizeof text, "%s%lld in %s (limit %lld)", text[0] ? ", " : "", (long long)most,
                            text_span(span, (usec_t)field_number(window, "within_s") * USEC_PER_SEC),
                            (long long)more_than);
        }
        line(page, "Deaths", over ? TINT_BAD : TINT_PLAIN, text);
}

static void show_memory(struct page *page, const json_t *agent)
{
        const json_t *memory = field(agent, "memory");
        char text[320] = "", bytes[TEXT_BYTES_MAX];

        if (field_number(memory, "most_bytes") == 0)
                return;
        snprintf(text, sizeof text, "half of the time %s or less", bytes_of(memory, "usual_bytes", bytes));
        text_append(text, sizeof text, ", %s99.9%% of the time %s",
                    field_true(memory, "estimated") ? "an estimated " : "", bytes_of(memory, "p999_bytes", bytes));
        text_append(text, sizeof text, ", at most %s", bytes_of(memory, "most_bytes", bytes));
        if (field_number(memory, "ceiling_bytes") > 0)
                text_append(text, sizeof text, "; ceiling %s", bytes_of(memory, "ceiling_bytes", bytes));
        if (field_number(memory, "own_limit_bytes") > 0)
                text_append(text, sizeof text, "; PM2 restarts it at %s", bytes_of(memory, "own_limit_bytes", bytes));
        line(page, "Memory", TINT_PLAIN, text);
}

/* What its lives usually hold at their age: a warm-up shows, and who is larger than that is told (memory-drift). */
static void show_ages(struct page *page, const json_t *agent)
{
        char text[1024] = "", low[TEXT_BYTES_MAX], high[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX], words[LIVES_WORDS_MAX];
        const json_t *age;
        size_t i;

        json_array_foreach ((json_t *)field(agent, "memory.by_age"), i, age) {
                bytes_of(age, "low_bytes", low);
                bytes_of(age, "high_bytes", high);
                text_append(text, sizeof text, "%s%s%s%s after %s (%s)", i > 0 ? ", " : "", low,
                            strcmp(low, high) != 0 ? " to " : "", strcmp(low, high) != 0 ? high : "",
                            text_span(span, (usec_t)field_number(age, "from_s") * USEC_PER_SEC),
                            lives_words(age, words));
        }
        line(page, "Usual", TINT_PLAIN, text);
}

static void show_cpu(struct page *page, const json_t *agent)
{
        int64_t usual = field_number(agent, "cpu.usual_permille"), p99 = field_number(agent, "cpu.p99_permille");
        char text[128];

        if (field_number(agent, "ran_s") == 0)
                return;
        snprintf(text, sizeof text, "half of the time %d.%d%% or less, 99%% of the time %d.%d%%", (int)(usual / 10),
                 (int)(usual % 10), (int)(p99 / 10), (int)(p99 % 10));
        line(page, "CPU", TINT_PLAIN, text);
}

static void show_findings(struct page *page, const json_t *agent)
{
        const char *label = "Found";
        const json_t *finding;
        size_t i;

        json_array_foreach ((json_t *)field(agent, "findings"), i, finding) {
                char text[640], n[32];

                snprintf(text, sizeof text, "%s %s; %s%s: %s", field_text(finding, "cause"),
                         times(field_number(finding, "n"), n), field_text(finding, "incident"),
                         field_true(finding, "open") ? ", still open" : "", field_text(finding, "reason"));
                line(page, label, field_true(finding, "open") ? TINT_BAD : TINT_PLAIN, text);
                label = "";
        }
}

static void show_would(struct page *page, const json_t *agent)
{
        char text[512] = "", n[32];
        const json_t *would;
        size_t i;

        json_array_foreach ((json_t *)field(agent, "would_have"), i, would)
                text_append(text, sizeof text, "%s%s %s for %s", i > 0 ? ", " : "",
                            strcmp(field_text(would, "what"), "restart") == 0 ? "restarted" : "put into quarantine",
                            times(field_number(would, "n"), n), field_text(would, "cause"));
        if (text[0])
                text_append(text, sizeof text, ", if its rule enforced");
        line(page, "Would be", TINT_WATCH, text);
}

static void show_files(struct page *page, const json_t *files, int64_t more)
{
        const char *label = "Changed";
        char text[64];
        const json_t *file;
        size_t i;

        json_array_foreach ((json_t *)files, i, file) {
                line(page, label, TINT_PLAIN, json_string_value(file));
                label = "";
        }
        snprintf(text, sizeof text, "and %lld more", (long long)more);
        if (more > 0)
                line(page, label, TINT_PLAIN, text);
}

static void show_agent(struct page *page, const json_t *agent)
{
        show_title(page, agent);
        show_lives(page, agent);
        show_windows(page, agent);
        show_memory(page, agent);
        show_ages(page, agent);
        show_cpu(page, agent);
        show_findings(page, agent);
        show_would(page, agent);
        show_files(page, field(agent, "files"), field_number(agent, "files_more"));
}

/* ---- what follows from it ------------------------------------------------------------------------------------------------- */

static void show_head(struct page *page, const json_t *report)
{
        char from[PAGE_MOMENT_MAX], until[PAGE_MOMENT_MAX], text[256], ago[PAGE_AGO_MAX];
        usec_t at = (usec_t)field_number(report, "enough_at");

        snprintf(text, sizeof text, "What was observed from %s to %s of %zu agent%s",
                 page_moment(page, (usec_t)field_number(report, "since"), from),
                 page_moment(page, (usec_t)field_number(report, "until"), until),
                 json_array_size(field(report, "agents")), json_array_size(field(report, "agents")) == 1 ? "" : "s");
        page_wrap(page, TINT_STRONG, 0, text);
        if (field_given(report, "history_error")) {
                snprintf(text, sizeof text, "There are no samples: %s.", field_text(report, "history_error"));
                page_wrap(page, TINT_WATCH, 0, text);
        }
        if (!field_true(report, "enough")) {
                snprintf(text, sizeof text,
                         "Too little for ceilings: no agent was seen running for 24h yet. The first will have been %s "
                         "(%s) at the earliest.",
                         page_ago(page, at, ago), page_moment(page, at, from));
                page_wrap(page, TINT_WATCH, 0, text);
        }
}

static void show_proposal(struct page *page, const json_t *proposal)
{
        char text[900] = "";

        if (field_given(proposal, "rule.file"))
                text_append(text, sizeof text, "%s:%lld: ", field_text(proposal, "rule.file"),
                            (long long)field_number(proposal, "rule.line"));
        text_append(text, sizeof text, "%s: %s", field_text(proposal, "key"), field_text(proposal, "value"));
        if (field_text(proposal, "was")[0])
                text_append(text, sizeof text, " (was %s)", field_text(proposal, "was"));
        page_go(page, 2);
        page_wrap(page, TINT_STRONG, 6, text);
        page_go(page, 6);
        page_wrap(page, TINT_PLAIN, 6, field_text(proposal, "why"));
        if (!field_true(proposal, "by_hand"))
                return;
        page_go(page, 6);
        page_wrap(page, TINT_WATCH, 6, "Write it yourself: what stands there is in a form that no program changes.");
}

static void show_section(struct page *page, const char *title)
{
        page_end(page);
        page_put(page, TINT_STRONG, title);
        page_end(page);
}

static void show_proposals(struct page *page, const json_t *report)
{
        const json_t *list = field(report, "proposals"), *postponed = field(report, "postponed"), *at;
        char text[600];
        size_t i;

        if (json_array_size(list) > 0)
                show_section(page, "Proposed");
        json_array_foreach ((json_t *)list, i, at)
                show_proposal(page, at);
        if (json_array_size(postponed) > 0)
                show_section(page, "Not proposed");
        json_array_foreach ((json_t *)postponed, i, at) {
                page_go(page, 2);
                page_wrap(page, TINT_PLAIN, 6, field_text(at, "why"));
        }
        if (field_given(report, "policy_error")) {
                snprintf(text, sizeof text, "Nothing can be proposed for the policy: %s. Type: govctl policy check",
                         field_text(report, "policy_error"));
                show_section(page, text);
        } else if (field_given(report, "proposals_error")) {
                snprintf(text, sizeof text, "The difference is left out, it would not load: %s",
                         field_text(report, "proposals_error"));
                show_section(page, text);
        } else if (json_array_size(list) == 0 && field_text(report, "diff")[0] == '\0') {
                show_section(page, "Nothing of the policy is to be changed for it.");
        }
}

/* As it is, for patch; the colours are only for eyes. */
static void show_diff(struct page *page, const char *diff)
{
        if (diff[0])
                page_end(page);
        while (*diff) {
                size_t length = strcspn(diff, "\n");
                const char *tint = !page->colour ? "" : *diff == '+' ? "\x1b[32m" : *diff == '-' ? "\x1b[31m" : "";

                fprintf(page->out, "%s%.*s%s\n", tint, (int)length, diff, *tint ? "\x1b[0m" : "");
                diff += length + (diff[length] == '\n');
        }
}

void learn_show(struct page *page, const json_t *report)
{
        const json_t *agent;
        size_t i;

        show_head(page, report);
        json_array_foreach ((json_t *)field(report, "agents"), i, agent)
                show_agent(page, agent);
        if (json_array_size(field(report, "machine_files")) > 0) {
                show_section(page, "Files of no single agent");
                show_files(page, field(report, "machine_files"), 0);
        }
        show_proposals(page, report);
        show_diff(page, field_text(report, "diff"));
}
