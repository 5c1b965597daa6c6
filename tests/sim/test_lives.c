/*
 * Thousands of random lives of the judge: machines with sick and healthy agents, humans, package runs, lost, late and
 * repeated facts, blindness and restarts of the daemon. What must never happen is checked at every decision; what was
 * named is held against what really happened. SIM_LIVES= scales it, SIM_SEED= lives one life again, with its timeline.
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
#define DAY USEC_PER_DAY

#define LIVES 2000 /* of 5 agent-months each */
#define LIFE_DAYS 6
#define HAPPENINGS_MAX 512
#define RING 16
#define RECORDS_MAX 200000
#define LIMITED_MOST (20 * USEC_PER_MINUTE) /* orders are refused, or not heard of, and tried again */

enum happening_kind {
        HAPPEN_ILL,
        HAPPEN_DIE_ONCE,
        HAPPEN_FAIL_FOR_GOOD, /* dies, and its manager gives up */
        HAPPEN_HUMAN,
        HAPPEN_PACKAGES,
        HAPPEN_GOD_DIES,
        HAPPEN_GOD_RETURNS,
        HAPPEN_BLIND,
        HAPPEN_SEE,
        HAPPEN_NO_DNS,
        HAPPEN_LEAVE,
        HAPPEN_RETURN,
        HAPPEN_TRIAL,
        HAPPEN_KEEP,
        HAPPEN_UNDO,
        HAPPEN_OOM, /* it nears its limit, and is killed or not */
};

struct happening {
        usec_t at;
        enum happening_kind kind;
        int actor;
        usec_t life, time;
        enum action action;
        enum manager manager;
};

/* What is really so, beside what the judge knows. */
struct truth {
        usec_t deaths[RING]; /* all real ones, newest last */
        unsigned n;
        usec_t clear_since;       /* deaths since then were seen by a judge that nothing disturbed */
        usec_t hot_since;         /* first death of a run with less than a second between deaths */
        usec_t due[CAUSE_N];      /* a true finding that must have been told until then, 0 none */
        usec_t known[CAUSE_N];    /* open incident since, 0 none */
        usec_t quarantined_until; /* must have its trial until then, 0: is in none */
        usec_t stopped_until;     /* must be started until then */
        usec_t ill_at;            /* was ill, or touched by somebody, last */
        usec_t limited_until;     /* limits that nobody kept must be gone by then; USEC_INFINITY: kept */
};

struct score {
        uint64_t right, wrong, found, missed;
};

struct life {
        struct world world;
        uint64_t seed;
        bool enforce;
        struct happening happenings[HAPPENINGS_MAX];
        int happenings_n;
        struct truth truths[WORLD_ACTORS_MAX];
        struct score *scores;
        usec_t disturbed; /* blind, away, or a package run: until then nobody has to find anything */
        usec_t dns_due, dns_until;
        usec_t brake_at;
        bool braked;
        const struct actor *critical;
        bool god_down;
        usec_t acted[64];
        unsigned acted_n;
        uint64_t hash, decided;
        struct recorded *records; /* the facts that the chain would hold */
        size_t records_n, facts_n;
};

struct recorded {
        struct fact fact;
        struct remembered *remembered;
        char agent[96], text[96];
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

/* ---- how a life is made --------------------------------------------------------------------------------------------- */

static struct happening *add(struct life *life, enum happening_kind kind, usec_t at)
{
        assert_true(life->happenings_n < HAPPENINGS_MAX);
        life->happenings[life->happenings_n] = (struct happening){ .kind = kind, .at = at };
        return &life->happenings[life->happenings_n++];
}

static usec_t some_time(struct life *life)
{
        return between(&life->world, 2 * MIN, LIFE_DAYS * DAY - HOUR);
}

static void add_illness(struct life *life, int actor)
{
        struct world *world = &life->world;
        struct happening *ill = add(life, HAPPEN_ILL, some_time(life));

        ill->actor = actor;
        switch (world_chance(world) % 6) {
        case 0: /* hot */
                ill->life = between(world, 20 * USEC_PER_MSEC, 400 * USEC_PER_MSEC);
                ill->time = life->enforce ? between(world, 30 * S, HOUR) : between(world, 20 * S, 60 * S);
                break;
        case 1:
        case 2: /* the founding incident */
                ill->life = between(world, 1500 * USEC_PER_MSEC, 8 * S);
                ill->time = life->enforce ? between(world, MIN, 6 * HOUR) : between(world, MIN, 10 * MIN);
                break;
        case 3:
                ill->life = between(world, 8 * S, 15 * S);
                ill->time = between(world, 5 * MIN, HOUR);
                break;
        case 4:
                ill->life = between(world, MIN, 110 * S);
                ill->time = between(world, 20 * MIN, 3 * HOUR);
                break;
        default:
                ill->life = between(world, HOUR, 90 * MIN);
                ill->time = between(world, 20 * HOUR, 30 * HOUR);
                break;
        }
}

/* The daemon is killed while it is about to act. */
static void add_kill(struct life *life, usec_t around)
{
        usec_t at = around + between(&life->world, 2 * S, 2 * MIN);

        add(life, HAPPEN_LEAVE, at);
        add(life, HAPPEN_RETURN, at + between(&life->world, 100 * USEC_PER_MSEC, 30 * S));
}

static void add_human(struct life *life, int actor)
{
        struct happening *human = add(life, HAPPEN_HUMAN, some_time(life));

        human->actor = actor;
        human->action = ACTION_RESTART;
        if (!one_in(&life->world, 3))
                return;
        human->action = ACTION_STOP;
        human->time = between(&life->world, 10 * S, 2 * HOUR);
        usec_t at = human->at + human->time;
        human = add(life, HAPPEN_HUMAN, at);
        human->actor = actor;
        human->action = ACTION_START;
}

static void add_span(struct life *life, enum happening_kind begin, enum happening_kind end, usec_t least, usec_t most)
{
        usec_t at = some_time(life);
        enum manager manager = one_in(&life->world, 2) ? MANAGER_PM2 : MANAGER_SYSTEMD;

        add(life, begin, at)->manager = manager;
        add(life, end, at + between(&life->world, least, most))->manager = manager;
}

/* Limits on trial, from a chance of their own: the rest of a life is the same with them and without. */
static void add_trials(struct life *life)
{
        struct world chance = { .chance = ~life->seed };

        for (int n = 0; n < life->world.actors_n; n++) {
                usec_t at = between(&chance, 2 * MIN, LIFE_DAYS * DAY - HOUR);

                if (life->world.actors[n].manager != MANAGER_SYSTEMD || !one_in(&chance, 3))
                        continue;
                add(life, HAPPEN_TRIAL, at)->actor = n;
                life->happenings[life->happenings_n - 1].time = between(&chance, 10 * S, HOUR);
                if (one_in(&chance, 3))
                        add(life, HAPPEN_KEEP, at + between(&chance, S, HOUR))->actor = n;
                if (one_in(&chance, 3))
                        add(life, HAPPEN_UNDO, at + between(&chance, S, 10 * HOUR))->actor = n;
                life->world.actors[n].choked = one_in(&chance, 2) ? between(&chance, 10 * USEC_PER_MSEC, HOUR) : 0;
        }
}

/* A few readings and kills close to each other; `life` says what of. */
static void add_shortage(struct life *life, struct world *chance, int actor)
{
        usec_t at = between(chance, 2 * MIN, LIFE_DAYS * DAY - HOUR);

        for (unsigned n = 1 + (unsigned)(world_chance(chance) % 4); n > 0; n--) {
                struct happening *oom = add(life, HAPPEN_OOM, at);

                oom->actor = actor;
                oom->life = world_chance(chance);
                at += between(chance, S, 15 * MIN);
        }
}

static void add_shortages(struct life *life)
{
        struct world chance = { .chance = life->seed + 1000000007 };

        for (int n = 0; n < life->world.actors_n; n++)
                if (one_in(&chance, 6))
                        add_shortage(life, &chance, n);
}

static int by_time(const void *a, const void *b)
{
        const struct happening *x = a, *y = b;

        return x->at < y->at ? -1 : x->at > y->at;
}

static void make(struct life *life)
{
        struct world *world = &life->world;
        int agents = (int)between(world, 6, 44);

        for (int n = 0; n < agents; n++) {
                char id[64];
                snprintf(id, sizeof(id), n % 3 ? "pm2:root/agent-%d" : "systemd:agent-%d.service", n);
                world_add(world, id)->scatter = 10;
        }
        for (int n = 3; n < 7 && n < agents && one_in(world, 2); n += 3) { /* units; the first unit is their base */
                world->actors[n].base = 0;
                world->actors[n].dependency = n == 3 ? DEPENDENCY_BINDS : DEPENDENCY_REQUIRES;
        }
        if (one_in(world, 2)) {
                struct rule *rule = world_rule(world, "critical", MANAGER_PM2, "root/agent-1");

                rule->critical = true;
                rule->mode = life->enforce ? MODE_ENFORCE : MODE_OBSERVE;
                world_rule(world, "pm2", MANAGER_PM2, "*")->mode = rule->mode;
                world_rule(world, "systemd", MANAGER_SYSTEMD, "*")->mode = rule->mode;
                life->critical = &world->actors[1];
        }
        for (int n = 0; n < agents; n++) {
                if (world->actors[n].manager == MANAGER_PM2 && one_in(world, 30)) {
                        world->actors[n].restarts = between(world, 50, 1000);
                        life->truths[n].due[CAUSE_HIGH_RESTARTS] = world->now + MIN;
                }
                if (one_in(world, 5)) {
                        add_illness(life, n);
                        if (one_in(world, 6))
                                add_kill(life, life->happenings[life->happenings_n - 1].at);
                }
                if (one_in(world, 5))
                        add_human(life, n);
                if (one_in(world, 10))
                        add(life, HAPPEN_DIE_ONCE, some_time(life))->actor = n;
                if (one_in(world, 20))
                        add(life, HAPPEN_FAIL_FOR_GOOD, some_time(life))->actor = n;
        }
        if (one_in(world, 3))
                add(life, HAPPEN_PACKAGES, some_time(life));
        if (one_in(world, 4))
                add_span(life, HAPPEN_GOD_DIES, HAPPEN_GOD_RETURNS, 8 * S, MIN);
        if (one_in(world, 4))
                add_span(life, HAPPEN_BLIND, HAPPEN_SEE, 5 * S, 5 * MIN);
        if (one_in(world, 8) && agents >= 15) {
                struct happening *dns = add(life, HAPPEN_NO_DNS, some_time(life));
                dns->time = between(world, 3 * MIN, life->enforce ? HOUR : 5 * MIN);
        }
        for (unsigned n = 0; n < 3; n++)
                if (one_in(world, 3))
                        add_span(life, HAPPEN_LEAVE, HAPPEN_RETURN, 2 * S, 10 * MIN);
        add_trials(life);
        add_shortages(life);
        qsort(life->happenings, (size_t)life->happenings_n, sizeof(*life->happenings), by_time);
        if (one_in(world, 2))
                world->faults = (struct faults){ .late = 30,
                                                 .lost = 5,
                                                 .twice = 20,
                                                 .late_most = 200 * USEC_PER_MSEC,
                                                 .refused = 20,
                                                 .silent = 20 };
}

/* ---- the truth ------------------------------------------------------------------------------------------------------ */

static struct truth *truth_of(struct life *life, const struct actor *actor)
{
        return &life->truths[actor - life->world.actors];
}

static unsigned deaths_since(const struct truth *truth, usec_t since)
{
        unsigned n = 0;

        while (n < truth->n && n < RING && truth->deaths[(truth->n - 1 - n) % RING] >= since)
                n++;
        return n;
}

static bool is_loop_since(const struct truth *truth, usec_t now, usec_t clear, usec_t slack)
{
        static const struct window windows[] = { { 2, USEC_PER_MINUTE },
                                                 { 4, 10 * USEC_PER_MINUTE },
                                                 { 9, USEC_PER_DAY } };

        for (unsigned n = 0; n < 3; n++) {
                usec_t since = now - windows[n].within - slack;

                if (deaths_since(truth, since > clear ? since : clear) > windows[n].more_than)
                        return true;
        }
        return false;
}

static bool is_known(const struct life *life, const struct truth *truth)
{
        for (int cause = 0; cause < CAUSE_N; cause++)
                if (truth->known[cause] > 0)
                        return true;
        return life->braked;
}

static void expect(struct truth *truth, enum cause cause, usec_t until)
{
        if (truth->due[cause] == 0)
                truth->due[cause] = until;
}

static void on_death(struct world *world, struct actor *actor)
{
        struct life *life = world->self;
        struct truth *truth = truth_of(life, actor);
        usec_t newest = truth->n > 0 ? truth->deaths[(truth->n - 1) % RING] : 0;

        if (actor->limited && truth->limited_until > world->now + 2 * MIN && truth->limited_until < USEC_INFINITY)
                truth->limited_until = world->now + 2 * MIN;
        truth->deaths[truth->n++ % RING] = world->now;
        truth->ill_at = world->now;
        if (world->now - newest > S || newest < truth->clear_since)
                truth->hot_since = world->now;
        if (world->away || life->disturbed > world->now) {
                truth->clear_since = world->now + 1;
                return;
        }
        for (int n = 0; n < world->actors_n; n++)
                if (world->actors[n].base == (int)(actor - world->actors) && world->actors[n].up &&
                    world->actors[n].dependency == DEPENDENCY_BINDS && !is_known(life, &life->truths[n]))
                        expect(&life->truths[n], CAUSE_DEPENDENCY_DOWN, world->now + 8 * S);
        if (!is_known(life, truth) && is_loop_since(truth, world->now, truth->clear_since, 0))
                expect(truth, CAUSE_CRASH_LOOP, world->now + 3 * S);
        if (truth->known[CAUSE_CRASH_LOOP] > 0 && world->now - truth->hot_since > 11 * S && !life->braked)
                expect(truth, CAUSE_HOT_LOOP, world->now + 3 * S);
}

/* Nobody has to find anything about it that happened before. */
static void disturb(struct life *life, int actor, usec_t until)
{
        for (int n = 0; n < life->world.actors_n; n++) {
                struct truth *truth = &life->truths[n];

                if (actor >= 0 && n != actor)
                        continue;
                truth->clear_since = until;
                memset(truth->due, 0, sizeof(truth->due));
        }
        if (actor < 0 && until > life->disturbed)
                life->disturbed = until;
}

static void check_due(struct life *life)
{
        for (int n = 0; n < life->world.actors_n; n++) {
                struct truth *truth = &life->truths[n];

                for (int cause = 0; cause < CAUSE_N; cause++) {
                        if (truth->due[cause] == 0 || truth->due[cause] > life->world.now)
                                continue;
                        truth->due[cause] = 0;
                        if (life->braked)
                                continue;
                        life->scores[cause].missed++;
                        if (getenv("SIM_SEED"))
                                printf("MISSED %s of %s at %llus\n", cause_name((enum cause)cause),
                                       life->world.actors[n].id, (unsigned long long)(world_age(&life->world) / S));
                }
                if (life->world.away)
                        continue;
                if (life->world.actors[n].limited && life->world.now > truth->limited_until &&
                    life->world.now - truth->limited_until > LIMITED_MOST && life->disturbed < life->world.now)
                        broken(life, "limits that nobody kept were not taken back");
                if (!life->enforce)
                        continue;
                if (truth->quarantined_until > 0 && truth->quarantined_until < life->world.now)
                        broken(life, "a quarantine ended neither in a trial nor with a human");
                if (truth->stopped_until == 0 || truth->stopped_until >= life->world.now)
                        continue;
                truth->stopped_until = 0;
                if (life->world.actors[n].by_judge) /* else it came up before the hand got hold of it */
                        broken(life, "a stopped agent was not started again");
        }
        if (life->dns_due > 0 && life->dns_due < life->world.now) {
                life->dns_due = 0;
                life->scores[CAUSE_COMMON_CAUSE].missed++;
        }
}

/* ---- what the judge may never do ------------------------------------------------------------------------------------ */

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
}

static struct actor *actor_of(struct life *life, const char *id)
{
        for (int n = 0; n < life->world.actors_n; n++)
                if (strcmp(life->world.actors[n].id, id) == 0)
                        return &life->world.actors[n];
        return NULL;
}

static bool is_ill(const struct life *life, struct actor *actor)
{
        const struct truth *truth = &life->truths[actor - life->world.actors];

        if (actor->ill_from <= life->world.now && life->world.now < actor->ill_until)
                return true;
        return !actor->up || life->world.now - truth->ill_at < MIN;
}

static void check_budget(struct life *life, const struct decision *decision)
{
        const struct machine_rule *machine = &life->world.policy.machine;
        unsigned n = 0;

        life->acted[life->acted_n++ % 64] = decision->at;
        for (unsigned k = 0; k < life->acted_n && k < 64; k++)
                n += life->acted[(life->acted_n - 1 - k) % 64] > decision->at - machine->actions_within;
        if (n > machine->actions_at_most)
                broken(life, "more actions than the budget allows");
}

static void check_share(struct life *life)
{
        unsigned held = 0;

        for (int n = 0; n < life->world.actors_n; n++)
                held += life->truths[n].quarantined_until > 0;
        if (held > 1 && held * 100 > (unsigned)life->world.actors_n * 30)
                broken(life, "more than 30% of the agents in quarantine");
}

static void check_limit(struct life *life, const struct decision *decision, struct truth *truth)
{
        bool kept = truth->limited_until == USEC_INFINITY;

        if (decision->action == ACTION_LIMIT && (decision->purpose == PURPOSE_KEEP) != kept)
                broken(life, "limits were kept that nobody keeps");
        if (decision->action != ACTION_UNLIMIT || !kept || text_starts(decision->reason, "taken back"))
                return;
        if (life->world.faults.refused == 0) /* else keeping them may have failed: the human is told so */
                broken(life, "limits were taken back that a human keeps");
        truth->limited_until = life->world.now;
}

static void check_act(struct life *life, const struct decision *decision)
{
        struct actor *actor = actor_of(life, decision->agent);
        struct truth *truth = truth_of(life, actor);

        if (!decision->enforce)
                return;
        if (decision->action == ACTION_LIMIT || decision->action == ACTION_UNLIMIT) {
                check_limit(life, decision, truth);
                return;
        }
        if (!life->enforce)
                broken(life, "an action in observe mode");
        if (decision->action != ACTION_START && !is_ill(life, actor))
                broken(life, "a healthy agent was stopped");
        if (!(decision->action == ACTION_START && decision->purpose != PURPOSE_HEAL))
                check_budget(life, decision);
        if (decision->purpose == PURPOSE_QUARANTINE && actor == life->critical)
                broken(life, "a critical agent was quarantined");
        if (decision->action == ACTION_STOP && decision->purpose == PURPOSE_QUARANTINE) {
                truth->quarantined_until = life->world.now + 90 * MIN;
                truth->stopped_until = 0;
                check_share(life);
        } else if (decision->action == ACTION_STOP) {
                truth->stopped_until = life->world.now + 7 * MIN;
        } else {
                truth->quarantined_until = truth->stopped_until = 0;
        }
}

static bool is_true(struct life *life, const struct decision *decision)
{
        struct actor *actor = actor_of(life, decision->agent);
        const struct truth *truth = actor ? truth_of(life, actor) : NULL;

        switch (decision->cause) {
        case CAUSE_CRASH_LOOP: return is_loop_since(truth, life->world.now, 0, life->disturbed > 0 ? 10 * MIN : 2 * S);
        case CAUSE_HOT_LOOP: return deaths_since(truth, life->world.now - 12 * S) > 10;
        case CAUSE_CLAIMED_NOT_RUNNING: return !actor->up;
        case CAUSE_COMMON_CAUSE: return life->dns_until > life->world.now;
        case CAUSE_HIGH_RESTARTS: return actor->restarts >= 50;
        case CAUSE_DEPENDENCY_DOWN:
                return actor->base == 0 && (!actor->up || is_loop_since(&life->truths[0], life->world.now, 0, 2 * S));
        default: return true;
        }
}

static void on_open(struct life *life, const struct decision *decision)
{
        if (decision->cause == CAUSE_OOM)
                return; /* told to the judge, not found by it */

        struct actor *actor = actor_of(life, decision->agent);
        struct truth *truth = actor ? truth_of(life, actor) : NULL;
        bool right = is_true(life, decision);

        if (right)
                life->scores[decision->cause].right++;
        else
                life->scores[decision->cause].wrong++;
        if (!right && getenv("SIM_SEED"))
                printf("WRONG %s of %s at %llus: %s\n", cause_name(decision->cause), decision->agent,
                       (unsigned long long)(world_age(&life->world) / S), decision->reason);
        if (decision->cause == CAUSE_COMMON_CAUSE) {
                life->braked = true;
                if (life->dns_due > 0)
                        life->scores[CAUSE_COMMON_CAUSE].found++;
                life->dns_due = 0;
        }
        if (!truth)
                return;
        truth->known[decision->cause] = life->world.now;
        /* a hot loop is named at the very moment at which it is one, before the death that would prove it */
        if (truth->due[decision->cause] > 0 || (right && decision->cause == CAUSE_HOT_LOOP))
                life->scores[decision->cause].found++;
        truth->due[decision->cause] = 0;
}

static void on_resolve(struct life *life, const struct decision *decision, struct actor *actor)
{
        struct truth *truth = truth_of(life, actor);

        if (actor->by_judge && !actor->up && text_starts(decision->reason, "healthy"))
                broken(life, "an agent that we hold down is called healthy");
        truth->known[decision->cause] = 0;
        truth->clear_since = life->world.now + 1;
        if (!actor->by_judge)
                truth->quarantined_until = truth->stopped_until = 0; /* it recovered before the hand got hold of it */
}

static void on_decision(struct world *world, const struct decision *decision)
{
        struct life *life = world->self;
        struct actor *actor = actor_of(life, decision->agent);

        mix_decision(&life->hash, decision);
        life->decided++;
        switch (decision->kind) {
        case DECIDE_OPEN: on_open(life, decision); break;
        case DECIDE_ACT: check_act(life, decision); break;
        case DECIDE_WORSEN:
                if (actor && strstr(decision->reason, "human releases"))
                        truth_of(life, actor)->quarantined_until = 0;
                break;
        case DECIDE_RESOLVE:
                if (decision->cause == CAUSE_COMMON_CAUSE)
                        life->braked = false, disturb(life, -1, world->now);
                if (actor && decision->cause != CAUSE_OOM)
                        on_resolve(life, decision, actor);
                break;
        default: break;
        }
}

/* ---- what happens --------------------------------------------------------------------------------------------------- */

static void fall_ill(struct life *life, struct actor *actor, usec_t lives, usec_t time)
{
        if (!actor->up || actor->ill_until > life->world.now)
                if (actor->ill_from != USEC_INFINITY && actor->ill_until > life->world.now)
                        return; /* one illness at a time */
        actor->life = lives;
        actor->ill_from = life->world.now;
        actor->ill_until = life->world.now + time;
        if (actor->up)
                actor->dies_at = life->world.now + lives;
}

static void touch(struct life *life, struct actor *actor, usec_t clear)
{
        truth_of(life, actor)->ill_at = life->world.now;
        disturb(life, (int)(actor - life->world.actors), life->world.now + clear);
}

static void human(struct life *life, struct actor *actor, enum action action)
{
        touch(life, actor, 10 * S);
        truth_of(life, actor)->quarantined_until = truth_of(life, actor)->stopped_until = 0;
        if ((action == ACTION_START) == actor->up || (life->god_down && actor->manager == MANAGER_PM2))
                return;
        world_human(&life->world, actor, action);
}

static void update_packages(struct life *life)
{
        struct world *world = &life->world;

        world_planned(world, "", ENDING_PACKAGE, 2 * MIN, "unattended-upgrades");
        disturb(life, -1, world->now + 2 * MIN + 10 * S);
        for (int n = 0; n < world->actors_n; n++) {
                world_run(world, between(world, 100 * USEC_PER_MSEC, 2 * S));
                if (world->actors[n].up && (!life->god_down || world->actors[n].manager != MANAGER_PM2)) {
                        truth_of(life, &world->actors[n])->ill_at = world->now;
                        world_human(world, &world->actors[n], ACTION_RESTART);
                }
        }
}

static void lose_dns(struct life *life, usec_t time)
{
        struct world *world = &life->world;

        life->dns_until = world->now + time + 5 * MIN;
        if (!world->away && life->disturbed < world->now && !life->god_down && !life->braked)
                life->dns_due = world->now + 2 * MIN;
        for (int n = 0; n < world->actors_n; n++)
                fall_ill(life, &world->actors[n], between(world, 2 * S, 20 * S), time);
}

static struct trial_view newest_trial(const struct life *life, const struct actor *actor)
{
        struct trial_view view, newest = { .number = 0 };

        for (uint32_t n = 0; n < judge_trials(life->world.judge); n++) {
                judge_trial(life->world.judge, n, &view);
                if (strcmp(view.agent, actor->id) == 0 && view.number > newest.number)
                        newest = view;
        }
        return newest;
}

static void try_limits(struct life *life, struct actor *actor, const struct happening *happening)
{
        struct truth *truth = truth_of(life, actor);
        struct trial_view trial = newest_trial(life, actor);

        if (life->world.away)
                return;
        if (happening->kind == HAPPEN_TRIAL) {
                truth->limited_until = life->world.now + happening->time;
                world_trial(&life->world, actor->id, TRIAL_BEGIN, judge_trial_next(life->world.judge), happening->time);
        } else if (happening->kind == HAPPEN_KEEP && trial.state == TRIAL_RUNNING) {
                truth->limited_until = USEC_INFINITY;
                world_trial(&life->world, actor->id, TRIAL_KEEP, trial.number, 0);
        } else if (happening->kind == HAPPEN_UNDO && (trial.state == TRIAL_RUNNING || trial.state == TRIAL_KEPT)) {
                truth->limited_until = life->world.now;
                world_trial(&life->world, actor->id, TRIAL_UNDO, trial.number, 0);
        }
}

/* The log is heard before the death or after it, or it is not known whose process it was; or it was only a reading. */
static void run_out_of_memory(struct life *life, struct actor *actor, uint64_t how)
{
        struct world *world = &life->world;
        struct fact fact = { .kind = FACT_OOM,
                             .manager = how & 1 ? MANAGER_NONE : actor->manager,
                             .agent = how & 1 ? "" : actor->id,
                             .instance = how & 1 ? INSTANCE_ALL : actor->number,
                             .oom = { .what = how & 2 ? OOM_KILLED : OOM_NEAR,
                                      .by = how & 4 ? OOM_BY_LIMIT : OOM_BY_MACHINE,
                                      .killed = how & 2 ? 1 : 0,
                                      .pid = how & 8 ? actor->pid : 0,
                                      .comm = "",
                                      .cgroup = "",
                                      .limit = "",
                                      .others = "",
                                      .limit_bytes = 1000,
                                      .held_bytes = how / 16 % 1001,
                                      .before_bytes = 500,
                                      .before = MIN,
                                      .pressure = how & (1 << 30) ? 2000 : 0 } };

        if (world->away)
                return;
        if (how & (1 << 29))
                world_send(world, &fact);
        if (fact.oom.what == OOM_KILLED && actor->up) {
                actor->signal = 9;
                world_die(world, actor);
        }
        if (!(how & (1 << 29)))
                world_send(world, &fact);
}

static void happen(struct life *life, const struct happening *happening)
{
        struct world *world = &life->world;
        struct actor *actor = &world->actors[happening->actor];
        bool out = world->away || life->god_down || world->blind[MANAGER_PM2] || world->blind[MANAGER_SYSTEMD];

        switch (happening->kind) {
        case HAPPEN_ILL: fall_ill(life, actor, happening->life, happening->time); break;
        case HAPPEN_DIE_ONCE:
                if (actor->up)
                        world_die(world, actor);
                break;
        case HAPPEN_FAIL_FOR_GOOD:
                if (!actor->up || out || life->disturbed > world->now || is_known(life, truth_of(life, actor)))
                        break;
                actor->nobody_restarts = true;
                world_die(world, actor);
                actor->nobody_restarts = false;
                expect(truth_of(life, actor), CAUSE_CLAIMED_NOT_RUNNING, world->now + 10 * S);
                break;
        case HAPPEN_HUMAN: human(life, actor, happening->action); break;
        case HAPPEN_PACKAGES:
                if (!out)
                        update_packages(life);
                break;
        case HAPPEN_GOD_DIES:
                if (out)
                        break;
                life->god_down = true;
                disturb(life, -1, world->now + 5 * MIN);
                world_god_dies(world);
                break;
        case HAPPEN_GOD_RETURNS:
                if (!life->god_down)
                        break;
                life->god_down = false;
                world_god_returns(world);
                break;
        case HAPPEN_BLIND:
                if (out)
                        break;
                disturb(life, -1, world->now + 6 * MIN);
                world_blind(world, happening->manager, true);
                break;
        case HAPPEN_SEE:
                for (enum manager manager = MANAGER_SYSTEMD; manager < MANAGER_N; manager++)
                        if (world->blind[manager])
                                world_blind(world, manager, false);
                break;
        case HAPPEN_NO_DNS: lose_dns(life, happening->time); break;
        case HAPPEN_TRIAL:
        case HAPPEN_KEEP:
        case HAPPEN_UNDO: try_limits(life, actor, happening); break;
        case HAPPEN_OOM: run_out_of_memory(life, actor, happening->life); break;
        case HAPPEN_LEAVE:
                if (!out)
                        world_leave(world);
                break;
        case HAPPEN_RETURN:
                if (!world->away)
                        break;
                disturb(life, -1, world->now + 30 * S);
                for (int n = 0; n < world->actors_n; n++) {
                        struct truth *truth = &life->truths[n];
                        if (truth->quarantined_until > 0)
                                truth->quarantined_until += 20 * MIN;
                        if (truth->stopped_until > 0)
                                truth->stopped_until += 20 * MIN;
                }
                world_return(world);
                break;
        }
}

static void live_through(struct life *life, uint64_t seed, struct score *scores, bool swap, usec_t *agent_time);
static void record(struct world *world, const struct fact *fact, bool material);

/* A judge made from its memory knows how late it is, and that tells how long it was away next: so the other is told, too. */
static void pause_here(struct life *life, bool swap)
{
        struct fact tick = { .kind = FACT_TICK };

        world_send(&life->world, &tick);
        if (swap)
                world_remember(&life->world);
}

static uint64_t live(uint64_t seed, struct score *scores, bool swap, usec_t *agent_time)
{
        struct life *life = calloc(1, sizeof(*life));
        uint64_t hash;

        assert_non_null(life);
        live_through(life, seed, scores, swap, agent_time);
        hash = life->hash;
        world_done(&life->world);
        free(life);
        return hash;
}

static void live_through(struct life *life, uint64_t seed, struct score *scores, bool swap, usec_t *agent_time)
{
        uint64_t swaps = seed;

        life->seed = seed;
        life->scores = scores;
        life->hash = 0xcbf29ce484222325;
        world_init(&life->world, seed);
        life->world.quiet = getenv("SIM_SEED") == NULL;
        life->world.self = life;
        life->world.died = on_death;
        life->world.decided = on_decision;
        life->world.sent = record;
        life->enforce = seed % 4 != 0;
        life->world.policy.fallback.mode = life->enforce ? MODE_ENFORCE : MODE_OBSERVE;
        make(life);
        world_judge(&life->world);
        world_start(&life->world);
        for (int n = 0; n < life->happenings_n; n++) {
                world_run_until(&life->world, life->happenings[n].at);
                check_due(life);
                if ((swaps = swaps * 6364136223846793005 + 1442695040888963407) >> 62 == 0 && !life->world.away)
                        pause_here(life, swap);
                happen(life, &life->happenings[n]);
                check_due(life);
        }
        world_run_until(&life->world, LIFE_DAYS * DAY);
        check_due(life);
        *agent_time += LIFE_DAYS * DAY * (usec_t)life->world.actors_n;
        if (getenv("SIM_SEED"))
                fputs(world_trace(&life->world), stdout);
}

/* ---- the chain's facts, lived through again --------------------------------------------------------------------------- */

static void record(struct world *world, const struct fact *fact, bool material)
{
        struct life *life = world->self;
        struct recorded *record;

        life->facts_n += fact->kind != FACT_TICK;
        if (!life->records || !material)
                return;
        assert_true(life->records_n < RECORDS_MAX);
        record = &life->records[life->records_n++];
        record->fact = *fact;
        text_copy(record->agent, sizeof(record->agent), fact->agent);
        record->fact.agent = record->agent;
        if (fact->kind == FACT_REMEMBERED) {
                record->remembered = malloc(sizeof(*record->remembered));
                assert_non_null(record->remembered);
                *record->remembered = *fact->remembered;
                record->fact.remembered = record->remembered;
        } else if (fact->kind == FACT_SOURCE) {
                text_copy(record->text, sizeof(record->text), fact->source.name);
                record->fact.source.name = record->text;
                record->fact.source.why = "";
        } else if (fact->kind == FACT_DEPENDS) {
                text_copy(record->text, sizeof(record->text), fact->depends.on);
                record->fact.depends.on = record->text;
        } else if (fact->kind == FACT_AGENT) {
                record->fact.agent_is.word = record->fact.agent_is.result = "";
        } else if (fact->kind == FACT_OUTCOME) {
                record->fact.outcome.text = "";
        } /* the words of a FACT_OOM are literals */
}

/* Decides once more what the records alone say, with a tick at each deadline. */
static uint64_t replay(const struct life *life, uint64_t *ret_decided)
{
        void *memory = calloc(1, judge_size(&life->world.limits));
        struct judge *judge = judge_init(memory, &life->world.limits, &life->world.policy, life->world.seed);
        struct decisions *decisions = calloc(1, sizeof(*decisions));
        uint64_t hash = 0xcbf29ce484222325;

        assert_non_null(decisions);
        *ret_decided = 0;
        for (size_t n = 0; n <= life->records_n; n++) {
                usec_t until = n < life->records_n ? life->records[n].fact.at : life->world.now;

                for (;;) {
                        struct fact tick = { .kind = FACT_TICK, .at = judge_deadline(judge), .agent = "" };
                        const struct fact *fact =
                                tick.at < until || n == life->records_n ? &tick : &life->records[n].fact;

                        if (tick.at > until && n == life->records_n)
                                break;
                        judge_step(judge, fact, decisions);
                        for (unsigned k = 0; k < decisions->n; k++)
                                mix_decision(&hash, &decisions->list[k]);
                        *ret_decided += decisions->n;
                        if (fact != &tick)
                                break;
                }
        }
        free(decisions);
        free(memory);
        return hash;
}

/* ---- the tests ------------------------------------------------------------------------------------------------------ */

static void print_scores(const struct score *scores, usec_t agent_time, uint64_t lives)
{
        printf("%llu lives, %llu agent-months\n", (unsigned long long)lives,
               (unsigned long long)(agent_time / (30 * DAY)));
        printf("%-22s %8s %8s %10s %8s %8s %8s\n", "cause", "right", "wrong", "precision", "found", "missed", "recall");
        for (int cause = 0; cause < CAUSE_N; cause++) {
                const struct score *score = &scores[cause];
                uint64_t named = score->right + score->wrong, real = score->found + score->missed;

                if (named + real == 0)
                        continue;
                printf("%-22s %8llu %8llu %9.4f%% %8llu %8llu %7.3f%%\n", cause_name((enum cause)cause),
                       (unsigned long long)score->right, (unsigned long long)score->wrong,
                       named > 0 ? 100.0 * (double)score->right / (double)named : 100.0,
                       (unsigned long long)score->found, (unsigned long long)score->missed,
                       real > 0 ? 100.0 * (double)score->found / (double)real : 100.0);
        }
}

static void no_healthy_agent_is_touched_and_what_is_ill_is_named(void **state)
{
        struct score scores[CAUSE_N] = { { 0 } };
        uint64_t lives = getenv("SIM_LIVES") ? strtoull(getenv("SIM_LIVES"), NULL, 10) : LIVES;
        usec_t agent_time = 0;

        (void)state;
        if (getenv("SIM_SEED")) {
                live(strtoull(getenv("SIM_SEED"), NULL, 10), scores, false, &agent_time);
                lives = 0;
        }
        for (uint64_t seed = 1; seed <= lives; seed++)
                live(seed, scores, false, &agent_time);
        print_scores(scores, agent_time, lives);
        for (int cause = 0; cause < CAUSE_N && lives > 100; cause++) {
                const struct score *score = &scores[cause];

                assert_true(score->right * 100 >= 98 * (score->right + score->wrong));
                assert_true(score->found * 100 >= 99 * (score->found + score->missed));
        }
}

static void the_same_seed_lives_the_same_life(void **state)
{
        struct score scores[CAUSE_N] = { { 0 } };
        usec_t agent_time = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 40 && !getenv("SIM_SEED"); seed++)
                assert_int_equal(live(seed, scores, false, &agent_time), live(seed, scores, false, &agent_time));
}

static void a_judge_made_from_its_memory_decides_the_same(void **state)
{
        struct score scores[CAUSE_N] = { { 0 } };
        usec_t agent_time = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 150 && !getenv("SIM_SEED"); seed++)
                if (live(seed, scores, false, &agent_time) != live(seed, scores, true, &agent_time))
                        fail_msg("life %llu goes another way after the judge's memory went through the chain",
                                 (unsigned long long)seed);
}

static bool stays(const struct life *life)
{
        for (int n = 0; n < life->happenings_n; n++)
                if (life->happenings[n].kind == HAPPEN_LEAVE)
                        return false;
        return true;
}

static void the_recorded_facts_alone_give_the_same_decisions(void **state)
{
        struct score scores[CAUSE_N] = { { 0 } };
        usec_t agent_time = 0;
        uint64_t decided, facts = 0, records = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 200 && !getenv("SIM_SEED"); seed++) {
                struct life *life = calloc(1, sizeof(*life));

                assert_non_null(life);
                life->records = calloc(RECORDS_MAX, sizeof(*life->records));
                assert_non_null(life->records);
                live_through(life, seed, scores, false, &agent_time);
                if (stays(life) && replay(life, &decided) != life->hash)
                        fail_msg("life %llu: %llu facts lead to %llu decisions, its %llu records to %llu",
                                 (unsigned long long)seed, (unsigned long long)life->facts_n,
                                 (unsigned long long)life->decided, (unsigned long long)life->records_n,
                                 (unsigned long long)decided);
                facts += life->facts_n;
                records += life->records_n;
                for (size_t n = 0; n < life->records_n; n++)
                        free(life->records[n].remembered);
                free(life->records);
                world_done(&life->world);
                free(life);
        }
        printf("%llu of %llu facts are records\n", (unsigned long long)records, (unsigned long long)facts);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_same_seed_lives_the_same_life),
                cmocka_unit_test(the_recorded_facts_alone_give_the_same_decisions),
                cmocka_unit_test(a_judge_made_from_its_memory_decides_the_same),
                cmocka_unit_test(no_healthy_agent_is_touched_and_what_is_ill_is_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
