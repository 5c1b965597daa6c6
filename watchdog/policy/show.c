/* The policy that rules, written back as YAML: walks the table in its order and says what each row came to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/text.h"
#include "policy/amount.h"
#include "policy/check.h"
#include "policy/quote.h"
#include "policy/sheet.h"

struct show {
        struct sheet sheet;
        const struct loaded *loaded;
        bool origins;
        bool normal; /* one spelling for one meaning: 60s becomes 1m */
        bool judged; /* only what the judge goes by */
};

static void show_section(struct show *show, enum section section, const struct node *node, unsigned depth, bool item);

static unsigned row_of(const struct key *key)
{
        return (unsigned)(key - policy_keys);
}

static void show_scalar(struct show *show, const struct key *key, const struct node *node)
{
        char amount[AMOUNT_MAX];
        uint64_t value;

        switch (key->form) {
        case FORM_SIZE:
        case FORM_DURATION:
        case FORM_DAYS:
        case FORM_PERCENT:
                if (show->normal && amount_read(key->form, node->text, &value))
                        sheet_print(&show->sheet, "%s", amount_write(key->form, value, amount));
                else
                        sheet_print(&show->sheet, "%s", node->text);
                break;
        case FORM_COUNT: sheet_print(&show->sheet, "%lu", strtoul(node->text, NULL, 10)); break;
        case FORM_SWITCH:
        case FORM_CHOICE:
        case FORM_CHOICES: sheet_print(&show->sheet, "%s", node->text); break;
        default: quote_print(&show->sheet, node->text); break;
        }
}

static const struct node *unset_node(const struct show *show, const struct key *key)
{
        return show->loaded->unset[row_of(key)];
}

/* A small mapping on one line: { more_than: 2, within: 60s } */
static void show_window(struct show *show, const struct node *window)
{
        const char *before = "{ ";

        for (unsigned i = 0; i < policy_keys_n; i++) {
                const struct key *key = &policy_keys[i];
                const struct node *value = key->section == SECTION_WINDOW ? node_value(window, key->name) : NULL;

                if (!value)
                        continue;
                sheet_print(&show->sheet, "%s%s: ", before, key->name);
                show_scalar(show, key, value);
                before = ", ";
        }
        sheet_print(&show->sheet, " }");
}

static void show_entries(struct show *show, const struct key *key, const struct node *list, const char **before)
{
        for (const struct node *at = list->first; at; at = at->next) {
                sheet_print(&show->sheet, "%s", *before);
                if (key->form == FORM_WINDOWS)
                        show_window(show, at);
                else
                        show_scalar(show, key, at);
                *before = ", ";
        }
}

/* { usd: 1000, shares: 5 } */
static void show_amounts(struct show *show, const struct node *amounts)
{
        const char *before = "{ ";
        char fixed[DECIMAL_TEXT_MAX];
        int64_t value;

        for (const struct node *at = amounts->first; at; at = at->next) {
                bool plain = show->normal && decimal_read(at->value->text, &value);

                sheet_print(&show->sheet, "%s%s: %s", before, at->text,
                            plain ? decimal_text(value, fixed) : at->value->text);
                before = ", ";
        }
        sheet_print(&show->sheet, " }");
}

/* Names of files are other people's: a comment ends where a line does. */
static void show_place(struct show *show, const char *before, const struct node *key)
{
        char file[512];

        text_copy_safe(file, sizeof(file), key->place.source->name);
        sheet_print(&show->sheet, "%s%s:%u", before, file, key->place.line);
}

static void show_origin(struct show *show, const struct node *key, const struct node *replaced)
{
        if (show->origins && !key)
                sheet_print(&show->sheet, " # default");
        else if (show->origins)
                show_place(show, " # ", key);
        if (show->origins && replaced)
                show_place(show, ", replaces ", replaced);
        sheet_print(&show->sheet, "\n");
}

static void indent(struct show *show, unsigned depth)
{
        sheet_print(&show->sheet, "%*s", (int)(2 * depth), "");
}

static const struct node *key_in(const struct node *mapping, const char *name)
{
        for (const struct node *at = mapping ? mapping->first : NULL; at; at = at->next)
                if (at->kind == NODE_SCALAR && strcmp(at->text, name) == 0)
                        return at;
        return NULL;
}

/* Whether a section that was not given has defaults to show. */
static bool has_unset(enum section section)
{
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == section &&
                    ((policy_keys[i].unset && !(policy_keys[i].flags & KEY_NOT_YET)) ||
                     (policy_keys[i].form == FORM_SECTION && has_unset(policy_keys[i].sub))))
                        return true;
        return false;
}

/* One key of a section; `given` is its key node, NULL where the default holds. False when there is nothing to say. */
static bool show_key(struct show *show, const struct key *key, const struct node *given, unsigned depth, bool dash)
{
        const struct node *value = given ? given->value : unset_node(show, key);
        const char *before = "[";

        if (key->form == FORM_SECTION ? !given && !has_unset(key->sub) : !value)
                return false;
        indent(show, dash ? depth - 1 : depth);
        sheet_print(&show->sheet, "%s%s:", dash ? "- " : "", key->name);
        if (key->form == FORM_SECTION) {
                show_origin(show, given, NULL);
                show_section(show, key->sub, value, depth + 1, false);
                return true;
        }
        sheet_print(&show->sheet, " ");
        if (key->form == FORM_AMOUNTS)
                show_amounts(show, value);
        else if (value->kind == NODE_LIST) {
                show_entries(show, key, value, &before);
                sheet_print(&show->sheet, "%s]", before[0] == '[' ? "[" : "");
        } else
                show_scalar(show, key, value);
        show_origin(show, given, NULL);
        return true;
}

static void show_section(struct show *show, enum section section, const struct node *node, unsigned depth, bool item)
{
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == section &&
                    show_key(show, &policy_keys[i], key_in(node, policy_keys[i].name), depth, item))
                        item = false;
}

/* ---- rules ---------------------------------------------------------------------------------------------------------- */

/* A rule's mode comes from the rule, its file or governor.yaml; written out, so that the files may become one. */
static void show_mode(struct show *show, enum mode mode, const struct node *node)
{
        const struct node *own = key_in(node, "mode"), *from = own;

        if (!from)
                from = node->place.source->mode ? node->place.source->mode : show->loaded->mode;
        sheet_print(&show->sheet, "    mode: %s", mode_name(mode));
        show_origin(show, from, NULL);
}

/* Nobody approves changes of untouchable files: the defaults of `approve` are not theirs. */
static bool is_moot(const struct key *key, const struct node *node)
{
        const struct node *kind = key->sub == SECTION_APPROVE ? node_value(node, "rule") : NULL;

        return kind && strcmp(kind->text, "untouchable") == 0;
}

static void show_rule(struct show *show, enum section section, enum mode mode, const struct node *node)
{
        bool dash = true;

        for (unsigned i = 0; i < policy_keys_n; i++) {
                const struct key *key = &policy_keys[i];

                if (key->section != section || is_moot(key, node))
                        continue;
                if (strcmp(key->name, "mode") == 0)
                        show_mode(show, mode, node);
                else if (show_key(show, key, key_in(node, key->name), 2, dash))
                        dash = false;
        }
}

static void show_rules(struct show *show)
{
        const struct policy *policy = &show->loaded->policy;

        if (policy->discovered) {
                if (!show->normal)
                        sheet_print(&show->sheet, "# no file has agents: whatever looks like an agent is observed\n");
                return;
        }
        sheet_print(&show->sheet, policy->rules_n > 0 ? "agents:\n" : "agents: []\n");
        for (unsigned i = 0; i < policy->rules_n; i++)
                show_rule(show, SECTION_AGENT, policy->rules[i].mode, show->loaded->rule_nodes[i]);
}

static void show_files(struct show *show)
{
        const struct policy *policy = &show->loaded->policy;

        if (policy->files_n > 0)
                sheet_print(&show->sheet, "files:\n");
        for (unsigned i = 0; i < policy->files_n; i++)
                show_rule(show, SECTION_FILES, policy->files[i].mode, show->loaded->file_nodes[i]);
}

/* ---- what there is one of --------------------------------------------------------------------------------------------- */

static bool show_setting(struct show *show, const struct key *key, unsigned depth);

static void show_settings(struct show *show, enum section section, unsigned depth)
{
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == section)
                        show_setting(show, &policy_keys[i], depth);
}

/* The lists of all files, one after the other. */
static void show_list_setting(struct show *show, const struct key *key)
{
        const struct setting *last = NULL;
        const char *before = "[";

        for (const struct setting *at = show->loaded->settings[row_of(key)]; at; last = at, at = at->next)
                show_entries(show, key, at->key->value, &before);
        sheet_print(&show->sheet, "%s]", before[0] == '[' ? "[" : "");
        show_origin(show, last->key, NULL);
}

static bool show_setting(struct show *show, const struct key *key, unsigned depth)
{
        const struct setting *setting = show->loaded->settings[row_of(key)];

        if (key->form == FORM_SECTION ? !setting && !has_unset(key->sub) : !setting && !key->unset)
                return false;
        indent(show, depth);
        sheet_print(&show->sheet, "%s:", key->name);
        if (key->form == FORM_SECTION) {
                sheet_print(&show->sheet, "\n");
                show_settings(show, key->sub, depth + 1);
                return true;
        }
        sheet_print(&show->sheet, " ");
        if (key->form == FORM_PATHS)
                show_list_setting(show, key);
        else {
                show_scalar(show, key, setting ? setting->key->value : unset_node(show, key));
                show_origin(show, setting ? setting->key : NULL, setting && setting->next ? setting->next->key : NULL);
        }
        return true;
}

static void show_classes(struct show *show)
{
        if (show->loaded->classes)
                sheet_print(&show->sheet, "classes:\n");
        for (const struct class *class = show->loaded->classes; class; class = class->next) {
                indent(show, 1);
                quote_print(&show->sheet, class->name);
                sheet_print(&show->sheet, ":"); /* never empty: what was not given has defaults */
                show_origin(show, class->key, class->replaced);
                show_section(show, SECTION_CLASS, class->key->value, 2, false);
        }
}

/* actions: and alerts: */
static void show_others(struct show *show, const struct key *key)
{
        const struct setting *setting = show->loaded->settings[row_of(key)];

        if (!setting)
                return;
        sheet_print(&show->sheet, "%s:%s\n", key->name, setting->next || setting->key->value->first ? "" : " []");
        for (; setting; setting = setting->next)
                for (const struct node *at = setting->key->value->first; at; at = at->next)
                        show_section(show, key->sub, at, 2, true);
}

/* The daemon's own affairs and where alerts go decide nothing, and some of it is nobody's business. */
static bool is_judged(const struct key *key)
{
        static const char *const names[] = { "mode", "machine", "classes", "agents", "files" };

        for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++)
                if (strcmp(key->name, names[n]) == 0)
                        return true;
        return false;
}

static void show_all(struct show *show)
{
        for (unsigned i = 0; i < policy_keys_n && policy_keys[i].section == SECTION_TOP; i++) {
                const struct key *key = &policy_keys[i];

                if (show->judged && !is_judged(key))
                        continue;
                if (strcmp(key->name, "mode") == 0) {
                        sheet_print(&show->sheet, "mode: %s", mode_name(show->loaded->policy.mode));
                        show_origin(show, show->loaded->mode, NULL);
                } else if (key->form == FORM_SECTION)
                        show_setting(show, key, 0);
                else if (key->form == FORM_NAMED)
                        show_classes(show);
                else if (key->sub == SECTION_AGENT)
                        show_rules(show);
                else if (key->sub == SECTION_FILES)
                        show_files(show);
                else
                        show_others(show, key);
        }
}

int policy_show(const struct policy *policy, bool with_origin, char **ret)
{
        struct show show = { .loaded = (const struct loaded *)policy, .origins = with_origin };

        show_all(&show);
        return sheet_finish(&show.sheet, ret);
}

int policy_normalise(const struct policy *policy, char **ret)
{
        struct show show = { .loaded = (const struct loaded *)policy, .normal = true };

        show_all(&show);
        return sheet_finish(&show.sheet, ret);
}

int policy_judged(const struct policy *policy, char **ret)
{
        struct show show = { .loaded = (const struct loaded *)policy, .normal = true, .judged = true };

        show_all(&show);
        return sheet_finish(&show.sheet, ret);
}
