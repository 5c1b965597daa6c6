#include "observe/apps_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/outline.h"

#define BETWEEN "\v" /* never in an outline: a name's control characters are taken out */

/* "3\tOUTLINE", with what comes next behind a BETWEEN. */
struct variant {
        unsigned count;
        char *outline; /* NULL at the end */
};

struct group {
        char *text; /* cut in pieces */
        struct variant variants[APPS_GROUP_MAX];
        unsigned n;
};

static void group_done(struct group *group)
{
        free(group->text);
}

static void group_read(const char *text, struct group *ret)
{
        char *rest;

        *ret = (struct group){ .text = strdup(text ? text : "") };
        rest = ret->text;
        for (char *piece; ret->n < APPS_GROUP_MAX && rest && *rest && (piece = strsep(&rest, BETWEEN));) {
                struct variant *variant = &ret->variants[ret->n++];

                variant->count = (unsigned)strtoul(piece, &variant->outline, 10);
                variant->outline += *variant->outline == '\t';
        }
}

/* ---- out ------------------------------------------------------------------------------------------------------------------ */

static unsigned gather(const char *const *outlines, size_t n, struct variant variants[APPS_GROUP_MAX])
{
        unsigned found = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned k = 0;

                while (k < found && !outline_same(variants[k].outline, outlines[i]))
                        k++;
                if (k == APPS_GROUP_MAX)
                        k--; /* counted with another one */
                if (k == found)
                        variants[found++] = (struct variant){ 0, (char *)(size_t)outlines[i] };
                variants[k].count++;
        }
        return found;
}

char *apps_group_of(const char *const *outlines, size_t n)
{
        struct variant variants[APPS_GROUP_MAX];
        unsigned found = gather(outlines, n, variants);
        size_t size = 1;
        char *text, *at;

        for (unsigned k = 0; k < found; k++)
                size += strlen(variants[k].outline) + 16;
        at = text = malloc(size);
        if (!text)
                return NULL;
        *at = '\0';
        for (unsigned k = 0; k < found; k++)
                at += sprintf(at, "%s%u\t%s", k > 0 ? BETWEEN : "", variants[k].count, variants[k].outline);
        return text;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------ */

static unsigned count_of(const struct group *group)
{
        unsigned count = 0;

        for (unsigned n = 0; n < group->n; n++)
                count += group->variants[n].count;
        return count;
}

unsigned apps_group_count(const char *text)
{
        _cleanup_(group_done) struct group group;

        group_read(text, &group);
        return count_of(&group);
}

/* Takes out what both have, as often as both have it. With `kind` one of a kind on both sides is enough. */
static void take_out_common(struct group *before, struct group *now, bool kind)
{
        for (unsigned i = 0; i < before->n; i++)
                for (unsigned k = 0; k < now->n; k++) {
                        struct variant *one = &before->variants[i], *other = &now->variants[k];
                        unsigned least = one->count < other->count ? one->count : other->count;

                        if (least == 0 || !outline_same(one->outline, other->outline))
                                continue;
                        one->count = kind ? 0 : one->count - least;
                        other->count = kind ? 0 : other->count - least;
                }
}

static const char *first_of(const struct group *group)
{
        for (unsigned n = 0; n < group->n; n++)
                if (group->variants[n].count > 0)
                        return group->variants[n].outline;
        return NULL;
}

static bool compare(const char *before, const char *now, bool kind)
{
        _cleanup_(group_done) struct group one, other;

        group_read(before, &one);
        group_read(now, &other);
        take_out_common(&one, &other, kind);
        return !first_of(&one) && !first_of(&other);
}

bool apps_group_same(const char *before, const char *now)
{
        return compare(before, now, false);
}

bool apps_group_same_but_count(const char *before, const char *now)
{
        return compare(before, now, true);
}

void apps_group_difference(const char *before, const char *now, char *words, size_t size)
{
        _cleanup_(group_done) struct group one, other;
        unsigned was, is;

        words[0] = '\0';
        group_read(before, &one);
        group_read(now, &other);
        was = count_of(&one);
        is = count_of(&other);
        take_out_common(&one, &other, true);
        if (first_of(&one) && first_of(&other))
                outline_difference(first_of(&one), first_of(&other), words, size);
        else if (first_of(&other))
                text_append(words, size, "another app of this name");
        else if (first_of(&one))
                text_append(words, size, "one app less of this name");
        if (was != is)
                text_append(words, size, "%sinstances %u -> %u", words[0] ? ", " : "", was, is);
        else if (!words[0] && !apps_group_same(before, now))
                text_append(words, size, "another number of each app of this name");
}
