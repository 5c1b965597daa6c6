#pragma once
/*
 * Habit: how large an agent's lives usually are at their age, and whether one of them lies above that.
 *
 * A life goes through ages, each about twice as long as the one before; from the first day on each day is one. What counts of
 * an age is the smallest size in it: collectors of garbage and children that come and go only add to what is needed. The newest of
 * these of each age, of all lives and days, are kept one by one, so that what is usual is counted and not estimated. A warm-up
 * that every life has is usual. A life that lies far above all that is usual for eight minutes on end is told, and told of
 * two lives it is usual too.
 *
 * Few lives prove nothing. An agent that is rarely restarted has few: from the fourth life on its days count as well, with the
 * reserve that the age itself was not larger. After a change the lives before it count until there are enough since, and only
 * more than twice as much is unusual.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

#define HABIT_AGES 14
#define HABIT_KEPT 24 /* of each age: a month of an agent that is restarted every day */

/* What is known of an agent. Sizes are kept in 13 bits, exact to a quarter of a percent and in their order. */
struct habit {
        uint16_t kept[HABIT_AGES][HABIT_KEPT]; /* newest first */
        uint8_t n[HABIT_AGES];
        uint8_t since[HABIT_AGES]; /* how many of the newest are from after the last change */
        uint32_t odd[HABIT_AGES];  /* those that were above what was usual, a bit each, the newest first */
};

/* What is usual at one age. */
struct habit_usual {
        uint32_t low_kib, high_kib;
        uint32_t limit_kib;   /* more is too much */
        uint32_t lives, days; /* that say so; both 0: nobody knows */
        bool changed;         /* they lived before the last change */
};

/* A life that lies above what is usual. */
struct habit_found {
        bool above;
        usec_t age;   /* at which that was clear */
        uint32_t kib; /* what it held at least in that age */
        struct habit_usual usual;
};

/* One life, as far as it has come. */
struct habit_life {
        usec_t began;
        usec_t last;     /* its newest size, 0 none */
        usec_t from, to; /* the age that it is in, as times of its life; `to` 0: too young for any */
        usec_t seen;     /* how much of that age was seen */
        uint32_t least_kib;
        usec_t above_from; /* it was above in every age from here on; 0: it was not in the last one */
        struct habit_found found;
};

void habit_begin_life(struct habit_life *life, usec_t began);

/* Adds a size to the life and, at the end of an age, to the habit. What is found of the life may be another then. */
void habit_add(struct habit *habit, struct habit_life *life, usec_t at, uint32_t kib);

/* The agent was changed: what was usual so far says less of what is usual now. */
void habit_change(struct habit *habit);

/* Whether anything was seen of it yet. */
bool habit_knows(const struct habit *habit);

/* What is usual for a life that is so old. */
void habit_usual(const struct habit *habit, usec_t age, struct habit_usual *ret);

/* Whether several lives were about so large, or larger, through some age of their first day. */
bool habit_reaches(const struct habit *habit, uint32_t kib);

/* One age of those that are told apart, for people: from when on, and what is usual in it; false past the last. */
bool habit_age(const struct habit *habit, unsigned age, usec_t *ret_from, struct habit_usual *ret);
