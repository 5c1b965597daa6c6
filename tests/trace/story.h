#pragma once
/* What every story needs: cmocka, the world, and short words for time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define MS USEC_PER_MSEC
#define S USEC_PER_SEC
#define MIN USEC_PER_MINUTE
#define HOUR USEC_PER_HOUR

/* The timeline since the last look, exactly. */
#define CHECK_TRACE(world, expected)                                 \
        do {                                                         \
                STORY_PRINT(world);                                  \
                assert_string_equal(world_trace(world), (expected)); \
                world_forget_trace(world);                           \
        } while (0)

#ifdef WORLD_PRINT
#include <stdio.h>
#define STORY_PRINT(world)                                              \
        do {                                                            \
                printf("<<<%d\n%s>>>\n", __LINE__, world_trace(world)); \
                world_forget_trace(world);                              \
                break;                                                  \
        } while (0);                                                    \
        break
#else
#define STORY_PRINT(world)
#endif

/* The agent as status would show it. */
static inline struct agent_view story_view(struct world *world, const char *id)
{
        struct agent_view view = { .id = "" };

        for (uint32_t n = 0; n < judge_agents(world->judge); n++) {
                judge_agent(world->judge, n, world->now, &view);
                if (strcmp(view.id, id) == 0)
                        return view;
        }
        fail_msg("%s is not shown", id);
        return view;
}
