/* Who approves: the file is read strictly, the chain keeps all but what a passphrase locks, and lost keys are got over slowly. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "approvers.h"
#include "io/cleanup.h"

#define ALICE "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINns8lJr2gKBfnN3hHykP4lU0DAU2/zpYcOdKdFYUZlQ"
#define BOB "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHtOXWhNKUJr+7U9mnKSypeoopEW61V4MK7ovVOM8b6U"
#define LOCKED                                                                       \
        "argon2id:4:8192:AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:" \
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define FILE_TEXT                                                                                                     \
        "approver alice 1796126400 uid:0 " ALICE "\napprover bob 1796126401 uid:0 " BOB " " LOCKED "\nrecovery " HASH \
        "\n"

static struct approvers read_text(const char *text)
{
        struct approvers approvers = { .n = 0 };
        char why[APPROVER_WHY_MAX] = "";

        if (approvers_parse(text, strlen(text), &approvers, why) < 0)
                fail_msg("%s", why);
        return approvers;
}

static void what_was_written_is_read_again(void **state)
{
        struct approvers approvers = read_text("# a comment\n\n" FILE_TEXT), again;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(approvers.n, 2);
        assert_string_equal(approvers.list[1].locked, LOCKED);
        assert_string_equal(approvers.list[1].by, "uid:0");
        assert_int_equal(approvers.list[1].since, 1796126401);
        assert_int_equal(approvers_write(&approvers, &text), 0);
        assert_non_null(strstr(text, FILE_TEXT));
        again = read_text(text);
        assert_true(approvers_same(&approvers, &again));
        assert_string_equal(again.list[1].locked, LOCKED);
}

static void a_file_that_is_wrong_is_refused_as_a_whole(void **state)
{
        static const struct {
                const char *text, *why;
        } cases[] = {
                { "approver alice 1 uid:0 " ALICE "\nalice\n", "2: a line begins with" },
                { "approver alice 1 uid:0 ssh-ed25519\n", "1: an approver is" },
                { "approver alice 1 uid:0 " ALICE " " LOCKED " more\n", "1: an approver is" },
                { "approver alice x uid:0 " ALICE "\n", "1: when it was enrolled" },
                { "approver a/b 1 uid:0 " ALICE "\n", "1: a name is" },
                { "approver -a 1 uid:0 " ALICE "\n", "1: a name is" },
                { "approver aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1 uid:0 " ALICE "\n", "1: a word is too long" },
                { "approver alice 1 uid:0 ssh-rsa AAAA\n", "kinds of keys that are taken" },
                { "approver alice 1 uid:0 " ALICE " argon2id:9\n", "1: what the passphrase locks" },
                { "approver alice 1 uid:0 " ALICE "\napprover alice 1 uid:0 " BOB "\n",
                  "2: there is an approver of that name" },
                { "approver alice 1 uid:0 " ALICE "\napprover bob 1 uid:0 " ALICE "\n",
                  "2: there is an approver with that key" },
                { "recovery 00\n", "1: the recovery code's hash" },
                { "recovery " HASH "\nrecovery " HASH "\n", "2: the recovery code's hash" },
        };

        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct approvers approvers = { .n = 7 };
                char why[APPROVER_WHY_MAX] = "";

                assert_int_equal(approvers_parse(cases[i].text, strlen(cases[i].text), &approvers, why), -EINVAL);
                if (!strstr(why, cases[i].why))
                        fail_msg("\"%s\" is not \"%s\"", why, cases[i].why);
                assert_int_equal(approvers.n, 7);
        }
}

static void a_nul_byte_hides_nothing(void **state)
{
        static const char text[] = "# x\0\napprover alice 1 uid:0 " ALICE "\n";
        struct approvers approvers = { .n = 0 };
        char why[APPROVER_WHY_MAX] = "";

        assert_int_equal(approvers_parse(text, sizeof(text) - 1, &approvers, why), -EINVAL);
        assert_non_null(strstr(why, "NUL"));
}

static void the_list_is_bounded(void **state)
{
        struct approvers approvers = { .n = 0 };
        struct approver_key approver = { .since = 1 };
        const struct approvers two = read_text(FILE_TEXT);

        for (unsigned i = 0; i < APPROVERS_MAX; i++) {
                snprintf(approver.name, sizeof(approver.name), "a%u", i);
                approver.key.public_key[0] = (uint8_t)i;
                assert_int_equal(approvers_add(&approvers, &approver), 0);
        }
        assert_int_equal(approvers_add(&approvers, &two.list[0]), -ENOSPC);
        approvers_remove(&approvers, approvers_find(&approvers, "a3"));
        assert_null(approvers_find(&approvers, "a3"));
        assert_non_null(approvers_find(&approvers, "a15"));
        assert_int_equal(approvers_add(&approvers, &two.list[0]), 0);
}

static void the_chain_keeps_all_but_what_a_passphrase_locks(void **state)
{
        const struct approvers approvers = read_text(FILE_TEXT);
        struct approvers again = { .n = 0 };
        json_t *json = approvers_to_json(&approvers);
        char *text = json_dumps(json, JSON_COMPACT);

        assert_null(strstr(text, "argon2id"));
        assert_int_equal(approvers_from_json(json, &again), 0);
        assert_true(approvers_same(&approvers, &again));
        assert_string_equal(again.list[1].locked, "");
        approvers_take_locked(&again, &approvers);
        assert_string_equal(again.list[1].locked, LOCKED);
        free(text);
        json_decref(json);
        json = json_pack("{s:[{s:s}], s:s}", "list", "name", "x", "recovery", "");
        assert_int_equal(approvers_from_json(json, &again), -EBADMSG);
        json_decref(json);
        assert_int_equal(approvers_from_json(NULL, &again), -EBADMSG);
}

static void other_keys_names_or_codes_are_another_list(void **state)
{
        const struct approvers approvers = read_text(FILE_TEXT);
        struct approvers other = approvers;

        other.list[0].key.public_key[31] ^= 1;
        assert_false(approvers_same(&approvers, &other));
        other = approvers;
        strcpy(other.list[0].name, "mallory");
        assert_false(approvers_same(&approvers, &other));
        other = approvers;
        other.recovery[0] = '1';
        assert_false(approvers_same(&approvers, &other));
        other = approvers;
        other.n = 1;
        assert_false(approvers_same(&approvers, &other));
}

static void the_file_is_for_root_only(void **state)
{
        const struct approvers approvers = read_text(FILE_TEXT);
        struct approvers again;
        char directory[] = "/tmp/approvers-XXXXXX", path[64], why[APPROVER_WHY_MAX];
        struct stat st;

        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/approvers", directory);
        assert_int_equal(approvers_load(path, &again, why), -ENOENT);
        assert_int_equal(approvers_save(path, &approvers), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(approvers_load(path, &again, why), 0);
        assert_true(approvers_same(&approvers, &again));
        unlink(path);
        rmdir(directory);
}

/* ---- recovery ------------------------------------------------------------------------------------------------------------- */

static void a_recovery_code_is_taken_however_it_is_typed(void **state)
{
        struct approvers approvers = { .n = 0 };
        char code[RECOVERY_CODE_MAX], typed[64] = " ";

        assert_false(recovery_code_is(&approvers, ""));
        assert_int_equal(recovery_code_make(&approvers, code), 0);
        assert_int_equal(strlen(code), RECOVERY_CODE_MAX - 1);
        assert_true(recovery_code_is(&approvers, code));
        for (const char *at = code; *at; at++)
                if (*at != '-')
                        snprintf(typed + strlen(typed), 2, "%c", *at >= 'a' ? *at - 'a' + 'A' : *at);
        strcat(typed, "\n");
        assert_true(recovery_code_is(&approvers, typed));
        code[0] = code[0] == '0' ? '1' : '0';
        assert_false(recovery_code_is(&approvers, code));
        code[RECOVERY_CODE_MAX - 2] = '\0';
        assert_false(recovery_code_is(&approvers, code));
        assert_false(recovery_code_is(&approvers, "0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000"));
        approvers.recovery[0] = '\0'; /* used up */
        assert_false(recovery_code_is(&approvers, typed));
}

static void without_a_code_it_takes_seventy_two_announced_hours(void **state)
{
        struct recovery recovery = { .on = false };
        usec_t now = USEC_PER_DAY;
        unsigned announced = 0;

        assert_int_equal(recovery_look(&recovery, now), RECOVERY_WAITS);
        recovery_begin(&recovery, 0, now);
        for (unsigned minute = 1; minute < 72 * 60; minute++) {
                const enum recovery_step step = recovery_look(&recovery, now + minute * USEC_PER_MINUTE);

                assert_int_not_equal(step, RECOVERY_OVER);
                announced += step == RECOVERY_ANNOUNCE;
        }
        assert_int_equal(announced, 71);
        assert_int_equal(recovery_look(&recovery, now + 72 * USEC_PER_HOUR), RECOVERY_OVER);
        assert_false(recovery.on);
        assert_int_equal(recovery_look(&recovery, now + 99 * USEC_PER_HOUR), RECOVERY_WAITS);
}

static void a_clock_that_jumps_shortens_nothing(void **state)
{
        struct recovery recovery;
        usec_t now = USEC_PER_DAY;
        unsigned looks = 0;

        recovery_begin(&recovery, 0, now);
        while (recovery_look(&recovery, now += 1000 * USEC_PER_HOUR) != RECOVERY_OVER)
                looks++;
        assert_int_equal(looks, 71);
}

static void a_restart_goes_on_with_the_hours_that_passed(void **state)
{
        struct recovery recovery;
        usec_t now = USEC_PER_DAY;

        recovery_begin(&recovery, 70, now); /* as the chain tells it */
        assert_int_equal(recovery_look(&recovery, now + USEC_PER_HOUR - 1), RECOVERY_WAITS);
        assert_int_equal(recovery_look(&recovery, now + USEC_PER_HOUR), RECOVERY_ANNOUNCE);
        assert_int_equal(recovery_look(&recovery, now + 2 * USEC_PER_HOUR), RECOVERY_OVER);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_written_is_read_again),
                cmocka_unit_test(a_file_that_is_wrong_is_refused_as_a_whole),
                cmocka_unit_test(a_nul_byte_hides_nothing),
                cmocka_unit_test(the_list_is_bounded),
                cmocka_unit_test(the_chain_keeps_all_but_what_a_passphrase_locks),
                cmocka_unit_test(other_keys_names_or_codes_are_another_list),
                cmocka_unit_test(the_file_is_for_root_only),
                cmocka_unit_test(a_recovery_code_is_taken_however_it_is_typed),
                cmocka_unit_test(without_a_code_it_takes_seventy_two_announced_hours),
                cmocka_unit_test(a_clock_that_jumps_shortens_nothing),
                cmocka_unit_test(a_restart_goes_on_with_the_hours_that_passed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
