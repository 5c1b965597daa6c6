#include "govctl/propose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "policy/amount.h"
#include "policy/discover.h"

/* All that a proposal is made of. */
struct workshop {
        const struct policy *policy;
        struct draft *draft;
        const struct pupil *pupils;
        size_t n;
        struct proposals *out;
        bool failed; /* memory ended */
};

static const char *short_name(const char *id, char name[AGENT_ID_MAX])
{
        agent_short_name(id, name);
        return name;
}

/* ---- notes ------------------------------------------------------------------------------------------------------------ */

static struct proposal *add_proposal(struct workshop *shop, const struct rule *rule)
{
        struct proposals *out = shop->out;
        struct proposal *list = reallocarray(out->list, out->n + 1, sizeof *list);

        if (!list) {
                shop->failed = true;
                return NULL;
        }
        out->list = list;
        list[out->n] = (struct proposal){ .rule = rule };
        return &list[out->n++];
}

static void note_result(struct workshop *shop, struct proposal *proposal, int r)
{
        shop->failed |= r == -ENOMEM;
        proposal->by_hand = r < 0;
}

static void postpone(struct workshop *shop, const struct rule *rule, const char *id, const char *why)
{
        struct proposals *out = shop->out;
        struct postponed *list = reallocarray(out->postponed, out->postponed_n + 1, sizeof *list);
        char name[AGENT_ID_MAX];

        if (!list) {
                shop->failed = true;
                return;
        }
        out->postponed = list;
        list[out->postponed_n] = (struct postponed){ .rule = rule };
        snprintf(list[out->postponed_n].why, sizeof list->why, "%s: %s", short_name(id, name), why);
        out->postponed_n++;
}

/* ---- ceilings --------------------------------------------------------------------------------------------------------- */

/* Rules that share a class share its ceiling. */
static bool share(const struct rule *a, const struct rule *b)
{
        return a == b || (a->agent_class && b->agent_class && strcmp(a->class_name, b->class_name) == 0);
}

static bool is_first_of_its_class(const struct workshop *shop, const struct rule *rule)
{
        for (const struct rule *at = shop->policy->rules; at < rule; at++)
                if (share(at, rule))
                        return false;
        return true;
}

/* What the agents under this ceiling need, all of them. */
struct need {
        const struct pupil *most; /* that needs the most */
        struct ceiling ceiling;
        uint64_t p999_bytes;
        unsigned agents;
        bool open; /* of one of them it is not known */
};

/* False: none can be proposed for this agent, and why not is noted. */
static bool ceiling_of(struct workshop *shop, const struct rule *rule, const struct pupil *pupil, uint64_t own_limit,
                       struct ceiling *ret)
{
        const struct lesson *lesson = pupil->lesson;
        const struct lesson_finding *leak = lesson ? &lesson->findings[CAUSE_MEMORY_LEAK] : NULL;

        ceiling_propose(&pupil->used, own_limit, lesson && lesson->instances_n > 1, ret);
        if (leak && leak->open) {
                ret->bytes = 0;
                snprintf(ret->why, sizeof ret->why, "it leaks (%s): what it holds is not what it needs",
                         leak->incident);
        }
        if (ret->bytes == 0)
                postpone(shop, rule, pupil->id, ret->why);
        return ret->bytes > 0;
}

static void add_need(struct workshop *shop, const struct rule *rule, const struct pupil *pupil, bool alone,
                     struct need *need)
{
        uint64_t own_limit = alone && rule->memory.of == MEMORY_OF_PROCESS ? pupil->own_limit : 0;
        struct ceiling ceiling;

        if (!ceiling_of(shop, rule, pupil, own_limit, &ceiling)) {
                need->open = true;
                return;
        }
        need->agents++;
        if (pupil->used.p999_bytes > need->p999_bytes)
                need->p999_bytes = pupil->used.p999_bytes;
        if (ceiling.bytes > need->ceiling.bytes) {
                need->ceiling = ceiling;
                need->most = pupil;
        }
}

static unsigned count_sharing(const struct workshop *shop, const struct rule *rule)
{
        unsigned n = 0;

        for (size_t i = 0; i < shop->n; i++)
                n += shop->pupils[i].rule && share(shop->pupils[i].rule, rule);
        return n;
}

static void propose_ceiling(struct workshop *shop, const struct rule *rule, const struct need *need, uint64_t bytes)
{
        struct proposal *proposal = add_proposal(shop, rule);
        char class_name[DRAFT_CLASS_MAX], name[AGENT_ID_MAX];

        if (!proposal)
                return;
        if (rule->agent_class)
                text_copy(class_name, sizeof class_name, rule->class_name);
        else
                draft_new_class(shop->draft, rule, need->most->id, class_name);
        snprintf(proposal->key, sizeof proposal->key, "classes.%s.memory.ceiling", class_name);
        amount_write(FORM_SIZE, bytes, proposal->value);
        if (rule->memory.ceiling_bytes > 0)
                amount_write(FORM_SIZE, rule->memory.ceiling_bytes, proposal->was);
        if (need->agents > 1)
                text_append(proposal->why, sizeof proposal->why, "of %u agents %s needs the most: ", need->agents,
                            short_name(need->most->id, name));
        text_append(proposal->why, sizeof proposal->why, "%s", need->ceiling.why);
        note_result(shop, proposal, draft_ceiling(shop->draft, rule, class_name, bytes));
}

/* One that there is was somebody's choice: it is raised where what the agent needs nearly meets it. */
static void consider_ceiling(struct workshop *shop, const struct rule *rule)
{
        const struct memory_limits *limits = &rule->memory;
        struct need need = { .agents = 0 };
        unsigned sharing = count_sharing(shop, rule);
        uint64_t bytes;

        if (!is_first_of_its_class(shop, rule) || sharing == 0)
                return;
        for (size_t i = 0; i < shop->n; i++)
                if (shop->pupils[i].rule && share(shop->pupils[i].rule, rule))
                        add_need(shop, rule, &shop->pupils[i], sharing == 1, &need);
        bytes = need.ceiling.bytes > limits->budget_bytes ? need.ceiling.bytes : limits->budget_bytes;
        if (need.open || need.agents == 0)
                return;
        if (limits->ceiling_bytes == 0 ||
            (need.p999_bytes > limits->ceiling_bytes / 10 * 9 && bytes > limits->ceiling_bytes))
                propose_ceiling(shop, rule, &need, bytes);
}

/* ---- restarts ----------------------------------------------------------------------------------------------------------- */

/* The most that any agent of the rule had in that time; false: some of its deaths were failures. */
static bool most_deaths(const struct workshop *shop, const struct rule *rule, usec_t within, unsigned *ret)
{
        bool clean = true, all = true;

        *ret = 0;
        for (size_t i = 0; i < shop->n; i++) {
                const struct pupil *pupil = &shop->pupils[i];
                unsigned n =
                        pupil->rule == rule && pupil->lesson ? lesson_most_within(pupil->lesson, within, &clean) : 0;

                *ret = n > *ret ? n : *ret;
                all &= n == 0 || clean;
        }
        return all;
}

/* What a rule's windows would have to be. */
struct wider {
        struct window windows[POLICY_WINDOWS_MAX];
        unsigned most;
        usec_t within;
        bool wanted;   /* one overflowed, by ends that were no failures */
        bool too_many; /* for any window */
};

/* What was seen and half of it again; longer windows have to allow more than shorter ones. */
static void widen(const struct workshop *shop, const struct rule *rule, struct wider *wider)
{
        for (unsigned i = 0; i < rule->restarts_n; i++) {
                struct window *window = &wider->windows[i];
                bool clean;
                unsigned most;

                *window = rule->restarts[i];
                clean = most_deaths(shop, rule, window->within, &most);
                if (most > window->more_than) {
                        window->more_than = most + most / 2;
                        wider->most = most;
                        wider->within = window->within;
                        wider->wanted = clean;
                }
                if (i > 0 && window->more_than <= window[-1].more_than)
                        window->more_than = window[-1].more_than + 1;
                wider->too_many |= window->more_than > POLICY_MORE_THAN_MAX;
        }
}

static void write_windows(const struct window *windows, unsigned n, char *text, size_t size)
{
        char span[AMOUNT_MAX];

        text_copy(text, size, "[ ");
        for (unsigned i = 0; i < n; i++)
                text_append(text, size, "%s{ more_than: %u, within: %s }", i > 0 ? ", " : "", windows[i].more_than,
                            amount_write(FORM_DURATION, windows[i].within, span));
        text_append(text, size, " ]");
}

static void propose_windows(struct workshop *shop, const struct rule *rule, const struct wider *wider)
{
        struct proposal *proposal = add_proposal(shop, rule);
        char span[TEXT_SPAN_MAX];

        if (!proposal)
                return;
        snprintf(proposal->key, sizeof proposal->key, "agents[%.64s].restarts", rule->name);
        write_windows(wider->windows, rule->restarts_n, proposal->value, sizeof proposal->value);
        write_windows(rule->restarts, rule->restarts_n, proposal->was, sizeof proposal->was);
        snprintf(proposal->why, sizeof proposal->why,
                 "it ended by itself with success, %u times in %s at most, and half of that again", wider->most,
                 text_span(span, wider->within));
        note_result(shop, proposal, draft_rule_key(shop->draft, rule, "restarts", proposal->value));
}

/* An agent that ends by itself with success, again and again, is meant to: it is no loop. Failures are for a person. */
static void consider_restarts(struct workshop *shop, const struct rule *rule)
{
        struct wider wider = { .wanted = false };
        char span[TEXT_SPAN_MAX], why[256];

        widen(shop, rule, &wider);
        if (!wider.wanted)
                return;
        if (!wider.too_many) {
                propose_windows(shop, rule, &wider);
                return;
        }
        snprintf(
                why, sizeof why,
                "its agent ended by itself with success, %u times in %s, which is more than a window may allow: a timer "
                "suits it better than a manager that restarts it",
                wider.most, text_span(span, wider.within));
        for (size_t i = 0; i < shop->n; i++)
                if (shop->pupils[i].rule == rule) {
                        postpone(shop, rule, shop->pupils[i].id, why);
                        return;
                }
}

/* ---- the calls -------------------------------------------------------------------------------------------------------------- */

static void consider(struct workshop *shop, const struct rule *only)
{
        for (unsigned i = 0; i < shop->policy->rules_n; i++) {
                const struct rule *rule = &shop->policy->rules[i];

                if (!only || share(only, rule))
                        consider_ceiling(shop, rule);
                if (!only || only == rule)
                        consider_restarts(shop, rule);
        }
}

int propose_changes(const struct draft_of *of, const struct rule *only, const struct pupil *pupils, size_t n,
                    struct proposals *ret)
{
        struct workshop shop = { .policy = of->policy, .pupils = pupils, .n = n, .out = ret };
        int r = draft_new(of, &shop.draft);

        if (r >= 0) {
                consider(&shop, only);
                r = shop.failed ? -ENOMEM : draft_difference(shop.draft, &ret->diff, &ret->mistake);
        }
        draft_free(shop.draft);
        return r;
}

/* The ceilings that the file will hold, each with its reason. */
static void note_ceiling(struct workshop *shop, const struct pupil *pupil, struct ceiling *ceiling)
{
        char name[AGENT_ID_MAX];
        struct proposal *proposal;

        if (!ceiling_of(shop, NULL, pupil, pupil->own_limit, ceiling))
                return;
        proposal = add_proposal(shop, NULL);
        if (!proposal)
                return;
        snprintf(proposal->key, sizeof proposal->key, "classes.%.64s.memory.ceiling", short_name(pupil->id, name));
        amount_write(FORM_SIZE, ceiling->bytes, proposal->value);
        text_copy(proposal->why, sizeof proposal->why, ceiling->why);
}

/* Of an agent that was not seen for a day there is nothing to govern any more. */
static bool is_gone(const struct pupil *pupils, size_t n, const struct pupil *pupil)
{
        usec_t newest = 0;

        for (size_t i = 0; i < n; i++)
                newest = pupils[i].used.until > newest ? pupils[i].used.until : newest;
        return pupil->used.until + USEC_PER_DAY < newest;
}

int propose_file(const char *path, const struct pupil *pupils, size_t n, struct proposals *ret)
{
        _cleanup_free_ struct discovered *found = calloc(n + 1, sizeof *found);
        _cleanup_free_ struct ceiling *ceilings = calloc(n + 1, sizeof *ceilings);
        _cleanup_free_ char *text = NULL;
        struct workshop shop = { .out = ret };
        size_t found_n = 0;
        int r = found && ceilings ? 0 : -ENOMEM;

        for (size_t i = 0; i < n && r >= 0; i++) {
                if (is_gone(pupils, n, &pupils[i]))
                        continue;
                note_ceiling(&shop, &pupils[i], &ceilings[i]);
                found[found_n++] = (struct discovered){ .id = pupils[i].id,
                                                        .ceiling_bytes = ceilings[i].bytes,
                                                        .why = ceilings[i].why };
        }
        if (r >= 0)
                r = shop.failed ? -ENOMEM : policy_discover_render(found, found_n, "learn", &text);
        if (r >= 0)
                r = draft_whole_file(path, text, &ret->diff, &ret->mistake);
        return r;
}

void proposals_done(struct proposals *proposals)
{
        free(proposals->list);
        free(proposals->postponed);
        free(proposals->diff);
        free(proposals->mistake);
        *proposals = (struct proposals){ .n = 0 };
}
