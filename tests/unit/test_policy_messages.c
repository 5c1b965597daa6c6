/*
 * Broken policies and what is said about them, byte for byte. tests/data/policy/broken/NN-name.txt is what has to be said
 * about NN-name.yaml. After a change that is meant:
 *   GOVERNOR_UPDATE_GOLDEN=1 build/tests/unit/test_policy_messages && git diff tests/data
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "policy/policy.h"

#define BROKEN "tests/data/policy/broken"

static char *read_text(const char *path, size_t *ret_size)
{
        FILE *file = fopen(path, "re");
        char *text = calloc(1, 65536);

        assert_non_null(text);
        *ret_size = file ? fread(text, 1, 65535, file) : 0;
        if (file)
                fclose(file);
        return text;
}

static char *rendered(const struct policy_messages *messages)
{
        char *all = calloc(1, 65536), buffer[POLICY_RENDER_MAX];

        assert_non_null(all);
        for (size_t i = 0; i < messages->n; i++)
                text_append(all, 65536, "%s", policy_message_render(&messages->list[i], false, buffer));
        return all;
}

/* Named without its folder, so that the golden text does not know where the tests run. */
static char *what_is_said_of(const char *name, int *ret_r)
{
        char path[512];
        size_t size;
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };

        snprintf(path, sizeof(path), BROKEN "/%s", name);
        char *text = read_text(path, &size);
        *ret_r = policy_load_text(name, text, size, &policy, &messages);
        free(text);
        text = rendered(&messages);
        policy_messages_done(&messages);
        assert_null(policy);
        return text;
}

static int is_yaml(const struct dirent *entry)
{
        return text_ends(entry->d_name, ".yaml");
}

static void each_broken_policy_is_explained_as_written_down(void **state)
{
        struct dirent **entries;
        int n = scandir(BROKEN, &entries, is_yaml, alphasort), failed = 0;

        assert_true(n >= 40);
        for (int i = 0; i < n; i++) {
                char golden[512];
                size_t size;
                int r;
                char *said = what_is_said_of(entries[i]->d_name, &r), *wanted;

                snprintf(golden, sizeof(golden), BROKEN "/%.*s.txt", (int)strlen(entries[i]->d_name) - 5,
                         entries[i]->d_name);
                if (getenv("GOVERNOR_UPDATE_GOLDEN")) {
                        FILE *file = fopen(golden, "we");

                        assert_non_null(file);
                        fputs(said, file);
                        fclose(file);
                }
                wanted = read_text(golden, &size);
                if (r != -22 || strcmp(said, wanted) != 0) {
                        print_error("%s: r=%d, said:\n%swanted:\n%s", entries[i]->d_name, r, said, wanted);
                        failed++;
                }
                free(said);
                free(wanted);
                free(entries[i]);
        }
        free(entries);
        assert_int_equal(failed, 0);
}

static void no_message_ever_holds_a_secret(void **state)
{
        struct dirent **entries;
        int n = scandir(BROKEN, &entries, is_yaml, alphasort);

        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
                int r;
                char *said = what_is_said_of(entries[i]->d_name, &r);

                assert_null(strstr(said, "FIXTURE-SECRET"));
                free(said);
                free(entries[i]);
        }
        free(entries);
}

static void a_message_in_colour_says_the_same(void **state)
{
        struct policy_message message = {
                .file = "a.yaml",
                .line = 3,
                .column = 3,
                .length = 4,
                .text = "no",
                .source = "  word: 1",
        };
        char buffer[POLICY_RENDER_MAX];

        assert_string_equal(policy_message_render(&message, false, buffer), "a.yaml:3:3: error: no\n"
                                                                            "    3 |   word: 1\n"
                                                                            "      |   ^~~~\n");
        assert_string_equal(policy_message_render(&message, true, buffer),
                            "\x1b[1ma.yaml:3:3: \x1b[1;31merror:\x1b[0m no\n"
                            "    3 |   word: 1\n"
                            "      |   \x1b[1;32m^~~~\x1b[0m\n");
}

static void thousands_of_errors_are_cut_short(void **state)
{
        char *text = calloc(1, 20 * 2000 + 1);
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };

        assert_non_null(text);
        for (int i = 0; i < 2000; i++)
                text_append(text, 20 * 2000, "key%d: 1\n", i);
        assert_int_equal(policy_load_text("x.yaml", text, strlen(text), &policy, &messages), -22);
        assert_int_equal(messages.errors, 2000);
        assert_true(messages.n <= 501);
        policy_messages_done(&messages);
        free(text);
}

static void what_is_no_file_is_said_so(void **state)
{
        char directory[] = "/tmp/governor-policy-XXXXXX", path[64], big[64];
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };

        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/10-pipe.yaml", directory);
        snprintf(big, sizeof(big), "%s/20-big.yaml", directory);
        assert_int_equal(mkfifo(path, 0600), 0);
        FILE *file = fopen(big, "we");
        assert_non_null(file);
        assert_int_equal(ftruncate(fileno(file), 1024 * 1024 + 1), 0);
        fclose(file);
        assert_int_equal(policy_load(NULL, directory, &policy, &messages), -22);
        assert_int_equal(messages.n, 2);
        assert_string_equal(messages.list[0].text, "not a regular file");
        assert_string_equal(messages.list[1].text, "larger than 1 MiB: this is no policy");
        policy_messages_done(&messages);
        unlink(path);
        unlink(big);
        rmdir(directory);
        const char *absent = "/nonexistent/x.yaml";
        assert_int_equal(policy_load_files(&absent, 1, &policy, &messages), -22);
        assert_string_equal(messages.list[0].text, "cannot be opened: No such file or directory");
        policy_messages_done(&messages);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_broken_policy_is_explained_as_written_down),
                cmocka_unit_test(no_message_ever_holds_a_secret),
                cmocka_unit_test(a_message_in_colour_says_the_same),
                cmocka_unit_test(thousands_of_errors_are_cut_short),
                cmocka_unit_test(what_is_no_file_is_said_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
