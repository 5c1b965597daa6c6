/* What a hardened unit is made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/harden.h"
#include "base/text.h"
#include "govctl/machine.h"
#include "govctl/unit.h"
#include "govctl_stage.h"

static const struct harden plain = { .write = "", .guard = "", .hide = "" };

static void says(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("not in it: %s\n%s", part, text);
}

static void every_setting_has_a_name_and_a_reason(void **state)
{
        for (enum harden_key key = 0; key < HARDEN_KEY_N; key++) {
                enum harden_key back = HARDEN_KEY_N;

                assert_non_null(harden_row(key)->name);
                assert_true(strlen(harden_row(key)->why) > 5);
                assert_true(harden_key_from_name(harden_row(key)->name, &back));
                assert_int_equal(back, key);
        }
}

static void the_text_is_a_section_of_a_unit_file(void **state)
{
        const struct harden harden = { .user = "ida",
                                       .hide_bus = true,
                                       .write = "/srv/ida /srv/x",
                                       .guard = "/srv/ida/core",
                                       .hide = "-/home/ida/.pm2" };
        char text[HARDEN_TEXT_MAX];

        harden_text(&harden, text);
        assert_true(text_starts(text, "[Service]\nUser=ida\nNoNewPrivileges=yes\nCapabilityBoundingSet=\n"));
        says(text, "\nReadWritePaths=/srv/ida /srv/x\n");
        says(text, "\nReadOnlyPaths=/srv/ida/core\n");
        says(text, " -/run/dbus/system_bus_socket -/home/ida/.pm2\n");
        harden_text(&plain, text);
        assert_null(strstr(text, "User="));
        assert_null(strstr(text, "ReadWritePaths="));
        assert_null(strstr(text, "system_bus_socket"));
        assert_null(strstr(text, "governor-agent")); /* its heartbeat must get through */
}

/* The longest lists that fit are not cut off: half a path would be another one. */
static void long_lists_are_whole(void **state)
{
        char list[HARDEN_VALUE_MAX] = "", text[HARDEN_TEXT_MAX];
        struct harden harden = plain;

        while (strlen(list) + 16 < sizeof list)
                text_append(list, sizeof list, "%s/srv/a/b/c", list[0] ? " " : "");
        harden.write = list;
        harden.guard = list;
        harden_text(&harden, text);
        assert_true(text_ends(text, "\nSystemCallErrorNumber=EPERM\n"));
        says(text, list);
}

static void what_would_be_read_otherwise_is_refused(void **state)
{
        assert_true(harden_path_fits("/srv/ida-1/state_2"));
        assert_false(harden_path_fits("srv"));
        assert_false(harden_path_fits(""));
        assert_false(harden_path_fits("/srv/a b"));
        assert_false(harden_path_fits("/srv/%h"));
        assert_false(harden_path_fits("/srv/x\nUser=root"));
        assert_false(harden_path_fits("/srv/\"x"));
        assert_true(harden_user_fits("agent-1"));
        assert_false(harden_user_fits(""));
        assert_false(harden_user_fits("-x"));
        assert_false(harden_user_fits("a b"));
        assert_false(harden_user_fits("%i"));
        assert_false(harden_user_fits("a-name-that-is-longer-than-any-may-be"));
}

static void other_words_for_yes_are_the_same(void **state)
{
        assert_true(harden_same("yes", "true"));
        assert_true(harden_same("yes", "1"));
        assert_false(harden_same("yes", "no"));
        assert_false(harden_same("strict", "true"));
        assert_true(harden_same("", ""));
}

/* Nothing is something: an empty set of capabilities. An empty line in a list takes back what stood before. */
static void a_unit_file_is_read_as_systemd_does(void **state)
{
        char text[] = "[Service]\nUser=ida\nCapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=\nReadWritePaths=/a\n"
                      "ReadWritePaths=\nReadWritePaths=/b\nReadWritePaths=/c\n[Unit]\nNoNewPrivileges=yes\n";
        struct unit *unit = calloc(1, sizeof *unit);

        assert_non_null(unit);
        assert_int_equal(unit_parse(unit, "/x.service", text), 0);
        assert_string_equal(unit_get(unit, UNIT_HARDEN(HARDEN_CAPABILITIES))->value, "");
        assert_string_equal(unit_get(unit, UNIT_HARDEN(HARDEN_WRITE))->value, "/c");
        assert_string_equal(unit_text(unit, UNIT_HARDEN(HARDEN_USER), ""), "ida");
        assert_string_equal(unit_text(unit, UNIT_USER, ""), "ida");
        assert_null(unit_get(unit, UNIT_HARDEN(HARDEN_NO_NEW_PRIVILEGES))); /* it stands in the wrong section */
        assert_null(unit_get(unit, UNIT_HARDEN(HARDEN_TMP)));
        unit_free(unit);
}

static void what_is_asked_wrongly_is_said_before_anybody_is_asked(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "harden", "agent-oscar", "--write=state", NULL), CODE_USAGE);
        says(stage.talk, "--write takes an absolute path without blanks");
        assert_int_equal(stage_run(&stage, "harden", "agent-oscar", "--guard=/srv/a b", NULL), CODE_USAGE);
        says(stage.talk, "why:  /srv/a b");
        assert_int_equal(stage_run(&stage, "harden", "agent-oscar", "--write=/nowhere/at/all", NULL), CODE_FAILURE);
        says(stage.talk, "this path is not there, and the unit would not start");
        assert_int_equal(stage_run(&stage, "harden", "agent-oscar", "--user=%i", NULL), CODE_USAGE);
        says(stage.talk, "--user takes the name of a user");
        stage_close(&stage);
}

static void what_is_no_unit_of_the_agents_own_is_refused(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "harden", "lily", NULL), CODE_DENIED);
        says(stage.data, "ExecStart=");
        says(stage.talk, "let PM2 start it through governor-run");
        assert_int_equal(stage_run(&stage, "harden", "pm2-root", NULL), CODE_DENIED);
        says(stage.talk, "pm2:root/lily lives in it too");
        assert_int_equal(stage_run(&stage, "harden", "agent-oscar", NULL), CODE_FAILURE); /* it has no files here */
        says(stage.talk, "the files of its unit cannot be read");
        stage_close(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_setting_has_a_name_and_a_reason),
                cmocka_unit_test(the_text_is_a_section_of_a_unit_file),
                cmocka_unit_test(long_lists_are_whole),
                cmocka_unit_test(what_would_be_read_otherwise_is_refused),
                cmocka_unit_test(other_words_for_yes_are_the_same),
                cmocka_unit_test(a_unit_file_is_read_as_systemd_does),
                cmocka_unit_test(what_is_asked_wrongly_is_said_before_anybody_is_asked),
                cmocka_unit_test(what_is_no_unit_of_the_agents_own_is_refused),
        };

        return cmocka_run_group_tests_name("harden", tests, NULL, NULL);
}
