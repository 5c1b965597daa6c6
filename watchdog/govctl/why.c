/* The story of an agent or an incident, as somebody would tell it who was there. */
#include <string.h>

#include "base/decision.h"
#include "base/finding.h"
#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/standing.h"
#include "govctl/trials.h"
#include "govctl/verbs.h"
#include "govctl/words.h"

#define TIME_COLUMN 2
#define WORDS_COLUMN 16

static void show_title(struct page *page, const char *title)
{
        page_end(page);
        page_put(page, TINT_STRONG, title);
        page_end(page);
}

static bool claims_health(const json_t *agent)
{
        const char *claimed = field_text(agent, "claimed_state");

        return strcmp(claimed, "running") == 0 || strcmp(claimed, "starting") == 0 || strcmp(claimed, "waiting") == 0;
}

/* The first sentence says how it is now: true state first, the manager's word after it. */
static void show_present(struct page *page, const json_t *agent)
{
        enum standing standing = agent_standing(agent);
        const char *word = field_text(agent, "word");
        char text[512];

        snprintf(text, sizeof text, "%s (%s) is %s", field_text(agent, "name"), field_text(agent, "id"),
                 field_text(agent, "effective"));
        if (word[0])
                text_append(text, sizeof text, "%s %s says \"%s\"",
                            standing >= STANDING_FINDING && claims_health(agent) ? ", although" : ";",
                            field_text(agent, "manager"), word);
        text_append(text, sizeof text, ".");
        page_wrap(page, standing_tint(standing), 0, text);
}

static void show_incident(struct page *page, const json_t *incident)
{
        char text[512], ago[PAGE_AGO_MAX], moment[PAGE_MOMENT_MAX];
        usec_t opened = moment_of(field(incident, "opened")), resolved = moment_of(field(incident, "resolved"));
        bool open = strcmp(field_text(incident, "state"), "open") == 0;
        int64_t count = field_number(incident, "count");
        size_t i;
        const json_t *evidence;

        snprintf(text, sizeof text, "Incident %s, %s: opened at %s, %s", field_text(incident, "id"),
                 field_text(incident, "cause"), page_moment(page, opened, moment), page_ago(page, opened, ago));
        if (!open && resolved > 0)
                text_append(text, sizeof text, "; over since %s", page_moment(page, resolved, moment));
        if (count > 1)
                text_append(text, sizeof text, "; seen %lld times", (long long)count);
        text_append(text, sizeof text, ".");
        page_wrap(page, TINT_PLAIN, 0, text);
        json_array_foreach ((json_t *)field(incident, "evidence"), i, evidence) {
                page_go(page, TIME_COLUMN);
                page_wrap(page, TINT_STRONG, TIME_COLUMN, json_is_string(evidence) ? json_string_value(evidence) : "");
        }
}

/* How much there is now, against the floor, and where that leads. */
static void show_floor(struct page *page, const json_t *floor)
{
        char text[256], one[TEXT_BYTES_MAX], two[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];
        uint64_t pace = (uint64_t)field_number(floor, "falls_bytes_per_minute");

        if (!field_given(floor, "floor_bytes"))
                return;
        snprintf(text, sizeof text, "Now %s are available, the floor is %s",
                 text_bytes(one, (uint64_t)field_number(floor, "available_bytes")),
                 text_bytes(two, (uint64_t)field_number(floor, "floor_bytes")));
        if (pace > 0)
                text_append(text, sizeof text, "; it falls by %s a minute", text_bytes(one, pace));
        if (field_number(floor, "reached_in_s") > 0)
                text_append(text, sizeof text, ", and reaches the floor in %s",
                            text_span(span, (usec_t)field_number(floor, "reached_in_s") * USEC_PER_SEC));
        text_append(text, sizeof text, ".");
        page_wrap(page, TINT_PLAIN, 0, text);
}

static void show_rule(struct page *page, const json_t *rule)
{
        char words[RULE_WORDS_MAX], text[RULE_WORDS_MAX + 256];
        const char *name = field_text(rule, "name");

        if (!rule || json_is_null(rule))
                return;
        rule_words(rule, true, words);
        if (words[0] == '\0') {
                page_wrap(page, TINT_PLAIN, 0, "Judged by the built-in defaults: no rule names it.");
                return;
        }
        snprintf(text, sizeof text, "Rule %s", words);
        if (name[0] && strcmp(name, words) != 0)
                text_append(text, sizeof text, " (%s)", name);
        text_append(text, sizeof text, ".");
        page_wrap(page, TINT_PLAIN, 0, text);
}

/* Facts between two decisions, told in one sentence: a loop of 900 lives is one line, not 1,800. */
struct run {
        unsigned starts, ends, others;
        const json_t *first, *last, *last_end;
};

static void run_add(struct run *run, const json_t *fact)
{
        const char *action = field_text(fact, "action");

        if (strcmp(action, "fact.started") == 0)
                run->starts++;
        else if (strcmp(action, "fact.ended") == 0) {
                run->ends++;
                run->last_end = fact;
        } else if (strcmp(action, "fact.died") != 0) /* the manager tells the same, with the cause */
                run->others++;
        run->first = run->first ? run->first : fact;
        run->last = fact;
}

static void begin_step(struct page *page, const json_t *step)
{
        char moment[PAGE_MOMENT_MAX];

        page_go(page, TIME_COLUMN);
        page_put(page, TINT_FAINT, page_moment(page, moment_of(field(step, "ts")), moment));
        page_go(page, WORDS_COLUMN);
}

#define TIMES_MAX 24
static char *times(unsigned n, char buffer[TIMES_MAX])
{
        if (n == 1)
                return strcpy(buffer, "once");
        if (n == 2)
                return strcpy(buffer, "twice");
        snprintf(buffer, TIMES_MAX, "%u times", n);
        return buffer;
}

static void run_show(struct page *page, struct run *run)
{
        char text[RECORD_WORDS_MAX] = "", words[ENDING_WORDS_MAX], span[TEXT_SPAN_MAX], starts[TIMES_MAX],
             ends[TIMES_MAX];
        usec_t took =
                run->first ? usec_since(moment_of(field(run->last, "ts")), moment_of(field(run->first, "ts"))) : 0;

        if (run->starts + run->ends == 1 || (run->starts + run->ends == 0 && run->others > 0))
                record_words(run->last_end ? run->last_end : run->last, text);
        else if (run->starts + run->ends > 1) {
                snprintf(text, sizeof text, "%s%s%s%s%s", run->starts ? "started " : "",
                         run->starts ? times(run->starts, starts) : "", run->starts && run->ends ? " and " : "",
                         run->ends ? "ended " : "", run->ends ? times(run->ends, ends) : "");
                if (took >= USEC_PER_SEC)
                        text_append(text, sizeof text, " in %s", text_span(span, took));
                if (run->last_end)
                        text_append(text, sizeof text, "; last end: %s",
                                    ending_words(field(run->last_end, "details"), words));
        }
        if (text[0]) {
                begin_step(page, run->first);
                page_wrap(page, TINT_FAINT, WORDS_COLUMN, text);
        }
        *run = (struct run){ 0 };
}

/* The outcome that names this step as its intent. */
static const json_t *outcome_of(const json_t *story, const json_t *step)
{
        int64_t seq = field_number(step, "seq");
        size_t i;
        const json_t *other;

        json_array_foreach ((json_t *)story, i, other)
                if (field_given(other, "details.intent") && field_number(other, "details.intent") == seq)
                        return other;
        return NULL;
}

/* An intent is told together with what came of it, and what the machine's incident did to an agent with its name. */
static void show_step(struct page *page, const json_t *story, const json_t *step, bool whole_machine)
{
        char words[RECORD_WORDS_MAX + SUBJECT_WORDS_MAX], after[RECORD_WORDS_MAX], name[SUBJECT_WORDS_MAX];
        bool pending = strcmp(field_text(step, "outcome"), "pending") == 0;
        const json_t *outcome = pending ? outcome_of(story, step) : NULL;
        enum tint tint = record_tint(outcome ? outcome : step);

        begin_step(page, step);
        words[0] = '\0';
        if (whole_machine && field_text(step, "subject")[0])
                text_append(words, sizeof words, "%s: ", subject_words(field_text(step, "subject"), name));
        text_append(words, sizeof words, "%s", record_words(step, after));
        text_append(words, sizeof words, " (#%lld)", (long long)field_number(step, "seq"));
        page_wrap(page, pending ? TINT_PLAIN : tint, WORDS_COLUMN, words);
        if (!pending)
                return;
        begin_step(page, outcome ? outcome : step);
        page_put(page, TINT_FAINT, page_mark(page, "└ ", "  "));
        page_wrap(page, outcome ? tint : TINT_WATCH, WORDS_COLUMN + 2,
                  outcome ? record_words(outcome, after) : "no outcome yet");
}

/* An action like one before it and like one after it: of twenty slowed restarts people read the first and the last. */
static bool in_a_row(const json_t *story, size_t index)
{
        const json_t *step = json_array_get(story, index);
        bool before = false, after = false;

        if (!action_is_verb(field_text(step, "action")))
                return false;
        for (size_t i = 0; i < json_array_size(story) && !after; i++) {
                const json_t *other = json_array_get(story, i);

                if (i == index || strcmp(field_text(other, "action"), field_text(step, "action")) != 0 ||
                    strcmp(field_text(other, "subject"), field_text(step, "subject")) != 0 ||
                    strcmp(field_text(other, "details.purpose"), field_text(step, "details.purpose")) != 0 ||
                    strcmp(field_text(other, "outcome"), field_text(step, "outcome")) != 0)
                        continue;
                before = before || i < index;
                after = i > index;
        }
        return before && after;
}

/* What is told elsewhere, or not at all: the judge's memory, outcomes, windows, which have records of their own. */
static bool left_out(const json_t *step)
{
        const char *action = field_text(step, "action");

        return strcmp(action, "fact.remembered") == 0 || strcmp(action, "fact.baseline") == 0 ||
               strcmp(action, "fact.change") == 0 || field_true(step, "details.again") ||
               (strcmp(action, "fact.version") == 0 && strcmp(field_text(step, "details.step"), "known") == 0) ||
               field_given(step, "details.intent") || record_withheld(step)[0];
}

/* Facts that are told one by one: what changed, and what of it was proven. */
static bool is_change(const json_t *step)
{
        const char *action = field_text(step, "action");

        return strcmp(action, "fact.config") == 0 || strcmp(action, "fact.version") == 0;
}

static void show_folded(struct page *page, unsigned *folded)
{
        if (*folded == 0)
                return;
        page_go(page, WORDS_COLUMN);
        page_text(page, TINT_FAINT, "%s %u more like these %s", page_mark(page, "…", "..."), *folded,
                  page_mark(page, "…", "..."));
        page_end(page);
        *folded = 0;
}

static void show_story(struct page *page, const json_t *story, bool whole_machine)
{
        struct run run = { 0 };
        unsigned folded = 0;

        show_title(page, "What happened");
        if (json_array_size(story) == 0) {
                page_go(page, TIME_COLUMN);
                page_wrap(page, TINT_PLAIN, TIME_COLUMN, "Nothing that Governor had to judge or do.");
        }
        for (size_t i = 0; i < json_array_size(story); i++) {
                const json_t *step = json_array_get(story, i);

                if (left_out(step))
                        continue;
                if (record_is_fact(step) && record_is_noise(step) && !is_change(step))
                        run_add(&run, step);
                else if (in_a_row(story, i))
                        folded++;
                else {
                        show_folded(page, &folded);
                        run_show(page, &run);
                        show_step(page, story, step, whole_machine);
                }
        }
        show_folded(page, &folded);
        run_show(page, &run);
}

/* What was due and was not done, each kind once: the newest. */
static bool told_later(const json_t *story, size_t index)
{
        const json_t *step = json_array_get(story, index);

        for (size_t i = index + 1; i < json_array_size(story); i++) {
                const json_t *other = json_array_get(story, i);

                if (strcmp(field_text(other, "action"), field_text(step, "action")) == 0 &&
                    strcmp(field_text(other, "subject"), field_text(step, "subject")) == 0 &&
                    strcmp(field_text(other, "details.withheld"), field_text(step, "details.withheld")) == 0)
                        return true;
        }
        return false;
}

static void show_considered(struct page *page, const json_t *story)
{
        bool any = false;

        for (size_t i = 0; i < json_array_size(story); i++) {
                const json_t *step = json_array_get(story, i);
                const char *action = field_text(step, "action"), *purpose = field_text(step, "details.purpose");
                bool named = purpose[0] && strcmp(purpose, "none") != 0;
                char text[512];

                if (!record_withheld(step)[0] || told_later(story, i))
                        continue;
                if (!any)
                        show_title(page, "What else was considered");
                any = true;
                snprintf(text, sizeof text, "%s%s%s, not done: %s (#%lld).",
                         action_is_verb(action) ? strchr(action, '.') + 1 : action, named ? " for " : "",
                         named ? purpose : "", record_withheld(step), (long long)field_number(step, "seq"));
                begin_step(page, step);
                page_wrap(page, TINT_PLAIN, WORDS_COLUMN, text);
        }
}

static void show_advice(struct page *page, const char *verb, const char *what, const char *when)
{
        page_go(page, TIME_COLUMN);
        page_text(page, TINT_STRONG, "govctl %s %s", verb, what);
        page_put(page, TINT_PLAIN, "   ");
        page_wrap(page, TINT_FAINT, 4, when);
}

/* What of it is on trial, or kept. */
static void show_trials(struct page *page, const json_t *trials)
{
        const json_t *trial;
        size_t i;

        json_array_foreach ((json_t *)trials, i, trial) {
                page_go(page, TIME_COLUMN);
                trial_show(page, trial);
        }
}

/* What the flush of the machine's memory waits for. */
static void show_flush(struct page *page, const json_t *floor)
{
        static const struct {
                const char *state, *words;
        } waits[] = {
                { "resting", "who may be restarted is looked at again" },
                { "above", "it is over, if it stays so" },
                { "quiet", "nothing more, until there is more memory than the floor again" },
        };
        usec_t next = (usec_t)field_number(floor, "next");
        char text[256], ago[PAGE_AGO_MAX];

        for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
                if (strcmp(field_text(floor, "state"), waits[i].state) != 0)
                        continue;
                snprintf(text, sizeof text, "By itself: %s", waits[i].words);
                if (next > 0)
                        text_append(text, sizeof text, ", %s", page_ago(page, next, ago));
                text_append(text, sizeof text, ".");
                page_go(page, TIME_COLUMN);
                page_wrap(page, TINT_PLAIN, 4, text);
        }
}

/* What somebody deployed last, by us. */
static void show_deploy(struct page *page, const json_t *agent)
{
        char text[512], ago[PAGE_AGO_MAX], moment[PAGE_MOMENT_MAX];
        usec_t at = moment_of(field(agent, "deploy.since"));

        if (at == 0)
                return;
        snprintf(text, sizeof text, "Last deploy: %s, %s, by %s: %s", page_moment(page, at, moment),
                 page_ago(page, at, ago), field_text(agent, "deploy.by"), field_text(agent, "deploy.reason"));
        if (field_given(agent, "deploy.exit"))
                text_append(text, sizeof text, "; exit status %lld", (long long)field_number(agent, "deploy.exit"));
        text_append(text, sizeof text, ".");
        page_wrap(page, TINT_PLAIN, 0, text);
}

static bool was_put_back(const json_t *story)
{
        size_t i;
        const json_t *step;

        json_array_foreach ((json_t *)story, i, step)
                if (strcmp(field_text(step, "action"), "agent.rollback") == 0 && !record_withheld(step)[0])
                        return true;
        return false;
}

/* Somebody may have wanted it so. */
static bool may_be_planned(const char *cause)
{
        return strcmp(cause, cause_name(CAUSE_CONFIG_DRIFT)) == 0 || strcmp(cause, cause_name(CAUSE_UNIT_DRIFT)) == 0 ||
               strcmp(cause, cause_name(CAUSE_UNANNOUNCED_START)) == 0;
}

/* What comes by itself, then what a person may type. */
static void show_next(struct page *page, const json_t *agent, const json_t *incident, const json_t *answer)
{
        char text[256], ago[PAGE_AGO_MAX], moment[PAGE_MOMENT_MAX];
        const char *name = field_text(agent, "name"), *waiting = field_text(agent, "waiting_for");
        const json_t *trials = field(answer, "trials");
        usec_t next = (usec_t)field_number(agent, "next");
        bool open = strcmp(field_text(incident, "state"), "open") == 0;

        show_title(page, "What comes next");
        show_trials(page, trials);
        show_flush(page, field(answer, "memory_floor"));
        if (next > 0) {
                snprintf(text, sizeof text, "By itself: %s, %s (%s).", waiting_words(waiting),
                         page_ago(page, next, ago), page_moment(page, next, moment));
                page_go(page, TIME_COLUMN);
                page_wrap(page, TINT_PLAIN, 4, text);
        }
        if (field_true(agent, "quarantined")) {
                show_advice(page, "release", name, "when it is mended");
        } else if (agent && agent_standing(agent) >= STANDING_DOWN &&
                   strcmp(field_text(agent, "mode"), "enforce") != 0) {
                page_go(page, TIME_COLUMN);
                page_wrap(page, TINT_PLAIN, 4,
                          "Nothing: this rule only observes. With mode: enforce Governor would act.");
        }
        if (agent && was_put_back(field(answer, "story")))
                show_advice(page, "versions", name, "what was put back; what it replaced is kept there");
        if (open && may_be_planned(field_text(incident, "cause"))) {
                show_advice(page, "planned", field_text(incident, "id"), "--reason TEXT, when it was you");
                show_advice(page, "acknowledge", field_text(incident, "id"), "when you have dealt with it");
        } else if (open) {
                show_advice(page, "acknowledge", field_text(incident, "id"), "when you have dealt with it");
        } else if (next == 0 && !field_true(agent, "quarantined") && json_array_size(trials) == 0) {
                page_go(page, TIME_COLUMN);
                page_wrap(page, TINT_PLAIN, 4, "Nothing is due.");
        }
}

static void show(struct page *page, const json_t *answer)
{
        const json_t *agent = field(answer, "agent"), *incident = field(answer, "incident");

        if (agent && !json_is_null(agent))
                show_present(page, agent);
        else
                page_wrap(page, TINT_PLAIN, 0, "This is about the machine as a whole.");
        if (incident && !json_is_null(incident))
                show_incident(page, incident);
        show_floor(page, field(answer, "memory_floor"));
        show_rule(page,
                  field_given(answer, "agent.rule") ? field(answer, "agent.rule") : field(answer, "incident.rule"));
        show_deploy(page, agent);
        show_story(page, field(answer, "story"), !agent || json_is_null(agent));
        show_considered(page, field(answer, "story"));
        show_next(page, agent, incident, answer);
}

/* To the story of an incident belongs how its agent is now. */
static void add_agent(struct call *call, json_t *answer)
{
        const char *id = field_text(answer, "incident.agent");
        json_auto_t *agents = NULL;
        size_t i;
        json_t *agent;

        if (field_given(answer, "agent") || id[0] == '\0')
                return;
        (void)daemon_ask_quietly(call, "agents", json_pack("{s:s}", "name", id), &agents);
        json_array_foreach ((json_t *)field(agents, "agents"), i, agent)
                if (strcmp(field_text(agent, "id"), id) == 0)
                        json_object_set(answer, "agent", agent);
}

enum code run_why(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{s:s}", "what", call_argument(call));
        enum code code = daemon_ask_once(call, "why", parameters, DAEMON_ANSWER, &answer);

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        add_agent(call, answer);
        show(&call->page, answer);
        return CODE_OK;
}
