/* Three days of a house, lived by a world (tests/world.h) and sampled as the daemon does: what is learned of it, and what is
 * proposed for its policy, which patch and git take and which then loads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "chain_world.h"
#include "govctl/field.h"
#include "govctl_stage.h"
#include "io/history.h"

#define DAYS 3
#define MINUTES (DAYS * 24 * 60)
#define MB (UINT64_C(1) << 20)
#define POLICY_PATH "etc/governor/policies.d/10-house.yaml"

static const char policy[] = "# the house\n"
                             "mode: observe\n"
                             "\n"
                             "classes:\n"
                             "  # what runs beside\n"
                             "  thin: { memory: { budget: 65M, ceiling: 70M } }\n"
                             "  tree: { memory: { of: tree } }\n"
                             "\n"
                             "agents:\n"
                             "  - name: lily      # answers the door\n"
                             "    pm2: lily\n"
                             "    critical: true\n"
                             "  - { name: rosa, pm2: rosa } # ends when her work is done\n"
                             "  - { name: hasty, pm2: hasty }\n"
                             "  - { name: leaky, pm2: leaky }\n"
                             "  - { name: twins, pm2: twins }\n"
                             "  - { name: young, pm2: young }\n"
                             "  - { name: limited, pm2: limited }\n"
                             "  - name: services\n"
                             "    systemd: \"agent-*\"\n"
                             "    class: thin\n"
                             "  - name: everybody else\n"
                             "    pm2: \"*\"\n"
                             "    class: tree\n";

enum { LILY, ROSA, HASTY, LEAKY, TWIN, OTHER_TWIN, YOUNG, LIMITED, AGENT_X, DAISY, FERN, ACTORS };

static const char *const names[ACTORS] = {
        [HASTY] = "pm2:root/hasty", [LILY] = "pm2:root/lily",      [ROSA] = "pm2:root/rosa",
        [LEAKY] = "pm2:root/leaky", [TWIN] = "pm2:root/twins",     [OTHER_TWIN] = "pm2:root/twins",
        [YOUNG] = "pm2:root/young", [LIMITED] = "pm2:ann/limited", [AGENT_X] = "systemd:agent-x.service",
        [DAISY] = "pm2:root/daisy", [FERN] = "pm2:root/fern",
};

struct bed {
        struct chain_world chain;
        struct stage stage;
        char history[96], here[256];
        struct history_sample samples[ACTORS][MINUTES];
};

static struct bed bed;

/* In KiB: warm-ups, teeth, a leak. */
static uint64_t size_of(unsigned actor, uint64_t minute, uint64_t age)
{
        uint64_t noise = (minute * 7919 + actor * 104729) % 1024;

        switch (actor) {
        case LILY: return 40 * 1024 + (age < 60 ? age : 60) * 400 + noise + (minute == 777 ? 300 * 1024 : 0);
        case HASTY:
        case ROSA: return 30 * 1024 + noise;
        case LEAKY: return 50 * 1024 + minute * 80 + noise;
        case AGENT_X: return 60 * 1024 + noise * 6;
        case DAISY: return 80 * 1024 + (minute % 90) * 256 + noise;
        case FERN: return 120 * 1024 + noise;
        default: return 50 * 1024 + noise;
        }
}

static void sample(unsigned number, uint64_t minute)
{
        struct world *world = &bed.chain.world;
        struct actor *actor = &world->actors[number];
        uint64_t age = actor->up ? (world->now - actor->began) / USEC_PER_MINUTE : 0;
        uint64_t bytes = actor->up ? size_of(number, minute, age) * 1024 : 0;
        struct fact fact = { .kind = FACT_SAMPLE,
                             .manager = actor->manager,
                             .agent = actor->id,
                             .instance = actor->number,
                             .sample = { .pid = actor->pid,
                                         .start = actor->start,
                                         .memory_bytes = bytes,
                                         .of = number == DAISY || number == FERN ? MEMORY_OF_TREE : MEMORY_OF_PROCESS,
                                         .most_pid = actor->pid,
                                         .most_bytes = bytes } };

        bed.samples[number][minute] = (struct history_sample){
                .agent = actor->id,
                .at = world->now / USEC_PER_SEC,
                .step = 60,
                .memory_bytes = bytes,
                .memory_most = bytes,
                .cpu_permille = 10 + (uint32_t)(minute % 100 == 7) * 400,
                .starts = actor->up && age == 0 && minute > 0,
        };
        if (actor->up)
                world_send(world, &fact);
}

/* The young one is seen from the last hours on. Older minutes are forgotten on the way, as they are by the daemon. */
static void write_history(void)
{
        const size_t batch = 180;

        for (uint64_t minute = 0; minute < MINUTES; minute += batch)
                for (unsigned actor = 0; actor < ACTORS; actor++) {
                        struct history_sample *samples = &bed.samples[actor][minute];

                        if ((actor == YOUNG && minute < MINUTES - 9 * 60) || actor == OTHER_TWIN)
                                continue;
                        assert_true(history_write(bed.history, &history_limits, samples, batch,
                                                  samples[batch - 1].at + 60) >= 0);
                }
}

static void announce_file(const char *agent, const char *path)
{
        struct fact fact = { .kind = FACT_CONFIG,
                             .agent = agent,
                             .config = { .change = CONFIG_CHANGED,
                                         .path = path,
                                         .digest = "aa",
                                         .sealed = "bb",
                                         .size = 10,
                                         .sealed_size = 9,
                                         .differing = 1 } };

        world_send(&bed.chain.world, &fact);
}

/* A child of its own, of which the judge keeps that until the next day. */
static void kill_for_memory(const char *agent)
{
        struct fact fact = { .kind = FACT_OOM,
                             .manager = agent_manager(agent),
                             .agent = agent,
                             .instance = INSTANCE_ALL,
                             .oom = { .what = OOM_KILLED,
                                      .by = OOM_BY_MACHINE,
                                      .killed = 1,
                                      .pid = 4711,
                                      .comm = "convert",
                                      .cgroup = "",
                                      .limit = "",
                                      .others = "" } };

        world_send(&bed.chain.world, &fact);
}

static void live(void)
{
        struct world *world = &bed.chain.world;

        for (uint64_t minute = 0; minute < MINUTES; minute++) {
                world_run(world, USEC_PER_MINUTE);
                if (minute % (5 * 60) == 5 * 60 - 1)
                        world_human(world, &world->actors[LILY], ACTION_RESTART);
                if (minute == 1000 || minute == 1001)
                        world_die(world, &world->actors[LILY]);
                if (minute == 2000)
                        announce_file("pm2:root/lily", "/opt/agents/lily/config.json");
                if (minute == 2001)
                        announce_file("", "/opt/shared/prompts.json");
                if (minute == 2500)
                        kill_for_memory("pm2:root/fern");
                for (unsigned actor = 0; actor < ACTORS; actor++)
                        sample(actor, minute);
                if (minute % 1440 == 1439)
                        chain_world_begin(&bed.chain, true);
        }
}

static void put(const char *path, const char *text)
{
        char whole[512], command[600];
        FILE *file;

        snprintf(whole, sizeof whole, "%s/%s", bed.chain.directory, path);
        snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", whole);
        assert_int_equal(system(command), 0);
        file = fopen(whole, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

/* A machine's files: its policy, and the list of a PM2 that limits one app itself. */
static void make_files(void)
{
        put(POLICY_PATH, policy);
        put("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n");
        put("home/ann/.pm2/dump.pm2", "[{\"name\":\"limited\",\"max_memory_restart\":314572800}]");
        mkdir("proc", 0755);
}

static void ends_by_itself(unsigned actor, usec_t life)
{
        bed.chain.world.actors[actor].life = life;
        bed.chain.world.actors[actor].ill_from = bed.chain.world.now;
        bed.chain.world.actors[actor].code = 0;
}

static int setup(void **state)
{
        (void)state;
        assert_non_null(getcwd(bed.here, sizeof bed.here));
        chain_world_open(&bed.chain, STAGE_NOW - DAYS * USEC_PER_DAY, policy);
        for (unsigned n = 0; n < ACTORS; n++)
                world_add(&bed.chain.world, names[n]);
        ends_by_itself(ROSA, 60 * USEC_PER_MINUTE);
        ends_by_itself(HASTY, 20 * USEC_PER_MINUTE);
        stage_open(&bed.stage, NULL);
        chain_world_begin(&bed.chain, false);
        world_start(&bed.chain.world);
        snprintf(bed.history, sizeof bed.history, "%s/history.db", bed.chain.directory);
        live();
        chain_world_settle(&bed.chain);
        write_history();
        make_files();
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        stage_close(&bed.stage);
        chain_world_close(&bed.chain);
        return 0;
}

/* Where the files are, so that no path of this run is told. */
#define LEARN(...) learn(stage_run(&bed.stage, "learn", "--root", ".", "--state", ".", __VA_ARGS__, NULL))
static int learn(int code)
{
        assert_int_equal(chdir(bed.here), 0);
        return code;
}

static void there(void)
{
        assert_int_equal(chdir(bed.chain.directory), 0);
}

static json_t *told(void)
{
        json_t *json = json_loads(bed.stage.data, 0, NULL);

        if (!json)
                fail_msg("no JSON: %s%s", bed.stage.data, bed.stage.talk);
        return json;
}

static const json_t *member(const json_t *list, const char *key, const char *value)
{
        const json_t *at;
        size_t i;

        json_array_foreach ((json_t *)list, i, at)
                if (strcmp(field_text(at, key), value) == 0)
                        return at;
        return NULL;
}

static void three_days_are_told_and_a_difference_is_proposed(void **state)
{
        (void)state;
        there();
        assert_int_equal(LEARN("--width", "100"), 0);
        stage_expect_golden(&bed.stage, "learn.txt");
        assert_non_null(strstr(bed.stage.talk, "patch -d / -p0"));
}

static void expect_proposal(const json_t *report, const char *key, const char *value, const char *why)
{
        const json_t *proposal = member(field(report, "proposals"), "key", key);

        if (!proposal)
                fail_msg("%s is not proposed", key);
        assert_string_equal(field_text(proposal, "value"), value);
        assert_non_null(strstr(field_text(proposal, "why"), why));
        assert_false(field_true(proposal, "by_hand"));
}

static bool is_postponed(const json_t *report, const char *why)
{
        const json_t *at;
        size_t i;

        json_array_foreach ((json_t *)field(report, "postponed"), i, at)
                if (strstr(field_text(at, "why"), why))
                        return true;
        return false;
}

static void each_proposal_has_its_reason(void **state)
{
        json_t *report;

        (void)state;
        there();
        assert_int_equal(LEARN("--json"), 0);
        report = told();
        expect_proposal(report, "classes.lily.memory.ceiling", "100M", "not above 64.4M in an estimated 99.9% of 3d");
        expect_proposal(report, "classes.lily.memory.ceiling", "100M", "it once held 364.3M");
        expect_proposal(report, "classes.limited.memory.ceiling", "300M", "max_memory_restart");
        expect_proposal(report, "classes.thin.memory.ceiling", "100M", "not above 66.0M");
        expect_proposal(report, "classes.tree.memory.ceiling", "190M", "of 2 agents fern needs the most");
        expect_proposal(
                report, "agents[rosa].restarts",
                "[ { more_than: 2, within: 1m }, { more_than: 4, within: 10m }, { more_than: 36, within: 1d } ]",
                "24 times in 1d at most");
        assert_true(is_postponed(report, "leaky: it leaks (inc-"));
        assert_true(is_postponed(report, "twins: it has several instances"));
        assert_true(is_postponed(
                report, "young: it was seen running for 9h; from 24h on there is a ceiling to propose, in 15h"));
        assert_true(is_postponed(report, "hasty: its agent ended by itself with success, 72 times in 1d"));
        json_decref(report);
}

static void what_an_agent_did_is_counted(void **state)
{
        const json_t *lily, *rosa, *end;
        json_t *report;

        (void)state;
        there();
        assert_int_equal(LEARN("--json"), 0);
        report = told();
        lily = member(field(report, "agents"), "name", "lily");
        assert_int_equal(field_number(lily, "deaths"), 2);
        end = member(field(lily, "ends"), "ending", "exit");
        assert_int_equal(field_number(end, "code"), 1);
        assert_int_equal(field_number(end, "n"), 2);
        assert_true(field_true(member(field(lily, "ends"), "ending", "manual"), "planned"));
        assert_in_range(field_number(lily, "memory.p999_bytes"), 64 * MB, 65 * MB);
        assert_in_range(field_number(lily, "memory.most_bytes"), 364 * MB, 365 * MB);
        assert_int_equal(field_number(lily, "cpu.usual_permille"), 10);
        assert_true(json_array_size(field(lily, "memory.by_age")) >= 6);
        assert_string_equal(json_string_value(json_array_get(field(lily, "files"), 0)), "/opt/agents/lily/config.json");
        assert_string_equal(json_string_value(json_array_get(field(report, "machine_files"), 0)),
                            "/opt/shared/prompts.json");
        rosa = member(field(report, "agents"), "name", "rosa");
        assert_non_null(member(field(rosa, "findings"), "cause", "crash-loop"));
        assert_non_null(member(field(rosa, "would_have"), "cause", "crash-loop"));
        json_decref(report);
}

static char *read_all(const char *path)
{
        char *text = calloc(1, 65536);
        FILE *file = fopen(path, "r");

        assert_non_null(file);
        text[fread(text, 1, 65535, file)] = '\0';
        fclose(file);
        return text;
}

/* What is printed is what patch takes, report and all; the policy that comes of it has nothing wrong. */
static void the_difference_makes_a_policy_that_loads(void **state)
{
        static const char *const tools[] = { "patch -s -p0 <printed", "git apply -p0 printed" };
        struct policy_messages messages = { 0 };
        struct policy *loaded = NULL;
        char *text;

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                there();
                put(POLICY_PATH, policy);
                assert_int_equal(LEARN("--width", "100"), 0);
                put("printed", bed.stage.data);
                there();
                text = read_all(POLICY_PATH);
                assert_string_equal(text, policy); /* nobody changed it */
                free(text);
                assert_int_equal(system(tools[i]), 0);
                text = read_all(POLICY_PATH);
                assert_int_equal(policy_load_text("10-house.yaml", text, strlen(text), &loaded, &messages), 0);
                assert_int_equal(messages.n, 0);
                assert_int_equal(policy_rule(loaded, "pm2:root/lily")->memory.ceiling_bytes, 100 * MB);
                assert_int_equal(policy_rule(loaded, "pm2:ann/limited")->memory.ceiling_bytes, 300 * MB);
                assert_int_equal(policy_rule(loaded, "pm2:root/fern")->memory.of, MEMORY_OF_TREE);
                assert_int_equal(policy_rule(loaded, "pm2:root/leaky")->memory.ceiling_bytes, 0);
                assert_int_equal(policy_rule(loaded, "pm2:root/lily")->mode, MODE_OBSERVE);
                free(text);
                loaded = policy_free(loaded);
                policy_messages_done(&messages);
                /* what was taken over is not proposed again */
                assert_int_equal(LEARN("lily"), 0);
                assert_non_null(strstr(bed.stage.data, "Nothing of the policy is to be changed"));
                assert_int_equal(chdir(bed.here), 0);
        }
        put(POLICY_PATH, policy);
}

static void one_agent_is_asked_for(void **state)
{
        json_t *report;

        (void)state;
        there();
        assert_int_equal(LEARN("daisy", "--json"), 0);
        report = told();
        assert_int_equal(json_array_size(field(report, "agents")), 1);
        assert_int_equal(json_array_size(field(report, "proposals")), 1);
        expect_proposal(report, "classes.tree.memory.ceiling", "190M", "fern"); /* shares the class */
        json_decref(report);
        there();
        assert_int_equal(LEARN("nobody"), 5);
        assert_non_null(strstr(bed.stage.talk, "nothing was seen of 'nobody'"));
}

/* A class lives in one file and its rules in another. */
static void each_file_is_changed_where_its_part_stands(void **state)
{
        (void)state;
        put("etc/governor/governor.yaml", "classes: { all: { memory: { of: tree } } }\n");
        put(POLICY_PATH, "agents: [ { pm2: daisy, class: all }, { pm2: lily } ]");
        there();
        assert_int_equal(LEARN("--json"), 0);
        json_t *report = told();

        assert_string_equal(field_text(report, "diff"),
                            "--- etc/governor/governor.yaml\n"
                            "+++ etc/governor/governor.yaml\n"
                            "@@ -1,1 +1,1 @@\n"
                            "-classes: { all: { memory: { of: tree } } }\n"
                            "+classes: { all: { memory: { of: tree, ceiling: 160M } } }\n"
                            "--- etc/governor/policies.d/10-house.yaml\n"
                            "+++ etc/governor/policies.d/10-house.yaml\n"
                            "@@ -1,1 +1,4 @@\n"
                            "-agents: [ { pm2: daisy, class: all }, { pm2: lily } ]\n"
                            "\\ No newline at end of file\n"
                            "+classes:\n"
                            "+  lily: { memory: { ceiling: 100M } }\n"
                            "+\n"
                            "+agents: [ { pm2: daisy, class: all }, { pm2: lily, class: lily } ]\n"
                            "\\ No newline at end of file\n");
        json_decref(report);
        there();
        assert_int_equal(unlink("etc/governor/governor.yaml"), 0);
        assert_int_equal(chdir(bed.here), 0);
        put(POLICY_PATH, policy);
}

static void without_a_policy_a_whole_one_is_proposed(void **state)
{
        struct policy_messages messages = { 0 };
        struct policy *loaded = NULL;
        char *text;

        (void)state;
        there();
        assert_int_equal(unlink(POLICY_PATH), 0);
        assert_int_equal(LEARN("--width", "100"), 0);
        put("printed", bed.stage.data);
        there();
        assert_int_equal(system("patch -s -p0 <printed"), 0);
        text = read_all("etc/governor/policies.d/20-learned.yaml");
        assert_int_equal(policy_load_text("20-learned.yaml", text, strlen(text), &loaded, &messages), 0);
        assert_int_equal(messages.n, 0);
        assert_int_equal(loaded->rules_n, 10);
        assert_int_equal(policy_rule(loaded, "pm2:root/lily")->memory.ceiling_bytes, 100 * MB);
        assert_int_equal(policy_rule(loaded, "pm2:root/young")->memory.ceiling_bytes, 0);
        assert_int_equal(policy_rule(loaded, "systemd:agent-x.service")->mode, MODE_OBSERVE);
        policy_messages_done(&messages);
        policy_free(loaded);
        free(text);
        assert_int_equal(unlink("etc/governor/policies.d/20-learned.yaml"), 0);
        assert_int_equal(chdir(bed.here), 0);
        put(POLICY_PATH, policy);
}

static void a_policy_with_errors_is_no_reason_not_to_tell(void **state)
{
        json_t *report;

        (void)state;
        put(POLICY_PATH, "agents: [ { pm2: lily, clas: thin } ]\n");
        there();
        assert_int_equal(LEARN("--json"), 0);
        report = told();
        assert_int_equal(json_array_size(field(report, "agents")), 10);
        assert_int_equal(json_array_size(field(report, "proposals")), 0);
        assert_string_equal(field_text(report, "policy_error"), "it has errors");
        json_decref(report);
        there();
        assert_int_equal(LEARN("--width", "80"), 0);
        assert_non_null(strstr(bed.stage.data, "govctl policy check"));
        put(POLICY_PATH, policy);
}

static void too_little_says_what_is_missing_and_until_when(void **state)
{
        (void)state;
        there();
        assert_int_equal(LEARN("--since", "9h", "--width", "100"), 7);
        assert_non_null(strstr(bed.stage.data, "no agent was seen running for 24h yet"));
        assert_non_null(strstr(bed.stage.data, "in 14h 59m"));
        there();
        assert_int_equal(LEARN("--since", "tomorrow"), 2);
}

static void without_samples_the_log_still_tells(void **state)
{
        json_t *report;

        (void)state;
        there();
        assert_int_equal(rename("history.db", "aside.db"), 0);
        assert_int_equal(LEARN("--json"), 7);
        report = told();
        assert_string_equal(field_text(report, "history_error"), "No such file or directory");
        assert_int_equal(field_number(member(field(report, "agents"), "name", "lily"), "deaths"), 2);
        json_decref(report);
        there();
        assert_int_equal(rename("aside.db", "history.db"), 0);
        assert_int_equal(stage_run(&bed.stage, "learn", "--state", "/nonexistent", "--root", ".", NULL), 5);
        assert_int_equal(chdir(bed.here), 0);
}

/* Sizes are not in the log; what was found of them follows from it all the same. */
static void the_decisions_follow(void **state)
{
        (void)state;
        there();
        assert_int_equal(stage_run(&bed.stage, "replay", "--state", ".", NULL), 0);
        assert_non_null(strstr(bed.stage.data, "the same"));
        assert_int_equal(chdir(bed.here), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(three_days_are_told_and_a_difference_is_proposed),
                cmocka_unit_test(each_proposal_has_its_reason),
                cmocka_unit_test(what_an_agent_did_is_counted),
                cmocka_unit_test(the_difference_makes_a_policy_that_loads),
                cmocka_unit_test(one_agent_is_asked_for),
                cmocka_unit_test(each_file_is_changed_where_its_part_stands),
                cmocka_unit_test(without_a_policy_a_whole_one_is_proposed),
                cmocka_unit_test(a_policy_with_errors_is_no_reason_not_to_tell),
                cmocka_unit_test(too_little_says_what_is_missing_and_until_when),
                cmocka_unit_test(without_samples_the_log_still_tells),
                cmocka_unit_test(the_decisions_follow),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
