#include "judge/growth.h"

#include <string.h>

#include "base/text.h"
#include "judge/due.h"
#include "judge/incidents.h"
#include "judge/memory.h"
#include "judge/note.h"
#include "judge/numbers.h"
#include "judge/table.h"

#define KIB 1024
#define RETURNS_WITHIN (14 * USEC_PER_DAY)
#define RETURNS_USUAL 2 /* so many of them */
#define STAYS_FOR USEC_PER_DAY
#define RETURNS_SLACK_KIB (8 * 1024)

static bool is_of_life(const struct instance *instance, pid_t pid, uint64_t start)
{
        const struct life *life = life_seen(instance);

        return life->state == LIFE_ALIVE && life->pid == pid && life->start == start;
}

/* What was told of the life that runs. */
static bool is_unusual(const struct instance *instance)
{
        const struct growth *growth = &instance->growth;

        return growth->told.found.above && is_of_life(instance, growth->told.pid, growth->told.start);
}

static void begin_life(struct growth *growth, const struct fact *fact, usec_t began)
{
        growth->pid = fact->sample.pid;
        growth->start = fact->sample.start;
        habit_begin_life(&growth->life, began);
}

/* Its control group could not be read for once, and its tree stood in: months of a habit are not given up for that. */
static bool is_stand_in(const struct agent *agent, enum memory_of of)
{
        return agent->rule && of != agent->rule->memory.of && agent->learned.of == agent->rule->memory.of &&
               habit_knows(&agent->learned.habit);
}

void growth_sample(struct judge *judge, struct instance *instance, const struct fact *fact)
{
        struct agent *agent = agent_of(judge, instance);
        struct growth *growth = &instance->growth;
        uint64_t kib = fact->sample.memory_bytes / KIB;

        if (is_stand_in(agent, fact->sample.of))
                return;
        if (agent->learned.of != fact->sample.of) /* counted in another way from here on */
                agent->learned = (struct learned){ .of = fact->sample.of };
        if (growth->pid != fact->sample.pid || growth->start != fact->sample.start || growth->of != fact->sample.of)
                begin_life(growth, fact, life_seen(instance)->began);
        growth->of = fact->sample.of;
        growth->most_pid = fact->sample.most_pid;
        habit_add(&agent->learned.habit, &growth->life, fact->at, kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX);
        if (!is_governed(agent) || growth->life.found.above == is_unusual(instance))
                return;
        growth->wants_record = true;
        judge->decisions->remember = true;
}

static bool any_unusual(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone && is_unusual(i))
                        return true;
        return false;
}

static bool any_found(const struct judge *judge, const struct agent *agent, enum swell_found found)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone && swell_found(i) & found)
                        return true;
        return false;
}

/* ---- in words ------------------------------------------------------------------------------------------------------- */

static void describe_jump(const struct swell_told *told, char *reason, size_t size)
{
        char from[TEXT_BYTES_MAX], to[TEXT_BYTES_MAX];

        text_append(reason, size, "its %s jumped from %s to %s and stays there; most of it in process %d",
                    memory_of_name(told->of), text_bytes(from, (uint64_t)told->from_kib * KIB),
                    text_bytes(to, (uint64_t)told->kib * KIB), (int)told->most_pid);
}

static void describe_leak(const struct swell_told *told, const struct rule *rule, char *reason, size_t size)
{
        uint64_t bytes = (uint64_t)told->kib * KIB, ceiling = rule->memory.ceiling_bytes;
        char first[TEXT_BYTES_MAX], second[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        text_append(reason, size, "its %s grows by %s an hour for %s, and holds %s now", memory_of_name(told->of),
                    text_bytes(first, told->bytes_an_hour), text_span(span, told->window), text_bytes(second, bytes));
        if (ceiling > bytes && told->bytes_an_hour > 0)
                text_append(reason, size, ": its ceiling of %s in about %s", text_bytes(first, ceiling),
                            text_span(span, (ceiling - bytes) / told->bytes_an_hour * USEC_PER_HOUR +
                                                    (ceiling - bytes) % told->bytes_an_hour * 60 / told->bytes_an_hour *
                                                            USEC_PER_MINUTE));
        text_append(reason, size, "; most of it in process %d", (int)told->most_pid);
}

/* "12 lives", "3 lives and 9 days" */
static void describe_witnesses(const struct habit_usual *usual, char *reason, size_t size)
{
        if (usual->lives > 0)
                text_append(reason, size, "%u lives", usual->lives);
        if (usual->days > 0)
                text_append(reason, size, "%s%u days", usual->lives > 0 ? " and " : "", usual->days);
}

static void describe_habit(const struct growth *growth, char *reason, size_t size)
{
        const struct habit_found *found = &growth->told.found;
        char low[TEXT_BYTES_MAX], high[TEXT_BYTES_MAX], bytes[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        text_append(reason, size, "its %s holds %s at the age of %s; usual %s %s", memory_of_name(growth->of),
                    text_bytes(bytes, (uint64_t)found->kib * KIB), text_span(span, found->age),
                    found->usual.changed ? "before it was changed was" : "is",
                    text_bytes(low, (uint64_t)found->usual.low_kib * KIB));
        if (strcmp(low, text_bytes(high, (uint64_t)found->usual.high_kib * KIB)) != 0)
                text_append(reason, size, " to %s", high);
        text_append(reason, size, " (");
        describe_witnesses(&found->usual, reason, size);
        text_append(reason, size, "); most of it in process %d", (int)growth->most_pid);
}

/* ---- jumps that come back --------------------------------------------------------------------------------------------- */

void growth_came_back(struct judge *judge, const struct instance *instance, uint32_t kib, usec_t at)
{
        struct learned *learned = &agent_of(judge, instance)->learned;

        memmove(learned->returns + 1, learned->returns, (GROWTH_RETURNS - 1) * sizeof(*learned->returns));
        learned->returns[0].at = at;
        learned->returns[0].kib = kib;
}

/* Whether it is likely to come back this time too, or is no more than other lives hold from their beginning. */
static bool comes_and_goes(const struct agent *agent, const struct swell_told *told)
{
        unsigned returns = 0;

        for (unsigned n = 0; n < GROWTH_RETURNS; n++)
                returns += agent->learned.returns[n].at > 0 &&
                           usec_since(told->jumped_at, agent->learned.returns[n].at) <= RETURNS_WITHIN &&
                           told->kib <= (uint64_t)agent->learned.returns[n].kib / 4 * 5 + RETURNS_SLACK_KIB;
        return returns >= RETURNS_USUAL || habit_reaches(&agent->learned.habit, told->kib);
}

/* Whether a jump is worth a word: at once, or when it stays. */
static bool has_jumped(const struct judge *judge, const struct agent *agent, const struct instance *instance,
                       usec_t *due)
{
        const struct swell_told *told = &instance->swell.told;
        usec_t stays_at = usec_add(told->jumped_at, STAYS_FOR);

        if (!(swell_found(instance) & SWELL_JUMP))
                return false;
        if (judge->now >= stays_at || !comes_and_goes(agent, told))
                return true;
        *due = stays_at < *due ? stays_at : *due;
        return false;
}

/* ---- told once ------------------------------------------------------------------------------------------------------ */

/* What a human closed is told again only after it was over. */
static bool may_tell(const struct agent *agent, enum note note)
{
        return agent->noted[note] == NOBODY && !(agent->acknowledged & (1u << note));
}

static void tell_leak(struct judge *judge, struct agent *agent, struct instance *instance)
{
        char reason[REASON_MAX] = "";

        if (!may_tell(agent, NOTE_LEAK) || is_of_size(instance->cause))
                return;
        describe_leak(&instance->swell.told, agent->rule, reason, sizeof(reason));
        note_open(judge, agent, instance, NOTE_LEAK, reason);
}

static void tell_drift(struct judge *judge, struct agent *agent, struct instance *instance)
{
        char reason[REASON_MAX] = "";

        if (!may_tell(agent, NOTE_DRIFT))
                return;
        if (swell_found(instance) & SWELL_JUMP)
                describe_jump(&instance->swell.told, reason, sizeof(reason));
        else
                describe_habit(&instance->growth, reason, sizeof(reason));
        note_open(judge, agent, instance, NOTE_DRIFT, reason);
}

static void tell_new(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due)
{
        bool leaks = swell_found(instance) & SWELL_LEAK;

        if (leaks)
                tell_leak(judge, agent, instance);
        if (has_jumped(judge, agent, instance, due) || (is_unusual(instance) && !leaks && !is_of_size(instance->cause)))
                tell_drift(judge, agent, instance);
}

static void tell_over(struct judge *judge, struct agent *agent, enum note note, const char *reason)
{
        agent->acknowledged &= ~(1u << note);
        note_explained(judge, agent, note, reason);
}

/* Early in a life a leak looks like one that is larger than usual. */
static void tell_drift_over(struct judge *judge, struct agent *agent)
{
        char reason[REASON_MAX] = "came back, or began anew", name[INCIDENT_NAME_MAX];
        bool leaks = any_found(judge, agent, SWELL_LEAK);

        if (any_found(judge, agent, SWELL_JUMP) || (any_unusual(judge, agent) && !leaks))
                return;
        if (leaks && agent->noted[NOTE_LEAK] != NOBODY && agent->noted[NOTE_DRIFT] != NOBODY) {
                reason[0] = '\0';
                text_append(reason, sizeof(reason), "is a memory-leak, see %s",
                            incident_name(name, judge->incidents[agent->noted[NOTE_LEAK]].number));
        }
        tell_over(judge, agent, NOTE_DRIFT, reason);
}

void growth_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due)
{
        if (agent->noted[NOTE_LEAK] != NOBODY && agent->noted[NOTE_LEAK] == instance->incident)
                agent->noted[NOTE_LEAK] = NOBODY; /* its ceiling made more of it */
        tell_new(judge, agent, instance, due);
        tell_drift_over(judge, agent);
        if (!any_found(judge, agent, SWELL_LEAK))
                tell_over(judge, agent, NOTE_LEAK, "no longer grows, or began anew");
}

/* ---- into the chain and back ---------------------------------------------------------------------------------------- */

static void pass_found(struct numbers *numbers, struct habit_found *found)
{
        PASS(numbers, found->above);
        if (!found->above)
                return;
        PASS(numbers, found->age);
        PASS(numbers, found->kib);
        PASS(numbers, found->usual.low_kib);
        PASS(numbers, found->usual.high_kib);
        PASS(numbers, found->usual.limit_kib);
        PASS(numbers, found->usual.lives);
        PASS(numbers, found->usual.days);
        PASS(numbers, found->usual.changed);
}

static void pass_life(struct numbers *numbers, struct growth *growth)
{
        PASS(numbers, growth->of);
        PASS(numbers, growth->most_pid);
        PASS(numbers, growth->life.began);
        PASS(numbers, growth->life.last);
        PASS(numbers, growth->life.from);
        PASS(numbers, growth->life.to);
        PASS(numbers, growth->life.seen);
        PASS(numbers, growth->life.least_kib);
        PASS(numbers, growth->life.above_from);
        pass_found(numbers, &growth->life.found);
}

static uint8_t smaller(uint64_t a, uint8_t b)
{
        return a < b ? (uint8_t)a : b;
}

/* Four sizes of 13 bits in a number: those of the chain have 53. */
#define PACKED 4
#define SIZE_BITS 13

static void pass_sizes(struct numbers *numbers, uint16_t *sizes, unsigned n)
{
        for (unsigned first = 0; first < n; first += PACKED) {
                uint64_t packed = 0;

                for (unsigned k = 0; k < PACKED && first + k < n; k++)
                        packed |= (uint64_t)sizes[first + k] << (k * SIZE_BITS);
                PASS(numbers, packed);
                for (unsigned k = 0; k < PACKED && first + k < n; k++)
                        sizes[first + k] = (packed >> (k * SIZE_BITS)) & ((1u << SIZE_BITS) - 1);
        }
}

/* How many there are and what is said of them takes one number. */
static void pass_age(struct numbers *numbers, struct habit *habit, unsigned age)
{
        uint64_t about = habit->n[age] | (uint64_t)habit->since[age] << 8 | (uint64_t)habit->odd[age] << 16;

        PASS(numbers, about);
        habit->n[age] = smaller(about & 0xff, HABIT_KEPT);
        habit->since[age] = smaller(about >> 8 & 0xff, habit->n[age]);
        habit->odd[age] = (about >> 16) & ((UINT32_C(1) << HABIT_KEPT) - 1);
        pass_sizes(numbers, habit->kept[age], habit->n[age]);
}

static void pass_learned(struct numbers *numbers, struct learned *learned)
{
        PASS(numbers, learned->of);
        for (unsigned age = 0; age < HABIT_AGES; age++)
                pass_age(numbers, &learned->habit, age);
        for (unsigned n = 0; n < GROWTH_RETURNS; n++) {
                PASS(numbers, learned->returns[n].at);
                PASS(numbers, learned->returns[n].kib);
        }
}

/* It belongs to the agent, and stands with the first of its instances. */
static bool carries_habit(const struct judge *judge, const struct instance *instance)
{
        const struct instance *first = first_instance(judge, agent_of(judge, instance));

        while (first && first->gone)
                first = next_instance(judge, first);
        return first == instance;
}

bool growth_remember(const struct judge *judge, const struct instance *instance, struct remembered *scratch,
                     struct fact *ret)
{
        struct growth growth = instance->growth;
        const struct agent *agent = agent_of(judge, instance);
        struct learned learned = agent->learned;
        struct numbers numbers = numbers_to(scratch);
        bool carries = carries_habit(judge, instance) && habit_knows(&learned.habit);

        if (growth.life.last == 0 && !carries)
                return false;
        *scratch = (struct remembered){ .state = BASELINE_HABIT, .pid = growth.pid, .start = growth.start };
        pass_life(&numbers, &growth);
        PASS(&numbers, carries);
        if (carries)
                pass_learned(&numbers, &learned);
        scratch->more_n = numbers.n;
        *ret = table_baseline(judge, instance, scratch);
        return true;
}

/* True: it tells of the agent's lives too. */
static bool read_all(const struct fact *fact, struct growth *growth, struct learned *learned)
{
        struct numbers numbers = numbers_from(fact->remembered);
        bool carries = false;

        *growth = (struct growth){ .pid = fact->remembered->pid, .start = fact->remembered->start };
        pass_life(&numbers, growth);
        if ((unsigned)growth->of >= MEMORY_OF_N)
                growth->of = MEMORY_OF_PROCESS;
        PASS(&numbers, carries);
        if (carries)
                pass_learned(&numbers, learned);
        return carries;
}

bool growth_read(const struct fact *fact, struct learned *ret)
{
        struct growth growth;

        return read_all(fact, &growth, ret);
}

void growth_take(struct judge *judge, struct instance *instance, const struct fact *fact)
{
        struct growth growth;

        read_all(fact, &growth, &agent_of(judge, instance)->learned);
        growth.told.pid = growth.pid;
        growth.told.start = growth.start;
        growth.told.found = growth.life.found;
        instance->growth = growth;
        due_sooner(judge, instance, fact->at);
}
