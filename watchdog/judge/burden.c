#include "judge/burden.h"

#include "base/text.h"
#include "judge/diagnose.h"
#include "judge/due.h"
#include "judge/memory.h"
#include "judge/note.h"
#include "judge/numbers.h"
#include "judge/table.h"

/* How often a second is worth a word: a scheduler's own tick pushes a busy thread aside a few times, not hundreds. */
#define PUSHED_OFTEN 100
#define WAKES_OFTEN 5000
#define SLEEPS_RARELY 10

/* ---- what the samples add up to --------------------------------------------------------------------------------------- */

static usec_t lasting_of(const struct rule *rule)
{
        return rule && rule->cpu.above_percent > 0 ? rule->cpu.lasting : BURDEN_LOOK;
}

static bool is_of_told_life(const struct burden *burden)
{
        return burden->told.pid == burden->pid && burden->told.start == burden->start;
}

/* Held to a quota it uses no more, whatever it wants; below that it has idle time, and wants no more than it uses. */
static bool is_over(const struct agent *agent, const struct burden *burden)
{
        const struct cpu_limits *limits = &agent->rule->cpu;
        const struct rein *rein = &agent->rein;
        uint64_t percent = limits->above_percent;

        if (rein->state == REIN_HELD && usec_since(burden->load.newest.at, rein->since) < limits->lasting)
                return false;
        if (rein->state == REIN_HELD && rein->percent < percent)
                percent = rein->percent;
        return load_is_over(&burden->load, percent, is_of_told_life(burden) ? limits->lasting : limits->lasting / 4);
}

/* By its rule. Once told, it holds until it is clear that it does not any more. */
static bool find(const struct agent *agent, const struct burden *burden)
{
        const struct cpu_limits *limits = agent->rule ? &agent->rule->cpu : NULL;

        if (!limits || limits->above_percent == 0)
                return false;
        if (!burden->told.found)
                return load_is_sustained(&burden->load, limits->above_percent, limits->lasting);
        return !is_over(agent, burden);
}

/* Told of a life before, and this one is too much as well. */
static bool is_again(const struct agent *agent, const struct burden *burden)
{
        return burden->told.found && !is_of_told_life(burden) && agent->rule &&
               load_is_sustained(&burden->load, agent->rule->cpu.above_percent, agent->rule->cpu.lasting);
}

void burden_sample(struct judge *judge, struct instance *instance, const struct fact *fact)
{
        const struct agent *agent = agent_of(judge, instance);
        struct burden *burden = &instance->burden;
        struct load_point point = { .at = fact->at,
                                    .used = fact->sample.cpu,
                                    .switches = fact->sample.voluntary,
                                    .taken = fact->sample.involuntary };

        if (burden->pid != fact->sample.pid || burden->start != fact->sample.start || burden->of != fact->sample.cpu_of)
                burden->load.n = 0;
        burden->pid = fact->sample.pid;
        burden->start = fact->sample.start;
        burden->of = fact->sample.cpu_of;
        load_add(&burden->load, &point, lasting_of(agent->rule));
        if (!is_governed(agent) || (find(agent, burden) == burden->told.found && !is_again(agent, burden)))
                return;
        burden->wants_record = true;
        judge->decisions->remember = true;
}

static const struct load_point *window(const struct load *load, usec_t lasting)
{
        const struct load_point *from = load_since(load, lasting);

        return from || load->n == 0 ? from : &load->points[0];
}

uint32_t burden_permille(const struct instance *instance, usec_t lasting, usec_t *ret_over)
{
        const struct load *load = &instance->burden.load;
        const struct load_point *from = is_alive(instance) ? window(load, lasting) : NULL;

        *ret_over = from ? load->newest.at - from->at : 0;
        return from ? load_permille(from, &load->newest) : 0;
}

/* ---- what is told ----------------------------------------------------------------------------------------------------- */

static void tell(struct judge *judge, struct instance *instance, usec_t at)
{
        const struct agent *agent = agent_of(judge, instance);
        struct burden *burden = &instance->burden;
        struct burden_told *told = &burden->told;
        const struct load_point *to = &burden->load.newest, *from = window(&burden->load, lasting_of(agent->rule));
        bool found = find(agent, burden);

        if (found && (!told->found || is_again(agent, burden))) {
                told->pid = burden->pid;
                told->start = burden->start;
        }
        told->found = found;
        told->of = burden->of;
        if (from) {
                told->permille = load_permille(from, to);
                told->over = to->at - from->at;
                told->voluntary = load_rate(from->switches, to->switches, told->over);
                told->involuntary = load_rate(from->taken, to->taken, told->over);
        }
        due_sooner(judge, instance, at);
}

/* What a thread does that is always busy: it competes, it is woken all the time, or it never sleeps. */
static void describe_switches(const struct burden_told *told, char *reason, size_t size)
{
        char count[TEXT_COUNT_MAX];

        if (told->involuntary >= PUSHED_OFTEN && told->involuntary >= told->voluntary)
                text_append(reason, size,
                            "; its main thread is pushed off the CPU %s times a second: it competes for it",
                            text_count(count, told->involuntary));
        else if (told->voluntary >= WAKES_OFTEN)
                text_append(reason, size, "; its main thread wakes up %s times a second",
                            text_count(count, told->voluntary));
        else if (told->voluntary < SLEEPS_RARELY && told->involuntary > told->voluntary)
                text_append(reason, size, "; its main thread spins: it hardly ever sleeps");
}

/* A quota holds the whole unit, so all of it is counted then. */
static enum memory_of wanted_of(const struct rule *rule)
{
        return rule->cpu.quota_percent > 0 && rule->manager == MANAGER_SYSTEMD ? MEMORY_OF_CGROUP : rule->memory.of;
}

static void describe(const struct burden_told *told, const struct rule *rule, char *reason, size_t size)
{
        char over[TEXT_SPAN_MAX], lasting[TEXT_SPAN_MAX];

        text_append(reason, size, "its %s used %u.%u%% of one CPU over %s, above its limit of %llu%% for %s",
                    memory_of_name(told->of), told->permille / 10, told->permille % 10, text_span(over, told->over),
                    (unsigned long long)rule->cpu.above_percent, text_span(lasting, rule->cpu.lasting));
        if (told->of != wanted_of(rule))
                text_append(reason, size, " (its %s is not accounted here)", memory_of_name(wanted_of(rule)));
        describe_switches(told, reason, size);
}

/* Down by its owner's will, it is no burden any more. */
static void rest(const struct judge *judge, struct instance *instance, usec_t *due)
{
        usec_t at = usec_add(instance->claimed_at, DEAD_WAIT);

        if (!instance->burden.told.found || is_alive(instance))
                return;
        if (diagnose_is_at_rest(judge, instance))
                instance->burden.told.found = false;
        else if (instance->claimed == CLAIMED_STOPPED && at > judge->now && at < *due)
                *due = at;
}

static bool any_found(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone && i->burden.told.found)
                        return true;
        return false;
}

static void say_over(struct judge *judge, struct agent *agent, const struct instance *instance)
{
        const struct burden_told *told = &instance->burden.told;
        char reason[REASON_MAX] = "", over[TEXT_SPAN_MAX];

        if (!is_alive(instance) || instance->gone)
                text_copy(reason, sizeof(reason), "it does not run any more");
        else if (agent->rule->cpu.above_percent == 0)
                text_copy(reason, sizeof(reason), "it has no CPU limit any more");
        else
                text_append(reason, sizeof(reason), "back to %u.%u%% of one CPU over %s", told->permille / 10,
                            told->permille % 10, text_span(over, told->over));
        note_explained(judge, agent, NOTE_LOAD, reason);
}

static void say_found(struct judge *judge, struct agent *agent, struct instance *instance)
{
        char reason[REASON_MAX] = "";

        describe(&instance->burden.told, agent->rule, reason, sizeof(reason));
        note_open(judge, agent, instance, NOTE_LOAD, reason);
}

void burden_look(struct judge *judge, struct agent *agent, struct instance *instance, usec_t *due)
{
        const unsigned bit = 1u << NOTE_LOAD;
        bool found;

        rest(judge, instance, due);
        found = any_found(judge, agent);
        if (!found)
                agent->acknowledged &= ~bit;
        if (!found && agent->noted[NOTE_LOAD] != NOBODY)
                say_over(judge, agent, instance);
        else if (agent->noted[NOTE_LOAD] == NOBODY && instance->burden.told.found && is_alive(instance) &&
                 agent->rule->cpu.above_percent > 0 && !(agent->acknowledged & bit))
                say_found(judge, agent, instance);
}

/* ---- into the chain and back ------------------------------------------------------------------------------------------ */

static void pass_all(struct numbers *numbers, struct burden *burden)
{
        PASS(numbers, burden->of);
        PASS(numbers, burden->told.found);
        PASS(numbers, burden->told.pid);
        PASS(numbers, burden->told.start);
        load_pass(&burden->load, numbers);
}

bool burden_remember(const struct judge *judge, const struct instance *instance, struct remembered *scratch,
                     struct fact *ret)
{
        struct burden burden = instance->burden;
        struct numbers numbers = numbers_to(scratch);

        if (burden.load.n == 0 && !burden.told.found)
                return false;
        *scratch = (struct remembered){ .state = BASELINE_LOAD, .pid = burden.pid, .start = burden.start };
        pass_all(&numbers, &burden);
        scratch->more_n = numbers.n;
        *ret = table_baseline(judge, instance, scratch);
        return true;
}

void burden_take(struct judge *judge, struct instance *instance, const struct fact *fact)
{
        const struct burden *known = &instance->burden;
        struct burden burden = { .pid = fact->remembered->pid, .start = fact->remembered->start };
        struct numbers numbers = numbers_from(fact->remembered);

        pass_all(&numbers, &burden);
        if ((unsigned)burden.of >= MEMORY_OF_N)
                burden.of = MEMORY_OF_PROCESS;
        if (known->load.n > 0) /* a judge that runs knows what it told: under another policy that is another thing */
                burden.told = known->told;
        instance->burden = burden;
        tell(judge, instance, fact->at);
}
