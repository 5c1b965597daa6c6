/* Facts survive the way into the chain and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "io/record.h"

static struct fact there_and_back(const struct fact *fact, json_t **details, struct remembered *scratch)
{
        char verb[RECORD_VERB_MAX];
        struct fact back;

        *details = record_of_fact(fact, verb);
        assert_int_equal(record_to_fact(verb, fact->agent, *details, scratch, &back), 0);
        assert_int_equal(back.kind, fact->kind);
        assert_int_equal(back.at, fact->at);
        assert_int_equal(back.manager, fact->manager);
        assert_int_equal(back.instance, fact->instance);
        return back;
}

static void a_death_comes_back_with_its_cause(void **state)
{
        struct fact fact = {
                .kind = FACT_ENDED,
                .at = 1700000000000001,
                .manager = MANAGER_PM2,
                .agent = "pm2:root/lily",
                .instance = 4,
                .ended = { .pid = 77, .start = 123456, .ending = ENDING_SIGNAL, .signal = 9 },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_int_equal(back.ended.ending, ENDING_SIGNAL);
        assert_int_equal(back.ended.signal, 9);
        assert_int_equal(back.ended.pid, 77);
        assert_int_equal(back.ended.start, 123456);
        json_decref(details);
}

static void what_the_manager_says_comes_back_word_for_word(void **state)
{
        struct fact fact = {
                .kind = FACT_AGENT,
                .at = 5,
                .manager = MANAGER_SYSTEMD,
                .agent = "systemd:x.service",
                .agent_is = { .claimed = CLAIMED_WAITING,
                              .word = "activating/auto-restart",
                              .restarts = 643,
                              .result = "exit-code",
                              .first = true },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_int_equal(back.agent_is.claimed, CLAIMED_WAITING);
        assert_string_equal(back.agent_is.word, "activating/auto-restart");
        assert_string_equal(back.agent_is.result, "exit-code");
        assert_int_equal(back.agent_is.restarts, 643);
        assert_true(back.agent_is.first);
        json_decref(details);
}

static void a_kill_for_memory_comes_back_whole(void **state)
{
        struct fact fact = {
                .kind = FACT_OOM,
                .at = 1700000000000001,
                .manager = MANAGER_PM2,
                .agent = "pm2:root/lily",
                .instance = 4,
                .oom = { .what = OOM_KILLED,
                         .by = OOM_BY_LIMIT,
                         .killed = 1,
                         .pid = 77,
                         .comm = "node",
                         .cgroup = "/system.slice/pm2-root.service",
                         .limit = "/system.slice",
                         .limit_bytes = 512 << 20,
                         .held_bytes = 489 << 20,
                         .before_bytes = 3,
                         .before = 60000000,
                         .pressure = 1250,
                         .pushes = 12,
                         .swap_free_bytes = 5,
                         .others = "mia (node 78) 90.0M" },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_int_equal(back.oom.what, OOM_KILLED);
        assert_int_equal(back.oom.by, OOM_BY_LIMIT);
        assert_int_equal(back.oom.killed, 1);
        assert_int_equal(back.oom.pid, 77);
        assert_string_equal(back.oom.comm, "node");
        assert_string_equal(back.oom.cgroup, "/system.slice/pm2-root.service");
        assert_string_equal(back.oom.limit, "/system.slice");
        assert_int_equal(back.oom.limit_bytes, 512 << 20);
        assert_int_equal(back.oom.held_bytes, 489 << 20);
        assert_int_equal(back.oom.before_bytes, 3);
        assert_int_equal(back.oom.before, 60000000);
        assert_int_equal(back.oom.pressure, 1250);
        assert_int_equal(back.oom.pushes, 12);
        assert_int_equal(back.oom.swap_free_bytes, 5);
        assert_string_equal(back.oom.others, "mia (node 78) 90.0M");
        json_decref(details);
}

static void a_drift_comes_back_with_what_it_is_about(void **state)
{
        struct fact fact = {
                .kind = FACT_CONFIG,
                .at = 5,
                .manager = MANAGER_SYSTEMD,
                .agent = "systemd:x.service",
                .instance = INSTANCE_ALL,
                .config = { .change = CONFIG_PENDING,
                            .of = CONFIG_OF_UNIT,
                            .path = "/etc/systemd/system/x.service",
                            .digest = "",
                            .sealed = "ab",
                            .sealed_size = 7,
                            .differing = 2,
                            .what = "Restart=always -> no" },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_int_equal(back.config.change, CONFIG_PENDING);
        assert_int_equal(back.config.of, CONFIG_OF_UNIT);
        assert_string_equal(back.config.path, "/etc/systemd/system/x.service");
        assert_string_equal(back.config.what, "Restart=always -> no");
        assert_int_equal(back.config.differing, 2);
        json_object_del(details, "of"); /* a record of before: files were all that there was */
        json_object_del(details, "what");
        assert_int_equal(record_to_fact("fact.config", fact.agent, details, &scratch, &back), 0);
        assert_int_equal(back.config.of, CONFIG_OF_FILE);
        assert_string_equal(back.config.what, "");
        json_decref(details);
}

static void the_judges_memory_comes_back_with_every_death_and_with_never(void **state)
{
        struct remembered memory = { .state = 3,
                                     .rung = 1,
                                     .until = USEC_INFINITY,
                                     .cause = CAUSE_HOT_LOOP,
                                     .deaths_n = 3,
                                     .deaths = { 10, 20, 30 } };
        struct fact fact = { .kind = FACT_REMEMBERED, .at = 9, .agent = "pm2:root/lily", .remembered = &memory };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_ptr_equal(back.remembered, &scratch);
        assert_int_equal(scratch.state, 3);
        assert_int_equal(scratch.cause, CAUSE_HOT_LOOP);
        assert_true(scratch.until == USEC_INFINITY);
        assert_int_equal(scratch.deaths_n, 3);
        assert_int_equal(scratch.deaths[2], 30);
        json_decref(details);
}

static void what_a_restart_would_free_comes_back_with_how_it_was_measured(void **state)
{
        struct fact fact = { .kind = FACT_WEIGHT,
                             .at = 5,
                             .manager = MANAGER_PM2,
                             .agent = "pm2:root/lily",
                             .instance = 2,
                             .weight = { .pid = 77,
                                         .start = 123456,
                                         .frees_bytes = UINT64_C(5) << 30,
                                         .swap_bytes = 4096,
                                         .of = MEMORY_OF_TREE,
                                         .how = WEIGHED_CGROUP,
                                         .carries = true,
                                         .left = 3,
                                         .name = "mysqld" } };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_int_equal(back.weight.pid, 77);
        assert_int_equal(back.weight.start, 123456);
        assert_true(back.weight.frees_bytes == UINT64_C(5) << 30);
        assert_int_equal(back.weight.swap_bytes, 4096);
        assert_int_equal(back.weight.of, MEMORY_OF_TREE);
        assert_int_equal(back.weight.how, WEIGHED_CGROUP);
        assert_true(back.weight.carries);
        assert_int_equal(back.weight.left, 3);
        assert_string_equal(back.weight.name, "mysqld");
        json_decref(details);
}

/* Records of before there were several kinds of baselines are about sizes. */
static void a_baseline_says_what_it_is_about(void **state)
{
        struct remembered memory = { .state = BASELINE_HABIT, .pid = 7, .more_n = 2, .more = { 5, 6 } };
        struct fact fact = { .kind = FACT_BASELINE, .at = 9, .agent = "pm2:root/lily", .remembered = &memory };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_string_equal(json_string_value(json_object_get(details, "of")), "habit");
        assert_int_equal(scratch.state, BASELINE_HABIT);
        assert_int_equal(scratch.more[1], 6);
        json_object_del(details, "of");
        assert_int_equal(record_to_fact("fact.baseline", "pm2:root/lily", details, &scratch, &back), 0);
        assert_int_equal(scratch.state, BASELINE_SIZE);
        json_decref(details);
}

static void an_outcome_record_is_a_fact_and_its_intent_is_not(void **state)
{
        struct fact outcome = {
                .kind = FACT_OUTCOME,
                .at = 8,
                .manager = MANAGER_PM2,
                .agent = "pm2:root/lily",
                .instance = INSTANCE_ALL,
                .outcome = { .action = ACTION_STOP,
                             .purpose = PURPOSE_QUARANTINE,
                             .outcome = OUTCOME_TIMEOUT,
                             .text = "t" },
        };
        json_t *details = record_of_outcome(&outcome, 12), *intent = json_pack("{s:i}", "at", 7);
        struct remembered scratch;
        struct fact back;

        assert_int_equal(record_to_fact("agent.stop", "pm2:root/lily", details, &scratch, &back), 0);
        assert_int_equal(back.kind, FACT_OUTCOME);
        assert_int_equal(back.outcome.outcome, OUTCOME_TIMEOUT);
        assert_int_equal(back.outcome.purpose, PURPOSE_QUARANTINE);
        assert_int_equal(back.instance, INSTANCE_ALL);
        assert_int_equal(record_to_fact("agent.stop", "pm2:root/lily", intent, &scratch, &back), -ENOENT);
        json_decref(details);
        json_decref(intent);
}

static void a_trial_comes_back_with_its_limits(void **state)
{
        struct fact fact = {
                .kind = FACT_TRIAL,
                .at = 8,
                .manager = MANAGER_SYSTEMD,
                .agent = "systemd:lily.service",
                .instance = INSTANCE_ALL,
                .trial = { .step = TRIAL_STANDS,
                           .of = TRIAL_OF_LIMITS,
                           .number = 7,
                           .state = TRIAL_STUCK,
                           .span = 600,
                           .limits = { .place = LIMITS_TRIAL },
                           .by = "uid:0",
                           .reason = "why not",
                           .since = 1,
                           .until = 2,
                           .due = USEC_INFINITY,
                           .tries = 3,
                           .incident = 4,
                           .why = "it died",
                           .began = 5,
                           .input = 6 },
        };
        struct remembered scratch;
        json_t *details;

        limits_put(&fact.trial.limits, LIMIT_MEMORY_MAX, 128 << 20);
        limits_put(&fact.trial.limits, LIMIT_MEMORY_SWAP_MAX, 0);
        limits_put(&fact.trial.limits, LIMIT_OOM_POLICY, OOM_POLICY_KILL);

        struct fact back = there_and_back(&fact, &details, &scratch);

        assert_int_equal(back.trial.step, TRIAL_STANDS);
        assert_int_equal(back.trial.of, TRIAL_OF_LIMITS);
        assert_int_equal(back.trial.number, 7);
        assert_int_equal(back.trial.state, TRIAL_STUCK);
        assert_int_equal(back.trial.span, 600);
        assert_true(back.trial.due == USEC_INFINITY);
        assert_int_equal(back.trial.tries, 3);
        assert_int_equal(back.trial.incident, 4);
        assert_string_equal(back.trial.why, "it died");
        assert_int_equal(back.trial.began, 5);
        assert_int_equal(back.trial.input, 6);
        assert_memory_equal(&back.trial.limits, &fact.trial.limits, sizeof(fact.trial.limits));
        json_decref(details);
}

static void limits_that_make_no_sense_are_not_taken(void **state)
{
        json_t *details = json_pack("{s:s, s:{s:s, s:s, s:s, s:i}}", "step", "begin", "limits", "place", "moon",
                                    "memory_max", "much", "oom_policy", "maybe", "cpu_quota", 20);
        struct remembered scratch;
        struct fact back;

        assert_int_equal(record_to_fact("fact.trial", "systemd:x.service", details, &scratch, &back), 0);
        assert_int_equal(back.trial.limits.place, LIMITS_NOWHERE);
        assert_int_equal(back.trial.limits.set, 1u << LIMIT_CPU_QUOTA);
        assert_string_equal(back.trial.why, "");
        json_decref(details);
}

static void a_decision_about_limits_says_which(void **state)
{
        struct decision decision = { .kind = DECIDE_ACT,
                                     .agent = "systemd:lily.service",
                                     .action = ACTION_UNLIMIT,
                                     .purpose = PURPOSE_UNDO,
                                     .rule = "",
                                     .trial = 7,
                                     .limits = { .place = LIMITS_KEPT } };
        char verb[RECORD_VERB_MAX];
        json_t *details = record_of_decision(&decision, verb), *limits = json_object_get(details, "limits");

        assert_string_equal(verb, "agent.unlimit");
        assert_int_equal(json_integer_value(json_object_get(details, "trial")), 7);
        assert_string_equal(json_string_value(json_object_get(limits, "place")), "kept");
        json_decref(details);
        decision.trial = 0; /* the records of other actions are as they were */
        decision.limits.place = LIMITS_NOWHERE;
        details = record_of_decision(&decision, verb);
        assert_null(json_object_get(details, "trial"));
        assert_null(json_object_get(details, "limits"));
        json_decref(details);
}

static void a_version_comes_back_as_it_was_seen(void **state)
{
        struct fact fact = {
                .kind = FACT_VERSION,
                .at = 9,
                .manager = MANAGER_PM2,
                .agent = "pm2:root/lily",
                .instance = INSTANCE_ALL,
                .version = { .step = VERSION_KNOWN,
                             .digest = "c0ffee",
                             .since = 3,
                             .files = 4,
                             .lacks = "/opt/m.bin is larger than 8M",
                             .number = 7,
                             .seen = 5,
                             .healthy = 6,
                             .failed = 8,
                             .present = true },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        (void)state;
        assert_int_equal(back.version.step, VERSION_KNOWN);
        assert_string_equal(back.version.digest, "c0ffee");
        assert_string_equal(back.version.lacks, "/opt/m.bin is larger than 8M");
        assert_int_equal(back.version.since, 3);
        assert_int_equal(back.version.files, 4);
        assert_int_equal(back.version.number, 7);
        assert_int_equal(back.version.seen, 5);
        assert_int_equal(back.version.healthy, 6);
        assert_int_equal(back.version.failed, 8);
        assert_true(back.version.present);
        json_decref(details);
}

static void what_happened_to_a_file_comes_back_with_its_writer(void **state)
{
        struct fact fact = {
                .kind = FACT_FILE,
                .at = 9,
                .manager = MANAGER_PM2,
                .agent = "pm2:root/lily",
                .file = { .event = FILE_CHANGED,
                          .path = "/opt/core/main.js",
                          .rule = "core",
                          .digest = "bad",
                          .sealed = "c0ffee",
                          .size = 3,
                          .sealed_size = 4,
                          .mode = 0100666,
                          .sealed_mode = 0100644,
                          .uid = 1000,
                          .sealed_gid = 5,
                          .what = "a link now",
                          .times = 2,
                          .differing = 3,
                          .by = FILE_BY_PIDFD,
                          .pid = 77,
                          .start = 88,
                          .exe = "/usr/bin/node",
                          .writer = 0,
                          .cgroup = "/system.slice/pm2.service",
                          .why = "" },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        (void)state;
        assert_string_equal(back.agent, "pm2:root/lily");
        assert_int_equal(back.file.event, FILE_CHANGED);
        assert_string_equal(back.file.path, "/opt/core/main.js");
        assert_string_equal(back.file.rule, "core");
        assert_string_equal(back.file.digest, "bad");
        assert_string_equal(back.file.sealed, "c0ffee");
        assert_int_equal(back.file.size, 3);
        assert_int_equal(back.file.sealed_size, 4);
        assert_int_equal(back.file.mode, 0100666);
        assert_int_equal(back.file.sealed_mode, 0100644);
        assert_int_equal(back.file.uid, 1000);
        assert_int_equal(back.file.sealed_gid, 5);
        assert_string_equal(back.file.what, "a link now");
        assert_int_equal(back.file.times, 2);
        assert_int_equal(back.file.differing, 3);
        assert_int_equal(back.file.by, FILE_BY_PIDFD);
        assert_int_equal(back.file.pid, 77);
        assert_int_equal(back.file.start, 88);
        assert_string_equal(back.file.exe, "/usr/bin/node");
        assert_int_equal(back.file.writer, 0);
        assert_string_equal(back.file.cgroup, "/system.slice/pm2.service");
        json_decref(details);
}

/* Who nobody knows is not root. */
static void a_writer_that_is_not_known_is_nobody(void **state)
{
        struct fact fact = { .kind = FACT_FILE,
                             .agent = "",
                             .file = { .event = FILE_LEVEL,
                                       .path = "",
                                       .rule = "core",
                                       .level = FILE_LEVEL_0,
                                       .before = FILE_LEVEL_2,
                                       .why = "the audit rule is gone",
                                       .writer = UINT32_MAX } };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        (void)state;
        assert_true(json_is_null(json_object_get(details, "writer")));
        assert_int_equal(back.file.writer, UINT32_MAX);
        assert_int_equal(back.file.by, FILE_BY_UNKNOWN);
        assert_int_equal(back.file.level, FILE_LEVEL_0);
        assert_int_equal(back.file.before, FILE_LEVEL_2);
        assert_string_equal(back.file.why, "the audit rule is gone");
        json_decref(details);
}

static void a_restore_is_an_act_on_a_file(void **state)
{
        struct decision decision = { .kind = DECIDE_ACT,
                                     .agent = "",
                                     .incident = 3,
                                     .cause = CAUSE_GUARD_CHANGE,
                                     .action = ACTION_RESTORE,
                                     .purpose = PURPOSE_GUARD,
                                     .enforce = true,
                                     .path = "/opt/core/main.js",
                                     .rule = "core",
                                     .rule_file = "",
                                     .reason = "" };
        struct fact outcome = { .kind = FACT_OUTCOME,
                                .agent = "",
                                .outcome = { .action = ACTION_RESTORE,
                                             .purpose = PURPOSE_GUARD,
                                             .outcome = OUTCOME_OK,
                                             .text = "restored",
                                             .path = "/opt/core/main.js" } },
                    back;
        struct remembered scratch;
        char verb[RECORD_VERB_MAX];
        json_t *details = record_of_decision(&decision, verb);

        (void)state;
        assert_string_equal(verb, "file.restore");
        assert_string_equal(json_string_value(json_object_get(details, "path")), "/opt/core/main.js");
        assert_int_equal(record_to_fact(verb, "", details, &scratch, &back), -ENOENT); /* an intent is no fact */
        json_decref(details);
        details = record_of_outcome(&outcome, 12);
        assert_int_equal(record_to_fact("file.restore", "", details, &scratch, &back), 0);
        assert_int_equal(back.outcome.action, ACTION_RESTORE);
        assert_int_equal(back.outcome.purpose, PURPOSE_GUARD);
        assert_string_equal(back.outcome.path, "/opt/core/main.js");
        json_decref(details);
}

static void the_verb_of_an_action_says_what_it_is_done_to(void **state)
{
        char verb[ACTION_VERB_MAX];

        (void)state;
        for (enum action action = ACTION_NONE + 1; action < ACTION_N; action++) {
                assert_int_equal(action_from_verb(action_verb(action, verb)), action);
                assert_true(action_is_verb(verb));
        }
        assert_int_equal(action_from_verb("agent.restore"), ACTION_NONE);
        assert_int_equal(action_from_verb("file.stop"), ACTION_NONE);
        assert_int_equal(action_from_verb("restart"), ACTION_NONE);
        assert_int_equal(action_from_verb(NULL), ACTION_NONE);
        assert_true(action_is_verb("agent.freeze")); /* of a later version */
        assert_false(action_is_verb("file.seal"));
        assert_false(action_is_verb("fact.file"));
        assert_false(action_is_verb(NULL));
}

static void a_package_comes_back_with_its_versions(void **state)
{
        struct fact fact = {
                .kind = FACT_PACKAGE,
                .at = 9,
                .agent = "",
                .package = { .change = PACKAGE_UPGRADED,
                             .name = "nodejs:amd64",
                             .before = "18.19.0",
                             .after = "20.1.0",
                             .since = 7,
                             .more = 12 },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        (void)state;
        assert_int_equal(back.package.change, PACKAGE_UPGRADED);
        assert_string_equal(back.package.name, "nodejs:amd64");
        assert_string_equal(back.package.before, "18.19.0");
        assert_string_equal(back.package.after, "20.1.0");
        assert_int_equal(back.package.since, 7);
        assert_int_equal(back.package.more, 12);
        json_decref(details);
}

static void a_deploy_comes_back_with_its_exit_status(void **state)
{
        struct fact fact = {
                .kind = FACT_CHANGE,
                .at = 9,
                .manager = MANAGER_PM2,
                .agent = "pm2:root/lily",
                .change = { .step = CHANGE_CLOSE,
                            .number = 4,
                            .pattern = "",
                            .by = "uid:0",
                            .reason = "release 12",
                            .deploy = true,
                            .exited = true,
                            .exit = 3 },
        };
        struct remembered scratch;
        json_t *details;
        struct fact back = there_and_back(&fact, &details, &scratch);

        (void)state;
        assert_true(back.change.deploy);
        assert_true(back.change.exited);
        assert_int_equal(back.change.exit, 3);
        assert_string_equal(back.change.reason, "release 12");
        json_decref(details);
}

static void a_rollback_is_recorded_with_both_of_its_versions(void **state)
{
        struct decision decision = { .kind = DECIDE_ACT,
                                     .agent = "pm2:root/lily",
                                     .manager = MANAGER_PM2,
                                     .action = ACTION_ROLLBACK,
                                     .enforce = true,
                                     .rule = "",
                                     .rule_file = "",
                                     .reason = "3 deaths",
                                     .version = 7,
                                     .to = "c0ffee",
                                     .from = "badbad" };
        char verb[RECORD_VERB_MAX];
        json_t *details = record_of_decision(&decision, verb);

        (void)state;
        assert_string_equal(verb, "agent.rollback");
        assert_int_equal(json_integer_value(json_object_get(details, "version")), 7);
        assert_string_equal(json_string_value(json_object_get(details, "to")), "c0ffee");
        assert_string_equal(json_string_value(json_object_get(details, "from")), "badbad");
        json_decref(details);
}

static void strangers_are_told_apart_from_damage(void **state)
{
        json_t *empty = json_object(), *deaths = json_pack("{s:[]}", "deaths");
        struct remembered scratch;
        struct fact back;

        for (unsigned i = 0; i <= FACT_DEATHS_MAX; i++)
                json_array_append_new(json_object_get(deaths, "deaths"), json_integer(i));
        assert_int_equal(record_to_fact("policy.load", "policy", empty, &scratch, &back), -ENOENT);
        assert_int_equal(record_to_fact("fact.nonsense", "", empty, &scratch, &back), -EBADMSG);
        assert_int_equal(record_to_fact("fact.remembered", "", deaths, &scratch, &back), -EBADMSG);
        assert_int_equal(record_to_fact("fact.agent", "", empty, &scratch, &back), 0);
        assert_string_equal(back.agent_is.word, "");
        json_decref(empty);
        json_decref(deaths);
}

static void hostile_text_becomes_safe_text(void **state)
{
        struct fact fact = { .kind = FACT_SOURCE, .agent = "", .source = { .name = "pm2:\x1b[31m\xff", .why = NULL } };
        char verb[RECORD_VERB_MAX];
        json_t *details = record_of_fact(&fact, verb);

        assert_string_equal(verb, "fact.source");
        assert_string_equal(json_string_value(json_object_get(details, "name")), "pm2:?[31m?");
        assert_string_equal(json_string_value(json_object_get(details, "why")), "");
        json_decref(details);
}

static bool next_is_memory(struct record_memory *memory, enum fact_kind kind, usec_t at)
{
        const struct fact fact = { .kind = kind, .at = at, .agent = "" };

        return record_is_memory(memory, &fact);
}

/* The first that happens after the memory was written may look just like it. */
static void memory_ends_where_its_judge_start_says(void **state)
{
        json_t *start = json_pack("{s:I, s:i}", "at", (json_int_t)1700000000000000, "memory", 4);
        struct record_memory memory;

        (void)state;
        record_memory_begin(&memory, start);
        assert_true(next_is_memory(&memory, FACT_SOURCE, 1700000000000001));
        assert_true(next_is_memory(&memory, FACT_CHANGE, 1700000000000002));
        assert_true(record_is_memory(&memory, NULL)); /* of a later version */
        assert_true(next_is_memory(&memory, FACT_BASELINE, 1700000000000003));
        assert_false(next_is_memory(&memory, FACT_BASELINE, 1700000000000004));
        assert_false(next_is_memory(&memory, FACT_REMEMBERED, 1700000000000005));
        json_decref(start);
}

static void memory_of_an_older_log_ends_with_another_kind_or_time(void **state)
{
        const usec_t at = 1700000000000000;
        const struct fact standing = { .kind = FACT_TRIAL, .at = at, .agent = "", .trial.step = TRIAL_STANDS };
        json_t *start = json_pack("{s:I}", "at", (json_int_t)at);
        struct record_memory memory;

        (void)state;
        record_memory_begin(&memory, start);
        assert_true(next_is_memory(&memory, FACT_SOURCE, at));
        assert_true(next_is_memory(&memory, FACT_DEPENDS, at));
        assert_true(next_is_memory(&memory, FACT_CHANGE, at));
        assert_true(record_is_memory(&memory, &standing));
        assert_true(next_is_memory(&memory, FACT_REMEMBERED, at + USEC_PER_SEC));
        assert_true(next_is_memory(&memory, FACT_BASELINE, at + USEC_PER_SEC));
        assert_false(next_is_memory(&memory, FACT_SOURCE, at + USEC_PER_SEC)); /* those came first */
        assert_false(next_is_memory(&memory, FACT_BASELINE, at + USEC_PER_SEC));
        record_memory_begin(&memory, start);
        assert_true(next_is_memory(&memory, FACT_REMEMBERED, at));
        assert_false(next_is_memory(&memory, FACT_BASELINE, at + USEC_PER_HOUR));
        memory = (struct record_memory){ .ended = true };
        assert_false(next_is_memory(&memory, FACT_REMEMBERED, at)); /* before any judge.start */
        json_decref(start);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_death_comes_back_with_its_cause),
                cmocka_unit_test(what_the_manager_says_comes_back_word_for_word),
                cmocka_unit_test(a_kill_for_memory_comes_back_whole),
                cmocka_unit_test(a_drift_comes_back_with_what_it_is_about),
                cmocka_unit_test(the_judges_memory_comes_back_with_every_death_and_with_never),
                cmocka_unit_test(what_a_restart_would_free_comes_back_with_how_it_was_measured),
                cmocka_unit_test(a_baseline_says_what_it_is_about),
                cmocka_unit_test(an_outcome_record_is_a_fact_and_its_intent_is_not),
                cmocka_unit_test(a_trial_comes_back_with_its_limits),
                cmocka_unit_test(limits_that_make_no_sense_are_not_taken),
                cmocka_unit_test(a_decision_about_limits_says_which),
                cmocka_unit_test(a_version_comes_back_as_it_was_seen),
                cmocka_unit_test(what_happened_to_a_file_comes_back_with_its_writer),
                cmocka_unit_test(a_writer_that_is_not_known_is_nobody),
                cmocka_unit_test(a_restore_is_an_act_on_a_file),
                cmocka_unit_test(the_verb_of_an_action_says_what_it_is_done_to),
                cmocka_unit_test(a_package_comes_back_with_its_versions),
                cmocka_unit_test(a_deploy_comes_back_with_its_exit_status),
                cmocka_unit_test(a_rollback_is_recorded_with_both_of_its_versions),
                cmocka_unit_test(strangers_are_told_apart_from_damage),
                cmocka_unit_test(hostile_text_becomes_safe_text),
                cmocka_unit_test(memory_ends_where_its_judge_start_says),
                cmocka_unit_test(memory_of_an_older_log_ends_with_another_kind_or_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
