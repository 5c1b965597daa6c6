#include "govctl/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "io/history.h"

#define MINUTE 60
#define TEN 600
#define DAY 86400
#define GRID 15 /* the judge is used to so many seconds between two sizes of a process */

/* How often a step is told, and when in it first: a judge asks for a few sizes in a row, of which no two may be far apart. */
static const struct {
        uint32_t step, every, first;
} rhythms[] = { { MINUTE, GRID, 0 }, { TEN, 60, 30 }, { 3600, 240, 120 } };

struct curve {
        char agent[AGENT_ID_MAX];
        bool watched;
        struct history_sample *list; /* of the day that is being told, and of the minute after it */
        size_t n, room, at;
        bool failed;
};

struct samples {
        struct history *history;
        struct curve *curves;
        size_t curves_n;
        uint64_t next, day; /* seconds: what is told next; the day that is loaded */
        uint64_t end;       /* of all that there is */
        uint64_t told;
        usec_t since[3]; /* by rhythm */
};

int samples_open(const char *path, usec_t since, struct samples **ret)
{
        struct samples *samples = calloc(1, sizeof *samples);
        int r = samples ? history_open(path, &samples->history) : -ENOMEM;

        if (r >= 0)
                r = history_end(samples->history, &samples->end);
        if (r < 0) {
                samples_close(samples);
                return r;
        }
        samples->next = since / USEC_PER_SEC / GRID * GRID;
        samples->day = UINT64_MAX;
        *ret = samples;
        return 0;
}

struct samples *samples_close(struct samples *samples)
{
        if (!samples)
                return NULL;
        for (size_t i = 0; i < samples->curves_n; i++)
                free(samples->curves[i].list);
        free(samples->curves);
        history_close(samples->history);
        free(samples);
        return NULL;
}

/* ---- a day of one agent --------------------------------------------------------------------------------------------------- */

static void keep(void *self, const struct history_sample *sample)
{
        struct curve *curve = self;

        if (curve->n == curve->room) {
                size_t room = curve->room > 0 ? 2 * curve->room : 256;
                struct history_sample *list = reallocarray(curve->list, room, sizeof *list);

                curve->failed |= !list;
                if (!list)
                        return;
                curve->list = list;
                curve->room = room;
        }
        curve->list[curve->n++] = *sample;
}

static int load(struct samples *samples, struct curve *curve)
{
        uint64_t from = samples->day * DAY;
        int r;

        curve->n = curve->at = 0;
        if (!curve->watched || samples->day == UINT64_MAX)
                return 0;
        /* a minute more on both sides, for what lasts over midnight */
        r = history_each(samples->history, curve->agent, from > MINUTE ? from - MINUTE : 0, from + DAY + MINUTE, keep,
                         curve);
        return curve->failed ? -ENOMEM : r;
}

int samples_watch(struct samples *samples, const char *agent, bool watch)
{
        struct curve *curves;

        for (size_t i = 0; i < samples->curves_n; i++)
                if (strcmp(samples->curves[i].agent, agent) == 0) {
                        if (samples->curves[i].watched == watch)
                                return 0;
                        samples->curves[i].watched = watch;
                        return load(samples, &samples->curves[i]);
                }
        if (!watch)
                return 0;
        curves = reallocarray(samples->curves, samples->curves_n + 1, sizeof *curves);
        if (!curves)
                return -ENOMEM;
        samples->curves = curves;
        curves[samples->curves_n] = (struct curve){ .watched = true };
        text_copy(curves[samples->curves_n].agent, sizeof curves->agent, agent);
        return load(samples, &curves[samples->curves_n++]);
}

/* ---- a moment ------------------------------------------------------------------------------------------------------------- */

static const struct history_sample *step_at(struct curve *curve, uint64_t at)
{
        while (curve->at < curve->n && curve->list[curve->at].at + curve->list[curve->at].step <= at)
                curve->at++;
        return curve->at < curve->n && curve->list[curve->at].at <= at ? &curve->list[curve->at] : NULL;
}

/* The minute beside this one; NULL where there is none. */
static const struct history_sample *beside(const struct curve *curve, int by)
{
        const struct history_sample *here = &curve->list[curve->at], *other = here + by;

        if ((by < 0 && curve->at == 0) || (by > 0 && curve->at + 1 >= curve->n) || other->step != here->step)
                return NULL;
        return other->at + (uint64_t)(int64_t)-by * here->step == here->at ? other : NULL;
}

static uint64_t lower(const struct history_sample *a, const struct history_sample *b)
{
        return a->memory_bytes < b->memory_bytes ? a->memory_bytes : b->memory_bytes;
}

/* What a minute's moment surely held: one size was taken in it, at a moment that is not known. 0: nothing is sure. */
static uint64_t sure_in_minute(const struct curve *curve, uint64_t offset)
{
        const struct history_sample *here = &curve->list[curve->at];
        const struct history_sample *other = offset == 30 ? here : beside(curve, offset < 30 ? -1 : 1);

        return other ? lower(here, other) : 0;
}

static uint64_t sure_of(const struct curve *curve)
{
        const struct history_sample *here = &curve->list[curve->at];
        const struct history_sample *before = beside(curve, -1), *after = beside(curve, 1);
        uint64_t with_before = before ? lower(before, here) : 0, with_after = after ? lower(here, after) : 0;

        if (here->step != MINUTE)
                return here->memory_bytes;
        return with_before > with_after ? with_before : with_after;
}

static int rhythm_of(uint32_t step)
{
        for (unsigned i = 0; i < sizeof rhythms / sizeof rhythms[0]; i++)
                if (rhythms[i].step == step)
                        return (int)i;
        return -1;
}

static bool sample_at(struct samples *samples, struct curve *curve, uint64_t at, struct sampled *ret)
{
        const struct history_sample *step = step_at(curve, at);
        int rhythm = step ? rhythm_of(step->step) : -1;
        uint64_t offset = step ? at - step->at : 0;
        bool first;

        if (rhythm < 0 || offset % rhythms[rhythm].every != rhythms[rhythm].first)
                return false;
        first = offset == (step->step == MINUTE ? 30 : rhythms[rhythm].first);
        *ret = (struct sampled){
                .agent = curve->agent,
                .at = at * USEC_PER_SEC,
                .since = step->at * USEC_PER_SEC,
                .step = step->step,
                .bytes = step->step == MINUTE ? sure_in_minute(curve, offset) : step->memory_bytes,
                .most_bytes = first ? step->memory_most : 0,
                .sure_bytes = first ? sure_of(curve) : 0,
                .cpu_permille = step->cpu_permille,
        };
        if (samples->since[rhythm] == 0)
                samples->since[rhythm] = ret->since;
        return ret->bytes > 0;
}

static int begin_day(struct samples *samples, uint64_t day)
{
        int r = 0;

        samples->day = day;
        for (size_t i = 0; i < samples->curves_n && r >= 0; i++)
                r = load(samples, &samples->curves[i]);
        return r;
}

int samples_until(struct samples *samples, usec_t until, void (*take)(void *self, const struct sampled *sampled),
                  void *self)
{
        struct sampled sampled;
        bool any = false;
        int r = 0;

        for (size_t i = 0; i < samples->curves_n; i++)
                any |= samples->curves[i].watched;
        if (!any && samples->next < until / USEC_PER_SEC)
                samples->next = until / USEC_PER_SEC / GRID * GRID;
        /* a log may name any moment; beyond the last size there is nothing to look for */
        for (; samples->next < samples->end && samples->next * USEC_PER_SEC < until && r >= 0; samples->next += GRID) {
                if (samples->next / DAY != samples->day)
                        r = begin_day(samples, samples->next / DAY);
                for (size_t i = 0; i < samples->curves_n && r >= 0; i++)
                        if (samples->curves[i].watched &&
                            sample_at(samples, &samples->curves[i], samples->next, &sampled)) {
                                samples->told++;
                                take(self, &sampled);
                        }
        }
        return r;
}

uint64_t samples_told(const struct samples *samples)
{
        return samples->told;
}

usec_t samples_since(const struct samples *samples, uint32_t step)
{
        int rhythm = rhythm_of(step);

        return rhythm < 0 ? 0 : samples->since[rhythm];
}
