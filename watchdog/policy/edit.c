#include "policy/edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/amount.h"
#include "policy/quote.h"
#include "policy/sheet.h"
#include "policy/tree.h"

#define CONTEXT 3 /* lines around a change, as everybody has them */

/* A line as it is now, without its newline; a carriage return before that belongs to it. */
struct line {
        char *text;
        unsigned origin; /* its number in the text as it was, 0: it is new */
        bool changed;
};

struct edit {
        struct line *lines;
        size_t n;
        char **old; /* lines of the text as it was */
        size_t old_n;
        bool open_end; /* the text as it was ends without a newline */
};

/* What the lines mean now. */
struct meaning {
        struct policy_arena *arena;
        struct source source;
        struct node *root;
};

/* ---- lines ----------------------------------------------------------------------------------------------------------- */

struct edit *edit_free(struct edit *edit)
{
        if (!edit)
                return NULL;
        for (size_t i = 0; i < edit->n; i++)
                free(edit->lines[i].text);
        for (size_t i = 0; i < edit->old_n; i++)
                free(edit->old[i]);
        free(edit->lines);
        free(edit->old);
        free(edit);
        return NULL;
}

/* Takes `text` over. */
static int insert_line(struct edit *edit, size_t at, char *text, unsigned origin)
{
        struct line *lines = text ? reallocarray(edit->lines, edit->n + 1, sizeof(*lines)) : NULL;

        if (!lines) {
                free(text);
                return -ENOMEM;
        }
        memmove(lines + at + 1, lines + at, (edit->n - at) * sizeof(*lines));
        lines[at] = (struct line){ .text = text, .origin = origin };
        edit->lines = lines;
        edit->n++;
        return 0;
}

static int add_old(struct edit *edit, const char *text, size_t length)
{
        char **old = reallocarray(edit->old, edit->old_n + 1, sizeof(*old));

        if (!old)
                return -ENOMEM;
        edit->old = old;
        old[edit->old_n] = strndup(text, length);
        if (!old[edit->old_n])
                return -ENOMEM;
        edit->old_n++;
        return insert_line(edit, edit->n, strndup(text, length), (unsigned)edit->old_n);
}

static int split(struct edit *edit, const char *text, size_t size)
{
        int r = 0;

        for (const char *at = text, *end = text + size; at < end && r >= 0;) {
                const char *newline = memchr(at, '\n', (size_t)(end - at));

                edit->open_end = !newline;
                r = add_old(edit, at, (size_t)((newline ? newline : end) - at));
                at = newline ? newline + 1 : end;
        }
        return r;
}

static bool ends_with_return(const char *text)
{
        size_t length = strlen(text);

        return length > 0 && text[length - 1] == '\r';
}

/* A line of its own at that place, with the kind of line end that its neighbour has. */
static int put_line(struct edit *edit, size_t at, unsigned indent, const char *text)
{
        const struct line *neighbour = edit->n > 0 ? &edit->lines[at > 0 ? at - 1 : 0] : NULL;
        char *line;

        if (asprintf(&line, "%*s%s%s", (int)indent, "", text,
                     neighbour && ends_with_return(neighbour->text) ? "\r" : "") < 0)
                return -ENOMEM;
        if (edit->open_end && at == edit->n && at > 0)
                edit->lines[at - 1].changed = true; /* it gets a newline */
        return insert_line(edit, at, line, 0);
}

/* The byte at a column, which counts characters. */
static size_t byte_at(const char *text, unsigned column)
{
        size_t at = 0;

        for (; column > 1 && text[at]; column--)
                do
                        at++;
                while (((unsigned char)text[at] & 0xC0) == 0x80);
        return at;
}

/* What stands in a line from one column to another becomes something else. */
static int replace(struct edit *edit, unsigned line, unsigned from, unsigned to, const char *text)
{
        struct line *at = line > 0 && line <= edit->n ? &edit->lines[line - 1] : NULL;
        char *changed;

        if (!at)
                return -EINVAL;
        if (asprintf(&changed, "%.*s%s%s", (int)byte_at(at->text, from), at->text, text,
                     at->text + byte_at(at->text, to)) < 0)
                return -ENOMEM;
        free(at->text);
        at->text = changed;
        at->changed = true;
        return 0;
}

int edit_text(const struct edit *edit, char **ret)
{
        struct sheet sheet = { 0 };
        bool grown = edit->n > 0 && edit->lines[edit->n - 1].origin == 0;

        for (size_t i = 0; i < edit->n; i++)
                sheet_print(&sheet, "%s%s", edit->lines[i].text,
                            i + 1 == edit->n && edit->open_end && !grown ? "" : "\n");
        return sheet_finish(&sheet, ret);
}

/* ---- what they mean --------------------------------------------------------------------------------------------------- */

static void meaning_done(struct meaning *meaning)
{
        arena_free(meaning->arena);
        free(meaning->source.bytes);
}

static int read_meaning(const struct edit *edit, struct meaning *ret)
{
        struct complaints complaints = { 0 };
        int r = edit_text(edit, &ret->source.bytes);

        if (r < 0)
                return r;
        ret->source.name = "";
        ret->source.size = strlen(ret->source.bytes);
        ret->arena = complaints.arena = arena_new();
        if (!ret->arena)
                return -ENOMEM;
        r = tree_read(&ret->source, &complaints, ret->arena, &ret->root);
        if (r >= 0 && (complaints.errors > 0 || (ret->root && ret->root->kind != NODE_MAPPING)))
                r = -EINVAL;
        return r;
}

int edit_new(const char *text, size_t size, struct edit **ret)
{
        struct edit *edit = calloc(1, sizeof(*edit));
        struct meaning meaning = { 0 };
        int r = !edit ? -ENOMEM : memchr(text, '\0', size) ? -EINVAL : split(edit, text, size);

        if (r >= 0)
                r = read_meaning(edit, &meaning);
        meaning_done(&meaning);
        if (r < 0) {
                edit_free(edit);
                return r;
        }
        *ret = edit;
        return 0;
}

static const struct node *key_node(const struct node *mapping, const char *key)
{
        if (mapping && mapping->kind == NODE_MAPPING)
                for (const struct node *at = mapping->first; at; at = at->next)
                        if (at->kind == NODE_SCALAR && strcmp(at->text, key) == 0)
                                return at;
        return NULL;
}

static const struct node *rule_node(const struct meaning *meaning, unsigned rule)
{
        const struct node *agents = node_value(meaning->root, "agents");
        const struct node *at = agents && agents->kind == NODE_LIST ? agents->first : NULL;

        while (at && rule-- > 0)
                at = at->next;
        return at && at->kind == NODE_MAPPING ? at : NULL;
}

/* ---- changes ---------------------------------------------------------------------------------------------------------- */

static int replace_value(struct edit *edit, const struct node *value, const char *text)
{
        if ((value->kind == NODE_LIST || value->kind == NODE_MAPPING) && !value->flow)
                return -EINVAL;
        if (value->end_line != value->place.line)
                return -EINVAL;
        return replace(edit, value->place.line, value->place.column, value->end_column, text);
}

/* Behind a key whose value ends on a known place; in a block on a line of its own. */
static int add_behind(struct edit *edit, const struct node *mapping, const struct node *key, const char *text)
{
        char *inline_text;
        int r;

        if (!mapping->flow)
                return key->value->end_line > 0 ? put_line(edit, key->value->end_line, key->place.column - 1, text)
                                                : -EINVAL;
        if (asprintf(&inline_text, ", %s", text) < 0)
                return -ENOMEM;
        r = replace(edit, key->value->end_line, key->value->end_column, key->value->end_column, inline_text);
        free(inline_text);
        return r;
}

/* What is said above a line belongs to it. */
static size_t above_comments(const struct edit *edit, size_t at)
{
        while (at > 0 && edit->lines[at - 1].text[strspn(edit->lines[at - 1].text, " ")] == '#')
                at--;
        return at;
}

/* As the last; before the first where the last is a block, which ends nowhere. */
static int add_key(struct edit *edit, const struct node *mapping, const char *text)
{
        const struct node *first = mapping->first, *last = first;

        while (last && last->next)
                last = last->next;
        if (!last || !last->value)
                return -EINVAL;
        if (!mapping->flow && last->value->end_line == 0)
                return put_line(edit, above_comments(edit, first->place.line - 1), first->place.column - 1, text);
        return add_behind(edit, mapping, last, text);
}

int edit_rule_key(struct edit *edit, unsigned rule, const char *key, const char *value)
{
        struct meaning meaning = { 0 };
        int r = read_meaning(edit, &meaning);
        const struct node *node = r < 0 ? NULL : rule_node(&meaning, rule), *old = key_node(node, key);
        const struct node *pattern = key_node(node, "pm2") ? key_node(node, "pm2") : key_node(node, "systemd");
        char *whole = NULL;

        if (r >= 0 && !pattern)
                r = -ENOENT;
        if (r >= 0 && asprintf(&whole, "%s: %s", key, value) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = old && old->value ? replace_value(edit, old->value, value) : add_behind(edit, node, pattern, whole);
        free(whole);
        meaning_done(&meaning);
        return r;
}

static int quoted(const char *text, char **ret)
{
        struct sheet sheet = { 0 };

        quote_print(&sheet, text);
        return sheet_finish(&sheet, ret);
}

int edit_rule_class(struct edit *edit, unsigned rule, const char *class_name)
{
        char *text = NULL;
        int r = quoted(class_name, &text);

        if (r >= 0)
                r = edit_rule_key(edit, rule, "class", text);
        free(text);
        return r;
}

/* ---- classes ---------------------------------------------------------------------------------------------------------- */

/* Before the rules, and before what is said above them. */
static int add_classes(struct edit *edit, const struct meaning *meaning, const char *text)
{
        const struct node *agents = key_node(meaning->root, "agents");
        size_t at = agents ? agents->place.line - 1 : 0;
        char *whole = NULL;
        int r;

        if (!agents)
                return -ENOENT;
        if (meaning->root->flow) {
                r = asprintf(&whole, "classes: { %s }", text) < 0 ? -ENOMEM : add_key(edit, meaning->root, whole);
                free(whole);
                return r;
        }
        at = above_comments(edit, at);
        r = put_line(edit, at, 0, "");
        if (r >= 0)
                r = put_line(edit, at, 2, text);
        return r < 0 ? r : put_line(edit, at, 0, "classes:");
}

static int new_class(struct edit *edit, const struct meaning *meaning, const char *class_name, const char *memory)
{
        const struct node *classes = node_value(meaning->root, "classes");
        char *name = NULL, *text = NULL;
        int r = quoted(class_name, &name);

        if (r >= 0 && asprintf(&text, "%s: { memory: %s }", name, memory) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = classes ? add_key(edit, classes, text) : add_classes(edit, meaning, text);
        free(name);
        free(text);
        return r;
}

/* A class that there is: its ceiling is replaced or added, and with it the memory that it had none of. */
static int change_class(struct edit *edit, const struct node *class, const char *ceiling)
{
        const struct node *memory = node_value(class, "memory"), *old = node_value(memory, "ceiling");
        char *text = NULL;
        int r;

        if (old)
                return replace_value(edit, old, ceiling);
        r = asprintf(&text, memory ? "ceiling: %s" : "memory: { ceiling: %s }", ceiling);
        if (r < 0)
                return -ENOMEM;
        r = add_key(edit, memory ? memory : class, text);
        free(text);
        return r;
}

bool edit_has_class(const struct edit *edit, const char *class_name)
{
        struct meaning meaning = { 0 };
        bool has = read_meaning(edit, &meaning) >= 0 && node_value(node_value(meaning.root, "classes"), class_name);

        meaning_done(&meaning);
        return has;
}

int edit_class_ceiling(struct edit *edit, const char *class_name, uint64_t bytes, enum memory_of of)
{
        struct meaning meaning = { 0 };
        char ceiling[AMOUNT_MAX], memory[96];
        const struct node *class;
        int r = read_meaning(edit, &meaning);

        amount_write(FORM_SIZE, bytes, ceiling);
        if (of == MEMORY_OF_PROCESS)
                snprintf(memory, sizeof(memory), "{ ceiling: %s }", ceiling);
        else
                snprintf(memory, sizeof(memory), "{ ceiling: %s, of: %s }", ceiling, memory_of_name(of));
        class = r < 0 ? NULL : node_value(node_value(meaning.root, "classes"), class_name);
        if (r >= 0)
                r = class ? change_class(edit, class, ceiling) : new_class(edit, &meaning, class_name, memory);
        meaning_done(&meaning);
        return r;
}

/* ---- the difference ----------------------------------------------------------------------------------------------------- */

static bool is_same(const struct line *line)
{
        return line->origin > 0 && !line->changed;
}

/* A stretch of changes with what stands around it; two that would touch are one. */
static void find_hunk(const struct edit *edit, size_t from, size_t *ret_begin, size_t *ret_end)
{
        size_t begin = from, end, same = 0;

        while (begin < edit->n && is_same(&edit->lines[begin]))
                begin++;
        for (end = begin; end < edit->n && same <= 2 * CONTEXT; end++)
                same = is_same(&edit->lines[end]) ? same + 1 : 0;
        end -= same > CONTEXT ? same - CONTEXT : 0;
        *ret_begin = begin < edit->n && begin > CONTEXT ? begin - CONTEXT : begin < edit->n ? 0 : begin;
        *ret_end = end;
}

static void print_line(struct sheet *sheet, char mark, const char *text, bool open_end)
{
        sheet_print(sheet, "%c%s\n%s", mark, text, open_end ? "\\ No newline at end of file\n" : "");
}

/* What goes, then what comes. */
static size_t print_changes(struct sheet *sheet, const struct edit *edit, size_t at, size_t end)
{
        size_t after = at;

        for (; after < end && !is_same(&edit->lines[after]); after++)
                if (edit->lines[after].origin > 0)
                        print_line(sheet, '-', edit->old[edit->lines[after].origin - 1],
                                   edit->open_end && edit->lines[after].origin == edit->old_n);
        for (; at < after; at++)
                print_line(sheet, '+', edit->lines[at].text,
                           edit->open_end && at + 1 == edit->n && edit->lines[at].origin > 0);
        return after;
}

static void print_hunk(struct sheet *sheet, const struct edit *edit, size_t begin, size_t end)
{
        size_t old_n = 0, first = 0;

        for (size_t i = 0; i < end; i++) {
                bool was = edit->lines[i].origin > 0;

                first += was && i < begin;
                old_n += was && i >= begin;
        }
        sheet_print(sheet, "@@ -%zu,%zu +%zu,%zu @@\n", old_n > 0 ? first + 1 : first, old_n, begin + 1, end - begin);
        for (size_t i = begin; i < end;)
                if (is_same(&edit->lines[i])) {
                        print_line(sheet, ' ', edit->lines[i].text,
                                   edit->open_end && edit->lines[i].origin == edit->old_n);
                        i++;
                } else
                        i = print_changes(sheet, edit, i, end);
}

int edit_diff(const struct edit *edit, const char *path, char **ret)
{
        struct sheet sheet = { 0 };
        size_t begin, end = 0;

        for (find_hunk(edit, 0, &begin, &end); begin < edit->n; find_hunk(edit, end, &begin, &end)) {
                if (sheet.n == 0)
                        sheet_print(&sheet, "--- %s\n+++ %s\n", path, path);
                print_hunk(&sheet, edit, begin, end);
        }
        return sheet_finish(&sheet, ret);
}
