/* Which rule owns an agent. Pure: the judge and the observers ask for each agent they meet first. */
#include "policy/match.h"

#include <string.h>

#include "base/path.h"
#include "base/text.h"

static const char *const mode_names[] = { [MODE_OBSERVE] = "observe", [MODE_ENFORCE] = "enforce" };
static const char *const rung_names[] = {
        [RUNG_RESTART] = "restart",
        [RUNG_ROLLBACK] = "rollback",
        [RUNG_QUARANTINE] = "quarantine",
};

static const char *const file_kind_names[] = {
        [FILE_UNTOUCHABLE] = "untouchable",
        [FILE_PROTECTED] = "protected",
};

const char *mode_name(enum mode mode)
{
        return mode < MODE_N ? mode_names[mode] : "unknown";
}

const char *rung_name(enum rung rung)
{
        return rung < RUNG_N ? rung_names[rung] : "unknown";
}

const char *file_kind_name(enum file_kind kind)
{
        return kind < FILE_KIND_N ? file_kind_names[kind] : "unknown";
}

/* A pattern may leave ".service" out, also where it ends in a wildcard. */
static bool matches_unit(const char *pattern, const char *unit)
{
        char bare[AGENT_ID_MAX];

        if (text_glob(pattern, unit))
                return true;
        if (!text_ends(unit, ".service"))
                return false;
        text_copy(bare, sizeof(bare), unit);
        bare[strlen(bare) - strlen(".service")] = '\0';
        return text_glob(pattern, bare);
}

/*
 * `app` is "USER/NAME" or "USER/NAME@HOME". A pattern without '/' speaks of the name alone, so that "a*" does not mean all
 * apps of the user alice.
 */
static bool matches_app(const char *pattern, const char *app)
{
        char whole[AGENT_ID_MAX];
        char *home, *name;

        if (strchr(pattern, '/') && text_glob(pattern, app))
                return true;
        text_copy(whole, sizeof(whole), app);
        name = strchr(whole, '/');
        name = name ? name + 1 : whole;
        home = strstr(name, "@/");
        if (home && home != name)
                *home = '\0';
        if (strchr(pattern, '/') && text_glob(pattern, whole))
                return true;
        /* a name may hold a '/' itself: "@scope/app" */
        return (!strchr(pattern, '/') || strchr(name, '/')) && text_glob(pattern, name);
}

bool rule_matches(const struct rule *rule, const char *agent)
{
        if (agent_manager(agent) != rule->manager)
                return false;
        agent = strchr(agent, ':') + 1;
        return rule->manager == MANAGER_SYSTEMD ? matches_unit(rule->pattern, agent)
                                                : matches_app(rule->pattern, agent);
}

const struct rule *policy_rule(const struct policy *policy, const char *agent)
{
        for (unsigned i = 0; i < policy->rules_n; i++)
                if (rule_matches(&policy->rules[i], agent))
                        return &policy->rules[i];
        return policy->discovered && agent_manager(agent) != MANAGER_NONE ? &policy->fallback : NULL;
}

bool policy_wants(const struct policy *policy, const char *agent)
{
        for (unsigned i = 0; i < policy->rules_n; i++)
                if (rule_matches(&policy->rules[i], agent))
                        return true;
        return false;
}

bool policy_comes_after(const struct policy *policy, const struct rule *rule, const char *base)
{
        for (unsigned i = 0; i < rule->after_n; i++) {
                const struct rule *owner;

                if (agent_answers_to(base, rule->after[i]))
                        return true;
                owner = policy_rule(policy, base);
                if (owner && owner != rule && strcmp(owner->name, rule->after[i]) == 0)
                        return true;
        }
        return false;
}

/* The same words about the same thing: ".service" left out on both sides. */
static void bare_pattern(const struct rule *rule, char bare[AGENT_ID_MAX])
{
        text_copy(bare, AGENT_ID_MAX, rule->pattern);
        if (rule->manager == MANAGER_SYSTEMD && text_ends(bare, ".service"))
                bare[strlen(bare) - strlen(".service")] = '\0';
}

/*
 * With no wildcard but '*' in the wider pattern, matching the narrower one's text is proof: what stands for a wildcard there
 * falls under a '*' here. Otherwise only a pattern without wildcards can be proven to be covered.
 */
bool rule_covers(const struct rule *wide, const struct rule *narrow)
{
        char a[AGENT_ID_MAX], b[AGENT_ID_MAX];
        const char *about = b;

        if (wide->manager != narrow->manager)
                return false;
        bare_pattern(wide, a);
        bare_pattern(narrow, b);
        if (strcmp(a, b) == 0)
                return true;
        if (strpbrk(a, "?[\\") && strpbrk(b, "*?[\\"))
                return false;
        if (wide->manager == MANAGER_PM2 && strchr(b, '/')) {
                char *home = strstr(b, "@/");

                if (text_glob(a, b) && strchr(a, '/'))
                        return true;
                if (home && home != b)
                        *home = '\0';
                if (!strchr(a, '/') && strchr(b, '/')) /* the home may have held its only one */
                        about = strchr(b, '/') + 1;
        }
        return text_glob(a, about);
}

bool file_rule_excepts(const struct file_rule *rule, const char *path)
{
        for (unsigned i = 0; i < rule->except_n; i++)
                if (path_excepted(rule->except[i], path))
                        return true;
        return false;
}

static bool file_rule_matches(const struct file_rule *rule, const char *path)
{
        for (unsigned i = 0; i < rule->paths_n; i++)
                if (path_glob(rule->paths[i], path))
                        return !file_rule_excepts(rule, path);
        return false;
}

const struct file_rule *policy_file_rule(const struct policy *policy, const char *path)
{
        const struct file_rule *first = NULL;

        for (unsigned i = 0; i < policy->files_n; i++) {
                const struct file_rule *rule = &policy->files[i];

                if ((first && rule->kind != FILE_UNTOUCHABLE) || !file_rule_matches(rule, path))
                        continue;
                if (rule->kind == FILE_UNTOUCHABLE)
                        return rule;
                first = rule;
        }
        return first;
}

bool approval_is_by(const struct approval *approval, enum approver approver)
{
        for (unsigned i = 0; i < approval->by_n; i++)
                if (approval->by[i] == approver)
                        return true;
        return false;
}

bool policy_approves(const struct file_rule *rule, enum approver approver)
{
        return rule->kind == FILE_PROTECTED && approval_is_by(&rule->approve, approver);
}

const struct action_rule *policy_action(const struct policy *policy, const char *name)
{
        for (unsigned i = 0; i < policy->actions_n; i++)
                if (policy->actions[i].name && strcmp(policy->actions[i].name, name) == 0)
                        return &policy->actions[i];
        return NULL;
}
