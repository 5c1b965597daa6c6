#include "policy/looser.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/agent.h"
#include "base/decimal.h"
#include "base/text.h"
#include "policy/amount.h"
#include "policy/check.h"
#include "policy/meet.h"
#include "policy/sheet.h"

/* clang-format off */
static const struct {
        enum section section;
        const char *key;
        enum loosens how;
} rows[] = {
        { SECTION_TOP,       "mode",         LOOSENS_LOWERED },
        { SECTION_TOP,       "daemon",       LOOSENS_NEVER   },
        { SECTION_TOP,       "audit",        LOOSENS_NEVER   },
        { SECTION_TOP,       "machine",      LOOSENS_NEVER   },
        { SECTION_TOP,       "classes",      LOOSENS_NEVER   }, /* what rules take from them is compared */
        { SECTION_TOP,       "agents",       LOOSENS_NEVER   }, /* by examples: see compare_agents() */
        { SECTION_TOP,       "files",        LOOSENS_NEVER   }, /* by examples: see compare_files() */
        { SECTION_TOP,       "actions",      LOOSENS_NEVER   }, /* by name: see compare_actions() */
        { SECTION_TOP,       "alerts",       LOOSENS_GONE    },

        { SECTION_DAEMON,    "agents_max",   LOOSENS_LOWERED },
        { SECTION_DAEMON,    "pm2_homes",    LOOSENS_GONE    },
        { SECTION_AUDIT,     "retention",    LOOSENS_LOWERED },

        { SECTION_MACHINE,   "memory_floor", LOOSENS_LOWERED },
        { SECTION_MACHINE,   "cpu",          LOOSENS_NEVER   },
        { SECTION_MACHINE,   "actions",      LOOSENS_NEVER   },
        { SECTION_CPU,       "above",        LOOSENS_RAISED  },
        { SECTION_CPU,       "for",          LOOSENS_RAISED  },
        { SECTION_ACTIONS,   "at_most",      LOOSENS_CHANGED }, /* more is less restraint, fewer is less enforcement */
        { SECTION_ACTIONS,   "within",       LOOSENS_CHANGED },

        { SECTION_CLASS,     "memory",       LOOSENS_NEVER   },
        { SECTION_CLASS,     "cpu",          LOOSENS_NEVER   },
        { SECTION_MEMORY,    "budget",       LOOSENS_RAISED  },
        { SECTION_MEMORY,    "ceiling",      LOOSENS_RAISED  },
        { SECTION_MEMORY,    "of",           LOOSENS_LOWERED },
        { SECTION_CLASS_CPU, "above",        LOOSENS_RAISED  },
        { SECTION_CLASS_CPU, "for",          LOOSENS_RAISED  },
        { SECTION_CLASS_CPU, "quota",        LOOSENS_RAISED  },

        { SECTION_AGENT,     "name",         LOOSENS_NEVER   },
        { SECTION_AGENT,     "pm2",          LOOSENS_NEVER   },
        { SECTION_AGENT,     "systemd",      LOOSENS_NEVER   },
        { SECTION_AGENT,     "mode",         LOOSENS_LOWERED },
        { SECTION_AGENT,     "class",        LOOSENS_NEVER   }, /* its limits are compared */
        { SECTION_AGENT,     "critical",     LOOSENS_RAISED  }, /* a critical agent is slowed down, not quarantined */
        { SECTION_AGENT,     "after",        LOOSENS_ADDED   }, /* its failures may be the other's then */
        { SECTION_AGENT,     "cpu",          LOOSENS_NEVER   },
        { SECTION_AGENT,     "restarts",     LOOSENS_WINDOWS },
        { SECTION_AGENT,     "config",       LOOSENS_GONE    },
        { SECTION_AGENT,     "health",       LOOSENS_GONE    },
        { SECTION_AGENT,     "heartbeat",    LOOSENS_GONE    },
        { SECTION_AGENT,     "heal",         LOOSENS_NEVER   },
        { SECTION_AGENT_CPU, "above",        LOOSENS_RAISED  },
        { SECTION_AGENT_CPU, "for",          LOOSENS_RAISED  },
        { SECTION_AGENT_CPU, "quota",        LOOSENS_RAISED  },
        { SECTION_WINDOW,    "more_than",    LOOSENS_NEVER   }, /* the windows together: see window_holds() */
        { SECTION_WINDOW,    "within",       LOOSENS_NEVER   },
        { SECTION_HEALTH,    "http",         LOOSENS_CHANGED },
        { SECTION_HEALTH,    "every",        LOOSENS_RAISED  },
        { SECTION_HEALTH,    "timeout",      LOOSENS_RAISED  },
        { SECTION_HEALTH,    "failures",     LOOSENS_RAISED  },
        { SECTION_HEARTBEAT, "every",        LOOSENS_RAISED  },
        { SECTION_HEAL,      "ladder",       LOOSENS_CHANGED },
        { SECTION_HEAL,      "backoff",      LOOSENS_NEVER   },
        { SECTION_HEAL,      "trial_after",  LOOSENS_LOWERED },
        { SECTION_HEAL,      "proven_after", LOOSENS_LOWERED },
        { SECTION_BACKOFF,   "first",        LOOSENS_LOWERED },
        { SECTION_BACKOFF,   "most",         LOOSENS_LOWERED },

        { SECTION_FILES,     "name",         LOOSENS_NEVER   },
        { SECTION_FILES,     "rule",         LOOSENS_RAISED  }, /* untouchable, protected */
        { SECTION_FILES,     "mode",         LOOSENS_LOWERED },
        { SECTION_FILES,     "paths",        LOOSENS_NEVER   },
        { SECTION_FILES,     "except",       LOOSENS_ADDED   },
        { SECTION_FILES,     "approve",      LOOSENS_NEVER   },
        { SECTION_FILES,     "packages",     LOOSENS_RAISED  },
        { SECTION_FILES,     "folders",      LOOSENS_LOWERED },
        { SECTION_FILES,     "deny_opens",   LOOSENS_LOWERED },
        { SECTION_FILES,     "on_breach",    LOOSENS_LOWERED },
        { SECTION_APPROVE,   "by",           LOOSENS_ADDED   },
        { SECTION_APPROVE,   "within",       LOOSENS_RAISED  },
        { SECTION_APPROVE,   "phone_despite_root", LOOSENS_RAISED },

        { SECTION_ACTION,    "name",         LOOSENS_NEVER   }, /* of all of these see compare_actions() */
        { SECTION_ACTION,    "ask_above",    LOOSENS_NEVER   },
        { SECTION_ACTION,    "deny_above",   LOOSENS_NEVER   },
        { SECTION_ACTION,    "approve",      LOOSENS_NEVER   },
        { SECTION_ACTION_APPROVE, "by",      LOOSENS_NEVER   },
        { SECTION_ACTION_APPROVE, "within",  LOOSENS_NEVER   },
        { SECTION_ACTION_APPROVE, "phone_despite_root", LOOSENS_NEVER },

        { SECTION_ALERT,     "telegram",     LOOSENS_NEVER   }, /* a channel is the same or it is gone: see compare_alerts() */
        { SECTION_ALERT,     "webhook",      LOOSENS_NEVER   },
        { SECTION_TELEGRAM,  "chat",         LOOSENS_NEVER   },
        { SECTION_TELEGRAM,  "token",        LOOSENS_NEVER   },
        { SECTION_TELEGRAM,  "quiet",        LOOSENS_NEVER   },
        { SECTION_WEBHOOK,   "url",          LOOSENS_NEVER   },
        { SECTION_WEBHOOK,   "secret",       LOOSENS_NEVER   },
};
/* clang-format on */

enum loosens policy_loosens(enum section section, const char *key)
{
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].section == section && strcmp(rows[i].key, key) == 0)
                        return rows[i].how;
        return LOOSENS_UNSAID;
}

struct looser {
        struct sheet sheet;
        const struct loaded *before, *after;
        const char *about; /* "rule 'lily': ", "" for what there is one of */
};

/* ---- values ----------------------------------------------------------------------------------------------------------- */

static const struct node *unset_of(const struct loaded *loaded, const struct key *key)
{
        return loaded->unset[key - policy_keys];
}

/* Where the word stands in the row's list of words. */
static uint64_t word_place(const char *words, const char *word)
{
        size_t length = strlen(word);
        uint64_t place = 0;

        for (const char *at = words; *at; place++) {
                size_t n = strcspn(at, " ");

                if (n == length && strncmp(at, word, n) == 0)
                        break;
                at += n + (at[n] == ' ');
        }
        return place;
}

/* The value as a number that grows with it. The node has passed the check. */
static uint64_t number_of(const struct key *key, const struct node *node)
{
        uint64_t value = 0;

        switch (key->form) {
        case FORM_CHOICE: return word_place(key->most, node->text);
        case FORM_SWITCH: return node->text[0] == 't';
        case FORM_COUNT: return strtoul(node->text, NULL, 10);
        default: amount_read(key->form, node->text, &value); return value;
        }
}

/* A key that was not given and has no default: no limit, which is more than any for a limit and less than any for a floor. */
static uint64_t rank_of(const struct key *key, enum loosens how, const struct node *node)
{
        if (node)
                return number_of(key, node);
        return how == LOOSENS_RAISED ? UINT64_MAX : 0;
}

/* A value as the message shows it: in its largest unit, a list in brackets. */
static void value_shown(const struct key *key, const struct node *node, char *buffer, size_t size)
{
        char amount[AMOUNT_MAX], safe[128];
        uint64_t value;

        buffer[0] = '\0';
        if (!node) {
                text_append(buffer, size, "none");
        } else if (node->kind == NODE_LIST) {
                for (const struct node *at = node->first; at; at = at->next)
                        text_append(buffer, size, "%s%s", at == node->first ? "" : ", ", at->text);
        } else if (key->form == FORM_COUNT) {
                text_append(buffer, size, "%lu", strtoul(node->text, NULL, 10));
        } else if (key->least && amount_read(key->form, node->text, &value)) {
                text_append(buffer, size, "%s", amount_write(key->form, value, amount));
        } else {
                text_copy_safe(safe, sizeof(safe), node->text);
                text_append(buffer, size, "%s", safe);
        }
}

/* "heal.backoff." of a section, as people write the key. */
static const char *path_of(enum section section, char buffer[64])
{
        const char *path = policy_sections[section].path, *entry = strstr(path, "[]");

        if (entry)
                path = entry[2] ? entry + 3 : "";
        else if (text_starts(path, "classes.NAME"))
                path = path[strlen("classes.NAME")] ? path + strlen("classes.NAME.") : "";
        buffer[0] = '\0';
        text_append(buffer, 64, "%s%s", path, path[0] ? "." : "");
        return buffer;
}

static void tell_change(struct looser *looser, const struct key *key, const struct node *before,
                        const struct node *after)
{
        char path[64], was[256], is[256];

        value_shown(key, before, was, sizeof(was));
        value_shown(key, after, is, sizeof(is));
        sheet_print(&looser->sheet, "%s%s%s: %s -> %s\n", looser->about, path_of(key->section, path), key->name, was,
                    is);
}

static void tell_entry(struct looser *looser, const struct key *key, const char *entry, const char *what)
{
        char path[64], safe[512];

        text_copy_safe(safe, sizeof(safe), entry);
        sheet_print(&looser->sheet, "%s%s%s: %s %s\n", looser->about, path_of(key->section, path), key->name, what,
                    safe);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------- */

static bool has_entry(const struct node *list, const char *text)
{
        for (const struct node *at = list ? list->first : NULL; at; at = at->next)
                if (strcmp(at->text, text) == 0)
                        return true;
        return false;
}

static bool same_values(const struct key *key, const struct node *before, const struct node *after)
{
        const struct node *a, *b;

        if (!before || !after)
                return before == after;
        if (key->least)
                return number_of(key, before) == number_of(key, after);
        if (before->kind != NODE_LIST || after->kind != NODE_LIST)
                return before->kind == after->kind && strcmp(before->text, after->text) == 0;
        for (a = before->first, b = after->first; a && b && strcmp(a->text, b->text) == 0; a = a->next)
                b = b->next;
        return !a && !b;
}

static void compare_entries(struct looser *looser, const struct key *key, const struct node *had,
                            const struct node *has, const char *what)
{
        for (const struct node *at = had ? had->first : NULL; at; at = at->next)
                if (!has_entry(has, at->text))
                        tell_entry(looser, key, at->text, what);
}

/* What the window found too many is too many in a window that allows no more in no less time. */
static bool window_holds(const struct window *window, const struct rule *rule)
{
        for (unsigned i = 0; i < rule->restarts_n; i++)
                if (rule->restarts[i].more_than <= window->more_than && rule->restarts[i].within >= window->within)
                        return true;
        return false;
}

static void compare_windows(struct looser *looser, const struct rule *before, const struct rule *after)
{
        char within[AMOUNT_MAX];

        for (unsigned i = 0; i < before->restarts_n; i++)
                if (!window_holds(&before->restarts[i], after))
                        sheet_print(&looser->sheet, "%srestarts: more than %u within %s is not too many any more\n",
                                    looser->about, before->restarts[i].more_than,
                                    amount_write(FORM_DURATION, before->restarts[i].within, within));
}

static void compare_section(struct looser *looser, enum section section, const struct node *before,
                            const struct node *after);

/* One key with a value. */
static void compare_value(struct looser *looser, const struct key *key, enum loosens how, const struct node *before,
                          const struct node *after)
{
        switch (how) {
        case LOOSENS_RAISED:
                if (rank_of(key, how, after) > rank_of(key, how, before))
                        tell_change(looser, key, before, after);
                break;
        case LOOSENS_LOWERED:
                if (rank_of(key, how, after) < rank_of(key, how, before))
                        tell_change(looser, key, before, after);
                break;
        case LOOSENS_CHANGED:
                if (!same_values(key, before, after))
                        tell_change(looser, key, before, after);
                break;
        case LOOSENS_GONE: compare_entries(looser, key, before, after, "no longer"); break;
        case LOOSENS_ADDED: compare_entries(looser, key, after, before, "now also"); break;
        default: break;
        }
}

/* `before` and `after` hold the section's keys; NULL: none of them was given. */
static void compare_key(struct looser *looser, const struct key *key, const struct node *before,
                        const struct node *after)
{
        enum loosens how = policy_loosens(key->section, key->name);
        const struct node *was = before ? node_value(before, key->name) : NULL,
                          *is = after ? node_value(after, key->name) : NULL;

        if (key->form == FORM_SECTION) {
                if (how == LOOSENS_GONE && was && !is)
                        sheet_print(&looser->sheet, "%s%s: there is none any more\n", looser->about, key->name);
                else if (how != LOOSENS_GONE || (was && is))
                        compare_section(looser, key->sub, was, is);
                return;
        }
        compare_value(looser, key, how, was ? was : unset_of(looser->before, key),
                      is ? is : unset_of(looser->after, key));
}

static void compare_section(struct looser *looser, enum section section, const struct node *before,
                            const struct node *after)
{
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == section && strcmp(policy_keys[i].name, "mode") != 0)
                        compare_key(looser, &policy_keys[i], before, after);
}

static void compare_mode(struct looser *looser, enum mode before, enum mode after)
{
        if (after < before)
                sheet_print(&looser->sheet, "%smode: %s -> %s\n", looser->about, mode_name(before), mode_name(after));
}

/* ---- what there is one of --------------------------------------------------------------------------------------------- */

/* The lists of all files are one list. */
static bool has_in_all(const struct setting *settings, const char *text)
{
        for (; settings; settings = settings->next)
                if (has_entry(settings->key->value, text))
                        return true;
        return false;
}

static void compare_setting(struct looser *looser, const struct key *key)
{
        const struct setting *before = looser->before->settings[key - policy_keys],
                             *after = looser->after->settings[key - policy_keys];

        if (key->form == FORM_PATHS) {
                for (; before; before = before->next)
                        for (const struct node *at = before->key->value->first; at; at = at->next)
                                if (!has_in_all(after, at->text))
                                        tell_entry(looser, key, at->text, "no longer");
                return;
        }
        compare_value(looser, key, policy_loosens(key->section, key->name),
                      before ? before->key->value : unset_of(looser->before, key),
                      after ? after->key->value : unset_of(looser->after, key));
}

static void compare_settings(struct looser *looser)
{
        looser->about = "";
        compare_mode(looser, looser->before->policy.mode, looser->after->policy.mode);
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section > SECTION_TOP && policy_keys[i].section <= SECTION_ACTIONS &&
                    policy_keys[i].form != FORM_SECTION)
                        compare_setting(looser, &policy_keys[i]);
}

/* ---- agents ----------------------------------------------------------------------------------------------------------- */

/* Pairs of owners that were compared: an example more of the same two says nothing new. */
struct pairs {
        unsigned char *seen;
        unsigned columns;
};

static int pairs_init(struct pairs *pairs, unsigned before_n, unsigned after_n)
{
        *pairs = (struct pairs){ .columns = after_n + 1 };
        pairs->seen = calloc(1, ((size_t)before_n + 1) * (after_n + 1) / 8 + 1);
        return pairs->seen ? 0 : -ENOMEM;
}

static bool pairs_note(struct pairs *pairs, unsigned before, unsigned after)
{
        size_t place = (size_t)before * pairs->columns + after;
        bool seen = pairs->seen[place / 8] & (1U << place % 8);

        pairs->seen[place / 8] |= (unsigned char)(1U << place % 8);
        return !seen;
}

/* The rule's number; one past the last for the fallback of a discovered policy. */
static unsigned rule_number(const struct policy *policy, const struct rule *rule)
{
        return rule == &policy->fallback ? policy->rules_n : (unsigned)(rule - policy->rules);
}

static const struct node *rule_node(const struct loaded *loaded, const struct rule *rule)
{
        unsigned number = rule_number(&loaded->policy, rule);

        return number < loaded->policy.rules_n ? loaded->rule_nodes[number] : NULL;
}

/* The keys of the rule's class, NULL when it has none. */
static const struct node *class_node(const struct loaded *loaded, const struct rule *rule)
{
        for (const struct class *class = loaded->classes; class && rule->agent_class; class = class->next)
                if (strcmp(class->name, rule->class_name) == 0)
                        return class->key->value;
        return NULL;
}

/* The rule's own `cpu` or that of its class: both sections have the same keys. */
static const struct node *cpu_node(const struct loaded *loaded, const struct rule *rule)
{
        const struct node *node = rule_node(loaded, rule), *own = node ? node_value(node, "cpu") : NULL,
                          *class = class_node(loaded, rule);

        return own ? own : class ? node_value(class, "cpu") : NULL;
}

static const struct node *memory_node(const struct loaded *loaded, const struct rule *rule)
{
        const struct node *class = class_node(loaded, rule);

        return class ? node_value(class, "memory") : NULL;
}

static void compare_rules(struct looser *looser, const struct rule *before, const struct rule *after)
{
        const struct node *was = rule_node(looser->before, before), *is = rule_node(looser->after, after);

        compare_mode(looser, before->mode, after->mode);
        compare_windows(looser, before, after);
        compare_section(looser, SECTION_MEMORY, memory_node(looser->before, before), memory_node(looser->after, after));
        compare_section(looser, SECTION_AGENT_CPU, cpu_node(looser->before, before), cpu_node(looser->after, after));
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == SECTION_AGENT && strcmp(policy_keys[i].name, "mode") != 0 &&
                    strcmp(policy_keys[i].name, "cpu") != 0)
                        compare_key(looser, &policy_keys[i], was, is);
}

/* Who owns this agent under the one policy and under the other. */
static void compare_agent(struct looser *looser, struct pairs *pairs, const char *agent)
{
        const struct policy *old = &looser->before->policy, *new = &looser->after->policy;
        const struct rule *before = policy_rule(old, agent), *after = policy_rule(new, agent);
        char about[160];

        if (!before || !pairs_note(pairs, rule_number(old, before), after ? rule_number(new, after) : new->rules_n))
                return;
        snprintf(about, sizeof(about), "rule '%.64s': ", before->name);
        looser->about = about;
        if (after)
                compare_rules(looser, before, after);
        else
                sheet_print(&looser->sheet, "%sits agents, such as those of '%s', are not governed any more\n", about,
                            before->pattern);
        looser->about = "";
}

/* The rule's pattern as one of whole ids. A name of an app is that of any user's; it may hold a '/' itself, so both are tried. */
static void whole_pattern(const struct rule *rule, bool any_user, char ret[MEET_MAX])
{
        const char *pattern = rule->pattern;

        ret[0] = '\0';
        if (rule->manager == MANAGER_SYSTEMD)
                text_append(ret, MEET_MAX, "systemd:%s%s", pattern, text_ends(pattern, ".service") ? "" : ".service");
        else
                text_append(ret, MEET_MAX, "pm2:%s%s", any_user ? "*/" : "", pattern);
}

static void compare_owners(struct looser *looser, struct pairs *pairs, const char *pattern, const struct policy *after)
{
        char other[MEET_MAX], example[MEET_MAX];

        if (pattern_example(PATTERN_TEXT, pattern, false, example))
                compare_agent(looser, pairs, example);
        for (unsigned i = 0; i < 2 * after->rules_n; i++) {
                whole_pattern(&after->rules[i / 2], i % 2, other);
                if (patterns_meet(PATTERN_TEXT, pattern, other, example))
                        compare_agent(looser, pairs, example);
        }
}

static int compare_agents(struct looser *looser)
{
        const struct policy *before = &looser->before->policy, *after = &looser->after->policy;
        char pattern[MEET_MAX];
        struct pairs pairs;
        int r = pairs_init(&pairs, before->rules_n + 1, after->rules_n + 1);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < 2 * before->rules_n; i++) {
                whole_pattern(&before->rules[i / 2], i % 2, pattern);
                compare_owners(looser, &pairs, pattern, after);
        }
        if (before->discovered && !after->discovered)
                sheet_print(&looser->sheet, "agents: what no rule matches is not discovered any more\n");
        free(pairs.seen);
        return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static void compare_file_rules(struct looser *looser, const struct file_rule *before, const struct file_rule *after)
{
        const struct node *was = looser->before->file_nodes[before - looser->before->policy.files],
                          *is = looser->after->file_nodes[after - looser->after->policy.files];

        compare_mode(looser, before->mode, after->mode);
        for (unsigned i = 0; i < policy_keys_n; i++) {
                const struct key *key = &policy_keys[i];

                if (key->section != SECTION_FILES || strcmp(key->name, "mode") == 0)
                        continue;
                if (key->sub == SECTION_APPROVE && (before->kind != FILE_PROTECTED || after->kind != FILE_PROTECTED))
                        continue; /* nobody approves changes of untouchable files */
                compare_key(looser, key, was, is);
        }
}

/* Who owns this file under the one policy and under the other; the old one's owner when it has none any more. */
static const struct file_rule *compare_file(struct looser *looser, struct pairs *pairs, const char *path)
{
        const struct policy *old = &looser->before->policy, *new = &looser->after->policy;
        const struct file_rule *before = policy_file_rule(old, path), *after = policy_file_rule(new, path);
        char about[160];

        if (!before || !after)
                return before;
        if (!pairs_note(pairs, (unsigned)(before - old->files), (unsigned)(after - new->files)))
                return NULL;
        snprintf(about, sizeof(about), "file rule '%.64s': ", before->name);
        looser->about = about;
        compare_file_rules(looser, before, after);
        looser->about = "";
        return NULL;
}

/* By every pattern of the new policy the old one's files may be cut in two. */
static void compare_path(struct looser *looser, struct pairs *pairs, const char *path, const struct policy *after)
{
        const struct file_rule *lost = NULL, *now;
        char example[MEET_MAX], safe[512];

        for (int deep = 0; deep < 2; deep++)
                if (pattern_example(PATTERN_PATH, path, deep, example)) {
                        now = compare_file(looser, pairs, example);
                        lost = now ? now : lost;
                }
        for (unsigned i = 0; i < after->files_n; i++) {
                const struct file_rule *rule = &after->files[i];

                for (unsigned n = 0; n < rule->paths_n; n++)
                        if (patterns_meet(PATTERN_PATH, path, rule->paths[n], example)) {
                                now = compare_file(looser, pairs, example);
                                lost = now ? now : lost;
                        }
        }
        text_copy_safe(safe, sizeof(safe), path);
        if (lost)
                sheet_print(&looser->sheet, "file rule '%.64s': paths: not all of %s is guarded any more\n", lost->name,
                            safe);
}

static int compare_files(struct looser *looser)
{
        const struct policy *before = &looser->before->policy, *after = &looser->after->policy;
        struct pairs pairs;
        int r = pairs_init(&pairs, before->files_n, after->files_n);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < before->files_n; i++)
                for (unsigned n = 0; n < before->files[i].paths_n; n++)
                        compare_path(looser, &pairs, before->files[i].paths[n], after);
        free(pairs.seen);
        return 0;
}

/* ---- actions ---------------------------------------------------------------------------------------------------------- */

static const struct amount_limit *limit_of(const struct amount_limit *limits, unsigned n, const char *name)
{
        for (unsigned i = 0; i < n; i++)
                if (strcmp(limits[i].name, name) == 0)
                        return &limits[i];
        return NULL;
}

/* One limit less is one thing less that is too much. */
static void compare_limits(struct looser *looser, const char *action, const char *key,
                           const struct amount_limit *before, unsigned before_n, const struct amount_limit *after,
                           unsigned after_n)
{
        for (unsigned i = 0; i < before_n; i++) {
                const struct amount_limit *now = limit_of(after, after_n, before[i].name);
                char was[DECIMAL_TEXT_MAX], is[DECIMAL_TEXT_MAX];

                if (now && now->millionths <= before[i].millionths)
                        continue;
                sheet_print(&looser->sheet, "action '%.64s': %s: %s was %s, is %s\n", action, key, before[i].name,
                            decimal_text(before[i].millionths, was),
                            now ? decimal_text(now->millionths, is) : "without a limit");
        }
}

static void compare_approvals(struct looser *looser, const char *action, const struct approval *before,
                              const struct approval *after)
{
        if (!approval_is_by(before, APPROVER_PHONE) && approval_is_by(after, APPROVER_PHONE))
                sheet_print(&looser->sheet, "action '%.64s': approve: a phone may approve it now\n", action);
        if (!approval_is_by(before, APPROVER_KEY) && approval_is_by(after, APPROVER_KEY))
                sheet_print(&looser->sheet, "action '%.64s': approve: a key may approve it now\n", action);
        if (after->within > before->within)
                sheet_print(&looser->sheet, "action '%.64s': approve: there is more time for it\n", action);
}

static void compare_action(struct looser *looser, const struct action_rule *before, const struct action_rule *after)
{
        /* without ask_above a human is asked each time */
        if (before->ask_above_n == 0 && after->ask_above_n > 0)
                sheet_print(&looser->sheet, "action '%.64s': a human is not asked each time any more\n", after->name);
        if (after->ask_above_n > 0)
                compare_limits(looser, after->name, "ask_above", before->ask_above, before->ask_above_n,
                               after->ask_above, after->ask_above_n);
        compare_limits(looser, after->name, "deny_above", before->deny_above, before->deny_above_n, after->deny_above,
                       after->deny_above_n);
        compare_approvals(looser, after->name, &before->approve, &after->approve);
}

/* Actions that no rule names are denied. */
static void compare_actions(struct looser *looser)
{
        const struct policy *old = &looser->before->policy, *new = &looser->after->policy;

        for (unsigned i = 0; i < new->actions_n; i++) {
                const struct action_rule *before = policy_action(old, new->actions[i].name);

                if (before)
                        compare_action(looser, before, &new->actions[i]);
                else
                        sheet_print(&looser->sheet, "action '%.64s': was denied, and may be asked for now\n",
                                    new->actions[i].name);
        }
}

/* ---- alerts ----------------------------------------------------------------------------------------------------------- */

static bool same_tree(const struct node *a, const struct node *b)
{
        if (!a || !b)
                return a == b;
        if (a->kind != b->kind || (a->kind == NODE_SCALAR && strcmp(a->text, b->text) != 0))
                return false;
        return same_tree(a->value, b->value) && same_tree(a->first, b->first) && same_tree(a->next, b->next);
}

/* Whether the channel is there as it was, to the order of its keys. */
static bool has_channel(const struct setting *settings, const struct node *channel)
{
        for (; settings; settings = settings->next)
                for (const struct node *at = settings->key->value->first; at; at = at->next)
                        if (same_tree(channel->first, at->first))
                                return true;
        return false;
}

static void compare_alerts(struct looser *looser)
{
        const struct key *key = key_find(SECTION_TOP, "alerts");
        const struct setting *after = looser->after->settings[key - policy_keys];

        for (const struct setting *at = looser->before->settings[key - policy_keys]; at; at = at->next)
                for (const struct node *channel = at->key->value->first; channel; channel = channel->next)
                        if (!has_channel(after, channel))
                                sheet_print(&looser->sheet, "alerts: a %s channel is gone or another than it was\n",
                                            channel->first ? channel->first->text : "");
}

int policy_looser(const struct policy *before, const struct policy *after, char **ret)
{
        struct looser looser = {
                .before = (const struct loaded *)before,
                .after = (const struct loaded *)after,
        };
        char *text = NULL;
        int r;

        compare_settings(&looser);
        r = compare_agents(&looser);
        if (r >= 0)
                r = compare_files(&looser);
        compare_actions(&looser);
        compare_alerts(&looser);
        if (sheet_finish(&looser.sheet, &text) < 0)
                return -ENOMEM;
        if (r < 0)
                free(text);
        else
                *ret = text;
        return r;
}
