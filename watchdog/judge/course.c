#include "judge/course.h"

#include "judge/diagnose.h"
#include "judge/guard.h"
#include "judge/version.h"

#define REPLY_WAIT (5 * USEC_PER_MINUTE) /* hands have shorter deadlines; this one only catches a lost outcome */
#define LOOK_WAIT (30 * USEC_PER_SEC)
#define SETTLE_SLACK (5 * USEC_PER_SEC) /* from the manager's "done" to a process */
#define TRIAL_WAIT_MOST 4               /* times trial_after */

/* splitmix64: chance from the seed, the agent and how often it was asked, so that a replay meets the same. */
static uint64_t chance(const struct judge *judge, const struct instance *instance)
{
        uint64_t x = judge->seed ^ agent_of(judge, instance)->name ^ ((uint64_t)instance->number << 32);

        x += 0x9e3779b97f4a7c15 * (instance->ladder.attempts + 1);
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
}

/* Within 20 percent of `wait`, so that what fell together does not rise together. */
static usec_t jitter(const struct judge *judge, const struct instance *instance, usec_t wait)
{
        usec_t width = wait / 5;

        return width == 0 ? wait : wait - width + chance(judge, instance) % (2 * width + 1);
}

enum rung course_rung(const struct heal *heal, uint32_t rung)
{
        return heal->ladder[rung < heal->ladder_n ? rung : heal->ladder_n - 1];
}

bool course_is_rollback(const struct heal *heal, uint32_t rung)
{
        return rung < heal->ladder_n && heal->ladder[rung] == RUNG_ROLLBACK;
}

uint32_t course_usable(const struct judge *judge, const struct instance *instance, uint32_t rung)
{
        const struct heal *heal = course_heal(judge, instance);
        char reason[REASON_MAX];

        while (course_is_rollback(heal, rung) && !version_target(judge, agent_of(judge, instance), 0, reason))
                rung++;
        return rung;
}

static usec_t backoff_wait(const struct judge *judge, struct instance *instance)
{
        const struct heal *heal = course_heal(judge, instance);
        struct ladder *ladder = &instance->ladder;
        usec_t wait = ladder->backoff > 0 ? ladder->backoff : heal->backoff_first;

        ladder->backoff = 2 * wait < heal->backoff_most ? 2 * wait : heal->backoff_most;
        if (ladder->rung >= heal->ladder_n || guard_against_quarantine(judge, instance) != WITHHELD_NOT)
                wait = ladder->rung > 0 ? heal->backoff_most : wait;
        return jitter(judge, instance, wait);
}

usec_t course_trial_after(const struct heal *heal, uint32_t trials)
{
        return heal->trial_after * (trials < 2 ? 1u << trials : TRIAL_WAIT_MOST);
}

static usec_t trial_wait(const struct judge *judge, const struct instance *instance)
{
        if (instance->ladder.trials >= TRIALS_MAX)
                return 0; /* nothing to wait for: a human's turn */
        return jitter(judge, instance, course_trial_after(course_heal(judge, instance), instance->ladder.trials));
}

usec_t course_wait(const struct judge *judge, struct instance *instance, enum ladder_wait wait)
{
        switch (wait) {
        case WAIT_REPLY: return REPLY_WAIT;
        case WAIT_LOOK: return LOOK_WAIT;
        case WAIT_BACKOFF: return backoff_wait(judge, instance);
        case WAIT_SETTLE: return diagnose_grace(instance) + SETTLE_SLACK;
        case WAIT_TRIAL: return trial_wait(judge, instance);
        default: return USEC_INFINITY;
        }
}
