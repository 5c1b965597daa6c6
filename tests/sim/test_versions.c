/*
 * Hundreds of random days of agents whose configuration is changed, well and badly, by deploys and by hand, while orders
 * fail, facts get lost and the daemon comes and goes. Whatever happens, an agent goes back only to a configuration under
 * which it lived for as long as its rule says, never in observe mode, and not twice for one incident. SIM_LIVES= scales
 * it, SIM_SEED= lives one life again, with its timeline.
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
#include "io/record.h"
#include "world.h"

#define S USEC_PER_SEC
#define MIN USEC_PER_MINUTE
#define HOUR USEC_PER_HOUR

#define LIVES 400
#define LIFE (8 * HOUR)
#define AGENTS 6 /* with a configuration each; as many without */
#define VERSIONS 64
#define HAPPENINGS 96
#define RECORDS 200000

enum happening_kind {
        HAPPEN_GOOD_DEPLOY,
        HAPPEN_BAD_DEPLOY,
        HAPPEN_GOOD_EDIT, /* by hand, and nobody said so */
        HAPPEN_BAD_EDIT,
        HAPPEN_ILL, /* whatever its configuration is */
        HAPPEN_HUMAN,
        HAPPEN_AWAY,
        HAPPEN_N,
};

static const char *const happening_words[HAPPEN_N] = {
        [HAPPEN_GOOD_DEPLOY] = "a good deploy",
        [HAPPEN_BAD_DEPLOY] = "a bad deploy",
        [HAPPEN_GOOD_EDIT] = "a good edit",
        [HAPPEN_BAD_EDIT] = "a bad edit",
        [HAPPEN_ILL] = "an illness",
        [HAPPEN_HUMAN] = "a human",
        [HAPPEN_AWAY] = "we go away",
};

struct happening {
        usec_t at;
        enum happening_kind kind;
        int actor;
};

struct truth {
        char proven[VERSIONS][WORLD_VERSION_MAX]; /* it really lived under these for long enough */
        unsigned proven_n;
        char told[WORLD_VERSION_MAX]; /* what the judge was told last */
        usec_t deployed;
        usec_t touched;      /* by a human, who has not announced it: by no window, and not by a deploy just before */
        usec_t back_at;      /* it must be under a good one again by then, 0: nothing is owed */
        uint64_t rolled_for; /* incident */
};

struct recorded {
        char verb[RECORD_VERB_MAX], agent[AGENT_ID_MAX];
        json_t *details;
};

struct score {
        uint64_t bad, back, missed, rollbacks, withheld, proven;
};

struct life {
        struct world world;
        uint64_t seed;
        bool enforce, calm;
        struct happening happenings[HAPPENINGS];
        int happenings_n;
        struct truth truths[WORLD_ACTORS_MAX];
        struct score *score;
        uint64_t hash, windows;
        unsigned made; /* versions so far */
        struct recorded *records;
        size_t records_n;
};

static void broken(const struct life *life, const char *what)
{
        if (getenv("SIM_SEED"))
                fputs(world_trace(&life->world), stdout);
        fail_msg("%s, in life %llu at %llus (SIM_SEED=%llu lives it again)", what, (unsigned long long)life->seed,
                 (unsigned long long)(world_age(&life->world) / S), (unsigned long long)life->seed);
}

static usec_t between(struct world *world, usec_t least, usec_t most)
{
        return least + world_chance(world) % (most - least + 1);
}

static bool one_in(struct world *world, unsigned n)
{
        return world_chance(world) % n == 0;
}

/* ---- the truth ---------------------------------------------------------------------------------------------------------- */

static struct truth *truth_of(struct life *life, const struct actor *actor)
{
        return &life->truths[actor - life->world.actors];
}

static bool is_proven(const struct truth *truth, const char *version)
{
        for (unsigned n = 0; n < truth->proven_n; n++)
                if (strcmp(truth->proven[n], version) == 0)
                        return true;
        return false;
}

static const struct rule *rule_of(const struct life *life, const struct actor *actor)
{
        return &life->world.rules[actor - life->world.actors];
}

/* The present life, if it has lasted: whatever it began under is proven. Before anything changes that. */
static void note_proof(struct life *life, const struct actor *actor)
{
        struct truth *truth = truth_of(life, actor);
        usec_t since = actor->began > actor->version_at ? actor->began : actor->version_at;

        if (!actor->up || !*actor->version || actor->began + 10 * USEC_PER_MSEC < actor->version_at ||
            life->world.now - since < rule_of(life, actor)->heal.proven_after || is_proven(truth, actor->version))
                return;
        assert_true(truth->proven_n < VERSIONS);
        text_copy(truth->proven[truth->proven_n++], WORLD_VERSION_MAX, actor->version);
        life->score->proven++;
}

static void on_death(struct world *world, struct actor *actor)
{
        struct life *life = world->self;

        actor->up = true; /* as it was until now */
        note_proof(life, actor);
        actor->up = false;
}

static void check_back(struct life *life)
{
        for (int n = 0; n < AGENTS; n++) {
                const struct actor *actor = &life->world.actors[n];
                struct truth *truth = &life->truths[n];

                note_proof(life, actor);
                if (truth->back_at == 0 || life->world.now < truth->back_at)
                        continue;
                truth->back_at = 0;
                if (text_starts(actor->version, "good") && actor->up) {
                        life->score->back++;
                        continue;
                }
                life->score->missed++;
                if (getenv("SIM_SEED"))
                        printf("MISSED the way back of %s at %llus: %s\n", actor->id,
                               (unsigned long long)(world_age(&life->world) / S), actor->version);
        }
}

/* ---- what the judge may never do ---------------------------------------------------------------------------------------- */

static void mix(uint64_t *hash, const void *bytes, size_t n)
{
        const unsigned char *byte = bytes;

        while (n-- > 0)
                *hash = (*hash ^ *byte++) * 0x100000001b3;
}

static void mix_decision(uint64_t *hash, const struct decision *decision)
{
        mix(hash, &decision->kind, sizeof(decision->kind));
        mix(hash, &decision->at, sizeof(decision->at));
        mix(hash, decision->agent, strlen(decision->agent));
        mix(hash, &decision->action, sizeof(decision->action));
        mix(hash, &decision->cause, sizeof(decision->cause));
        mix(hash, &decision->incident, sizeof(decision->incident));
        mix(hash, &decision->purpose, sizeof(decision->purpose));
        mix(hash, &decision->withheld, sizeof(decision->withheld));
        mix(hash, &decision->version, sizeof(decision->version));
}

static struct actor *actor_of(struct life *life, const char *id)
{
        for (int n = 0; n < life->world.actors_n; n++)
                if (strcmp(life->world.actors[n].id, id) == 0)
                        return &life->world.actors[n];
        return NULL;
}

static void check_rollback(struct life *life, const struct decision *decision)
{
        struct actor *actor = actor_of(life, decision->agent);
        struct truth *truth = truth_of(life, actor);

        note_proof(life, actor);
        if (actor - life->world.actors >= AGENTS)
                broken(life, "what has no configuration is rolled back");
        if (strcmp(decision->from, truth->told) != 0)
                broken(life, "it goes back from what is not there");
        if (strcmp(decision->to, decision->from) == 0)
                broken(life, "it goes back to where it is");
        if (!is_proven(truth, decision->to))
                broken(life, "it goes back to what was never proven");
        if (decision->purpose != PURPOSE_HEAL)
                return;
        if (decision->enforce && !life->enforce)
                broken(life, "a rollback in observe mode");
        if (life->world.now - truth->touched < 10 * MIN && life->world.faults.lost == 0) /* else it may not know */
                broken(life, "a rollback right after a human's own hand");
        if (decision->incident == truth->rolled_for && decision->enforce)
                broken(life, "a second rollback for one incident");
        if (decision->enforce)
                truth->rolled_for = decision->incident;
        life->score->rollbacks++;
}

static void on_decision(struct world *world, const struct decision *decision)
{
        struct life *life = world->self;

        mix_decision(&life->hash, decision);
        if (decision->kind == DECIDE_ACT && decision->action == ACTION_ROLLBACK)
                check_rollback(life, decision);
        if (decision->kind == DECIDE_WITHHOLD && decision->action == ACTION_ROLLBACK)
                life->score->withheld++;
}

/* ---- how a life is made ------------------------------------------------------------------------------------------------- */

static const char *const config[AGENTS] = { "/opt/0.json", "/opt/1.json", "/opt/2.json",
                                            "/opt/3.json", "/opt/4.json", "/opt/5.json" };

static void add_agents(struct life *life)
{
        static const char *const patterns[] = { "0", "1", "2", "3", "4", "5" };
        struct world *world = &life->world;

        for (unsigned n = 0; n < AGENTS; n++) {
                enum manager manager = n % 2 ? MANAGER_PM2 : MANAGER_SYSTEMD;
                struct rule *rule = world_rule(world, patterns[n], manager, patterns[n]);
                unsigned rungs = 0;

                rule->mode = life->enforce ? MODE_ENFORCE : MODE_OBSERVE;
                rule->config = (const char **)(uintptr_t)&config[n];
                rule->config_n = 1;
                rule->heal.proven_after = between(world, MIN, 12 * MIN);
                if (one_in(world, 2))
                        rule->heal.ladder[rungs++] = RUNG_RESTART;
                rule->heal.ladder[rungs++] = RUNG_ROLLBACK;
                rule->heal.ladder[rungs++] = RUNG_QUARANTINE;
                rule->heal.ladder_n = rungs;
        }
        for (unsigned n = 0; n < 2 * AGENTS; n++) {
                char id[64];
                struct actor *actor;

                snprintf(id, sizeof(id), n % 2 ? "pm2:root/%u" : "systemd:%u.service", n);
                actor = world_add(world, id);
                actor->life = between(world, 200 * USEC_PER_MSEC, 8 * S);
                actor->scatter = 10;
                if (n < AGENTS)
                        strcpy(actor->bad, "bad");
        }
}

static int by_time(const void *a, const void *b)
{
        const struct happening *x = a, *y = b;

        return x->at < y->at ? -1 : x->at > y->at;
}

/* In a calm life every bad configuration has to go; in the others only what never may happen is looked at. */
static void add_happenings(struct life *life)
{
        struct world *world = &life->world;
        unsigned n = (unsigned)between(world, 4, life->calm ? 12 : 60);

        while (n-- > 0)
                life->happenings[life->happenings_n++] = (struct happening){
                        .at = between(world, 20 * MIN, LIFE - HOUR),
                        .kind = (enum happening_kind)(world_chance(world) % (life->calm ? HAPPEN_ILL : HAPPEN_N)),
                        .actor = (int)(world_chance(world) % AGENTS),
                };
        qsort(life->happenings, (size_t)life->happenings_n, sizeof(*life->happenings), by_time);
}

/* ---- what happens ------------------------------------------------------------------------------------------------------- */

static void tell_version(struct life *life, struct actor *actor, const char *version)
{
        struct truth *truth = truth_of(life, actor);

        note_proof(life, actor);
        text_copy(truth->told, sizeof(truth->told), version);
        world_version(&life->world, actor, version, "");
        if (life->world.away)
                truth->told[0] = '\0'; /* until it returns */
}

static void new_version(struct life *life, struct actor *actor, bool good)
{
        char version[WORLD_VERSION_MAX];

        snprintf(version, sizeof(version), "%s-%u", good ? "good" : "bad", life->made++);
        if (!life->world.away)
                world_config(&life->world, actor->id, config[actor - life->world.actors], CONFIG_CHANGED, 512, 530);
        tell_version(life, actor, version);
}

static bool anything_proven(const struct truth *truth)
{
        for (unsigned n = 0; n < truth->proven_n; n++)
                if (text_starts(truth->proven[n], "good"))
                        return true;
        return false;
}

static void owe_way_back(struct life *life, struct actor *actor, bool good)
{
        struct truth *truth = truth_of(life, actor);

        truth->back_at = 0;
        if (good)
                return;
        life->score->bad++;
        if (life->calm && life->enforce && anything_proven(truth))
                truth->back_at = life->world.now + 45 * MIN;
}

static void deploy(struct life *life, struct actor *actor, bool good)
{
        struct world *world = &life->world;
        uint64_t number = ++life->windows;

        if (!world->away)
                world_deploy(world, CHANGE_OPEN, number, actor->id, "release");
        new_version(life, actor, good);
        owe_way_back(life, actor, good);
        world_run(world, between(world, 10 * USEC_PER_MSEC, 2 * S));
        world_human(world, actor, ACTION_RESTART);
        world_run(world, between(world, 10 * USEC_PER_MSEC, 5 * S));
        if (!world->away)
                world_deploy(world, CHANGE_CLOSE, number, actor->id, "release");
        truth_of(life, actor)->deployed = world->now;
}

static void restart_by_hand(struct life *life, struct actor *actor)
{
        struct truth *truth = truth_of(life, actor);

        note_proof(life, actor);
        if (truth->deployed == 0 || life->world.now - truth->deployed > MIN)
                truth->touched = life->world.now;
        world_human(&life->world, actor, ACTION_RESTART);
}

static void edit(struct life *life, struct actor *actor, bool good)
{
        struct world *world = &life->world;

        new_version(life, actor, good);
        owe_way_back(life, actor, good);
        world_run(world, between(world, S, 20 * S));
        restart_by_hand(life, actor);
}

static void fall_ill(struct life *life, struct actor *actor)
{
        struct world *world = &life->world;

        note_proof(life, actor);
        if (text_starts(actor->version, "bad"))
                return;
        actor->ill_from = world->now;
        actor->ill_until = world->now + between(world, MIN, HOUR);
        if (actor->up)
                actor->dies_at = world->now + actor->life;
}

static void go_away(struct life *life)
{
        struct world *world = &life->world;

        if (world->away)
                return;
        world_leave(world);
        world_run(world, between(world, 100 * USEC_PER_MSEC, 20 * MIN));
        for (int n = 0; n < AGENTS; n++) {
                note_proof(life, &world->actors[n]);
                text_copy(life->truths[n].told, WORLD_VERSION_MAX, world->actors[n].version);
        }
        world_return(world);
}

static void happen(struct life *life, const struct happening *happening)
{
        struct world *world = &life->world;
        struct actor *actor = &world->actors[happening->actor];

        if (getenv("SIM_SEED"))
                printf("%llus: %s to %s\n", (unsigned long long)(world_age(world) / S),
                       happening_words[happening->kind], actor->id);
        switch (happening->kind) {
        case HAPPEN_GOOD_DEPLOY:
        case HAPPEN_BAD_DEPLOY: deploy(life, actor, happening->kind == HAPPEN_GOOD_DEPLOY); break;
        case HAPPEN_GOOD_EDIT:
        case HAPPEN_BAD_EDIT: edit(life, actor, happening->kind == HAPPEN_GOOD_EDIT); break;
        case HAPPEN_ILL: fall_ill(life, actor); break;
        case HAPPEN_HUMAN: restart_by_hand(life, actor); break;
        default: go_away(life); break;
        }
        world_run(world, S); /* one thing after the other: who did what in the same moment nobody can tell */
}

/* ---- the chain ---------------------------------------------------------------------------------------------------------- */

/* Each fact that the chain would hold, as it would hold it. What the judge is told of versions is noted on the way. */
static void record(struct world *world, const struct fact *fact, bool material)
{
        struct life *life = world->self;
        struct recorded *recorded;

        if (fact->kind == FACT_VERSION && fact->version.step == VERSION_SEEN)
                text_copy(truth_of(life, actor_of(life, fact->agent))->told, WORLD_VERSION_MAX, fact->version.digest);
        if (!life->records || !material)
                return;
        assert_true(life->records_n < RECORDS);
        recorded = &life->records[life->records_n++];
        text_copy(recorded->agent, sizeof(recorded->agent), fact->agent);
        if (fact->kind == FACT_OUTCOME) {
                recorded->details = record_of_outcome(fact, 1);
                snprintf(recorded->verb, sizeof(recorded->verb), "agent.%s", action_name(fact->outcome.action));
        } else
                recorded->details = record_of_fact(fact, recorded->verb);
}

/* Decides once more what the records alone say, with a tick at each deadline. */
static uint64_t replay(const struct life *life)
{
        void *memory = calloc(1, judge_size(&life->world.limits));
        struct judge *judge = judge_init(memory, &life->world.limits, &life->world.policy, life->world.seed);
        struct decisions *decisions = calloc(1, sizeof(*decisions));
        uint64_t hash = 0xcbf29ce484222325;

        assert_non_null(decisions);
        for (size_t n = 0; n <= life->records_n; n++) {
                bool last = n == life->records_n;
                struct remembered scratch;
                struct fact fact = { .at = life->world.now };

                if (!last)
                        assert_int_equal(record_to_fact(life->records[n].verb, life->records[n].agent,
                                                        life->records[n].details, &scratch, &fact),
                                         0);
                for (;;) {
                        struct fact tick = { .kind = FACT_TICK, .at = judge_deadline(judge), .agent = "" };
                        bool early = last ? tick.at <= fact.at : tick.at < fact.at;

                        if (last && !early)
                                break;
                        judge_step(judge, early ? &tick : &fact, decisions);
                        for (unsigned k = 0; k < decisions->n; k++)
                                mix_decision(&hash, &decisions->list[k]);
                        if (!early)
                                break;
                }
        }
        free(decisions);
        free(memory);
        return hash;
}

/* ---- lives -------------------------------------------------------------------------------------------------------------- */

static void begin(struct life *life, uint64_t seed, struct score *score)
{
        life->seed = seed;
        life->score = score;
        life->hash = 0xcbf29ce484222325;
        world_init(&life->world, seed);
        life->world.quiet = getenv("SIM_SEED") == NULL;
        life->world.self = life;
        life->world.died = on_death;
        life->world.decided = on_decision;
        life->world.sent = record;
        life->enforce = seed % 4 != 0;
        life->calm = seed % 3 == 0;
        life->world.policy.fallback.mode = life->enforce ? MODE_ENFORCE : MODE_OBSERVE;
        add_agents(life);
        add_happenings(life);
        if (!life->calm && one_in(&life->world, 2))
                life->world.faults = (struct faults){ .late = 30,
                                                      .lost = 5,
                                                      .twice = 20,
                                                      .late_most = 200 * USEC_PER_MSEC,
                                                      .refused = 50,
                                                      .silent = 50 };
}

/* `swap`: the judge's memory goes through the chain into another one, again and again. */
static void live_through(struct life *life, uint64_t seed, struct score *score, bool swap)
{
        begin(life, seed, score);
        world_judge(&life->world);
        world_start(&life->world);
        world_run(&life->world, S);
        for (int n = 0; n < AGENTS; n++)
                tell_version(life, &life->world.actors[n], "good");
        for (int n = 0; n < life->happenings_n; n++) {
                usec_t at = life->happenings[n].at;

                while (world_age(&life->world) + MIN < at) {
                        world_run(&life->world, MIN);
                        check_back(life);
                }
                if (world_age(&life->world) < at)
                        world_run_until(&life->world, at);
                check_back(life);
                if (swap && n % 2 == 0)
                        world_remember(&life->world);
                happen(life, &life->happenings[n]);
        }
        for (int n = 0; n < 60; n++) {
                world_run(&life->world, MIN);
                check_back(life);
        }
        if (getenv("SIM_SEED"))
                fputs(world_trace(&life->world), stdout);
}

static uint64_t live(uint64_t seed, struct score *score, bool swap)
{
        struct life *life = calloc(1, sizeof(*life));
        uint64_t hash;

        assert_non_null(life);
        live_through(life, seed, score, swap);
        hash = life->hash;
        world_done(&life->world);
        free(life);
        return hash;
}

/* ---- the tests ---------------------------------------------------------------------------------------------------------- */

static void only_what_was_proven_is_gone_back_to_and_what_is_bad_goes(void **state)
{
        uint64_t lives = getenv("SIM_LIVES") ? strtoull(getenv("SIM_LIVES"), NULL, 10) : LIVES;
        struct score score = { 0 };

        (void)state;
        if (getenv("SIM_SEED")) {
                live(strtoull(getenv("SIM_SEED"), NULL, 10), &score, false);
                lives = 0;
        }
        for (uint64_t seed = 1; seed <= lives; seed++)
                live(seed, &score, false);
        printf("%llu lives: %llu bad configurations, %llu rollbacks, %llu withheld; %llu versions proven; of %llu "
               "bad ones that had to go %llu did not\n",
               (unsigned long long)lives, (unsigned long long)score.bad, (unsigned long long)score.rollbacks,
               (unsigned long long)score.withheld, (unsigned long long)score.proven,
               (unsigned long long)(score.back + score.missed), (unsigned long long)score.missed);
        if (lives < 100)
                return;
        assert_true(score.back > lives / 4);
        assert_true(score.missed * 100 <= score.back + score.missed);
}

static void a_judge_made_from_its_memory_decides_the_same(void **state)
{
        struct score score = { 0 };

        (void)state;
        if (getenv("SIM_SEED"))
                printf("---swap\n"), live(strtoull(getenv("SIM_SEED"), NULL, 10), &score, true), printf("---end\n");
        for (uint64_t seed = 1; seed <= 100 && !getenv("SIM_SEED"); seed++)
                if (live(seed, &score, false) != live(seed, &score, true))
                        fail_msg("life %llu goes another way after the judge's memory went through the chain",
                                 (unsigned long long)seed);
}

static bool stays(const struct life *life)
{
        for (int n = 0; n < life->happenings_n; n++)
                if (life->happenings[n].kind == HAPPEN_AWAY)
                        return false;
        return true;
}

static void the_recorded_facts_alone_give_the_same_decisions(void **state)
{
        struct score score = { 0 };
        unsigned compared = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 120 && !getenv("SIM_SEED"); seed++) {
                struct life *life = calloc(1, sizeof(*life));

                assert_non_null(life);
                life->records = calloc(RECORDS, sizeof(*life->records));
                assert_non_null(life->records);
                live_through(life, seed, &score, false);
                compared += stays(life);
                if (stays(life) && replay(life) != life->hash)
                        fail_msg("life %llu: its records lead to other decisions", (unsigned long long)seed);
                for (size_t n = 0; n < life->records_n; n++)
                        json_decref(life->records[n].details);
                free(life->records);
                world_done(&life->world);
                free(life);
        }
        assert_true(compared > 20 || getenv("SIM_SEED"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_recorded_facts_alone_give_the_same_decisions),
                cmocka_unit_test(a_judge_made_from_its_memory_decides_the_same),
                cmocka_unit_test(only_what_was_proven_is_gone_back_to_and_what_is_bad_goes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
