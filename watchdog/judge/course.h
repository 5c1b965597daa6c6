#pragma once
/* The course on the ladder: which rung is due, and how long each wait is. */
#include "judge/memory.h"
#include "judge/table.h"

static inline const struct heal *course_heal(const struct judge *judge, const struct instance *instance)
{
        return &agent_of(judge, instance)->rule->heal;
}

/* The rung at this place; past the end the last one stays due. */
enum rung course_rung(const struct heal *heal, uint32_t rung);

/* Whether the rung at this place is a rollback. */
bool course_is_rollback(const struct heal *heal, uint32_t rung);

/* The first rung from `rung` on that can be acted on; ladder_n when there is none. */
uint32_t course_usable(const struct judge *judge, const struct instance *instance, uint32_t rung);

/* How long the trial is away after so many that failed, before jitter. */
usec_t course_trial_after(const struct heal *heal, uint32_t trials);

/* How long to wait now; a backoff doubles the next one. */
usec_t course_wait(const struct judge *judge, struct instance *instance, enum ladder_wait wait);
