/* What a new policy governs less than the one before it: each way is told, in words, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/looser.h"
#include "policy/meet.h"

static struct policy *load(const char *text)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };
        char buffer[POLICY_RENDER_MAX];
        int r = policy_load_text("governor.yaml", text, strlen(text), &policy, &messages);

        for (size_t i = 0; r < 0 && i < messages.n; i++)
                print_error("%s", policy_message_render(&messages.list[i], false, buffer));
        assert_int_equal(r, 0);
        policy_messages_done(&messages);
        return policy;
}

/* Compares two texts of policies with what has to be said of the step from the first to the second. */
static void check_step(const char *before, const char *after, const char *wanted)
{
        struct policy *old = load(before), *new = load(after);
        char *said = NULL;

        assert_int_equal(policy_looser(old, new, &said), 0);
        assert_string_equal(said, wanted);
        free(said);
        policy_free(old);
        policy_free(new);
}

/* The step is looser one way and says `wanted`; back again it is not. */
static void check_both(const char *tight, const char *loose, const char *wanted)
{
        check_step(tight, loose, wanted);
        check_step(loose, tight, "");
}

static void each_key_of_the_table_is_said_to_loosen_or_not(void **state)
{
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_loosens(policy_keys[i].section, policy_keys[i].name) == LOOSENS_UNSAID)
                        fail_msg("nobody said in policy/looser.c whether '%s' of %s can loosen a policy",
                                 policy_keys[i].name, policy_sections[policy_keys[i].section].noun);
        assert_int_equal(policy_loosens(SECTION_TOP, "no such key"), LOOSENS_UNSAID);
}

/* What is compared value by value has an order to be compared in. */
static void what_is_raised_or_lowered_is_a_number_or_a_word_of_a_list(void **state)
{
        for (unsigned i = 0; i < policy_keys_n; i++) {
                const struct key *key = &policy_keys[i];
                enum loosens how = policy_loosens(key->section, key->name);

                if (how == LOOSENS_RAISED || how == LOOSENS_LOWERED)
                        assert_true(key->form == FORM_CHOICE || key->form == FORM_SWITCH || key->least);
                if (how == LOOSENS_ADDED)
                        assert_true(key->form == FORM_TEXTS || key->form == FORM_PATHS || key->form == FORM_CHOICES);
        }
}

static void the_same_policy_said_otherwise_is_not_looser(void **state)
{
        check_step("mode: enforce\nagents: [ { name: lily, pm2: lily, heal: { trial_after: 60m } }, { pm2: mia } ]\n"
                   "files: [ { name: core, rule: protected, paths: [ /a/, /b/ ], approve: { by: [key] } } ]\n",
                   "mode: enforce\nagents: [ { pm2: mia }, { name: rose, pm2: lily, heal: { trial_after: 1h } } ]\n"
                   "files: [ { name: b, rule: protected, paths: [ '/b/**' ] },\n"
                   "         { name: a, rule: protected, paths: [ /a/ ] } ]\n",
                   "");
        check_step("mode: observe\n", "mode: observe\n", "");
}

/* Agents may do less with a tighter one, whatever is written where. */
static void an_action_that_may_be_done_with_less_asking_is_told(void **state)
{
        static const char before[] = "actions: [ { name: trade, ask_above: { usd: 1000, shares: 5 }, "
                                     "deny_above: { usd: 9000 }, approve: { within: 5m } }, { name: deploy } ]\n";

        check_step(before, before, "");
        check_step(
                before,
                "actions: [ { name: trade, ask_above: { usd: 10, shares: 5 } , deny_above: { usd: 9000, shares: 9 }, "
                "approve: { within: 1m } } ]\n",
                "");
        check_step(before, "actions: [ { name: trade, deny_above: { usd: 9000 }, approve: { within: 5m } } ]\n", "");
        check_step(before,
                   "actions: [ { name: trade, ask_above: { usd: 1000.5 }, approve: { within: 6m } },\n"
                   "           { name: deploy, ask_above: { n: 1 } }, { name: mail } ]\n",
                   "action 'trade': ask_above: usd was 1000, is 1000.5\n"
                   "action 'trade': ask_above: shares was 5, is without a limit\n"
                   "action 'trade': deny_above: usd was 9000, is without a limit\n"
                   "action 'trade': approve: there is more time for it\n"
                   "action 'deploy': a human is not asked each time any more\n"
                   "action 'mail': was denied, and may be asked for now\n");
        check_step(before, "actions: [ { name: deploy, approve: { by: [key, phone], phone_despite_root: true } } ]\n",
                   "action 'deploy': approve: a phone may approve it now\n");
}

static void fill_in(char ret[512], const char *text, const char *value)
{
        const char *gap = strstr(text, "%s");

        assert_non_null(gap);
        snprintf(ret, 512, "%.*s%s%s", (int)(gap - text), text, value, gap + 2);
}

/* For each key that has an order: the value in the looser direction is told with both values, the tighter one is not. */
static void each_key_is_told_when_it_loosens_and_only_then(void **state)
{
        static const struct {
                const char *key, *tight, *loose, *wanted;
        } steps[] = {
                { "mode: %s\n", "enforce", "observe", "mode: enforce -> observe\n" },
                { "daemon: { agents_max: %s }\n", "0100", "50", "daemon.agents_max: 100 -> 50\n" },
                { "daemon: { pm2_homes: %s }\n", "[ /a, /b ]", "[ /a ]", "daemon.pm2_homes: no longer /b\n" },
                { "audit: { retention: %s }\n", "400d", "30d", "audit.retention: 400d -> 30d\n" },
                { "machine: { %s cpu: {} }\n", "memory_floor: 500M,", "", "machine.memory_floor: 500M -> none\n" },
                { "machine: { cpu: { above: %s } }\n", "60%", "90%", "machine.cpu.above: 60% -> 90%\n" },
                { "machine: { cpu: { for: %s } }\n", "30m", "2h", "machine.cpu.for: 30m -> 2h\n" },
                { "agents: [ { name: a, pm2: a, mode: %s } ]\n", "enforce", "observe",
                  "rule 'a': mode: enforce -> observe\n" },
                { "agents: [ { name: a, pm2: a, critical: %s } ]\n", "false", "true",
                  "rule 'a': critical: false -> true\n" },
                { "agents: [ { name: a, pm2: a, after: %s }, { name: b, systemd: b } ]\n", "[]", "[ b ]",
                  "rule 'a': after: now also b\n" },
                { "agents: [ { name: a, pm2: a, config: %s } ]\n", "[ /a, /b ]", "[ /b ]",
                  "rule 'a': config: no longer /a\n" },
                { "agents: [ { name: a, pm2: a, %s } ]\n", "cpu: { above: 50%, for: 30m }",
                  "cpu: { above: 50%, for: 1h }", "rule 'a': cpu.for: 30m -> 1h\n" },
                { "agents: [ { name: a, pm2: a, %s } ]\n", "cpu: { above: 50%, for: 30m, quota: 25% }",
                  "cpu: { above: 50%, for: 30m }", "rule 'a': cpu.quota: 25% -> none\n" },
                { "agents: [ { name: a, pm2: a%s } ]\n", ", heartbeat: { every: 60s }", "",
                  "rule 'a': heartbeat: there is none any more\n" },
                { "agents: [ { name: a, pm2: a, heartbeat: { every: %s } } ]\n", "60s", "5m",
                  "rule 'a': heartbeat.every: 1m -> 5m\n" },
                { "agents: [ { name: a, pm2: a, health: { http: 'http://a/', failures: %s } } ]\n", "3", "9",
                  "rule 'a': health.failures: 3 -> 9\n" },
                { "agents: [ { name: a, pm2: a, heal: { trial_after: %s } } ]\n", "1h", "10m",
                  "rule 'a': heal.trial_after: 1h -> 10m\n" },
                { "agents: [ { name: a, pm2: a, heal: { proven_after: %s } } ]\n", "1h", "10m",
                  "rule 'a': heal.proven_after: 1h -> 10m\n" },
                { "agents: [ { name: a, pm2: a, heal: { backoff: { first: %s } } } ]\n", "10s", "1s",
                  "rule 'a': heal.backoff.first: 10s -> 1s\n" },
                { "agents: [ { name: a, pm2: a, restarts: [ { more_than: %s, within: 60s } ] } ]\n", "2", "3",
                  "rule 'a': restarts: more than 2 within 1m is not too many any more\n" },
                { "agents: [ { name: a, pm2: a, restarts: [ { more_than: 2, within: %s } ] } ]\n", "60s", "30s",
                  "rule 'a': restarts: more than 2 within 1m is not too many any more\n" },
                { "classes: { c: { memory: { ceiling: %s } } }\nagents: [ { name: a, pm2: a, class: c } ]\n", "200M",
                  "400M", "rule 'a': memory.ceiling: 200M -> 400M\n" },
                { "classes: { c: { memory: { budget: 1G, of: %s } } }\nagents: [ { name: a, pm2: a, class: c } ]\n",
                  "tree", "process", "rule 'a': memory.of: tree -> process\n" },
                { "files: [ { name: f, rule: %s, paths: [ /a/ ] } ]\n", "untouchable", "protected",
                  "file rule 'f': rule: untouchable -> protected\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], mode: %s } ]\n", "enforce", "observe",
                  "file rule 'f': mode: enforce -> observe\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], except: %s } ]\n", "[]", "[ tmp ]",
                  "file rule 'f': except: now also tmp\n" },
                { "files: [ { name: f, rule: protected, paths: %s } ]\n", "[ /a/, /b/, /c/x ]", "[ /a/ ]",
                  "file rule 'f': paths: not all of /b/ is guarded any more\n"
                  "file rule 'f': paths: not all of /c/x is guarded any more\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], packages: %s } ]\n", "refuse", "allow",
                  "file rule 'f': packages: refuse -> allow\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], folders: %s } ]\n", "true", "false",
                  "file rule 'f': folders: true -> false\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], deny_opens: %s } ]\n", "true", "false",
                  "file rule 'f': deny_opens: true -> false\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], on_breach: %s } ]\n", "alert", "record",
                  "file rule 'f': on_breach: alert -> record\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], approve: { within: %s } } ]\n", "15m", "1d",
                  "file rule 'f': approve.within: 15m -> 1d\n" },
                { "files: [ { name: f, rule: protected, paths: [ /a/ ], approve: { by: %s } } ]\n", "[key]",
                  "[key, phone], phone_despite_root: true",
                  "file rule 'f': approve.by: now also phone\n"
                  "file rule 'f': approve.phone_despite_root: false -> true\n" },
                { "alerts: [ { telegram: { chat: 1, token: 'credential:t' } }%s ]\n",
                  ", { webhook: { url: 'https://a/', secret: 'credential:s' } }", "",
                  "alerts: a webhook channel is gone or another than it was\n" },
        };

        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
                char tight[512], loose[512];

                fill_in(tight, steps[i].key, steps[i].tight);
                fill_in(loose, steps[i].key, steps[i].loose);
                check_both(tight, loose, steps[i].wanted);
        }
}

static void what_may_be_less_in_both_directions_is_told_in_both(void **state)
{
        check_step("machine: { actions: { at_most: 6 } }\n", "machine: { actions: { at_most: 60 } }\n",
                   "machine.actions.at_most: 6 -> 60\n");
        check_step("machine: { actions: { at_most: 60 } }\n", "machine: { actions: { at_most: 6 } }\n",
                   "machine.actions.at_most: 60 -> 6\n");
        check_step("agents: [ { name: a, pm2: a } ]\n",
                   "agents: [ { name: a, pm2: a, heal: { ladder: [restart, restart, restart] } } ]\n",
                   "rule 'a': heal.ladder: restart, restart, quarantine -> restart, restart, restart\n");
}

static void an_agent_that_nobody_governs_any_more_is_told(void **state)
{
        check_step("agents: [ { name: lily, pm2: lily }, { name: mia, systemd: agent-mia } ]\n",
                   "agents: [ { name: lily, pm2: lily } ]\n",
                   "rule 'mia': its agents, such as those of 'agent-mia', are not governed any more\n");
        check_step("agents: [ { name: all, pm2: '*' } ]\n", "agents: [ { name: lily, pm2: lily } ]\n",
                   "rule 'all': its agents, such as those of '*', are not governed any more\n");
        check_step("agents: [ { name: scoped, pm2: '@scope/app' } ]\n", "agents: [ { name: lily, pm2: lily } ]\n",
                   "rule 'scoped': its agents, such as those of '@scope/app', are not governed any more\n");
        check_step("agents: [ { name: lily, pm2: lily } ]\n", "agents: [ { name: all, pm2: '*' } ]\n", "");
}

/* The rule is as it was; what it owns is not. */
static void a_rule_that_takes_an_agent_or_a_file_away_from_a_stricter_one_is_told(void **state)
{
        check_step(
                "mode: enforce\nagents: [ { name: all, pm2: 'bot-*' } ]\n",
                "mode: enforce\nagents: [ { name: free, pm2: '*-lily', mode: observe }, { name: all, pm2: 'bot-*' } ]\n",
                "rule 'all': mode: enforce -> observe\n");
        check_step("mode: enforce\nagents: [ { name: lily, pm2: lily }, { name: all, pm2: '*', mode: observe } ]\n",
                   "mode: enforce\nagents: [ { name: all, pm2: '*', mode: observe }, { name: lily, pm2: lily } ]\n",
                   "rule 'lily': mode: enforce -> observe\n");
        check_step("mode: enforce\nfiles: [ { name: ops, rule: protected, paths: [ /opt/ops/ ] } ]\n",
                   "mode: enforce\nfiles: [ { name: free, rule: protected, paths: [ '/opt/*/key' ], mode: observe },\n"
                   "                        { name: ops, rule: protected, paths: [ /opt/ops/ ] } ]\n",
                   "file rule 'ops': mode: enforce -> observe\n");
        check_step("files: [ { name: ops, rule: protected, paths: [ '/opt/**/key' ] } ]\n",
                   "files: [ { name: ops, rule: protected, paths: [ '/opt/*/key' ] } ]\n",
                   "file rule 'ops': paths: not all of /opt/**/key is guarded any more\n");
}

static void what_two_patterns_share_is_shown_by_an_example(void **state)
{
        static const struct {
                enum pattern_kind kind;
                const char *a, *b, *example; /* NULL: they share nothing */
        } cases[] = {
                { PATTERN_PATH, "/opt/ops/", "/opt/ops/x.sh", "/opt/ops/x.sh" },
                { PATTERN_PATH, "/opt/ops/", "/opt/ops/", "/opt/ops/x" },
                { PATTERN_PATH, "/opt/*/core/**", "/opt/ops/**", "/opt/ops/core/x" },
                { PATTERN_PATH, "/opt/**/core/*.js", "/opt/core/a*", "/opt/core/a.js" },
                { PATTERN_PATH, "/a/[ab]x", "/a/[bc]?", "/a/bx" },
                { PATTERN_PATH, "/a/\\*", "/a/*", "/a/*" },
                { PATTERN_PATH, "/a/*", "/a/b/c", NULL },
                { PATTERN_PATH, "/a/*.js", "/a/*.json", NULL },
                { PATTERN_PATH, "/a/**", "/ab/**", NULL },
                { PATTERN_PATH, "/a/[ab]", "/a/[cd]", NULL },
                { PATTERN_PATH, "", "/a", NULL },
                { PATTERN_TEXT, "bot-*", "*-lily", "bot-lily" },
                { PATTERN_TEXT, "*", "root/lily", "root/lily" },
                { PATTERN_TEXT, "a?", "b?", NULL },
        };
        char example[MEET_MAX];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(patterns_meet(cases[i].kind, cases[i].a, cases[i].b, example),
                                 cases[i].example != NULL);
                if (cases[i].example)
                        assert_string_equal(example, cases[i].example);
                assert_int_equal(patterns_meet(cases[i].kind, cases[i].b, cases[i].a, example),
                                 cases[i].example != NULL);
        }
}

/* Long patterns full of stars: time in proportion to the product of their lengths, and no deep stack. */
static void hard_patterns_are_compared_all_the_same(void **state)
{
        char a[1000] = "/a", b[1000] = "/a", longer[2000], example[MEET_MAX];

        while (strlen(a) < 980) {
                strcat(a, "*x**/[a-y]");
                strcat(b, "**?*");
        }
        patterns_meet(PATTERN_PATH, a, b, example);
        patterns_meet(PATTERN_PATH, a, a, example);
        memset(longer, 'a', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        assert_false(patterns_meet(PATTERN_PATH, longer, longer, example));
        assert_false(pattern_example(PATTERN_PATH, longer, true, example));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_key_of_the_table_is_said_to_loosen_or_not),
                cmocka_unit_test(what_is_raised_or_lowered_is_a_number_or_a_word_of_a_list),
                cmocka_unit_test(the_same_policy_said_otherwise_is_not_looser),
                cmocka_unit_test(each_key_is_told_when_it_loosens_and_only_then),
                cmocka_unit_test(an_action_that_may_be_done_with_less_asking_is_told),
                cmocka_unit_test(what_may_be_less_in_both_directions_is_told_in_both),
                cmocka_unit_test(an_agent_that_nobody_governs_any_more_is_told),
                cmocka_unit_test(a_rule_that_takes_an_agent_or_a_file_away_from_a_stricter_one_is_told),
                cmocka_unit_test(what_two_patterns_share_is_shown_by_an_example),
                cmocka_unit_test(hard_patterns_are_compared_all_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
