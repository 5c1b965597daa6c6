#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"

#define WORLD_EPOCH (1700000000 * USEC_PER_SEC)
#define TELL_DELAY (2 * USEC_PER_MSEC) /* from the kernel's word to the manager's */

uint64_t world_chance(struct world *world)
{
        uint64_t x = world->chance += 0x9e3779b97f4a7c15;

        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
}

usec_t world_age(const struct world *world)
{
        return world->now - world->began;
}

/* ---- the policy ----------------------------------------------------------------------------------------------------- */

static void default_rule(struct rule *rule)
{
        *rule = (struct rule){
                .name = "default",
                .mode = MODE_ENFORCE,
                .restarts = { { 2, USEC_PER_MINUTE }, { 4, 10 * USEC_PER_MINUTE }, { 9, USEC_PER_DAY } },
                .restarts_n = 3,
                .heal = { .ladder = { RUNG_RESTART, RUNG_QUARANTINE },
                          .ladder_n = 2,
                          .backoff_first = 5 * USEC_PER_SEC,
                          .backoff_most = 5 * USEC_PER_MINUTE,
                          .trial_after = 15 * USEC_PER_MINUTE,
                          .proven_after = 10 * USEC_PER_MINUTE },
                .origin = { "10-test.yaml", 3 },
        };
}

void world_init(struct world *world, uint64_t seed)
{
        *world = (struct world){ .now = WORLD_EPOCH, .began = WORLD_EPOCH, .seed = seed, .chance = seed, .pids = 1000 };
        world->memory.next = USEC_INFINITY;
        world->restored = OUTCOME_OK;
        world->queue = calloc(WORLD_QUEUE_MAX, sizeof(*world->queue));
        world->trace = calloc(1, WORLD_TRACE_MAX);
        assert(world->queue && world->trace);
        world->limits = (struct judge_limits){ .agents_max = 128, .instances_max = 256, .incidents_max = 64 };
        world->policy = (struct policy){ .mode = MODE_ENFORCE,
                                         .discovered = true,
                                         .rules = world->rules,
                                         .machine = { .actions_at_most = 6, .actions_within = 10 * USEC_PER_MINUTE } };
        default_rule(&world->policy.fallback);
}

void world_done(struct world *world)
{
        free(world->judge);
        free(world->queue);
        free(world->trace);
        world->judge = NULL;
}

struct rule *world_rule(struct world *world, const char *name, enum manager manager, const char *pattern)
{
        struct rule *rule;

        assert(world->policy.rules_n < WORLD_RULES_MAX);
        rule = &world->rules[world->policy.rules_n++];
        default_rule(rule);
        rule->name = name;
        rule->manager = manager;
        rule->pattern = pattern;
        world->policy.discovered = false;
        return rule;
}

void world_judge(struct world *world)
{
        void *memory = calloc(1, judge_size(&world->limits));

        assert(memory);
        free(world->judge);
        world->judge = judge_init(memory, &world->limits, &world->policy, world->seed);
}

/* ---- what the judge says -------------------------------------------------------------------------------------------- */

static struct actor *find_actor(struct world *world, const char *id, uint32_t number)
{
        for (int n = 0; n < world->actors_n; n++)
                if (strcmp(world->actors[n].id, id) == 0 &&
                    (number == INSTANCE_ALL || world->actors[n].number == number))
                        return &world->actors[n];
        return NULL;
}

static void write_trace(struct world *world, const struct decision *decision)
{
        if (world->quiet)
                return;
        char line[1024] = "", name[AGENT_ID_MAX] = "machine", incident[INCIDENT_NAME_MAX] = "";

        if (*decision->agent)
                agent_short_name(decision->agent, name);
        else if (decision->path)
                text_copy(name, sizeof(name), decision->path);
        if (decision->incident)
                incident_name(incident, decision->incident);
        text_append(line, sizeof(line), "%llu.%llus ",
                    (unsigned long long)((decision->at - world->began) / USEC_PER_SEC),
                    (unsigned long long)((decision->at - world->began) / (USEC_PER_SEC / 10) % 10));
        switch (decision->kind) {
        case DECIDE_ACT:
                text_append(line, sizeof(line), "%s%s %s (%s)%s%s\n", decision->enforce ? "" : "would ",
                            action_name(decision->action), name, purpose_name(decision->purpose),
                            decision->trial ? ": " : "", decision->trial ? decision->reason : "");
                break;
        case DECIDE_WITHHOLD:
                text_append(line, sizeof(line), "withhold %s %s (%s): %s\n", action_name(decision->action), name,
                            withheld_name(decision->withheld), decision->reason);
                break;
        default:
                text_append(line, sizeof(line), "%s %s %s %s: %s\n", decision_kind_name(decision->kind), incident, name,
                            cause_name(decision->cause), decision->reason);
                break;
        }
        size_t n = strlen(line);
        if (world->trace_n + n + 1 < WORLD_TRACE_MAX) {
                memcpy(world->trace + world->trace_n, line, n + 1);
                world->trace_n += n;
        }
}

const char *world_trace(const struct world *world)
{
        return world->trace;
}

void world_forget_trace(struct world *world)
{
        world->trace_n = 0;
        world->trace[0] = '\0';
}

static void outcome_fact(struct world *world, const struct decision *decision, enum outcome outcome)
{
        struct fact fact = { .kind = FACT_OUTCOME,
                             .manager = decision->manager,
                             .agent = decision->agent,
                             .instance = decision->instance,
                             .outcome = { decision->action, decision->purpose, outcome, "", decision->trial,
                                          decision->path } };

        world_send(world, &fact);
}

static void perform(struct world *world, const struct decision *decision)
{
        struct actor *actor = find_actor(world, decision->agent, decision->instance);

        if (!decision->enforce) {
                outcome_fact(world, decision, OUTCOME_DRY);
                return;
        }
        if (decision->action == ACTION_RESTORE) {
                world->restores++;
                if (world->restored != OUTCOME_NONE)
                        outcome_fact(world, decision, world->restored);
                return;
        }
        assert(actor && world->orders_n < sizeof(world->orders) / sizeof(*world->orders));
        struct order *order = &world->orders[world->orders_n++];
        *order = (struct order){ .at = world->now + 20 * USEC_PER_MSEC,
                                 .actor = (int)(actor - world->actors),
                                 .action = decision->action,
                                 .purpose = decision->purpose,
                                 .trial = decision->trial };
        if (decision->action == ACTION_ROLLBACK) {
                text_copy(order->from, sizeof(order->from), decision->from);
                text_copy(order->to, sizeof(order->to), decision->to);
        }
}

static void answer_weights(struct world *world);

void world_send(struct world *world, const struct fact *fact)
{
        struct decisions *decisions = malloc(sizeof(*decisions));
        struct fact now = *fact;

        assert(decisions);
        if (world->away) {
                free(decisions);
                return;
        }
        now.at = world->now;
        if (!now.agent)
                now.agent = "";
        judge_step(world->judge, &now, decisions);
        if (world->sent)
                world->sent(world, &now, decisions->material);
        for (unsigned n = 0; n < decisions->n; n++) {
                write_trace(world, &decisions->list[n]);
                if (world->decided)
                        world->decided(world, &decisions->list[n]);
        }
        for (unsigned n = 0; n < decisions->n; n++) {
                /* what is performed sends facts of its own: the loan is over then */
                struct decision decision = decisions->list[n];
                char id[AGENT_ID_MAX], to[WORLD_VERSION_MAX], path[FILE_PATH_MAX];

                if (decision.kind != DECIDE_ACT)
                        continue;
                text_copy(id, sizeof(id), decision.agent);
                decision.agent = id;
                if (decision.path) {
                        text_copy(path, sizeof(path), decision.path);
                        decision.path = path;
                }
                if (decision.to) {
                        text_copy(to, sizeof(to), decision.to);
                        decision.to = to;
                }
                perform(world, &decision);
        }
        if (decisions->remember) {
                struct remembered scratch;
                struct fact memory;

                while (judge_remember_due(world->judge, &scratch, &memory))
                        world_send(world, &memory);
        }
        if (decisions->weigh && world->memory.next != USEC_INFINITY)
                answer_weights(world);
        free(decisions);
}

/* ---- facts on their way --------------------------------------------------------------------------------------------- */

static void enqueue(struct world *world, const struct fact *fact, usec_t delay)
{
        size_t n = world->queue_n++;

        assert(n < WORLD_QUEUE_MAX);
        world->queue[n].at = world->now + delay;
        world->queue[n].fact = *fact;
        text_copy(world->queue[n].agent, AGENT_ID_MAX, fact->agent ? fact->agent : "");
        if (fact->kind == FACT_DEPENDS)
                text_copy(world->queue[n].on, AGENT_ID_MAX, fact->depends.on);
        if (fact->kind == FACT_AGENT)
                text_copy(world->queue[n].text, AGENT_ID_MAX, fact->agent_is.word);
        if (fact->kind == FACT_WEIGHT)
                text_copy(world->queue[n].text, AGENT_ID_MAX, fact->weight.name);
}

static void list_again(struct world *world, const struct fact *fact)
{
        struct actor *actor = find_actor(world, fact->agent, fact->instance);

        if (actor && actor->relist_at == USEC_INFINITY)
                actor->relist_at = world->now + 5 * USEC_PER_SEC + world_chance(world) % (55 * USEC_PER_SEC);
}

static void tell(struct world *world, const struct fact *fact, usec_t delay)
{
        const struct faults *faults = &world->faults;

        if (world->blind[fact->manager] && fact->kind != FACT_DIED)
                return;
        if (faults->lost > 0 && fact->kind != FACT_DIED && world_chance(world) % 1000 < faults->lost) {
                list_again(world, fact);
                return;
        }
        if (faults->late > 0 && world_chance(world) % 1000 < faults->late)
                delay += world_chance(world) % faults->late_most;
        enqueue(world, fact, delay);
        if (faults->twice > 0 && world_chance(world) % 1000 < faults->twice)
                enqueue(world, fact, delay + world_chance(world) % (faults->late_most + 1));
}

static void deliver(struct world *world, size_t n)
{
        struct fact fact = world->queue[n].fact;
        char agent[AGENT_ID_MAX], on[AGENT_ID_MAX], text[AGENT_ID_MAX];

        memcpy(agent, world->queue[n].agent, sizeof(agent));
        memcpy(on, world->queue[n].on, sizeof(on));
        memcpy(text, world->queue[n].text, sizeof(text));
        memmove(&world->queue[n], &world->queue[n + 1], (world->queue_n - n - 1) * sizeof(*world->queue));
        world->queue_n--;
        fact.agent = agent;
        if (fact.kind == FACT_DEPENDS)
                fact.depends.on = on;
        if (fact.kind == FACT_AGENT) {
                fact.agent_is.word = text;
                fact.agent_is.result = "";
        }
        if (fact.kind == FACT_WEIGHT)
                fact.weight.name = text;
        world_send(world, &fact);
}

static struct fact about(const struct actor *actor, enum fact_kind kind)
{
        return (struct fact){ .kind = kind, .manager = actor->manager, .agent = actor->id, .instance = actor->number };
}

static void tell_listed(struct world *world, struct actor *actor, usec_t delay, bool first)
{
        static const char *const pm2_words[CLAIMED_N] = { "unknown",  "launching",       "online",
                                                          "stopping", "waiting restart", "stopped",
                                                          "errored",  "stopped",         "" };
        static const char *const unit_words[CLAIMED_N] = {
                "unknown",       "activating/start",        "active/running",
                "deactivating",  "activating/auto-restart", "inactive/dead",
                "failed/failed", "active/running",          "",
        };
        struct fact fact = about(actor, FACT_AGENT);

        fact.agent_is.claimed = actor->claimed;
        fact.agent_is.word = (actor->manager == MANAGER_PM2 ? pm2_words : unit_words)[actor->claimed];
        fact.agent_is.pid =
                actor->up || (actor->manager == MANAGER_PM2 && actor->claimed == CLAIMED_WAITING) ? actor->pid : 0;
        fact.agent_is.restarts = actor->restarts;
        fact.agent_is.result = "";
        fact.agent_is.first = first;
        tell(world, &fact, delay);
}

static void tell_started(struct world *world, struct actor *actor, bool ordered, usec_t since)
{
        struct fact fact = about(actor, FACT_STARTED);

        fact.started.pid = actor->pid;
        fact.started.start = actor->start;
        fact.started.ordered = ordered;
        fact.started.since = since;
        fact.started.by_hand = since > 0 && actor->by_hand; /* its manager's notes, at first sight */
        tell(world, &fact, TELL_DELAY);
}

static void tell_ended(struct world *world, struct actor *actor, enum ending ending)
{
        struct fact fact = about(actor, FACT_DIED);

        fact.ended.pid = actor->pid;
        fact.ended.start = actor->start;
        fact.ended.ending = ENDING_UNKNOWN;
        tell(world, &fact, 0);
        fact.kind = FACT_ENDED;
        fact.ended.ending = ending;
        if (ending == ENDING_EXIT)
                fact.ended.code = actor->code;
        if (ending == ENDING_SIGNAL || ending == ENDING_OOM)
                fact.ended.signal = actor->signal;
        tell(world, &fact, TELL_DELAY);
}

/* ---- memory ---------------------------------------------------------------------------------------------------------- */

#define WEIGHTS_MAX 16
#define WEIGH_DELAY (30 * USEC_PER_MSEC)

static void grow(struct world *world)
{
        for (int n = 0; n < world->actors_n; n++) {
                struct actor *actor = &world->actors[n];

                if (actor->up)
                        actor->holds += actor->leaks * (world->now - actor->held_at) / USEC_PER_MINUTE;
                actor->held_at = world->now;
        }
}

uint64_t world_available(struct world *world)
{
        uint64_t used = world->memory.others;

        grow(world);
        for (int n = 0; n < world->actors_n; n++)
                used += world->actors[n].up ? world->actors[n].holds : 0;
        return used < world->memory.total ? world->memory.total - used : 0;
}

void world_memory(struct world *world, uint64_t total, uint64_t others)
{
        world->memory.total = total;
        world->memory.others = others;
        world->memory.next = world->now;
        for (int n = 0; n < world->actors_n; n++)
                world->actors[n].held_at = world->now;
}

/* Seldom while there is much, twice a second near the floor, as the observer does. */
static void sample_host(struct world *world)
{
        uint64_t available = world_available(world), floor = world->policy.machine.memory_floor_bytes;
        struct fact fact = { .kind = FACT_HOST,
                             .agent = "",
                             .host = { .total_bytes = world->memory.total,
                                       .available_bytes = available,
                                       .memory_some_avg10 = world->memory.some,
                                       .memory_full_avg10 = world->memory.full,
                                       .cpus = 2,
                                       .uptime = world_age(world) + USEC_PER_DAY } };
        struct floor_view view = { .closely = false };

        if (!world->away)
                judge_floor(world->judge, &view);
        world->memory.next =
                world->now + (available < floor + floor / 8 || view.closely ? 500 * USEC_PER_MSEC : 5 * USEC_PER_SEC);
        world_send(world, &fact);
}

static void enqueue_weight(struct world *world, const struct actor *actor, uint32_t left)
{
        struct fact fact = { .kind = FACT_WEIGHT, .agent = "", .instance = INSTANCE_ALL };

        fact.weight.name = "mysqld";
        fact.weight.pid = 812;
        fact.weight.how = WEIGHED_STATUS;
        fact.weight.frees_bytes = world->memory.others;
        if (actor) {
                fact.agent = actor->id;
                fact.manager = actor->manager;
                fact.instance = actor->number;
                fact.weight = (__typeof__(fact.weight)){ .name = "",
                                                         .pid = actor->pid,
                                                         .start = actor->start,
                                                         .frees_bytes = actor->holds,
                                                         .swap_bytes = actor->swapped,
                                                         .of = MEMORY_OF_TREE,
                                                         .how = actor->up ? WEIGHED_ROLLUP : WEIGHED_NOT,
                                                         .carries = actor->carries };
        }
        fact.weight.left = left;
        enqueue(world, &fact, WEIGH_DELAY);
}

static void answer_weights(struct world *world)
{
        const char *agent;
        uint32_t instance, n = 0;
        const struct actor *asked[WORLD_ACTORS_MAX];

        if (!judge_weighs(world->judge, &agent, &instance))
                return;
        world->memory.asked++;
        if (world->memory.mute)
                return;
        grow(world);
        for (int k = 0; k < world->actors_n; k++)
                if (*agent ? strcmp(world->actors[k].id, agent) == 0 && world->actors[k].number == instance
                           : world->actors[k].up)
                        asked[n++] = &world->actors[k];
        for (uint32_t k = 0; k < n; k++)
                enqueue_weight(world, asked[k], n - k - (*agent ? 1 : 0));
        if (!*agent)
                enqueue_weight(world, NULL, 0);
}

/* ---- lives ---------------------------------------------------------------------------------------------------------- */

struct actor *world_add(struct world *world, const char *id)
{
        struct actor *actor = &world->actors[world->actors_n++];

        assert(world->actors_n <= WORLD_ACTORS_MAX);
        *actor = (struct actor){ .manager = agent_manager(id),
                                 .ill_from = USEC_INFINITY,
                                 .ill_until = USEC_INFINITY,
                                 .code = 1,
                                 .base = -1,
                                 .gives_up = true,
                                 .dies_at = USEC_INFINITY,
                                 .starts_at = USEC_INFINITY,
                                 .relist_at = USEC_INFINITY,
                                 .wanted = true };
        actor->restart_delay = actor->manager == MANAGER_PM2 ? 0 : USEC_PER_SEC;
        for (int n = 0; n < world->actors_n - 1; n++)
                if (strcmp(world->actors[n].id, id) == 0)
                        actor->number++;
        text_copy(actor->id, sizeof(actor->id), id);
        return actor;
}

static usec_t death_of(struct world *world, const struct actor *actor)
{
        usec_t life = actor->life, at;

        if (actor->ill_from == USEC_INFINITY || world->now >= actor->ill_until)
                return USEC_INFINITY;
        if (actor->scatter > 0 && life > 0) {
                usec_t width = life * actor->scatter / 100;
                life = life - width + world_chance(world) % (2 * width + 1);
        }
        at = (world->now > actor->ill_from ? world->now : actor->ill_from) + life;
        return at < actor->ill_until ? at : USEC_INFINITY;
}

static void come_up(struct world *world, struct actor *actor, bool ordered)
{
        actor->up = true;
        actor->by_hand = ordered;
        actor->pid = world->pids++;
        actor->start = (world->now - world->began) / 10000 + 500000;
        actor->began = world->now;
        actor->dies_at = death_of(world, actor);
        actor->starts_at = USEC_INFINITY;
        actor->claimed = CLAIMED_RUNNING;
        actor->by_judge = false;
        actor->holds = actor->needs;
        actor->held_at = world->now;
        tell_started(world, actor, ordered, 0);
        tell_listed(world, actor, TELL_DELAY + 1, false);
}

static void go_down(struct world *world, struct actor *actor, enum ending ending)
{
        actor->up = false;
        actor->dies_at = USEC_INFINITY;
        tell_ended(world, actor, ending);
}

/* PM2: sixteen exits younger than a second, within 16 seconds of the first start. systemd: five starts in ten seconds. */
static bool manager_gives_up(struct world *world, struct actor *actor)
{
        if (!actor->gives_up)
                return false;
        if (actor->manager == MANAGER_PM2) {
                if (world->now - actor->created < 16 * USEC_PER_SEC && world->now - actor->began < USEC_PER_SEC)
                        actor->unstable++;
                return actor->unstable >= 16;
        }
        return actor->starts[4] > 0 && world->now + actor->restart_delay - actor->starts[4] < 10 * USEC_PER_SEC;
}

static void note_start(struct world *world, struct actor *actor)
{
        memmove(actor->starts + 1, actor->starts, 4 * sizeof(*actor->starts));
        actor->starts[0] = world->now;
}

static void drag_dependents(struct world *world, struct actor *base, bool restarted);

void world_die(struct world *world, struct actor *actor)
{
        enum ending ending = actor->signal > 0 ? ENDING_SIGNAL : ENDING_EXIT;

        actor->deaths++;
        if (world->died)
                world->died(world, actor);
        go_down(world, actor, ending);
        if (actor->nobody_restarts) {
                actor->claimed = actor->code == 0 && actor->signal == 0 ? CLAIMED_STOPPED : CLAIMED_FAILED;
        } else if (manager_gives_up(world, actor)) {
                actor->claimed = CLAIMED_FAILED;
        } else {
                actor->claimed = actor->restart_delay > 0 ? CLAIMED_WAITING : CLAIMED_RUNNING;
                actor->starts_at = world->now + actor->restart_delay + 5 * USEC_PER_MSEC;
        }
        if (actor->claimed != CLAIMED_RUNNING)
                tell_listed(world, actor, TELL_DELAY + 1, false);
        drag_dependents(world, actor, false);
}

static void start(struct world *world, struct actor *actor, bool ordered)
{
        if (actor->up)
                return;
        note_start(world, actor);
        if (ordered) {
                actor->created = world->now;
                actor->unstable = 0;
                if (actor->manager == MANAGER_SYSTEMD)
                        actor->restarts = 0;
        } else {
                actor->restarts++;
        }
        come_up(world, actor, ordered);
        for (int n = 0; n < world->actors_n; n++) {
                struct actor *other = &world->actors[n];

                if (other->base == (int)(actor - world->actors) && !other->up && other->wanted && !other->by_judge &&
                    other->dependency == DEPENDENCY_REQUIRES && !ordered)
                        come_up(world, other, true);
        }
}

static void stop(struct world *world, struct actor *actor)
{
        actor->starts_at = USEC_INFINITY;
        if (actor->up)
                go_down(world, actor, ENDING_MANUAL);
        actor->claimed = CLAIMED_STOPPED;
        tell_listed(world, actor, TELL_DELAY + 1, false);
        drag_dependents(world, actor, true);
}

static void drag_dependents(struct world *world, struct actor *base, bool ordered)
{
        for (int n = 0; n < world->actors_n; n++) {
                struct actor *actor = &world->actors[n];

                if (actor->base != (int)(base - world->actors) || !actor->up)
                        continue;
                go_down(world, actor, ENDING_MANUAL);
                actor->claimed = CLAIMED_STOPPED;
                tell_listed(world, actor, TELL_DELAY + 1, false);
                (void)ordered;
        }
}

static void restart(struct world *world, struct actor *actor)
{
        bool was_up = actor->up;

        if (was_up) {
                actor->starts_at = USEC_INFINITY;
                go_down(world, actor, ENDING_MANUAL);
                drag_dependents(world, actor, true);
        }
        start(world, actor, true);
        if (was_up && actor->manager == MANAGER_PM2) {
                actor->restarts++;
                tell_listed(world, actor, TELL_DELAY + 2, false);
        }
        for (int n = 0; n < world->actors_n; n++)
                if (was_up && world->actors[n].base == (int)(actor - world->actors) && !world->actors[n].up)
                        come_up(world, &world->actors[n], true);
}

static void limit(struct world *world, struct actor *actor, bool limited)
{
        bool dies = limited && !actor->limited && actor->choked > 0 && actor->up;

        actor->limited = limited;
        if (dies && world->now + actor->choked < actor->dies_at)
                actor->dies_at = world->now + actor->choked;
}

static void carry_out(struct world *world, const struct order *order)
{
        struct actor *actor = &world->actors[order->actor];
        struct fact fact = about(actor, FACT_OUTCOME);
        bool refused = world->deaf, silent = false;

        if (world->faults.refused > 0 && world_chance(world) % 1000 < world->faults.refused)
                refused = true;
        if (world->faults.silent > 0 && world_chance(world) % 1000 < world->faults.silent) {
                silent = true;
                refused = world_chance(world) % 2;
        }
        fact.outcome.action = order->action;
        fact.outcome.purpose = order->purpose;
        fact.outcome.outcome = silent ? OUTCOME_TIMEOUT : refused ? OUTCOME_FAILED : OUTCOME_OK;
        fact.outcome.text = "";
        fact.outcome.trial = order->trial;
        if (order->action == ACTION_LIMIT || order->action == ACTION_UNLIMIT) {
                if (!refused)
                        limit(world, actor, order->action == ACTION_LIMIT);
        } else if (!refused && order->action == ACTION_STOP) {
                stop(world, actor);
                actor->by_judge = true;
        } else if (!refused && order->action == ACTION_START) {
                start(world, actor, true);
        } else if (!refused && order->action == ACTION_ROLLBACK && strcmp(order->from, actor->version) != 0) {
                fact.outcome.outcome = OUTCOME_STALE;
        } else if (!refused) {
                if (order->action == ACTION_ROLLBACK)
                        world_version(world, actor, order->to, "");
                restart(world, actor);
        }
        enqueue(world, &fact, silent ? 10 * USEC_PER_SEC : 10 * USEC_PER_MSEC);
}

void world_human(struct world *world, struct actor *actor, enum action action)
{
        actor->wanted = action != ACTION_STOP;
        if (action == ACTION_STOP)
                stop(world, actor);
        else if (action == ACTION_START)
                start(world, actor, true);
        else
                restart(world, actor);
}

/* What its files are together; a version that is bad for it makes each life ill that begins under it. */
void world_version(struct world *world, struct actor *actor, const char *version, const char *lacks)
{
        struct fact fact = about(actor, FACT_VERSION);

        if (strcmp(actor->version, version) != 0) {
                actor->version_at = world->now;
                text_copy(actor->version, sizeof(actor->version), version);
        }
        if (*actor->bad)
                actor->ill_from = text_starts(version, actor->bad) ? world->now : USEC_INFINITY;
        fact.instance = INSTANCE_ALL;
        fact.version.step = VERSION_SEEN;
        fact.version.digest = actor->version;
        fact.version.since = actor->version_at;
        fact.version.files = 2;
        fact.version.lacks = lacks;
        world_send(world, &fact);
}

void world_config(struct world *world, const char *id, const char *path, enum config_change change, uint64_t before,
                  uint64_t size)
{
        struct fact fact = { .kind = FACT_CONFIG,
                             .manager = agent_manager(id),
                             .agent = id,
                             .instance = INSTANCE_ALL,
                             .config = { .change = change,
                                         .path = path,
                                         .what = "",
                                         .digest = "new",
                                         .sealed = "old",
                                         .size = size,
                                         .sealed_size = before,
                                         .mode = 0100644,
                                         .sealed_mode = 0100644,
                                         .modified = world->now,
                                         .differing = 1 } };

        world_send(world, &fact);
}

static void window(struct world *world, enum change_step step, uint64_t number, const char *id, const char *reason,
                   bool deploy, usec_t time)
{
        struct fact fact = { .kind = FACT_CHANGE,
                             .manager = agent_manager(id),
                             .agent = id,
                             .instance = INSTANCE_ALL,
                             .change = { .step = step,
                                         .number = number,
                                         .pattern = "",
                                         .since = step == CHANGE_OPEN ? world->now : world->window_since,
                                         .until = world->now + time,
                                         .by = "uid:0 pid:4711",
                                         .reason = reason,
                                         .deploy = deploy,
                                         .exited = deploy } };

        if (step == CHANGE_OPEN)
                world->window_since = world->now;
        world_send(world, &fact);
}

void world_window(struct world *world, enum change_step step, uint64_t number, const char *id, usec_t time)
{
        window(world, step, number, id, "test", false, time);
}

void world_deploy(struct world *world, enum change_step step, uint64_t number, const char *id, const char *reason)
{
        window(world, step, number, id, reason, true, 15 * USEC_PER_MINUTE);
}

void world_package(struct world *world, const char *name, enum package_change change, const char *before,
                   const char *after)
{
        struct fact fact = { .kind = FACT_PACKAGE,
                             .agent = "",
                             .package = { .change = change, .name = name, .before = before, .after = after } };

        fact.package.since = world->now;
        world_send(world, &fact);
}

void world_source(struct world *world, const char *name, enum manager manager, enum source_state state, const char *why)
{
        struct fact fact = { .kind = FACT_SOURCE,
                             .manager = manager,
                             .agent = "",
                             .source = { .name = name, .state = state, .why = why } };

        world_send(world, &fact);
}

void world_planned(struct world *world, const char *agent, enum ending ending, usec_t time, const char *by)
{
        struct fact fact = { .kind = FACT_PLANNED, .agent = agent, .planned = { ending, world->now + time, by } };

        world_send(world, &fact);
}

void world_ask(struct world *world, const char *agent, enum ask ask, uint64_t number)
{
        struct fact fact = {
                .kind = FACT_ASKED, .agent = agent, .instance = INSTANCE_ALL, .asked = { ask, number, "ann", "" }
        };

        world_send(world, &fact);
}

void world_trial(struct world *world, const char *agent, enum trial_step step, uint64_t number, usec_t span)
{
        struct fact fact = { .kind = FACT_TRIAL,
                             .manager = agent_manager(agent),
                             .agent = agent,
                             .instance = INSTANCE_ALL,
                             .trial = { .step = step,
                                        .of = TRIAL_OF_LIMITS,
                                        .number = number,
                                        .span = span,
                                        .by = "uid:0",
                                        .reason = "test",
                                        .why = "" } };

        if (step == TRIAL_BEGIN)
                limits_put(&fact.trial.limits, LIMIT_MEMORY_MAX, 128 << 20);
        world_send(world, &fact);
}

void world_start(struct world *world)
{
        world_source(world, "systemd", MANAGER_SYSTEMD, SOURCE_SEEING, "");
        world_source(world, "pm2:root@/root/.pm2", MANAGER_PM2, SOURCE_SEEING, "");
        for (int n = 0; n < world->actors_n; n++) {
                struct actor *actor = &world->actors[n];

                actor->up = true;
                actor->claimed = CLAIMED_RUNNING;
                actor->pid = world->pids++;
                actor->start = 400000;
                actor->began = world->now - USEC_PER_HOUR;
                actor->created = actor->began;
                actor->dies_at = death_of(world, actor);
                tell_listed(world, actor, 0, true);
                tell_started(world, actor, false, actor->began);
                if (actor->base >= 0) {
                        struct fact fact = about(actor, FACT_DEPENDS);

                        fact.depends.on = world->actors[actor->base].id;
                        fact.depends.dependency = actor->dependency;
                        enqueue(world, &fact, 3 * TELL_DELAY);
                }
        }
}

/* ---- the daemon comes and goes -------------------------------------------------------------------------------------- */

/* An order under way is carried out or not; nobody is there to hear which. */
void world_leave(struct world *world)
{
        world->away = true;
        world->cut_off_n = world->orders_n;
        memcpy(world->cut_off, world->orders, world->orders_n * sizeof(*world->orders));
        for (size_t n = 0; n < world->cut_off_n; n++)
                if (world_chance(world) % 2)
                        carry_out(world, &world->cut_off[n]);
        world->orders_n = 0;
}

void world_remember(struct world *world)
{
        struct judge *old = world->judge;
        struct remembered scratch;
        struct decisions *decisions = calloc(1, sizeof(*decisions));
        struct fact fact;
        uint32_t cursor = 0;

        assert(decisions);
        world->judge = NULL;
        world_judge(world);
        while (judge_remember(old, &cursor, &scratch, &fact)) {
                fact.at = world->now;
                judge_step(world->judge, &fact, decisions);
                assert(decisions->n == 0);
        }
        free(decisions);
        free(old);
}

static void list_one(struct world *world, struct actor *actor, bool first)
{
        actor->relist_at = USEC_INFINITY;
        tell_listed(world, actor, 0, first);
        if (actor->up)
                tell_started(world, actor, false, actor->began);
}

static void tell_all(struct world *world, enum manager manager, bool first)
{
        for (int n = 0; n < world->actors_n; n++)
                if (manager == MANAGER_NONE || world->actors[n].manager == manager)
                        list_one(world, &world->actors[n], first);
}

void world_blind(struct world *world, enum manager manager, bool blind)
{
        const char *name = manager == MANAGER_PM2 ? "pm2:root@/root/.pm2" : "systemd";

        world->blind[manager] = blind;
        world_source(world, name, manager, blind ? SOURCE_BLIND : SOURCE_SEEING, blind ? "no answer" : "");
        if (!blind)
                tell_all(world, manager, false);
}

void world_return(struct world *world)
{
        world->away = false;
        world->queue_n = 0;
        judge_resume(world->judge, world->now);
        world_remember(world);
        for (size_t n = 0; n < world->cut_off_n; n++) {
                struct fact fact = about(&world->actors[world->cut_off[n].actor], FACT_OUTCOME);

                fact.outcome.action = world->cut_off[n].action;
                fact.outcome.purpose = world->cut_off[n].purpose;
                fact.outcome.outcome = OUTCOME_UNKNOWN;
                fact.outcome.text = "";
                fact.outcome.trial = world->cut_off[n].trial;
                world_send(world, &fact);
        }
        world->cut_off_n = 0;
        world_listen(world);
}

void world_listen(struct world *world)
{
        world_source(world, "systemd", MANAGER_SYSTEMD, SOURCE_SEEING, "");
        world_source(world, "pm2:root@/root/.pm2", MANAGER_PM2, SOURCE_SEEING, "");
        tell_all(world, MANAGER_NONE, true);
        for (int n = 0; n < world->actors_n; n++)
                if (*world->actors[n].version)
                        world_version(world, &world->actors[n], world->actors[n].version, "");
}

void world_reboot(struct world *world)
{
        for (int n = 0; n < world->actors_n; n++) {
                struct actor *actor = &world->actors[n];

                actor->up = !actor->by_judge && actor->wanted;
                actor->pid = world->pids++;
                actor->start = 300;
                actor->began = actor->created = world->now;
                actor->restarts = 0;
                actor->starts_at = USEC_INFINITY;
                actor->claimed = actor->up ? CLAIMED_RUNNING : CLAIMED_STOPPED;
                actor->dies_at = actor->up ? death_of(world, actor) : USEC_INFINITY;
        }
}

void world_god_dies(struct world *world)
{
        for (int n = 0; n < world->actors_n; n++) {
                struct actor *actor = &world->actors[n];
                struct fact fact = about(actor, FACT_DIED);

                if (actor->manager != MANAGER_PM2)
                        continue;
                actor->starts_at = USEC_INFINITY;
                if (!actor->up)
                        continue;
                actor->up = false;
                actor->dies_at = USEC_INFINITY;
                fact.ended.pid = actor->pid;
                fact.ended.start = actor->start;
                enqueue(world, &fact, world_chance(world) % (7 * USEC_PER_SEC)); /* some notice only when they write */
        }
        world_source(world, "pm2:root@/root/.pm2", MANAGER_PM2, SOURCE_BLIND, "connection closed");
}

void world_god_returns(struct world *world)
{
        world_source(world, "pm2:root@/root/.pm2", MANAGER_PM2, SOURCE_SEEING, "");
        for (int n = 0; n < world->actors_n; n++) {
                struct actor *actor = &world->actors[n];

                if (actor->manager != MANAGER_PM2 || !actor->wanted || actor->by_judge)
                        continue;
                actor->restarts = 0;
                actor->created = world->now;
                come_up(world, actor, false);
        }
}

/* ---- single facts --------------------------------------------------------------------------------------------------- */

static struct fact single(enum fact_kind kind, const char *id, uint32_t number)
{
        return (struct fact){ .kind = kind, .manager = agent_manager(id), .agent = id, .instance = number };
}

void world_lists(struct world *world, const char *id, uint32_t number, enum claimed claimed, const char *word,
                 pid_t pid, uint64_t restarts, bool first)
{
        struct fact fact = single(FACT_AGENT, id, number);

        fact.agent_is.claimed = claimed;
        fact.agent_is.word = word;
        fact.agent_is.pid = pid;
        fact.agent_is.restarts = restarts;
        fact.agent_is.result = strcmp(word, "failed/start-limit-hit") == 0 ? "start-limit-hit" : "";
        fact.agent_is.first = first;
        world_send(world, &fact);
}

/* Processes that no actor plays began at a time that follows from their pid. */
static uint64_t start_of(struct world *world, const char *id, uint32_t number, pid_t pid)
{
        const struct actor *actor = find_actor(world, id, number);

        return actor && actor->pid == pid ? actor->start : (uint64_t)pid * 100;
}

void world_begins(struct world *world, const char *id, uint32_t number, pid_t pid, bool ordered)
{
        struct fact fact = single(FACT_STARTED, id, number);

        fact.started.pid = pid;
        fact.started.start = (uint64_t)pid * 100;
        fact.started.ordered = ordered;
        world_send(world, &fact);
}

void world_ends(struct world *world, const char *id, uint32_t number, pid_t pid, enum ending ending, int code)
{
        struct fact fact = single(FACT_ENDED, id, number);

        fact.ended.pid = pid;
        fact.ended.start = start_of(world, id, number, pid);
        fact.ended.ending = ending;
        if (ending == ENDING_SIGNAL || ending == ENDING_OOM)
                fact.ended.signal = code;
        else
                fact.ended.code = code;
        world_send(world, &fact);
}

void world_depends(struct world *world, const char *id, const char *on, enum dependency dependency)
{
        struct fact fact = single(FACT_DEPENDS, id, 0);

        fact.depends.on = on;
        fact.depends.dependency = dependency;
        world_send(world, &fact);
}

void world_strays(struct world *world, const char *id, enum stray stray, pid_t pid)
{
        struct fact fact = single(FACT_STRAY, id, 0);

        fact.stray.stray = stray;
        fact.stray.pid = pid;
        world_send(world, &fact);
}

void world_host(struct world *world, usec_t uptime)
{
        struct fact fact = { .kind = FACT_HOST, .agent = "", .host = { .uptime = uptime, .cpus = 2 } };

        world_send(world, &fact);
}

/* ---- time ----------------------------------------------------------------------------------------------------------- */

enum what { NOTHING, DEATH, START, ORDER, FACT, DEADLINE, LIST, SAMPLE };

static void earliest(enum what *what, size_t *which, usec_t *at, enum what candidate, size_t n, usec_t when)
{
        if (when < *at) {
                *what = candidate;
                *which = n;
                *at = when;
        }
}

/* One thing happens, the next one that is not after `until`. */
static bool advance(struct world *world, usec_t until)
{
        enum what what = NOTHING;
        size_t which = 0;
        usec_t at = until + 1;

        for (size_t n = 0; n < world->queue_n; n++)
                earliest(&what, &which, &at, FACT, n, world->queue[n].at);
        for (int n = 0; n < world->actors_n; n++) {
                earliest(&what, &which, &at, LIST, (size_t)n, world->actors[n].relist_at);
                if (world->actors[n].up)
                        earliest(&what, &which, &at, DEATH, (size_t)n, world->actors[n].dies_at);
                else
                        earliest(&what, &which, &at, START, (size_t)n, world->actors[n].starts_at);
        }
        for (size_t n = 0; n < world->orders_n; n++)
                earliest(&what, &which, &at, ORDER, n, world->orders[n].at);
        earliest(&what, &which, &at, SAMPLE, 0, world->memory.next);
        if (!world->away)
                earliest(&what, &which, &at, DEADLINE, 0, judge_deadline(world->judge));
        if (what == NOTHING)
                return false;
        if (at > world->now)
                world->now = at;
        switch (what) {
        case FACT: deliver(world, which); break;
        case DEATH: world_die(world, &world->actors[which]); break;
        case START: start(world, &world->actors[which], false); break;
        case LIST: list_one(world, &world->actors[which], false); break;
        case SAMPLE: sample_host(world); break;
        case ORDER: {
                struct order order = world->orders[which];

                memmove(&world->orders[which], &world->orders[which + 1], (--world->orders_n - which) * sizeof(order));
                carry_out(world, &order);
                break;
        }
        default: {
                struct fact fact = { .kind = FACT_TICK, .agent = "" };

                world_send(world, &fact);
                break;
        }
        }
        return true;
}

void world_run(struct world *world, usec_t time)
{
        usec_t until = world->now + time;

        while (advance(world, until))
                ;
        world->now = until;
}

void world_run_until(struct world *world, usec_t at)
{
        world_run(world, world->began + at > world->now ? world->began + at - world->now : 0);
}
