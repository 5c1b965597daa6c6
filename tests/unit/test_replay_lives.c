/*
 * Random lives of the daemon, written into real logs: agents that loop, die and swell, humans, changes, limits on trial, blindness, reloads, and a
 * daemon that is stopped and killed at any moment and makes its judge from the log again. Whatever happened, the decisions follow
 * from the recorded facts. REPLAY_LIVES= scales it, REPLAY_SEED= lives one life again and keeps its log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chain_world.h"
#include "govctl/field.h"
#include "govctl_stage.h"

#ifdef GOVERNOR_SANITIZED
#define LIVES 6
#else
#define LIVES 24
#endif
#define LIFE (4 * USEC_PER_HOUR)
#define STEP (15 * USEC_PER_SEC) /* between two looks at the agents' sizes */

#define RULES                                                                                                             \
        "machine: { actions: { at_most: 20, within: 10m } }\n"                                                            \
        "files:\n"                                                                                                        \
        "  - { name: core, rule: untouchable, paths: [ /opt/core/ ] }\n"                                                  \
        "  - { name: ops, rule: protected, paths: [ /opt/ops/ ], except: [ tmp ] }\n"                                     \
        "  - { name: seen files, rule: protected, paths: [ /srv/ ], mode: observe, on_breach: record }\n"                 \
        "classes: { small: { memory: { budget: 80M, ceiling: 200M } }, tree: { memory: { ceiling: 150M, of: tree } } }\n" \
        "agents:\n"                                                                                                       \
        "  - { name: small, pm2: s-*, class: small }\n"                                                                   \
        "  - { name: tree, pm2: t-*, class: tree, heal: { ladder: [restart, restart, quarantine], trial_after: 5m } }\n"  \
        "  - { name: seen, systemd: seen-*, mode: observe }\n"                                                            \
        "  - { name: vital, systemd: vital-*, critical: true }\n"                                                         \
        "  - { name: web, systemd: web, after: [base] }\n"

static const char *const policies[] = {
        "mode: enforce\n" RULES "  - { name: apps, pm2: \"*\" }\n  - { name: services, systemd: \"*\" }\n",
        "mode: enforce\n" RULES
        "  - { name: apps, pm2: \"*\", restarts: [ { more_than: 1, within: 30s } ], heal: { ladder: [quarantine], trial_after: 2m } }\n"
        "  - { name: services, systemd: \"*\" }\n",
        "mode: observe\n" RULES "  - { name: apps, pm2: \"*\" }\n  - { name: services, systemd: \"*\" }\n",
};

static const char *const agents[] = {
        "pm2:root/s-lily",
        "pm2:root/s-rosa",
        "pm2:root/t-fern",
        "pm2:root/a",
        "pm2:root/b",
        "pm2:root/b",
        "systemd:seen-x.service",
        "systemd:seen-y.service",
        "systemd:vital-x.service",
        "systemd:base.service",
        "systemd:web.service",
        "systemd:other.service",
};
enum { AGENTS = sizeof agents / sizeof agents[0], BASE = 9, WEB = 10 };

struct life {
        struct chain_world chain;
        uint64_t mb[AGENTS]; /* what each holds */
        unsigned kills;
        bool god_down;
};

static uint64_t chance(struct life *life, uint64_t below)
{
        return world_chance(&life->chain.world) % below;
}

static struct actor *any(struct life *life)
{
        return &life->chain.world.actors[chance(life, AGENTS)];
}

/* ---- what happens ----------------------------------------------------------------------------------------------------------- */

static void fall_ill(struct life *life)
{
        static const usec_t lives[] = { 200 * USEC_PER_MSEC, 900 * USEC_PER_MSEC, 3 * USEC_PER_SEC, 8 * USEC_PER_SEC,
                                        40 * USEC_PER_SEC };
        static const usec_t times[] = { 20 * USEC_PER_SEC, 2 * USEC_PER_MINUTE, 10 * USEC_PER_MINUTE,
                                        40 * USEC_PER_MINUTE };
        struct world *world = &life->chain.world;
        struct actor *actor = any(life);

        if (!actor->up)
                return;
        actor->life = lives[chance(life, 5)];
        actor->scatter = 20;
        actor->gives_up = chance(life, 4) == 0;
        actor->restart_delay = chance(life, 2) * USEC_PER_SEC;
        actor->signal = chance(life, 2) ? 9 : 0;
        actor->ill_from = actor->dies_at = world->now + chance(life, USEC_PER_SEC);
        actor->ill_until = world->now + times[chance(life, 4)];
}

static void die(struct life *life)
{
        struct actor *actor = any(life);

        if (actor->up)
                world_die(&life->chain.world, actor);
}

static void swell(struct life *life)
{
        life->mb[chance(life, AGENTS)] = 40 + chance(life, 250);
}

static void human(struct life *life)
{
        static const enum action acts[] = { ACTION_RESTART, ACTION_STOP, ACTION_START };

        world_human(&life->chain.world, any(life), acts[chance(life, 3)]);
}

/* Somebody at the socket: about an agent, or about an incident that is open. */
static void ask(struct life *life)
{
        static const enum ask asks[] = { ASK_RESTART, ASK_RELEASE, ASK_ENFORCE_OFF, ASK_SAFE_MODE_ON,
                                         ASK_SAFE_MODE_OFF };
        enum ask what = asks[chance(life, 5)];
        bool all = what >= ASK_ENFORCE_OFF;

        world_ask(&life->chain.world, all ? "" : any(life)->id, what, 0);
        if (what == ASK_SAFE_MODE_ON)
                life->chain.world.deaf = false;
}

static void acknowledge(struct life *life)
{
        struct incident_view view;
        uint64_t numbers[64];
        unsigned n = 0;

        for (uint64_t below = UINT64_MAX; n < 64 && judge_incident_below(life->chain.world.judge, below, &view);
             below = view.incident)
                if (view.open)
                        numbers[n++] = view.incident;
        if (n > 0)
                world_ask(&life->chain.world, "", ASK_ACKNOWLEDGE, numbers[chance(life, n)]);
}

static void plan(struct life *life)
{
        bool all = chance(life, 3) == 0;

        world_planned(&life->chain.world, all ? "" : any(life)->id, all ? ENDING_PACKAGE : ENDING_RELOAD,
                      chance(life, 3 * USEC_PER_MINUTE), "apt");
}

static void change(struct life *life)
{
        static uint64_t number;
        struct fact fact = { .kind = FACT_CHANGE, .agent = any(life)->id, .instance = INSTANCE_ALL };

        fact.manager = agent_manager(fact.agent);
        fact.change.step = CHANGE_OPEN;
        fact.change.number = ++number;
        fact.change.pattern = fact.change.by = "";
        fact.change.reason = "a test";
        fact.change.since = life->chain.world.now;
        fact.change.until = life->chain.world.now + chance(life, 20 * USEC_PER_MINUTE);
        world_send(&life->chain.world, &fact);
        if (chance(life, 2))
                return;
        world_run(&life->chain.world, chance(life, 2 * USEC_PER_MINUTE));
        fact.change.step = CHANGE_CLOSE;
        fact.change.until = life->chain.world.now;
        world_send(&life->chain.world, &fact);
}

static void drift(struct life *life)
{
        struct fact fact = { .kind = FACT_CONFIG, .agent = any(life)->id, .instance = INSTANCE_ALL };

        fact.manager = agent_manager(fact.agent);
        fact.config.change = chance(life, 3) ? CONFIG_CHANGED : CONFIG_RESTORED;
        fact.config.path = "/opt/agents/config.json";
        fact.config.digest = "ab";
        fact.config.sealed = "cd";
        fact.config.differing = fact.config.change == CONFIG_CHANGED;
        world_send(&life->chain.world, &fact);
}

/* Limits on trial for a while; some choke on them. */
static void limit(struct life *life)
{
        static const usec_t spans[] = { 20 * USEC_PER_SEC, 2 * USEC_PER_MINUTE, 10 * USEC_PER_MINUTE };
        struct world *world = &life->chain.world;
        struct actor *actor = any(life);

        actor->choked = chance(life, 3) ? 0 : chance(life, 3 * USEC_PER_MINUTE);
        world_trial(world, actor->id, TRIAL_BEGIN, judge_trial_next(world->judge), spans[chance(life, 3)]);
}

/* The newest is kept or taken back, or an older one, whatever became of it. */
static void decide_trial(struct life *life)
{
        struct world *world = &life->chain.world;
        uint32_t n = judge_trials(world->judge);
        struct trial_view trial;

        if (n == 0)
                return;
        judge_trial(world->judge, chance(life, 2) ? n - 1 : (uint32_t)chance(life, n), &trial);
        world_trial(world, trial.agent, chance(life, 2) ? TRIAL_KEEP : TRIAL_UNDO, trial.number, 0);
}

static void stray(struct life *life)
{
        world_strays(&life->chain.world, any(life)->id, STRAY_ORPHAN + (int)chance(life, 3), 70000);
}

static void god(struct life *life)
{
        if (life->god_down)
                world_god_returns(&life->chain.world);
        else
                world_god_dies(&life->chain.world);
        life->god_down = !life->god_down;
}

static void blind(struct life *life)
{
        enum manager manager = chance(life, 2) ? MANAGER_PM2 : MANAGER_SYSTEMD;

        if (life->god_down)
                return;
        world_blind(&life->chain.world, manager, true);
        world_run(&life->chain.world, chance(life, 30 * USEC_PER_SEC));
        world_blind(&life->chain.world, manager, false);
}

static const char *const files[] = { "/opt/core/main.js", "/opt/core/x/util.js", "/opt/ops/run.sh",
                                     "/opt/ops/tmp/x",    "/srv/page.html",      "/home/nobody" };

static void file_is(struct life *life, enum file_event event, const char *path)
{
        struct fact fact = { .kind = FACT_FILE,
                             .agent = chance(life, 2) ? "" : any(life)->id,
                             .instance = INSTANCE_ALL };

        fact.manager = agent_manager(fact.agent);
        fact.file.event = event;
        fact.file.path = path;
        fact.file.rule = chance(life, 2) ? "core" : "ops";
        fact.file.digest = "ab";
        fact.file.sealed = fact.file.what = fact.file.why = fact.file.cgroup = "";
        fact.file.times = 1 + (uint32_t)chance(life, 3);
        fact.file.differing = event != FILE_BACK;
        fact.file.by = (enum file_by)chance(life, FILE_BY_N);
        fact.file.pid = (pid_t)chance(life, 1000);
        fact.file.exe = chance(life, 2) ? "/usr/bin/node" : "";
        fact.file.writer = chance(life, 2) ? UINT32_MAX : 1000;
        fact.file.level = (enum file_level)chance(life, FILE_LEVEL_N);
        fact.file.before = (enum file_level)chance(life, FILE_LEVEL_N);
        world_send(&life->chain.world, &fact);
}

static void guarded(struct life *life)
{
        file_is(life, FILE_CHANGED + (enum file_event)chance(life, FILE_EVENT_N - FILE_CHANGED),
                files[chance(life, 6)]);
}

/* Somebody writes again and again, and the hand may be slow, fail, or be told too late. */
static void write_in_a_loop(struct life *life)
{
        static const enum outcome outcomes[] = { OUTCOME_OK, OUTCOME_OK, OUTCOME_NONE, OUTCOME_FAILED };
        struct world *world = &life->chain.world;
        const char *path = files[chance(life, 6)];

        world->restored = outcomes[chance(life, 4)];
        for (uint64_t n = 1 + chance(life, 40); n > 0; n--) {
                file_is(life, FILE_CHANGED, path);
                world_run(world, chance(life, 5 * USEC_PER_SEC));
        }
        world->restored = OUTCOME_OK;
}

static void remove_many(struct life *life)
{
        char path[64];

        for (uint64_t n = chance(life, 200); n > 0; n--) {
                snprintf(path, sizeof path, "/opt/core/many/%u", (unsigned)n);
                file_is(life, FILE_REMOVED, path);
        }
}

/* A hand that was slow is done at last, or one that nobody waits for. */
static void restored(struct life *life)
{
        struct fact fact = { .kind = FACT_OUTCOME, .agent = "", .instance = INSTANCE_ALL };
        const char *path = chance(life, 4) ? files[chance(life, 6)] : "core";

        fact.outcome.action = ACTION_RESTORE;
        fact.outcome.purpose = PURPOSE_GUARD;
        fact.outcome.outcome = chance(life, 2) ? OUTCOME_OK : OUTCOME_FAILED;
        fact.outcome.text = "";
        fact.outcome.path = path;
        world_send(&life->chain.world, &fact);
}

static void files_window(struct life *life)
{
        static uint64_t number = 1000000;
        struct fact fact = { .kind = FACT_CHANGE, .agent = "", .instance = INSTANCE_ALL };

        fact.change.step = CHANGE_OPEN;
        fact.change.number = ++number;
        fact.change.pattern = chance(life, 2) ? "/opt/**" : "/srv/";
        fact.change.by = "uid:0";
        fact.change.reason = "a test";
        fact.change.since = life->chain.world.now;
        fact.change.until = life->chain.world.now + chance(life, 10 * USEC_PER_MINUTE);
        world_send(&life->chain.world, &fact);
}

static void remember(struct life *life)
{
        chain_world_begin(&life->chain, true);
}

static void reload(struct life *life)
{
        chain_world_load(&life->chain, policies[chance(life, 3)]);
}

static void come_back(struct life *life)
{
        struct world *world = &life->chain.world;

        world_run(world, chance(life, 4) ? chance(life, 2 * USEC_PER_SEC) : chance(life, 10 * USEC_PER_MINUTE));
        if (chance(life, 6) == 0)
                world_reboot(world);
        chain_world_return(&life->chain);
}

static void stop(struct life *life)
{
        chain_world_end(&life->chain);
        world_leave(&life->chain.world);
        come_back(life);
}

/* What it did last may not be in the log. */
static void be_killed(struct life *life)
{
        life->kills++;
        if (chance(life, 2)) {
                life->chain.silent = true;
                world_run(&life->chain.world, chance(life, 50 * USEC_PER_MSEC));
        }
        world_leave(&life->chain.world);
        come_back(life);
}

static void happen(struct life *life)
{
        static void (*const kinds[])(struct life * life) = {
                fall_ill,     fall_ill,  fall_ill,     die,
                die,          die,       swell,        swell,
                human,        ask,       ask,          plan,
                change,       drift,     stray,        god,
                blind,        remember,  reload,       stop,
                be_killed,    be_killed, acknowledge,  acknowledge,
                limit,        limit,     limit,        decide_trial,
                decide_trial, guarded,   guarded,      write_in_a_loop,
                remove_many,  restored,  files_window,
        };

        kinds[chance(life, sizeof kinds / sizeof kinds[0])](life);
}

/* ---- one life --------------------------------------------------------------------------------------------------------------- */

static void look_at_sizes(struct life *life)
{
        struct world *world = &life->chain.world;

        for (int n = 0; n < AGENTS; n++) {
                const struct actor *actor = &world->actors[n];
                struct fact fact = { .kind = FACT_SAMPLE, .manager = actor->manager, .agent = actor->id };

                if (!actor->up)
                        continue;
                fact.instance = actor->number;
                fact.sample.pid = fact.sample.most_pid = actor->pid;
                fact.sample.start = actor->start;
                fact.sample.of = strstr(actor->id, "/t-") ? MEMORY_OF_TREE : MEMORY_OF_PROCESS;
                fact.sample.memory_bytes = fact.sample.most_bytes = life->mb[n] << 20;
                world_send(world, &fact);
        }
}

static void begin(struct life *life, uint64_t seed)
{
        struct world *world = &life->chain.world;

        *life = (struct life){ .kills = 0 };
        chain_world_open(&life->chain, STAGE_NOW - LIFE, policies[seed % 3]);
        world->chance = seed;
        world->faults = (struct faults){
                .late = 50, .lost = 20, .twice = 20, .refused = 20, .silent = 20, .late_most = 3 * USEC_PER_SEC
        };
        for (int n = 0; n < AGENTS; n++) {
                world_add(world, agents[n])->restart_delay = USEC_PER_SEC;
                life->mb[n] = 50;
        }
        world->actors[WEB].base = BASE;
        world->actors[WEB].dependency = seed % 2 ? DEPENDENCY_REQUIRES : DEPENDENCY_BINDS;
        chain_world_begin(&life->chain, false);
        world_start(world);
}

static void live(struct life *life)
{
        struct world *world = &life->chain.world;
        usec_t next = 2 * USEC_PER_MINUTE;

        while (world_age(world) < LIFE) {
                world_run(world, STEP);
                look_at_sizes(life);
                if (world_age(world) < next)
                        continue;
                world_run(world, chance(life, USEC_PER_SEC));
                happen(life);
                next = world_age(world) + chance(life, 4 * USEC_PER_MINUTE);
        }
        chain_world_settle(&life->chain);
}

/* Runs whose decisions could not all be compared, but for what a kill or the end cut off. */
static unsigned incomparable(const json_t *told)
{
        const json_t *run;
        unsigned n = 0;
        size_t i;

        json_array_foreach (field(told, "runs"), i, run)
                n += field_number(run, "not_compared") > 0 &&
                     strcmp(field_text(run, "because"), "the daemon was killed before it wrote them") != 0 &&
                     strcmp(field_text(run, "because"), "the end of the log cut them off") != 0;
        return n;
}

static void show(const struct stage *stage)
{
        const char *at = strstr(stage->data, "\"differences\"");

        print_message("%.3000s\n", at ? at : stage->data);
}

static uint64_t live_and_replay(uint64_t seed, struct stage *stage, unsigned *kills, bool keep)
{
        struct life *life = malloc(sizeof *life);
        char command[160];
        json_t *told;
        uint64_t same;
        int code;

        assert_non_null(life);
        begin(life, seed);
        live(life);
        code = stage_run(stage, "replay", "--state", life->chain.directory, "--json", NULL);
        told = json_loads(stage->data, 0, NULL);
        if (keep) {
                snprintf(command, sizeof command, "rm -rf /tmp/replay-life && cp -a %s /tmp/replay-life",
                         life->chain.directory);
                assert_int_equal(system(command), 0);
        }
        if (code != 0 || !told || incomparable(told) > 0) {
                show(stage);
                fail_msg(
                        "life %llu: replay ends with %d, %lld differ, %u runs not compared (REPLAY_SEED=%llu lives it again)",
                        (unsigned long long)seed, code, (long long)field_number(told, "differ"), incomparable(told),
                        (unsigned long long)seed);
        }
        same = (uint64_t)field_number(told, "same");
        *kills += life->kills;
        json_decref(told);
        chain_world_close(&life->chain);
        free(life);
        return same;
}

static void decisions_follow_from_the_facts_of_any_life(void **state)
{
        const char *seed = getenv("REPLAY_SEED"), *lives = getenv("REPLAY_LIVES");
        uint64_t first = seed ? strtoull(seed, NULL, 10) : 1, n = seed ? 1 : lives ? strtoull(lives, NULL, 10) : LIVES;
        uint64_t same = 0;
        unsigned kills = 0;
        struct stage stage;

        (void)state;
        stage_open(&stage, NULL);
        for (uint64_t i = 0; i < n; i++)
                same += live_and_replay(first + i, &stage, &kills, seed != NULL);
        print_message("# %llu lives, %u kills, %llu decisions made again\n", (unsigned long long)n, kills,
                      (unsigned long long)same);
        assert_true(seed || same > n * 20);
        stage_close(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decisions_follow_from_the_facts_of_any_life),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
