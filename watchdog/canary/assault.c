#include "canary/assault.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/usec.h"
#include "io/cleanup.h"

enum { LOOK_EVERY_US = 200 };

DEFINE_CLEANUP_FUNC(struct attempt *, attempt_free);

static usec_t now(void)
{
        struct timespec time;

        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
}

/* Looks until the file is as before or the time is over. */
static void watch(const struct assault *assault, const struct place *place, struct assault_end *end)
{
        const struct timespec pause = { .tv_nsec = LOOK_EVERY_US * 1000L };
        usec_t start = now(), limit = start + (usec_t)assault->settle_ms * 1000;
        unsigned left = place_look(place);

        end->changed = left;
        while (left && now() < limit) {
                (void)nanosleep(&pause, NULL);
                left = place_look(place);
        }
        end->after_us = (unsigned)(now() - start);
        end->result = left ? RESULT_SUCCEEDED : RESULT_RESTORED;
}

/* What the attacker was told says whether it failed; what others see says whether that is so. */
static enum result judge(const struct attack *attack, const struct assault_end *end)
{
        if (end->changed)
                return end->result;
        switch (end->told.verdict) {
        case VERDICT_NOT_TRIED: return RESULT_NOT_TRIED;
        case VERDICT_PREVENTED: return RESULT_PREVENTED;
        default: return attack->traits & ATTACK_OWN_VIEW ? RESULT_OWN_VIEW : RESULT_RESTORED;
        }
}

void assault_see(const struct assault *assault, const struct attack *attack, const struct place *place,
                 struct assault_end *end)
{
        watch(assault, place, end);
        end->result = judge(attack, end);
}

int assault_run(const struct assault *assault, const struct attack *attack, const struct place *place,
                struct assault_end *ret)
{
        _cleanup_(attempt_freep) struct attempt *attempt = NULL;
        struct assault_end end = { .result = RESULT_NOT_TRIED };
        int r = attempt_begin(attack, place, assault->become, assault->argument, &attempt);

        if (r == 0 && assault->guard)
                r = assault->guard(assault->argument);
        if (r == 0)
                r = attempt_strike(attempt, &end.told);
        if (r < 0)
                return r;
        assault_see(assault, attack, place, &end);
        *ret = end;
        return 0;
}

const char *assault_word(enum result result)
{
        static const char *const words[RESULT_N] = { "prevented", "restored", "succeeded", "own-view", "not-tried" };

        return words[result];
}

char *assault_reason(char buffer[PLACE_WHY_MAX], const struct attempt_end *told)
{
        const char *name = told->error ? strerrorname_np(told->error) : NULL;

        buffer[0] = '\0';
        if (told->why[0])
                (void)text_copy(buffer, PLACE_WHY_MAX, told->why);
        else if (told->signal)
                text_append(buffer, PLACE_WHY_MAX, "killed by SIG%s", sigabbrev_np(told->signal));
        else if (told->error)
                text_append(buffer, PLACE_WHY_MAX, "%s", name ? name : strerror(told->error));
        return buffer;
}
