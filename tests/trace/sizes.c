#include "sizes.h"

void sample_of(struct world *world, struct actor *actor, uint64_t bytes, enum memory_of of)
{
        struct fact fact = { .kind = FACT_SAMPLE,
                             .manager = actor->manager,
                             .agent = actor->id,
                             .instance = actor->number,
                             .sample = { .pid = actor->pid,
                                         .start = actor->start,
                                         .memory_bytes = bytes,
                                         .of = of,
                                         .most_pid = actor->pid,
                                         .most_bytes = bytes } };

        if (actor->up)
                world_send(world, &fact);
}

void hold_every(struct world *world, struct actor *actor, uint64_t mb, usec_t time, usec_t every)
{
        for (usec_t passed = 0; passed < time; passed += every) {
                sample_of(world, actor, mb * MB, MEMORY_OF_PROCESS);
                world_run(world, every);
        }
}

void hold(struct world *world, struct actor *actor, uint64_t mb, usec_t time)
{
        hold_every(world, actor, mb, time, 5 * S);
}

/* ---- the chain ------------------------------------------------------------------------------------------------------ */

static void note_decisions(char *text, size_t size, const struct decisions *decisions)
{
        for (unsigned n = 0; n < decisions->n; n++)
                snprintf(text + strlen(text), size - strlen(text), "%llu %d %d %d %s\n",
                         (unsigned long long)decisions->list[n].at, decisions->list[n].kind, decisions->list[n].cause,
                         decisions->list[n].action, decisions->list[n].reason);
}

static void keep_decision(struct world *world, const struct decision *decision)
{
        struct decisions one = { .n = 1, .list = { *decision } };
        struct chain *chain = world->self;

        note_decisions(chain->decided, sizeof(chain->decided), &one);
}

static void keep_fact(struct world *world, const struct fact *fact, bool material)
{
        struct chain *chain = world->self;

        chain->samples += fact->kind == FACT_SAMPLE && material;
        if (!material && fact->kind != FACT_OUTCOME)
                return;
        assert_true(chain->n < CHAIN_MAX);
        chain->facts[chain->n] = *fact;
        chain->facts[chain->n].agent = *fact->agent ? "pm2:root/lily" : "";
        if (fact->kind == FACT_AGENT)
                chain->facts[chain->n].agent_is.word = "online", chain->facts[chain->n].agent_is.result = "";
        if (fact_is_memory(fact->kind)) {
                chain->remembered[chain->n] = *fact->remembered;
                chain->facts[chain->n].remembered = &chain->remembered[chain->n];
        }
        chain->n++;
}

void chain_keep(struct chain *chain, struct world *world)
{
        world->self = chain;
        world->decided = keep_decision;
        world->sent = keep_fact;
}

void chain_live_again(struct chain *chain, struct world *world)
{
        struct decisions decisions;

        world_judge(world);
        for (unsigned n = 0; n < chain->n; n++) {
                while (judge_deadline(world->judge) < chain->facts[n].at) {
                        struct fact tick = { .kind = FACT_TICK, .at = judge_deadline(world->judge), .agent = "" };

                        judge_step(world->judge, &tick, &decisions);
                        note_decisions(chain->again, sizeof(chain->again), &decisions);
                }
                judge_step(world->judge, &chain->facts[n], &decisions);
                note_decisions(chain->again, sizeof(chain->again), &decisions);
        }
}
