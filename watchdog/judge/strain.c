#include "judge/strain.h"

#include <string.h>

#include "base/text.h"
#include "judge/burden.h"
#include "judge/incidents.h"
#include "judge/memory.h"
#include "judge/numbers.h"
#include "judge/table.h"

#define STEAL_TOLD 50                                      /* permille of the time from which on it is worth a word */
#define PRESSURE_TOLD 1000                                 /* hundredths of a percent */
#define SWITCHES_OFTEN 20000                               /* a second and CPU */
#define SAME_TIME(over, lasting) ((over) <= 2 * (lasting)) /* a mean that may stand beside another */

/* ---- what the samples add up to --------------------------------------------------------------------------------------- */

static bool find(const struct judge *judge)
{
        const struct cpu_limits *limits = &judge->policy->machine.cpu;
        const struct load *load = &judge->strain.load;

        if (limits->above_percent == 0)
                return false;
        return judge->strain.found ? !load_is_over(load, limits->above_percent, limits->lasting)
                                   : load_is_sustained(load, limits->above_percent, limits->lasting);
}

void strain_sample(struct judge *judge, const struct fact *fact)
{
        struct strain *strain = &judge->strain;
        struct load_point point = { .at = fact->at,
                                    .used = fact->host.cpu_busy,
                                    .given = fact->host.cpu_given,
                                    .switches = fact->host.switches,
                                    .taken = fact->host.cpu_steal };

        if (fact->host.cpu_given == 0)
                return;
        strain->before = strain->load.newest;
        if (!load_add(&strain->load, &point, judge->policy->machine.cpu.lasting))
                strain->before = point;
        strain->beside.cpus = fact->host.cpus;
        strain->beside.pressure = fact->host.cpu_some_avg10;
        if (find(judge) == strain->found)
                return;
        strain->wants_record = true;
        judge->decisions->remember = true;
}

static const struct load_point *window(const struct judge *judge)
{
        const struct load *load = &judge->strain.load;
        const struct load_point *from = load_since(load, judge->policy->machine.cpu.lasting);

        return from || load->n == 0 ? from : &load->points[0];
}

/* ---- who ---------------------------------------------------------------------------------------------------------------- */

/* Over about the same time where that is known, or what it used last. */
static uint32_t used_by(const struct judge *judge, const struct agent *agent, usec_t lasting)
{
        uint32_t sum = 0, permille;
        usec_t over;

        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i)) {
                if (i->gone || !is_alive(i))
                        continue;
                permille = burden_permille(i, lasting, &over);
                sum += SAME_TIME(over, lasting) ? permille : i->cpu_permille;
        }
        return sum;
}

static void add_user(struct strain_beside *beside, uint64_t agent, uint32_t permille)
{
        unsigned at = STRAIN_USERS;

        beside->users_permille += permille;
        while (at > 0 && beside->users[at - 1].permille < permille)
                at--;
        if (at == STRAIN_USERS || permille == 0)
                return;
        memmove(&beside->users[at + 1], &beside->users[at], (STRAIN_USERS - 1 - at) * sizeof(*beside->users));
        beside->users[at] = (struct strain_user){ .agent = agent, .permille = permille };
}

static void find_users(const struct judge *judge, struct strain_beside *beside)
{
        memset(beside->users, 0, sizeof(beside->users));
        beside->users_permille = 0;
        for (uint32_t n = 0; n < judge->shown_n; n++) {
                const struct agent *agent = &judge->agents[judge->shown[n]];

                add_user(beside, table_number(agent->id), used_by(judge, agent, judge->policy->machine.cpu.lasting));
        }
}

/* ---- in words ------------------------------------------------------------------------------------------------------------ */

/* "; of the agents lily (88.0% of one CPU), otto (12.0%)" */
static void describe_users(const struct judge *judge, char *reason, size_t size)
{
        const struct strain_beside *beside = &judge->strain.beside;
        char name[AGENT_ID_MAX];

        for (unsigned n = 0; n < STRAIN_USERS && beside->users[n].permille >= 10; n++) {
                const struct agent *agent = table_by_number(judge, beside->users[n].agent);

                if (!agent)
                        continue;
                agent_short_name(agent->id, name);
                text_append(reason, size, "%s%.64s (%u.%u%%%s)", n == 0 ? "; of the agents " : ", ", name,
                            beside->users[n].permille / 10, beside->users[n].permille % 10,
                            n == 0 ? " of one CPU" : "");
        }
}

/* How much of the time between the two points the host took. */
static uint32_t steal_permille(const struct load_point *from, const struct load_point *to)
{
        usec_t steal = usec_since(to->taken, from->taken), all = usec_since(to->given, from->given) + steal;

        return all > 0 ? (uint32_t)(steal * 1000 / all) : 0;
}

static void describe_rest(const struct judge *judge, const struct load_point *from, char *reason, size_t size)
{
        const struct strain *strain = &judge->strain;
        const struct load_point *to = &strain->load.newest;
        uint32_t steal = steal_permille(from, to);
        uint64_t switches = load_rate(from->switches, to->switches, to->at - from->at);
        char count[TEXT_COUNT_MAX];

        if (steal >= STEAL_TOLD)
                text_append(reason, size,
                            "; its host takes %u.%u%% of the time (steal): it throttles, or is overbooked", steal / 10,
                            steal % 10);
        if (strain->beside.pressure >= PRESSURE_TOLD)
                text_append(reason, size, "; something waits for a CPU %u%% of the time",
                            strain->beside.pressure / 100);
        if (switches >= (uint64_t)SWITCHES_OFTEN * (strain->beside.cpus > 0 ? strain->beside.cpus : 1))
                text_append(reason, size, "; %s context switches a second", text_count(count, switches));
}

/* "91.3% of 2 CPUs", and over what time. */
static void describe_use(const struct strain *strain, const struct load_point *from, char *reason, size_t size)
{
        uint32_t permille = from ? load_permille(from, &strain->load.newest) : 0;
        char over[TEXT_SPAN_MAX];

        text_append(reason, size, "%u.%u%% of %u CPU%s", permille / 10, permille % 10, strain->beside.cpus,
                    strain->beside.cpus == 1 ? "" : "s");
        text_append(reason, size, " over %s", text_span(over, from ? strain->load.newest.at - from->at : 0));
}

static void describe(const struct judge *judge, const struct load_point *from, char *reason, size_t size)
{
        const struct cpu_limits *limits = &judge->policy->machine.cpu;
        char lasting[TEXT_SPAN_MAX];

        text_append(reason, size, "used ");
        describe_use(&judge->strain, from, reason, size);
        text_append(reason, size, ", above the limit of %llu%% for %s", (unsigned long long)limits->above_percent,
                    text_span(lasting, limits->lasting));
        describe_users(judge, reason, size);
        if (from)
                describe_rest(judge, from, reason, size);
}

/* ---- what is told ---------------------------------------------------------------------------------------------------------- */

void strain_look(struct judge *judge)
{
        struct strain *strain = &judge->strain;
        const struct load_point *from = window(judge);
        char reason[REASON_MAX] = "";

        strain->acknowledged &= strain->found;
        if (strain->found && strain->incident == NOBODY && !strain->acknowledged) {
                describe(judge, from, reason, sizeof(reason));
                strain->incident = incident_open(judge, NULL, NULL, CAUSE_CPU_SUSTAINED, 1, reason);
        } else if (!strain->found && strain->incident != NOBODY) {
                text_append(reason, sizeof(reason), "back to ");
                describe_use(strain, from, reason, sizeof(reason));
                incident_resolve(judge, strain->incident, reason);
                strain->incident = NOBODY;
        }
}

void strain_forget(struct judge *judge, uint32_t incident)
{
        if (judge->strain.incident != incident)
                return;
        judge->strain.incident = NOBODY;
        judge->strain.acknowledged = true;
}

void strain_view(const struct judge *judge, struct machine_view *ret)
{
        const struct strain *strain = &judge->strain;
        const struct load_point *to = &strain->load.newest, *from = window(judge);
        usec_t passed = usec_since(to->at, strain->before.at);

        *ret = (struct machine_view){
                .above_percent = judge->policy->machine.cpu.above_percent,
                .lasting = judge->policy->machine.cpu.lasting,
                .incident = strain->incident == NOBODY ? 0 : judge->incidents[strain->incident].number,
        };
        if (!from)
                return;
        ret->over = to->at - from->at;
        ret->mean_permille = load_permille(from, to);
        ret->mean_steal_permille = steal_permille(from, to);
        if (passed == 0)
                return;
        ret->now_permille = load_permille(&strain->before, to);
        ret->switches_per_s = load_rate(strain->before.switches, to->switches, passed);
}

/* ---- into the chain and back ---------------------------------------------------------------------------------------------- */

static void pass_all(struct numbers *numbers, struct strain *strain)
{
        PASS(numbers, strain->found);
        PASS(numbers, strain->beside.cpus);
        PASS(numbers, strain->beside.pressure);
        PASS(numbers, strain->beside.users_permille);
        for (unsigned n = 0; n < STRAIN_USERS; n++) {
                PASS(numbers, strain->beside.users[n].agent);
                PASS(numbers, strain->beside.users[n].permille);
        }
        load_pass(&strain->load, numbers);
}

bool strain_remember(const struct judge *judge, struct remembered *scratch, struct fact *ret)
{
        struct strain strain = judge->strain;
        struct numbers numbers = numbers_to(scratch);

        if (strain.load.n == 0)
                return false;
        find_users(judge, &strain.beside);
        *scratch = (struct remembered){ .state = BASELINE_LOAD };
        pass_all(&numbers, &strain);
        scratch->more_n = numbers.n;
        *ret = (struct fact){ .kind = FACT_BASELINE, .at = judge->now, .agent = "", .remembered = scratch };
        return true;
}

void strain_take(struct judge *judge, const struct fact *fact)
{
        struct strain *strain = &judge->strain, was = *strain;
        struct numbers numbers = numbers_from(fact->remembered);

        pass_all(&numbers, strain);
        strain->wants_record = false;
        if (was.load.n > 0) /* a judge that runs knows what it told: under another policy that is another thing */
                strain->found = was.found;
        strain->found = find(judge);
        if (fact->at < judge->machine_due)
                judge->machine_due = fact->at;
}
