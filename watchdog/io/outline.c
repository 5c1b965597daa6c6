#include "io/outline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define ITEM_MAX (1 + OUTLINE_NAME_MAX + 1 + OUTLINE_VALUE_MAX)
#define GUESS '?'
#define TOO_MANY "more keys than are compared"

/* ---- gathering ----------------------------------------------------------------------------------------------------------- */

/* A name that somebody else chose, without what has a meaning here. */
static void copy_name(char name[OUTLINE_NAME_MAX], const char *from)
{
        text_copy_safe(name, OUTLINE_NAME_MAX, from);
        for (char *at = name; *at; at++)
                if (strchr("=#?\t", *at))
                        *at = '_';
}

static void add(struct outline *outline, const char *item)
{
        uint32_t room = outline->room ? 2 * outline->room : 32;
        char **items;

        if (outline->n > OUTLINE_ITEMS_MAX)
                return;
        if (outline->n == outline->room) {
                items = reallocarray(outline->items, room, sizeof(*items));
                if (!items) {
                        outline->failed = true;
                        return;
                }
                outline->items = items;
                outline->room = room;
        }
        outline->items[outline->n] = strdup(item);
        if (outline->items[outline->n])
                outline->n++;
        else
                outline->failed = true;
}

void outline_show(struct outline *outline, const char *name, const char *value)
{
        char item[ITEM_MAX], safe[OUTLINE_NAME_MAX], shown[OUTLINE_VALUE_MAX];

        copy_name(safe, name);
        text_copy_safe(shown, sizeof(shown), value);
        snprintf(item, sizeof(item), "%s=%s", safe, shown);
        add(outline, item);
}

static void hide(struct outline *outline, const char *mark, const char *name, uint64_t veiled)
{
        char item[ITEM_MAX], safe[OUTLINE_NAME_MAX];

        copy_name(safe, name);
        snprintf(item, sizeof(item), "%s%s#%016" PRIx64, mark, safe, veiled);
        add(outline, item);
}

void outline_hide(struct outline *outline, const char *name, uint64_t veiled)
{
        hide(outline, "", name, veiled);
}

void outline_guess(struct outline *outline, const char *name, uint64_t veiled)
{
        hide(outline, (const char[]){ GUESS, '\0' }, name, veiled);
}

void outline_done(struct outline *outline)
{
        for (uint32_t n = 0; n < outline->n; n++)
                free(outline->items[n]);
        free(outline->items);
        *outline = (struct outline){ .n = 0 };
}

/* ---- one item ------------------------------------------------------------------------------------------------------------ */

struct item {
        const char *name, *value;
        size_t name_length, value_length;
        bool guess, shown;
};

/* The item that begins at `at`; what follows it, NULL behind the last. */
static const char *item_read(const char *at, struct item *ret)
{
        size_t length = strcspn(at, "\t");
        struct item item = { .guess = at[0] == GUESS };

        item.name = at + item.guess;
        item.name_length = strcspn(item.name, "=#\t");
        item.value = item.name + item.name_length;
        item.shown = *item.value == '=';
        item.value += *item.value == '=' || *item.value == '#';
        item.value_length = (size_t)(at + length - item.value);
        *ret = item;
        return at[length] ? at + length + 1 : NULL;
}

static int compare_names(const struct item *a, const struct item *b)
{
        size_t length = a->name_length < b->name_length ? a->name_length : b->name_length;
        int r = memcmp(a->name, b->name, length);

        return r ? r : (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

static int compare(const void *a, const void *b)
{
        const char *const *one = a, *const *other = b;
        struct item first, second;
        int r;

        item_read(*one, &first);
        item_read(*other, &second);
        r = compare_names(&first, &second);
        return r ? r : strcmp(*one, *other);
}

char *outline_finish(struct outline *outline)
{
        size_t size = 1;
        char *text, *at;

        if (outline->n > OUTLINE_ITEMS_MAX) {
                outline_done(outline);
                outline_show(outline, TOO_MANY, "");
        }
        if (outline->n > 0)
                qsort(outline->items, outline->n, sizeof(*outline->items), compare);
        for (uint32_t n = 0; n < outline->n; n++)
                size += strlen(outline->items[n]) + 1;
        text = outline->failed ? NULL : malloc(size);
        at = text;
        for (uint32_t n = 0; text && n < outline->n; n++)
                at += sprintf(at, "%s%s", n > 0 ? "\t" : "", outline->items[n]);
        if (text)
                *at = '\0';
        outline_done(outline);
        return text;
}

/* ---- comparing ----------------------------------------------------------------------------------------------------------- */

struct walk {
        const char *before, *now; /* NULL: at the end */
};

/* The next name in either of them, with what each has of it; false at the end. */
static bool walk_on(struct walk *walk, const struct item **ret_before, const struct item **ret_now,
                    struct item space[2])
{
        const char *after_before = NULL, *after_now = NULL;
        int order = 0;

        if (!walk->before && !walk->now)
                return false;
        if (walk->before)
                after_before = item_read(walk->before, &space[0]);
        if (walk->now)
                after_now = item_read(walk->now, &space[1]);
        if (walk->before && walk->now)
                order = compare_names(&space[0], &space[1]);
        *ret_before = walk->before && order <= 0 ? &space[0] : NULL;
        *ret_now = walk->now && order >= 0 ? &space[1] : NULL;
        if (*ret_before)
                walk->before = after_before;
        if (*ret_now)
                walk->now = after_now;
        return true;
}

static bool is_same(const struct item *before, const struct item *now)
{
        if (!before || !now)
                return before ? before->guess : now->guess;
        if (before->guess && now->guess)
                return true;
        return before->shown == now->shown && before->value_length == now->value_length &&
               memcmp(before->value, now->value, now->value_length) == 0;
}

static void say(const struct item *before, const struct item *now, char *words, size_t size)
{
        const struct item *item = now ? now : before;
        bool variable = text_starts(item->name, "env ");

        text_append(words, size, "%.*s", (int)item->name_length, item->name);
        if (before && now && before->shown && now->shown)
                text_append(words, size, "=%.*s -> %.*s", (int)before->value_length, before->value,
                            (int)now->value_length, now->value);
        else if (before && now)
                text_append(words, size, variable ? ": other value" : " changed");
        else if (item->shown)
                text_append(words, size, "=%.*s %s", (int)item->value_length, item->value, now ? "added" : "removed");
        else
                text_append(words, size, now ? " added" : " removed");
}

static struct walk walk_of(const char *before, const char *now)
{
        return (struct walk){ before && *before ? before : NULL, now && *now ? now : NULL };
}

#define AND_MORE_MAX sizeof(" and 4096 more")

void outline_difference(const char *before, const char *now, char *words, size_t size)
{
        struct walk walk = walk_of(before, now);
        const struct item *one, *other;
        struct item space[2];
        unsigned left_out = 0;

        words[0] = '\0';
        while (walk_on(&walk, &one, &other, space)) {
                char word[2 * ITEM_MAX] = "";

                if (is_same(one, other))
                        continue;
                say(one, other, word, sizeof(word));
                if (left_out > 0 || strlen(words) + strlen(word) + 2 + AND_MORE_MAX > size)
                        left_out++;
                else
                        text_append(words, size, "%s%s", words[0] ? ", " : "", word);
        }
        if (left_out > 0)
                text_append(words, size, words[0] ? " and %u more" : "%u keys", left_out);
}

bool outline_same(const char *before, const char *now)
{
        struct walk walk = walk_of(before, now);
        const struct item *one, *other;
        struct item space[2];

        while (walk_on(&walk, &one, &other, space))
                if (!is_same(one, other))
                        return false;
        return true;
}
