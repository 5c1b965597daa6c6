/* What only shows when all files are read: modes, classes, the order of healing, rules that never match. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "policy/check.h"
#include "policy/guarded.h"
#include "policy/match.h"

#define SHOWN_MAX 64

static const struct node *value_of(const struct rule_entry *entry, const char *key)
{
        return node_value(entry->node, key);
}

/* The enum value behind a checked `mode:` key. */
static enum mode mode_of(const struct node *key)
{
        return key && key->value && key->value->kind == NODE_SCALAR && strcmp(key->value->text, "enforce") == 0
                       ? MODE_ENFORCE
                       : MODE_OBSERVE;
}

static void settle_mode(const struct loaded *loaded, const struct node *node, enum mode *mode)
{
        const struct source *source = node->place.source;

        if (!node_value(node, "mode"))
                *mode = mode_of(source->mode ? source->mode : loaded->mode);
}

static void settle_class(struct check *check, struct rule_entry *entry)
{
        const struct node *wanted = value_of(entry, "class");
        const struct class *near = NULL;
        unsigned least = 3;

        if (!wanted || !entry->rule.class_name)
                return;
        for (const struct class *class = check->loaded->classes; class; class = class->next) {
                unsigned distance = text_distance(class->name, entry->rule.class_name, 3);

                if (distance == 0) {
                        entry->rule.agent_class = true;
                        entry->rule.memory = class->memory;
                        if (!value_of(entry, "cpu"))
                                entry->rule.cpu = class->cpu;
                        return;
                }
                if (distance < least)
                        near = class, least = distance;
        }
        if (near)
                complain(&check->complaints, &wanted->place, "there is no class '%s'; did you mean '%s'?",
                         entry->rule.class_name, near->name);
        else
                complain(&check->complaints, &wanted->place, "there is no class '%s': 'classes' has to define it",
                         entry->rule.class_name);
}

/* All apps of a PM2 live in one control group. */
static void check_quota(struct check *check, const struct rule_entry *entry)
{
        const struct node *own = value_of(entry, "cpu"), *wanted = value_of(entry, "class");

        if (entry->rule.manager == MANAGER_PM2 && entry->rule.cpu.quota_percent > 0)
                warn_of(&check->complaints, own ? &own->place : &wanted->place,
                        "quota is for systemd services: PM2 apps share one control group; give it a unit of its own "
                        "(govctl limits NAME says how)");
}

static const char *settle_name(struct check *check, struct rule_entry *entry)
{
        char name[AGENT_ID_MAX + 16] = "";

        if (entry->rule.name || !entry->rule.pattern)
                return entry->rule.name;
        text_append(name, sizeof(name), "%s:%s", manager_name(entry->rule.manager), entry->rule.pattern);
        return arena_text(check->arena, name, strlen(name));
}

/* Which of the first `n` rules has this name. */
static const struct rule_entry *named(const struct loaded *loaded, const char *name, const struct rule_entry *end)
{
        for (const struct rule_entry *at = loaded->entries; at != end; at = at->next)
                if (at->rule.name && strcmp(at->rule.name, name) == 0)
                        return at;
        return NULL;
}

static void check_name(struct check *check, const struct rule_entry *entry)
{
        const struct node *name = value_of(entry, "name");
        const struct rule_entry *other;

        if (!name || !entry->rule.name)
                return;
        other = named(check->loaded, entry->rule.name, entry);
        if (other)
                complain(&check->complaints, &name->place, "a rule is called '%s' already (%s:%u)", entry->rule.name,
                         other->rule.origin.file, other->rule.origin.line);
}

static void check_covered(struct check *check, const struct rule_entry *entry)
{
        const struct node *pattern = value_of(entry, entry->rule.manager == MANAGER_PM2 ? "pm2" : "systemd");

        if (!entry->rule.pattern || !pattern)
                return;
        for (const struct rule_entry *at = check->loaded->entries; at != entry; at = at->next)
                if (at->rule.pattern && rule_covers(&at->rule, &entry->rule)) {
                        warn_of(&check->complaints, &pattern->place,
                                "this rule never matches: '%s' (%s:%u) comes first and matches the same agents",
                                at->rule.name, at->rule.origin.file, at->rule.origin.line);
                        return;
                }
}

/* A rollback puts back what 'config' declares. */
static void check_rollback(struct check *check, const struct rule_entry *entry)
{
        const struct node *heal = value_of(entry, "heal"), *ladder = heal ? node_value(heal, "ladder") : NULL;
        const struct node *rung = ladder ? ladder->first : NULL;

        for (unsigned i = 0; rung && i < entry->rule.heal.ladder_n; i++, rung = rung->next)
                if (entry->rule.heal.ladder[i] == RUNG_ROLLBACK && entry->rule.config_n == 0)
                        warn_of(&check->complaints, &rung->place,
                                "'rollback' is skipped: the rule has no 'config' that could be put back");
}

/* The rule that a word in `after` means: by name, else the first whose pattern an agent of that name would match. */
static const struct rule_entry *meant(const struct loaded *loaded, const char *word)
{
        char id[AGENT_ID_MAX];
        const struct rule_entry *rule = named(loaded, word, NULL);

        for (const struct rule_entry *at = loaded->entries; at && !rule; at = at->next) {
                if (!at->rule.pattern)
                        continue;
                id[0] = '\0';
                if (agent_manager(word) != MANAGER_NONE)
                        text_copy(id, sizeof(id), word);
                else if (at->rule.manager == MANAGER_PM2)
                        text_append(id, sizeof(id), "pm2:%s%s", strchr(word, '/') ? "" : "USER/", word);
                else
                        text_append(id, sizeof(id), "systemd:%s%s", word,
                                    text_ends(word, ".service") ? "" : ".service");
                if (rule_matches(&at->rule, id))
                        rule = at;
                /* "root/lily" in the pattern, "lily" in `after` */
                if (!rule && at->rule.manager == MANAGER_PM2 && strchr(at->rule.pattern, '/')) {
                        id[0] = '\0';
                        text_append(id, sizeof(id), "pm2:%s", at->rule.pattern);
                        if (agent_answers_to(id, word))
                                rule = at;
                }
        }
        return rule;
}

static void check_after(struct check *check, const struct rule_entry *entry)
{
        const struct node *after = value_of(entry, "after");

        for (const struct node *at = after ? after->first : NULL; at; at = at->next) {
                const struct rule_entry *near = NULL;
                unsigned least = 3;
                char shown[SHOWN_MAX];

                if (at->kind != NODE_SCALAR || meant(check->loaded, at->text))
                        continue;
                text_copy_safe(shown, sizeof(shown), at->text);
                for (const struct rule_entry *other = check->loaded->entries; other; other = other->next)
                        if (other->rule.name && other != entry &&
                            text_distance(other->rule.name, at->text, 3) < least) {
                                near = other;
                                least = text_distance(other->rule.name, at->text, 3);
                        }
                complain(&check->complaints, &at->place,
                         "after names '%s', which no rule is called and no pattern matches%s%s%s", shown,
                         near ? "; did you mean '" : "", near ? near->rule.name : "", near ? "'?" : "");
        }
}

/* ---- cycles --------------------------------------------------------------------------------------------------------- */

enum colour {
        WHITE, /* not seen */
        GREY,  /* on the path */
        BLACK, /* leads to no cycle */
};

struct step {
        const struct rule_entry *entry;
        const struct node *next; /* the word in `after` to follow */
};

struct walk {
        struct check *check;
        struct step *path;
        unsigned depth;
        unsigned char *colours;
        const struct rule_entry **entries; /* by index */
};

static unsigned index_of(const struct walk *walk, const struct rule_entry *entry)
{
        unsigned i = 0;

        while (walk->entries[i] != entry)
                i++;
        return i;
}

static void complain_of_cycle(struct walk *walk, const struct rule_entry *to, const struct node *word)
{
        char path[400] = "";
        unsigned start = walk->depth - 1;

        while (walk->path[start].entry != to)
                start--;
        for (unsigned i = start; i < walk->depth; i++)
                text_append(path, sizeof(path), "'%s' after ", walk->path[i].entry->rule.name);
        text_append(path, sizeof(path), "'%s'", to->rule.name);
        complain(&walk->check->complaints, &word->place, "after goes in a circle: %s", path);
}

static void push(struct walk *walk, const struct rule_entry *entry)
{
        const struct node *after = value_of(entry, "after");

        walk->path[walk->depth++] = (struct step){ entry, after ? after->first : NULL };
        walk->colours[index_of(walk, entry)] = GREY;
}

/* A pattern may match an agent and the one it comes after: that is no circle, the judge passes over the agent itself. */
static bool is_own_pattern(const struct rule_entry *entry, const struct node *word)
{
        return entry->rule.pattern && strpbrk(entry->rule.pattern, "*?[") && strcmp(entry->rule.name, word->text) != 0;
}

static void walk_from(struct walk *walk, const struct rule_entry *entry)
{
        push(walk, entry);
        while (walk->depth > 0) {
                struct step *top = &walk->path[walk->depth - 1];
                const struct node *word = top->next;
                const struct rule_entry *to;

                if (!word) {
                        walk->colours[index_of(walk, top->entry)] = BLACK;
                        walk->depth--;
                        continue;
                }
                top->next = word->next;
                to = word->kind == NODE_SCALAR ? meant(walk->check->loaded, word->text) : NULL;
                if (!to || (to == top->entry && is_own_pattern(to, word)))
                        continue;
                if (walk->colours[index_of(walk, to)] == GREY)
                        complain_of_cycle(walk, to, word);
                else if (walk->colours[index_of(walk, to)] == WHITE)
                        push(walk, to);
        }
}

static int check_cycles(struct check *check)
{
        unsigned n = check->loaded->entries_n, i = 0;
        struct policy_arena *arena = check->complaints.arena;
        struct walk walk = {
                .check = check,
                .path = arena_take(arena, (n + 1) * sizeof(*walk.path)),
                .colours = arena_take(arena, n + 1),
                .entries = arena_take(arena, (n + 1) * sizeof(*walk.entries)),
        };

        if (arena_failed(arena))
                return -ENOMEM;
        for (const struct rule_entry *entry = check->loaded->entries; entry; entry = entry->next)
                walk.entries[i++] = entry;
        for (i = 0; i < n; i++)
                if (walk.colours[i] == WHITE && walk.entries[i]->rule.pattern && walk.entries[i]->rule.name)
                        walk_from(&walk, walk.entries[i]);
        return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

static bool was_cut(const struct loaded *loaded)
{
        for (const struct source *source = loaded->sources; source; source = source->next)
                if (source->cut)
                        return true;
        return false;
}

static int flatten_files(struct loaded *loaded)
{
        struct policy *policy = &loaded->policy;
        unsigned i = 0;

        policy->files = arena_take(policy->arena, (loaded->files_n + 1) * sizeof(*policy->files));
        loaded->file_nodes = arena_take(policy->arena, (loaded->files_n + 1) * sizeof(*loaded->file_nodes));
        if (!policy->files || !loaded->file_nodes)
                return -ENOMEM;
        for (const struct file_entry *entry = loaded->files; entry; entry = entry->next, i++) {
                policy->files[i] = entry->rule;
                loaded->file_nodes[i] = entry->node;
        }
        policy->files_n = i;
        return 0;
}

static int flatten(struct loaded *loaded)
{
        struct policy *policy = &loaded->policy;
        unsigned i = 0;

        policy->rules = arena_take(policy->arena, (loaded->entries_n + 1) * sizeof(*policy->rules));
        loaded->rule_nodes = arena_take(policy->arena, (loaded->entries_n + 1) * sizeof(*loaded->rule_nodes));
        if (!policy->rules || !loaded->rule_nodes)
                return -ENOMEM;
        for (const struct rule_entry *entry = loaded->entries; entry; entry = entry->next, i++) {
                policy->rules[i] = entry->rule;
                loaded->rule_nodes[i] = entry->node;
        }
        policy->rules_n = i;
        return flatten_files(loaded);
}

/* The rules are compared in pairs: more of them than agents can be governed are not meant. */
#define RULES_MAX 4096

static int settle_actions(struct check *check)
{
        struct loaded *loaded = check->loaded;
        struct policy *policy = &loaded->policy;

        if (loaded->actions_n > POLICY_ACTIONS_MAX) {
                complain(&check->complaints, &loaded->actions->node->place, "%u action rules; at most %d",
                         loaded->actions_n, POLICY_ACTIONS_MAX);
                return 0;
        }
        policy->actions = arena_take(policy->arena, (loaded->actions_n + 1) * sizeof(*policy->actions));
        if (!policy->actions)
                return -ENOMEM;
        for (const struct action_entry *entry = loaded->actions; entry; entry = entry->next) {
                const struct action_rule *other = entry->rule.name ? policy_action(policy, entry->rule.name) : NULL;

                if (other)
                        complain(&check->complaints, &entry->node->place, "there is a rule for '%s' already (%s:%u)",
                                 other->name, other->origin.file, other->origin.line);
                policy->actions[policy->actions_n++] = entry->rule;
        }
        return 0;
}

int check_together(struct check *check)
{
        struct loaded *loaded = check->loaded;
        int r;

        for (const struct source *source = loaded->sources; source; source = source->next)
                if (source->config && source->mode)
                        loaded->mode = source->mode;
        loaded->policy.mode = mode_of(loaded->mode);
        loaded->policy.discovered = !loaded->has_agents;
        if (loaded->policy.discovered && loaded->policy.mode == MODE_ENFORCE)
                warn_of(&check->complaints, &loaded->mode->place,
                        "no file has 'agents': what looks like an agent is discovered, and observed only");
        if (loaded->entries_n > RULES_MAX) {
                complain(&check->complaints, &loaded->entries->node->place, "%u rules; at most %d", loaded->entries_n,
                         RULES_MAX);
                return 0;
        }
        for (struct rule_entry *entry = loaded->entries; entry; entry = entry->next) {
                settle_mode(loaded, entry->node, &entry->rule.mode);
                check_name(check, entry);
                entry->rule.name = settle_name(check, entry);
                if (!was_cut(loaded)) {
                        settle_class(check, entry);
                        check_quota(check, entry);
                }
        }
        for (const struct rule_entry *entry = loaded->entries; entry; entry = entry->next) {
                check_covered(check, entry);
                check_rollback(check, entry);
                if (!was_cut(loaded))
                        check_after(check, entry);
        }
        for (struct file_entry *entry = loaded->files; entry; entry = entry->next)
                settle_mode(loaded, entry->node, &entry->rule.mode);
        if (!was_cut(loaded))
                check_guarded(check);
        r = check_cycles(check);
        if (r >= 0)
                r = settle_actions(check);
        return r < 0 ? r : flatten(loaded);
}
