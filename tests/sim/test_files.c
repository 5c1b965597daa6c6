/*
 * Random lives of guarded files: writers, loops, whole trees that go, windows, a hand that is slow, fails or is forgotten, and
 * a daemon that ends. What must never happen is checked at every decision. SIM_LIVES= scales it, SIM_SEED= lives one life
 * again, with its timeline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "world.h"

#define S USEC_PER_SEC
#define MIN USEC_PER_MINUTE
#define HOUR USEC_PER_HOUR

#define LIVES 300
#define STEPS 200
#define PATHS 60
#define HANDS 64
#define ACTS 4096

static const char *const folders[] = { "/opt/core/", "/opt/ops/", "/srv/seen/" };
static const char *const names[] = { "core", "ops", "seen" };

struct act {
        usec_t at;
        char path[32];
};

struct life {
        struct world world;
        uint64_t seed, hash;
        struct file_rule rules[3];
        const char *paths[3][1];
        uint64_t wrong[PATHS]; /* place in time of a change outside of any window that is not restored; 0 none */
        bool failed[PATHS];    /* its own restore did: it is tried again */
        uint64_t clock;
        struct {
                uint64_t began;
                char path[32];
        } under_way[HANDS]; /* what the hand has begun: what is changed later it does not see */
        unsigned under_way_n;
        struct act acts[ACTS];
        unsigned acts_n;
        usec_t window_until; /* for everything in /opt */
        unsigned open[3][CAUSE_N];
};

static void broken(const struct life *life, const char *what, const char *path)
{
        if (getenv("SIM_SEED"))
                fputs(world_trace(&life->world), stdout);
        fail_msg("%s: %s, in life %llu at %llus (SIM_SEED=%llu lives it again)", path, what,
                 (unsigned long long)life->seed, (unsigned long long)(world_age(&life->world) / S),
                 (unsigned long long)life->seed);
}

static uint64_t chance(struct life *life, uint64_t below)
{
        return world_chance(&life->world) % below;
}

static unsigned rule_of(unsigned path)
{
        return path % 3;
}

static void path_of(unsigned path, char ret[32])
{
        snprintf(ret, 32, "%sfile-%u", folders[rule_of(path)], path);
}

static int number_of(const char *path)
{
        char other[32];

        for (unsigned n = 0; n < PATHS; n++) {
                path_of(n, other);
                if (strcmp(other, path) == 0)
                        return (int)n;
        }
        return -1;
}

/* ---- what must never happen --------------------------------------------------------------------------------------------- */

/* Twenty in ten minutes, and one a minute besides. */
static void check_rate(struct life *life, const struct decision *decision)
{
        unsigned n = 1;

        for (unsigned k = 0; k < life->acts_n; k++)
                n += life->acts[k].at + 10 * MIN > decision->at && strcmp(life->acts[k].path, decision->path) == 0;
        if (n > 20 + 10 + 1)
                broken(life, "restored too often", decision->path);
        assert_true(life->acts_n < ACTS);
        life->acts[life->acts_n].at = decision->at;
        text_copy(life->acts[life->acts_n++].path, sizeof(life->acts[0].path), decision->path);
}

static void check_restore(struct life *life, const struct decision *decision)
{
        int n = number_of(decision->path);

        if (n >= 0 && !life->wrong[n] && !life->failed[n])
                broken(life, "a file that nobody changed is restored", decision->path);
        if (life->window_until >= decision->at && strcmp(decision->rule, "ops") == 0)
                broken(life, "restored while somebody may change it", decision->path);
        if (strcmp(decision->rule, n >= 0 ? names[rule_of((unsigned)n)] : decision->path) != 0)
                broken(life, "restored by another's rule", decision->path);
        if (decision->enforce == (strcmp(decision->rule, "seen") == 0))
                broken(life, "the mode of its rule is not kept", decision->path);
        if (decision->agent[0] || decision->purpose != PURPOSE_GUARD || !decision->safety)
                broken(life, "this is no restore", decision->path);
        for (unsigned k = 0; k < life->under_way_n; k++)
                if (strcmp(life->under_way[k].path, decision->path) == 0)
                        broken(life, "restored twice at the same time", decision->path);
        check_rate(life, decision);
        if (!decision->enforce)
                return;
        assert_true(life->under_way_n < HANDS);
        life->under_way[life->under_way_n].began = ++life->clock;
        text_copy(life->under_way[life->under_way_n++].path, sizeof(life->under_way[0].path), decision->path);
}

static void count_incident(struct life *life, const struct decision *decision)
{
        for (unsigned n = 0; n < 3; n++) {
                unsigned *open = &life->open[n][decision->cause];

                if (strcmp(names[n], decision->rule) != 0)
                        continue;
                *open += decision->kind == DECIDE_OPEN;
                *open -= decision->kind == DECIDE_RESOLVE && *open > 0;
                if (*open > 1)
                        broken(life, "two incidents about the same", decision->rule);
        }
}

static void on_decision(struct world *world, const struct decision *decision)
{
        struct life *life = world->self;

        for (const char *at = decision->reason; *at; at++)
                life->hash = (life->hash ^ (unsigned char)*at) * 0x100000001b3;
        life->hash = (life->hash ^ (uint64_t)decision->kind ^ decision->at) * 0x100000001b3;
        if (decision->kind == DECIDE_ACT)
                check_restore(life, decision);
        else if (decision->kind == DECIDE_OPEN || decision->kind == DECIDE_RESOLVE)
                count_incident(life, decision);
}

/* ---- what happens ------------------------------------------------------------------------------------------------------- */

static void change(struct life *life, unsigned n, enum file_event event)
{
        char path[32];
        uint32_t differing = 0;
        bool is_change = event != FILE_DENIED && event != FILE_BACK;
        bool planned = life->window_until >= life->world.now && rule_of(n) == 1;
        struct fact fact = { .kind = FACT_FILE, .agent = "", .instance = INSTANCE_ALL };

        if (life->world.away)
                return;
        path_of(n, path);
        if (is_change && !planned)
                life->wrong[n] = ++life->clock;
        if (is_change && planned)
                life->wrong[n] = 0;
        if (event == FILE_BACK)
                life->wrong[n] = 0;
        for (unsigned k = 0; k < PATHS; k++)
                differing += life->wrong[k] > 0 && rule_of(k) == rule_of(n);
        fact.file.event = event;
        fact.file.path = path;
        fact.file.rule = names[rule_of(n)];
        fact.file.differing = differing;
        fact.file.times = 1;
        fact.file.writer = UINT32_MAX;
        fact.file.exe = "/bin/sh";
        fact.file.by = (enum file_by)chance(life, FILE_BY_N);
        world_send(&life->world, &fact);
}

/* The oldest act of the hand ends. */
static void hand_ends(struct life *life, enum outcome outcome)
{
        struct fact fact = { .kind = FACT_OUTCOME, .agent = "", .instance = INSTANCE_ALL };
        char path[32];
        uint64_t began;
        int n;

        if (life->under_way_n == 0 || life->world.away)
                return;
        began = life->under_way[0].began;
        memcpy(path, life->under_way[0].path, sizeof(path));
        memmove(&life->under_way[0], &life->under_way[1], --life->under_way_n * sizeof(life->under_way[0]));
        n = number_of(path);
        if (n >= 0)
                life->failed[n] = outcome == OUTCOME_FAILED;
        for (unsigned k = 0; k < PATHS && outcome == OUTCOME_OK; k++)
                if (life->wrong[k] < began && (n == (int)k || (n < 0 && strcmp(names[rule_of(k)], path) == 0)))
                        life->wrong[k] = 0;
        fact.outcome.action = ACTION_RESTORE;
        fact.outcome.purpose = PURPOSE_GUARD;
        fact.outcome.outcome = outcome;
        fact.outcome.text = "";
        fact.outcome.path = path;
        world_send(&life->world, &fact);
}

static void open_window(struct life *life)
{
        static uint64_t number;
        struct fact fact = { .kind = FACT_CHANGE, .agent = "", .instance = INSTANCE_ALL };

        if (life->window_until >= life->world.now)
                return;
        fact.change.step = CHANGE_OPEN;
        fact.change.number = ++number;
        fact.change.pattern = "/opt/";
        fact.change.by = fact.change.reason = "";
        fact.change.since = life->world.now;
        fact.change.until = life->window_until = life->world.now + chance(life, 10 * MIN);
        for (unsigned n = 1; n < PATHS; n += 3)
                life->wrong[n] = 0;
        world_send(&life->world, &fact);
}

/* All that differs is told when the daemon is back, as the look at every file after an absence does. */
static void come_back(struct life *life)
{
        world_leave(&life->world);
        world_run(&life->world, chance(life, 5 * MIN));
        life->under_way_n = 0; /* the hand went with it */
        world_return(&life->world);
        for (unsigned n = 0; n < PATHS; n++)
                if (life->wrong[n])
                        change(life, n, FILE_CHANGED);
}

static void step(struct life *life, bool swap)
{
        unsigned n = (unsigned)chance(life, PATHS);
        bool again;

        switch (chance(life, 12)) {
        case 0:
        case 1:
        case 2: change(life, n, FILE_CHANGED); break;
        case 3: /* a loop */
                for (uint64_t k = chance(life, 60); k > 0; k--) {
                        change(life, n, FILE_CHANGED);
                        world_run(&life->world, chance(life, 3 * S));
                        hand_ends(life, OUTCOME_OK);
                }
                break;
        case 4: /* a tree that goes */
                for (unsigned k = n % 3; k < PATHS; k += 3)
                        change(life, k, FILE_REMOVED);
                break;
        case 5: change(life, n, FILE_DENIED); break;
        case 6: hand_ends(life, chance(life, 3) ? OUTCOME_OK : OUTCOME_FAILED); break;
        case 7: open_window(life); break;
        case 8:
                if (chance(life, 4) == 0)
                        come_back(life);
                break;
        case 9: /* what is being restored is not put right by others */
                if (life->under_way_n == 0)
                        change(life, n, FILE_BACK);
                break;
        default:
                again = chance(life, 2);
                world_run(&life->world, chance(life, again ? 5 * S : 20 * MIN));
                hand_ends(life, OUTCOME_OK);
        }
        if (swap && chance(life, 8) == 0)
                world_remember(&life->world);
        else if (!swap)
                (void)chance(life, 8);
}

static void begin(struct life *life, uint64_t seed)
{
        *life = (struct life){ .seed = seed, .hash = 0xcbf29ce484222325 };
        world_init(&life->world, seed);
        for (unsigned n = 0; n < 3; n++) {
                life->paths[n][0] = folders[n];
                life->rules[n] = (struct file_rule){ .name = names[n],
                                                     .kind = n == 0 ? FILE_UNTOUCHABLE : FILE_PROTECTED,
                                                     .mode = n == 2 ? MODE_OBSERVE : MODE_ENFORCE,
                                                     .paths = life->paths[n],
                                                     .paths_n = 1,
                                                     .on_breach = BREACH_ALERT,
                                                     .origin = { "files.yaml", n + 1 } };
        }
        life->world.policy.files = life->rules;
        life->world.policy.files_n = 3;
        life->world.restored = OUTCOME_NONE;
        life->world.quiet = getenv("SIM_SEED") == NULL;
        life->world.self = life;
        life->world.decided = on_decision;
        world_judge(&life->world);
        world_start(&life->world);
}

/* Nobody writes any more, and the hand works: all is as it was sealed in the end, and every incident is over. */
static void end(struct life *life)
{
        for (unsigned n = 0; n < 200; n++) {
                hand_ends(life, OUTCOME_OK);
                world_run(&life->world, 3 * S);
        }
        for (unsigned n = 0; n < PATHS; n++)
                if (life->wrong[n] && rule_of(n) != 2)
                        broken(life, "was changed and never restored", names[rule_of(n)]);
                else if (life->wrong[n])
                        change(life, n, FILE_BACK);
        for (unsigned n = 0; n < 3; n++)
                change(life, n, FILE_BACK); /* as it is told after a window */
        world_run(&life->world, 2 * HOUR);
        for (unsigned n = 0; n < 3; n++)
                if (life->open[n][CAUSE_GUARD_CHANGE] > 0 || life->open[n][CAUSE_GUARD_DENIED] > 0)
                        broken(life, "its incident is never over", names[n]);
}

static uint64_t live(uint64_t seed, bool swap)
{
        struct life *life = malloc(sizeof(*life));
        uint64_t hash;

        assert_non_null(life);
        begin(life, seed);
        for (unsigned n = 0; n < STEPS; n++)
                step(life, swap);
        end(life);
        if (getenv("SIM_SEED"))
                fputs(world_trace(&life->world), stdout);
        hash = life->hash;
        world_done(&life->world);
        free(life);
        return hash;
}

static void guarded_files_live_random_lives(void **state)
{
        const char *lives = getenv("SIM_LIVES"), *seed = getenv("SIM_SEED");
        uint64_t n = lives ? strtoull(lives, NULL, 10) : LIVES;

        (void)state;
        if (seed) {
                live(strtoull(seed, NULL, 10), false);
                return;
        }
        for (uint64_t k = 1; k <= n; k++)
                live(k, false);
}

/* A judge made anew from its memory, at any moment, decides as the one that lived on. */
static void a_judge_from_its_memory_decides_the_same(void **state)
{
        (void)state;
        for (uint64_t k = 1; k <= 60 && !getenv("SIM_SEED"); k++)
                if (live(k, false) != live(k, true))
                        fail_msg("life %llu goes another way with a judge made from its memory", (unsigned long long)k);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(guarded_files_live_random_lives),
                cmocka_unit_test(a_judge_from_its_memory_decides_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
