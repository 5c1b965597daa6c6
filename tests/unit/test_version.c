/* A version of several files: the same text whenever they are the same, and read back to the letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "io/version.h"

static struct version_file file(const char *path, uint8_t content, uint32_t mode)
{
        struct version_file file = { .path = path,
                                     .state = { .there = true, .size = content, .mode = mode, .uid = 7, .gid = 8 } };

        memset(file.state.digest, content, DIGEST_SIZE);
        return file;
}

static char *text_of(struct version_file *list, uint32_t n, size_t *ret_size)
{
        char *text;

        assert_int_equal(version_write(list, n, &text, ret_size), 0);
        return text;
}

static void the_order_in_which_files_are_met_does_not_matter(void **state)
{
        struct version_file one[] = { file("/b", 1, 0100644), file("/a", 2, 0100600), file("/a/c", 3, 0100640) };
        struct version_file other[] = { file("/a/c", 3, 0100640), file("/a", 2, 0100600), file("/b", 1, 0100644) };
        size_t size, other_size;
        char *text = text_of(one, 3, &size), *other_text = text_of(other, 3, &other_size);

        (void)state;
        assert_string_equal(text, other_text);
        free(text);
        other[1].state.mode = 0100644;
        free(other_text);
        text = text_of(one, 3, &size);
        other_text = text_of(other, 3, &other_size);
        assert_string_not_equal(text, other_text);
        free(text);
        free(other_text);
}

static void what_is_written_is_read_back(void **state)
{
        struct version_file list[] = { file("/b c", 1, 0100644), file("/a", 2, 0120777) };
        struct version version;
        size_t size;
        char *text = text_of(list, 2, &size);

        (void)state;
        assert_int_equal(version_read(text, size, &version), 0);
        assert_int_equal(version.n, 2);
        assert_string_equal(version.list[1].path, "/b c");
        assert_true(file_state_same(&version.list[0].state, &version_find(&version, "/a")->state));
        assert_int_equal(version_find(&version, "/a")->state.mode, 0120777);
        assert_null(version_find(&version, "/b"));
        version_done(&version);
        free(text);
}

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEAD "governor-version 1\n"
#define LINE(path) DIGEST_A ":1:100644:0:0 " path "\n"

static void anything_else_is_refused(void **state)
{
        static const char *const texts[] = {
                "",
                "governor-version 2\n",
                HEAD "x",
                HEAD LINE("/b") LINE("/a"),
                HEAD LINE("/a") LINE("/a"),
                HEAD LINE("a"),
                HEAD DIGEST_A ":1:100644:0:0 /a",
                HEAD DIGEST_A ":01:100644:0:0 /a\n",
                HEAD DIGEST_A ":1:100844:0:0 /a\n",
                HEAD DIGEST_A ":1:100644:4294967296:0 /a\n",
                HEAD "A" DIGEST_A ":1:100644:0:0 /a\n",
                HEAD "- /a\n",
                HEAD "\n",
        };
        struct version version;

        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (version_read(texts[i], strlen(texts[i]), &version) != -EBADMSG)
                        fail_msg("text %zu is taken", i);
        assert_int_equal(version_read(HEAD LINE("/a") "\0", strlen(HEAD LINE("/a")) + 1, &version), -EBADMSG);
        assert_int_equal(version_read(HEAD LINE("/a"), strlen(HEAD LINE("/a")), &version), 0);
        version_done(&version);
}

static void two_versions_are_walked_over_at_once(void **state)
{
        struct version_file of_a[] = { file("/1", 1, 0100644), file("/2", 1, 0100644), file("/4", 1, 0100644) };
        struct version_file of_b[] = { file("/2", 1, 0100644), file("/3", 1, 0100644), file("/4", 1, 0100644),
                                       file("/5", 1, 0100644) };
        struct version a = { .list = of_a, .n = 3 }, b = { .list = of_b, .n = 4 };
        struct version_walk walk = { 0 };
        const struct version_file *in_a, *in_b;
        char seen[64] = "";

        (void)state;
        while (version_next(&a, &b, &walk, &in_a, &in_b)) {
                strcat(seen, in_a ? in_a->path : "-");
                strcat(seen, in_b ? in_b->path : "-");
        }
        assert_string_equal(seen, "/1-/2/2-/3/4/4-/5");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_order_in_which_files_are_met_does_not_matter),
                cmocka_unit_test(what_is_written_is_read_back),
                cmocka_unit_test(anything_else_is_refused),
                cmocka_unit_test(two_versions_are_walked_over_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
