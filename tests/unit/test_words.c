/* Records in words: what the guard's say to people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "govctl/words.h"

static void check_words(const char *record, const char *wanted)
{
        json_t *parsed = json_loads(record, 0, NULL);
        char words[RECORD_WORDS_MAX];

        assert_non_null(parsed);
        assert_string_equal(record_words(parsed, words), wanted);
        json_decref(parsed);
}

static void a_change_of_a_guarded_file_names_its_writer(void **state)
{
        (void)state;
        check_words(
                "{\"action\":\"fact.file\",\"details\":{\"event\":\"changed\",\"path\":\"/opt/a\",\"what\":\"a link now\","
                "\"by\":\"pidfd\",\"exe\":\"/usr/bin/node\",\"pid\":77,\"writer\":0}}",
                "guarded file /opt/a changed: a link now, by /usr/bin/node (pid 77, uid 0)");
        check_words(
                "{\"action\":\"fact.file\",\"details\":{\"event\":\"bound-over\",\"path\":\"/opt/a\",\"by\":\"audit\","
                "\"exe\":\"\",\"pid\":77,\"writer\":null}}",
                "guarded file /opt/a was mounted over, by an unknown program (pid 77)");
        check_words(
                "{\"action\":\"fact.file\",\"details\":{\"event\":\"removed\",\"path\":\"/opt/a\",\"by\":\"unknown\","
                "\"pid\":0,\"writer\":null}}",
                "guarded file /opt/a removed, by whom is not known");
        check_words("{\"action\":\"fact.file\",\"details\":{\"event\":\"denied\",\"path\":\"/opt/a\",\"times\":3,"
                    "\"by\":\"opener\",\"exe\":\"/bin/sh\"}}",
                    "a change of /opt/a was refused 3 times, by /bin/sh");
}

static void what_is_no_change_names_nobody(void **state)
{
        (void)state;
        check_words(
                "{\"action\":\"fact.file\",\"details\":{\"event\":\"back\",\"path\":\"/opt/a\",\"by\":\"unknown\"}}",
                "/opt/a is as it was sealed again");
        check_words("{\"action\":\"fact.file\",\"details\":{\"event\":\"level\",\"rule\":\"core\",\"level\":\"L0\","
                    "\"before\":\"L2\",\"why\":\"an audit rule is gone\"}}",
                    "files of 'core' are guarded at level L0, before L2: an audit rule is gone");
}

static void a_restore_is_told_before_and_after(void **state)
{
        (void)state;
        check_words(
                "{\"action\":\"file.restore\",\"outcome\":\"pending\",\"details\":{\"reason\":\"/opt/a was changed\"}}",
                "putting a guarded file back: /opt/a was changed");
        check_words(
                "{\"action\":\"file.restore\",\"outcome\":\"ok\",\"details\":{\"text\":\"restored 312 times in 4.2s\"}}",
                "guarded file put back: restored 312 times in 4.2s");
        check_words("{\"action\":\"file.restore\",\"outcome\":\"fail\",\"details\":{\"text\":\"no space left\"}}",
                    "GUARDED FILE NOT PUT BACK: no space left");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_change_of_a_guarded_file_names_its_writer),
                cmocka_unit_test(what_is_no_change_names_nobody),
                cmocka_unit_test(a_restore_is_told_before_and_after),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
