#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/unit_text.h"

/* The outline of a text that comes in pieces of that size. */
static char *outline_in(struct veil *veil, const char *text, size_t piece)
{
        struct unit_text *reader = malloc(sizeof(*reader));
        size_t size = strlen(text);
        char *outline;

        unit_text_init(reader, veil);
        unit_text_begin(reader);
        for (size_t at = 0; at < size; at += piece)
                unit_text_piece(reader, text + at, size - at < piece ? size - at : piece);
        outline = unit_text_end(reader);
        free(reader);
        assert_non_null(outline);
        return outline;
}

static void check(const char *before, const char *now, const char *expected)
{
        char *one, *other, words[512];
        struct veil *veil;

        assert_int_equal(veil_new(&veil), 0);
        for (size_t piece = 1; piece < 9; piece += 3) {
                one = outline_in(veil, before, piece);
                other = outline_in(veil, now, 1000);
                outline_difference(one, other, words, sizeof(words));
                assert_string_equal(words, expected);
                free(one);
                free(other);
        }
        veil_free(veil);
}

#define UNIT                                          \
        "[Unit]\nDescription=The lily\n\n[Service]\n" \
        "ExecStart=/usr/bin/lily --key=sk-1\nEnvironment=KEY=sk-2\nRestart=always\nRestartSec=5\n"

static void harmless_keys_are_told_with_their_values(void **state)
{
        (void)state;
        check(UNIT, UNIT, "");
        check("Restart=always\nRestartSec=5\n", "Restart=no\nMemoryMax=1G\n",
              "MemoryMax=1G added, Restart=always -> no, RestartSec=5 removed");
}

static void of_the_others_only_the_name_is_told(void **state)
{
        (void)state;
        check(UNIT,
              "[Service]\nExecStart=/usr/bin/lily --key=sk-3\nEnvironment=KEY=sk-4\nRestart=always\nRestartSec=5\n"
              "LoadCredential=token:/etc/token\n",
              "Description removed, Environment changed, ExecStart changed, LoadCredential added");
}

static void what_only_looks_like_a_key_is_not_told(void **state)
{
        (void)state;
        check("Nice=1\n", "Nice=1\nsk-proj-QWxhZGRpbjpvcGVuIHNlc2FtZQ==\nOPENAI_API_KEY=sk-1\n", "other keys added");
        check("sk-A==\n", "sk-B==\n", "other keys changed");
        check("Nice=1\nno key at all\n", "Nice=1\nanother one\n", "");
}

static void layout_and_comments_are_nothing(void **state)
{
        (void)state;
        check("Restart=always\nEnvironment=A=1 B=2\n",
              "# Restart=no\n; Nice=3\n\n  Restart =\talways  \r\nEnvironment=A=1    B=2   \n[X]\n", "");
        check("Environment=A=1 B=2\n", "Environment=A=1 \\\n# a comment\n  ; another\n   B=2", "");
        check("ExecStart=/bin/sh -c 'a\\\\'\nNice=1\n", "ExecStart=/bin/sh -c 'a\\\\'\nNice=2\n", "Nice=1 -> 2");
        check("ExecStart=/bin/x a\\\\\nNice=1\n", "ExecStart=/bin/x a\\\\\nNice=1\n", "");
}

static void a_line_that_goes_on_is_no_key(void **state)
{
        (void)state;
        check("Environment=A=1\n", "Environment=A=1 \\\nRestart=no\n", "Environment changed");
        check("Environment=A=1 \\\n", "Environment=A=1", "");
}

static void a_key_that_is_given_twice_has_both_values(void **state)
{
        (void)state;
        check("After=a.service\nAfter=b.service\n", "After=a.service\n", "After=a.service b.service -> a.service");
        check("Environment=A=1\nEnvironment=B=2\n", "Environment=B=2\nEnvironment=A=1\n", "Environment changed");
}

static void a_long_or_strange_value_is_hidden(void **state)
{
        (void)state;
        check("User=a\n",
              "User="
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
              "User changed");
        check("User=a\n", "User=\033[31m\n", "User changed");
}

static void more_keys_than_there_is_room_for_count_as_one(void **state)
{
        char text[UNIT_TEXT_KEYS_MAX * 2 * 32] = "", *outline;
        struct veil *veil;

        (void)state;
        for (int key = 0; key < UNIT_TEXT_KEYS_MAX * 2; key++) {
                strcat(text, unit_key_name(key));
                strcat(text, "=1\n");
        }
        assert_int_equal(veil_new(&veil), 0);
        outline = outline_in(veil, text, 7);
        assert_non_null(strstr(outline, "other keys#"));
        free(outline);
        veil_free(veil);
}

static void each_key_is_found_and_no_other(void **state)
{
        (void)state;
        for (int key = 0; *unit_key_name(key) <= 'W' && strcmp(unit_key_name(key), "WorkingDirectory") != 0; key++) {
                assert_int_equal(unit_key_find(unit_key_name(key)), key);
                assert_true(strlen(unit_key_name(key)) < UNIT_KEY_MAX);
        }
        assert_int_equal(unit_key_find("Resta"), -1);
        assert_int_equal(unit_key_find("=Restart"), -1);
        assert_int_equal(unit_key_find(""), -1);
        assert_true(unit_key_is_shown(unit_key_find("Restart")));
        for (const char *const *name = (const char *const[]){ "Environment", "ExecStart", "LoadCredential",
                                                              "SetCredential", "EnvironmentFile", "Description", NULL };
             *name; name++)
                assert_false(unit_key_is_shown(unit_key_find(*name)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(harmless_keys_are_told_with_their_values),
                cmocka_unit_test(of_the_others_only_the_name_is_told),
                cmocka_unit_test(what_only_looks_like_a_key_is_not_told),
                cmocka_unit_test(layout_and_comments_are_nothing),
                cmocka_unit_test(a_line_that_goes_on_is_no_key),
                cmocka_unit_test(a_key_that_is_given_twice_has_both_values),
                cmocka_unit_test(a_long_or_strange_value_is_hidden),
                cmocka_unit_test(more_keys_than_there_is_room_for_count_as_one),
                cmocka_unit_test(each_key_is_found_and_no_other),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
