#include "week_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "io/history.h"

#define AGENTS 28                 /* and a second instance of app-18 */
#define EVERY (15 * USEC_PER_SEC) /* as the daemon looks at processes */
#define WRITTEN_EVERY 60          /* minutes gathered; the daemon gathers ten, which makes the same file */

const char week_policy[] = "mode: enforce\n"
                           "machine: { actions: { at_most: 100, within: 10m } }\n"
                           "classes:\n"
                           "  large: { memory: { ceiling: 600M } }\n"
                           "  medium: { memory: { ceiling: 300M } }\n"
                           "  thrifty: { memory: { budget: 80M } }\n"
                           "agents:\n"
                           "  - { name: lily, pm2: lily, restarts: [ { more_than: 2, within: 60s } ] }\n"
                           "  - { name: rosa, pm2: rosa, restarts: [ { more_than: 2, within: 60s } ] }\n"
                           "  - { name: otto, pm2: otto, heal: { ladder: [quarantine], trial_after: 1h } }\n"
                           "  - { name: sven, pm2: sven }\n"
                           "  - { name: tilda, pm2: tilda }\n"
                           "  - { name: tamara, pm2: tamara, class: large }\n"
                           "  - { name: flora, pm2: flora, class: medium }\n"
                           "  - { name: bruno, pm2: bruno, class: thrifty }\n"
                           "  - { name: petra, pm2: petra }\n"
                           "  - { name: nora, pm2: nora }\n"
                           "  - { name: erik, systemd: agent-erik }\n"
                           "  - { name: gunda, systemd: agent-gunda }\n"
                           "  - { name: apps, pm2: \"*\" }\n"
                           "  - { name: services, systemd: \"*\" }\n";

/* clang-format off */
const struct week_story week_stories[] = {
        { "pm2:root/lily",   WEEK_DIES,  WEEK_DAY(1, 2, 0),   .times = 3 },
        { "pm2:root/rosa",   WEEK_DIES,  WEEK_DAY(3, 2, 0),   .times = 2 },
        { "pm2:root/otto",   WEEK_DIES,  WEEK_DAY(2, 9, 0),   .times = 3 },
        { "pm2:root/tilda",  WEEK_TOGETHER, WEEK_DAY(4, 18, 0), .times = 3, .other = "pm2:root/sven" },
        { "pm2:root/flora",  WEEK_GROWS, WEEK_DAY(3, 12, 0),  .time = 3 * USEC_PER_HOUR, .mb = 200 },
        { "pm2:root/bruno",  WEEK_SIZE,  WEEK_DAY(4, 6, 0),   .time = 30 * USEC_PER_MINUTE, .mb = 90 },
        { "pm2:root/petra",  WEEK_SIZE,  WEEK_DAY(2, 15, 0),  .time = 40 * USEC_PER_MINUTE, .mb = 700 },
        { "pm2:root/nora",   WEEK_SIZE,  WEEK_DAY(1, 8, 3),   .time = 4 * USEC_PER_MINUTE,  .mb = 800 },
        { "pm2:root/tamara", WEEK_SIZE,  WEEK_DAY(6, 23, 29), .time = 5 * USEC_PER_MINUTE,  .mb = 531 },
        { "systemd:agent-erik.service", WEEK_SIZE, WEEK_DAY(6, 6, 0), .time = 40 * USEC_PER_SEC, .mb = 650 },
        { NULL, 0, 0, 0, 0, 0, NULL },
};
/* clang-format on */

struct week_minute {
        int actor;
        uint64_t at, memory_bytes;
        uint32_t cpu_permille, starts;
};

/* ---- sizes ---------------------------------------------------------------------------------------------------------------- */

static uint64_t noise(const struct week *week, int actor, usec_t age)
{
        uint64_t x = week->seed + (uint64_t)actor * 0x9e3779b97f4a7c15 + age / USEC_PER_MINUTE * 0xbf58476d1ce4e5b9;

        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        return (x ^ (x >> 27)) % WEEK_MB;
}

/* From 40 MB up, two more for each; gunda is the large one. */
static uint64_t usual(const struct week *week, int actor, usec_t age)
{
        bool large = strstr(week->chain.world.actors[actor].id, "gunda");

        return (large ? 150 : 40 + 2 * (uint64_t)actor % 30) * WEEK_MB + noise(week, actor, age);
}

static uint64_t size_of(const struct week *week, int actor)
{
        const struct world *world = &week->chain.world;
        usec_t age = world_age(world), life = world->now - world->actors[actor].began;
        uint64_t bytes = usual(week, actor, age);

        for (const struct week_story *story = week_stories; story->agent; story++) {
                if (strcmp(story->agent, world->actors[actor].id) != 0 || age < story->at ||
                    age >= story->at + story->time)
                        continue;
                if (story->what == WEEK_SIZE)
                        return story->mb * WEEK_MB;
                if (life > age - story->at)
                        life = age - story->at;
                return bytes + life / USEC_PER_SEC * story->mb * WEEK_MB / 3600;
        }
        return bytes;
}

static void sample(struct week *week)
{
        struct world *world = &week->chain.world;

        for (int n = 0; n < world->actors_n; n++) {
                const struct actor *actor = &world->actors[n];
                struct fact fact = { .kind = FACT_SAMPLE, .manager = actor->manager, .agent = actor->id };

                if (!actor->up)
                        continue;
                fact.instance = actor->number;
                fact.sample.pid = fact.sample.most_pid = actor->pid;
                fact.sample.start = actor->start;
                fact.sample.memory_bytes = fact.sample.most_bytes = size_of(week, n);
                fact.sample.cpu = (world->now - actor->began) / 50;
                world_send(world, &fact);
        }
}

/* ---- the history, as sampling.c takes it ------------------------------------------------------------------------------------ */

static struct actor *actor_of(struct week *week, const char *id, int *ret_index)
{
        for (int n = 0; n < week->chain.world.actors_n; n++)
                if (strcmp(week->chain.world.actors[n].id, id) == 0) {
                        if (ret_index)
                                *ret_index = n;
                        return &week->chain.world.actors[n];
                }
        fail_msg("there is no %s", id);
        return NULL;
}

static void write_history(struct week *week)
{
        struct history_sample *samples = calloc(week->minutes_n + 1, sizeof *samples);
        size_t n = 0;

        assert_non_null(samples);
        for (int actor = 0; actor < week->chain.world.actors_n; actor++)
                for (size_t i = 0; i < week->minutes_n; i++) {
                        const struct week_minute *minute = &week->minutes[i];

                        if (minute->actor == actor)
                                samples[n++] = (struct history_sample){ .agent = week->chain.world.actors[actor].id,
                                                                        .at = minute->at,
                                                                        .step = 60,
                                                                        .memory_bytes = minute->memory_bytes,
                                                                        .memory_most = minute->memory_bytes,
                                                                        .cpu_permille = minute->cpu_permille,
                                                                        .starts = minute->starts };
                }
        assert_true(history_write(week->history, &history_limits, samples, n, week->chain.world.now / USEC_PER_SEC) >=
                    0);
        week->minutes_n = 0;
        free(samples);
}

static void take_minute(struct week *week)
{
        struct world *world = &week->chain.world;
        struct agent_view view;

        for (uint32_t i = 0; i < judge_agents(world->judge); i++) {
                struct week_minute *minute = &week->minutes[week->minutes_n++];

                judge_agent(world->judge, i, world->now, &view);
                *minute = (struct week_minute){ .at = world->now / USEC_PER_SEC,
                                                .memory_bytes = view.memory_bytes,
                                                .cpu_permille = view.pid > 0 ? view.cpu_permille : 0 };
                actor_of(week, view.id, &minute->actor);
                if (view.restarts > week->restarts[minute->actor])
                        minute->starts = (uint32_t)(view.restarts - week->restarts[minute->actor]);
                week->restarts[minute->actor] = view.restarts;
        }
        if (world_age(world) / USEC_PER_MINUTE % WRITTEN_EVERY == 0)
                write_history(week);
}

/* ---- what goes wrong ------------------------------------------------------------------------------------------------------- */

static void die(struct week *week, const struct week_story *story, usec_t age)
{
        usec_t passed = age - story->at;

        if (passed % (10 * USEC_PER_SEC) != 0 || passed / (10 * USEC_PER_SEC) >= story->times)
                return;
        world_die(&week->chain.world, actor_of(week, story->agent, NULL));
        if (story->other)
                world_die(&week->chain.world, actor_of(week, story->other, NULL));
}

static void deaths(struct week *week)
{
        usec_t age = world_age(&week->chain.world);

        for (const struct week_story *story = week_stories; story->agent; story++)
                if ((story->what == WEEK_DIES || story->what == WEEK_TOGETHER) && age >= story->at)
                        die(week, story, age);
}

static void people(struct week *week)
{
        static const char *const named[] = {
                "pm2:root/lily",
                "pm2:root/rosa",
                "pm2:root/otto",
                "pm2:root/sven",
                "pm2:root/tilda",
                "pm2:root/flora",
                "pm2:root/bruno",
                "pm2:root/petra",
                "pm2:root/nora",
                "pm2:root/tamara",
                "systemd:agent-erik.service",
                "systemd:agent-gunda.service",
        };
        char id[64];

        for (unsigned n = 0; n <= AGENTS; n++) {
                if (n < sizeof named / sizeof named[0])
                        snprintf(id, sizeof id, "%s", named[n]);
                else if (n < 20)
                        snprintf(id, sizeof id, "pm2:root/app-%u", n < 19 ? n : 18);
                else
                        snprintf(id, sizeof id, "systemd:agent-%u.service", n);
                world_add(&week->chain.world, id)->restart_delay = USEC_PER_SEC;
        }
}

void week_live(struct week *week, usec_t now, uint64_t seed)
{
        struct world *world = &week->chain.world;

        *week = (struct week){ .seed = seed };
        week->minutes = calloc((AGENTS + 2) * (WRITTEN_EVERY + 1), sizeof *week->minutes);
        assert_non_null(week->minutes);
        chain_world_open(&week->chain, (now - 7 * USEC_PER_DAY) / USEC_PER_HOUR * USEC_PER_HOUR, week_policy);
        snprintf(week->history, sizeof week->history, "%s/history.db", week->chain.directory);
        people(week);
        chain_world_begin(&week->chain, false);
        world_start(world);
        while (world_age(world) < 7 * USEC_PER_DAY) {
                world_run(world, 5 * USEC_PER_SEC);
                deaths(week);
                if (world_age(world) % EVERY == 0)
                        sample(week);
                if (world_age(world) % USEC_PER_MINUTE == 0)
                        take_minute(week);
                if (world_age(world) % USEC_PER_DAY == 0)
                        chain_world_begin(&week->chain, true);
        }
        chain_world_settle(&week->chain);
}

void week_done(struct week *week)
{
        free(week->minutes);
        chain_world_close(&week->chain);
}
