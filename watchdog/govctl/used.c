#include "govctl/used.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "io/history.h"

#define MINUTE 60
#define MB (UINT64_C(1) << 20)

/* A value that held for so many minutes. */
struct value {
        uint64_t value;
        uint64_t weight;
};

struct values {
        struct value *list;
        size_t n, room;
        uint64_t weight;
};

/* A step as it is kept: of its minutes only the average and the highest are known. */
struct step {
        uint64_t average, highest, minutes;
};

struct reading {
        struct used used;
        struct values averages, cpu;
        struct step *steps;
        size_t steps_n, steps_room;
        bool failed;
};

/* ---- weighed quantiles ------------------------------------------------------------------------------------------------ */

static bool values_add(struct values *values, uint64_t value, uint64_t weight)
{
        if (values->n == values->room) {
                size_t room = values->room ? values->room * 2 : 256;
                struct value *list = reallocarray(values->list, room, sizeof *list);

                if (!list)
                        return false;
                values->list = list;
                values->room = room;
        }
        values->list[values->n++] = (struct value){ value, weight };
        values->weight += weight;
        return true;
}

static int by_value(const void *a_pointer, const void *b_pointer)
{
        const struct value *a = a_pointer, *b = b_pointer;

        return a->value < b->value ? -1 : a->value > b->value;
}

/* The smallest value that is not exceeded for so many thousandths of the time. */
static uint64_t quantile(struct values *values, unsigned permille)
{
        uint64_t sum = 0;

        if (values->n == 0)
                return 0;
        qsort(values->list, values->n, sizeof *values->list, by_value);
        for (size_t i = 0; i < values->n; i++) {
                sum += values->list[i].weight;
                if (sum * 1000 >= values->weight * permille)
                        return values->list[i].value;
        }
        return values->list[values->n - 1].value;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static bool add_step(struct reading *reading, const struct history_sample *sample)
{
        if (reading->steps_n == reading->steps_room) {
                size_t room = reading->steps_room ? reading->steps_room * 2 : 256;
                struct step *steps = reallocarray(reading->steps, room, sizeof *steps);

                if (!steps)
                        return false;
                reading->steps = steps;
                reading->steps_room = room;
        }
        reading->steps[reading->steps_n++] =
                (struct step){ sample->memory_bytes, sample->memory_most, sample->step / MINUTE };
        return true;
}

/* While it was down it held nothing, which says nothing of what it needs. */
static void take_sample(void *self, const struct history_sample *sample)
{
        struct reading *reading = self;
        struct used *used = &reading->used;
        usec_t at = sample->at * USEC_PER_SEC, step = sample->step * USEC_PER_SEC;

        used->from = used->from == 0 || at < used->from ? at : used->from;
        used->until = at + step > used->until ? at + step : used->until;
        used->starts += sample->starts;
        if (sample->memory_most == 0)
                return;
        used->ran += step;
        used->estimated |= sample->step > MINUTE;
        used->most_bytes = sample->memory_most > used->most_bytes ? sample->memory_most : used->most_bytes;
        if (!add_step(reading, sample) ||
            !values_add(&reading->averages, sample->memory_bytes, sample->step / MINUTE) ||
            !values_add(&reading->cpu, sample->cpu_permille, sample->step / MINUTE))
                reading->failed = true;
}

/*
 * For how many of its minutes a step was at its highest: as many as it takes to lift the average from what is usual to where it
 * is. A peak of one minute is not taken for an hour of it, nor the other way round.
 */
static uint64_t minutes_at_highest(const struct step *step, uint64_t usual)
{
        uint64_t minutes;

        if (step->highest <= usual || step->average >= step->highest)
                return step->minutes;
        if (step->average <= usual)
                return 1;
        minutes = ((step->average - usual) * step->minutes + step->highest - usual - 1) / (step->highest - usual);
        return minutes < 1 ? 1 : minutes > step->minutes ? step->minutes : minutes;
}

/* What is left of the average for the other minutes. */
static uint64_t rest_of(const struct step *step, uint64_t at_highest)
{
        uint64_t all = step->average * step->minutes, highest = step->highest * at_highest;

        return all > highest ? (all - highest) / (step->minutes - at_highest) : 0;
}

static int find_p999(struct reading *reading)
{
        struct values minutes = { .n = 0 };
        bool fits = true;

        for (size_t i = 0; i < reading->steps_n && fits; i++) {
                const struct step *step = &reading->steps[i];
                uint64_t at_highest = minutes_at_highest(step, reading->used.usual_bytes);

                fits = values_add(&minutes, step->highest, at_highest) &&
                       (at_highest == step->minutes ||
                        values_add(&minutes, rest_of(step, at_highest), step->minutes - at_highest));
        }
        reading->used.p999_bytes = quantile(&minutes, 999);
        free(minutes.list);
        return fits ? 0 : -ENOMEM;
}

int used_read(const char *path, const char *agent, usec_t since, struct used *ret)
{
        struct reading reading = { .failed = false };
        int r = history_read(path, agent, since / USEC_PER_SEC, take_sample, &reading);

        if (r >= 0 && reading.failed)
                r = -ENOMEM;
        if (r >= 0) {
                reading.used.usual_bytes = quantile(&reading.averages, 500);
                reading.used.cpu_usual = (uint32_t)quantile(&reading.cpu, 500);
                reading.used.cpu_p99 = (uint32_t)quantile(&reading.cpu, 990);
                r = find_p999(&reading);
        }
        if (r >= 0)
                *ret = reading.used;
        free(reading.steps);
        free(reading.averages.list);
        free(reading.cpu.list);
        return r;
}

/* ---- a ceiling -------------------------------------------------------------------------------------------------------- */

/* To tens, fifties or quarters of a gigabyte: more exact than that nothing here is. */
static uint64_t round_up(uint64_t bytes)
{
        uint64_t step = bytes <= 500 * MB ? 10 * MB : bytes <= 2000 * MB ? 50 * MB : 256 * MB;

        return (bytes + step - 1) / step * step;
}

uint64_t used_ceiling(const struct used *used)
{
        if (used->ran < USED_ENOUGH || used->p999_bytes == 0)
                return 0;
        return round_up(used->p999_bytes + used->p999_bytes / 2);
}
