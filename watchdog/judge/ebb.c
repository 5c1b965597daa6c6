#include "judge/ebb.h"

#include <string.h>

#include "base/fact.h"

#define KIB 1024
#define GAP_MOST (2 * USEC_PER_MINUTE) /* between samples that belong together */
#define STAYS_FOR (8 * USEC_PER_SEC)   /* a compiler's peak is over by then, or goes on */
#define ABOVE_FOR (2 * USEC_PER_SEC)
#define CONFIRMED 3
#define SOME_MOST 1000 /* 10 % of the time somebody waits for memory */
#define FULL_MOST 100  /* 1 % of the time nobody gets on for it */
#define GONE_WITHIN USEC_PER_MINUTE
#define MARGIN_LEAST (1 << 20)
#define MARGIN_MOST (512u << 20)
#define PACE_POINTS 6
#define PACE_NOISE 512 /* a smaller part of all memory comes and goes by itself */

static uint32_t in_kib(uint64_t bytes)
{
        return bytes / KIB < UINT32_MAX ? (uint32_t)(bytes / KIB) : UINT32_MAX;
}

/* ---- samples -------------------------------------------------------------------------------------------------------- */

static void add_span(struct ebb *ebb, usec_t at, uint32_t kib)
{
        uint64_t index = at / EBB_SPAN;
        uint32_t *slot = &ebb->spans[index % EBB_SPANS];

        if (index < ebb->span_newest)
                return;
        if (index - ebb->span_newest >= EBB_SPANS)
                memset(ebb->spans, 0, sizeof(ebb->spans));
        else
                for (uint64_t skipped = ebb->span_newest + 1; skipped <= index; skipped++)
                        ebb->spans[skipped % EBB_SPANS] = 0;
        ebb->span_newest = index;
        if (*slot == 0 || kib < *slot)
                *slot = kib > 0 ? kib : 1;
}

void ebb_add(struct ebb *ebb, const struct fact *fact)
{
        uint32_t kib = in_kib(fact->host.available_bytes);

        if (fact->host.total_bytes == 0)
                return;
        if (ebb->n > 0 && usec_since(fact->at, ebb->at[ebb->n - 1]) > GAP_MOST)
                ebb->n = 0;
        if (ebb->n == EBB_SAMPLES) {
                ebb->n--;
                memmove(ebb->at, ebb->at + 1, ebb->n * sizeof(*ebb->at));
                memmove(ebb->kib, ebb->kib + 1, ebb->n * sizeof(*ebb->kib));
        }
        ebb->at[ebb->n] = fact->at;
        ebb->kib[ebb->n++] = kib;
        ebb->total_kib = in_kib(fact->host.total_bytes);
        ebb->some = fact->host.memory_some_avg10;
        ebb->full = fact->host.memory_full_avg10;
        add_span(ebb, fact->at, kib);
}

uint64_t ebb_available(const struct ebb *ebb)
{
        return ebb->n > 0 ? (uint64_t)ebb->kib[ebb->n - 1] * KIB : 0;
}

uint64_t ebb_margin(const struct ebb *ebb, uint64_t floor_bytes)
{
        uint64_t total = (uint64_t)ebb->total_kib * KIB;
        uint64_t room = total > floor_bytes ? (total - floor_bytes) / 4 : 0; /* a margin that can be reached */
        uint64_t margin = floor_bytes / 8 < MARGIN_MOST ? floor_bytes / 8 : MARGIN_MOST;

        if (margin > room)
                margin = room;
        return margin > MARGIN_LEAST ? margin : MARGIN_LEAST;
}

/* ---- the pace ------------------------------------------------------------------------------------------------------- */

struct points {
        uint32_t n;
        usec_t at[EBB_SAMPLES];
        uint32_t kib[EBB_SAMPLES];
};

static void gather_spans(const struct ebb *ebb, struct points *points)
{
        points->n = 0;
        for (uint64_t back = EBB_SPANS; back-- > 0 && ebb->span_newest >= EBB_SPANS;) {
                uint64_t index = ebb->span_newest - back;

                if (ebb->spans[index % EBB_SPANS] == 0)
                        continue;
                points->at[points->n] = index * EBB_SPAN;
                points->kib[points->n++] = ebb->spans[index % EBB_SPANS];
        }
}

/* The newest `most` of them. */
static void gather_samples(const struct ebb *ebb, uint32_t most, struct points *points)
{
        points->n = ebb->n < most ? ebb->n : most;
        memcpy(points->at, ebb->at + ebb->n - points->n, points->n * sizeof(*points->at));
        memcpy(points->kib, ebb->kib + ebb->n - points->n, points->n * sizeof(*points->kib));
}

static uint32_t median(const uint32_t *kib, uint32_t n)
{
        uint32_t sorted[EBB_SAMPLES];

        for (uint32_t i = 0; i < n; i++) {
                uint32_t k = i;

                for (; k > 0 && sorted[k - 1] > kib[i]; k--)
                        sorted[k] = sorted[k - 1];
                sorted[k] = kib[i];
        }
        return sorted[n / 2];
}

/* KiB a minute that are lost from the first third to the last, when the second lies between them; 0: it does not fall. */
static uint64_t pace(const struct points *points, uint32_t noise_kib)
{
        uint32_t third = points->n / 3, first, second, last;
        usec_t passed;

        if (points->n < PACE_POINTS)
                return 0;
        first = median(points->kib, third);
        second = median(points->kib + third, points->n - 2 * third);
        last = median(points->kib + points->n - third, third);
        passed = usec_since(points->at[points->n - 1 - third / 2], points->at[(third - 1) / 2]);
        if (first <= second || second <= last || first - last <= noise_kib || passed == 0)
                return 0;
        return (uint64_t)(first - last) * USEC_PER_MINUTE / passed;
}

static usec_t until(const struct ebb *ebb, uint64_t level_bytes, uint64_t kib_a_minute)
{
        uint64_t available = ebb_available(ebb);

        if (kib_a_minute == 0)
                return USEC_INFINITY;
        return available > level_bytes ? (available - level_bytes) / KIB * USEC_PER_MINUTE / kib_a_minute : 0;
}

usec_t ebb_until(const struct ebb *ebb, uint64_t level_bytes, uint64_t *ret_pace)
{
        uint32_t noise = ebb->total_kib / PACE_NOISE;
        struct points points;
        uint64_t slow, fast;

        gather_spans(ebb, &points);
        slow = pace(&points, noise);
        gather_samples(ebb, EBB_SAMPLES, &points);
        fast = pace(&points, noise);
        *ret_pace = (fast > slow ? fast : slow) * KIB;
        return until(ebb, level_bytes, fast > slow ? fast : slow);
}

/* As people are told it would be, or as the last moments are when they are worse. */
static usec_t gone_in(const struct ebb *ebb)
{
        uint64_t unused;
        usec_t steady = ebb_until(ebb, 0, &unused), now;
        struct points points;

        gather_samples(ebb, PACE_POINTS, &points);
        now = until(ebb, 0, pace(&points, ebb->total_kib / PACE_NOISE));
        return now < steady ? now : steady;
}

/* ---- what they add up to -------------------------------------------------------------------------------------------- */

/* The newest samples that lie on this side of the level: how many, and how long already. */
struct run {
        uint32_t n;
        usec_t lasts;
};

static struct run run_of(const struct ebb *ebb, uint64_t level_bytes, bool below)
{
        struct run run = { 0 };

        while (run.n < ebb->n && ((uint64_t)ebb->kib[ebb->n - 1 - run.n] * KIB < level_bytes) == below)
                run.n++;
        if (run.n > 0)
                run.lasts = usec_since(ebb->at[ebb->n - 1], ebb->at[ebb->n - run.n]);
        return run;
}

bool ebb_is_under(const struct ebb *ebb, uint64_t level_bytes)
{
        return run_of(ebb, level_bytes, true).n >= CONFIRMED;
}

static enum ebb_sign sign_of(const struct ebb *ebb, uint64_t floor_bytes, const struct run *run)
{
        if (run_of(ebb, floor_bytes / 4, true).n >= CONFIRMED - 1)
                return EBB_DEEP;
        if (run->n < CONFIRMED)
                return EBB_NOT;
        if (ebb->some >= SOME_MOST || ebb->full >= FULL_MOST)
                return EBB_PRESSURE;
        if (gone_in(ebb) <= GONE_WITHIN)
                return EBB_FALLS;
        return run->lasts >= STAYS_FOR ? EBB_STAYS : EBB_NOT;
}

void ebb_find(const struct ebb *ebb, uint64_t floor_bytes, bool was_below, struct ebb_found *ret)
{
        struct run below = run_of(ebb, floor_bytes, true);
        struct run above = run_of(ebb, floor_bytes + ebb_margin(ebb, floor_bytes), false);

        *ret = (struct ebb_found){ .sign = floor_bytes > 0 ? sign_of(ebb, floor_bytes, &below) : EBB_NOT };
        ret->lasts = below.lasts;
        ret->gone_in = gone_in(ebb);
        ret->below = ret->sign != EBB_NOT;
        if (was_below && floor_bytes > 0)
                ret->below = above.n < CONFIRMED || above.lasts < ABOVE_FOR;
}
