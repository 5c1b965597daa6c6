/*
 * Days of machines that run short of memory: agents that leak, others that take and give back, humans, deaths, hands that
 * fail, a daemon that comes and goes. Who may not be restarted never is, there is one restart at a time, and what is below
 * its floor is told and acted on. SIM_LIVES= scales it, SIM_SEED= lives one day again, with its timeline.
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

#define MB (UINT64_C(1) << 20)
#define S USEC_PER_SEC
#define MIN USEC_PER_MINUTE
#define HOUR USEC_PER_HOUR

#define LIVES 150
#define LIFE (24 * HOUR)
#define HAPPENINGS_MAX 160
#define ACTS_MAX 64
#define RECORDS_MAX 100000
#define COOL (30 * MIN)

enum happening_kind {
        HAPPEN_LEAK,
        HAPPEN_SQUEEZE,
        HAPPEN_RELIEF,
        HAPPEN_HUMAN,
        HAPPEN_DIE,
        HAPPEN_LEAVE,
        HAPPEN_RETURN
};

struct happening {
        usec_t at;
        enum happening_kind kind;
        int actor;
        uint64_t bytes;
};

struct recorded {
        struct fact fact;
        struct remembered *remembered;
        char agent[96], text[96];
};

struct life {
        struct world world;
        uint64_t seed;
        struct happening happenings[HAPPENINGS_MAX];
        int happenings_n;
        usec_t flushed[WORLD_ACTORS_MAX], touched[WORLD_ACTORS_MAX];
        bool observed[WORLD_ACTORS_MAX], spared[WORLD_ACTORS_MAX];
        int under_way; /* actor, -1 none */
        usec_t ordered_at;
        usec_t acts[ACTS_MAX];
        unsigned acts_n;
        bool open;
        usec_t opened_at;
        bool owes_act;                             /* somebody could have been restarted when it opened */
        usec_t below_since, above_since, short_at; /* short_at: newest moment with less than the floor and its margin */
        usec_t disturbed;
        uint64_t hash, decided;
        struct recorded *records;
        size_t records_n;
        unsigned long *restarts, *incidents;
};

static void broken(const struct life *life, const char *what)
{
        if (getenv("SIM_SEED"))
                fputs(world_trace(&life->world), stdout);
        fail_msg("%s, in life %llu at %llus (SIM_SEED=%llu lives it again)", what, (unsigned long long)life->seed,
                 (unsigned long long)(world_age(&life->world) / S), (unsigned long long)life->seed);
}

static uint64_t between(struct world *world, uint64_t least, uint64_t most)
{
        return least + world_chance(world) % (most - least + 1);
}

static bool one_in(struct world *world, unsigned n)
{
        return world_chance(world) % n == 0;
}

/* ---- how a day is made ----------------------------------------------------------------------------------------------- */

static struct happening *add(struct life *life, enum happening_kind kind, usec_t at)
{
        assert_true(life->happenings_n < HAPPENINGS_MAX);
        life->happenings[life->happenings_n] = (struct happening){ .kind = kind, .at = at };
        return &life->happenings[life->happenings_n++];
}

static int by_time(const void *a, const void *b)
{
        const struct happening *x = a, *y = b;

        return x->at < y->at ? -1 : x->at > y->at;
}

static void add_rules(struct life *life)
{
        struct world *world = &life->world;

        world_rule(world, "critical", MANAGER_PM2, "root/agent-[12]")->critical = true;
        world_rule(world, "observed", MANAGER_PM2, "root/agent-[34]")->mode = MODE_OBSERVE;
        world_rule(world, "dear", MANAGER_SYSTEMD, "agent-6.service")->critical = true;
        world_rule(world, "apps", MANAGER_PM2, "*");
        world_rule(world, "units", MANAGER_SYSTEMD, "*");
        world->policy.machine.memory_floor_bytes = between(world, 100, 400) * MB;
        world->policy.machine.actions_at_most = (uint32_t)between(world, 2, 8);
}

/* Units are multiples of three; the first one is the base of two others, one of them critical. */
static uint64_t add_agents(struct life *life)
{
        struct world *world = &life->world;
        int agents = (int)between(world, 8, 24);
        uint64_t sum = 0;

        for (int n = 0; n < agents; n++) {
                char id[64];
                struct actor *actor;

                snprintf(id, sizeof(id), n % 3 ? "pm2:root/agent-%d" : "systemd:agent-%d.service", n);
                actor = world_add(world, id);
                actor->needs = between(world, 5, 80) * MB;
                actor->holds = actor->needs + between(world, 0, 60) * MB;
                sum += actor->holds;
        }
        world->actors[3].base = world->actors[6].base = 0;
        world->actors[3].dependency = DEPENDENCY_REQUIRES;
        world->actors[6].dependency = one_in(world, 2) ? DEPENDENCY_REQUIRES : DEPENDENCY_BINDS;
        if (agents > 9)
                world->actors[9].carries = one_in(world, 2);
        for (int n = 0; n < agents; n++) {
                life->observed[n] = n == 4;
                life->spared[n] = n == 0 || n == 1 || n == 2 || n == 6 || world->actors[n].carries;
        }
        return sum;
}

static void make(struct life *life)
{
        struct world *world = &life->world;
        uint64_t sum;

        add_rules(life);
        sum = add_agents(life);
        for (unsigned n = (unsigned)between(world, 2, 8); n > 0; n--) {
                struct happening *leak = add(life, HAPPEN_LEAK, between(world, 5 * MIN, LIFE));

                leak->actor = (int)between(world, 0, (uint64_t)world->actors_n - 1);
                leak->bytes = between(world, 0, 20) * MB;
        }
        for (unsigned n = (unsigned)between(world, 0, 12); n > 0; n--) {
                usec_t at = between(world, 5 * MIN, LIFE);
                uint64_t bytes = between(world, 50, 500) * MB;

                add(life, HAPPEN_SQUEEZE, at)->bytes = bytes;
                add(life, HAPPEN_RELIEF, at + between(world, S, HOUR))->bytes = bytes;
        }
        for (unsigned n = (unsigned)between(world, 0, 8); n > 0; n--)
                add(life, one_in(world, 2) ? HAPPEN_HUMAN : HAPPEN_DIE, between(world, 5 * MIN, LIFE))->actor =
                        (int)between(world, 0, (uint64_t)world->actors_n - 1);
        for (unsigned n = one_in(world, 3) ? 3 : 0; n > 0; n--) {
                usec_t at = between(world, 5 * MIN, LIFE);

                add(life, HAPPEN_LEAVE, at);
                add(life, HAPPEN_RETURN, at + between(world, S, 5 * MIN));
        }
        qsort(life->happenings, (size_t)life->happenings_n, sizeof(*life->happenings), by_time);
        if (one_in(world, 3))
                world->faults = (struct faults){ .refused = 100, .silent = 60 };
        world_judge(world);
        world_start(world);
        world_memory(world, sum + world->policy.machine.memory_floor_bytes + between(world, 50, 500) * MB, 0);
}

/* ---- what is really so ----------------------------------------------------------------------------------------------- */

static uint64_t enough(const struct life *life)
{
        uint64_t floor = life->world.policy.machine.memory_floor_bytes;

        return floor + floor / 8;
}

static bool may_be_restarted(const struct life *life, int n)
{
        const struct world *world = &life->world;
        const struct actor *actor = &world->actors[n];

        return actor->up && !life->spared[n] && !life->observed[n] &&
               (life->flushed[n] == 0 || world->now - life->flushed[n] > 9 * HOUR) &&
               (life->touched[n] == 0 || world->now - life->touched[n] > 11 * MIN) &&
               actor->holds > actor->needs + 40 * MB && actor->holds > 60 * MB;
}

/* Told in time, acted on when somebody could be restarted, and over in time. */
static void check(struct life *life)
{
        const struct world *world = &life->world;
        usec_t now = world->now;

        if (world->away || now < life->disturbed)
                return;
        if (life->below_since > 0 && now - life->below_since > 15 * S && !life->open)
                broken(life, "below the floor, and not told");
        if (life->above_since > 0 && now - life->above_since > 3 * MIN && life->open)
                broken(life, "above the floor, and still open");
        if (life->owes_act && now - life->opened_at > MIN)
                broken(life, "somebody could have been restarted, and nobody was");
}

static void look_at_memory(struct life *life)
{
        struct world *world = &life->world;
        uint64_t available = world_available(world);

        if (available < enough(life))
                life->short_at = world->now;
        if (available >= world->policy.machine.memory_floor_bytes)
                life->below_since = 0, life->owes_act = false;
        else if (life->below_since == 0)
                life->below_since = world->now;
        if (available < enough(life) + MB)
                life->above_since = 0;
        else if (life->above_since == 0)
                life->above_since = world->now;
        check(life);
}

/* ---- what the judge may never do ------------------------------------------------------------------------------------- */

static int index_of(const struct world *world, const char *id)
{
        for (int n = 0; n < world->actors_n; n++)
                if (strcmp(world->actors[n].id, id) == 0)
                        return n;
        return -1;
}

static void check_budget(struct life *life)
{
        const struct machine_rule *machine = &life->world.policy.machine;
        unsigned n = 0;

        life->acts[life->acts_n++ % ACTS_MAX] = life->world.now;
        for (unsigned k = 0; k < life->acts_n && k < ACTS_MAX; k++)
                n += life->acts[(life->acts_n - 1 - k) % ACTS_MAX] + machine->actions_within > life->world.now;
        if (n > machine->actions_at_most)
                broken(life, "more actions than the budget allows");
}

static void check_flush(struct life *life, const struct decision *decision)
{
        const struct world *world = &life->world;
        int n = index_of(world, decision->agent);

        if (n < 0 || decision->action != ACTION_RESTART || decision->cause != CAUSE_MEMORY_FLOOR || !life->open)
                broken(life, "a flush that is none");
        if (life->spared[n])
                broken(life, "one that is not to be touched is restarted");
        if (decision->enforce == life->observed[n])
                broken(life, "an observed agent is touched, or another one is not");
        if (life->flushed[n] > 0 && world->now - life->flushed[n] < COOL)
                broken(life, "restarted again before it cooled down");
        if (life->touched[n] > 0 && world->now - life->touched[n] < 10 * MIN - S)
                broken(life, "a human acted on it a short while ago");
        if (life->short_at == 0 || world->now - life->short_at > 15 * S)
                broken(life, "there is enough memory");
        life->flushed[n] = world->now;
        life->owes_act = false;
        if (!decision->enforce)
                return;
        if (life->under_way >= 0 || (life->ordered_at > 0 && world->now - life->ordered_at < 2 * S))
                broken(life, "two restarts at a time");
        life->under_way = n;
        life->ordered_at = world->now;
        (*life->restarts)++;
}

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
        mix(hash, &decision->withheld, sizeof(decision->withheld));
        mix(hash, decision->reason, strlen(decision->reason));
}

static void on_floor(struct life *life, const struct decision *decision)
{
        bool undisturbed = life->world.now > life->disturbed && life->acts_n == 0;

        if (decision->kind == DECIDE_OPEN) {
                if (life->open)
                        broken(life, "opened twice");
                if (life->short_at == 0 || life->world.now - life->short_at > S)
                        broken(life, "opened with enough memory");
                life->open = true;
                life->opened_at = life->world.now;
                (*life->incidents)++;
                for (int n = 0; n < life->world.actors_n && undisturbed; n++)
                        life->owes_act |= may_be_restarted(life, n) && life->world.faults.refused == 0;
        } else if (decision->kind == DECIDE_RESOLVE) {
                life->open = life->owes_act = false;
        }
}

static void on_decision(struct world *world, const struct decision *decision)
{
        struct life *life = world->self;

        mix_decision(&life->hash, decision);
        life->decided++;
        if (decision->cause == CAUSE_MEMORY_FLOOR && !*decision->agent)
                on_floor(life, decision);
        if (decision->kind != DECIDE_ACT)
                return;
        if (decision->purpose == PURPOSE_FLUSH)
                check_flush(life, decision);
        if (decision->enforce)
                check_budget(life);
}

static void record(struct life *life, const struct fact *fact)
{
        struct recorded *record = &life->records[life->records_n++];

        assert_true(life->records_n < RECORDS_MAX);
        record->fact = *fact;
        text_copy(record->agent, sizeof(record->agent), fact->agent);
        record->fact.agent = record->agent;
        if (fact_is_memory(fact->kind)) {
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
        } else if (fact->kind == FACT_WEIGHT) {
                text_copy(record->text, sizeof(record->text), fact->weight.name);
                record->fact.weight.name = record->text;
        }
}

static void on_sent(struct world *world, const struct fact *fact, bool material)
{
        struct life *life = world->self;

        if (fact->kind == FACT_OUTCOME && fact->outcome.purpose == PURPOSE_FLUSH &&
            fact->outcome.outcome != OUTCOME_DRY && life->under_way == index_of(world, fact->agent))
                life->under_way = -1;
        if (fact->kind == FACT_HOST)
                look_at_memory(life);
        if (material && life->records)
                record(life, fact);
}

/* ---- what happens ---------------------------------------------------------------------------------------------------- */

static void happen(struct life *life, const struct happening *happening)
{
        struct world *world = &life->world;
        struct actor *actor = &world->actors[happening->actor];

        world_available(world); /* what it leaked so far */
        switch (happening->kind) {
        case HAPPEN_LEAK: actor->leaks = happening->bytes; break;
        case HAPPEN_SQUEEZE: world->memory.others += happening->bytes; break;
        case HAPPEN_RELIEF: world->memory.others -= happening->bytes; break;
        case HAPPEN_HUMAN:
                if (!actor->up)
                        break;
                life->touched[happening->actor] = world->now;
                world_human(world, actor, ACTION_RESTART);
                break;
        case HAPPEN_DIE:
                if (!actor->up)
                        break;
                actor->leaks = 0;
                world_die(world, actor);
                break;
        case HAPPEN_LEAVE:
                if (!world->away)
                        world_leave(world);
                break;
        case HAPPEN_RETURN:
                if (!world->away)
                        break;
                life->under_way = -1;
                life->disturbed = world->now + 2 * MIN;
                world_return(world);
                break;
        }
}

static void live_through(struct life *life, uint64_t seed, bool swap)
{
        uint64_t swaps = seed;

        life->seed = seed;
        life->hash = 0xcbf29ce484222325;
        life->under_way = -1;
        world_init(&life->world, seed);
        life->world.quiet = getenv("SIM_SEED") == NULL;
        life->world.self = life;
        life->world.decided = on_decision;
        life->world.sent = on_sent;
        life->disturbed = life->world.now + 2 * MIN;
        make(life);
        for (int n = 0; n < life->happenings_n; n++) {
                world_run_until(&life->world, life->happenings[n].at);
                swaps = swaps * 6364136223846793005 + 1442695040888963407;
                if (swap && !life->world.away && swaps >> 63) {
                        world_remember(&life->world);
                        life->disturbed = life->world.now + MIN;
                }
                happen(life, &life->happenings[n]);
        }
        world_run_until(&life->world, LIFE + HOUR);
        if (getenv("SIM_SEED"))
                fputs(world_trace(&life->world), stdout);
}

static struct life *life_new(unsigned long *restarts, unsigned long *incidents)
{
        struct life *life = calloc(1, sizeof(*life));

        assert_non_null(life);
        life->restarts = restarts;
        life->incidents = incidents;
        return life;
}

static void life_free(struct life *life)
{
        for (size_t n = 0; n < life->records_n; n++)
                free(life->records[n].remembered);
        free(life->records);
        world_done(&life->world);
        free(life);
}

static uint64_t live(uint64_t seed, bool swap, unsigned long *restarts, unsigned long *incidents)
{
        struct life *life = life_new(restarts, incidents);
        uint64_t hash;

        live_through(life, seed, swap);
        hash = life->hash;
        life_free(life);
        return hash;
}

/* ---- the tests ------------------------------------------------------------------------------------------------------- */

static void who_may_not_be_touched_never_is_and_what_is_short_is_told(void **state)
{
        uint64_t lives = getenv("SIM_LIVES") ? strtoull(getenv("SIM_LIVES"), NULL, 10) : LIVES;
        unsigned long restarts = 0, incidents = 0;

        if (getenv("SIM_SEED")) {
                live(strtoull(getenv("SIM_SEED"), NULL, 10), false, &restarts, &incidents);
                return;
        }
        for (uint64_t seed = 1; seed <= lives; seed++)
                live(seed, false, &restarts, &incidents);
        printf("%llu days, %lu times below the floor, %lu restarts\n", (unsigned long long)lives, incidents, restarts);
        if (lives >= LIVES)
                assert_true(incidents > lives && restarts > lives);
}

/* The judge's memory goes through the chain while samples come in: only those are new to it. */
static void a_judge_made_from_its_memory_breaks_no_rule(void **state)
{
        unsigned long restarts = 0, incidents = 0;

        for (uint64_t seed = 1; seed <= 40 && !getenv("SIM_SEED"); seed++)
                live(seed, true, &restarts, &incidents);
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

static bool stays(const struct life *life)
{
        for (int n = 0; n < life->happenings_n; n++)
                if (life->happenings[n].kind == HAPPEN_LEAVE)
                        return false;
        return true;
}

static void the_recorded_facts_alone_give_the_same_decisions(void **state)
{
        unsigned long restarts = 0, incidents = 0;
        uint64_t decided, records = 0, lives = 0;

        for (uint64_t seed = 1; seed <= 60 && !getenv("SIM_SEED"); seed++) {
                struct life *life = life_new(&restarts, &incidents);

                life->records = calloc(RECORDS_MAX, sizeof(*life->records));
                assert_non_null(life->records);
                live_through(life, seed, false);
                if (stays(life) && replay(life, &decided) != life->hash)
                        fail_msg("life %llu: %llu decisions, its %llu records lead to %llu", (unsigned long long)seed,
                                 (unsigned long long)life->decided, (unsigned long long)life->records_n,
                                 (unsigned long long)decided);
                lives += stays(life);
                records += life->records_n;
                life_free(life);
        }
        printf("%llu days follow from their records, %llu a day\n", (unsigned long long)lives,
               (unsigned long long)(records / 60));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_may_not_be_touched_never_is_and_what_is_short_is_told),
                cmocka_unit_test(a_judge_made_from_its_memory_breaks_no_rule),
                cmocka_unit_test(the_recorded_facts_alone_give_the_same_decisions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
