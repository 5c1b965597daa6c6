#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/outline.h"
#include "io/veil.h"

/* ---- outlines ------------------------------------------------------------------------------------------------------------ */

/* Items as "NAME=VALUE" (shown), "NAME#1" (hidden), "?NAME#1" (perhaps one), in any order. */
static char *outline_of(const char *const *items)
{
        struct outline outline = { .n = 0 };

        for (; *items; items++) {
                char name[64];
                const char *mark = strpbrk(*items, "=#");
                bool guess = **items == '?';

                snprintf(name, sizeof(name), "%.*s", (int)(mark - *items) - guess, *items + guess);
                if (*mark == '=')
                        outline_show(&outline, name, mark + 1);
                else if (guess)
                        outline_guess(&outline, name, strtoull(mark + 1, NULL, 16));
                else
                        outline_hide(&outline, name, strtoull(mark + 1, NULL, 16));
        }
        return outline_finish(&outline);
}

#define ITEMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void check(const char *const *before, const char *const *now, const char *expected)
{
        char *one = outline_of(before), *other = outline_of(now), words[256];

        assert_non_null(one);
        assert_non_null(other);
        outline_difference(one, other, words, sizeof(words));
        assert_string_equal(words, expected);
        assert_int_equal(outline_same(one, other), expected[0] == '\0');
        free(one);
        free(other);
}

static void differences_are_told_key_by_key(void **state)
{
        (void)state;
        check(ITEMS("Restart=always", "ExecStart#1", "Nice=5"), ITEMS("Nice=5", "Restart=no", "ExecStart#2"),
              "ExecStart changed, Restart=always -> no");
        check(ITEMS("env A#1", "env B#1"), ITEMS("env B#2", "env C#3"),
              "env A removed, env B: other value, env C added");
        check(ITEMS("a=1"), ITEMS("a#1"), "a changed");
        check(ITEMS("a=1"), ITEMS("a=1", "ab=2"), "ab=2 added");
        check(ITEMS("a=1", "ab=2"), ITEMS("ab=2"), "a=1 removed");
}

static void the_order_in_which_keys_come_is_none(void **state)
{
        (void)state;
        check(ITEMS("b=1", "a#1", "a b#1"), ITEMS("a b#1", "a#1", "b=1"), "");
}

static void a_guess_counts_only_beside_what_is_certain(void **state)
{
        (void)state;
        check(ITEMS("?a#1"), ITEMS("?a#2"), "");
        check(ITEMS("?a#1"), ITEMS("b=1"), "b=1 added");
        check(ITEMS("b=1"), ITEMS("b=1", "?a#2"), "");
        check(ITEMS("env a#1"), ITEMS("?env a#1"), "");
        check(ITEMS("env a#1"), ITEMS("?env a#2"), "env a: other value");
        check(ITEMS("?env a#1"), ITEMS("env a#1"), "");
}

static void nothing_is_an_outline_too(void **state)
{
        struct outline outline = { .n = 0 };
        char words[64], *text = outline_finish(&outline);

        (void)state;
        assert_string_equal(text, "");
        outline_difference(NULL, text, words, sizeof(words));
        assert_string_equal(words, "");
        outline_difference(NULL, "a=1", words, sizeof(words));
        assert_string_equal(words, "a=1 added");
        free(text);
}

static void what_does_not_fit_is_counted(void **state)
{
        struct outline outline = { .n = 0 };
        char words[64], name[16], *text;

        (void)state;
        for (unsigned n = 0; n < 100; n++) {
                snprintf(name, sizeof(name), "key%02u", n);
                outline_hide(&outline, name, n);
        }
        text = outline_finish(&outline);
        outline_difference("", text, words, sizeof(words));
        assert_string_equal(words, "key00 added, key01 added, key02 added and 97 more");
        free(text);
}

static void names_cannot_break_it(void **state)
{
        (void)state;
        check(ITEMS("a\tb#1"), ITEMS("a\nb#1"), "");
        struct outline outline = { .n = 0 };
        char *text, words[128];

        outline_show(&outline, "a=b#c?\td", "x\ty\nz");
        text = outline_finish(&outline);
        outline_difference(NULL, text, words, sizeof(words));
        assert_string_equal(words, "a_b_c__d=x?y?z added");
        free(text);
}

static void more_than_can_be_compared_is_compared_as_that(void **state)
{
        struct outline outline = { .n = 0 };
        char name[16], *text;

        (void)state;
        for (unsigned n = 0; n < OUTLINE_ITEMS_MAX + 10; n++) {
                snprintf(name, sizeof(name), "%u", n);
                outline_hide(&outline, name, n);
        }
        text = outline_finish(&outline);
        assert_string_equal(text, "more keys than are compared=");
        free(text);
}

/* ---- veils --------------------------------------------------------------------------------------------------------------- */

static uint64_t veiled(struct veil *veil, const char *text)
{
        veil_begin(veil);
        veil_add(veil, text, strlen(text));
        return veil_end(veil);
}

static void a_value_is_known_again_under_the_same_key_only(void **state)
{
        char path[] = "/tmp/governor-veil.XXXXXX";
        struct veil *one, *again, *other;
        struct stat st;

        (void)state;
        assert_non_null(mkdtemp(path));
        char file[64];
        snprintf(file, sizeof(file), "%s/key", path);
        assert_int_equal(veil_open(file, &one), 0);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(veil_open(file, &again), 0);
        assert_true(veiled(one, "secret") == veiled(again, "secret") && veil_mark(one) == veil_mark(again));
        assert_true(veiled(one, "secret") != veiled(one, "secreT"));
        assert_int_equal(veil_new(&other), 0);
        assert_true(veiled(one, "secret") != veiled(other, "secret") && veil_mark(one) != veil_mark(other));
        veil_free(again);
        veil_free(other);

        assert_int_equal(chmod(file, 0644), 0); /* others may have read it */
        assert_int_equal(veil_open(file, &other), 0);
        assert_true(veil_mark(one) != veil_mark(other));
        veil_free(other);
        assert_int_equal(truncate(file, 7), 0);
        assert_int_equal(veil_open(file, &other), 0);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_size, 32);
        veil_free(one);
        veil_free(other);
        unlink(file);
        assert_int_equal(veil_open("/nowhere/at/all", &other), -ENOENT);
        rmdir(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(differences_are_told_key_by_key),
                cmocka_unit_test(the_order_in_which_keys_come_is_none),
                cmocka_unit_test(a_guess_counts_only_beside_what_is_certain),
                cmocka_unit_test(nothing_is_an_outline_too),
                cmocka_unit_test(what_does_not_fit_is_counted),
                cmocka_unit_test(names_cannot_break_it),
                cmocka_unit_test(more_than_can_be_compared_is_compared_as_that),
                cmocka_unit_test(a_value_is_known_again_under_the_same_key_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
