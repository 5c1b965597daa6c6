#include "judge/habit.h"

#include <string.h>

#define GAP_MOST (5 * USEC_PER_MINUTE)    /* between sizes that tell of the time between them */
#define HOLDS_LEAST (8 * USEC_PER_MINUTE) /* a child may well live for some minutes */
#define ENOUGH 8                          /* lives or days: of fewer, one in three may well have been missed */
#define ENOUGH_OWN 4                      /* lives, where days help out */
#define USUAL_FROM 2                      /* odd lives on they are not odd any more */
#define ASIDE 16              /* of so many one does not count: the first lives may have been odd unnoticed */
#define LEAST_KIB (16 * 1024) /* above what is usual */
#define FIRST_DAYS 10         /* the first age that is counted in days */
#define GATHERED_MAX (HABIT_AGES * HABIT_KEPT)

/* Ages of a life: from here to the next one; from a day on in days. */
static const usec_t ages[HABIT_AGES] = {
        USEC_PER_MINUTE,      2 * USEC_PER_MINUTE,  5 * USEC_PER_MINUTE, 10 * USEC_PER_MINUTE, 20 * USEC_PER_MINUTE,
        40 * USEC_PER_MINUTE, 90 * USEC_PER_MINUTE, 3 * USEC_PER_HOUR,   6 * USEC_PER_HOUR,    12 * USEC_PER_HOUR,
        USEC_PER_DAY,         2 * USEC_PER_DAY,     4 * USEC_PER_DAY,    7 * USEC_PER_DAY,
};

/* The age at that time of a life; HABIT_AGES when it is too young for any. */
static unsigned age_at(usec_t time)
{
        unsigned age = HABIT_AGES;

        while (age > 0 && time < ages[age - 1])
                age--;
        return age > 0 ? age - 1 : HABIT_AGES;
}

/* ---- sizes in 13 bits ----------------------------------------------------------------------------------------------- */

/* Eight bits behind the first one, and where that is. */
static uint16_t round_size(uint32_t kib)
{
        unsigned shift = 0;

        while (kib >> shift >= 512)
                shift++;
        return (uint16_t)((shift << 8) + (kib >> shift));
}

static uint32_t size_of(uint16_t rounded)
{
        unsigned shift = rounded < 512 ? 0 : (rounded >> 8) - 1u;

        return (rounded - ((uint32_t)shift << 8)) << shift;
}

/* ---- what is usual --------------------------------------------------------------------------------------------------- */

static uint32_t larger(uint32_t a, uint32_t b)
{
        return a > b ? a : b;
}

struct gathered {
        uint32_t kib[GATHERED_MAX];
        uint32_t n, lives, days;
        uint32_t own_most; /* the largest of the age itself */
        bool before;       /* some are from before the last change */
};

static unsigned count_bits(uint32_t bits)
{
        unsigned n = 0;

        for (; bits; bits &= bits - 1)
                n++;
        return n;
}

static void gather(const struct habit *habit, unsigned age, uint32_t n, struct gathered *gathered)
{
        uint32_t odd = habit->odd[age] & ((UINT32_C(1) << n) - 1), from = gathered->n;

        if (count_bits(odd) >= USUAL_FROM)
                odd = 0;
        for (uint32_t i = 0; i < n; i++)
                if (!(odd >> i & 1))
                        gathered->kib[gathered->n++] = size_of(habit->kept[age][i]);
        gathered->before |= n > habit->since[age];
        if (age < FIRST_DAYS)
                gathered->lives += gathered->n - from;
        else
                gathered->days += gathered->n - from;
}

/* Of this age, since the last change or else of before as well; where that is too little, of the days too. */
static void gather_enough(const struct habit *habit, unsigned age, struct gathered *gathered)
{
        uint32_t n = habit->since[age] >= ENOUGH ? habit->since[age] : habit->n[age];

        if (n < ENOUGH_OWN)
                return;
        gather(habit, age, n, gathered);
        for (uint32_t i = 0; i < gathered->n; i++)
                gathered->own_most = larger(gathered->own_most, gathered->kib[i]);
        for (unsigned day = age < FIRST_DAYS ? FIRST_DAYS : age + 1; n < ENOUGH && day < HABIT_AGES; day++)
                gather(habit, day, habit->n[day], gathered);
}

static void sort(uint32_t *kib, uint32_t n)
{
        for (uint32_t gap = n / 2; gap > 0; gap /= 2)
                for (uint32_t i = gap; i < n; i++) {
                        uint32_t value = kib[i], k = i;

                        for (; k >= gap && kib[k - gap] > value; k -= gap)
                                kib[k] = kib[k - gap];
                        kib[k] = value;
                }
}

static void usual_at(const struct habit *habit, unsigned age, struct habit_usual *ret)
{
        struct gathered gathered = { .n = 0 };
        uint32_t aside, most;
        uint64_t limit;

        *ret = (struct habit_usual){ .lives = 0 };
        gather_enough(habit, age, &gathered);
        if (gathered.n < ENOUGH)
                return;
        sort(gathered.kib, gathered.n);
        aside = gathered.n / ASIDE;
        ret->low_kib = gathered.kib[aside];
        ret->high_kib = gathered.kib[gathered.n - 1 - aside];
        most = larger(ret->high_kib, gathered.own_most);
        limit = (uint64_t)ret->high_kib + larger(larger(LEAST_KIB, ret->high_kib / 3), ret->high_kib - ret->low_kib);
        if (habit->n[age] < ENOUGH && limit < (uint64_t)most / 2 * 3 + LEAST_KIB)
                limit = (uint64_t)most / 2 * 3 + LEAST_KIB;
        if (gathered.before && limit < (uint64_t)most * 2 + LEAST_KIB)
                limit = (uint64_t)most * 2 + LEAST_KIB;
        ret->limit_kib = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
        ret->lives = gathered.lives;
        ret->days = gathered.days;
        ret->changed = gathered.before;
}

void habit_usual(const struct habit *habit, usec_t age, struct habit_usual *ret)
{
        unsigned at = age_at(age);

        *ret = (struct habit_usual){ .lives = 0 };
        if (at < HABIT_AGES)
                usual_at(habit, at, ret);
}

bool habit_knows(const struct habit *habit)
{
        for (unsigned age = 0; age < HABIT_AGES; age++)
                if (habit->n[age] > 0)
                        return true;
        return false;
}

bool habit_reaches(const struct habit *habit, uint32_t kib)
{
        for (unsigned age = 0; age < FIRST_DAYS; age++) {
                unsigned lives = 0;

                for (uint32_t i = 0; i < habit->n[age]; i++)
                        lives += kib <= (uint64_t)size_of(habit->kept[age][i]) / 4 * 5;
                if (lives >= USUAL_FROM)
                        return true;
        }
        return false;
}

bool habit_age(const struct habit *habit, unsigned age, usec_t *ret_from, struct habit_usual *ret)
{
        if (age >= HABIT_AGES)
                return false;
        *ret_from = ages[age];
        usual_at(habit, age, ret);
        return true;
}

/* ---- a life ---------------------------------------------------------------------------------------------------------- */

static void keep(struct habit *habit, unsigned age, uint32_t kib, bool odd)
{
        uint16_t *kept = habit->kept[age];

        memmove(kept + 1, kept, (HABIT_KEPT - 1) * sizeof(*kept));
        kept[0] = round_size(kib);
        habit->odd[age] = (habit->odd[age] << 1 | odd) & ((UINT32_C(1) << HABIT_KEPT) - 1);
        habit->n[age] += habit->n[age] < HABIT_KEPT;
        habit->since[age] += habit->since[age] < HABIT_KEPT;
}

void habit_change(struct habit *habit)
{
        memset(habit->since, 0, sizeof(habit->since));
}

void habit_begin_life(struct habit_life *life, usec_t began)
{
        *life = (struct habit_life){ .began = began };
}

static void begin_age(struct habit_life *life, usec_t time)
{
        unsigned age = age_at(time);

        life->from = life->to = life->seen = 0;
        life->least_kib = UINT32_MAX;
        if (age >= HABIT_AGES)
                return;
        life->from = age < FIRST_DAYS ? ages[age] : time / USEC_PER_DAY * USEC_PER_DAY;
        life->to = age < FIRST_DAYS ? ages[age + 1] : life->from + USEC_PER_DAY;
}

/* Held against what is usual so far. Once above it stays so until it came back, whatever becomes usual meanwhile. */
static void judge_age(const struct habit *habit, struct habit_life *life)
{
        struct habit_usual usual;

        habit_usual(habit, life->from, &usual);
        if (usual.lives + usual.days == 0 || life->least_kib <= usual.limit_kib) {
                life->above_from = 0;
                return;
        }
        if (life->above_from == 0)
                life->above_from = life->from;
        if (!life->found.above && life->to - life->above_from >= HOLDS_LEAST)
                life->found =
                        (struct habit_found){ .above = true, .age = life->to, .kib = life->least_kib, .usual = usual };
}

/* An age of which a quarter was missed tells nothing: the smallest size may have been in that. */
static void end_age(struct habit *habit, struct habit_life *life)
{
        if (life->seen < (life->to - life->from) / 4 * 3) {
                life->above_from = 0;
                return;
        }
        judge_age(habit, life);
        keep(habit, age_at(life->from), life->least_kib, life->above_from > 0);
}

/* Half of the way back is back: it may be a little larger than usual. */
static bool is_back(const struct habit_found *found, uint32_t kib)
{
        return kib <= found->usual.high_kib + (found->usual.limit_kib - found->usual.high_kib) / 2;
}

/* The part of the time from `since` to `until` that lies in the age. */
static usec_t within(const struct habit_life *life, usec_t since, usec_t until)
{
        usec_t from = since > life->from ? since : life->from, to = until < life->to ? until : life->to;

        return usec_since(to, from);
}

void habit_add(struct habit *habit, struct habit_life *life, usec_t at, uint32_t kib)
{
        usec_t time = usec_since(at, life->began), since = usec_since(life->last, life->began);
        bool gap = life->last == 0 || usec_since(at, life->last) > GAP_MOST;

        if (life->to > 0 && !gap)
                life->seen += within(life, since, time);
        if (life->to > 0 && time >= life->to)
                end_age(habit, life);
        if (time >= life->to) {
                begin_age(life, time);
                if (life->to > 0 && !gap)
                        life->seen = within(life, since, time);
        }
        if (kib < life->least_kib)
                life->least_kib = kib;
        if (life->found.above && is_back(&life->found, kib)) {
                life->found.above = false;
                life->above_from = 0;
        }
        life->last = at;
}
