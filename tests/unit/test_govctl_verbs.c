/* What scripts rely on: verbs, options, exit codes, JSON, and how mistakes are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/options.h"
#include "govctl/suggest.h"
#include "govctl/verbs.h"
#include "govctl_stage.h"

static void says(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("'%s' is not in: %s", part, text);
}

static void bare_govctl_is_govctl_status(void **state)
{
        struct stage stage;
        char *first;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, NULL), CODE_FINDING);
        first = strdup(stage.data);
        assert_int_equal(stage_run(&stage, "status", NULL), CODE_FINDING);
        assert_string_equal(first, stage.data);
        free(first);
        stage_close(&stage);
}

static void a_mistyped_verb_gets_a_suggestion(void **state)
{
        static const struct {
                const char *one, *two, *said;
        } mistakes[] = {
                { "stauts", NULL, "did you mean: govctl status" },
                { "agent", NULL, "did you mean: govctl agents" },
                { "incident", NULL, "did you mean: govctl incidents" },
                { "relaod", NULL, "did you mean: govctl reload" },
                { "audit", "verfiy", "did you mean: govctl audit verify" },
                { "audit", "witness", "audit witness needs one of: list, add, remove" },
                { "audit", "witness", "next: govctl audit witness --help" },
                { "audit", NULL, "'audit' is the beginning of a verb" },
                { "frobnicate", "--json", "{\"schema_version\":1,\"error\":{\"exit\":2," },
                { "audit", "witness lst", "did you mean: govctl audit witness list" },
                { "policy", NULL, "policy needs one of: check, show, test" },
                { "frobnicate", NULL, "govctl help" },
        };
        struct stage stage;

        stage_open(&stage, NULL);
        for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
                assert_int_equal(stage_run(&stage, mistakes[i].one, mistakes[i].two, NULL), CODE_USAGE);
                says(stage.talk, mistakes[i].said);
                assert_string_equal(stage.data, "");
        }
        stage_close(&stage);
}

static void a_mistyped_option_gets_a_suggestion(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "log", "--folow", NULL), CODE_USAGE);
        says(stage.talk, "did you mean --follow?");
        assert_int_equal(stage_run(&stage, "reload", "--follow", NULL), CODE_USAGE);
        says(stage.talk, "this verb does not take it");
        assert_int_equal(stage_run(&stage, "log", "--since", NULL), CODE_USAGE);
        says(stage.talk, "--since needs a value");
        assert_int_equal(stage_run(&stage, "log", "-x", NULL), CODE_USAGE);
        says(stage.talk, "unknown option '-x'");
        assert_int_equal(stage_run(&stage, "--color", "mauve", NULL), CODE_USAGE);
        assert_int_equal(stage_run(&stage, "--width", "7", NULL), CODE_USAGE);
        assert_int_equal(stage_run(&stage, "status", "--watch=never", NULL), CODE_USAGE);
        stage_close(&stage);
}

static void arguments_are_counted(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "why", NULL), CODE_USAGE);
        says(stage.talk, "usage: govctl why AGENT|INCIDENT");
        assert_int_equal(stage_run(&stage, "why", "a", "b", NULL), CODE_USAGE);
        says(stage.talk, "one argument too many: 'b'");
        assert_int_equal(stage_run(&stage, "disarm", NULL), CODE_USAGE);
        says(stage.talk, "govctl disarm --all");
        assert_int_equal(stage_run(&stage, "safe-mode", "maybe", NULL), CODE_USAGE);
        assert_int_equal(stage_run(&stage, "completion", "fish", NULL), CODE_USAGE);
        stage_close(&stage);
}

static void options_stand_before_and_after_the_verb(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "--json", "agents", "lily", NULL), CODE_OK);
        assert_int_equal(stage.data[0], '{');
        assert_int_equal(stage_run(&stage, "agents", "--json", "lily", NULL), CODE_OK);
        assert_int_equal(stage.data[0], '{');
        assert_int_equal(stage_run(&stage, "agents", "lily", "-j", NULL), CODE_OK);
        assert_int_equal(stage.data[0], '{');
        stage_close(&stage);
}

static void exit_codes_are_the_daemons_word(void **state)
{
        static const struct {
                const char *one, *two, *three;
                int code;
        } calls[] = {
                { "agents", "tamarra", NULL, CODE_NOT_FOUND }, { "why", "name", NULL, CODE_USAGE },
                { "restart", "lily", NULL, CODE_OK },          { "restart", "slow", NULL, CODE_PENDING },
                { "restart", "sshd", NULL, CODE_DENIED },      { "release", "agent-oscar", NULL, CODE_OK },
                { "acknowledge", "inc-1", NULL, CODE_OK },     { "reload", NULL, NULL, CODE_OK },
                { "safe-mode", NULL, NULL, CODE_OK },          { "safe-mode", "on", NULL, CODE_OK },
                { "disarm", "--all", NULL, CODE_OK },          { "discover", NULL, NULL, CODE_OK },
                { "why", "agent-oscar", NULL, CODE_OK },       { "incidents", NULL, NULL, CODE_FINDING },
        };
        struct stage stage;

        stage_open(&stage, "");
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                assert_int_equal(stage_run(&stage, calls[i].one, calls[i].two, calls[i].three, NULL), calls[i].code);
                /* what failed says so on the talk stream and has no data; what went well is silent there */
                assert_int_equal(stage.data[0] == '\0', calls[i].code != CODE_OK && calls[i].code != CODE_FINDING);
                assert_int_equal(stage.talk[0] == '\0', calls[i].code == CODE_OK || calls[i].code == CODE_FINDING);
        }
        stage_close(&stage);
}

static void an_unloadable_policy_is_a_failure(void **state)
{
        struct stage stage;

        stage_open(&stage, "calm");
        assert_int_equal(stage_run(&stage, "reload", NULL), CODE_FAILURE);
        says(stage.talk, "did you mean 'ceiling'?");
        says(stage.talk, "the old one stays in force");
        assert_string_equal(stage.data, "");
        stage_close(&stage);
}

static void an_order_to_an_observed_agent_says_that_nothing_was_done(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "restart", "sven", NULL), CODE_OK);
        says(stage.data, "nothing was done");
        stage_close(&stage);
}

static void without_a_daemon_every_verb_that_needs_it_ends_with_6(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        for (size_t i = 0; i < verbs_n; i++) {
                const char *argument = verbs[i].least > 0                     ? "lily"
                                       : strcmp(verbs[i].name, "disarm") == 0 ? "--all"
                                       : text_ends(verbs[i].name, "restored") ? "--reason=x"
                                                                              : NULL;
                const char *second = strcmp(verbs[i].name, "approver add") == 0 ? "--key=tests/data/sign/alice.pub"
                                     : verbs[i].least > 2                       ? "1"
                                     : verbs[i].least > 1                       ? "https://lily.example"
                                                                                : NULL;
                const char *third = verbs[i].least > 2 ? "2" : NULL;

                if (!verbs[i].daemon)
                        continue;
                assert_int_equal(stage_run(&stage, verbs[i].name, argument, second, third, NULL), CODE_UNREACHABLE);
                says(stage.talk, "cannot reach governord");
                says(stage.talk, "govctl doctor");
                assert_string_equal(stage.data, "");
        }
        stage_close(&stage);
}

static void an_error_is_json_too_when_json_is_wanted(void **state)
{
        struct stage stage;
        json_t *error;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "status", "--json", NULL), CODE_UNREACHABLE);
        error = json_loads(stage.talk, 0, NULL);
        assert_int_equal(field_number(error, "error.exit"), CODE_UNREACHABLE);
        assert_string_not_equal(field_text(error, "error.next"), "");
        json_decref(error);
        stage_close(&stage);
}

static void json_of_every_verb_parses_and_has_a_schema(void **state)
{
        static const char *const calls[][3] = {
                { "status" },
                { "agents" },
                { "agents", "tamara" },
                { "incidents" },
                { "incidents", "--all" },
                { "why", "inc-2" },
                { "restart", "lily" },
                { "release", "x" },
                { "acknowledge", "inc-1" },
                { "discover" },
                { "reload" },
                { "safe-mode" },
                { "disarm", "--all" },
                { "version" },
                { "help" },
                { "policy show" },
                { "history", "lily" },
                { "audit restored", "--reason=x" },
                { "approver list" },
                { "approver remove", "alice" },
                { "approver recover" },
                { "disarm", "--all", "--sign-request" },
                { "audit seal" },
                { "audit witness list" },
                { "audit witness remove", "witness.example" },
                { "audit rotate", "--reason=x" },
                { "help", "status" },
        };
        struct stage stage;

        stage_open(&stage, "");
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                (void)stage_run(&stage, "--json", calls[i][0], calls[i][1], calls[i][2], NULL);
                json_t *json = json_loads(stage.data, JSON_REJECT_DUPLICATES, NULL);

                assert_non_null(json);
                assert_int_equal(field_number(json, "schema_version"), 1);
                json_decref(json);
        }
        stage_close(&stage);
}

static void approvers_are_listed_with_what_is_wrong(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "approver", "list", NULL), CODE_OK);
        says(stage.data, "alice");
        says(stage.data, "SHA256:");
        says(stage.data, "in 70 hours all approvers are removed");
        says(stage.data, "was not written by Governor");
        assert_null(strstr(stage.data, "argon2id"));
        stage_close(&stage);
}

static void the_text_to_sign_is_data_and_how_to_go_on_is_talk(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "approver", "remove", "alice", "--sign-request", NULL), CODE_OK);
        assert_string_equal(stage.data, "Governor asks for your approval:\n\nnonce: 00\n");
        says(stage.talk, "ssh-keygen -Y sign -n governor");
        assert_int_equal(stage_run(&stage, "--json", "approver", "remove", "alice", "--sign-request", NULL), CODE_OK);
        assert_null(strstr(stage.data, "argon2id")); /* what a passphrase locks is in no file of ours */
        stage_close(&stage);
}

static void a_key_that_cannot_approve_is_refused_before_anybody_is_asked(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "approver", "add", "alice", NULL), CODE_USAGE);
        says(stage.talk, "--key FILE or --passphrase");
        assert_int_equal(stage_run(&stage, "approver", "add", "alice", "--key=tests/data/sign/rsa.pub", NULL),
                         CODE_USAGE);
        says(stage.talk, "kinds of keys that are taken");
        assert_int_equal(stage_run(&stage, "approver", "add", "alice", "--key=tests/data/sign/none", NULL), CODE_USAGE);
        says(stage.talk, "No such file");
        stage_close(&stage);
}

static void status_keeps_the_contract_of_scripts(void **state)
{
        static const char *const keys[] = { "id",  "name",         "manager",      "claimed",     "effective",
                                            "pid", "incarnations", "memory_bytes", "quarantined", "incident" };
        struct stage stage;
        json_t *json;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "status", "--json", NULL), CODE_FINDING);
        json = json_loads(stage.data, 0, NULL);
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
                assert_non_null(json_object_get(json_array_get(field(json, "agents"), 0), keys[i]));
        assert_non_null(field(json, "machine"));
        assert_non_null(field(json, "sources"));
        json_decref(json);
        stage_close(&stage);
}

static void colour_comes_only_when_wanted(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        (void)stage_run(&stage, "status", NULL);
        assert_null(strchr(stage.data, '\x1b'));
        (void)stage_run(&stage, "status", "--color", "always", NULL);
        assert_non_null(strchr(stage.data, '\x1b'));
        /* an agent's own escape never comes through */
        assert_null(strstr(stage.data, "evil\x1b"));
        stage.colour = true;
        (void)stage_run(&stage, "status", "--color", "never", NULL);
        assert_null(strchr(stage.data, '\x1b'));
        stage_close(&stage);
}

static void a_terminal_without_utf8_gets_ascii(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        stage.plain = true;
        assert_int_equal(stage_run(&stage, "status", NULL), CODE_FINDING);
        for (const char *c = stage.data; *c; c++)
                assert_true((unsigned char)*c < 0x80);
        says(stage.data, "x tamara");
        stage_close(&stage);
}

static void no_line_is_wider_than_the_page(void **state)
{
        static const char *const calls[][2] = {
                { "status" }, { "agents" }, { "incidents", "--all" }, { "why", "agent-oscar" }, { "help" }
        };
        struct stage stage;

        stage_open(&stage, "");
        for (unsigned width = 40; width <= 200; width += 7)
                for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                        stage.width = width;
                        (void)stage_run(&stage, calls[i][0], calls[i][1], NULL);
                        for (char *line = stage.data, *end; (end = strchr(line, '\n')); line = end + 1) {
                                *end = '\0';
                                if (text_width(line) > width)
                                        fail_msg("%s at %u columns: %s", calls[i][0], width, line);
                        }
                }
        stage_close(&stage);
}

static void every_verb_explains_itself(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "help", NULL), CODE_OK);
        char *all = strdup(stage.data);

        for (size_t i = 0; i < verbs_n; i++) {
                char name[64], *words[VERB_WORDS_MAX + 2] = { 0 }, *rest = name;
                unsigned n = 0;

                says(all, verbs[i].name);
                strcpy(name, verbs[i].name);
                while (rest)
                        words[n++] = strsep(&rest, " ");
                assert_int_equal(stage_run(&stage, "help", words[0], words[1], words[2], NULL), CODE_OK);
                char *help = strdup(stage.data);

                says(verbs[i].example, verbs[i].name);
                words[n] = (char *)"--help";
                assert_int_equal(stage_run(&stage, words[0], words[1], words[2], words[3], NULL), CODE_OK);
                assert_string_equal(help, stage.data);
                free(help);
        }
        free(all);
        stage_close(&stage);
}

static void a_family_of_verbs_explains_itself(void **state)
{
        static const char *const calls[][3] = { { "audit", "--help" }, { "help", "audit" }, { "--help", "audit" } };
        struct stage stage;

        stage_open(&stage, NULL);
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                assert_int_equal(stage_run(&stage, calls[i][0], calls[i][1], NULL), CODE_OK);
                says(stage.data, "audit witness add VKEY URL");
                assert_null(strstr(stage.data, "policy check"));
        }
        assert_int_equal(stage_run(&stage, "help", "audit", "witness", NULL), CODE_OK);
        assert_null(strstr(stage.data, "audit verify"));
        assert_int_equal(stage_run(&stage, "help", "nonsense", NULL), CODE_USAGE);
        stage_close(&stage);
}

/* The man page as text, to be held against the tables. */
static char *read_page(void)
{
        FILE *file = fopen("man/govctl.1", "r");
        char *text = calloc(1, 65536);

        assert_non_null(file);
        assert_true(fread(text, 1, 65535, file) > 0);
        fclose(file);
        return text;
}

static void the_man_page_has_every_verb_with_an_example(void **state)
{
        char *page = read_page();

        for (size_t i = 0; i < verbs_n; i++) {
                char item[64];

                snprintf(item, sizeof item, "\n.It Cm %s", verbs[i].name);
                const char *at = strstr(page, item), *end;

                if (!at)
                        fail_msg("man/govctl.1 lacks the verb '%s'", verbs[i].name);
                end = strstr(at + 1, "\n.It Cm ");
                snprintf(item, sizeof item, "govctl %s", verbs[i].name);
                at = strstr(at, item);
                if (!at || (end && at > end))
                        fail_msg("man/govctl.1 has no example of '%s'", verbs[i].name);
        }
        for (const char *at = strstr(page, ".Sh VERBS"); (at = strstr(at + 1, "\n.It Cm "));) {
                char first[32] = "", second[32] = "", third[32] = "";
                const char *words[] = { first, second, third };
                unsigned taken;

                if (at > strstr(page, ".Sh OPTIONS"))
                        break;
                int n = sscanf(at, "\n.It Cm %31s %31s %31s", first, second, third);

                assert_true(n >= 1);
                if (!verb_find(words, (unsigned)n, &taken))
                        fail_msg("man/govctl.1 has a verb that is none: '%s %s'", first, second);
        }
        free(page);
}

static void the_man_page_has_every_option_and_exit_status(void **state)
{
        static const char *const statuses[] = { "0", "1", "2", "3", "4", "5", "6", "7", "130" };
        char *page = read_page(), item[64];

        for (size_t i = 0; i < option_rows_n; i++) {
                snprintf(item, sizeof item, "Fl Fl %s", option_rows[i].name);
                if (!strstr(page, item))
                        fail_msg("man/govctl.1 lacks the option '--%s'", option_rows[i].name);
        }
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
                snprintf(item, sizeof item, "\n.It %s\n", statuses[i]);
                assert_non_null(strstr(page, item));
        }
        free(page);
}

static void completion_offers_every_verb_and_is_right_shell(void **state)
{
        struct stage stage;
        char file[] = "/tmp/govctl-completion-XXXXXX", command[512];
        int fd;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "completion", "zsh", NULL), CODE_OK);
        for (size_t i = 0; i < verbs_n; i++)
                says(stage.data, verbs[i].name);
        assert_int_equal(stage_run(&stage, "completion", "bash", NULL), CODE_OK);
        for (size_t i = 0; i < verbs_n; i++)
                says(stage.data, verbs[i].name);
        fd = mkstemp(file);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, stage.data, strlen(stage.data)), strlen(stage.data));
        close(fd);
        snprintf(command, sizeof command, "bash -n %s", file);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command,
                 "bash -c '. %s; COMP_WORDS=(govctl audit witness \"\") COMP_CWORD=3; _govctl; "
                 "[ \"${COMPREPLY[*]}\" = \"list add remove push\" ]'",
                 file);
        assert_int_equal(system(command), 0);
        snprintf(
                command, sizeof command,
                "bash -c '. %s; govctl() { [ $2 = witnesses ] && echo w1.example; }; "
                "for verb in remove push; do COMP_WORDS=(govctl audit witness $verb \"\") COMP_CWORD=4 COMPREPLY=; _govctl; "
                "[ \"${COMPREPLY[*]}\" = w1.example ] || exit; done'",
                file);
        assert_int_equal(system(command), 0);
        unlink(file);
        assert_int_equal(stage_run(&stage, "completion", "agents", NULL), CODE_OK);
        says(stage.data, "tamara\n");
        assert_int_equal(stage_run(&stage, "completion", "incidents", NULL), CODE_OK);
        says(stage.data, "inc-3\n");
        assert_int_equal(stage_run(&stage, "completion", "witnesses", NULL), CODE_OK);
        says(stage.data, "lighthouse\n");
        stage_close(&stage);
}

static void times_are_read_as_people_type_them(void **state)
{
        usec_t now = STAGE_NOW, at;
        struct stage stage;

        stage_open(&stage, NULL); /* sets the time zone */
        assert_true(moment_parse_typed("10m", now, &at));
        assert_int_equal(at, now - 10 * USEC_PER_MINUTE);
        assert_true(moment_parse_typed("2026-11-20T02:45:10", now, &at));
        assert_int_equal(at, now);
        assert_true(moment_parse_typed("2026-11-20T02:45:10Z", now, &at));
        assert_int_equal(at, now);
        assert_true(moment_parse_typed("02:45", now, &at));
        assert_int_equal(at, now - 10 * USEC_PER_SEC);
        assert_true(moment_parse_typed("23:00", now, &at)); /* yesterday's */
        assert_true(at < now);
        assert_false(moment_parse_typed("yesterday", now, &at));
        assert_false(moment_parse_typed("", now, &at));
        assert_false(moment_parse_typed("-5m", now, &at));
        assert_int_equal(moment_parse_utc("2026-11-20T02:45:10.250000Z"), now + 250000);
        stage_close(&stage);
}

static void policy_files_are_checked_without_a_daemon(void **state)
{
        char right[] = "/tmp/govctl-policy-XXXXXX", wrong[] = "/tmp/govctl-policy-XXXXXX";
        int good = mkstemp(right), bad = mkstemp(wrong);
        struct stage stage;

        assert_true(good >= 0 && bad >= 0);
        dprintf(good, "mode: observe\nagents:\n  - name: lily\n    pm2: lily\n");
        dprintf(bad, "mode: observe\nagents:\n  - name: lily\n    pm: lily\n");
        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "policy", "check", right, NULL), CODE_OK);
        says(stage.data, "right: 1 rule");
        assert_int_equal(stage_run(&stage, "policy", "check", right, wrong, NULL), CODE_FINDING);
        says(stage.data, "error:");
        assert_int_equal(stage_run(&stage, "policy", "check", "/nonexistent/policy.yaml", NULL), CODE_NOT_FOUND);
        assert_string_equal(stage.data, "");
        assert_int_equal(stage_run(&stage, "--json", "policy", "check", wrong, NULL), CODE_FINDING);
        json_t *json = json_loads(stage.data, 0, NULL);

        assert_true(json_is_false(field(json, "ok")));
        assert_true(json_array_size(field(json, "messages")) > 0);
        json_decref(json);
        stage_close(&stage);
        close(good);
        close(bad);
        unlink(right);
        unlink(wrong);
}

static void origins_are_shown_when_asked_for(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "policy", "show", "--origin", NULL), CODE_OK);
        says(stage.data, "mode: enforce # /etc/governor/policies.d/20-family.yaml:1\n");
        assert_int_equal(stage_run(&stage, "policy", "show", NULL), CODE_OK);
        assert_string_equal(
                stage.data,
                "mode: observe\nagents:\n  - name: \"odd # name:7\"\n    mode: enforce\n    pm2: \"a # b\"\n");
        stage_close(&stage);
}

static void an_ambiguous_name_is_a_usage_error(void **state)
{
        struct stage stage;

        stage_open(&stage, "");
        assert_int_equal(stage_run(&stage, "agents", "twin", NULL),
                         CODE_USAGE); /* the canned daemon answers with all of them */
        says(stage.talk, "pm2:root/lily, ");
        assert_string_equal(stage.data, "");
        stage_close(&stage);
}

static void only_near_words_are_suggested(void **state)
{
        static const char *const words[] = { "status", "agents", "log" };

        assert_string_equal(suggest("statsu", words, 3), "status");
        assert_string_equal(suggest("stat", words, 3), "status");
        assert_string_equal(suggest("lg", words, 3), "log");
        assert_null(suggest("banana", words, 3));
        assert_null(suggest("", words, 3));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bare_govctl_is_govctl_status),
                cmocka_unit_test(a_mistyped_verb_gets_a_suggestion),
                cmocka_unit_test(a_mistyped_option_gets_a_suggestion),
                cmocka_unit_test(arguments_are_counted),
                cmocka_unit_test(options_stand_before_and_after_the_verb),
                cmocka_unit_test(exit_codes_are_the_daemons_word),
                cmocka_unit_test(an_unloadable_policy_is_a_failure),
                cmocka_unit_test(an_order_to_an_observed_agent_says_that_nothing_was_done),
                cmocka_unit_test(without_a_daemon_every_verb_that_needs_it_ends_with_6),
                cmocka_unit_test(an_error_is_json_too_when_json_is_wanted),
                cmocka_unit_test(json_of_every_verb_parses_and_has_a_schema),
                cmocka_unit_test(approvers_are_listed_with_what_is_wrong),
                cmocka_unit_test(the_text_to_sign_is_data_and_how_to_go_on_is_talk),
                cmocka_unit_test(a_key_that_cannot_approve_is_refused_before_anybody_is_asked),
                cmocka_unit_test(status_keeps_the_contract_of_scripts),
                cmocka_unit_test(colour_comes_only_when_wanted),
                cmocka_unit_test(a_terminal_without_utf8_gets_ascii),
                cmocka_unit_test(no_line_is_wider_than_the_page),
                cmocka_unit_test(every_verb_explains_itself),
                cmocka_unit_test(a_family_of_verbs_explains_itself),
                cmocka_unit_test(the_man_page_has_every_verb_with_an_example),
                cmocka_unit_test(the_man_page_has_every_option_and_exit_status),
                cmocka_unit_test(completion_offers_every_verb_and_is_right_shell),
                cmocka_unit_test(times_are_read_as_people_type_them),
                cmocka_unit_test(policy_files_are_checked_without_a_daemon),
                cmocka_unit_test(origins_are_shown_when_asked_for),
                cmocka_unit_test(an_ambiguous_name_is_a_usage_error),
                cmocka_unit_test(only_near_words_are_suggested),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
