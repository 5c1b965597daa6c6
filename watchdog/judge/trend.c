#include "judge/trend.h"

#include <string.h>

#define LEAST_KIB (8 * 1024)       /* growth in a window that is worth a word */
#define JUMP_LEAST_KIB (16 * 1024) /* beyond half as much again */
#define JUMP_LASTS 3               /* spans: an hour */
#define JUMP_BEFORE 9              /* spans before it that say what is usual: three hours */
#define MINIMA_MAX TREND_FINE
#define SLOPES_MAX (MINIMA_MAX * (MINIMA_MAX - 1) / 2)

/* The complete spans of a life after its warm-up, oldest first. */
struct minima {
        uint32_t n;
        uint32_t kib[MINIMA_MAX];
        uint64_t at[MINIMA_MAX]; /* in spans */
        usec_t span;
};

void trend_begin(struct trend *trend, usec_t began)
{
        *trend = (struct trend){ .began = began };
}

static bool add(uint32_t *slots, uint32_t n, uint64_t *newest, uint64_t index, uint32_t kib)
{
        bool turned = index > *newest;
        uint32_t *slot = &slots[index % n];

        if (index < *newest)
                return false;
        if (index - *newest >= n)
                memset(slots, 0, n * sizeof(*slots));
        else
                for (uint64_t skipped = *newest + 1; skipped <= index; skipped++)
                        slots[skipped % n] = 0;
        *newest = index;
        if (*slot == 0 || kib < *slot)
                *slot = kib > 0 ? kib : 1;
        return turned;
}

bool trend_add(struct trend *trend, usec_t at, uint32_t kib)
{
        bool fine = add(trend->fine, TREND_FINE, &trend->fine_newest, at / TREND_FINE_SPAN, kib);
        bool coarse = add(trend->coarse, TREND_COARSE, &trend->coarse_newest, at / TREND_COARSE_SPAN, kib);

        return fine || coarse;
}

static void gather(const struct trend *trend, const uint32_t *slots, uint32_t n, uint64_t newest, struct minima *ret)
{
        uint64_t first = (trend->began + TREND_WARM_UP) / ret->span + 1;

        ret->n = 0;
        for (uint64_t index = newest >= n ? newest - n + 1 : 0; index < newest; index++) {
                if (index < first || slots[index % n] == 0)
                        continue;
                ret->kib[ret->n] = slots[index % n];
                ret->at[ret->n++] = index;
        }
}

/* ---- small numbers -------------------------------------------------------------------------------------------------- */

static void sort(int64_t *values, uint32_t n)
{
        for (uint32_t gap = n / 2; gap > 0; gap /= 2)
                for (uint32_t i = gap; i < n; i++) {
                        int64_t value = values[i];
                        uint32_t k = i;

                        for (; k >= gap && values[k - gap] > value; k -= gap)
                                values[k] = values[k - gap];
                        values[k] = value;
                }
}

static uint32_t median(const uint32_t *kib, uint32_t n)
{
        int64_t values[MINIMA_MAX];

        for (uint32_t i = 0; i < n; i++)
                values[i] = kib[i];
        sort(values, n);
        return (uint32_t)values[n / 2];
}

static uint32_t least(const uint32_t *kib, uint32_t n)
{
        uint32_t found = kib[0];

        for (uint32_t i = 1; i < n; i++)
                found = kib[i] < found ? kib[i] : found;
        return found;
}

static uint32_t most(const uint32_t *kib, uint32_t n)
{
        uint32_t found = kib[0];

        for (uint32_t i = 1; i < n; i++)
                found = kib[i] > found ? kib[i] : found;
        return found;
}

static int64_t mean(const uint32_t *kib, uint32_t n)
{
        uint64_t sum = 0;

        for (uint32_t i = 0; i < n; i++)
                sum += kib[i];
        return (int64_t)(sum / n);
}

/* ---- a leak --------------------------------------------------------------------------------------------------------- */

/* Bytes an hour, of the last two thirds: what it did before it began to leak says little of how fast it leaks. */
static int64_t slope(const struct minima *minima)
{
        int64_t slopes[SLOPES_MAX];
        uint32_t n = 0;

        for (uint32_t i = minima->n / 3; i < minima->n; i++)
                for (uint32_t k = i + 1; k < minima->n; k++) {
                        int64_t rise = ((int64_t)minima->kib[k] - minima->kib[i]) * 1024;
                        int64_t spans = (int64_t)(minima->at[k] - minima->at[i]);

                        slopes[n++] = rise * (int64_t)(USEC_PER_HOUR / USEC_PER_SEC) /
                                      (spans * (int64_t)(minima->span / USEC_PER_SEC));
                }
        sort(slopes, n);
        return slopes[n / 2];
}

/* Whether two neighbouring steps make most of the whole rise. */
static bool is_a_step(const struct minima *minima)
{
        int64_t whole = (int64_t)most(minima->kib, minima->n) - least(minima->kib, minima->n);

        for (uint32_t i = 2; i < minima->n; i++)
                if (((int64_t)minima->kib[i] - minima->kib[i - 2]) * 5 > whole * 2)
                        return true;
        return false;
}

static bool rises(const struct minima *minima)
{
        uint32_t third = minima->n / 3;
        const uint32_t *first = minima->kib, *middle = first + third, *last = first + minima->n - third;
        int64_t a = mean(first, third), b = mean(middle, third), c = mean(last, third);

        return most(first, third) < least(last, third) && b > a && (c - b) * 3 >= (b - a) * 2 && c - b <= 2 * (b - a) &&
               (c - a) * 3 >= 2 * LEAST_KIB && (c - a) * 20 >= a && !is_a_step(minima);
}

static void find_leak(const struct minima *minima, uint32_t enough, struct trend_found *found)
{
        uint32_t third = minima->n / 3;
        int64_t an_hour;

        if (found->leak || minima->n < enough)
                return;
        if (!rises(minima)) {
                found->flat |= minima->span == TREND_FINE_SPAN &&
                               mean(minima->kib + minima->n - third, third) - mean(minima->kib, third) < LEAST_KIB / 4;
                return;
        }
        an_hour = slope(minima);
        if (an_hour <= 0)
                return;
        found->leak = true;
        found->bytes_an_hour = (uint64_t)an_hour;
        found->window = (minima->at[minima->n - 1] - minima->at[0] + 1) * minima->span;
}

/* ---- a jump --------------------------------------------------------------------------------------------------------- */

static void find_jump(const struct minima *minima, struct trend_found *found)
{
        uint32_t before = minima->n - JUMP_LASTS;
        int64_t step;

        if (minima->n < JUMP_BEFORE + JUMP_LASTS)
                return;
        found->from_kib = median(minima->kib, before);
        found->kib = least(minima->kib + before, JUMP_LASTS);
        step = (int64_t)minima->kib[before] - minima->kib[before - 2];
        found->jump = found->kib > (uint64_t)found->from_kib / 2 * 3 + JUMP_LEAST_KIB &&
                      step * 10 >= ((int64_t)found->kib - found->from_kib) * 7;
}

void trend_find(const struct trend *trend, struct trend_found *ret)
{
        struct minima fine = { .span = TREND_FINE_SPAN }, coarse = { .span = TREND_COARSE_SPAN };

        *ret = (struct trend_found){ .leak = false };
        gather(trend, trend->fine, TREND_FINE, trend->fine_newest, &fine);
        gather(trend, trend->coarse, TREND_COARSE, trend->coarse_newest, &coarse);
        find_leak(&fine, TREND_FINE * 3 / 4, ret);
        find_leak(&coarse, TREND_COARSE / 2, ret);
        find_jump(&fine, ret);
}
