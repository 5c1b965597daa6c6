/* Two texts, line by line: what is told makes the one of the other, whatever they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/diff.h"

static void told(const char *a, const char *b, const char *expected)
{
        struct diff diff;
        char text[1024] = "";

        assert_int_equal(diff_new(a, strlen(a), b, strlen(b), &diff), 0);
        for (size_t i = 0; i < diff.n; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%c%.*s\n", diff.list[i].kind,
                         (int)diff.list[i].length, diff.list[i].text);
        assert_string_equal(text, expected);
        diff_done(&diff);
}

static void lines_are_told_apart(void **state)
{
        (void)state;
        told("", "", "");
        told("a\n", "a\n", " a\n");
        told("a\nb\nc\n", "a\nx\nc\n", " a\n-b\n+x\n c\n");
        told("a\n", "", "-a\n");
        told("", "a\nb", "+a\n+b\n");
        told("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", "-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n");
        told("same end", "same end\n", " same end\n");
}

/* Each side is made again from what is told. */
static void check(const char *a, size_t a_n, const char *b, size_t b_n)
{
        struct diff diff;
        size_t at_a = 0, at_b = 0, common = 0;

        assert_int_equal(diff_new(a, a_n, b, b_n, &diff), 0);
        for (size_t i = 0; i < diff.n; i++) {
                const struct diff_line *line = &diff.list[i];

                common += line->kind == ' ';
                if (line->kind != '+') {
                        assert_memory_equal(a + at_a, line->text, line->length);
                        at_a += line->length + 1;
                }
                if (line->kind != '-') {
                        assert_memory_equal(b + at_b, line->text, line->length);
                        at_b += line->length + 1;
                }
        }
        assert_true(at_a == a_n || at_a == a_n + 1);
        assert_true(at_b == b_n || at_b == b_n + 1);
        assert_true(a_n != b_n || memcmp(a, b, a_n) != 0 || common == diff.n);
        diff_done(&diff);
}

static void random_texts_become_each_other(void **state)
{
        char a[400], b[400];
        uint64_t x = 1;

        (void)state;
        for (unsigned round = 0; round < 3000; round++) {
                size_t a_n = 0, b_n = 0;

                for (unsigned n = 0; n < 200; n++) {
                        x = x * 6364136223846793005 + 1442695040888963407;
                        if ((x >> 40) % 5 && a_n + 2 < sizeof(a))
                                a[a_n++] = (char)('a' + (x >> 33) % 3), a[a_n++] = '\n';
                        if ((x >> 45) % 5 && b_n + 2 < sizeof(b))
                                b[b_n++] = (char)('a' + ((x >> 33) + (x >> 50) % 7 / 6) % 3), b[b_n++] = '\n';
                }
                check(a, a_n, b, b_n);
        }
}

static void what_differs_too_much_is_exchanged_whole(void **state)
{
        size_t room = 40000;
        char *a = malloc(room), *b = malloc(room);
        size_t a_n = 0, b_n = 0;
        struct diff diff;

        (void)state;
        for (unsigned n = 0; n < 2000; n++) {
                a_n += (size_t)snprintf(a + a_n, room - a_n, "a%u\n", n);
                b_n += (size_t)snprintf(b + b_n, room - b_n, "b%u\n", n);
        }
        assert_int_equal(diff_new(a, a_n, b, b_n, &diff), 0);
        assert_int_equal(diff.n, 4000);
        diff_done(&diff);
        check(a, a_n, b, b_n);
        free(a);
        free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_are_told_apart),
                cmocka_unit_test(random_texts_become_each_other),
                cmocka_unit_test(what_differs_too_much_is_exchanged_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
