#include "judge/tally.h"

#include <string.h>

#define FINE_WIDTH (10 * USEC_PER_SEC)
#define COARSE_WIDTH (30 * USEC_PER_MINUTE)
#define RUN_BREAK (2 * USEC_PER_SEC) /* a longer pause between two deaths ends the run */
#define HOT_FOR (10 * USEC_PER_SEC)
#define HOT_MORE_THAN 10 /* in HOT_FOR: over one a second */

/* Clears the buckets between the newest one and `number`, which becomes the newest. */
static void buckets_turn(uint32_t *buckets, uint32_t size, uint64_t *newest, uint64_t number)
{
        if (number <= *newest)
                return;
        if (number - *newest >= size)
                memset(buckets, 0, size * sizeof(*buckets));
        else
                for (uint64_t n = *newest + 1; n <= number; n++)
                        buckets[n % size] = 0;
        *newest = number;
}

static uint64_t buckets_since(const uint32_t *buckets, uint32_t size, uint64_t newest, uint64_t oldest)
{
        uint64_t sum = 0;

        for (uint64_t n = newest; n >= oldest && newest - n < size; n--) {
                sum += buckets[n % size];
                if (n == 0)
                        break;
        }
        return sum;
}

usec_t tally_death(const struct tally *tally, uint32_t n)
{
        if (n >= tally->n)
                return 0;
        return tally->deaths[(tally->next + FACT_DEATHS_MAX - 1 - n) % FACT_DEATHS_MAX];
}

void tally_add(struct tally *tally, usec_t at)
{
        usec_t newest = tally_death(tally, 0);

        if (at < newest)
                at = newest; /* told late; the ring stays in order */
        if (tally->n == 0 || at - newest > RUN_BREAK) {
                tally->run_since = at;
                tally->run = 0;
        }
        tally->run++;
        tally->deaths[tally->next] = at;
        tally->next = (tally->next + 1) % FACT_DEATHS_MAX;
        if (tally->n < FACT_DEATHS_MAX)
                tally->n++;
        buckets_turn(tally->fine, TALLY_FINE, &tally->fine_newest, at / FINE_WIDTH);
        buckets_turn(tally->coarse, TALLY_COARSE, &tally->coarse_newest, at / COARSE_WIDTH);
        tally->fine[tally->fine_newest % TALLY_FINE]++;
        tally->coarse[tally->coarse_newest % TALLY_COARSE]++;
}

void tally_retract(struct tally *tally)
{
        if (tally->n == 0)
                return;
        tally->next = (tally->next + FACT_DEATHS_MAX - 1) % FACT_DEATHS_MAX;
        tally->n--;
        if (tally->run > 0)
                tally->run--;
        if (tally->fine[tally->fine_newest % TALLY_FINE] > 0)
                tally->fine[tally->fine_newest % TALLY_FINE]--;
        if (tally->coarse[tally->coarse_newest % TALLY_COARSE] > 0)
                tally->coarse[tally->coarse_newest % TALLY_COARSE]--;
}

/* Exact count after `since`. */
static uint32_t ring_since(const struct tally *tally, usec_t since)
{
        uint32_t n = 0;

        while (n < tally->n && tally_death(tally, n) > since)
                n++;
        return n;
}

uint32_t tally_within(const struct tally *tally, usec_t now, usec_t within)
{
        usec_t since = usec_since(now, within);

        return ring_since(tally, since > tally->forgiven ? since : tally->forgiven);
}

uint64_t tally_shown(const struct tally *tally, usec_t now, usec_t within)
{
        usec_t since = usec_since(now, within);
        uint32_t exact = ring_since(tally, since);
        uint64_t sum;

        if (exact < FACT_DEATHS_MAX)
                return exact;
        if (within <= (TALLY_FINE - 1) * FINE_WIDTH)
                sum = buckets_since(tally->fine, TALLY_FINE, tally->fine_newest, since / FINE_WIDTH);
        else
                sum = buckets_since(tally->coarse, TALLY_COARSE, tally->coarse_newest, since / COARSE_WIDTH);
        return sum > exact ? sum : exact;
}

bool tally_is_hot(const struct tally *tally, usec_t now)
{
        usec_t newest = tally_death(tally, 0);

        return tally->run > HOT_MORE_THAN && usec_since(now, tally->run_since) >= HOT_FOR &&
               usec_since(now, newest) <= RUN_BREAK && tally_within(tally, now, HOT_FOR) > HOT_MORE_THAN;
}

usec_t tally_hot_at(const struct tally *tally, usec_t now)
{
        usec_t newest = tally_death(tally, 0);

        if (tally->run < 2 || usec_since(now, newest) > RUN_BREAK || tally->run_since <= tally->forgiven)
                return 0;
        if ((tally->run - 1) * USEC_PER_SEC <= newest - tally->run_since)
                return 0;
        return tally->run_since + HOT_FOR;
}

usec_t tally_period(const struct tally *tally, uint32_t n)
{
        if (n > tally->n)
                n = tally->n;
        if (n < 2)
                return 0;
        return (tally_death(tally, 0) - tally_death(tally, n - 1)) / (n - 1);
}

void tally_forgive(struct tally *tally, usec_t now)
{
        tally->forgiven = now;
        tally->run = 0;
        tally->run_since = 0;
}
