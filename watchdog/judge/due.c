#include "judge/due.h"

#include "judge/table.h"

/* Ties are broken by index, so that equal moments are always judged in the same order. */
static bool earlier(const struct judge *judge, uint32_t a, uint32_t b)
{
        usec_t due_a = judge->instances[a].due, due_b = judge->instances[b].due;

        return due_a < due_b || (due_a == due_b && a < b);
}

static void put(struct judge *judge, uint32_t place, uint32_t instance)
{
        judge->heap[place] = instance;
        judge->instances[instance].heap = place;
}

static void rise(struct judge *judge, uint32_t place)
{
        uint32_t instance = judge->heap[place];

        for (; place > 0 && earlier(judge, instance, judge->heap[(place - 1) / 2]); place = (place - 1) / 2)
                put(judge, place, judge->heap[(place - 1) / 2]);
        put(judge, place, instance);
}

static void sink(struct judge *judge, uint32_t place)
{
        uint32_t instance = judge->heap[place], child;

        while ((child = 2 * place + 1) < judge->heap_n) {
                if (child + 1 < judge->heap_n && earlier(judge, judge->heap[child + 1], judge->heap[child]))
                        child++;
                if (!earlier(judge, judge->heap[child], instance))
                        break;
                put(judge, place, judge->heap[child]);
                place = child;
        }
        put(judge, place, instance);
}

static void take_out(struct judge *judge, struct instance *instance)
{
        uint32_t place = instance->heap, last;

        instance->heap = NOBODY;
        last = judge->heap[--judge->heap_n];
        if (place == judge->heap_n)
                return;
        put(judge, place, last);
        rise(judge, place);
        sink(judge, judge->instances[last].heap);
}

void due_set(struct judge *judge, struct instance *instance, usec_t at)
{
        instance->due = at;
        if (at == USEC_INFINITY) {
                if (instance->heap != NOBODY)
                        take_out(judge, instance);
                return;
        }
        if (instance->heap == NOBODY)
                put(judge, judge->heap_n++, (uint32_t)(instance - judge->instances));
        rise(judge, instance->heap);
        sink(judge, instance->heap);
}

void due_sooner(struct judge *judge, struct instance *instance, usec_t at)
{
        if (instance->heap == NOBODY || at < instance->due)
                due_set(judge, instance, at);
}

struct instance *due_first(const struct judge *judge)
{
        return judge->heap_n > 0 ? &judge->instances[judge->heap[0]] : NULL;
}

void due_all(struct judge *judge, const struct agent *agent, usec_t at)
{
        if (agent) {
                for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                        due_sooner(judge, i, at);
                return;
        }
        for (uint32_t n = 0; n < judge->instances_n; n++)
                due_sooner(judge, &judge->instances[n], at);
}
