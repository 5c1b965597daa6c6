#include "judge/load.h"

#include <stddef.h>
#include <string.h>

#include "judge/numbers.h"

#define QUARTERS 4
#define GAP_LEAST (90 * USEC_PER_SEC) /* samples are 30 seconds apart at most, and one may be late */

/* Seven eighths of the limit: 85 % once found is over below 75 %. */
#define BACK_OF 7
#define BACK_IN 8

static usec_t given_between(const struct load_point *from, const struct load_point *to)
{
        return to->given > 0 ? usec_since(to->given, from->given) : usec_since(to->at, from->at);
}

static bool is_above(const struct load_point *from, const struct load_point *to, uint64_t percent)
{
        return (to->used - from->used) * 100 > percent * given_between(from, to);
}

static bool is_back(const struct load_point *from, const struct load_point *to, uint64_t percent)
{
        return (to->used - from->used) * 100 * BACK_IN < percent * BACK_OF * given_between(from, to);
}

/* ---- points --------------------------------------------------------------------------------------------------------- */

static bool belongs(const struct load *load, const struct load_point *point, usec_t lasting)
{
        usec_t gap = lasting / QUARTERS > GAP_LEAST ? lasting / QUARTERS : GAP_LEAST;

        return load->n > 0 && point->at >= load->newest.at && point->at - load->newest.at <= gap &&
               point->used >= load->newest.used;
}

static void keep(struct load *load, const struct load_point *point)
{
        if (load->n == LOAD_POINTS)
                memmove(load->points, load->points + 1, --load->n * sizeof(*load->points));
        load->points[load->n++] = *point;
}

bool load_add(struct load *load, const struct load_point *point, usec_t lasting)
{
        bool known = belongs(load, point, lasting);
        usec_t given = load->newest.given;

        if (!known)
                load->n = 0;
        load->newest = *point;
        if (known && load->newest.given < given) /* idle time is only about right: it may take a step back */
                load->newest.given = given;
        if (load->n == 0 || point->at - load->points[load->n - 1].at >= lasting / LOAD_SPANS)
                keep(load, &load->newest);
        return known;
}

/* The newest point at that time or before it, and the oldest at that time or after it. */
static const struct load_point *before(const struct load *load, usec_t at)
{
        const struct load_point *found = &load->points[0];

        for (uint32_t n = 1; n < load->n && load->points[n].at <= at; n++)
                found = &load->points[n];
        return found;
}

static const struct load_point *after(const struct load *load, usec_t at)
{
        for (uint32_t n = 0; n < load->n; n++)
                if (load->points[n].at >= at)
                        return &load->points[n];
        return &load->newest;
}

const struct load_point *load_since(const struct load *load, usec_t lasting)
{
        if (load->n == 0 || load->newest.at - load->points[0].at < lasting)
                return NULL;
        return before(load, load->newest.at - lasting);
}

/* ---- what they come to ------------------------------------------------------------------------------------------------ */

/* Any quarter, as long as the points around it say: samples may be rarer than that. */
static bool has_break(const struct load *load, const struct load_point *from, uint64_t percent)
{
        usec_t quarter = (load->newest.at - from->at) / QUARTERS;

        for (; from < load->points + load->n && load->newest.at - from->at >= quarter; from++)
                if (is_back(from, after(load, from->at + quarter), percent))
                        return true;
        return false;
}

bool load_is_sustained(const struct load *load, uint64_t percent, usec_t lasting)
{
        const struct load_point *from = load_since(load, lasting);

        return from && is_above(from, &load->newest, percent) && !has_break(load, from, percent);
}

bool load_is_over(const struct load *load, uint64_t percent, usec_t lasting)
{
        const struct load_point *from = load_since(load, lasting);

        return from && is_back(from, &load->newest, percent);
}

uint32_t load_permille(const struct load_point *from, const struct load_point *to)
{
        usec_t given = given_between(from, to);
        uint64_t used = to->used > from->used ? to->used - from->used : 0;
        uint64_t permille = given > 0 ? (used * 1000 + given - 1) / given : 0;

        return permille < UINT32_MAX ? (uint32_t)permille : UINT32_MAX;
}

uint64_t load_rate(uint64_t from, uint64_t to, usec_t time)
{
        return time > 0 && to > from ? (to - from) * USEC_PER_SEC / time : 0;
}

/* ---- into the chain and back ------------------------------------------------------------------------------------------ */

/* As what each number grew by: a window of large counters is then a line of small numbers. */
static void pass_point(struct load_point *point, const struct load_point *before, struct numbers *numbers)
{
        point->at = before->at + numbers_pass(numbers, point->at - before->at);
        point->used = before->used + numbers_pass(numbers, point->used - before->used);
        point->given = before->given + numbers_pass(numbers, point->given - before->given);
        point->switches = before->switches + numbers_pass(numbers, point->switches - before->switches);
        point->taken = before->taken + numbers_pass(numbers, point->taken - before->taken);
}

void load_pass(struct load *load, struct numbers *numbers)
{
        struct load_point none = { 0 }, *last = &none;

        PASS(numbers, load->n);
        if (load->n > LOAD_POINTS)
                load->n = LOAD_POINTS;
        for (uint32_t n = 0; n < load->n; last = &load->points[n++])
                pass_point(&load->points[n], last, numbers);
        pass_point(&load->newest, last, numbers);
}
