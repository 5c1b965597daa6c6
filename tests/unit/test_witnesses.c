/* The list of witnesses: read from a file that anybody may have spoilt, refused with the line, written back whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "witnesses.h"

#define W1 "witness.example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin"
#define LOG "vps1.example/governor/1f2e3d4c+16e802f0+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
#define URL "https://witness.example/w1"

static struct witnesses list;
static char why[WITNESS_WHY_MAX];

static int parse(const char *text)
{
        memset(&list, 0, sizeof(list));
        why[0] = '\0';
        return witnesses_parse(text, strlen(text), &list, why);
}

static void a_line_is_a_key_and_a_url(void **state)
{
        assert_int_equal(parse("# ours\n\n  " W1 "\t" URL "  \r\n"), 0);
        assert_int_equal(list.n, 1);
        assert_string_equal(list.list[0].key.name, "witness.example/w1");
        assert_string_equal(list.list[0].vkey, W1);
        assert_string_equal(list.list[0].url, URL);
        assert_ptr_equal(witnesses_find(&list, "witness.example/w1"), &list.list[0]);
        assert_null(witnesses_find(&list, "witness.example/w"));
        assert_int_equal(parse(""), 0);
        assert_int_equal(list.n, 0);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
        static const struct {
                const char *text, *why;
        } wrong[] = {
                { W1, "1: a line is a verifier key and a URL" },
                { "\n" W1 " " URL " more\n", "2: a line is a verifier key and a URL" },
                { LOG " " URL, "1: this verifier key is not a witness's (it must be of type 04)" },
                { "nonsense " URL, "1: not a verifier key (NAME+ID+BASE64)" },
                { W1 " " URL "\n#\n" W1 " http://other/\n", "3: there is a witness of that name already" },
                { W1 " ftp://x/", "1: the URL must begin with https:// or http:// and a host" },
                { W1 " https://", "1: the URL must begin with https:// or http:// and a host" },
                { W1 " https:///x", "1: the URL must begin with https:// or http:// and a host" },
                { W1 " file:///etc/shadow", "1: the URL must begin with https:// or http:// and a host" },
                { W1 " --upload-file=/x", "1: the URL must begin with https:// or http:// and a host" },
                { W1 " https://me:secret@x/", "1: the URL must not hold a user or password" },
                { W1 " https://x/\x01", "1: the URL must be printable ASCII of at most 511 characters" },
                { W1 " https://x/?q", "1: the URL must be a plain prefix, without query, fragment or quotes" },
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                list.n = 7;
                assert_int_equal(witnesses_parse(wrong[i].text, strlen(wrong[i].text), &list, why), -EINVAL);
                assert_string_equal(why, wrong[i].why);
                assert_int_equal(list.n, 7); /* what was there stays */
        }
        assert_int_equal(witnesses_parse("a\0b", 3, &list, why), -EINVAL);
        assert_string_equal(why, "1: the file holds a NUL byte");
}

static void what_was_written_is_read_again(void **state)
{
        char directory[] = "/tmp/witnesses-XXXXXX", path[64];
        struct witnesses again = { 0 };

        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/witnesses", directory);
        again.n = 3;
        assert_int_equal(witnesses_load(path, &again, why), 0);
        assert_int_equal(again.n, 0);
        assert_int_equal(parse(W1 " " URL), 0);
        assert_int_equal(witnesses_save(path, &list), 0);
        assert_int_equal(witnesses_load(path, &again, why), 0);
        assert_int_equal(again.n, 1);
        assert_string_equal(again.list[0].vkey, W1);
        witnesses_remove(&again, &again.list[0]);
        assert_int_equal(witnesses_save(path, &again), 0);
        assert_int_equal(witnesses_load(path, &list, why), 0);
        assert_int_equal(list.n, 0);
        unlink(path);
        assert_int_equal(rmdir(directory), 0);
}

static void a_file_that_is_wrong_is_named_with_its_line(void **state)
{
        char path[] = "/tmp/witnesses-XXXXXX";
        FILE *file = fdopen(mkstemp(path), "w");
        char wanted[128];

        fputs("# x\nnonsense\n", file);
        fclose(file);
        assert_int_equal(witnesses_load(path, &list, why), -EINVAL);
        snprintf(wanted, sizeof(wanted), "%s:2: a line is a verifier key and a URL", path);
        assert_string_equal(why, wanted);
        unlink(path);
        assert_int_equal(witnesses_load("/", &list, why), -EBADF);
}

static void a_cosignature_names_its_witness(void **state)
{
        char name[AUDIT_ORIGIN_MAX];

        assert_true(witness_name_in("\xe2\x80\x94 witness.example/w1 AAAA", name));
        assert_string_equal(name, "witness.example/w1");
        assert_false(witness_name_in("witness.example/w1 AAAA", name));
        assert_false(witness_name_in("\xe2\x80\x94 witness.example/w1", name));
        assert_false(witness_name_in("\xe2\x80\x94  AAAA", name));
        assert_false(witness_name_in("", name));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_is_a_key_and_a_url),
                cmocka_unit_test(what_is_wrong_is_said_with_its_line),
                cmocka_unit_test(what_was_written_is_read_again),
                cmocka_unit_test(a_file_that_is_wrong_is_named_with_its_line),
                cmocka_unit_test(a_cosignature_names_its_witness),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
