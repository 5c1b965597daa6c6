#include "policy/check.h"

#include <errno.h>
#include <string.h>

#include "base/decimal.h"
#include "base/text.h"
#include "policy/value.h"

#define SHOWN_MAX 64

static void check_section(struct check *check, enum section section, const struct node *node, void *base);

static unsigned row_of(const struct key *key)
{
        return (unsigned)(key - policy_keys);
}

/* Sections that exist once: their values are settings, and a later file may replace them. */
static bool is_single(enum section section)
{
        return section <= SECTION_ACTIONS;
}

static void note_setting(struct check *check, const struct key *key, const struct node *node)
{
        struct setting **at = &check->loaded->settings[row_of(key)], *setting;
        bool grows = key->form == FORM_SECTIONS || key->form == FORM_PATHS || key->form == FORM_NAMED ||
                     key->form == FORM_SECTION;

        setting = arena_take(check->arena, sizeof(*setting));
        if (!setting)
                return;
        setting->key = node;
        while (grows && *at)
                at = &(*at)->next;
        setting->next = *at;
        *at = setting;
}

/* One warning a key and file, at its first place, with the number of the others. */
static void note_not_yet(struct check *check, const struct key *key, const struct node *node)
{
        struct not_yet *not_yet = &check->not_yet[row_of(key)];

        if (not_yet->n++ == 0)
                not_yet->first = node;
}

static void tell_not_yet(struct check *check)
{
        for (unsigned i = 0; i < policy_keys_n; i++) {
                struct not_yet *not_yet = &check->not_yet[i];

                if (not_yet->n == 1)
                        warn_of(&check->complaints, &not_yet->first->place, "'%s' is checked, not acted on yet",
                                policy_keys[i].name);
                else if (not_yet->n > 1)
                        warn_of(&check->complaints, &not_yet->first->place,
                                "'%s' is checked, not acted on yet (%u times in this file)", policy_keys[i].name,
                                not_yet->n);
                *not_yet = (struct not_yet){ 0 };
        }
}

static void complain_of_missing(struct check *check, enum section section, const struct node *node)
{
        unsigned either = 0;
        char names[64] = "";

        for (unsigned i = 0; i < policy_keys_n; i++) {
                const struct key *key = &policy_keys[i];

                if (key->section != section)
                        continue;
                if ((key->flags & KEY_REQUIRED) && !node_value(node, key->name))
                        complain(&check->complaints, &node->place, "%s lacks '%s'", policy_sections[section].noun,
                                 key->name);
                if (!(key->flags & KEY_EITHER))
                        continue;
                text_append(names, sizeof(names), "%s'%s'", names[0] ? " or " : "", key->name);
                if (node_value(node, key->name) && either++ > 0)
                        complain(&check->complaints, &node->place, "%s has %s, not both", policy_sections[section].noun,
                                 names);
        }
        if (names[0] && either == 0)
                complain(&check->complaints, &node->place, "%s needs %s", policy_sections[section].noun, names);
}

/* The most helpful of: a near name here, the place where the key belongs, all names there are. */
static void complain_of_stranger(struct check *check, enum section section, const struct node *node)
{
        char shown[SHOWN_MAX], known[400] = "";
        const struct key *near = NULL, *elsewhere = NULL;
        unsigned least = (unsigned)strlen(node->text) / 3 + 1;

        text_copy_safe(shown, sizeof(shown), node->text);
        if (strcmp(node->text, "<<") == 0) {
                complain(&check->complaints, &node->place,
                         "merge keys ('<<') are not used in a policy: write the keys out");
                return;
        }
        least = least > 4 ? 4 : least + (least < 2);
        for (unsigned i = 0; i < policy_keys_n; i++) {
                const struct key *key = &policy_keys[i];

                if (key->section == section) {
                        unsigned distance = text_distance(node->text, key->name, least);

                        if (distance < least)
                                near = key, least = distance;
                        text_append(known, sizeof(known), "%s%s", known[0] ? ", " : "", key->name);
                } else if (strcmp(key->name, node->text) == 0)
                        elsewhere = elsewhere ? elsewhere : key;
        }
        if (near)
                complain(&check->complaints, &node->place, "unknown key '%s'; did you mean '%s'?", shown, near->name);
        else if (elsewhere)
                complain(&check->complaints, &node->place, "'%s' is not a key of %s; it belongs %s%s", shown,
                         policy_sections[section].noun, elsewhere->section == SECTION_TOP ? "at the top" : "in ",
                         policy_sections[elsewhere->section].path);
        else
                complain(&check->complaints, &node->place, "unknown key '%s'; %s has: %s", shown,
                         policy_sections[section].noun, known);
        if (near && near->form == FORM_CREDENTIAL && node->value && node->value->kind == NODE_SCALAR)
                value_check(check, near, node->value, NULL); /* blots a secret under a misspelt key */
}

static const struct node *earlier_key(const struct node *mapping, const struct node *key)
{
        for (const struct node *at = mapping->first; at != key; at = at->next)
                if (at->kind == NODE_SCALAR && strcmp(at->text, key->text) == 0)
                        return at;
        return NULL;
}

/* Whether the key can be looked at: one word, with a value, here for the first time. */
static bool is_usable(struct check *check, const struct node *mapping, const struct node *key)
{
        const struct node *earlier;
        char shown[SHOWN_MAX];

        if (key->kind != NODE_SCALAR)
                return false;
        earlier = earlier_key(mapping, key);
        if (earlier) {
                text_copy_safe(shown, sizeof(shown), key->text);
                complain(&check->complaints, &key->place, "'%s' is given twice; first on line %u", shown,
                         earlier->place.line);
        }
        return !earlier && key->value;
}

static bool is_mapping(struct check *check, const struct key *key, const struct node *node)
{
        if (node->kind == NODE_SCALAR && node->text[0] == '\0' && !node->quoted)
                complain(&check->complaints, &node->place, "%s has no value", key->name);
        else if (node->kind == NODE_SCALAR)
                complain(&check->complaints, &node->place, "%s holds keys of its own, not a value", key->name);
        else if (node->kind == NODE_LIST)
                complain(&check->complaints, &node->place, "%s holds keys of its own, not a list", key->name);
        return node->kind == NODE_MAPPING;
}

static bool is_list(struct check *check, const struct key *key, const struct node *node)
{
        if (node->kind == NODE_SCALAR && node->text[0] == '\0' && !node->quoted)
                complain(&check->complaints, &node->place, "%s has no value", key->name);
        else if (node->kind == NODE_SCALAR || node->kind == NODE_MAPPING)
                complain(&check->complaints, &node->place, "%s is a list: begin each entry with '- '", key->name);
        return node->kind == NODE_LIST;
}

static void check_windows(struct check *check, const struct key *key, const struct node *node, void *base)
{
        struct rule *rule = base;
        const struct window *last = NULL;

        if (!is_list(check, key, node))
                return;
        rule->restarts_n = 0;
        if (!node->first)
                complain(&check->complaints, &node->place, "%s is empty", key->name);
        for (const struct node *at = node->first; at; at = at->next) {
                struct window window = { 0 };
                size_t errors = check->complaints.errors;

                if (rule->restarts_n == POLICY_WINDOWS_MAX) {
                        complain(&check->complaints, &at->place, "%s has more than %d windows", key->name,
                                 POLICY_WINDOWS_MAX);
                        return;
                }
                if (!is_mapping(check, key, at))
                        continue;
                check_section(check, SECTION_WINDOW, at, &window);
                if (check->complaints.errors > errors)
                        continue;
                if (last && window.within <= last->within)
                        complain(&check->complaints, &at->place,
                                 "windows go from short to long: this one is not longer than the one before");
                else if (last && window.more_than <= last->more_than)
                        complain(&check->complaints, &at->place,
                                 "more than %u in this longer window makes the one before (more than %u) useless",
                                 window.more_than, last->more_than);
                rule->restarts[rule->restarts_n] = window;
                last = &rule->restarts[rule->restarts_n++];
        }
}

static bool is_amount_name(const char *name)
{
        size_t length = strlen(name);

        return length > 0 && length <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

/* One `usd: 1000`. */
static void check_amount_limit(struct check *check, const struct key *key, const struct node *node,
                               struct amount_limit *ret)
{
        const struct node *value = node->value;
        char shown[SHOWN_MAX];

        ret->name = node->text;
        if (!is_amount_name(node->text))
                complain(&check->complaints, &node->place,
                         "the name of a parameter in %s has 1 to 32 of: a-z, 0-9 and _", key->name);
        else if (value->kind == NODE_LIST || value->kind == NODE_MAPPING)
                complain(&check->complaints, &value->place, "%s is one number", node->text);
        else if (value->kind == NODE_SCALAR && (!decimal_read(value->text, &ret->millionths) || ret->millionths < 0)) {
                text_copy_safe(shown, sizeof(shown), value->text);
                complain(&check->complaints, &value->place,
                         "%s is '%s'; expected a number that is not negative, such as 1000 or 0.5", node->text, shown);
        }
}

static void check_amounts(struct check *check, const struct key *key, const struct node *node, void *base)
{
        struct amount_limit *limits = (struct amount_limit *)(void *)((char *)base + key->into);
        unsigned *n = (unsigned *)(void *)((char *)base + key->count);

        if (!is_mapping(check, key, node))
                return;
        if (!node->first)
                complain(&check->complaints, &node->place, "%s is empty", key->name);
        for (const struct node *at = node->first; at; at = at->next) {
                if (!is_usable(check, node, at))
                        continue;
                if (*n == POLICY_AMOUNTS_MAX) {
                        complain(&check->complaints, &at->place, "%s has more than %d parameters", key->name,
                                 POLICY_AMOUNTS_MAX);
                        return;
                }
                check_amount_limit(check, key, at, &limits[(*n)++]);
        }
}

static void check_class(struct check *check, const struct node *key)
{
        struct class **at = &check->loaded->classes, *class;
        struct memory_limits unset = { .of = MEMORY_OF_PROCESS };

        if (strlen(key->text) == 0 || strlen(key->text) > 64)
                complain(&check->complaints, &key->place, "the name of a class has 1 to 64 bytes");
        while (*at && strcmp((*at)->name, key->text) != 0)
                at = &(*at)->next;
        if (!*at)
                *at = arena_take(check->arena, sizeof(**at));
        class = *at;
        if (!class)
                return;
        class->name = key->text;
        class->replaced = class->key;
        class->key = key;
        class->memory = unset;
        class->cpu = (struct cpu_limits){ 0 };
        if (key->value->kind == NODE_MAPPING)
                check_section(check, SECTION_CLASS, key->value, class);
        else if (key->value->kind != NODE_REFUSED)
                complain(&check->complaints, &key->value->place, "class '%.64s' holds keys of its own, such as memory",
                         key->text);
}

static void check_named(struct check *check, const struct key *key, const struct node *node)
{
        if (!is_mapping(check, key, node))
                return;
        for (const struct node *at = node->first; at; at = at->next)
                if (is_usable(check, node, at))
                        check_class(check, at);
}

static void check_agent(struct check *check, const struct node *node, const struct rule *blank)
{
        struct rule_entry *entry = arena_take(check->arena, sizeof(*entry));

        if (!entry)
                return;
        entry->rule = *blank;
        entry->node = node;
        entry->rule.origin = (struct policy_origin){ node->place.source->name, node->place.line };
        check_section(check, SECTION_AGENT, node, &entry->rule);
        entry->rule.manager = node_value(node, "systemd") ? MANAGER_SYSTEMD : MANAGER_PM2;
        *check->entries_tail = entry;
        check->entries_tail = &entry->next;
        check->loaded->entries_n++;
}

static void check_file_rule(struct check *check, const struct node *node)
{
        struct file_entry *entry = arena_take(check->arena, sizeof(*entry));

        if (!entry)
                return;
        entry->rule = check->file_blank;
        entry->node = node;
        entry->rule.origin = (struct policy_origin){ node->place.source->name, node->place.line };
        check_section(check, SECTION_FILES, node, &entry->rule);
        *check->files_tail = entry;
        check->files_tail = &entry->next;
        check->loaded->files_n++;
}

static void check_action_rule(struct check *check, const struct node *node)
{
        struct action_entry *entry = arena_take(check->arena, sizeof(*entry));

        if (!entry)
                return;
        entry->rule = check->action_blank;
        entry->node = node;
        entry->rule.origin = (struct policy_origin){ node->place.source->name, node->place.line };
        check_section(check, SECTION_ACTION, node, &entry->rule);
        *check->actions_tail = entry;
        check->actions_tail = &entry->next;
        check->loaded->actions_n++;
}

static void check_sections(struct check *check, const struct key *key, const struct node *node, const void *base)
{
        if (key->sub == SECTION_AGENT)
                check->loaded->has_agents = true;
        if (!is_list(check, key, node))
                return;
        for (const struct node *at = node->first; at; at = at->next) {
                if (at->kind == NODE_SCALAR || at->kind == NODE_LIST)
                        complain(&check->complaints, &at->place, "an entry of %s holds keys and values, such as '- %s'",
                                 key->name,
                                 key->sub == SECTION_AGENT    ? "pm2: lily"
                                 : key->sub == SECTION_FILES  ? "name: core"
                                 : key->sub == SECTION_ACTION ? "name: trade"
                                                              : "webhook: {...}");
                else if (at->kind == NODE_MAPPING && key->sub == SECTION_AGENT)
                        check_agent(check, at, base);
                else if (at->kind == NODE_MAPPING && key->sub == SECTION_FILES)
                        check_file_rule(check, at);
                else if (at->kind == NODE_MAPPING && key->sub == SECTION_ACTION)
                        check_action_rule(check, at);
                else if (at->kind == NODE_MAPPING)
                        check_section(check, key->sub, at, NULL);
        }
}

/* `base` is the section's struct; for the list of rules, the blank rule. */
static void check_key(struct check *check, const struct key *key, const struct node *node, void *base)
{
        switch (key->form) {
        case FORM_SECTION:
                if (is_mapping(check, key, node))
                        check_section(check, key->sub, node, base);
                break;
        case FORM_SECTIONS: check_sections(check, key, node, base); break;
        case FORM_NAMED: check_named(check, key, node); break;
        case FORM_AMOUNTS: check_amounts(check, key, node, base); break;
        case FORM_WINDOWS: check_windows(check, key, node, base); break;
        default: value_check(check, key, node, base); break;
        }
}

static const struct place *place_of_value(const struct node *mapping, const char *key)
{
        const struct node *value = node_value(mapping, key);

        return value ? &value->place : &mapping->place;
}

static void check_heal(struct check *check, const struct node *node, const struct rule *rule)
{
        const struct heal *heal = &rule->heal;
        const struct node *ladder = node_value(node, "ladder"), *rung = ladder ? ladder->first : NULL;

        for (unsigned i = 0; rung && i < heal->ladder_n; i++, rung = rung->next)
                if (heal->ladder[i] == RUNG_QUARANTINE && i + 1 < heal->ladder_n)
                        complain(&check->complaints, &rung->place, "quarantine can only be the last of the ladder");
        if (heal->backoff_first > heal->backoff_most)
                complain(&check->complaints, place_of_value(node, "backoff"),
                         "the first backoff is longer than the longest");
        else if (heal->trial_after < heal->backoff_most)
                warn_of(&check->complaints,
                        place_of_value(node, node_value(node, "trial_after") ? "trial_after" : "backoff"),
                        "trial_after is shorter than the longest backoff: quarantine would be the quicker way up");
}

static void check_memory(struct check *check, const struct node *node, const struct class *class)
{
        if (class->memory.ceiling_bytes && class->memory.budget_bytes > class->memory.ceiling_bytes)
                complain(&check->complaints, place_of_value(node, "budget"), "the budget is above the ceiling");
}

static void check_cpu(struct check *check, const struct node *node, const struct cpu_limits *limits)
{
        if (limits->quota_percent > limits->above_percent)
                complain(&check->complaints, place_of_value(node, "quota"),
                         "the quota is above the limit: what is too much would be allowed");
}

static void check_health(struct check *check, const struct node *node)
{
        const struct node *every = node_value(node, "every"), *timeout = node_value(node, "timeout");
        struct amounts {
                uint64_t every, timeout;
        } amounts = { 0 };
        struct key key = *key_find(SECTION_HEALTH, "every");

        /* the values go nowhere yet: read them once more, with the defaults of the table */
        key.into = offsetof(struct amounts, every);
        value_check(check, &key, every ? every : check->loaded->unset[row_of(key_find(SECTION_HEALTH, "every"))],
                    &amounts);
        key = *key_find(SECTION_HEALTH, "timeout");
        key.into = offsetof(struct amounts, timeout);
        value_check(check, &key, timeout ? timeout : check->loaded->unset[row_of(key_find(SECTION_HEALTH, "timeout"))],
                    &amounts);
        if (amounts.timeout >= amounts.every)
                complain(&check->complaints, place_of_value(node, timeout ? "timeout" : "every"),
                         "the timeout is not shorter than the time between two checks");
}

static void check_approve(struct check *check, const struct node *node, const struct approval *approval)
{
        const struct node *by = node_value(node, "by"), *despite = node_value(node, "phone_despite_root");
        bool has[APPROVER_N] = { false };

        for (unsigned i = 0; i < approval->by_n; i++) {
                if (has[approval->by[i]])
                        complain(&check->complaints, &by->place, "by names the same twice");
                has[approval->by[i]] = true;
        }
        if (has[APPROVER_PHONE] && !approval->phone_despite_root)
                complain(
                        &check->complaints, &by->place,
                        "an agent that runs as root can answer for the phone; add 'phone_despite_root: true' to accept "
                        "it all the same");
        else if (approval->phone_despite_root && !has[APPROVER_PHONE])
                warn_of(&check->complaints, &despite->place, "no phone approves: 'by' does not name it");
}

static void check_files(struct check *check, const struct node *node, const struct file_rule *rule)
{
        const struct node *paths = node_value(node, "paths");

        if (paths && rule->paths_n == 0)
                complain(&check->complaints, &paths->place, "paths is empty");
        if (rule->kind == FILE_UNTOUCHABLE && node_value(node, "approve"))
                complain(&check->complaints, place_of_value(node, "approve"),
                         "nobody approves changes of untouchable files; 'approve' is for rule: protected");
}

static bool is_action_name(const char *name)
{
        return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

static void check_action(struct check *check, const struct node *node, const struct action_rule *rule)
{
        if (rule->name && !is_action_name(rule->name))
                complain(&check->complaints, place_of_value(node, "name"),
                         "the name of an action is made of letters, digits, '.', '_' and '-'");
        for (unsigned i = 0; i < rule->deny_above_n; i++)
                for (unsigned n = 0; n < rule->ask_above_n; n++)
                        if (strcmp(rule->deny_above[i].name, rule->ask_above[n].name) == 0 &&
                            rule->deny_above[i].millionths < rule->ask_above[n].millionths)
                                complain(&check->complaints, place_of_value(node, "deny_above"),
                                         "%s is denied above less than what is allowed at once",
                                         rule->ask_above[n].name);
}

/* Values that are right one by one and wrong together. */
static void check_sense(struct check *check, enum section section, const struct node *node, void *base)
{
        switch (section) {
        case SECTION_HEAL: check_heal(check, node, base); break;
        case SECTION_MEMORY: check_memory(check, node, base); break;
        case SECTION_CLASS_CPU: check_cpu(check, node, &((struct class *)base)->cpu); break;
        case SECTION_AGENT_CPU: check_cpu(check, node, &((struct rule *)base)->cpu); break;
        case SECTION_HEALTH: check_health(check, node); break;
        case SECTION_FILES: check_files(check, node, base); break;
        case SECTION_APPROVE: check_approve(check, node, &((struct file_rule *)base)->approve); break;
        case SECTION_ACTION: check_action(check, node, base); break;
        case SECTION_ACTION_APPROVE: check_approve(check, node, &((struct action_rule *)base)->approve); break;
        default: break;
        }
}

static void take_key(struct check *check, const struct key *key, struct node *node, void *base)
{
        bool told = check->not_yet_told;

        node->row = key;
        if ((key->flags & KEY_CONFIG_ONLY) && !check->source->config) {
                complain(&check->complaints, &node->place, "'%s' belongs in governor.yaml", key->name);
                return;
        }
        if ((key->flags & KEY_NOT_YET) && !told && !check->in_unset) {
                note_not_yet(check, key, node);
                check->not_yet_told = true;
        }
        if (is_single(key->section) && !check->in_unset)
                note_setting(check, key, node);
        check_key(check, key, node->value, base);
        check->not_yet_told = told;
}

static void check_section(struct check *check, enum section section, const struct node *node, void *base)
{
        size_t errors = check->complaints.errors;

        for (struct node *at = node->first; at; at = at->next) {
                const struct key *key;

                if (!is_usable(check, node, at))
                        continue;
                key = key_find(section, at->text);
                if (key)
                        take_key(check, key, at, base);
                else
                        complain_of_stranger(check, section, at);
        }
        if (!node->cut)
                complain_of_missing(check, section, node);
        if (check->complaints.errors == errors)
                check_sense(check, section, node, base);
}

int check_init(struct check *check, struct loaded *loaded)
{
        struct policy_arena *arena = loaded->policy.arena;

        *check = (struct check){
                .arena = arena,
                .loaded = loaded,
                .entries_tail = &loaded->entries,
                .files_tail = &loaded->files,
                .actions_tail = &loaded->actions,
        };
        check->complaints.arena = arena_new();
        if (!check->complaints.arena)
                return -ENOMEM;
        check->not_yet = arena_take(check->complaints.arena, policy_keys_n * sizeof(*check->not_yet));
        loaded->settings = arena_take(arena, policy_keys_n * sizeof(*loaded->settings));
        loaded->unset = arena_take(arena, policy_keys_n * sizeof(*loaded->unset));
        return check->not_yet && loaded->settings && loaded->unset ? 0 : -ENOMEM;
}

/* The struct that a row's offsets are of; NULL for rows that go nowhere. */
static void *unset_base(struct check *check, const struct key *key, struct rule *rule)
{
        if (key->into == INTO_NOTHING)
                return NULL;
        if (is_single(key->section))
                return &check->loaded->policy;
        if (key->section == SECTION_FILES || key->section == SECTION_APPROVE)
                return &check->file_blank;
        if (key->section == SECTION_ACTION || key->section == SECTION_ACTION_APPROVE)
                return &check->action_blank;
        return key->section >= SECTION_AGENT ? rule : NULL;
}

int check_unset(struct check *check, struct rule *ret_rule)
{
        struct rule rule = { 0 };

        check->in_unset = true;
        for (unsigned i = 0; i < policy_keys_n; i++) {
                const struct key *key = &policy_keys[i];
                struct source *source;
                struct node *node = NULL;
                void *base = unset_base(check, key, &rule);
                int r;

                if (!key->unset)
                        continue;
                source = arena_take(check->arena, sizeof(*source));
                if (!source)
                        return -ENOMEM;
                *source = (struct source){ .name = "", .size = strlen(key->unset), .config = true };
                source->bytes = arena_text(check->arena, key->unset, source->size);
                if (!source->bytes)
                        return -ENOMEM;
                check->source = source;
                r = tree_read(source, &check->complaints, check->arena, &node);
                if (r < 0)
                        return r;
                check->loaded->unset[i] = node;
                if (base)
                        check_key(check, key, node, base);
        }
        check->in_unset = false;
        *ret_rule = rule;
        return arena_failed(check->arena) ? -ENOMEM : 0;
}

void check_file(struct check *check, const struct node *root, const struct rule *blank)
{
        struct node *mode = NULL;

        check->source = (struct source *)(uintptr_t)root->place.source;
        if (root->kind != NODE_MAPPING) {
                if (root->kind != NODE_REFUSED && (root->kind != NODE_SCALAR || root->text[0]))
                        complain(&check->complaints, &root->place,
                                 "a policy is made of keys and values, such as 'mode: observe'");
                return;
        }
        for (struct node *at = root->first; at; at = at->next)
                if (at->kind == NODE_SCALAR && strcmp(at->text, "mode") == 0 && !mode)
                        mode = at;
        check->source->mode = mode;
        for (struct node *at = root->first; at; at = at->next) {
                const struct key *key;

                if (!is_usable(check, root, at))
                        continue;
                key = key_find(SECTION_TOP, at->text);
                if (!key)
                        complain_of_stranger(check, SECTION_TOP, at);
                else if (key->form == FORM_SECTIONS)
                        take_key(check, key, at, (void *)(uintptr_t)blank);
                else
                        take_key(check, key, at, &check->loaded->policy);
        }
        tell_not_yet(check);
}
