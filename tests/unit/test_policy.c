#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "policy/discover.h"
#include "policy/policy.h"
#include "policy/reference.h"

#define SEVERAL "tests/data/policy/several"

static struct policy *load_text(const char *name, const char *text)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };
        char buffer[POLICY_RENDER_MAX];
        int r = policy_load_text(name, text, strlen(text), &policy, &messages);

        for (size_t i = 0; r < 0 && i < messages.n; i++)
                print_error("%s", policy_message_render(&messages.list[i], false, buffer));
        assert_int_equal(r, 0);
        assert_int_equal(messages.errors, 0);
        policy_messages_done(&messages);
        return policy;
}

static char *read_text(const char *path)
{
        FILE *file = fopen(path, "re");
        char *text = calloc(1, 65536);

        assert_non_null(text);
        if (file) {
                assert_true(fread(text, 1, 65535, file) > 0);
                fclose(file);
        }
        return text;
}

static void a_machine_without_policy_observes_what_it_finds(void **state)
{
        struct policy *policy = NULL;

        assert_int_equal(policy_discovered(&policy), 0);
        assert_true(policy->discovered);
        const struct rule *rule = policy_rule(policy, "pm2:root/lily");
        assert_ptr_equal(rule, &policy->fallback);
        assert_int_equal(rule->mode, MODE_OBSERVE);
        assert_int_equal(rule->restarts_n, 3);
        assert_int_equal(rule->restarts[0].more_than, 2);
        assert_int_equal(rule->restarts[0].within, 60 * USEC_PER_SEC);
        assert_int_equal(rule->restarts[2].within, USEC_PER_DAY);
        assert_int_equal(rule->heal.ladder_n, 3);
        assert_int_equal(rule->heal.ladder[2], RUNG_QUARANTINE);
        assert_int_equal(rule->heal.backoff_first, 5 * USEC_PER_SEC);
        assert_int_equal(rule->heal.backoff_most, 5 * USEC_PER_MINUTE);
        assert_int_equal(rule->heal.trial_after, 15 * USEC_PER_MINUTE);
        assert_int_equal(policy->machine.actions_at_most, 6);
        assert_int_equal(policy->machine.actions_within, 10 * USEC_PER_MINUTE);
        assert_int_equal(policy->machine.cpu.above_percent, 85);
        assert_int_equal(policy->machine.cpu.lasting, 10 * USEC_PER_MINUTE);
        assert_int_equal(rule->cpu.above_percent, 0);
        assert_int_equal(policy->daemon.agents_max, 512);
        assert_int_equal(policy->audit.retention_days, 400);
        assert_false(policy_wants(policy, "pm2:root/lily"));
        assert_null(policy_free(policy));
        assert_null(policy_free(NULL));
}

static void files_of_a_directory_become_one_policy(void **state)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };

        assert_int_equal(policy_load(SEVERAL "/governor.yaml", SEVERAL "/policies.d", &policy, &messages), 0);
        assert_int_equal(policy->mode, MODE_ENFORCE);
        assert_int_equal(policy->rules_n, 4);
        assert_string_equal(policy->rules[0].name, "pm2:root/lily");
        assert_int_equal(policy->rules[0].mode, MODE_OBSERVE); /* its file's */
        assert_int_equal(policy->rules[1].mode, MODE_ENFORCE); /* its own */
        assert_int_equal(policy->rules[2].mode, MODE_ENFORCE); /* governor.yaml's */
        assert_int_equal(policy->machine.actions_at_most, 9);  /* the later file's */
        assert_int_equal(policy->machine.actions_within, 5 * USEC_PER_MINUTE);
        assert_int_equal(policy->daemon.agents_max, 100); /* "0100" is a hundred */
        assert_int_equal(policy->daemon.pm2_homes_n, 1);
        assert_string_equal(policy->daemon.pm2_homes[0], "/srv/pm2");
        assert_int_equal(policy->audit.retention_days, 90);
        assert_int_equal(policy->rules[2].memory.ceiling_bytes, UINT64_C(200) << 20);
        assert_int_equal(policy->rules[2].memory.of, MEMORY_OF_CGROUP);
        assert_string_equal(policy->rules[2].origin.file, SEVERAL "/policies.d/20-second.yaml");
        assert_int_equal(policy->rules[2].origin.line, 6);
        policy_messages_done(&messages);
        policy_free(policy);
}

static void a_rule_that_an_earlier_one_covers_is_warned_of(void **state)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };
        bool warned = false;

        assert_int_equal(policy_load(SEVERAL "/governor.yaml", SEVERAL "/policies.d", &policy, &messages), 0);
        for (size_t i = 0; i < messages.n; i++)
                if (strstr(messages.list[i].text, "never matches: 'rest'"))
                        warned = messages.list[i].warning && messages.list[i].line == 7;
        assert_true(warned);
        policy_messages_done(&messages);
        policy_free(policy);
}

static void what_is_absent_is_no_error(void **state)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };

        assert_int_equal(policy_load("/nonexistent/governor.yaml", "/nonexistent/policies.d", &policy, &messages), 0);
        assert_true(policy->discovered);
        assert_int_equal(messages.n, 0);
        policy_messages_done(&messages);
        policy_free(policy);
}

static void the_first_matching_rule_owns_an_agent(void **state)
{
        static const struct {
                const char *agent, *rule;
        } cases[] = {
                { "systemd:agent-lily.service", "exact" },
                { "systemd:agent-mia.service", "agents" },
                { "systemd:agent-mia.timer", "agents" },
                { "systemd:nginx.service", NULL },
                { "pm2:root/lily", "root's lily" },
                { "pm2:bot/lily", "lily" },
                { "pm2:bot/lily@/srv/a", "lily" },
                { "pm2:bot/mia@/srv/a", "mia at a" },
                { "pm2:bot/mia@/srv/b", NULL },
                { "pm2:bot/@org/app", "scoped" },
                { "pm2:alice/x", NULL },
                { "pm2:bot/alice", "a" },
                { "nonsense", NULL },
        };
        struct policy *policy = load_text("x.yaml", "agents:\n"
                                                    "  - { name: exact, systemd: agent-lily }\n"
                                                    "  - { name: agents, systemd: 'agent-*' }\n"
                                                    "  - { name: root's lily, pm2: root/lily }\n"
                                                    "  - { name: lily, pm2: lily }\n"
                                                    "  - { name: mia at a, pm2: 'bot/mia@/srv/a' }\n"
                                                    "  - { name: scoped, pm2: '@org/*' }\n"
                                                    "  - { name: a, pm2: 'a*' }\n");

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct rule *rule = policy_rule(policy, cases[i].agent);

                if (cases[i].rule)
                        assert_string_equal(rule ? rule->name : "nobody", cases[i].rule);
                else
                        assert_null(rule);
                assert_int_equal(policy_wants(policy, cases[i].agent), cases[i].rule != NULL);
        }
        policy_free(policy);
}

static void after_means_an_agent_or_a_rule(void **state)
{
        struct policy *policy = load_text("x.yaml", "agents:\n"
                                                    "  - { name: bases, systemd: 'base-*' }\n"
                                                    "  - { name: lily, pm2: lily, after: [bases, redis] }\n"
                                                    "  - { name: rest, systemd: '*' }\n");
        const struct rule *lily = policy_rule(policy, "pm2:root/lily");

        assert_true(policy_comes_after(policy, lily, "systemd:base-1.service"));
        assert_true(policy_comes_after(policy, lily, "systemd:redis.service"));
        assert_false(policy_comes_after(policy, lily, "systemd:nginx.service"));
        policy_free(policy);
}

static void a_cpu_limit_of_its_own_replaces_that_of_the_class(void **state)
{
        struct policy *policy = load_text("x.yaml", "machine: { cpu: { above: 60% } }\n"
                                                    "classes: { thick: { cpu: { above: 150%, for: 10m } }, thin: {} }\n"
                                                    "agents:\n"
                                                    "  - { pm2: lily, class: thick }\n"
                                                    "  - { pm2: mia, class: thick, cpu: { above: 20%, for: 1h } }\n"
                                                    "  - { pm2: otto, class: thin }\n");

        assert_int_equal(policy->machine.cpu.above_percent, 60);
        assert_int_equal(policy->machine.cpu.lasting, 10 * USEC_PER_MINUTE); /* what was not said is as without it */
        assert_int_equal(policy->rules[0].cpu.above_percent, 150);
        assert_int_equal(policy->rules[0].cpu.lasting, 10 * USEC_PER_MINUTE);
        assert_int_equal(policy->rules[1].cpu.above_percent, 20);
        assert_int_equal(policy->rules[1].cpu.lasting, USEC_PER_HOUR);
        assert_int_equal(policy->rules[2].cpu.above_percent, 0);
        policy_free(policy);
}

static void a_rule_for_files_says_all_that_the_guard_goes_by(void **state)
{
        struct policy *policy = load_text(
                "x.yaml",
                "mode: enforce\nfiles:\n"
                "  - { name: ops, rule: protected, paths: [ '/opt/*/ops/', /opt/x ], except: [ tmp, '/opt/**/*.log' ],\n"
                "      approve: { by: [phone, key], within: 1h, phone_despite_root: true }, on_breach: record,\n"
                "      packages: allow, folders: true, deny_opens: true }\n"
                "  - { name: core, rule: untouchable, mode: observe, paths: [ /srv/core/ ] }\n");
        const struct file_rule *ops = &policy->files[0], *core = &policy->files[1];

        assert_int_equal(policy->files_n, 2);
        assert_string_equal(ops->name, "ops");
        assert_int_equal(ops->kind, FILE_PROTECTED);
        assert_int_equal(ops->mode, MODE_ENFORCE); /* its file's */
        assert_int_equal(ops->paths_n, 2);
        assert_string_equal(ops->paths[1], "/opt/x");
        assert_int_equal(ops->except_n, 2);
        assert_int_equal(ops->approve.by_n, 2);
        assert_true(policy_approves(ops, APPROVER_PHONE) && policy_approves(ops, APPROVER_KEY));
        assert_int_equal(ops->approve.within, USEC_PER_HOUR);
        assert_int_equal(ops->on_breach, BREACH_RECORD);
        assert_int_equal(ops->packages, PACKAGES_ALLOW);
        assert_true(ops->folders && ops->deny_opens);
        assert_int_equal(ops->origin.line, 3);

        assert_int_equal(core->kind, FILE_UNTOUCHABLE);
        assert_int_equal(core->mode, MODE_OBSERVE);
        assert_int_equal(core->on_breach, BREACH_ALERT);
        assert_int_equal(core->packages, PACKAGES_REFUSE);
        assert_false(core->folders || core->deny_opens);
        assert_false(policy_approves(core, APPROVER_KEY)); /* nobody changes it */
        policy_free(policy);
}

static void the_first_rule_that_does_not_except_a_file_owns_it(void **state)
{
        static const struct {
                const char *path, *rule;
        } cases[] = {
                { "/opt/a/x.js", "a" },       { "/opt/a/b/c/x.js", "a" },
                { "/opt/a/tmp", NULL },       /* by its name */
                { "/opt/a/b/tmp/c/x", NULL }, /* by that of a folder */
                { "/opt/a/tmpx", "a" },       { "/opt/a/logs/x", "all of it" },
                { "/opt/b/x", "all of it" },  { "/opt/b/deep/x", NULL },
                { "/srv/x", NULL },
        };
        struct policy *policy = load_text(
                "x.yaml", "files:\n"
                          "  - { name: a, rule: protected, paths: [ /opt/a/ ], except: [ tmp, /opt/a/logs/ ] }\n"
                          "  - { name: all of it, rule: protected, paths: [ '/opt/*/*', /opt/a/logs/ ], except: "
                          "[ t?p ] }\n");

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct file_rule *rule = policy_file_rule(policy, cases[i].path);

                if (cases[i].rule)
                        assert_true(rule && strcmp(rule->name, cases[i].rule) == 0);
                else
                        assert_null(rule);
        }
        policy_free(policy);
}

static void each_shipped_policy_passes_the_check(void **state)
{
        static const char *const files[] = { "policies/10-default.yaml", "policies/small-server.yaml",
                                             "policies/family.yaml" };

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                struct policy *policy = NULL;
                struct policy_messages messages = { 0 };

                assert_int_equal(policy_load_files(&files[i], 1, &policy, &messages), 0);
                if (i < 2)
                        assert_int_equal(messages.n, 0);
                assert_true(policy->rules_n > 0);
                policy_messages_done(&messages);
                policy_free(policy);
        }
}

/* What is shown loads again and is then the same policy. */
static void check_round_trip(struct policy *policy)
{
        char *normal = NULL, *again = NULL, *shown = NULL;

        assert_int_equal(policy_normalise(policy, &normal), 0);
        for (int with_origin = 0; with_origin < 2; with_origin++) {
                assert_int_equal(policy_show(policy, with_origin, &shown), 0);
                struct policy *other = load_text("governor.yaml", shown);
                assert_int_equal(policy_normalise(other, &again), 0);
                assert_string_equal(again, normal);
                policy_free(other);
                free(again);
                free(shown);
        }
        free(normal);
}

static void what_is_shown_loads_again(void **state)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };
        const char *family = "policies/family.yaml";

        assert_int_equal(policy_discovered(&policy), 0);
        check_round_trip(policy);
        policy_free(policy);
        assert_int_equal(policy_load(SEVERAL "/governor.yaml", SEVERAL "/policies.d", &policy, &messages), 0);
        check_round_trip(policy);
        policy_messages_done(&messages);
        policy_free(policy);
        assert_int_equal(policy_load_files(&family, 1, &policy, &messages), 0);
        check_round_trip(policy);
        policy_messages_done(&messages);
        policy_free(policy);
        policy = load_text("x.yaml",
                           "agents: [{name: \"a: \\\"b\\\" # c\", pm2: '\\*'}]\nfiles: []\nclasses: {t: {}}\n");
        check_round_trip(policy);
        policy_free(policy);
}

static void actions_are_limits_by_name_and_come_back_as_they_were(void **state)
{
        struct policy *policy = load_text("x.yaml", "actions:\n"
                                                    "  - { name: trade, ask_above: { usd: 0.50, shares: \"10\" },\n"
                                                    "      deny_above: { usd: 10000 }, approve: { within: 30s } }\n"
                                                    "  - name: deploy\n");
        const struct action_rule *trade = policy_action(policy, "trade"), *deploy = policy_action(policy, "deploy");

        assert_null(policy_action(policy, "wire"));
        assert_int_equal(trade->ask_above_n, 2);
        assert_string_equal(trade->ask_above[0].name, "usd");
        assert_int_equal(trade->ask_above[0].millionths, 500000);
        assert_int_equal(trade->ask_above[1].millionths, 10000000);
        assert_int_equal(trade->deny_above[0].millionths, INT64_C(10000000000));
        assert_int_equal(trade->approve.within, 30 * USEC_PER_SEC);
        assert_int_equal(trade->origin.line, 2);
        assert_int_equal(deploy->ask_above_n, 0);
        assert_int_equal(deploy->approve.within, 15 * USEC_PER_MINUTE);
        assert_int_equal(deploy->approve.by_n, 1);
        check_round_trip(policy);
        policy_free(policy);
}

static void show_says_where_each_value_comes_from(void **state)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };
        char *shown = NULL;

        assert_int_equal(policy_load(SEVERAL "/governor.yaml", SEVERAL "/policies.d", &policy, &messages), 0);
        assert_int_equal(policy_show(policy, true, &shown), 0);
        assert_non_null(strstr(shown, "    at_most: 9 # " SEVERAL "/policies.d/20-second.yaml:2, replaces " SEVERAL
                                      "/governor.yaml:5\n"));
        assert_non_null(strstr(shown, "    within: 5m # " SEVERAL "/governor.yaml:5\n"));
        assert_non_null(strstr(shown, "  thin: # " SEVERAL "/policies.d/20-second.yaml:4, replaces " SEVERAL
                                      "/governor.yaml:7\n"));
        assert_non_null(strstr(shown, "    critical: false # default\n"));
        free(shown);
        policy_messages_done(&messages);
        policy_free(policy);
}

static void one_meaning_is_normalised_to_one_text(void **state)
{
        struct policy *a = load_text("a.yaml", "agents:\n  - pm2: lily\n    heal: { trial_after: 60m }\n");
        struct policy *b =
                load_text("b.yaml", "# said otherwise\nmode: observe\nagents: [ { \"pm2\": 'lily', "
                                    "heal: { trial_after: 01h, ladder: [restart, restart, quarantine] } } ]\n");
        char *a_text = NULL, *b_text = NULL;

        assert_int_equal(policy_normalise(a, &a_text), 0);
        assert_int_equal(policy_normalise(b, &b_text), 0);
        assert_string_equal(a_text, b_text);
        free(a_text);
        free(b_text);
        policy_free(a);
        policy_free(b);
}

static void what_is_discovered_becomes_a_policy(void **state)
{
        static const struct discovered agents[] = {
                { "pm2:root/lily", UINT64_C(60) << 20, 643 },
                { "pm2:bot/lily", 0, 0 },
                { "pm2:root/w[1]*", 0, 2 },
                { "systemd:agent-mia.service", UINT64_C(60) << 20, 0 },
                { "pm2:root/bad\nname", 0, 0 },
                { "pm2:root/lily", 0, 0 },
        };
        char *text = NULL;

        assert_int_equal(policy_discover_render(agents, 6, "discover", &text), 0);
        struct policy *policy = load_text("20-discovered.yaml", text);
        assert_int_equal(policy->rules_n, 4);
        assert_string_equal(policy_rule(policy, "pm2:root/lily")->name, "pm2:root/lily");
        assert_string_equal(policy_rule(policy, "pm2:root/w[1]*")->name, "w[1]*");
        assert_null(policy_rule(policy, "pm2:root/w1x"));
        assert_int_equal(policy_rule(policy, "systemd:agent-mia.service")->mode, MODE_OBSERVE);
        policy_free(policy);
        free(text);
        assert_int_equal(policy_discover_render(NULL, 0, "discover", &text), 0);
        policy_free(load_text("20-discovered.yaml", text));
        free(text);
}

/* The committed copies follow the table; GOVERNOR_UPDATE_GOLDEN=1 writes them. */
static void the_schema_in_the_tree_is_the_table_s(void **state)
{
        const char *path = "policies/governor-policy.schema.json";
        char *made = NULL, *kept;

        assert_int_equal(policy_schema(&made), 0);
        if (getenv("GOVERNOR_UPDATE_GOLDEN")) {
                FILE *file = fopen(path, "we");
                assert_non_null(file);
                fputs(made, file);
                fclose(file);
        }
        kept = read_text(path);
        assert_string_equal(kept, made);
        free(made);
        free(kept);
}

static void the_reference_in_the_manual_is_the_table_s(void **state)
{
        static const char begin[] = ".\\\" BEGIN reference, made from watchdog/policy/keys.c\n",
                          end[] = ".\\\" END reference\n";
        const char *path = "man/governor-policy.5";
        char *made = NULL, *kept = read_text(path);
        char *from = strstr(kept, begin), *to = strstr(kept, end);

        assert_int_equal(policy_manual(&made), 0);
        assert_non_null(from);
        assert_non_null(to);
        from += strlen(begin);
        if (getenv("GOVERNOR_UPDATE_GOLDEN")) {
                FILE *file = fopen(path, "we");
                assert_non_null(file);
                fprintf(file, "%.*s%s%s", (int)(from - kept), kept, made, to);
                fclose(file);
        } else
                assert_true((size_t)(to - from) == strlen(made) && strncmp(from, made, strlen(made)) == 0);
        free(made);
        free(kept);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_machine_without_policy_observes_what_it_finds),
                cmocka_unit_test(files_of_a_directory_become_one_policy),
                cmocka_unit_test(a_rule_that_an_earlier_one_covers_is_warned_of),
                cmocka_unit_test(what_is_absent_is_no_error),
                cmocka_unit_test(the_first_matching_rule_owns_an_agent),
                cmocka_unit_test(after_means_an_agent_or_a_rule),
                cmocka_unit_test(a_cpu_limit_of_its_own_replaces_that_of_the_class),
                cmocka_unit_test(a_rule_for_files_says_all_that_the_guard_goes_by),
                cmocka_unit_test(the_first_rule_that_does_not_except_a_file_owns_it),
                cmocka_unit_test(each_shipped_policy_passes_the_check),
                cmocka_unit_test(what_is_shown_loads_again),
                cmocka_unit_test(actions_are_limits_by_name_and_come_back_as_they_were),
                cmocka_unit_test(show_says_where_each_value_comes_from),
                cmocka_unit_test(one_meaning_is_normalised_to_one_text),
                cmocka_unit_test(what_is_discovered_becomes_a_policy),
                cmocka_unit_test(the_schema_in_the_tree_is_the_table_s),
                cmocka_unit_test(the_reference_in_the_manual_is_the_table_s),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
